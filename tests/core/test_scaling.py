"""Scalings: the theorem behind each, and an independent Sinkhorn."""

import numpy as np
import pytest
import scipy.sparse as sp

import endmember as em
from endmember.core import scaling as scaling_module
from endmember.core.scaling import TOLERANCE, biwhitening, keenan_kotula
from strategies import ESTIMATOR_FORMS, spectra_in


def two_phases(n_pixels=300, n_channels=40, dose=400.0, seed=0):
    """Counts of two phases of high contrast."""
    rng = np.random.default_rng(seed)
    spectra = rng.gamma(1.0, size=(2, n_channels)) + 0.2
    spectra /= spectra.sum(axis=1, keepdims=True)
    share = rng.random(n_pixels)[:, None]
    return rng.poisson(dose * (share * spectra[0] + (1 - share) * spectra[1])).astype(np.uint16)


def test_poisson_weighting_flattens_the_noise_of_one_mean_spectrum():
    rng = np.random.default_rng(0)
    expected = np.outer(rng.random(20) + 0.1, rng.random(9) + 0.1)  # also the noise variance
    scaling = keenan_kotula(expected.sum(axis=1), expected.sum(axis=0))
    variance = scaling.pixels[:, None] ** 2 * expected * scaling.channels**2
    np.testing.assert_allclose(variance, 1.0, rtol=1e-12)


@pytest.mark.parametrize("form", ["dense", "csr", "messy csr", "dask", "dask csr"])
@pytest.mark.parametrize("gain", [1.0, 2.5])
def test_biwhitening_gives_every_row_and_column_unit_variance(form, gain):
    counts = two_phases() * gain
    pca = em.PCA(2, weighting="biwhiten", gain=gain).fit(spectra_in(form, counts))
    variance = gain * pca.pixel_scale_[:, None] ** 2 * counts * pca.channel_scale_**2
    assert variance.shape == (300, 40)
    np.testing.assert_allclose(variance.mean(axis=0), 1.0, rtol=2 * TOLERANCE)
    np.testing.assert_allclose(variance.mean(axis=1), 1.0, rtol=2 * TOLERANCE)


def test_biwhitening_agrees_with_sinkhorn_in_numpy():
    counts = two_phases().astype(np.float64)
    rows, columns = np.ones(300), np.ones(40)
    for _ in range(500):
        rows = 40 / (counts @ columns)
        columns = 300 / (rows @ counts)
    scaling = biwhitening(counts)
    # each is unique but for a constant that may move from the rows to the columns
    product = np.outer(scaling.pixels, scaling.channels)
    np.testing.assert_allclose(product, np.sqrt(np.outer(rows, columns)), rtol=10 * TOLERANCE)
    assert (1 / scaling.channels**2).sum() == pytest.approx(1)


def test_channels_with_few_counts_are_left_out():
    counts = two_phases()
    counts[:, 7] = 0
    counts[:19, 7] = 1  # 19 counts, one short
    counts[:, 9] = 0
    counts[3, 9] = 5000  # many counts, all in one pixel: it cannot carry its share
    scaling = biwhitening(counts)
    assert np.flatnonzero(scaling.channels == 0).tolist() == [7, 9]
    assert scaling.shape == (300, 38)
    rest = np.delete(np.arange(40), [7, 9])
    variance = scaling.pixels[:, None] ** 2 * counts[:, rest] * scaling.channels[rest] ** 2
    np.testing.assert_allclose(variance.mean(axis=0), 1.0, rtol=2 * TOLERANCE)
    np.testing.assert_allclose(variance.mean(axis=1), 1.0, rtol=2 * TOLERANCE)


@pytest.mark.parametrize("form", ESTIMATOR_FORMS)
def test_empty_pixels_and_channels_are_left_out_at_any_setting(form):
    counts = two_phases()
    counts[[0, 5]] = 0
    counts[:, 3] = 0
    pca = em.PCA(2, weighting="biwhiten", min_counts=0).fit(spectra_in(form, counts))
    assert np.flatnonzero(pca.pixel_scale_ == 0).tolist() == [0, 5]
    assert np.flatnonzero(pca.channel_scale_ == 0).tolist() == [3]


def test_vacuum_around_the_specimen_changes_nothing():
    counts = sp.csr_array(two_phases())
    vacuum = sp.csr_array((20_000, 40), dtype=np.uint16)
    alone = biwhitening(counts)
    among = biwhitening(sp.vstack([counts, vacuum], format="csr"))
    np.testing.assert_allclose(among.channels, alone.channels, rtol=1e-12)
    np.testing.assert_allclose(among.pixels[:300], alone.pixels, rtol=1e-12)
    assert not among.pixels[300:].any()


def test_counts_that_nothing_can_balance_are_refused():
    lonely = sp.csr_array(np.diag(np.full(10, 100)))  # each channel in a pixel of its own
    with pytest.raises(ValueError, match=r"too few counts to balance.*0 pixels and 0 channels"):
        em.PCA(weighting="biwhiten").fit(lonely)


def test_without_weighting_noise_is_the_mean_count():
    counts = two_phases()
    pca = em.PCA(weighting="none", gain=2.0).fit(counts)
    np.testing.assert_allclose(pca.scree_ * 2.0 * counts.mean(), pca.explained_variance_)
    assert np.isnan(pca.noise_edge_)
    assert pca.n_above_edge_ is None


def test_phases_without_a_common_channel_are_said_not_to_balance():
    rates = np.zeros((400, 60))
    rates[:100, :20], rates[100:, 20:] = 5, 3
    counts = np.random.default_rng(0).poisson(rates)
    with pytest.raises(ValueError, match=r"parts that share hardly any channels.*'poisson'"):
        em.PCA(2, weighting="biwhiten").fit(counts)


def test_a_map_that_cannot_be_balanced_is_given_up_soon(monkeypatch):
    """Every sweep reads all counts: thousands of them would be minutes on a large map."""
    sweeps = []
    sweep = scaling_module.sinkhorn_sweep
    monkeypatch.setattr(scaling_module, "sinkhorn_sweep", lambda *a: sweeps.append(1) or sweep(*a))
    rates = np.zeros((400, 60))
    rates[:100, :20], rates[100:, 20:] = 5, 3
    with pytest.raises(ValueError, match="cannot balance"):
        biwhitening(np.random.default_rng(0).poisson(rates))
    assert len(sweeps) < 1000


@pytest.mark.slow
@pytest.mark.parametrize("fraction", [0.5, 0.25, 0.1, 0.04])
def test_the_71_gpa_map_is_balanced_at_lower_doses_too(diamond, fraction):
    """Thinned counts are Poisson again: the bulk of a well-scaled map stays where noise has it."""
    thinned = diamond.spectra.copy()
    thinned.data = np.random.default_rng(0).binomial(thinned.data, fraction)
    pca = em.PCA(6, weighting="biwhiten", solver="gram").fit(thinned)
    bulk = np.median(pca.scree_)
    n_channels = np.count_nonzero(pca.channel_scale_)
    print(f"dose {fraction:g}: bulk median {bulk:.3f}, {n_channels} channels take part")
    assert 0.95 < bulk < 1.05
    assert 3 <= pca.n_above_edge_ <= 4
