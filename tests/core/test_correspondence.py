"""Correspondence analysis is a singular value decomposition of residuals, and of 1990 a PCA."""

from __future__ import annotations

import json

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency

import endmember as em
from endmember.core.blocks import fingerprint
from strategies import ESTIMATOR_FORMS, spectra_in


def table(seed, shape=(12, 7), dose=8.0):
    """Counts without an empty pixel or channel."""
    rng = np.random.default_rng(seed)
    expected = rng.gamma(1.0, size=(shape[0], 3)) @ rng.gamma(1.0, size=(3, shape[1]))
    return 1 + rng.poisson(dose * expected / expected.mean())


def by_svd(counts):
    """Correspondence analysis from its definition, in NumPy alone."""
    shares = counts / counts.sum()
    rows, columns = shares.sum(axis=1), shares.sum(axis=0)
    expected = np.outer(rows, columns)
    left, sizes, right = np.linalg.svd((shares - expected) / np.sqrt(expected), full_matrices=False)
    pixels = left * sizes / np.sqrt(rows)[:, None]
    channels = right.T * sizes / np.sqrt(columns)[:, None]
    return sizes**2, pixels, channels, rows, columns


def assert_same_axes(found, expected, **within):
    """Columns agree up to their signs."""
    signs = np.sign((found * expected).sum(axis=0))
    np.testing.assert_allclose(found * signs, expected, **within)


@given(seed=st.integers(0, 2**32 - 1), is_wide=st.booleans())
def test_axes_are_singular_vectors_of_the_residuals(seed, is_wide):
    counts = table(seed)
    counts = counts.T.copy() if is_wide else counts
    inertia, pixels, channels, rows, columns = by_svd(counts)
    found = em.correspondence_analysis(counts)
    n = min(counts.shape) - 1
    np.testing.assert_allclose(found.inertia, inertia[:n], rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(found.pixel_masses, rows, rtol=1e-12)
    np.testing.assert_allclose(found.channel_masses, columns, rtol=1e-12)
    assert_same_axes(found.pixel_coordinates, pixels[:, :n], rtol=1e-6, atol=1e-7)
    assert_same_axes(found.channel_coordinates, channels[:, :n], rtol=1e-6, atol=1e-7)


def test_axes_are_those_of_the_weighted_pca_behind_its_first():
    """1990 anticipated 2004."""
    image = em.datasets.load("six_compounds", shape=(24, 20)).image
    found = em.correspondence_analysis(image, 6)
    pca = em.PCA(7, weighting="poisson").fit(image)
    per_count = image.n_pixels / image.spectra.sum()
    np.testing.assert_allclose(found.inertia, per_count * pca.explained_variance_[1:], rtol=1e-9)
    assert per_count * pca.explained_variance_[0] == pytest.approx(1.0, rel=1e-12)
    assert found.noise_edge == pytest.approx(per_count * pca.noise_edge_, rel=1e-12)
    sums = np.asarray(image.spectra.sum(axis=1), dtype=float)
    scores = pca.transform(image) / sums[:, None]
    np.testing.assert_allclose(scores[:, 0], 1.0, rtol=1e-9)  # the first map is the mean image
    assert_same_axes(found.pixel_coordinates, scores[:, 1:], rtol=1e-6, atol=1e-8)


def test_krylov_iteration_finds_the_same_axes():
    image = em.datasets.load("six_compounds", shape=(30, 25), dose=600.0).image
    whole = em.correspondence_analysis(image, 4, solver="gram")
    quick = em.correspondence_analysis(image, 4, solver="krylov", tol=1e-4)
    np.testing.assert_allclose(quick.inertia, whole.inertia, rtol=1e-8)
    angle = em.metrics.principal_angles(
        np.nan_to_num(quick.channel_coordinates.T), np.nan_to_num(whole.channel_coordinates.T)
    )
    assert angle.max() < 1e-3


@given(seed=st.integers(0, 2**32 - 1))
def test_inertia_is_chi_square_over_counts(seed):
    counts = table(seed)
    found = em.correspondence_analysis(counts)
    chi_square = chi2_contingency(counts, correction=False).statistic
    assert found.total_inertia == pytest.approx(chi_square / counts.sum(), rel=1e-10)
    assert found.inertia.sum() == pytest.approx(found.total_inertia, rel=1e-10)


def test_inertia_of_noise_is_that_of_its_degrees_of_freedom():
    """Chi-square of independence has (I - 1)(J - 1) degrees of freedom; 5 of its sigma allowed."""
    counts = np.random.default_rng(3).poisson(6.0, size=(300, 40))
    freedom = 299 * 39
    found = em.correspondence_analysis(counts)
    chi_square = found.total_inertia * counts.sum()
    assert abs(chi_square - freedom) < 5 * np.sqrt(2 * freedom)
    assert found.inertia[0] < 1.05 * found.noise_edge


@given(seed=st.integers(0, 2**32 - 1))
def test_transition_formulae_lead_from_pixels_to_channels_and_back(seed):
    """Each point is the mean of the others, by its profile, over the axis's singular value.

    An axis that is barely above rounding loses digits in it, so the strongest three are compared.
    """
    counts = table(seed)
    found = em.correspondence_analysis(counts, 3)
    roots = np.sqrt(found.inertia)
    of_pixels = counts / counts.sum(axis=1, keepdims=True)
    of_channels = (counts / counts.sum(axis=0)).T
    pixels, channels = found.pixel_coordinates, found.channel_coordinates
    np.testing.assert_allclose(of_pixels @ channels / roots, pixels, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(of_channels @ pixels / roots, channels, rtol=1e-7, atol=1e-8)
    standard = found.standard_channel_coordinates
    np.testing.assert_allclose(of_pixels @ standard, pixels, rtol=1e-7, atol=1e-8)


@given(seed=st.integers(0, 2**32 - 1))
def test_coordinates_are_centred_and_as_wide_as_their_inertia(seed):
    found = em.correspondence_analysis(table(seed), 4)
    for masses, principal, standard, shares in [
        (
            found.pixel_masses,
            found.pixel_coordinates,
            found.standard_pixel_coordinates,
            found.pixel_contributions,
        ),
        (
            found.channel_masses,
            found.channel_coordinates,
            found.standard_channel_coordinates,
            found.channel_contributions,
        ),
    ]:
        np.testing.assert_allclose(masses @ principal, 0.0, atol=1e-9)
        spread = (masses[:, None] * principal).T @ principal
        np.testing.assert_allclose(spread, np.diag(found.inertia), rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(masses @ standard**2, 1.0, rtol=1e-8)
        np.testing.assert_allclose(shares.sum(axis=0), 1.0, rtol=1e-8)


def squared_distances(points):
    return ((points[:, None] - points[None]) ** 2).sum(axis=-1)


def test_distances_are_chi_square_distances_of_spectra():
    counts = table(5)
    found = em.correspondence_analysis(counts)
    profiles = counts / counts.sum(axis=1, keepdims=True)
    expected = squared_distances(profiles / np.sqrt(counts.sum(axis=0) / counts.sum()))
    np.testing.assert_allclose(
        squared_distances(found.pixel_coordinates), expected, rtol=1e-9, atol=1e-12
    )


def test_merging_proportional_pixels_leaves_the_distances_of_channels():
    """Distributional equivalence: two pixels of one spectrum count as one with the sum."""
    split = table(6)
    split[1] = 3 * split[0]
    merged = np.vstack([split[:1] + split[1:2], split[2:]])
    apart, together = em.correspondence_analysis(split), em.correspondence_analysis(merged)
    np.testing.assert_allclose(apart.inertia, together.inertia, rtol=1e-9)
    np.testing.assert_allclose(
        squared_distances(apart.channel_coordinates),
        squared_distances(together.channel_coordinates),
        rtol=1e-9,
        atol=1e-12,
    )
    np.testing.assert_allclose(
        squared_distances(apart.pixel_coordinates)[1:, 1:],
        squared_distances(together.pixel_coordinates),
        rtol=1e-9,
        atol=1e-12,
    )
    other = split.copy()
    other[1] = other[1, ::-1]  # not proportional: what is merged then matters
    merged = np.vstack([other[:1] + other[1:2], other[2:]])
    lost = em.correspondence_analysis(other).total_inertia
    assert lost > em.correspondence_analysis(merged).total_inertia * 1.01


@pytest.mark.parametrize("n_components", [1, 2, 3])
def test_parts_that_share_no_channel_have_inertia_one(n_components):
    """The trivial axis is one of several of eigenvalue 1 then, and only it is left out."""
    parts = [table(seed, shape=(6, 4)) for seed in range(4)]
    counts = sp.block_diag(parts, format="csr").toarray()
    found = em.correspondence_analysis(counts, n_components)
    np.testing.assert_allclose(found.inertia, 1.0, rtol=1e-10)
    np.testing.assert_allclose(found.pixel_masses @ found.pixel_coordinates, 0.0, atol=1e-9)
    for points in (found.pixel_coordinates.reshape(4, 6, -1), found.channel_coordinates):
        points = points.reshape(4, -1, n_components)
        assert np.ptp(points, axis=1).max() < 1e-6  # one point for each part
    all_axes = em.correspondence_analysis(counts)
    assert np.count_nonzero(all_axes.inertia > 1 - 1e-9) == 3


def test_one_spectrum_has_no_inertia():
    counts = np.outer([1, 2, 3, 4], [5, 1, 2])
    found = em.correspondence_analysis(counts)
    assert found.inertia.size == 0
    assert found.total_inertia == 0
    asked = em.correspondence_analysis(counts, 2)
    for values in (asked.inertia, asked.pixel_coordinates, asked.standard_channel_coordinates):
        assert not values.any()
    assert "0 axes with 0.0% of the inertia 0" in repr(found)


def test_empty_pixels_and_channels_have_no_place():
    counts = table(7)
    with_gaps = np.insert(np.insert(counts, 4, 0, axis=0), 2, 0, axis=1)
    expected, found = em.correspondence_analysis(counts), em.correspondence_analysis(with_gaps)
    np.testing.assert_allclose(found.inertia, expected.inertia, rtol=1e-10)
    assert found.total_inertia == pytest.approx(expected.total_inertia, rel=1e-12)
    assert np.isnan(found.pixel_coordinates[4]).all()
    assert np.isnan(found.channel_coordinates[2]).all()
    rest = np.delete(found.pixel_coordinates, 4, axis=0)
    np.testing.assert_allclose(rest, expected.pixel_coordinates, rtol=1e-7, atol=1e-9)
    assert not found.pixel_contributions[4].any()
    np.testing.assert_allclose(found.channel_contributions.sum(axis=0), 1.0, rtol=1e-9)


# what it takes


@pytest.mark.parametrize("form", ESTIMATOR_FORMS)
@pytest.mark.parametrize("dtype", [np.uint8, ">u2", np.float32, np.float64])
def test_every_form_gives_the_same(form, dtype):
    if dtype == ">u2" and "cs" in form:
        pytest.skip("SciPy has no sparse array of another byte order")
    counts = em.datasets.load("mixture", shape=(9, 8)).image.spectra
    expected = em.correspondence_analysis(counts.astype(np.float64), 4)
    given_counts = spectra_in(form, counts.astype(dtype))
    found = em.correspondence_analysis(given_counts, 4)
    np.testing.assert_allclose(found.inertia, expected.inertia, rtol=1e-6)
    assert found.total_inertia == pytest.approx(expected.total_inertia, rel=1e-6)
    np.testing.assert_allclose(
        found.pixel_coordinates, expected.pixel_coordinates, rtol=1e-6, atol=1e-8
    )


def test_images_keep_their_shape_and_hide_what_is_hidden():
    scene = em.datasets.load("mixture", shape=(10, 8))
    mask = np.zeros((10, 8), dtype=bool)
    mask[3:5, 2:6] = True
    counts = scene.image.counts.astype(float)
    counts[mask] = np.nan
    image = em.SpectrumImage(counts, mask=mask)
    found = em.correspondence_analysis(image, 2)
    visible = em.correspondence_analysis(scene.image.counts[~mask], 2)
    np.testing.assert_allclose(found.inertia, visible.inertia, rtol=1e-10)
    assert found.maps.shape == (10, 8, 2)
    assert np.isnan(found.maps[mask]).all()
    np.testing.assert_array_equal(found.maps[~mask], found.pixel_coordinates)
    assert repr(found).startswith("<CorrespondenceAnalysis 2 axes with ")


def test_a_scale_of_the_counts_changes_no_coordinate():
    counts = table(8)
    found, scaled = em.correspondence_analysis(counts, 3), em.correspondence_analysis(7 * counts, 3)
    np.testing.assert_allclose(scaled.inertia, found.inertia, rtol=1e-9)
    np.testing.assert_allclose(
        scaled.pixel_coordinates, found.pixel_coordinates, rtol=1e-7, atol=1e-9
    )


def test_the_data_are_not_changed_and_the_record_says_what_they_were():
    counts = table(9)
    before = counts.copy()
    found = em.correspondence_analysis(counts, 2)
    np.testing.assert_array_equal(counts, before)
    kept = json.loads(found.record.to_json())
    assert kept["estimator"] == "correspondence_analysis"
    assert kept["parameters"]["n_components"] == 2
    assert kept["seed"] == 0
    assert kept["data"] == {"sha256": fingerprint(counts), "shape": [12, 7]}


def test_a_callback_stops_it():
    heard = []
    with pytest.raises(em.CancelledError, match="the callback stopped the fit"):
        em.correspondence_analysis(
            table(1), callback=lambda progress: heard.append(progress) or True
        )
    assert len(heard) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_components": 7}, "n_components=7, but 12 pixels and 7 channels have 6 axes.* fewer"),
        ({"n_components": 0}, "n_components == 0, must be >= 1"),
        ({"solver": "svd"}, "solver is 'svd'; choose one of"),
    ],
)
def test_settings_that_cannot_be_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        em.correspondence_analysis(table(0), **change)


@pytest.mark.parametrize(
    ("value", "message"),
    [(-1.0, "Negative values in data"), (np.nan, "NaN or inf"), (0.0, "zero in all 12 visible")],
)
def test_what_cannot_be_counts_is_refused(value, message):
    counts = np.zeros((12, 7)) if value == 0 else table(0).astype(float)
    counts[2, 3] = value
    with pytest.raises(ValueError, match=message):
        em.correspondence_analysis(counts)
    with pytest.raises(TypeError, match="n_components must be an instance of"):
        em.correspondence_analysis(table(0), 2.5)
