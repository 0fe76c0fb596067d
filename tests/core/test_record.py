"""The record: it tells one set of counts from another, and survives a file."""

from __future__ import annotations

import hashlib
import json
import weakref

import dask.array as da
import llvmlite.binding as llvm
import numba
import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.decomposition
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from threadpoolctl import threadpool_info

import endmember as em
from endmember.core.blocks import LazyRows, fingerprint
from endmember.core.machine import SIMD
from endmember.core.makers import made
from endmember.core.record import Record, hashed
from endmember.core.settings import plain, revived

ESTIMATORS = [em.PCA(2), em.NMF(2), em.NFINDR(2), em.ICA(2), em.Varimax(2), em.MCRALS(2)]


def make_counts(dtype=np.int64):
    rng = np.random.default_rng(0)
    return rng.poisson(20 * rng.dirichlet(np.ones(2), 30) @ rng.random((2, 12))).astype(dtype)


FORMS = {
    "uint8": lambda counts: counts.astype(np.uint8),
    "float32": lambda counts: counts.astype(np.float32),
    "Fortran order": np.asfortranarray,
    "CSR": sp.csr_array,
    "CSR with stored zeros": lambda counts: sp.csr_array(
        (counts.ravel(), np.tile(np.arange(12), 30), np.arange(0, 361, 12)), shape=(30, 12)
    ),
    "dask": lambda counts: da.from_array(counts, chunks=(7, 5)),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_hash_is_that_of_the_counts_whatever_their_form(form):
    counts = make_counts()
    spectra = FORMS[form](counts)
    spectra = LazyRows(spectra) if form == "dask" else spectra
    assert fingerprint(spectra) == fingerprint(counts)


@given(
    values=hnp.arrays(
        np.float64,
        (4, 5),
        elements=st.one_of(st.sampled_from([0.0, 1.0, 65535.0, 65536.0]), st.floats(0, 1e12)),
    ),
    place=st.tuples(st.integers(0, 3), st.integers(0, 4)),
    other=st.floats(0, 1e12),
)
def test_the_hash_changes_with_any_number(values, place, other):
    changed = values.copy()
    changed[place] = other
    assert (fingerprint(values) == fingerprint(changed)) == (values[place] == other)


def test_the_hash_changes_with_the_place_and_the_shape():
    counts = np.array([[0, 1, 0], [2, 0, 0]])
    moved = [counts[::-1], counts[:, ::-1], counts.reshape(3, 2), np.vstack([counts, 0 * counts])]
    hashes = {fingerprint(np.ascontiguousarray(values)) for values in [counts, *moved]}
    assert len(hashes) == 5


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_every_estimator_leaves_a_record(estimator):
    counts = make_counts()
    record = estimator.fit(counts).record_
    assert record.estimator == type(estimator).__name__
    settings = estimator.get_params()
    assert record.parameters == {k: plain(v) for k, v in settings.items() if k != "callback"}
    assert record.data == {"sha256": fingerprint(counts), "shape": [30, 12]}
    assert record.versions["numpy"] == np.__version__
    assert record.threads == numba.get_num_threads()
    assert Record.from_json(record.to_json()) == record
    json.loads(record.to_json())


def test_the_seed_is_kept_where_there_is_one():
    counts = make_counts()
    assert em.NMF(2, random_state=7).fit(counts).record_.seed == 7
    assert em.NMF(2, random_state=np.random.RandomState(7)).fit(counts).record_.seed is None


def test_settings_that_are_arrays_survive_a_file():
    known = np.vstack([np.linspace(1, 2, 12), np.full(12, np.nan)])
    record = em.MCRALS(2, known_spectra=known).fit(make_counts()).record_
    assert record.parameters["known_spectra"]["values"][1] == ["nan"] * 12
    assert Record.from_json(record.to_json()) == record


def test_a_lazy_map_is_hashed_as_it_is_read():
    counts = make_counts()
    reads = []

    def read(block):
        reads.append(len(block))
        return block

    lazy = da.from_array(counts, chunks=(10, -1)).map_blocks(read, meta=counts[:0])
    reads.clear()
    record = em.PCA(2).fit(lazy).record_
    assert record.data["sha256"] == fingerprint(counts)
    assert sum(reads) <= 2 * len(counts)


# result, machine, steps


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_the_record_holds_the_hash_and_the_sums_of_what_was_found(estimator):
    found = estimator.fit(make_counts())
    kept = found.record_.result["components_"]
    assert kept["sha256"] == hashlib.sha256(found.components_.astype("<f8").tobytes()).hexdigest()
    assert (kept["dtype"], kept["shape"]) == ("<f8", [2, 12])
    whole = pytest.approx(found.components_.sum(), rel=1e-12, abs=1e-9)
    assert sum(kept["sums"]) == whole


@given(
    values=hnp.arrays(np.float64, (3, 4), elements=st.floats(-1e3, 1e3)),
    form=st.sampled_from([np.asfortranarray, lambda a: a.astype(">f8"), lambda a: a[::-1][::-1]]),
)
def test_the_hash_of_a_result_does_not_depend_on_how_it_lies_in_memory(values, form):
    assert hashed({"values": form(values)}) == hashed({"values": values})


def test_the_record_names_the_processor_and_every_blas():
    record = em.PCA(2).fit(make_counts()).record_
    assert record.cpu["name"] == llvm.get_host_cpu_name()
    found = {name for name, has in llvm.get_host_cpu_features().items() if has}
    assert set(record.cpu["numba"].split()) == {n for n in found if n.startswith(SIMD)}
    loaded = [one for one in threadpool_info() if one["user_api"] == "blas"]
    assert sorted(one["version"] for one in record.blas) == sorted(o["version"] for o in loaded)
    assert {one["threads"] for one in record.blas} == {one["num_threads"] for one in loaded}


def test_an_image_knows_its_steps_but_does_not_hold_on_to_counts_before_them():
    image = em.SpectrumImage(sp.csr_array(make_counts()), navigation_shape=(5, 6))
    held = weakref.ref(image)
    small = image.rebin(channels=3).to_dense().crop((0, 9), region=((0, 5), (1, 6)))
    assert image.steps == ()
    del image
    assert held() is None
    assert small.steps == (
        {"name": "rebin", "parameters": {"channels": 3, "pixels": [1, 1]}},
        {"name": "crop", "parameters": {"window": [0.0, 9.0], "region": [[0, 5], [1, 6]]}},
    )
    assert small.origin["shape"] == [5, 6, 12]


SETTINGS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["nmf", "sum-to-one"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=8,
)


@given(value=SETTINGS)
def test_settings_come_back_from_a_file_as_they_were(value):
    found = revived(json.loads(json.dumps(plain(value), allow_nan=False)), "value", None)
    assert repr(found) == repr(value)  # NaN is not equal to itself


@given(
    value=hnp.arrays(
        st.sampled_from([np.float64, np.float32, ">f8", np.int16, np.uint64, np.bool_]),
        hnp.array_shapes(max_dims=3, max_side=3),
    )
)
def test_arrays_come_back_from_a_file_bit_by_bit(value):
    found = revived(json.loads(json.dumps(plain(value), allow_nan=False)), "value", None)
    assert (found.dtype, found.shape) == (value.dtype, value.shape)
    np.testing.assert_array_equal(found, value)


def test_estimators_among_settings_come_back_with_their_own():
    model = em.NMF(4, loss="gaussian", missing=np.arange(12) > 9, callback=print)
    found = revived(json.loads(json.dumps(plain(model))), "estimator", made)
    assert type(found) is em.NMF
    assert found.callback is None
    assert plain(found) == plain(model)


def test_of_estimators_of_other_packages_only_the_kind_is_kept():
    assert plain(sklearn.decomposition.NMF(2))["object"].endswith("NMF")
