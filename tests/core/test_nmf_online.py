"""Block by block: close to the fit of all pixels, and one clear error for what cannot be."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

import endmember as em
from endmember.core.gaussian import GaussianProblem, Spectra
from endmember.core.poisson import PoissonProblem

LOSSES = ["poisson", "gaussian"]


@pytest.fixture(scope="module")
def counts():
    return em.datasets.load("mixture", shape=(24, 24), dose=300.0).image.spectra


def objective(loss, counts, model):
    problem = PoissonProblem(counts) if loss == "poisson" else GaussianProblem(Spectra(counts))
    return problem.objective(model.transform(counts), model.components_)


@pytest.mark.parametrize("loss", LOSSES)
def test_passes_over_unlike_blocks_end_within_a_percent_of_all_pixels_at_once(counts, loss):
    brightest = np.argsort(counts[:, 20])  # blocks that hold unlike shares of the phases
    online = em.NMF(3, loss=loss)
    gaps = []
    whole = em.NMF(3, loss=loss).fit(counts).objective_history_[-1]
    for _ in range(5):
        for rows in np.array_split(brightest, 6):
            online.partial_fit(counts[rows])
        gaps.append(objective(loss, counts, online) / whole - 1)
    assert gaps[-1] < 0.01
    assert gaps[-1] <= gaps[0]


@pytest.mark.parametrize("loss", LOSSES)
def test_a_phase_that_the_first_block_lacks_is_found(loss):
    rng = np.random.default_rng(0)
    spectra = np.kron(np.eye(3), np.ones(8)) + 0.05
    late = rng.dirichlet(np.full(3, 0.5), 200)
    early = np.hstack([rng.dirichlet(np.full(2, 0.5), 100), np.zeros((100, 1))])
    model = em.NMF(3, loss=loss)
    blocks = [rng.poisson(50 * shares @ spectra) for shares in (early, late[:100], late[100:])]
    for _ in range(8):
        for block in blocks:
            model.partial_fit(block)
    assert em.metrics.match_components(model.components_, spectra).cost.max() < 8


@pytest.mark.parametrize("loss", LOSSES)
def test_channels_that_the_first_block_lacks_are_found(counts, loss):
    """Whatever comes first, every channel ends with its counts, as a fit of all leaves them."""
    first = counts[:200].copy()
    first[:, [3, 40]] = 0
    model = em.NMF(3, loss=loss)
    for _ in range(6):
        for block in (first, counts[200:400], counts[400:]):
            model.partial_fit(block)
    everything = np.vstack([first, counts[200:]])
    sums = (model.transform(everything) @ model.components_).sum(axis=0)
    expected = everything.sum(axis=0)[[3, 40]]
    np.testing.assert_allclose(sums[[3, 40]], expected, rtol=0.02 if loss == "poisson" else 0.2)


@pytest.mark.parametrize("loss", LOSSES)
def test_forms_of_the_blocks_do_not_matter_and_the_order_is_kept(counts, loss):
    blocks = np.array_split(counts, 4)
    found = []
    for form in (np.asarray, sp.csr_array, np.asfortranarray, lambda x: x.astype(np.float32)):
        model = em.NMF(3, loss=loss)
        for block in blocks:
            assert model.partial_fit(form(block)) is model
        found.append(model)
    for other in found[1:]:
        np.testing.assert_allclose(other.components_, found[0].components_, rtol=1e-5, atol=1e-6)
        assert other.record_.data == found[0].record_.data
    assert found[0].record_.data["shape"] == list(counts.shape)
    assert found[0].n_iter_ == 4
    other = em.NMF(3, loss=loss)
    for block in blocks[::-1]:
        other.partial_fit(block)
    assert other.record_.data["sha256"] != found[0].record_.data["sha256"]


def test_fit_forgets_what_blocks_said(counts):
    model = em.NMF(3).partial_fit(counts[:100])
    model.fit(counts)
    np.testing.assert_array_equal(model.components_, em.NMF(3).fit(counts).components_)
    again = model.partial_fit(counts[:100])
    np.testing.assert_array_equal(
        again.components_, em.NMF(3).partial_fit(counts[:100]).components_
    )


@pytest.mark.parametrize("loss", LOSSES)
def test_closed_abundances_and_missing_channels_go_block_by_block(counts, loss):
    missing = np.arange(counts.shape[1]) % 10 == 3
    model = em.NMF(3, loss=loss, sum_to_one=True, missing=missing)
    broken = np.where(missing, np.nan, counts)
    for block in np.array_split(broken, 4):
        model.partial_fit(block)
    assert (np.isnan(model.components_) == missing).all()
    np.testing.assert_allclose(model.transform(broken).sum(axis=1), 1, rtol=1e-9)


def test_blocks_without_counts_change_nothing_later(counts):
    model = em.NMF(3).partial_fit(counts)
    before = model.components_
    model.partial_fit(np.zeros_like(counts[:50]))
    shapes = [c / c.sum(axis=1, keepdims=True) for c in (before, model.components_)]
    np.testing.assert_allclose(shapes[1], shapes[0], rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize(
    ("settings", "block", "message"),
    [
        ({}, np.ones((2, 9)), "first block holds counts in 2 pixels .*larger block"),
        ({}, np.zeros((50, 9)), "first block holds counts in 0 pixels of n_samples=50"),
        ({"volume": 0.1}, np.ones((9, 9)), "volume=0.1 .*need all counts at once; call fit"),
        ({"missing": np.ones((9, 9), bool)}, np.ones((9, 9)), "one block at a time"),
    ],
)
def test_what_blocks_cannot_do_is_refused(settings, block, message):
    with pytest.raises(ValueError, match=message):
        em.NMF(3, **settings).partial_fit(block)


def test_lazy_decomposition_of_hyperspy_goes_block_by_block():
    import hyperspy.api as hs

    scene = em.datasets.load("mixture")
    signal = hs.signals.Signal1D(scene.image.counts.astype(np.float32)).as_lazy()
    signal.data = signal.data.rechunk((8, 32, -1))
    signal.decomposition(
        normalize_poissonian_noise=False, algorithm=em.NMF(3), print_info=False, num_chunks=1
    )
    found = signal.learning_results.factors.T
    cost = em.metrics.match_components(np.asarray(found), scene.endmembers).cost
    batch = em.NMF(3).fit(scene.image.spectra).components_
    assert cost.max() <= em.metrics.match_components(batch, scene.endmembers).cost.max() + 5


def test_blocks_after_a_fit_leave_no_history_of_that_fit():
    counts = em.datasets.load("mixture", shape=(12, 12)).image.spectra
    model = em.NMF(3).fit(counts)
    model.partial_fit(counts)
    for name in ("objective_history_", "kkt_", "restarts_"):
        assert not hasattr(model, name)
