"""The sequential Poisson test finds the rank that counts were drawn with."""

import dask.array as da
import numpy as np
import pytest
import scipy.sparse as sp
from scipy.ndimage import gaussian_filter

import endmember as em
from endmember.core import rank_sequence
from endmember.core.blocks import LazyRows
from endmember.core.noise import TRACY_WIDOM, noise_width
from endmember.core.rank_sequence import poisson_sequence

SIDE, N_CHANNELS = 40, 160
KINDS = ("smooth", "patches")


def edges(n):
    """As many spectra, each zero below an edge of its own; a mean channel expects one count."""
    energies, at = np.arange(N_CHANNELS) / N_CHANNELS, 0.1 + 0.8 * np.arange(n)[:, None] / n
    spectra = np.where(energies > at, (1 + np.maximum(energies - at, 0) / 0.05) ** -1.5, 0)
    return spectra / spectra.mean(axis=1, keepdims=True)


def shares(kind, n, rng, side=SIDE):
    """Maps of shares that sum to one: waves, or patches that are pure."""
    if kind == "smooth":
        waves = [gaussian_filter(rng.normal(size=(side, side)), 6, mode="wrap") for _ in range(n)]
        parts = np.exp(40 * np.array(waves))
        return (parts / parts.sum(axis=0)).reshape(n, -1).T
    places = rng.random((4 * n, 2)) * side
    across = np.mgrid[:side, :side][..., None] - places.T[:, None, None]
    return np.eye(n)[(across**2).sum(axis=0).argmin(axis=-1).ravel() % n]


def drawn(kind, n, dose, seed):
    """Counts of so many phases, `dose` in a mean channel."""
    rng = np.random.default_rng(seed)
    return rng.poisson(dose * shares(kind, n, rng) @ edges(n))


def needle(seed=0):
    """One tilt: 7 counts in a mean pixel."""
    how = {"n_tilts": 2, "n_channels": 450, "dose": 17.0, "seed": seed}
    return next(iter(em.datasets.stream_nicr_needle((83, 62), **how))).counts


def noise(dose, seed):
    """Counts about one spectrum, of thickness that differs a hundredfold."""
    rng = np.random.default_rng(seed)
    thickness = np.exp(30 * gaussian_filter(rng.normal(size=(SIDE, SIDE)), 6, mode="wrap"))
    return rng.poisson(dose * thickness.reshape(-1, 1) * edges(4).mean(axis=0))


@pytest.mark.parametrize("dose", [10, 100])
@pytest.mark.parametrize("n", [2, 3, 4, 6])
@pytest.mark.parametrize("kind", KINDS)
def test_the_rank_is_that_of_the_phantom(kind, n, dose):
    found = poisson_sequence(drawn(kind, n, dose, seed=n))
    assert (found.rank, found.is_open) == (n, False)
    assert found.eigenvalues.size == n


@pytest.mark.parametrize("n", [2, 3, 4])
def test_the_rank_of_few_counts_on_smooth_maps_is_right(n):
    assert poisson_sequence(sp.csr_array(drawn("smooth", n, 0.2, seed=n))).rank == n


@pytest.mark.parametrize("dose", [0.05, 3])
def test_noise_about_one_spectrum_of_any_thickness_has_rank_one(dose):
    found = poisson_sequence(noise(dose, seed=0))
    assert (found.rank, found.is_open) == (1, False)


def test_a_needle_in_vacuum_has_rank_three():
    assert poisson_sequence(needle()).rank == 3


def test_form_and_gain_do_not_matter():
    counts = drawn("smooth", 3, 2.0, seed=0)
    found = poisson_sequence(counts)
    forms = (
        (sp.csr_array(counts), 1),
        (np.asfortranarray(counts.astype(np.uint16)), 1),
        (LazyRows(da.from_array(counts, chunks=(500, -1))), 1),
        (4 * counts, 4),
    )
    for given, gain in forms:
        other = poisson_sequence(given, gain=gain)
        np.testing.assert_allclose(other.eigenvalues, found.eigenvalues, rtol=1e-4)
        np.testing.assert_allclose(other.expected, found.expected, rtol=0.02)
        assert other.rank == found.rank == 3


def test_a_seed_repeats_and_another_one_draws_anew():
    counts = drawn("patches", 2, 5.0, seed=0)
    first, again, other = (poisson_sequence(counts, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.expected, again.expected)
    assert (first.expected != other.expected).any()


def test_a_sequence_that_is_cut_short_says_so():
    found = poisson_sequence(drawn("patches", 4, 10.0, seed=0), most=3)
    assert (found.rank, found.is_open) == (3, True)
    assert poisson_sequence(drawn("patches", 4, 10.0, seed=0)[:, :1]).rank == 1


def test_progress_rises_and_a_stop_stops():
    seen = []
    poisson_sequence(drawn("smooth", 3, 5.0, seed=0), callback=lambda p: seen.append(p.fraction))
    assert len(seen) >= 4
    assert seen == sorted(seen)
    assert seen[-1] <= 1
    with pytest.raises(em.CancelledError):
        poisson_sequence(drawn("smooth", 3, 5.0, seed=0), callback=lambda p: True)


def test_the_largest_eigenvalue_of_noise_scatters_as_tracy_and_widom_say():
    rng = np.random.default_rng(0)
    n_pixels, n_channels = 400, 100
    tops = [
        np.linalg.svd(rng.normal(size=(n_pixels, n_channels)), compute_uv=False)[0] ** 2
        for _ in range(200)
    ]
    relative = np.std(tops) / np.mean(tops)
    assert relative == pytest.approx(TRACY_WIDOM * noise_width(n_pixels, n_channels), rel=0.2)


def test_faint_channels_hide_a_phase_unless_they_count_less(monkeypatch):
    """Single counts where hardly any are expected weigh more than the third component."""
    for name in ("FAINT_PIXEL", "FAINT_CHANNEL"):
        monkeypatch.setattr(rank_sequence, name, 0.0)
    assert poisson_sequence(needle()).rank == 2


# how often it is right


def n_right(cases):
    """How many of some counts have the rank that they should have, over the seeds."""
    return sum(poisson_sequence(counts, seed=s).rank == n for s, (counts, n) in enumerate(cases))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_of_a_hundred_phantoms_ninety_five_have_their_rank(kind):
    ranks, doses = (2, 3, 4, 6), (10, 30, 100)
    cases = ((drawn(kind, ranks[s % 4], doses[s % 3], seed=s), ranks[s % 4]) for s in range(100))
    found = n_right(cases)
    print(f"{kind}: {found} of 100")
    assert found >= 95


@pytest.mark.slow
def test_of_a_hundred_faint_smooth_maps_ninety_five_have_their_rank():
    """Of two and three phases; more of them hold too little each in so small a map."""
    cases = ((sp.csr_array(drawn("smooth", 2 + s % 2, 0.2, seed=s)), 2 + s % 2) for s in range(100))
    found = n_right(cases)
    print(f"0.2 counts a channel: {found} of 100")
    assert found >= 95


@pytest.mark.slow
def test_of_a_hundred_needles_ninety_five_have_their_rank():
    found = n_right((needle(seed), 3) for seed in range(100))
    print(f"needle: {found} of 100")
    assert found >= 95


@pytest.mark.slow
def test_of_a_hundred_maps_of_noise_ninety_five_have_rank_one():
    found = n_right((noise((0.05, 0.5, 5, 50)[s % 4], seed=s), 1) for s in range(100))
    print(f"noise: {found} of 100")
    assert found >= 95
