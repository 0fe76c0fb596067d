"""Bootstrap: bands that hold the truth, errors as large as the scatter of fits of new counts."""

from __future__ import annotations

import json
import warnings

import numba
import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning, NotFittedError

import endmember as em
from endmember.core import bootstrap_refits
from endmember.core.bootstrap import Moments
from endmember.core.bootstrap_bounds import abundance_bounds, purities
from endmember.core.bootstrap_refits import Factors, Refits, halved, levelled, unsigned_angle
from endmember.core.metrics import match_components
from strategies import ESTIMATOR_FORMS, spectra_in

DOSE = 200.0
N_REPEATS = 12
SHARES = (3.0, 2.0, 1.2)  # of the three spectra: no two principal components are equally strong
STARTING = [em.NMF(3), em.NMF(3, loss="gaussian"), em.MCRALS(3)]
EVERY = [
    em.NMF(3),
    em.NMF(3, sum_to_one=True),
    em.NMF(3, loss="gaussian"),
    em.NMF(3, volume=0.001),
    em.MCRALS(3),
    em.MCRALS(3, constraints=("nonnegative", "closure")),
    em.NFINDR(3),
    em.VCA(3),
    em.MinimumVolume(3, n_restarts=0),
    em.PCA(3),
    em.ICA(3, n_restarts=0),
    em.Varimax(3),
]


def simulate(least=0.0, n_pixels=300, dose=DOSE):
    """Three spectra with lines of their own, and pixels of their own but for a share of all."""
    rng = np.random.default_rng(3)
    components = np.zeros((3, 24))
    for k in range(3):
        components[k, 8 * k : 8 * k + 8] = rng.uniform(0.5, 1.5, 8)
        components[k, (8 * k + 8 + np.arange(4)) % 24] = 0.5 * rng.uniform(0.5, 1.5, 4)
    components *= dose / components.sum(axis=1, keepdims=True)
    abundances = rng.dirichlet(SHARES, n_pixels)
    for k in range(3):
        abundances[20 * k : 20 * k + 20] = np.eye(3)[k]
    return Factors(least / 3 + (1 - least) * abundances, components)


def drawn(truth, i):
    expected = truth.abundances @ truth.components
    expected[expected < 1e-9] = 0  # rounding, by which processors would draw different counts
    return np.random.default_rng([7, i]).poisson(expected)


def put_beside(components, truth):
    """Return the order and the signs in which components are those of the truth."""
    found = match_components(components, truth.components, measure=unsigned_angle).found
    return found, np.where((components[found] * truth.components).sum(axis=1) < 0, -1.0, 1.0)


class Study:
    """Bands of independent recordings beside the truth, spectra and maps."""

    def __init__(self, estimator, truth, kind, n_repeats=N_REPEATS, n_draws=60):
        self.truth = truth
        self.covered, self.fits, self.stderr = ({"s": [], "a": []} for _ in range(3))
        for i in range(n_repeats):
            counts = drawn(truth, i)
            fitted = type(estimator)(**estimator.get_params()).fit(counts)
            found = em.bootstrap(fitted, counts, n_draws=n_draws, kind=kind, seed=i)
            order, signs = put_beside(found.components, truth)
            for side, name in (("s", "components"), ("a", "abundances")):
                self._take(side, name, found, order, signs)

    def _take(self, side, name, found, order, signs):
        turn = signs[:, None] if side == "s" else signs
        rows = (order,) if side == "s" else (slice(None), order)
        ends = [turn * getattr(found, f"{name}_{end}")[rows] for end in ("low", "high")]
        low, high = np.minimum(*ends), np.maximum(*ends)
        true = getattr(self.truth, name)
        self.covered[side].append((low <= true) & (true <= high))
        self.fits[side].append(turn * getattr(found, name)[rows])
        self.stderr[side].append(getattr(found, f"{name}_stderr")[rows])

    def true(self, side):
        return self.truth.components if side == "s" else self.truth.abundances

    def coverage(self, side, *, is_zero=False):
        return np.array(self.covered[side])[:, (self.true(side) == 0) == is_zero].mean()

    def ratio(self, side):
        """Errors over the scatter of fits, pooled over cells."""
        scatter = np.var(self.fits[side], axis=0, ddof=1)
        return np.sqrt(np.mean(np.square(self.stderr[side]), axis=0).sum() / scatter.sum())


@pytest.fixture(scope="module")
def truth():
    return levelled(simulate())


@pytest.fixture(scope="module")
def counts(truth):
    return drawn(truth, 0)


@pytest.fixture(scope="module")
def fitted(counts):
    return em.NMF(3).fit(counts)


@pytest.fixture(scope="module", params=["parametric", "thinning"])
def study(request, truth):
    return Study(em.NMF(3), truth, request.param)


# bands and errors


def test_bands_hold_the_truth_as_often_as_they_say(study):
    """No warning either: the model is identified."""
    for side in "sa":
        assert 0.9 <= study.coverage(side) <= 0.99


def test_bands_hold_a_truth_of_zero(study):
    for side in "sa":
        assert study.coverage(side, is_zero=True) >= 0.95


def test_errors_are_as_large_as_the_scatter_of_fits_of_new_counts(study):
    for side in "sa":
        assert study.ratio(side) == pytest.approx(1, abs=0.1)


def test_signs_and_order_of_principal_components_do_not_add_to_their_errors(truth):
    expected = truth.abundances @ truth.components
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", em.ScaledCountsWarning)  # what is expected is no count
        pca = em.PCA(3).fit(expected)
        exact = Factors(pca.transform(expected), pca.components_)
    study = Study(em.PCA(3), exact, "parametric", n_repeats=24)  # there are few free angles
    for side in "sa":
        assert 0.9 <= study.coverage(side) <= 0.99
        assert study.ratio(side) == pytest.approx(1, abs=0.15)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["parametric", "thinning"])
@pytest.mark.parametrize(
    "estimator",
    [em.NMF(3), em.NMF(3, loss="gaussian"), em.MCRALS(3)],
    ids=lambda estimator: type(estimator).__name__,
)
def test_bands_of_many_recordings_hold_the_truth(estimator, kind, truth):
    study = Study(estimator, truth, kind, n_repeats=40, n_draws=100)
    for side in "sa":
        print(type(estimator).__name__, kind, side, study.coverage(side), study.ratio(side))
        assert 0.92 <= study.coverage(side) <= 0.98
        assert study.coverage(side, is_zero=True) >= 0.94
        assert study.ratio(side) == pytest.approx(1, abs=0.1)


def test_bands_of_a_higher_level_are_wider(fitted, counts):
    half, most = (em.bootstrap(fitted, counts, n_draws=9, level=v) for v in (0.5, 0.99))
    widths = [found.components_high - found.components_low for found in (half, most)]
    assert (widths[1] >= widths[0]).all()
    assert widths[1].sum() > 2 * widths[0].sum()


@pytest.mark.parametrize("estimator", STARTING, ids=str)
def test_refits_end_where_those_that_begin_by_themselves_do(estimator, counts):
    fitted = estimator.fit(counts)
    near, far = (em.bootstrap(fitted, counts, n_draws=8, start=s) for s in ("fitted", "own"))
    for name in ("components_stderr", "abundances_stderr"):
        one, other = getattr(near, name), getattr(far, name)
        assert np.linalg.norm(one - other) < 0.1 * np.linalg.norm(other)


@pytest.mark.filterwarnings("ignore:.*ambiguity")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("kind", ["parametric", "thinning"])
@pytest.mark.parametrize("estimator", EVERY, ids=str)
def test_every_estimator_gets_errors_of_the_shape_of_its_fit(estimator, kind, counts):
    fitted = estimator.fit(counts)
    found = em.bootstrap(fitted, counts, n_draws=4, kind=kind)
    assert found.n_failed == 0
    for name in ("components", "abundances"):
        values, stderr, bias, low, high = (
            getattr(found, f"{name}{part}") for part in ("", "_stderr", "_bias", "_low", "_high")
        )
        assert values.shape == stderr.shape == bias.shape == low.shape == high.shape
        assert np.isfinite(stderr).all()
        assert (low <= high).all()
        assert np.linalg.norm(stderr) < 0.5 * np.linalg.norm(values)
    np.testing.assert_array_equal(found.components, fitted.components_)


def test_means_and_errors_of_a_stream_are_those_of_all_at_once():
    values = np.random.default_rng(0).normal(100, 1, (20, 3, 4))
    moments = Moments((3, 4))
    for value in values:
        moments.add(value)
    np.testing.assert_allclose(moments.mean, values.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(moments.stderr, values.std(axis=0, ddof=1), rtol=1e-9)


def test_halves_counted_twice_have_the_counts_for_mean_and_variance():
    counts = np.full((200, 200), 9, dtype=np.uint8)
    found = halved(counts, np.random.default_rng(1)).astype(float)
    n = counts.size
    assert found.mean() == pytest.approx(9, abs=5 * 3 / np.sqrt(n))
    assert found.var() == pytest.approx(9, abs=5 * 9 * np.sqrt(2 / n))
    assert halved(np.array([[200]], dtype=np.uint8), np.random.default_rng(1))[0, 0] > 150


# order and signs


@pytest.mark.parametrize("order", [[2, 0, 1], [1, 0, 2]])
def test_a_refit_with_other_order_and_signs_is_the_fit(order, counts):
    pca = em.PCA(3).fit(counts)
    refits = Refits(pca, counts, "parametric", "fitted", 0)
    abundances, components = refits.fit
    signs = np.array([1.0, -1.0, -1.0])
    turned = Factors(abundances[:, order] * signs, components[order] * signs[:, None])
    found = refits._matched(turned, True)
    np.testing.assert_array_equal(found.factors.abundances, abundances)
    np.testing.assert_array_equal(found.factors.components, components)
    np.testing.assert_allclose(found.angles, 0, atol=1e-5)


# ambiguity


@pytest.mark.parametrize(
    "estimator", [em.NMF(3), em.NMF(3, sum_to_one=True), em.MCRALS(3)], ids=str
)
def test_mixtures_without_pure_pixels_are_said_to_be_ambiguous(estimator):
    counts = drawn(simulate(least=0.5), 0)
    fitted = estimator.fit(counts)
    with pytest.warns(UserWarning, match=r"of its purest .* \(ambiguity\)"):
        found = em.bootstrap(fitted, counts, n_draws=3)
    assert np.minimum(found.pure_pixels, found.pure_channels).min() < 0.9


def test_spectra_without_channels_of_their_own_are_said_to_be_ambiguous():
    truth = simulate()
    counts = drawn(Factors(truth.abundances, truth.components + DOSE / 48), 0)
    fitted = em.NMF(3).fit(counts)
    with pytest.warns(UserWarning, match=r"of its purest channels.* \(ambiguity\)"):
        em.bootstrap(fitted, counts, n_draws=3)


def test_shares_in_the_purest_places_are_those_of_the_truth():
    """Counts are many, so that the purest pixels are found; a line is held by one or by two."""
    truth = simulate(least=0.3, dose=1e5)
    in_pixels, in_channels = purities(drawn(truth, 0), *truth, seed=0)
    shares = truth.abundances * truth.components.sum(axis=1)
    np.testing.assert_allclose(
        in_pixels, (shares / shares.sum(axis=1, keepdims=True)).max(axis=0), atol=0.02
    )
    np.testing.assert_allclose(in_channels, 1, atol=0.02)


def test_components_that_draws_mistake_for_each_other_are_named(counts):
    pca = em.PCA(6).fit(counts)  # the last three are noise, of about the same strength
    with pytest.warns(UserWarning, match=r"draws lie .* from component 5.* \(ambiguity\)"):
        em.bootstrap(pca, counts, n_draws=6)


def test_estimators_that_say_which_factors_they_mean_are_not_looked_at(counts):
    found = em.bootstrap(em.NFINDR(3).fit(counts), counts, n_draws=3)
    assert np.isnan(found.pure_pixels).all()
    assert np.isnan(found.pure_channels).all()


# bounds


def test_bounds_are_the_inverse_of_the_fisher_information():
    truth = simulate(least=0.2, n_pixels=70)
    found = abundance_bounds(*truth, is_closed=False)
    for abundances, bound in zip(truth.abundances, found, strict=True):
        weighted = truth.components / (abundances @ truth.components)
        expected = np.sqrt(np.diag(np.linalg.inv(weighted @ truth.components.T)))
        np.testing.assert_allclose(bound, expected, rtol=1e-9)


def test_bounds_of_sums_to_one_are_those_of_one_number_less():
    """The last abundance is what the others leave: its derivative is minus theirs."""
    truth = simulate(least=0.2, n_pixels=70)
    found = abundance_bounds(*truth, is_closed=True)
    free = truth.components[:2] - truth.components[2]
    for abundances, bound in zip(truth.abundances, found, strict=True):
        covariance = np.linalg.inv(free / (abundances @ truth.components) @ free.T)
        expected = [*np.diag(covariance), covariance.sum()]
        np.testing.assert_allclose(bound, np.sqrt(expected), rtol=1e-9)


def test_components_that_are_alike_have_no_bound():
    components = np.ones((2, 5))
    assert np.isnan(abundance_bounds(np.ones((3, 2)), components, is_closed=False)).all()


def test_abundances_are_better_than_the_bound_only_at_zero(fitted, counts):
    """Elsewhere the largest likelihood of spectra that many pixels share comes close to it."""
    found = em.bootstrap(fitted, counts)
    far = found.abundances > 4 * found.crlb
    assert found.below_bound[far].mean() < 0.06  # one in forty by chance
    assert found.below_bound[found.abundances == 0].mean() > 0.9
    assert np.median(found.abundances_stderr[far] / found.crlb[far]) == pytest.approx(1, abs=0.05)


@pytest.mark.filterwarnings("ignore:.*ambiguity")
def test_a_denoised_map_is_better_than_counts_by_what_its_rank_takes_for_granted(counts):
    """All components leave the counts as they are; few of them leave noise out, and rare lines."""
    window = np.zeros((1, 24))
    window[0, 8:12] = 1.0
    few, whole = (
        em.bootstrap(em.PCA(n).fit(counts), counts, kind="thinning", windows=window, n_draws=60)
        for n in (3, 24)
    )
    assert few.windows.below_bound.mean() > 0.9
    assert whole.windows.below_bound.mean() < 0.1
    measured = np.sqrt(counts[:, 8:12].sum(axis=1))
    np.testing.assert_allclose(whole.windows.crlb[:, 0], measured, atol=1e-6)
    ratio = whole.windows.stderr[measured > 0, 0] / measured[measured > 0]
    assert np.sqrt((ratio**2).mean()) == pytest.approx(1, abs=0.05)


# chance, threads and callbacks


@pytest.mark.parametrize("estimator", [em.NMF(3), em.PCA(3)], ids=str)
@pytest.mark.parametrize("kind", ["parametric", "thinning"])
def test_the_same_seed_gives_the_same_bits_on_any_number_of_threads(estimator, kind, counts):
    fitted, before = estimator.fit(counts), numba.get_num_threads()
    found = []
    for n_threads in {1, before}:
        numba.set_num_threads(n_threads)
        found.append(em.bootstrap(fitted, counts, n_draws=5, kind=kind, seed=4))
    numba.set_num_threads(before)
    found.append(em.bootstrap(fitted, counts, n_draws=5, kind=kind, seed=4))
    for other in found[1:]:
        np.testing.assert_array_equal(other.components_stderr, found[0].components_stderr)
        np.testing.assert_array_equal(other.abundances_high, found[0].abundances_high)
    another = em.bootstrap(fitted, counts, n_draws=5, kind=kind, seed=5)
    assert (another.components_stderr != found[0].components_stderr).any()


def test_large_maps_are_fitted_one_after_another_with_the_same_bits(fitted, counts, monkeypatch):
    beside = em.bootstrap(fitted, counts, n_draws=4)
    monkeypatch.setattr(bootstrap_refits, "SIDE_BY_SIDE_BELOW", 0)
    np.testing.assert_array_equal(
        em.bootstrap(fitted, counts, n_draws=4).components_stderr, beside.components_stderr
    )


def test_fractions_rise_to_one(fitted, counts):
    fractions = []
    em.bootstrap(fitted, counts, n_draws=5, callback=lambda p: fractions.append(p.fraction))
    np.testing.assert_allclose(fractions, [0.2, 0.4, 0.6, 0.8, 1.0])


@pytest.mark.parametrize("estimator", [em.NMF(3), em.PCA(3), em.NFINDR(3)], ids=str)
def test_what_was_drawn_is_kept_where_the_callback_stops(estimator, counts):
    fitted = estimator.fit(counts)
    found = em.bootstrap(fitted, counts, callback=lambda p: p.fraction >= 0.03)
    assert found.n_draws == len(found.match_angles) == 3
    whole = em.bootstrap(fitted, counts, n_draws=3)
    np.testing.assert_array_equal(found.abundances_stderr, whole.abundances_stderr)


def test_less_than_two_draws_are_none(fitted, counts):
    with pytest.raises(em.CancelledError, match="after 1 draws; 2 are the least"):
        em.bootstrap(fitted, counts, callback=lambda p: True)


def test_draws_that_cannot_be_fitted_are_counted(fitted, counts, monkeypatch):
    matched = Refits._matched
    calls = iter(range(100))

    def fails_twice(self, *found):
        if next(calls) < 2:
            raise np.linalg.LinAlgError("singular")
        return matched(self, *found)

    monkeypatch.setattr(Refits, "_matched", fails_twice)
    found = em.bootstrap(fitted, counts, n_draws=6)
    assert (found.n_draws, found.n_failed) == (4, 2)
    assert "4 parametric draws, 2 failed" in repr(found)


def test_draws_that_can_never_be_fitted_raise_the_reason(fitted, counts, monkeypatch):
    def fails(self, *found):
        raise ValueError("no corners")

    monkeypatch.setattr(Refits, "_refit", fails)
    with pytest.raises(ValueError, match="only 0 of 4 draws could be fitted") as caught:
        em.bootstrap(fitted, counts, n_draws=4)
    assert "no corners" in str(caught.value.__cause__)


def test_refits_that_ended_too_early_are_said(counts):
    with pytest.warns(ConvergenceWarning, match="NMF stopped"):
        fitted = em.NMF(3, max_iter=1, tol=1e-9).fit(counts)
    with (
        pytest.warns(ConvergenceWarning, match="4 refits of 4 draws ended before"),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", ".*ambiguity")
        em.bootstrap(fitted, counts, n_draws=4)


# counts in and out


@pytest.mark.parametrize("kind", ["parametric", "thinning"])
@pytest.mark.parametrize("form", ESTIMATOR_FORMS)
def test_the_form_of_the_counts_does_not_matter(form, kind, fitted, counts):
    expected = em.bootstrap(fitted, counts, n_draws=3, kind=kind)
    found = em.bootstrap(fitted, spectra_in(form, counts), n_draws=3, kind=kind)
    np.testing.assert_allclose(
        found.components_stderr, expected.components_stderr, rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("dtype", ["u1", ">u2", "f4", "f8"])
def test_the_dtype_of_the_counts_does_not_matter(dtype, fitted, counts):
    expected = em.bootstrap(fitted, counts, n_draws=3)
    found = em.bootstrap(fitted, counts.astype(dtype), n_draws=3)
    np.testing.assert_allclose(found.components_stderr, expected.components_stderr, rtol=1e-6)


def test_counts_and_estimator_stay_as_they_are(counts):
    given = counts.copy()
    given.flags.writeable = False
    called = []
    fitted = em.NMF(3, callback=lambda p: bool(called.append(p))).fit(given)
    before, n_called = fitted.components_.copy(), len(called)
    for kind in ("parametric", "thinning"):
        em.bootstrap(fitted, given, n_draws=3, kind=kind)
    np.testing.assert_array_equal(given, counts)
    np.testing.assert_array_equal(fitted.components_, before)
    assert len(called) == n_called


def test_hidden_pixels_take_no_part(counts):
    hidden = np.zeros((30, 10), dtype=bool)
    hidden[0] = True
    image = em.SpectrumImage(counts.reshape(30, 10, -1), mask=hidden)
    found = em.bootstrap(em.NMF(3).fit(image), image, n_draws=3)
    assert found.abundances_stderr.shape == (290, 3)
    assert image.fold(found.abundances_stderr).shape == (30, 10, 3)


def test_the_record_says_what_was_drawn_and_from_which_fit(fitted, counts):
    found = em.bootstrap(fitted, counts, n_draws=3, kind="thinning", seed=9)
    kept = json.loads(found.record.to_json())
    assert kept["estimator"] == "bootstrap"
    assert kept["seed"] == 9
    assert kept["parameters"]["kind"] == "thinning"
    assert kept["parameters"]["estimator"]["estimator"] == "NMF"
    assert kept["data"] == fitted.record_.data


def test_the_words_for_a_result_say_draws_and_angles(fitted, counts):
    found = em.bootstrap(fitted, counts, n_draws=3)
    assert repr(found).startswith(
        "<Bootstrap of 3 components, 300 pixels, 24 channels: 3 parametric draws, 95% bands"
    )


# bad input


@pytest.mark.parametrize(
    ("settings", "error", "match"),
    [
        ({"n_draws": 1}, ValueError, "n_draws"),
        ({"n_draws": 2.5}, TypeError, "n_draws"),
        ({"n_draws": True}, TypeError, "n_draws"),
        ({"level": 1.0}, ValueError, "between 0 and 1"),
        ({"level": 0}, ValueError, "between 0 and 1"),
        ({"level": float("nan")}, ValueError, "between 0 and 1"),
        ({"level": "high"}, ValueError, "between 0 and 1"),
        ({"kind": "pairs"}, ValueError, "choose one of"),
        ({"start": "zero"}, ValueError, "choose one of"),
        ({"seed": None}, ValueError, "whole number"),
        ({"callback": 3}, TypeError, "function of one argument"),
        ({"windows": np.ones(24)}, ValueError, r"expected finite weights of shape \(n_windows, 24"),
        ({"windows": np.ones((2, 23))}, ValueError, "expected finite weights"),
        ({"windows": np.full((1, 24), np.nan)}, ValueError, "expected finite weights"),
    ],
)
def test_wrong_settings_are_refused(settings, error, match, fitted, counts):
    with pytest.raises(error, match=match):
        em.bootstrap(fitted, counts, **settings)


def test_estimators_that_cannot_be_drawn_from_are_refused(counts):
    with pytest.raises(NotFittedError, match=r"NMF is not fitted; call estimator\.fit"):
        em.bootstrap(em.NMF(3), counts)
    with pytest.raises(TypeError, match="intervals of its own"):
        em.bootstrap(em.BayesianUnmixing(3), counts)
    with pytest.raises(TypeError, match="pass a fitted NMF"):
        em.bootstrap("NMF", counts)
    missing = np.zeros(24, dtype=bool)
    missing[0] = True
    with pytest.raises(ValueError, match="missing numbers, which are not drawn again"):
        em.bootstrap(em.NMF(3, missing=missing).fit(counts), counts)


def test_counts_that_cannot_be_drawn_from_are_refused(fitted, counts):
    with pytest.raises(ValueError, match="other counts than the estimator was fitted to"):
        em.bootstrap(fitted, counts + 1)
    with pytest.raises(ValueError, match="Negative values"):
        em.bootstrap(fitted, counts - 1)
    with pytest.raises(ValueError, match="NaN"):
        em.bootstrap(fitted, np.where(counts > 30, np.nan, counts))
    with pytest.raises(ValueError, match="23 features"):
        em.bootstrap(fitted, counts[:, 1:])
    with pytest.raises(ValueError, match="n_components=3 is more than 2"):
        em.bootstrap(fitted, counts[:2])


@pytest.mark.parametrize("kind", ["parametric", "thinning"])
def test_counts_that_were_scaled_are_refused(kind, counts):
    scaled = counts * np.random.default_rng(0).uniform(0.5, 1.5, (300, 1))
    with pytest.warns(em.ScaledCountsWarning):
        fitted = em.NMF(3).fit(scaled)
    with pytest.raises(ValueError, match=f"not whole numbers, but kind='{kind}'"):
        em.bootstrap(fitted, scaled, kind=kind)
