"""Alignment: features come back to where they were, and counts stay Poisson counts."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import endmember as em

CHANNELS = np.arange(80)


def line(center, height=1.0, width=3.0):
    return height * np.exp(-((CHANNELS - center) ** 2) / (2 * width**2))


def image_of(shifts, *, dose=1e5, seed=0, columns=6):
    """One spectral line in every pixel, each scan line shifted by so many channels."""
    expected = np.array([line(40 + shift) for shift in shifts])
    expected *= dose / expected.sum(axis=1, keepdims=True)
    counts = np.random.default_rng(seed).poisson(expected[:, None], (len(shifts), columns, 80))
    return em.SpectrumImage(counts.astype(np.uint32), CHANNELS.astype(float))


def moments(image):
    """Mean and variance of the positions of all counts, scan line by scan line."""
    lines = image.counts.sum(axis=1)
    mean = lines @ image.axis / lines.sum(axis=1)
    square = lines @ image.axis**2 / lines.sum(axis=1)
    return mean, square - mean**2


def test_every_shift_is_undone_and_all_are_blurred_alike():
    """By a quarter of a squared channel, whatever the shift: the property of the spline."""
    shifts = np.linspace(-2.5, 2.5, 21)
    before, aligned = image_of(shifts), em.align_signal_axis(image_of(shifts), shifts)
    mean, spread = moments(aligned)
    n = aligned.counts.sum(axis=(1, 2))
    assert (np.abs(mean - 40) < 5 * np.sqrt(spread / n)).all()
    wider = spread - moments(before)[1]
    np.testing.assert_allclose(wider, 0.25, atol=5 * 9 * np.sqrt(2 / n.min()))


def test_counts_stay_poisson_and_independent():
    """Fano factor 1 in every channel, and no correlation between neighbours."""
    shifts = np.resize([0.5, -0.3], 8)
    aligned = em.align_signal_axis(image_of(shifts, dose=3000, columns=5000), shifts)
    counts = aligned.counts[0].astype(float)
    is_filled = counts.mean(axis=0) > 5
    fano = counts.var(axis=0)[is_filled] / counts.mean(axis=0)[is_filled]
    np.testing.assert_allclose(fano, 1, atol=5 * np.sqrt(2 / 5000))
    alike = np.corrcoef(counts[:, is_filled].T)
    np.testing.assert_allclose(np.diag(alike, 1), 0, atol=5 / np.sqrt(5000))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), size=st.floats(0.1, 6.0))
def test_no_count_is_lost_or_made_inside_the_axis(seed, size):
    rng = np.random.default_rng(seed)
    shifts = rng.uniform(-size, size, (8, 6))
    image = image_of(np.zeros(8), dose=200, seed=seed)
    counts = image.counts * (np.abs(CHANNELS - 40) < 20)
    aligned = em.align_signal_axis(em.SpectrumImage(counts), shifts, seed=seed)
    np.testing.assert_array_equal(aligned.counts.sum(axis=2), counts.sum(axis=2))


def test_whole_shifts_of_all_pixels_move_the_axis_alone_but_for_the_blur():
    image = image_of(np.full(8, 3.0))
    aligned = em.align_signal_axis(image, np.full(8, 3.0))
    assert aligned.axis[0] == 0
    assert aligned.axis[-1] == 75  # channel 76 would need what lies beyond the last
    assert moments(aligned)[0] == pytest.approx(40, abs=0.05)


def test_sparse_and_dense_counts_are_moved_alike_and_left_as_they_were():
    shifts = np.linspace(-1, 1, 8)
    image = image_of(shifts, dose=50)
    before = image.counts.copy()
    dense = em.align_signal_axis(image, shifts, seed=3)
    sparse = em.align_signal_axis(image.to_sparse(), shifts, seed=3)
    assert sp.issparse(sparse.counts)
    np.testing.assert_array_equal(sparse.to_dense().counts, dense.counts)
    np.testing.assert_array_equal(image.counts, before)
    assert dense.counts.dtype == image.counts.dtype
    other = em.align_signal_axis(image, shifts, seed=4)
    assert (other.counts != dense.counts).any()


def test_counts_that_no_longer_fit_get_a_wider_type():
    counts = np.zeros((1, 1, 20), dtype=np.uint8)
    counts[..., 8:11] = 255
    counts[..., 9] = 0
    aligned = em.align_signal_axis(em.SpectrumImage(np.tile(counts, (1, 40, 1))), [0.5])
    assert aligned.counts.sum() <= 40 * 510
    wide = np.tile(np.full(20, 255, dtype=np.uint8), (1, 400, 1))
    found = em.align_signal_axis(em.SpectrumImage(wide), [0.5]).counts
    assert found.max() > 255
    assert found.mean() == pytest.approx(255, abs=5 * np.sqrt(255 / found.size))


def test_what_is_hidden_stays_so_and_its_neighbours_too():
    shifts = np.full((8, 6), 1.0)
    counts = image_of(np.full(8, 1.0)).counts.astype(float)
    counts[2, 3], counts[:, :, 60] = np.nan, np.nan
    mask = np.zeros((8, 6), dtype=bool)
    mask[2, 3] = True
    image = em.SpectrumImage(counts, mask=mask, channel_mask=CHANNELS == 60)
    aligned = em.align_signal_axis(image, shifts)
    np.testing.assert_array_equal(aligned.mask, mask)
    assert aligned.channel_mask.nonzero()[0].tolist() == [58, 59, 60]


# a drift that is measured


@pytest.fixture(scope="module")
def drifting():
    return em.datasets.load("portrait_edges", variant="drift")


def test_a_drifting_map_gets_its_rank_back(drifting):
    """A drift counts as a component, and no longer does once it is taken out."""
    assert em.measure_drift(drifting.image).is_drift
    before = em.PCA(8, weighting="biwhiten").fit(drifting.image.spectra)
    aligned = em.align_signal_axis(drifting.image)
    after = em.PCA(8, weighting="biwhiten").fit(aligned.spectra)
    n_true = len(drifting.endmembers)
    assert before.n_above_edge_ > n_true
    assert after.n_above_edge_ == n_true


def test_where_nothing_drifts_nothing_is_moved():
    image = em.datasets.load("portrait_edges", shape=(32, 32)).image
    with pytest.warns(UserWarning, match="no drift was found"):
        aligned = em.align_signal_axis(image)
    np.testing.assert_array_equal(aligned.counts, image.counts)


@pytest.mark.parametrize("how", [{}, {"shifts": list(np.linspace(-0.5, 0.5, 64))}])
def test_alignment_is_a_step_that_can_be_taken_again(drifting, how):
    aligned = em.align_signal_axis(drifting.image, **how, seed=5)
    pca = em.PCA(3).fit(aligned)
    again = em.replay(pca.record_.to_json(), drifting.image)
    np.testing.assert_array_equal(again.components_, pca.components_)
    assert "aligned along its signal axis" in pca.record_.methods()
    made = {}
    exec(pca.record_.to_code(), made)
    fitted = [thing for thing in made.values() if isinstance(thing, em.PCA)]
    np.testing.assert_array_equal(fitted[0].components_, pca.components_)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ((np.ones((4, 4, 9)),), TypeError, "must be a SpectrumImage, got ndarray"),
        (("image", [1, 2]), ValueError, r"shifts have shape \(2,\); pass one for each of the 8"),
        (("image", np.full(8, np.nan)), ValueError, "8 of the shifts are not finite"),
        (("image", np.linspace(-90, 90, 8)), ValueError, "no channels would be left"),
        (("halves", np.zeros(8)), ValueError, "counts are not whole numbers"),
        (("line",), ValueError, "not measured: a drift needs the scan lines .* Pass shifts"),
    ],
)
def test_what_cannot_be_aligned_is_named(given, error, message):
    known = {
        "image": image_of(np.zeros(8), dose=100),
        "halves": em.SpectrumImage(np.full((8, 6, 80), 0.5)),
        "line": em.SpectrumImage(np.ones((8, 20), dtype=int)),
    }
    first = known[given[0]] if isinstance(given[0], str) else given[0]
    with pytest.raises(error, match=message):
        em.align_signal_axis(first, *given[1:])
