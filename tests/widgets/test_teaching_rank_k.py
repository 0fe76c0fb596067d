"""A picture from its first directions: against the theorem, and what its page is told."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import endmember as em
from endmember.widgets.teaching.rank_k_state import RankKState
from endmember.widgets.teaching.steps import Steps

SEEDS = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def picture():
    return em.datasets.load("portraits", n_mixtures=4).portraits[1]


def low_rank(seed, rank, shape=(9, 7)):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(shape[0], rank)) @ rng.normal(size=(rank, shape[1]))


@given(seed=SEEDS, rank=st.integers(1, 7))
def test_both_norms_are_those_of_what_is_left(seed, rank):
    state = RankKState(low_rank(seed, rank))
    for k in range(state.max_rank + 1):
        left = state.picture - state.kept[k]
        rounding = 1e-12 * state.frobenius[0]
        np.testing.assert_allclose(state.left[k], left, atol=rounding)
        assert abs(np.linalg.norm(left, "fro") - state.frobenius[k]) < rounding
        assert abs(np.linalg.norm(left, 2) - state.spectral[k]) < rounding
        assert np.linalg.matrix_rank(state.kept[k], tol=rounding) <= k


@given(seed=SEEDS, k=st.integers(0, 4))
def test_no_other_matrix_of_the_rank_is_nearer_in_either_norm(seed, k):
    """Eckart and Young's theorem, for the Frobenius norm and, after Mirsky, for the spectral."""
    state, other = RankKState(low_rank(seed, 7)), low_rank(seed + 1, k)
    nearby = state.kept[k] + 0.01 * low_rank(seed + 2, 7)
    u, s, v = np.linalg.svd(nearby, full_matrices=False)
    for candidate in (other, (u[:, :k] * s[:k]) @ v[:k]):
        left, rounding = state.picture - candidate, 1e-12 * state.frobenius[0]
        assert np.linalg.norm(left, "fro") >= state.frobenius[k] - rounding
        assert np.linalg.norm(left, 2) >= state.spectral[k] - rounding


def test_a_matrix_of_low_rank_leaves_exactly_nothing():
    state = RankKState(np.outer([1.0, 2.0, 3.0], [4.0, 5.0]))
    assert state.singular_values[1] == state.frobenius[1] == state.spectral[1] == 0.0


def test_the_rank_stops_at_that_of_the_matrix(picture):
    assert RankKState(np.eye(3)).max_rank == 3
    assert RankKState(picture, max_rank=5).kept.shape == (6, *picture.shape)


def test_words_name_the_next_singular_value(picture):
    words = RankKState(picture).words(10)
    assert words.startswith("Rank 10: 1,290 numbers for 4,096.")
    assert "σ₁₁" in words


def test_a_table_shows_one_of_its_rows_at_every_rank():
    photos = em.datasets.load("portraits", n_mixtures=10)
    table = photos.image.spectra
    whole = RankKState(table, shape=(64, 64), row=3, max_rank=6)
    u, s, v = np.linalg.svd(table.astype(float), full_matrices=False)
    for k in range(7):
        kept = (u[:, :k] * s[:k]) @ v[:k]
        np.testing.assert_allclose(whole.kept[k].ravel(), kept[3], atol=1e-9)
        np.testing.assert_allclose(whole.left[k].ravel(), table[3] - kept[3], atol=1e-9)
        assert abs(np.linalg.norm(table - kept) - whole.frobenius[k]) < 1e-6
    assert "for 40,960" in whole.words(1)


@pytest.mark.parametrize(
    ("matrix", "settings", "said"),
    [
        (np.zeros(4), {}, "matrix has shape (4,); give one of rows and columns"),
        (np.zeros((0, 3)), {}, "matrix has shape (0, 3)"),
        (np.zeros((129, 128)), {}, "16512 numbers, more than the 16384"),
        ([[1.0, np.nan]], {}, "matrix holds NaN or infinity"),
        (np.eye(2), {"max_rank": 0}, "max_rank == 0, must be >= 1"),
        (np.eye(4), {"shape": (2, 3)}, "shape is (2, 3), but a row holds 4 numbers"),
        (np.eye(4), {"shape": (4,)}, "shape is (4,), but a row holds 4 numbers"),
        (np.eye(4), {"shape": (2, 2), "row": 4}, "row == 4, must be <= 3"),
    ],
)
def test_what_is_no_picture_is_refused(matrix, settings, said):
    with pytest.raises(ValueError) as error:
        em.teaching.RankExplorer(matrix, **settings)
    assert said in str(error.value)


def test_the_picture_is_not_changed():
    picture = np.arange(6.0).reshape(2, 3)
    before = picture.copy()
    explorer = em.teaching.RankExplorer(picture)
    explorer.state.picture[:] = 0
    np.testing.assert_array_equal(picture, before)


def test_what_is_shown_follows_the_slider(picture):
    explorer = em.teaching.RankExplorer(picture)
    state, steps = explorer.state, explorer.steps
    (frobenius, _), (spectral, _) = explorer.norms.marks_at
    for k in (0, 1, 7, 16):
        explorer.rank.value = k
        assert steps.shown(explorer.words, "value") == state.words(k)
        assert steps.shown(explorer.kept, "caption") == f"what rank {k} keeps"
        for view, values in [(explorer.kept, state.kept), (explorer.left, state.left)]:
            shown = np.frombuffer(steps.shown(view, "values"), np.float32)
            np.testing.assert_allclose(shown, values[k].ravel(), rtol=1e-6)
        for mark, norms in [(frobenius, state.frobenius), (spectral, state.spectral)]:
            assert steps.shown(mark, "x") == k
            np.testing.assert_allclose(steps.shown(mark, "y"), norms[k], rtol=1e-6)


def test_the_page_is_told_of_every_part(picture):
    """Else it would not move there: steps live only where they are shown."""
    explorer = em.teaching.RankExplorer(picture)
    assert any(isinstance(child, Steps) for child in explorer.children)
    assert sum(len(driven.data) for driven in explorer.steps.driven) < 250_000  # bytes of a page


@pytest.mark.parametrize("picture", [np.zeros((3, 3)), np.ones((4, 2)), np.outer([1, 2], [3, 4])])
def test_plain_pictures_are_shown(picture):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        explorer = em.teaching.RankExplorer(picture)
    for view in (explorer.kept, explorer.left):
        low, high = view.limits
        assert low < high
    scale = explorer.norms.axes[1].scale
    assert 0 < scale.min < scale.max
