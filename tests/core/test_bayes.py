"""Sampling from the posterior: right where it is known, and honest where only the truth is."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import numba
import numpy as np
import pytest
import scipy.sparse as sp
from scipy import stats
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

import endmember as em
from endmember.core import bayes_chains
from endmember.core.bayes_chains import (
    GaussianChain,
    Plan,
    PoissonChain,
    Prior,
    as_counts,
)
from endmember.core.bayes_diagnostics import (
    effective_sample_size,
    highest_density_interval,
    split_r_hat,
)
from endmember.core.bayes_draws import Draws, summarise

LIKELIHOODS = ["poisson", "gaussian"]
SHORT = {"n_samples": 20, "n_burn": 5}
few_draws = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@few_draws
@pytest.mark.filterwarnings("ignore::endmember.ScaledCountsWarning")
@parametrize_with_checks(
    [em.BayesianUnmixing(2, likelihood=likelihood, **SHORT) for likelihood in LIKELIHOODS]
)
def test_scikit_learn_accepts_the_estimator(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def scene():
    return em.datasets.load("mixture", shape=(10, 10), dose=300.0)


def quiet(**settings):
    """Fit without a word about few draws."""

    def fit(counts):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return em.BayesianUnmixing(**settings).fit(counts)

    return SimpleNamespace(fit=fit)


# what is known of draws


@pytest.mark.parametrize("law", [stats.norm(3, 2), stats.expon(scale=4), stats.gamma(3)])
def test_the_highest_density_interval_is_the_shortest_that_holds_95_percent(law):
    """Of a million quantiles, against the shortest over a fine grid of lower tails."""
    draws = law.ppf((np.arange(200_000) + 0.5) / 200_000)
    tails = np.linspace(0, 0.05, 20_001)[1:-1]
    best = tails[(law.ppf(tails + 0.95) - law.ppf(tails)).argmin()]
    expected = law.ppf([best, best + 0.95])
    shuffled = np.random.default_rng(0).permutation(draws)
    found = highest_density_interval(np.column_stack([shuffled, -shuffled]))
    np.testing.assert_allclose(found[:, 0], expected, atol=0.02 * law.std())
    np.testing.assert_allclose(found[:, 1], -expected[::-1], atol=0.02 * law.std())


@pytest.mark.parametrize("correlation", [-0.3, 0.0, 0.5, 0.9])
def test_autoregressive_draws_are_worth_what_theory_says(correlation):
    """``n * (1 - correlation) / (1 + correlation)``, of AR(1)."""
    rng, n_draws = np.random.default_rng(1), 4000
    chains = np.empty((4, n_draws, 30))
    chains[:, 0] = rng.standard_normal((4, 30))
    noise = np.sqrt(1 - correlation**2) * rng.standard_normal(chains.shape)
    for i in range(1, n_draws):
        chains[:, i] = correlation * chains[:, i - 1] + noise[:, i]
    found = effective_sample_size(chains)
    expected = 4 * n_draws * (1 - correlation) / (1 + correlation)
    assert found.mean() == pytest.approx(expected, rel=0.06)
    assert split_r_hat(chains).max() < 1.02


def test_chains_in_different_places_have_a_large_r_hat_and_few_draws():
    rng = np.random.default_rng(2)
    chains = rng.standard_normal((3, 200, 2))
    chains[1, :, 1] += 3
    drifting = np.linspace(0, 5, 400)[None, :, None] + rng.standard_normal((1, 400, 1))
    agree, differ = split_r_hat(chains)
    assert agree < 1.02 < 1.5 < differ
    assert split_r_hat(drifting)[0] > 1.5
    assert effective_sample_size(chains)[1] < 10 < 400 < effective_sample_size(chains)[0]


def test_r_hat_is_that_of_its_formula():
    chains = np.random.default_rng(3).gamma(2.0, size=(2, 40))
    halves = chains.reshape(4, 20)
    within, between = halves.var(axis=1, ddof=1).mean(), 20 * halves.mean(axis=1).var(ddof=1)
    expected = np.sqrt((19 / 20 * within + between / 20) / within)
    assert split_r_hat(chains) == pytest.approx(expected, rel=1e-12)


def test_draws_that_stand_still_agree_or_never_do():
    still = np.ones((2, 10, 2))
    still[1, :, 1] = 2
    np.testing.assert_array_equal(split_r_hat(still), [1, np.inf])
    assert effective_sample_size(still)[0] == 20


def test_a_bounded_number_of_draws_is_kept_and_all_of_them_are_averaged():
    draws = Draws((2, 1), 95, 30)
    values = np.random.default_rng(4).random((95, 2, 1))
    for value in values:
        draws.add(value)
    np.testing.assert_allclose(draws.mean, values.mean(axis=0))
    assert 20 <= len(draws.kept) <= 30
    np.testing.assert_array_equal(draws.kept, values[draws.step - 1 :: draws.step].astype("f4"))


def test_draws_of_large_maps_stay_within_their_memory():
    plan = Plan(n_burn=0, n_samples=2000, thin=1, n_chains=2)
    small = plan.draws((100, 3), bayes_chains.MOST_DRAWS)
    large = plan.draws((512 * 512, 5), bayes_chains.MOST_DRAWS)
    assert 2 * small._kept.shape[0] == bayes_chains.MOST_DRAWS
    assert large._kept.shape[0] == bayes_chains.FEWEST
    medium = plan.draws((128 * 128, 10), bayes_chains.MOST_DRAWS)
    assert 2 * medium._kept.nbytes <= bayes_chains.MOST_BYTES


def test_chains_that_name_components_differently_are_matched():
    rng = np.random.default_rng(5)
    chains = [Draws((4, 2), 40, 40) for _ in range(2)]
    for _ in range(40):
        value = np.array([[9.0, 1.0]] * 4) + rng.random((4, 2))
        chains[0].add(value)
        chains[1].add(value[:, ::-1])
    found = summarise(chains, [np.array([0, 1]), np.array([1, 0])])
    np.testing.assert_allclose(found.mean, chains[0].mean)
    assert found.r_hat.max() < 1.2
    assert summarise(chains, [np.array([0, 1])] * 2).r_hat.min() > 5


# the posterior where it is known


def test_one_component_has_the_posterior_of_a_gamma_prior():
    """``gamma(1 + counts, n_channels / dose + n_pixels)`` of every channel, and of no other."""
    counts = np.random.default_rng(6).poisson([3.0, 0.2, 9.0, 0.0], (12, 4))
    model = em.BayesianUnmixing(1, dose=8.0, n_samples=4000, n_burn=10).fit(counts)
    shape, rate = 1 + counts.sum(axis=0), 4 / 8 + 12
    error = np.sqrt(shape) / rate / np.sqrt(8000)
    assert (np.abs(model.components_[0] - shape / rate) < 5 * error).all()
    spread = np.diff(model.components_interval_[:, 0], axis=0)[0]
    assert spread[2] == pytest.approx(2 * 1.96 * np.sqrt(shape[2]) / rate, rel=0.05)
    assert model.components_interval_[0, 0, 3] < 1e-3  # where nothing was counted, zero is likely
    assert model.components_interval_[1, 0, 3] == pytest.approx(-np.log(0.05) / rate, rel=0.1)
    np.testing.assert_array_equal(model.abundances_, 1.0)
    np.testing.assert_array_equal(model.abundances_r_hat_, 1.0)
    assert np.median(model.components_ess_) > 6000


def test_one_component_of_any_thickness_has_the_posterior_of_dirichlet_and_gamma():
    counts = np.random.default_rng(7).poisson([3.0, 0.2, 9.0], (9, 3))
    settings = {"sum_to_one": False, "dose": 10.0, "abundance_concentration": 2.0}
    model = em.BayesianUnmixing(1, **settings, n_samples=4000, n_burn=10).fit(counts)
    sums = 1 + counts.sum(axis=0)
    np.testing.assert_allclose(model.components_[0], 10 * sums / sums.sum(), rtol=0.02, atol=0.01)
    np.testing.assert_allclose(model.components_.sum(), 10)
    expected = (2 + counts.sum(axis=1)) / (2 + 10)
    np.testing.assert_allclose(model.abundances_[:, 0], expected, rtol=0.03)


def test_one_component_under_gaussian_noise_has_the_posterior_of_a_mean():
    """Far from zero and from its prior, with a variance that many numbers tell."""
    rng = np.random.default_rng(8)
    counts = np.array([90.0, 50.0, 70.0]) + 2 * rng.standard_normal((40, 3))
    settings = {"likelihood": "gaussian", "n_samples": 4000, "n_burn": 50}
    model = em.BayesianUnmixing(1, dose=1e5, **settings).fit(counts)
    np.testing.assert_allclose(model.components_[0], counts.mean(axis=0), atol=0.03)
    free = ((counts - counts.mean(axis=0)) ** 2).sum() / (117 - 2)  # the mean of 1 / chi-square
    assert model.noise_variance_ == pytest.approx(free, rel=0.02)
    widths = np.diff(model.components_interval_[:, 0], axis=0)[0]
    np.testing.assert_allclose(widths, 2 * 1.98 * np.sqrt(free / 40), rtol=0.06)


TINY = np.array([[3.0, 0.0], [1.0, 4.0]])


def weighted_by_likelihood(prior, variance=None, n_draws=500_000):
    """Models of the tiny map, drawn from the prior, and their weights: another way to sample."""
    rng = np.random.default_rng(9)
    shares = rng.gamma(prior.abundances, size=(n_draws, 2, 2))
    spectra = rng.gamma(prior.spectra, size=(n_draws, 2, 2))
    if prior.sums_to_one:
        shares /= shares.sum(axis=2, keepdims=True)
        spectra /= prior.rate
    else:
        shares /= 2 * prior.abundances
        spectra *= prior.dose / spectra.sum(axis=2, keepdims=True)
    models = shares @ spectra
    logs = TINY * np.log(models) - models
    if variance is not None:
        logs = -((TINY - models) ** 2) / 2 / variance
    weights = np.exp(logs.sum(axis=(1, 2)))
    return models, weights / weights.sum()


def chain_models(chain):
    """Advance a chain, and return what each draw expects of the counts."""
    chain.advance(chain.plan.n_sweeps)
    return chain.drawn_abundances.kept @ chain.drawn_spectra.kept.swapaxes(1, 2)


@pytest.mark.parametrize(
    ("likelihood", "sums_to_one", "shape"),
    [
        ("poisson", True, 0.6),
        ("poisson", False, 2.0),
        ("gaussian", True, 1.0),
        ("gaussian", True, 2.0),
        ("gaussian", False, 1.0),
    ],
)
def test_two_components_have_the_posterior_of_weighted_draws_from_the_prior(
    likelihood, sums_to_one, shape, monkeypatch
):
    """The expected counts do not depend on names: mean and variance, of 4 numbers each."""
    monkeypatch.setattr(bayes_chains, "MOST_DRAWS", 10**9)
    prior = Prior(shape, shape, 5.0, sums_to_one, 2, 2)
    plan = Plan(n_burn=100, n_samples=12_000, thin=1, n_chains=1)
    given = as_counts(TINY), prior, plan, np.array([[3.0, 1.0], [1.0, 3.0]])
    rng, variance = np.random.default_rng(10), None
    if likelihood == "poisson":
        chain = PoissonChain(*given, rng)
    else:
        variance = 1.5
        chain = GaussianChain(*given, rng)
        monkeypatch.setattr(GaussianChain, "_draw_variance", lambda self, left: variance)
        chain.variance = variance
    models = chain_models(chain)
    expected, weights = weighted_by_likelihood(prior, variance)
    for power in (1, 2):
        known = np.tensordot(weights, expected**power, 1)
        spread = np.sqrt(np.tensordot(weights, (expected**power - known) ** 2, 1))
        np.testing.assert_array_less(abs((models**power).mean(axis=0) - known), 0.08 * spread)


# calibration: a truth drawn from the prior lies in 95 % intervals as often as they say


def drawn_from_the_prior(seed, likelihood, sums_to_one, spectra=1.0, abundances=1.0, **size):
    """A truth, counts of it, and the sampling of these."""
    n_pixels, n_channels, dose, sigma = 24, 8, 200.0, 3.0
    rng = np.random.default_rng(seed)
    if sums_to_one:
        components = rng.gamma(spectra, dose / n_channels / spectra, (2, n_channels))
        shares = rng.dirichlet([abundances] * 2, n_pixels)
    else:
        components = dose * rng.dirichlet([spectra] * n_channels, 2)
        shares = rng.gamma(abundances, 1 / (2 * abundances), (n_pixels, 2))
    counts = shares @ components
    noisy = counts + sigma * rng.standard_normal(counts.shape)
    counts = rng.poisson(counts) if likelihood == "poisson" else noisy
    model = em.BayesianUnmixing(
        2,
        likelihood=likelihood,
        sum_to_one=sums_to_one,
        dose=dose,
        spectra_concentration=spectra,
        abundance_concentration=abundances,
        start=components + 1e-6,
        random_state=seed,
        **size,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model._fit_within(counts)  # noise may be negative, which counts are not
    return model, components, shares


def coverage(runs):
    """Share of the truth within intervals, away from zero and one, and beside them."""
    inside, is_inner = [], []
    for model, components, shares in runs:
        found = em.metrics.match_components(model.components_, components).found
        pairs = [
            (components, model.components_interval_[:, found], 2.0, np.inf),
            (shares, model.abundances_interval_[:, :, found], 0.02, 0.98),
        ]
        for truth, (low, high), least, most in pairs:
            inside.append(((low <= truth) & (truth <= high)).ravel())
            most = most if model.sum_to_one else np.inf
            is_inner.append(((least < truth) & (truth < most)).ravel())
    inside, is_inner = np.concatenate(inside), np.concatenate(is_inner)
    return inside[is_inner].mean(), inside[~is_inner]


def assert_calibrated(runs, label):
    inner, beside = coverage(runs)
    print(f"{label}: {inner:.1%} inside, {beside.sum()} of {beside.size} beside a boundary")
    assert 0.90 <= inner <= 0.99
    assert beside.size < 40 or beside.mean() >= 0.88


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_95_percent_intervals_hold_a_truth_drawn_from_the_prior(likelihood):
    size = {"n_samples": 700, "n_burn": 150}
    runs = [drawn_from_the_prior(seed, likelihood, True, **size) for seed in range(20)]
    assert_calibrated(runs, likelihood)


@pytest.mark.slow
@pytest.mark.parametrize("shapes", [(1.0, 1.0), (3.0, 2.0), (0.5, 0.5)])
@pytest.mark.parametrize("sums_to_one", [True, False])
@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_intervals_are_calibrated_under_every_prior(likelihood, sums_to_one, shapes):
    size = {"n_samples": 2000, "n_burn": 500}
    runs = [
        drawn_from_the_prior(seed, likelihood, sums_to_one, *shapes, **size) for seed in range(20)
    ]
    assert_calibrated(runs, f"{likelihood}, {sums_to_one=}, {shapes=}")


@pytest.mark.slow
@pytest.mark.parametrize("sums_to_one", [True, False])
def test_a_subspace_of_all_channels_is_calibrated_and_a_small_one_too_sure(sums_to_one):
    """The plane of the leading components is taken for known: its own noise is in no interval."""
    size = {"n_samples": 1000, "n_burn": 300}
    shares = {}
    for n_projections in (2, 8):
        settings = "gaussian", sums_to_one
        runs = [
            drawn_from_the_prior(seed, *settings, n_projections=n_projections, **size)
            for seed in range(20)
        ]
        shares[n_projections] = coverage(runs)[0]
    print(shares)
    assert 0.90 <= shares[8] <= 0.99
    assert shares[2] < shares[8] - 0.02


# scenes


def pure_pixels(dose=2000.0):
    """Three spectra with lines, mixed, and a few pixels of each alone."""
    rng, axis = np.random.default_rng(11), np.arange(40)
    places = np.array([[5, 20], [12, 33], [26, 9]])
    spectra = np.exp(-((axis - places[..., None]) ** 2) / 8).sum(axis=1) + 0.05
    spectra *= dose / spectra.sum(axis=1, keepdims=True)
    shares = np.vstack([np.repeat(np.eye(3), 15, axis=0), rng.dirichlet(np.ones(3), 155)])
    return rng.poisson(shares @ spectra), spectra, shares


@pytest.mark.parametrize("sum_to_one", [True, False])
@pytest.mark.parametrize(
    ("likelihood", "start"), [("poisson", "nmf"), ("gaussian", "nmf"), ("gaussian", "nfindr")]
)
def test_endmembers_with_pure_pixels_are_found_within_3_degrees(likelihood, sum_to_one, start):
    counts, spectra, shares = pure_pixels()
    settings = {"likelihood": likelihood, "sum_to_one": sum_to_one, "start": start}
    model = quiet(**settings, n_samples=200, n_burn=100).fit(counts)
    match = em.metrics.match_components(model.components_, spectra)
    assert match.cost.max() < 3
    assert np.abs(model.abundances_[:, match.found] - shares).mean() < 0.03
    low, high = model.components_interval_
    assert (low <= model.components_).all()
    assert (model.components_ <= high).all()
    if sum_to_one:
        np.testing.assert_allclose(model.abundances_.sum(axis=1), 1)
    else:
        np.testing.assert_allclose(model.components_.sum(axis=1), counts.sum() / len(counts))


@pytest.mark.parametrize("sum_to_one", [True, False])
def test_projected_endmembers_lie_in_their_subspace_and_are_nowhere_negative(sum_to_one):
    counts, spectra, _ = pure_pixels()
    settings = {"likelihood": "gaussian", "n_projections": 3, "sum_to_one": sum_to_one}
    model = quiet(**settings, n_samples=200, n_burn=100).fit(counts)
    assert em.metrics.match_components(model.components_, spectra).cost.max() < 4
    assert model.components_interval_.min() >= 0
    axes = em.PCA(3, weighting="none").fit(counts).components_
    inside = model.components_ @ axes.T @ axes
    if not sum_to_one:
        np.testing.assert_allclose(model.components_.sum(axis=1), counts.sum() / len(counts))
    np.testing.assert_allclose(inside, model.components_, atol=1e-6 * model.components_.max())


@few_draws
@pytest.mark.parametrize("sum_to_one", [True, False])
@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_abundances_of_known_counts_are_close_to_those_of_the_fit(likelihood, sum_to_one):
    counts = pure_pixels(dose=300.0)[0]
    settings = {"likelihood": likelihood, "sum_to_one": sum_to_one}
    model = em.BayesianUnmixing(3, **settings, n_samples=200, n_burn=100).fit(counts)
    found = model.transform(counts)
    width = np.diff(model.abundances_interval_, axis=0)[0] / 4
    assert (np.abs(found - model.abundances_) < width).mean() > 0.97
    np.testing.assert_array_equal(model.transform(counts[50:53]), found[50:53])
    if sum_to_one:
        np.testing.assert_allclose(found.sum(axis=1), 1)
    empty = model.transform(np.zeros((2, 40)))
    assert (empty[0] > 0).all()


@few_draws
@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_empty_pixels_and_channels_are_left_to_the_prior(likelihood):
    counts = pure_pixels()[0]
    counts[[3, 99]] = 0
    counts[:, 17] = 0
    model = em.BayesianUnmixing(3, likelihood=likelihood, n_samples=40, n_burn=20).fit(counts)
    for values in (model.components_, model.abundances_, model.log_posterior_):
        assert np.isfinite(values).all()
    assert model.components_[:, 17].max() < 0.02 * model.components_.max()


@few_draws
@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_form_and_kind_of_the_counts_do_not_matter(scene, likelihood):
    import dask.array as da

    counts = scene.image.spectra
    forms = [
        counts.astype(np.float64),
        counts.astype(np.uint16),
        counts.astype(np.int64),
        counts.astype(">f4"),
        np.asfortranarray(counts.astype(np.float32)),
        np.repeat(counts, 2, axis=1)[:, ::2],
        sp.csr_array(counts),
        da.from_array(counts, chunks=(30, 20)),
        scene.image,
    ]
    settings = {"likelihood": likelihood, "n_samples": 60, "n_burn": 20}
    models = [em.BayesianUnmixing(3, **settings).fit(form) for form in forms]
    first = models[0]
    for model in models[1:]:
        for name in ("components_", "abundances_interval_"):
            expected = getattr(first, name)
            np.testing.assert_allclose(
                getattr(model, name), expected, rtol=1e-6, atol=1e-6 * expected.max()
            )
    np.testing.assert_allclose(models[1].transform(forms[6]), first.transform(forms[0]), rtol=1e-6)


@few_draws
@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_seeds_repeat_bits_in_any_number_of_threads(scene, likelihood):
    settings = {"likelihood": likelihood, "n_samples": 60, "n_burn": 20, "n_chains": 3}
    counts, found, before = scene.image.spectra, [], numba.get_num_threads()
    try:
        for n_threads in (1, 2, 2):
            numba.set_num_threads(min(n_threads, numba.config.NUMBA_NUM_THREADS))
            model = em.BayesianUnmixing(3, **settings).fit(counts)
            found.append((model.components_, model.abundances_interval_, model.transform(counts)))
    finally:
        numba.set_num_threads(before)
    for others in found[1:]:
        for ours, theirs in zip(found[0], others, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    other = em.BayesianUnmixing(3, **settings, random_state=1).fit(counts)
    assert (other.components_ != found[0][0]).all()


def test_settings_are_kept_with_the_result(scene):
    model = quiet(**SHORT, random_state=4).fit(scene.image.spectra)
    assert model.record_.seed == 4
    assert model.record_.parameters["n_burn"] == 5
    assert model.log_posterior_.shape == (2, 25)
    assert np.isnan(model.noise_variance_)


# callbacks and warnings


def test_a_callback_hears_of_every_part_and_of_the_posterior(scene):
    heard = []
    settings = {"n_samples": 150, "n_burn": 50, "n_chains": 2}
    model = quiet(**settings, callback=heard.append).fit(scene.image.spectra)
    assert len(heard) == 100
    assert np.diff([p.fraction for p in heard]).min() > 0
    assert heard[-1].fraction == 1
    assert heard[-1].objective == pytest.approx(-model.log_posterior_[:, -1].mean())


def test_a_callback_that_stops_keeps_what_is_enough(scene):
    settings = {"n_samples": 150, "n_burn": 50}
    stopped = em.BayesianUnmixing(**settings, callback=lambda p: p.fraction >= 0.6)
    stopped.fit(scene.image.spectra)
    assert stopped.log_posterior_.shape == (2, 120)
    assert np.isfinite(stopped.components_interval_).all()
    whole = quiet(**settings).fit(scene.image.spectra)
    np.testing.assert_array_equal(stopped.log_posterior_, whole.log_posterior_[:, :120])


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_a_callback_that_stops_too_soon_leaves_nothing(scene, likelihood):
    model = em.BayesianUnmixing(likelihood=likelihood, n_burn=50, callback=lambda p: True)
    with pytest.raises(em.CancelledError, match=r"with 0 sweeps .* needed after n_burn=50"):
        model.fit(scene.image.spectra)
    assert not hasattr(model, "components_")


def test_chains_that_have_not_settled_say_what_to_raise(scene):
    with pytest.warns(ConvergenceWarning, match="n_burn=0 and n_samples=20 .* raise n_samples"):
        em.BayesianUnmixing(3, n_burn=0, n_samples=20).fit(scene.image.spectra)


def test_fractions_of_counts_are_warned_of_where_counts_are_shared_out(scene):
    counts = scene.image.spectra * 0.5
    with pytest.warns(em.ScaledCountsWarning, match=r"not whole, such as \d+\.5.*gaussian"):
        quiet(**SHORT).fit(counts)
    quiet(**SHORT, likelihood="gaussian").fit(counts)


# bad input

SPECTRA = np.ones((3, 64))


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"n_components": 0}, ValueError, "n_components"),
        ({"n_components": 999}, ValueError, "n_components=999 is more than 64"),
        ({"likelihood": "huber"}, ValueError, "likelihood is 'huber'; choose one of"),
        ({"sum_to_one": 2}, TypeError, "sum_to_one"),
        ({"dose": 0}, ValueError, "dose"),
        ({"dose": np.inf}, ValueError, "dose=inf must be a finite"),
        ({"dose": 1e20}, ValueError, "dose goes up to 1e.20, but poisson noise .* power of ten"),
        ({"start": 1e20 * SPECTRA}, ValueError, "start goes up to 1e.20, but poisson noise"),
        ({"spectra_concentration": 0.0}, ValueError, "spectra_concentration"),
        ({"abundance_concentration": np.nan}, ValueError, "abundance_concentration"),
        ({"n_samples": 0}, ValueError, "n_samples"),
        ({"n_samples": 50, "thin": 9}, ValueError, "leaves 5 draws .* lower thin"),
        ({"n_burn": -1}, ValueError, "n_burn"),
        ({"n_chains": 0}, ValueError, "n_chains"),
        ({"n_chains": 1.5}, TypeError, "n_chains"),
        ({"thin": 0}, ValueError, "thin"),
        ({"callback": 3}, TypeError, "callback is 3"),
        ({"n_projections": 5}, ValueError, "n_projections=5 needs likelihood='gaussian'"),
        ({"likelihood": "gaussian", "n_projections": 2}, ValueError, "n_projections == 2"),
        ({"likelihood": "gaussian", "n_projections": 65}, ValueError, "=65 is more than 64"),
        ({"start": "pca"}, ValueError, "start is 'pca'; choose one of"),
        ({"start": np.ones((3, 9))}, ValueError, r"start has shape \(3, 9\); .*\(3, 64\)"),
        ({"start": -SPECTRA}, ValueError, "start holds NaN, inf, negative"),
        ({"start": SPECTRA * [[1], [0], [1]]}, ValueError, "spectrum of zeros"),
        ({"start": SPECTRA * np.nan}, ValueError, "start holds NaN"),
    ],
)
def test_bad_settings_are_refused(scene, settings, error, message):
    with pytest.raises(error, match=message):
        em.BayesianUnmixing(**settings).fit(scene.image.spectra)


def test_bad_counts_are_refused(scene):
    counts = scene.image.spectra.astype(float)
    for value, message in [(-1.0, "Negative values in data"), (np.nan, "NaN or inf")]:
        counts[0, 0] = value
        with pytest.raises(ValueError, match=message):
            em.BayesianUnmixing(3).fit(counts)
    for likelihood, unit in [("poisson", 1e15), ("gaussian", 1e30), ("gaussian", 1e-40)]:
        counts = unit * scene.image.spectra
        with pytest.raises(ValueError, match=f"counts X go up to .* but {likelihood} noise is"):
            em.BayesianUnmixing(3, likelihood=likelihood).fit(counts)
    with pytest.raises(ValueError, match="zero in every pixel"):
        em.BayesianUnmixing(3).fit(np.zeros((9, 5)))


def test_the_counts_of_the_caller_stay_as_they_are(scene):
    counts, start = scene.image.spectra.copy(), np.ones((3, 64))
    counts.flags.writeable = start.flags.writeable = False
    quiet(**SHORT, start=start).fit(counts)
    np.testing.assert_array_equal(counts, scene.image.spectra)
    np.testing.assert_array_equal(start, 1)
