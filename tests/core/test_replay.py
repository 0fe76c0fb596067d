"""Replay: the same bits from a record alone, in another process, or the reason why not."""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import re
import subprocess
import sys
import warnings
from dataclasses import asdict, replace
from pathlib import Path

import dask.array as da
import numba
import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning

import endmember as em
from endmember.core.blocks import fingerprint
from endmember.core.citations import METHODS, dois, references
from endmember.core.makers import FUNCTIONS, data_argument
from endmember.core.rank_report import RULES
from endmember.core.record import FORMAT, MAIN, Record

RNG = np.random.default_rng(3)
COUNTS = RNG.poisson(120 * RNG.dirichlet(np.ones(3), 200) @ RNG.dirichlet(np.ones(30) / 2, 3))
PURE = RNG.random((3, 30)) + 0.1
MAPS = RNG.poisson(5.0, (8, 9, 2))
KNOWN = np.vstack([np.linspace(0, 9, 30), np.full((2, 30), np.nan)])
QUICK = {"n_samples": 20, "n_burn": 5, "n_projections": 3, "likelihood": "gaussian"}
ESTIMATORS = {
    "PCA": em.PCA(4, weighting="biwhiten", solver="krylov", random_state=5),
    "NMF": em.NMF(3, n_restarts=2, volume=0.001, max_iter=40, random_state=5),
    "NMF with missing": em.NMF(2, missing=np.arange(30) > 27, max_iter=40, random_state=5),
    "ICA": em.ICA(3, on="maps", n_restarts=2, random_state=5),
    "Varimax": em.Varimax(3, on="spectra"),
    "NFINDR": em.NFINDR(3, n_restarts=2, random_state=5),
    "VCA": em.VCA(3, snr=10, random_state=5),
    "MinimumVolume": em.MinimumVolume(3, n_restarts=1, outside=0.1, random_state=5),
    "MCRALS": em.MCRALS(3, constraints="nonnegative", known_spectra=KNOWN, init=PURE),
    "BayesianUnmixing": em.BayesianUnmixing(3, random_state=5, **QUICK),
    "KMeans": em.KMeans(3, n_init=3, random_state=5),
}
SWEEP = {"features": "log-ratio", "criteria": ("gap", "stability", "silhouette"), "n_init": 2}
CALLS = {
    "bootstrap": (COUNTS, {"estimator": em.PCA(3), "n_draws": 3, "seed": 5}),
    "fit_abundances": (COUNTS, {"endmembers": PURE, "window": (3, 25)}),
    "cross_validate": (COUNTS, {"estimator": em.PCA(3), "ranks": [1, 2], "n_splits": 2, "seed": 5}),
    "rank_report": (COUNTS, {"rules": ["edge", "sequence"], "most": 4, "seed": 5}),
    "cluster_sweep": (COUNTS, {"k_range": [2, 3], "n_references": 2, "seed": 5, **SWEEP}),
    "correspondence_analysis": (COUNTS, {"n_components": 2}),
    "phase_map": (COUNTS.reshape(10, 20, 30), {"method": "nmf", "seed": 5, "n_components": 3}),
    "relative_entropy": (MAPS, {"n_counts": [50.0, 60.0], "mask": MAPS[..., 0] > 9}),
}
IN_A_FRESH_PROCESS = """
import hashlib, json, sys, warnings
import numpy as np, endmember as em
from pathlib import Path
from sklearn.exceptions import ConvergenceWarning

warnings.simplefilter("error")
warnings.simplefilter("ignore", ConvergenceWarning)
folder, found = Path(sys.argv[1]), {}
for path in folder.glob("*.json"):
    made = em.replay(path, np.load(path.with_suffix(".npy")))
    arrays = json.loads(path.read_text())["result"]
    found[path.stem] = {
        name: hashlib.sha256(np.ascontiguousarray(getattr(made, name)).tobytes()).hexdigest()
        for name in arrays
        if hasattr(made, name)
    }
print(json.dumps(found))
"""


def fitted(name):
    """What a case makes: the data, and the fitted estimator or the result."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        if name in ESTIMATORS:
            return COUNTS, ESTIMATORS[name].fit(COUNTS)
        data, settings = CALLS[name]
        if name == "bootstrap":
            settings = {**settings, "estimator": settings["estimator"].fit(data), "image": data}
            return data, em.bootstrap(**settings)
        if name == "cross_validate":
            return data, em.cross_validate(image=data, **settings)
        return data, getattr(em, name)(data, **settings)


def record_in(made):
    return made.record_ if hasattr(made, "record_") else made.record


def main_arrays(made):
    """What is compared: the main arrays by name, without the help of the record."""
    names = MAIN if hasattr(made, "record_") else record_in(made).result
    return {name: getattr(made, name) for name in names if hasattr(made, name)}


def assert_same_bits(made, other):
    ours, theirs = main_arrays(made), main_arrays(other)
    assert ours
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert np.asarray(ours[name]).tobytes() == np.asarray(theirs[name]).tobytes(), name


CASES = [*ESTIMATORS, *CALLS]


@pytest.fixture(scope="module")
def made():
    return {name: fitted(name) for name in CASES}


def scene_image(**settings):
    counts = COUNTS.reshape(10, 20, 30)
    return em.SpectrumImage(counts, np.linspace(0.1, 3.0, 30), unit="keV", **settings)


# the same bits


def test_every_estimator_gives_the_same_bits_in_a_fresh_process(made, tmp_path):
    for name, (data, found) in made.items():
        (tmp_path / f"{name}.json").write_text(record_in(found).to_json(), encoding="utf-8")
        np.save(tmp_path / f"{name}.npy", data)
    command = [sys.executable, "-c", IN_A_FRESH_PROCESS, str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    replayed = json.loads(run.stdout)
    assert set(replayed) == set(CASES)
    for name, (_, found) in made.items():
        for array, sha256 in replayed[name].items():
            expected = np.ascontiguousarray(getattr(found, array)).tobytes()
            assert sha256 == hashlib.sha256(expected).hexdigest(), (name, array)
        assert replayed[name]


def test_every_public_estimator_and_every_function_with_a_record_is_tried():
    estimators = {
        name
        for name in em.__all__
        if inspect.isclass(thing := getattr(em, name)) and issubclass(thing, BaseEstimator)
    }
    assert estimators == {type(model).__name__ for model in ESTIMATORS.values()}
    assert set(CALLS) == set(FUNCTIONS)
    assert set(METHODS) == estimators | set(FUNCTIONS)


def test_every_public_function_that_leaves_a_record_is_replayed_or_refused():
    named = set()
    for path in Path(em.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "record_of":
                named |= {arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant)}
    functions = {name for name in named & set(em.__all__) if not inspect.isclass(getattr(em, name))}
    assert functions >= set(FUNCTIONS)
    for name in functions - set(FUNCTIONS):
        with pytest.raises(ValueError, match=f"'{name}'.*call it with the parameters of the rec"):
            em.replay(with_changes(estimator=name, parameters={}), COUNTS)


def test_the_counts_are_the_first_argument_that_is_no_setting():
    record = em.fit_abundances(COUNTS, PURE).record
    assert data_argument(record) == (0, "spectra")
    assert data_argument(replace(record, parameters={"spectra": None})) == (1, "endmembers")


@pytest.mark.parametrize("name", CASES)
def test_scripts_give_the_same_bits(made, name):
    data, found = made[name]
    names = {"counts": data}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        exec(record_in(found).to_code(), names)
    assert_same_bits(found, names["result"])


def test_scripts_write_settings_that_are_not_defaults_and_the_seed():
    code = em.NMF(3, loss="gaussian").fit(COUNTS).record_.to_code()
    assert "em.NMF(loss='gaussian', random_state=0).fit(counts)" in code
    assert fingerprint(COUNTS) in code
    assert "(200, 30)" in code
    assert "widget" not in code


def test_threads_are_those_of_the_record_and_come_back():
    if numba.config.NUMBA_NUM_THREADS < 2:
        pytest.skip("there is but one thread")
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        record = em.NMF(2).fit(COUNTS).record_
        numba.set_num_threads(2)
        again = em.replay(record, COUNTS)
        assert again.record_.threads == record.threads == 1
        assert numba.get_num_threads() == 2
    finally:
        numba.set_num_threads(before)


# counts


FORMS = {
    "dense": lambda counts: counts,
    "small numbers": lambda counts: counts.astype(np.uint16),
    "floats": lambda counts: np.asfortranarray(counts.astype(np.float32)),
    "CSR": lambda counts: sp.csr_array(counts),
    "map": lambda counts: counts.reshape(10, 20, 30),
    "image": lambda counts: em.SpectrumImage(counts.reshape(10, 20, 30)),
    "sparse image": lambda counts: em.SpectrumImage(
        sp.csr_array(counts), navigation_shape=(10, 20)
    ),
}


@pytest.mark.parametrize("other", FORMS)
@pytest.mark.parametrize("one", ["dense", "CSR", "sparse image"])
def test_forms_of_the_same_counts_share_the_hash_and_replay_each_other(one, other):
    model = em.NMF(3, max_iter=300).fit(FORMS[one](COUNTS))
    assert model.record_.data["sha256"] == fingerprint(COUNTS)
    assert_same_bits(model, em.replay(model.record_, FORMS[other](COUNTS)))


def test_counts_read_block_by_block_are_told_from_those_in_memory():
    record = em.PCA(2).fit(da.from_array(COUNTS, chunks=(50, 30))).record_
    assert record.form["kind"] == "dask"
    with pytest.warns(UserWarning, match="- counts as dask then, dense now"):
        em.replay(record, COUNTS)
    em.replay(record, da.from_array(COUNTS, chunks=(50, 30)))


def test_other_counts_are_refused_with_both_hashes_and_shapes():
    record = em.PCA(2).fit(COUNTS).record_
    other = COUNTS[:100].copy()
    with pytest.raises(ValueError, match="masks included, or pass strict=False") as caught:
        em.replay(record, other)
    for said in (fingerprint(COUNTS), fingerprint(other), "(200, 30)", "(100, 30)"):
        assert said in str(caught.value)
    other = COUNTS.copy()
    other[7, 7] += 1
    with pytest.raises(ValueError, match=fingerprint(other)):
        em.replay(record, other)


def test_the_same_can_be_done_with_other_counts_on_request():
    image, other = scene_image(), scene_image().with_counts(COUNTS.reshape(10, 20, 30) + 1)
    record = em.NMF(2).fit(image.rebin(channels=2)).record_
    with pytest.warns(UserWarning, match="with other counts: of shape .200, 15. with sha256"):
        found = em.replay(record, other, strict=False)
    assert_same_bits(found, em.NMF(2).fit(other.rebin(channels=2)))


def test_images_with_masks_are_replayed_as_what_is_visible():
    mask, lost = np.zeros((10, 20), dtype=bool), np.arange(30) == 4
    mask[:2, 3:7] = True
    image = scene_image(mask=mask, channel_mask=lost)
    model = em.PCA(3).fit(image)
    assert model.record_.data["shape"] == [192, 29]
    assert model.record_.origin["hidden"] == [8, 1]
    assert_same_bits(model, em.replay(model.record_, image))
    assert_same_bits(model, em.replay(model.record_, image.spectra))
    with pytest.raises(ValueError, match=r"of shape \(192, 29\).*data have shape \(200, 30\)"):
        em.replay(model.record_, COUNTS)


# steps


def derived():
    """An image, and what three steps make of it."""
    image = scene_image()
    halves = em.thin(image.crop((0.2, 2.9), region=((1, 9), (0, 20))), 0.6, seed=2)
    return image, halves[1].rebin(channels=2, pixels=(1, 2))


@pytest.mark.parametrize("form", ["to_dense", "to_sparse"])
def test_steps_before_a_fit_are_taken_again(form):
    image, small = derived()
    model = em.NMF(2, random_state=1).fit(getattr(small, form)())
    record = Record.from_json(model.record_.to_json())
    assert [step["name"] for step in record.steps] == ["crop", "thin", "rebin"]
    assert record.origin["shape"] == [10, 20, 30]
    assert record.data["sha256"] == fingerprint(small.spectra)
    assert_same_bits(model, em.replay(record, small.spectra))
    if form == "to_dense":
        assert_same_bits(model, em.replay(record, image))
        names = {"image": image}
        exec(record.to_code(), names)
        assert_same_bits(model, names["result"])


def test_functions_know_the_steps_of_their_image():
    image, small = derived()
    found = [
        em.fit_abundances(small, np.ones((1, small.n_channels))),
        em.cluster_sweep(small, [2, 3], n_init=1),
        em.correspondence_analysis(small, 2),
        em.phase_map(small, n_components=2),
        em.relative_entropy(small),
        em.decompose(small, em.PCA(2)),
    ]
    for one in found:
        assert [step["name"] for step in one.record.steps] == ["crop", "thin", "rebin"]
        assert one.record.data["sha256"] == fingerprint(small.spectra)
        em.replay(one.record, image)


def test_an_opaque_step_is_refused_where_it_has_to_be_taken_again():
    image = scene_image()
    other = image.with_counts(2 * np.asarray(image.counts)).crop((0.2, 2.0))
    record = em.PCA(2).fit(other).record_
    em.replay(record, other)
    with pytest.raises(ValueError, match=r"'with_counts' put other counts.*pass the image after"):
        em.replay(record, image)
    with pytest.raises(ValueError, match=r"'with_counts' put other counts.*write down"):
        record.to_code()


def test_a_script_loads_what_the_record_knows_how_to_load():
    image = em.datasets.load("mixture", shape=(6, 7)).image
    model = em.PCA(2).fit(image.rebin(channels=2))
    names: dict = {}
    exec(model.record_.to_code(), names)
    assert_same_bits(model, names["result"])


def test_the_record_of_a_result_names_the_result_that_it_was_made_from():
    corners = em.NFINDR(3).fit(COUNTS)
    record = em.fit_abundances(COUNTS, corners).record
    assert record.made_from == {"endmembers": asdict(corners.record_)}
    assert Record.from_json(record.to_json()) == record
    found = em.decompose(scene_image(), em.NMF(2))
    entropy = em.relative_entropy(found)
    assert entropy.record.made_from == {"maps": asdict(found.record)}
    em.replay(entropy.record, found)


# what differs


def test_every_version_that_differs_is_named():
    record = em.PCA(2).fit(COUNTS).record_
    old = replace(record, versions={**record.versions, "numpy": "2.1.0", "scipy": "1.0"})
    with pytest.warns(UserWarning) as caught:
        em.replay(old, COUNTS)
    (warning,) = caught
    lines = str(warning.message).splitlines()
    assert f"- numpy 2.1.0 then, {np.__version__} now" in lines
    assert [line for line in lines if line.startswith("- ")] == lines[1:3]
    assert lines[-1] == "The result has the same bits all the same."


def test_processor_blas_and_threads_that_differ_are_named():
    record = em.PCA(2).fit(COUNTS).record_
    cpu = {**record.cpu, "name": "znver1", "numba": record.cpu["numba"] + " avx9000"}
    blas = [{**record.blas[0], "kernels": "Prescott"}, *record.blas[1:]]
    other = replace(record, cpu=cpu, blas=blas, threads=4096)
    most = numba.config.NUMBA_NUM_THREADS
    with pytest.warns(UserWarning) as caught:
        em.replay(other, COUNTS)
    text = str(caught[0].message)
    assert f"- processor name: znver1 then, {record.cpu['name']} now" in text
    assert "- processor numba: avx9000 then, no more now" in text
    assert "Prescott" in text
    assert f"- threads: 4096 then, {most} now" in text


def test_other_bits_are_named_with_how_far_they_are():
    record = em.PCA(2).fit(COUNTS).record_
    kept = record.result["components_"]
    highest = max(map(abs, kept["sums"]))
    sums = [kept["sums"][0] + 1e-3 * highest, *kept["sums"][1:]]
    other = {"components_": {**kept, "sha256": "0" * 64, "sums": sums}}
    said = (
        "same counts, settings, versions and threads\nThe result has other bits: components_ differ"
    )
    with pytest.warns(UserWarning, match=said) as caught:
        em.replay(replace(record, result=other), COUNTS)
    far = float(str(caught[0].message).split("parts by ")[1].split(" of")[0])
    assert far == pytest.approx(1e-3, rel=0.1)


def test_a_fit_that_was_stopped_has_other_bits():
    model = em.NMF(3, callback=lambda progress: progress.fraction > 0.01).fit(COUNTS)
    with pytest.warns(UserWarning, match="other bits: components_ differs"):
        em.replay(model.record_, COUNTS)


def test_a_record_of_an_older_form_still_loads_and_says_what_it_lacks():
    record = em.PCA(2).fit(COUNTS).record_
    names = ("estimator", "parameters", "seed", "data", "versions", "threads")
    old = json.dumps({name: getattr(record, name) for name in names})
    assert Record.from_json(old).version == 0
    with pytest.warns(UserWarning) as caught:
        em.replay(old, COUNTS)
    text = str(caught[0].message)
    assert "processor and BLAS then are not in the record" in text
    assert "no hash of the result" in text


def test_a_callback_hears_of_the_work_and_is_let_go():
    heard = []
    model = em.NMF(2).fit(COUNTS)
    again = em.replay(model.record_, COUNTS, callback=lambda progress: heard.append(progress))
    assert heard
    assert again.callback is None


# refusals


def with_changes(**changes):
    return replace(em.PCA(2).fit(COUNTS).record_, **changes)


def test_a_future_version_is_refused():
    text = with_changes(version=FORMAT + 1).to_json()
    with pytest.raises(ValueError, match=f"version {FORMAT + 1}, but .* up to {FORMAT}; update"):
        Record.from_json(text)
    with pytest.raises(ValueError, match="update endmember"):
        em.replay(text, COUNTS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "the text is no JSON"),
        ('{"threads": NaN}', "NaN is no JSON"),
        ("[]", "the JSON is a list, no record"),
        ('{"estimator": "PCA", "colour": 1}', r"lacks \['data', .*unknown \['colour'\]"),
    ],
)
def test_what_is_no_record_is_refused(text, said):
    with pytest.raises(ValueError, match=said):
        em.replay(text, COUNTS)


def test_a_record_is_taken_as_itself_as_json_or_as_a_file(tmp_path):
    record = em.PCA(2).fit(COUNTS).record_
    path = tmp_path / "record.json"
    path.write_text(record.to_json(), encoding="utf-8")
    for one in (record, record.to_json(), path, str(path)):
        em.replay(one, COUNTS)
    with pytest.raises(FileNotFoundError, match="neither JSON nor a file"):
        em.replay(tmp_path / "other.json", COUNTS)
    with pytest.raises(TypeError, match="record is a PCA; pass a Record"):
        em.replay(em.PCA(2), COUNTS)


def test_what_no_record_can_hold_is_refused_with_a_way_out():
    model = em.NMF(2, random_state=np.random.RandomState(7)).fit(COUNTS)
    for again in (lambda: em.replay(model.record_, COUNTS), model.record_.to_code):
        with pytest.raises(ValueError, match=r"random_state was .*RandomState.* a whole number"):
            again()
    with pytest.raises(ValueError, match="random_state was None, so that random work"):
        em.replay(em.NMF(2, random_state=None).fit(COUNTS).record_, COUNTS)


def test_blocks_are_refused():
    for model in (em.PCA(2), em.NMF(2)):
        record = model.partial_fit(COUNTS[:100]).partial_fit(COUNTS[100:]).record_
        assert record.method == "partial_fit"
        assert "in blocks of pixels" in record.methods()
        with pytest.raises(ValueError, match=r"in blocks with partial_fit.*call fit"):
            em.replay(record, COUNTS)


@pytest.mark.parametrize("name", ["open", "thin", "os", "SpectrumImage", "replay"])
def test_nothing_but_estimators_and_functions_with_records_is_called(name):
    with pytest.raises(ValueError, match=f"the record is of '{name}'"):
        em.replay(with_changes(estimator=name, parameters={}), COUNTS)


def test_settings_that_are_not_known_are_refused():
    with pytest.raises(ValueError, match=r"PCA knows no settings \['colour'\]"):
        em.replay(with_changes(parameters={"colour": 1}), COUNTS)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data": {}}, r"data of the record hold \[\], but 'sha256' and 'shape'"),
        ({"threads": "two"}, "threads of the record is 'two', no int"),
        ({"steps": {}}, "steps of the record is {}, no list"),
    ],
)
def test_parts_of_another_kind_are_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        Record.from_json(with_changes(**changes).to_json())


# methods


def dois_of(*names):
    """Every DOI in the docstrings of public names, found without the module that cites them."""
    texts = " ".join(inspect.getdoc(getattr(em, name)) for name in names)
    return {doi.rstrip(".") for doi in re.findall(r"(?:doi:|doi\.org/)(\S+)", texts)}


@pytest.mark.parametrize("name", CASES)
def test_the_paragraph_names_method_versions_seed_and_works(made, name):
    record = record_in(made[name][1])
    text = record.methods()
    assert set(dois(text)) <= dois_of(*METHODS, "thin", "cluster_features")
    of_its_own = set(dois(text)) & dois_of(record.estimator)
    assert of_its_own or name in ("fit_abundances", "phase_map")  # Poisson, and NMF's own works
    assert dois(text) or name == "fit_abundances"
    assert METHODS[record.estimator].did in text
    assert f"NumPy {np.__version__}" in text
    assert record.seed is None or f"random seed {record.seed}" in text


SETTINGS_THAT_MATTER = {
    "rank_report": [{"rules": list(RULES)}],
    "PCA": [{"weighting": "poisson"}, {"weighting": "biwhiten"}, {"solver": "krylov"}],
    "NMF": [{"n_restarts": 1, "volume": 0.1}, {"loss": "gaussian"}],
    "MCRALS": [{"constraints": ["unimodal_spectra", "nonnegative_spectra"]}],
    "cluster_sweep": [{"criteria": ["silhouette", "gap", "stability"]}],
    "bootstrap": [{"kind": "thinning"}],
    "fit_abundances": [{"weights": "none"}],
}


@pytest.mark.parametrize("name", METHODS)
def test_every_work_in_a_docstring_is_cited_where_it_matters(made, name):
    case = name if name in made else next(key for key in made if key.startswith(name))
    record = record_in(made[case][1])
    cited = set()
    for settings in [{}, *SETTINGS_THAT_MATTER.get(name, [])]:
        changed = replace(record, parameters={**record.parameters, **settings})
        cited |= set(dois(changed.methods()))
    if name == "NMF":
        cited |= set(dois(replace(record, method="partial_fit").methods()))
    if name == "phase_map":
        parameters = {**record.parameters, "method": "varimax"}
        cited |= set(dois(replace(record, parameters=parameters).methods()))
    if name == "Varimax":
        cited |= set(dois(em.Varimax(2).fit(COUNTS).record_.methods()))
    assert dois_of(name) <= cited
    assert cited


def test_the_paragraph_tells_of_steps_and_of_other_results():
    _, small = derived()
    corners = em.NFINDR(2).fit(small)
    text = em.fit_abundances(small, corners).record.methods()
    assert "A map of 10 × 20 pixels and 30 channels was cropped to 0.2 to 2.9 keV and" in text
    assert "then thinned (fraction 0.6, seed 2, part 1), then rebinned by 2 channels" in text
    assert "endmembers came from NFINDR of counts with SHA-256" in text
    assert dois(next(iter(references(em.thin).values())))[0] in dois(text)
    assert "window" not in text


def test_works_that_did_not_matter_are_not_cited():
    text = em.NMF(2).fit(COUNTS).record_.methods()
    assert "10.1038/44565" in text
    assert "10.1109/TSP.2020.2991801" not in text
    assert len(dois(text)) == 2
