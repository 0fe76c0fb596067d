"""Draws from conditionals: distributed as SciPy or a sum over a grid says, the same bits in Python.

Chance is seeded. Where a test compares a mean, five standard errors are allowed.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from endmember._kernels import gibbs

N = 20_000


def generators(n=1):
    return [np.random.default_rng(7) for _ in range(n)]


def assert_mean(draws, expected, variance=None):
    """The mean is the expected one, for draws that may depend on each other a little."""
    draws = np.asarray(draws, dtype=float)
    batches = draws[: len(draws) // 50 * 50].reshape(50, -1, *draws.shape[1:]).mean(axis=1)
    error = batches.std(axis=0, ddof=1) / np.sqrt(50)
    assert (np.abs(draws.mean(axis=0) - expected) < 5 * error + 1e-12).all()
    if variance is not None:
        assert_mean((draws - expected) ** 2, variance)


def moments(grid, logs):
    """Mean and variance of a density that is known up to a factor, by a sum over a grid."""
    weights = np.exp(logs - logs.max())
    weights /= weights.sum()
    mean = (weights * grid).sum()
    return mean, (weights * (grid - mean) ** 2).sum()


# one number


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (0.0, np.inf),
        (-1.0, np.inf),
        (5.0, np.inf),
        (-0.3, 0.4),
        (-4.0, 3.0),
        (2.0, 2.2),
        (2.0, 2.6),
        (-1.5, -0.5),
        (2.0, 9.0),
        (-9.0, -2.0),
        (-30.0, -29.5),
        (0.0, 0.01),
    ],
)
def test_normal_draws_between_limits_are_those_of_scipy(low, high):
    rng, mean, sd = np.random.default_rng(3), 10.0, 4.0
    ends = mean + sd * low, mean + sd * high
    draws = np.array([gibbs.truncated_normal(rng, mean, sd, *ends) for _ in range(N)])
    assert ends[0] <= draws.min()
    assert draws.max() <= ends[1]
    found = stats.kstest((draws - mean) / sd, stats.truncnorm(low, high).cdf)
    assert found.pvalue > 1e-4


def test_far_from_the_mean_a_normal_tail_is_exponential():
    """Mean far below zero, of a width without bound: a weak likelihood leaves the prior."""
    rng, rate = np.random.default_rng(3), 0.7
    for bend in (1e-12, 1e-300):
        mean, sd = -rate / bend, 1 / np.sqrt(bend)
        draws = [gibbs.truncated_normal(rng, mean, sd, 0.0, np.inf) for _ in range(N)]
        assert stats.kstest(draws, stats.expon(scale=1 / rate).cdf).pvalue > 1e-4


def test_limits_without_room_between_them_give_the_lower_one():
    assert gibbs.truncated_normal(np.random.default_rng(0), 5.0, 1.0, 2.0, 2.0) == 2.0


@pytest.mark.parametrize("count", [1.0, 5.0, 12.0, 13.0, 4000.0])
def test_counts_are_shared_out_as_a_multinomial_draw_does(count):
    rng, weights = np.random.default_rng(5), np.array([0.2, 0.0, 3.0, 0.8])
    shares, odds = np.empty(4), weights / weights.sum()
    draws = np.empty((5000, 4))
    for draw in draws:
        gibbs.share_out(rng, count, weights, weights.sum(), shares)
        draw[:] = shares
    assert (draws.sum(axis=1) == count).all()
    assert not draws[:, 1].any()
    assert_mean(draws, count * odds, count * odds * (1 - odds))


def test_a_fraction_of_a_count_goes_to_one_component():
    rng, weights, shares = np.random.default_rng(5), np.array([1.0, 3.0]), np.empty(2)
    draws = np.empty((4000, 2))
    for draw in draws:
        gibbs.share_out(rng, 2.25, weights, 4.0, shares)
        draw[:] = shares
    assert set(np.unique(draws % 1)) == {0.0, 0.25}
    np.testing.assert_allclose(draws.sum(axis=1), 2.25)
    assert_mean(draws, 2.25 * weights / 4)


def test_a_spectrum_has_room_until_a_channel_is_empty():
    axis, spectrum = np.array([0.6, 0.0, -0.8]), np.array([3.0, 0.0, 2.0])
    assert gibbs.room_along(axis, spectrum) == (-5.0, 2.5)


# abundances of one pixel


@pytest.mark.parametrize(("heights", "concentration"), [((9.0, 9.0), 1.0), ((2.0, 15.0), 0.7)])
def test_shares_follow_their_density_though_heights_differ(heights, concentration):
    """``a**(c - 1 + n) * exp(-heights @ a)`` on the simplex, summed over a grid."""
    rng, heights, mine = np.random.default_rng(2), np.array(heights), np.array([3.0, 6.0])
    row, draws = np.array([0.5, 0.5]), np.empty(N)
    for i in range(N):
        gibbs.draw_shares(rng, mine, heights, heights.max(), concentration, row)
        draws[i] = row[0]
        assert row.sum() == pytest.approx(1)
    a = (np.arange(20_000) + 0.5) / 20_000
    logs = (concentration + 2) * np.log(a) + (concentration + 5) * np.log(1 - a)
    assert_mean(draws, *moments(a, logs - heights @ np.array([a, 1 - a])))


def test_amounts_are_gamma_distributed():
    rng, row, draws = np.random.default_rng(2), np.empty(2), np.empty((N, 2))
    for draw in draws:
        gibbs.draw_amounts(rng, np.array([3.0, 0.0]), np.array([8.0, 1.0]), 0.5, row)
        draw[:] = row
    shape, rate = np.array([3.5, 0.5]), np.array([9.0, 2.0])  # a priori 0.5 and 0.5 * 2
    assert_mean(draws, shape / rate, shape / rate**2)


SPECTRA = np.array([[3.0, 1.0], [0.5, 2.0], [1.0, 1.0]])  # channels by components
COUNTS = np.array([2.0, 1.5, 0.1])
NOISE = 0.6  # variance


@pytest.mark.parametrize("concentration", [1.0, 2.5])
@pytest.mark.parametrize("sums_to_one", [True, False])
def test_abundances_under_gaussian_noise_follow_their_density(sums_to_one, concentration):
    gram, products = SPECTRA.T @ SPECTRA, COUNTS @ SPECTRA
    rng, row, slopes = np.random.default_rng(4), np.array([0.5, 0.5]), np.empty(2)
    draws = np.empty((N, 2))
    for draw in draws:
        left = gibbs.draw_row_gaussian(
            rng, products, gram, NOISE, concentration, sums_to_one, slopes, row
        )
        draw[:] = row
        squares = ((COUNTS - SPECTRA @ row) ** 2).sum() - (COUNTS**2).sum()
        assert left == pytest.approx(squares, abs=1e-9)
    step = 1 / 400
    a = (np.arange(400 if sums_to_one else 2000) + 0.5) * step
    both = np.array([a, 1 - a]) if sums_to_one else np.array(np.meshgrid(a, a, indexing="ij"))
    misfit = (np.tensordot(SPECTRA, both, 1).T - COUNTS).T ** 2
    logs = -misfit.sum(axis=0) / 2 / NOISE + (concentration - 1) * np.log(both).sum(axis=0)
    if not sums_to_one:
        logs -= concentration * 2 * both.sum(axis=0)
    for k in range(2):
        assert_mean(draws[:, k], *moments(both[k], logs))


# spectra


def test_spectra_of_counts_are_gamma_distributed_or_dirichlet():
    rng, by_channel = np.random.default_rng(6), np.array([[4.0, 0.0], [1.0, 7.0], [0.0, 2.0]])
    free, bound = np.empty((N, 3, 2)), np.empty((N, 3, 2))
    spectra = np.empty((3, 2))
    for i in range(N):
        gibbs.draw_spectra_free(rng, by_channel, np.array([3.0, 9.0]), 0.8, 1.5, spectra)
        free[i] = spectra
        gibbs.draw_spectra_of_height(rng, by_channel, 50.0, 0.8, spectra)
        bound[i] = spectra
    shape, rate = 0.8 + by_channel, np.array([4.5, 10.5])
    assert_mean(free, shape / rate, shape / rate**2)
    np.testing.assert_allclose(bound.sum(axis=1), 50)
    for k in range(2):
        known = stats.dirichlet(shape[:, k])
        assert_mean(bound[..., k], 50 * known.mean(), 2500 * known.var())


GRAM = np.array([[2.0, 0.8], [0.8, 1.0]])  # of the abundances
CORR = np.array([[3.0, 1.0], [0.2, 0.9]])  # two channels
GRID = (np.arange(700) + 0.5) * 0.01  # counts


def misfit(spectra, channel):
    """Minus twice the noise variance times the log-likelihood of one channel, of any arrays."""
    squares = sum(GRAM[k, j] * spectra[k] * spectra[j] for k in range(2) for j in range(2))
    return squares - 2 * (CORR[channel, 0] * spectra[0] + CORR[channel, 1] * spectra[1])


@pytest.mark.parametrize("concentration", [1.0, 2.0])
@pytest.mark.parametrize("way", ["channels", "axes"])
def test_free_spectra_under_gaussian_noise_follow_their_density(way, concentration):
    """Along axes that turn the two channels too: the density is the same."""
    rng, spectra, draws = np.random.default_rng(8), np.ones((2, 2)), np.empty((N, 2, 2))
    axes = np.array([[0.6, 0.8], [-0.8, 0.6]])
    given = GRAM, CORR, NOISE, concentration, 0.9
    for draw in draws:
        if way == "channels":
            gibbs.draw_channels(rng, *given, spectra)
        else:
            gibbs.draw_projections(rng, *given, axes, 0, spectra)
        draw[:] = spectra
    both = np.meshgrid(GRID, GRID, indexing="ij")
    powers = (concentration - 1) * np.log(both).sum(axis=0) - 0.9 * (both[0] + both[1])
    for c in range(2):
        logs = powers - misfit(both, c) / 2 / NOISE
        for k in range(2):
            assert_mean(draws[:, c, k], *moments(both[k], logs))


@pytest.mark.parametrize("concentration", [1.0, 2.0])
@pytest.mark.parametrize("way", ["channels", "axes"])
def test_spectra_of_one_height_follow_their_density(way, concentration):
    rng, spectra, draws = np.random.default_rng(9), np.full((2, 2), 1.5), np.empty((N, 2))
    axes = np.array([[1.0, 1.0], [1.0, -1.0]]) / np.sqrt(2)
    for draw in draws:
        if way == "channels":
            order = rng.permutation(2)
            gibbs.exchange_channels(rng, GRAM, CORR, NOISE, concentration, order, spectra)
        else:
            given = GRAM, CORR, NOISE, concentration, 0.0
            gibbs.draw_projections(rng, *given, axes, 1, spectra)
        draw[:] = spectra[0]
    np.testing.assert_allclose(spectra.sum(axis=0), 3.0)
    first = np.array(np.meshgrid(GRID[GRID < 3], GRID[GRID < 3], indexing="ij"))
    logs = -(misfit(first, 0) + misfit(3 - first, 1)) / 2 / NOISE
    logs += (concentration - 1) * (np.log(first) + np.log(3 - first)).sum(axis=0)
    for k in range(2):
        assert_mean(draws[:, k], *moments(first[k], logs))


# compiled and in Python

INDPTR, INDICES = np.array([0, 2, 2, 5]), np.array([0, 2, 0, 1, 2], dtype=np.int32)
VALUES = np.array([3.0, 1.0, 40.0, 2.5, 7.0])
ROWS = np.array([[0.2, 0.8], [0.5, 0.5], [0.9, 0.1]])


def calls():
    """Every kernel that changes arrays: its name, what stands before them, and these."""
    held, heights = (INDPTR, INDICES, VALUES), SPECTRA.sum(axis=0)
    gram, axes = SPECTRA.T @ SPECTRA, np.linalg.qr(SPECTRA)[0].T
    channels = np.zeros((3, 2))
    corr = np.array([[9.0, 2.0], [1.0, 3.0], [0.3, 0.1]])
    order = np.array([2, 0, 1])
    for one in (True, False):
        yield "draw_rows_poisson", (*held, SPECTRA, heights, 0.8, one), (ROWS, channels)
        yield "draw_rows_gaussian", (*held, SPECTRA, gram, 0.4, 2.0, one), (ROWS, channels)
        row = INDICES[2:], VALUES[2:], SPECTRA, 0.8, one, 2, 5
        yield "mean_row_poisson", row, (channels, ROWS[2])
        yield "mean_row_gaussian", (corr[0], gram, 0.4, 1.5, one, 2, 5), (ROWS[0],)
    yield "draw_spectra_free", (corr, heights, 0.5, 0.1), (SPECTRA,)
    yield "draw_spectra_of_height", (corr, 20.0, 0.5), (SPECTRA,)
    yield "draw_channels", (GRAM, corr, 0.4, 1.5, 0.2), (SPECTRA,)
    yield "exchange_channels", (GRAM, corr, 0.4, 1.5, order), (SPECTRA,)
    yield "draw_projections", (GRAM, corr, 0.4, 1.5, 0.2, np.ascontiguousarray(axes), 0), (SPECTRA,)


@pytest.mark.parametrize(("name", "given", "changed"), list(calls()))
def test_python_gives_the_bits_of_compiled_code(name, given, changed):
    """NumPy's generators give Numba the numbers that they give NumPy; only rounding is left."""
    kernel, found = getattr(gibbs, name), []
    for way in (kernel, kernel.py_func):
        rng, arrays = np.random.default_rng(11), [array.copy() for array in changed]
        result = [way(rng, *given, *arrays) for _ in range(3)]
        found.append([np.array(result, dtype=float), *arrays, rng.random()])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)


SCALARS = [
    ("chosen", (np.array([1.0, 2.0]), 3.0)),
    ("excess", (0.5, 2.0)),
    ("excess", (0.5, 0.2)),
    ("around_zero", (-0.2, 0.5)),
    ("around_zero", (-3.0, 0.5)),
    *(("truncated_normal", (0.0, 1.0, *ends)) for ends in [(1, 2), (-2, -1), (-1, 2), (2, 1)]),
    ("is_accepted", (0.4, 0.5)),
    ("is_accepted", (0.4, 0.0)),
]


@pytest.mark.parametrize(("name", "given"), SCALARS)
def test_python_gives_the_numbers_of_compiled_code(name, given):
    kernel = getattr(gibbs, name)
    first, second = np.random.default_rng(1), np.random.default_rng(1)
    for _ in range(20):
        assert kernel(first, *given) == pytest.approx(kernel.py_func(second, *given), rel=1e-12)
