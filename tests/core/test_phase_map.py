"""The one button: what it finds in known phases, and how its knobs move the number of them."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

import endmember as em
from endmember import metrics
from endmember.core import phase_map as module
from endmember.core.blocks import fingerprint

CR2O3, SPINEL = 1, 5


@pytest.fixture(scope="module")
def scene():
    return em.datasets.load("six_compounds", shape=(48, 48), dose=150.0)


@pytest.fixture(scope="module")
def found(scene):
    return em.phase_map(scene.image)


def apart(labels):
    """The compounds that have a component of their own: the spinel is a mixture of two others."""
    return np.where(labels == SPINEL, CR2O3, labels)


# what it finds


@pytest.mark.parametrize("method", ["varimax", "nmf"])
def test_phases_are_the_compounds_that_a_component_can_tell_apart(scene, method):
    found = em.phase_map(scene.image, method=method)
    assert found.rank == found.n_phases == 5
    assert metrics.adjusted_rand_index(apart(scene.labels), found.labels) > 0.98
    assert 0.8 < metrics.adjusted_rand_index(scene.labels, found.labels) < 0.95


def test_a_high_threshold_takes_the_mixture_out_of_its_phase(scene):
    found = em.phase_map(scene.image, method="nmf", threshold=0.8)
    is_spinel = scene.labels == SPINEL
    assert (found.labels[is_spinel] == -1).mean() > 0.9
    assert (found.labels[~is_spinel] == -1).mean() < 0.1


@pytest.fixture(scope="module")
def overlapping(diamond):
    """A part of the measured map: three phases that overlap, at 177 counts a pixel."""
    rows = np.arange(diamond.n_pixels).reshape(diamond.navigation_shape)[60:140, 60:140]
    return em.SpectrumImage(diamond.spectra[rows.ravel()], navigation_shape=(80, 80))


@pytest.mark.parametrize("method", ["varimax", "nmf"])
def test_most_pixels_of_overlapping_phases_are_assigned_and_the_others_are_specks(
    overlapping, method
):
    found = em.phase_map(overlapping, method=method)
    assert found.n_unassigned < 0.25 * overlapping.n_pixels
    specks, majority = (
        em.phase_map(overlapping, method=method, n_components=found.rank, **knob)
        for knob in ({"min_area": 1}, {"threshold": 0.5})
    )
    assert specks.n_unassigned < 0.01 * overlapping.n_pixels
    assert majority.n_unassigned > 0.4 * overlapping.n_pixels


def test_keenan_kotula_scaling_counts_more_components_than_there_are(scene):
    found = em.phase_map(scene.image, weighting="poisson")
    assert found.rank > 6


def test_spectra_are_means_of_the_counts_with_their_poisson_errors(scene, found):
    counts = np.asarray(scene.image.counts, dtype=float)
    for k in range(found.n_phases):
        members = counts[found.labels == k]
        assert found.areas[k] == len(members)
        np.testing.assert_allclose(found.phases[k], members.mean(axis=0), rtol=1e-12)
        errors = np.sqrt(members.mean(axis=0) / len(members))
        np.testing.assert_allclose(found.phase_errors[k], errors, rtol=1e-12)
    assert found.n_unassigned == np.count_nonzero(found.labels == -1)
    assert (np.diff(found.areas) <= 0).all()


def test_errors_of_the_spectra_are_as_large_as_their_distance_from_the_truth(scene, found):
    for k in range(found.n_phases):
        kinds = np.bincount(scene.labels[found.labels == k], minlength=6)
        truth = kinds @ scene.endmembers / kinds.sum()
        seen = truth * found.areas[k] > 5
        pulls = (found.phases[k] - truth)[seen] / found.phase_errors[k][seen]
        assert pulls.std() == pytest.approx(1.0, abs=0.15)


def test_every_area_is_as_large_as_it_has_to_be(scene):
    found = em.phase_map(scene.image, min_area=30)
    for k in range(found.n_phases):
        areas, _ = ndimage.label(found.labels == k)
        assert np.bincount(areas.ravel())[1:].min() >= 30
    chosen = em.phase_map(scene.image, min_area=1).labels
    assert np.count_nonzero(chosen == -1) < found.n_unassigned


def test_labels_follow_from_the_decomposition(scene):
    found = em.phase_map(scene.image, method="nmf", threshold=0.6, min_area=1, min_counts=120)
    result = found.decomposition
    parts = result.scores * result.components.sum(axis=1)
    shares = parts / parts.sum(axis=1, keepdims=True)
    bright = np.asarray(scene.image.spectra).sum(axis=1) >= 120
    expected = np.where((shares.max(axis=1) >= 0.6) & bright, shares.argmax(axis=1), -1)
    of_phases = np.append(found.components, -1)[found.labels.ravel()]
    np.testing.assert_array_equal(of_phases, expected)
    assert bright.mean() < 0.9


# the knobs


@pytest.mark.parametrize(
    ("knob", "values", "settings"),
    [
        ("threshold", np.linspace(0, 1, 11), {"method": "nmf", "n_components": 7}),
        ("threshold", np.linspace(0, 1, 11), {"method": "varimax"}),
        ("min_area", [1, 4, 30, 100, 150, 250, 1000], {}),
        ("min_counts", [0, 50, 100, 150, 200, 400], {}),
    ],
)
def test_turning_a_knob_down_adds_phases_and_never_takes_one(scene, knob, values, settings):
    """Areas of a lower value hold those of a higher one, so this is a theorem."""
    changes = em.phase_sensitivity(scene.image, knob, values, **settings)
    n_phases = [change.n_phases for change in changes]
    assert (np.diff(n_phases) <= 0).all()
    assert n_phases[0] > n_phases[-1]
    assert [change.value for change in changes] == list(values)
    assert (np.diff([change.unassigned for change in changes]) >= 0).all()


@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.sampled_from([(9, 8), (40,), (4, 5, 6)]),
    min_area=st.integers(1, 12),
)
def test_small_areas_are_those_that_a_flood_finds(seed, shape, min_area):
    labels = np.random.default_rng(seed).integers(-1, 2, shape)
    expected = np.full(shape, -1)
    for start in np.ndindex(shape):
        area = flood(labels, start)
        expected[start] = labels[start] if len(area) >= min_area else -1
    np.testing.assert_array_equal(module._without_small(labels, min_area), expected)


def flood(labels, start):
    """Every pixel that is reached from one over sides, without leaving its label."""
    reached, edge = {start}, [start]
    while edge:
        pixel = edge.pop()
        for i in range(labels.ndim):
            for step in (-1, 1):
                beside = (*pixel[:i], pixel[i] + step, *pixel[i + 1 :])
                if not 0 <= beside[i] < labels.shape[i] or beside in reached:
                    continue
                if labels[beside] == labels[start]:
                    reached.add(beside)
                    edge.append(beside)
    return reached


def test_sensitivity_compares_with_the_map_whatever_phases_are_called(scene, found):
    unchanged, fewer = found.sensitivity("n_components", [5, 3])
    share = found.n_unassigned / found.decomposition.image.n_pixels
    assert unchanged == module.PhaseChange("n_components", 5, 5, 0.0, share)
    assert fewer.n_phases == 3
    other = em.phase_map(scene.image, n_components=3)
    best = max(
        np.mean(renamed(other.labels, names) == found.labels)
        for names in permutations_of(5, n_kept=3)
    )
    assert fewer.changed == pytest.approx(1 - best)


def permutations_of(n, n_kept):
    from itertools import permutations

    return permutations(range(n), n_kept)


def renamed(labels, names):
    return np.append(names, -1)[labels]


def test_sensitivity_turns_the_three_knobs_of_the_vendors_by_default(found):
    changes = found.sensitivity()
    assert {change.knob for change in changes} == {"n_components", "threshold", "min_area"}
    present = [c for c in changes if c.value == found.settings.get(c.knob) or c.value == found.rank]
    assert all(change.changed == 0 for change in present if change.knob != "min_area")
    assert [c.value for c in changes if c.knob == "n_components"] == [3, 4, 5, 6, 7]


@pytest.mark.parametrize("knob", module.KNOBS)
def test_every_knob_can_be_turned_and_has_values_of_its_own(knob):
    image = em.datasets.load("six_compounds", shape=(16, 16), dose=300.0).image
    found = em.phase_map(image, threshold=0.3)
    changes = found.sensitivity(knob)
    for change in (changes[0], changes[-1]):
        settings = {**found.settings, knob: change.value}
        other = em.phase_map(image, **settings)
        assert change.n_phases == other.n_phases
        assert change.unassigned == other.n_unassigned / image.n_pixels
    assert len(changes) >= 2
    assert all(0 <= change.changed <= 1 for change in changes)


# what it takes


@pytest.mark.parametrize("method", ["varimax", "nmf"])
@pytest.mark.parametrize("form", ["csr", "dask", "float32", "fortran", ">u2"])
def test_every_form_gives_the_same(form, method):
    image = em.datasets.load("six_compounds", shape=(16, 14), dose=400.0).image
    expected = em.phase_map(image, method=method)
    counts = np.array(image.counts)
    if form == "dask":
        import dask.array as da

        counts = da.from_array(counts, chunks=(5, 14, 400))
    elif form == "fortran":
        counts = np.asfortranarray(counts)
    elif form != "csr":
        counts = counts.astype(form)
    taken = image.to_sparse() if form == "csr" else counts
    found = em.phase_map(taken, method=method)
    np.testing.assert_array_equal(found.labels, expected.labels)
    np.testing.assert_allclose(found.phases, expected.phases, rtol=1e-6)
    flat = em.SpectrumImage(sp.csr_array(image.spectra), navigation_shape=(16, 14))
    np.testing.assert_array_equal(em.phase_map(flat, method=method).labels, expected.labels)


@pytest.mark.parametrize("method", ["varimax", "nmf"])
def test_hidden_pixels_and_channels_take_no_part(scene, method):
    mask = np.zeros((48, 48), dtype=bool)
    mask[10:20, 5:40] = True
    counts = scene.image.counts.astype(float)
    counts[mask] = np.nan
    lost = scene.image.axis < 0.1
    image = em.SpectrumImage(counts, scene.image.axis, mask=mask, channel_mask=lost)
    found = em.phase_map(image, method=method, min_area=1)
    assert (found.labels[mask] == -1).all()
    assert found.phases.shape == (found.n_phases, image.n_channels)
    assert found.areas.sum() + found.n_unassigned == image.n_pixels
    assert metrics.adjusted_rand_index(apart(scene.labels)[~mask], found.labels[~mask]) > 0.98


def test_areas_do_not_join_across_hidden_pixels():
    rng = np.random.default_rng(0)
    spectra = np.array([[90.0, 5, 5, 40], [5, 90.0, 5, 40]])
    kinds = np.zeros((9, 9), dtype=int)
    kinds[:, :4] = 1
    mask = np.zeros((9, 9), dtype=bool)
    mask[2] = True
    image = em.SpectrumImage(rng.poisson(spectra[kinds]), mask=mask)
    knobs = {"n_components": 2, "weighting": "poisson", "threshold": 0.0}
    found = em.phase_map(image, min_area=12, **knobs)
    assert (found.labels[:2] == -1).all()  # 8 and 10 pixels above the hidden row
    assert (found.labels[3:] >= 0).all()


def test_empty_pixels_belong_to_no_phase(scene):
    counts = np.array(scene.image.counts)
    counts[:3] = 0
    found = em.phase_map(counts, threshold=0, min_counts=0)
    assert (found.labels[:3] == -1).all()


def test_one_spectrum_is_one_phase():
    counts = np.random.default_rng(1).poisson(np.full((20, 20, 60), 2.0))
    found = em.phase_map(counts)
    assert (found.rank, found.n_phases, found.n_unassigned) == (1, 1, 0)


def test_a_map_without_a_phase_is_a_result_too(scene):
    found = em.phase_map(scene.image, threshold=1.0)
    assert found.n_phases == 0
    assert found.phases.shape == found.phase_errors.shape == (0, 400)
    assert found.n_unassigned == 48 * 48
    assert found.sensitivity("threshold", [0.5])[0].n_phases == 5


# what it keeps


def test_every_knob_stands_in_a_step_with_its_value(found):
    assert [step.name for step in found.steps] == [
        "rank",
        "components",
        "threshold",
        "minimum area",
    ]
    in_sight = {name for step in found.steps for name in step.knobs}
    nmf = em.phase_map(found.decomposition.image, method="nmf", n_components=3)
    in_sight |= {name for step in nmf.steps for name in step.knobs}
    assert in_sight == set(module.KNOBS) == set(found.settings)
    assert "5 components rise above the noise edge" in found.steps[0].outcome
    assert found.steps[3].outcome.endswith("5 phases")
    assert nmf.steps[0].outcome == "as asked for"
    html = found._repr_html_()
    assert html.count("<tr>") == 5
    assert "threshold=0.3" in html


@pytest.mark.parametrize("method", ["varimax", "nmf"])
def test_its_code_makes_it_again(method):
    image = em.datasets.load("six_compounds", shape=(20, 20), dose=300.0).image
    found = em.phase_map(image, method=method, threshold=np.float64(0.4), min_area=np.int64(3))
    names: dict = {}
    exec(found.to_code(), names)
    np.testing.assert_array_equal(names["found"].labels, found.labels)
    np.testing.assert_array_equal(names["found"].phases, found.phases)
    assert "np." not in found.to_code()


def test_the_record_and_the_name_say_what_it_is(scene, found):
    kept = json.loads(found.record.to_json())
    assert kept["estimator"] == "phase_map"
    assert kept["parameters"] == found.settings
    assert kept["parameters"]["threshold"] == 0.3
    assert kept["seed"] == 0
    assert kept["data"]["sha256"] == fingerprint(scene.image.spectra)
    assert repr(found).startswith("<PhaseMap 'six compounds', 5 phases of 5 components by varimax")


def test_the_data_are_not_changed(scene):
    counts = np.array(scene.image.counts)
    before = counts.copy()
    em.phase_map(counts, method="nmf")
    np.testing.assert_array_equal(counts, before)


@pytest.mark.parametrize("method", ["varimax", "nmf"])
def test_progress_rises_and_a_callback_stops_it(method):
    image = em.datasets.load("six_compounds", shape=(20, 20), dose=300.0).image
    knobs = {"weighting": "poisson", "method": method}
    heard = []
    found = em.phase_map(image, **knobs, callback=lambda p: heard.append(p.fraction))
    assert len(heard) > 2
    assert heard == sorted(heard)
    assert heard[-1] <= 1
    assert found.decomposition.estimator.callback is None
    for last in (1, len(heard) - 1):
        told = []
        with pytest.raises(em.CancelledError, match="nothing was fitted"):
            em.phase_map(image, **knobs, callback=stop_at(last, told))
        assert len(told) == last + 1
    told = []
    found.sensitivity("min_area", [1, 2], callback=lambda p: told.append(p.fraction))
    assert told == [0.5, 1.0]
    with pytest.raises(em.CancelledError):
        found.sensitivity("min_area", [1, 2], callback=lambda progress: True)


def stop_at(last, told):
    """A callback that asks to stop when it was told so often."""

    def hear(progress):
        told.append(progress)
        return len(told) > last

    return hear


@pytest.mark.parametrize("gain", [0.25, 4.0])
def test_a_gain_moves_neither_rank_nor_labels(scene, found, gain):
    scaled = em.phase_map(scene.image.counts * gain)
    np.testing.assert_array_equal(scaled.labels, found.labels)
    measured = re.search("of noise with (.*) times Poisson's variance", scaled.steps[0].outcome)
    assert float(measured[1]) == pytest.approx(gain, rel=0.05)


def test_counting_components_finds_all_eigenvalues_and_hardly_a_vector(scene, monkeypatch):
    """One vector for each of 2048 channels takes longer than all the rest."""
    made = []

    class Heard(em.PCA):
        def __init__(self, *args, **settings):
            super().__init__(*args, **settings)
            made.append(self)

    monkeypatch.setattr(module, "PCA", Heard)
    found = em.phase_map(scene.image)
    (pca,) = made
    assert len(pca.components_) <= found.rank
    assert len(pca.scree_) == np.count_nonzero(pca.channel_scale_)
    assert pca.n_above_edge_ == found.rank


def test_noise_that_channels_share_is_said_once(scene):
    blurred = ndimage.convolve1d(scene.image.counts.astype(float), [0.04, 0.92, 0.04])
    with pytest.warns(em.NoiseWarning, match="neighbouring channels is correlated") as said:
        found = em.phase_map(np.round(blurred * 100))
    assert len(said) == 1
    assert said[0].filename == __file__
    assert found.n_phases == 5


def test_noise_that_is_none_of_counts_asks_for_the_rank(scene):
    smooth = ndimage.gaussian_filter1d(scene.image.counts * 1000.0, 3).astype(int)
    message = r"\d+ components rise above the noise edge, more than 32: .*, or n_components\."
    with pytest.raises(ValueError, match=message):
        em.phase_map(smooth)
    assert em.phase_map(smooth, n_components=5).n_phases == 5


# what it refuses


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "kmeans"}, r"method is 'kmeans'; choose one of \('varimax', 'nmf'\)"),
        ({"method": np.array(["nmf", "varimax"])}, r"method is array.*; choose one of"),
        ({"weighting": "none"}, r"weighting is 'none'; choose one of \('biwhiten', 'poisson'\)"),
        ({"threshold": 1.2}, "threshold is 1.2; pass the share .* from 0 to 1"),
        ({"threshold": -0.1}, "threshold is -0.1; pass the share"),
        ({"threshold": np.nan}, "threshold is nan; pass the share"),
        ({"threshold": "half"}, "threshold is 'half'; pass the share"),
        ({"min_area": 0}, "min_area is 0; pass a whole number of pixels from 1 up"),
        ({"min_area": 2.5}, "min_area is 2.5; pass a whole number"),
        ({"min_area": True}, "min_area is True; pass a whole number"),
        ({"min_counts": -1}, "min_counts is -1; pass a finite number from 0 up"),
        ({"min_counts": np.inf}, "min_counts is inf; pass a finite number from 0 up"),
        ({"n_components": 0}, "n_components is 0; pass a whole number from 1 to 400"),
        ({"n_components": 401}, "n_components is 401; pass a whole number from 1 to 400"),
        ({"n_components": 2.0}, "n_components is 2.0; pass a whole number"),
        ({"seed": None}, "seed is None; pass a whole number"),
    ],
)
def test_knobs_out_of_range_are_refused_before_any_work(scene, found, settings, message):
    with pytest.raises(ValueError, match=message):
        em.phase_map(scene.image, **settings)
    ((knob, value),) = settings.items()
    with pytest.raises(ValueError, match=message):
        found.sensitivity(knob, [value])


def test_knobs_that_are_none_are_refused(scene, found):
    with pytest.raises(ValueError, match=r"knob is 'colour'; choose one of \('n_components'"):
        em.phase_sensitivity(scene.image, "colour", [1])
    with pytest.raises(ValueError, match="knob is 'colour'"):
        found.sensitivity("colour")
    with pytest.raises(TypeError, match="values are given without a knob"):
        found.sensitivity(values=[1])
    with pytest.raises(TypeError, match=r"values are 0\.4; pass a list of what to set"):
        found.sensitivity("threshold", 0.4)
    with pytest.raises(TypeError, match="values are 'nmf'; pass a list"):
        found.sensitivity("method", "nmf")
    with pytest.raises(ValueError, match="values of threshold are empty"):
        found.sensitivity("threshold", [])
    with pytest.raises(TypeError, match="callback is 3"):
        em.phase_map(scene.image, callback=3)


@pytest.mark.parametrize(
    ("value", "message"),
    [(-1.0, "Negative values in data"), (np.nan, "contain NaN or inf"), (0.0, "zero in all 30")],
)
def test_what_cannot_be_counts_is_refused(value, message):
    counts = np.ones((5, 6, 8)) * (value != 0)
    counts[2, 3, 4] = value
    with pytest.raises(ValueError, match=message):
        em.phase_map(counts)


def test_a_mask_over_everything_is_refused():
    with pytest.raises(ValueError, match="mask hides 30 of 30 pixels"):
        em.phase_map(em.SpectrumImage(np.ones((5, 6, 8)), mask=np.ones((5, 6), dtype=bool)))
