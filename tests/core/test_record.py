"""The record: it tells one set of counts from another, and survives a file."""

from __future__ import annotations

import json

import dask.array as da
import numba
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import endmember as em
from endmember.core.blocks import LazyRows, fingerprint
from endmember.core.record import Record, plain

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
