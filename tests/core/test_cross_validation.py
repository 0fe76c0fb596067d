"""Held-out counts: against scikit-learn's deviance, plain NumPy and simulated ranks."""

import sys

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn import decomposition
from sklearn.base import BaseEstimator
from sklearn.metrics import mean_poisson_deviance

import endmember as em
from endmember.core.cross_validation import (
    FLOOR,
    CrossValidation,
    Halves,
    check_whole,
    fitted,
    quantum_of,
    within_one_stderr,
)
from endmember.core.progress import CancelledError
from strategies import ESTIMATOR_FORMS, spectra_in


def make_counts(n_components=3, *, shape=(200, 30), dose=300.0, seed=0):
    """Poisson counts of a few peaks, mixed at random; pixels and channels without counts too."""
    rng = np.random.default_rng(seed)
    channels = np.arange(shape[1])
    centres = np.linspace(4, shape[1] - 6, n_components)[:, None]
    endmembers = 0.2 + 4 * np.exp(-((channels - centres) ** 2) / 8)
    endmembers[:, -1] = 0.0
    endmembers /= endmembers.sum(axis=1, keepdims=True)
    abundances = rng.gamma(1.0, size=(shape[0], n_components))
    abundances[3] = 0.0
    return rng.poisson(dose * abundances @ endmembers)


class Given(BaseEstimator):
    """A model of given factors, that learns nothing."""

    def __init__(self, n_components=1, abundances=None, components=None):
        self.n_components = n_components
        self.abundances = abundances
        self.components = components

    def fit(self, X, y=None):
        self.components_ = self.components[: self.n_components]
        return self

    def transform(self, X):
        return self.abundances[:, : self.n_components]


class Squared(Given):
    """A model that is not linear in what ``transform`` returns."""

    def inverse_transform(self, X):
        return (1 + X) ** 2 @ self.components_


# the losses


@pytest.mark.parametrize("form", ["dense", "csr"])
@pytest.mark.parametrize("fraction", [0.5, 0.8])
def test_deviance_is_scikit_learns_of_the_dense_model(form, fraction):
    rng = np.random.default_rng(0)
    counts = make_counts(dose=30.0)
    kept, left = em.thin(spectra_in(form, counts), fraction, seed=1)
    abundances, components = rng.gamma(1.0, size=(200, 2)), rng.gamma(1.0, size=(2, 30))
    components[1, 5] = components[0, 5] = 0.0  # where counts are held all the same
    deviance, squares = Halves(kept, left, fraction).losses((abundances, components))
    kept, left = (one.toarray() if sp.issparse(one) else one for one in (kept, left))
    pixels, channels = np.flatnonzero(kept.sum(axis=1)), np.flatnonzero(kept.sum(axis=0))
    part = np.ix_(pixels, channels)
    mean = np.outer(kept.sum(axis=1), kept.sum(axis=0))[part] / kept.sum()
    ratio, model = (1 - fraction) / fraction, (abundances @ components)[part]
    floored = ratio * ((1 - FLOOR) * model + FLOOR * mean)
    expected = mean_poisson_deviance(left[part].ravel(), floored.ravel())
    assert deviance == pytest.approx(expected, rel=1e-9)
    weighted = (left[part] - ratio * model) ** 2 / (ratio * mean)
    assert squares == pytest.approx(weighted.mean(), rel=1e-9)


def test_the_true_model_errs_by_the_variance_of_the_noise():
    rng = np.random.default_rng(0)
    thickness, spectrum = rng.gamma(2.0, size=(4000, 1)) + 0.5, rng.gamma(2.0, size=(1, 40)) + 0.5
    counts = rng.poisson(5 * thickness @ spectrum)
    truth = Given(1, 2.5 * thickness, spectrum)  # of half the counts
    found = em.cross_validate(truth, counts, 1, n_splits=2, loss="gaussian")
    assert found.mean[0] == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(
    "estimator",
    [
        em.PCA(),
        em.NMF(tol=1e-3),
        decomposition.PCA(whiten=True, random_state=0),
        decomposition.TruncatedSVD(algorithm="arpack", random_state=0),
        decomposition.NMF(init="nndsvda", max_iter=1000, tol=1e-3),
    ],
    ids=lambda e: f"{type(e).__module__.split('.')[0]} {type(e).__name__}",
)
def test_linear_models_are_taken_for_what_they_predict(estimator):
    counts = make_counts().astype(np.float64)
    abundances, components = fitted(estimator, 2, counts)
    model = estimator.set_params(n_components=2).fit(counts)
    expected = model.inverse_transform(model.transform(counts))
    np.testing.assert_allclose(abundances @ components, expected, rtol=1e-6, atol=1e-8)


# the rank


@pytest.mark.parametrize("estimator", [em.PCA(), em.NMF(tol=1e-3)], ids=["PCA", "NMF"])
@pytest.mark.parametrize("n_components", [1, 2, 3])
def test_the_simulated_rank_predicts_best(estimator, n_components):
    found = em.cross_validate(estimator, make_counts(n_components), range(1, 6), n_splits=3)
    assert (found.best, found.one_stderr) == (n_components, n_components)
    assert found.loss == ("poisson" if isinstance(estimator, em.NMF) else "gaussian")


def test_counts_that_were_fitted_would_prefer_more():
    # so it is the holding out that finds the rank
    counts = make_counts(2)
    halves = Halves(counts, counts, 0.5)
    errors = [halves.losses(fitted(em.PCA(), k, counts))[1] for k in (1, 2, 3, 4)]
    assert (np.diff(errors) < 0).all()


@pytest.mark.parametrize("form", ESTIMATOR_FORMS)
def test_the_form_of_the_counts_changes_nothing_beyond_the_draw(form):
    counts = make_counts()
    before = counts.copy()
    found = em.cross_validate(em.PCA(), spectra_in(form, counts), range(1, 5), n_splits=2)
    same_draw = counts if "csr" not in form and form != "csc" else sp.csr_array(counts)
    expected = em.cross_validate(em.PCA(), same_draw, range(1, 5), n_splits=2)
    # a dask array becomes CSR where few of its entries are filled
    rtol = 1e-6 if "dask" not in form else 0.05
    np.testing.assert_allclose(found.values, expected.values, rtol=rtol)
    np.testing.assert_array_equal(counts, before)


def test_a_map_is_taken_by_its_visible_counts():
    counts = make_counts(shape=(60, 30)).reshape(6, 10, 30)
    mask = np.zeros((6, 10), bool)
    mask[0, :3] = True
    found = em.cross_validate(em.PCA(), em.SpectrumImage(counts, mask=mask), [1, 3], n_splits=2)
    expected = em.cross_validate(em.PCA(), counts[~mask], [3, 1], n_splits=2)
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-9)
    assert found.ranks == expected.ranks == (1, 3)


def test_the_same_seed_gives_the_same_values():
    counts = make_counts()
    one, same, other = (
        em.cross_validate(em.PCA(), counts, [1, 2], n_splits=1, seed=s) for s in (3, 3, 4)
    )
    np.testing.assert_array_equal(one.values, same.values)
    assert (one.values != other.values).all()
    assert one.record.seed == 3
    assert one.record.parameters["ranks"] == [1, 2]
    assert one.record.parameters["estimator"]["estimator"] == "PCA"
    assert one.record.result == same.record.result != other.record.result


def test_one_standard_error_is_that_of_the_difference():
    # a scatter that both ranks share tells nothing of which is better
    shared = np.array([[10.0], [20.0], [30.0], [40.0]])
    apart = shared + np.array([[1.0, 0.0], [1.1, 0.0], [0.9, 0.0], [1.0, 0.0]])
    assert within_one_stderr(apart) == 1
    close = shared + np.array([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [-0.5, 0.0]])
    assert within_one_stderr(close) == 0
    assert within_one_stderr(apart[:1]) == 1


# tables


def test_tables_hold_mean_and_standard_error():
    values = np.array([[3.0, 1.0, 2.0], [5.0, 1.0, 2.0]])
    found = CrossValidation((1, 2, 4), "gaussian", values, record=None)
    assert found.best == found.one_stderr == 2
    np.testing.assert_allclose(found.mean, [4, 1, 2])
    np.testing.assert_allclose(found.stderr, [1, 0, 0])
    assert found.to_rows()[0] == {"rank": 1, "loss": 4.0, "stderr": 1.0}
    table = pytest.importorskip("pandas") and found.to_frame()
    assert table.loc[2, "loss"] == 1.0
    assert "best 2" in repr(found)


def test_a_table_says_where_pandas_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    found = CrossValidation((1,), "gaussian", np.ones((1, 1)), record=None)
    with pytest.raises(ImportError, match=r"needs pandas.*to_rows"):
        found.to_frame()


# what is refused


def test_numbers_that_are_no_counts_are_told_their_quantum():
    counts = make_counts()
    with pytest.raises(ValueError, match=r"multiples of 0.25: pass counts / 0.25, or gain=0.25"):
        em.cross_validate(em.PCA(), counts * 0.25, [1])
    with pytest.raises(ValueError, match="bi-cross-validation"):
        em.cross_validate(em.PCA(), np.random.default_rng(0).random((20, 5)) + 0.1, [1])
    check_whole(counts * 0.3, gain=0.3)
    with pytest.raises(ValueError, match=r"no whole multiples of gain=0.2, .* multiples of 0.3:"):
        check_whole(counts * 0.3, gain=0.2)
    check_whole(7 * counts, gain=7)
    with pytest.raises(ValueError, match="no whole multiples of gain=7"):
        check_whole(counts, gain=7)


def test_rounding_of_a_file_leaves_whole_counts_whole():
    counts = make_counts(shape=(60, 30)) * 1000
    rounded = (counts * np.float32(0.3)).astype(np.float32) / np.float32(0.3)
    assert (rounded != counts).any()
    found = em.cross_validate(em.PCA(), rounded, [1, 2], n_splits=1)
    expected = em.cross_validate(em.PCA(), counts, [1, 2], n_splits=1)
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-6)


@pytest.mark.parametrize("quantum", [0.01, 0.3, 1 / 3, 7.5, 1e-6])
def test_a_quantum_is_found_whatever_its_size(quantum):
    counts = np.random.default_rng(0).poisson(20.0, size=1000)
    assert quantum_of(counts * quantum) == pytest.approx(quantum, rel=1e-9)
    assert quantum_of(quantum * np.array([2, 4, 7, 0])) == pytest.approx(quantum)


def test_bad_input_gets_one_clear_error():
    counts = make_counts(shape=(20, 8))
    with pytest.raises(TypeError, match="pass one of scikit-learn's kind"):
        em.cross_validate("PCA", counts, [1])
    with pytest.raises(TypeError, match="pass one of scikit-learn's kind"):
        em.cross_validate(em.KMeans(), counts, [1])
    with pytest.raises(TypeError, match="whole numbers, such as range"):
        em.cross_validate(em.PCA(), counts, [1.5])
    with pytest.raises(TypeError, match="whole numbers, such as range"):
        em.cross_validate(em.PCA(), counts, [])
    with pytest.raises(ValueError, match="from 1 to 8, the smaller of 20 pixels and 8 channels"):
        em.cross_validate(em.PCA(), counts, range(1, 12))
    with pytest.raises(ValueError, match="choose one of"):
        em.cross_validate(em.PCA(), counts, [1], loss="deviance")
    with pytest.raises(ValueError, match="n_splits == 0"):
        em.cross_validate(em.PCA(), counts, [1], n_splits=0)
    with pytest.raises(ValueError, match="fraction is 1"):
        em.cross_validate(em.PCA(), counts, [1], fraction=1)
    with pytest.raises(ValueError, match="nowhere negative"):
        em.cross_validate(em.PCA(), counts, [3], loss="poisson")
    with pytest.raises(ValueError, match="counts are zero in"):
        em.cross_validate(em.PCA(), np.zeros((5, 4)), [1])
    with pytest.raises(ValueError, match="contain NaN or inf in 1 places"):
        em.cross_validate(em.PCA(), np.where(counts == counts.max(), np.nan, counts), [1])
    with pytest.raises(TypeError, match="callback"):
        em.cross_validate(em.PCA(), counts, [1], callback=1)


def test_a_model_that_is_not_linear_is_refused():
    counts = make_counts(shape=(30, 8)).astype(np.float64)
    with pytest.raises(ValueError, match="not linear"):
        em.cross_validate(Squared(1, np.full((30, 1), 2.0), np.ones((1, 8))), counts, [1])


# progress


def test_progress_rises_to_its_end_and_a_callback_stops_the_work():
    counts, seen = make_counts(), []
    em.cross_validate(
        em.PCA(), counts, [1, 2, 3], n_splits=2, callback=lambda p: seen.append(p.fraction)
    )
    np.testing.assert_allclose(seen, np.arange(1, 7) / 6)
    with pytest.raises(CancelledError, match="17%"):
        em.cross_validate(em.PCA(), counts, [1, 2, 3], n_splits=2, callback=lambda p: True)
