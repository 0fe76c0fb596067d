"""PCA against theorems, a float64 SVD, simulated ranks and the figures of a measured map."""

import os
import subprocess
import sys

import numba
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg
from sklearn.utils.estimator_checks import parametrize_with_checks
from threadpoolctl import threadpool_info, threadpool_limits

import endmember as em
from endmember.core.noise import NoiseWarning, noise_median
from endmember.core.progress import CancelledError
from strategies import ESTIMATOR_FORMS, spectra_in

WEIGHTINGS = ["poisson", "biwhiten", "none"]
SHAPES = {"more pixels": (60, 12), "more channels": (12, 60), "square": (25, 25)}
# An eigenvalue of the Gram matrix is exact to 1e-15 of the first, so its root to about 1e-7.
EIGENVALUE = 1e-13


@pytest.mark.filterwarnings("ignore::endmember.ScaledCountsWarning")
@parametrize_with_checks(
    # scikit-learn's matrices hold fewer than 20 counts in a channel
    [em.PCA(2, weighting=weighting, min_counts=0) for weighting in WEIGHTINGS]
)
def test_scikit_learn_accepts_the_estimator(estimator, check):
    check(estimator)


def make_counts(shape, *, seed=0, dose=30.0, n_components=3):
    """Poisson counts of a few components, all pixels and channels filled."""
    rng = np.random.default_rng(seed)
    abundances = rng.gamma(1.0, size=(shape[0], n_components)) + 0.1
    endmembers = rng.gamma(1.0, size=(n_components, shape[1])) + 0.1
    return rng.poisson(dose * abundances @ endmembers).astype(np.uint16) + 1


def scaled(counts, pca):
    """The matrix Y that was decomposed, as one float64 array."""
    return pca.pixel_scale_[:, None] * counts.astype(np.float64) * pca.channel_scale_


def angle(first, second):
    """Largest principal angle between two row spaces, in degrees."""
    return np.degrees(linalg.subspace_angles(np.asarray(first).T, np.asarray(second).T).max())


# against a float64 SVD


@pytest.mark.parametrize("form", ESTIMATOR_FORMS)
@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_components_and_scree_are_those_of_a_float64_svd(shape, weighting, form):
    counts = make_counts(shape)
    pca = em.PCA(3, weighting=weighting).fit(spectra_in(form, counts))
    left, singular, right = linalg.svd(scaled(counts, pca), full_matrices=False)
    eigenvalues = singular**2 / shape[0]
    noise = counts.mean() if weighting == "none" else 1.0
    assert pca.scree_.shape == (min(shape),)
    np.testing.assert_allclose(pca.scree_ * noise, eigenvalues, atol=EIGENVALUE * eigenvalues[0])
    np.testing.assert_allclose(pca.explained_variance_, eigenvalues[:3], rtol=1e-10)
    axes = pca.components_ * pca.channel_scale_
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-9)
    assert angle(axes, right[:3]) < 1e-5
    scores, norms = pca.noise_units(spectra_in(form, counts))
    np.testing.assert_allclose(np.abs(scores), np.abs(left[:, :3] * singular[:3]), atol=1e-6)
    np.testing.assert_allclose(norms, (scaled(counts, pca) ** 2).sum(axis=1), rtol=1e-12)


def test_poisson_scree_is_that_of_the_published_scaling():
    counts = make_counts((60, 12)).astype(np.float64)
    pixels, channels = counts.sum(axis=1), counts.sum(axis=0)
    matrix = np.sqrt(counts.sum()) * counts / np.sqrt(np.outer(pixels, channels))
    eigenvalues = linalg.svdvals(matrix) ** 2 / 60
    np.testing.assert_allclose(em.PCA().fit(counts).scree_, eigenvalues, rtol=1e-10)


def test_without_weighting_it_is_scikit_learns_svd():
    from sklearn.decomposition import TruncatedSVD

    counts = make_counts((60, 12)).astype(np.float64)
    pca = em.PCA(3, weighting="none").fit(counts)
    peer = TruncatedSVD(3, algorithm="arpack", random_state=0).fit(counts)
    assert angle(pca.components_, peer.components_) < 1e-4
    np.testing.assert_allclose(pca.explained_variance_ * 60, peer.singular_values_**2, rtol=1e-9)


# theorems


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@settings(max_examples=15)
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(3, 15), st.integers(3, 15)),
    n_components=st.integers(1, 3),
)
def test_no_map_of_the_same_rank_is_nearer_to_the_scaled_counts(
    weighting, seed, shape, n_components
):
    counts = make_counts(shape, seed=seed)
    pca = em.PCA(n_components, weighting=weighting).fit(counts)
    denoised = pca.inverse_transform(pca.transform(counts))
    assert np.linalg.matrix_rank(denoised) <= n_components
    rest = ((scaled(counts, pca) - scaled(denoised, pca)) ** 2).sum()
    # Eckart and Young: the squared distance of the nearest is the sum of the squares left out
    singular = linalg.svdvals(scaled(counts, pca))
    np.testing.assert_allclose(
        rest, (singular[n_components:] ** 2).sum(), rtol=1e-9, atol=1e-12 * singular[0] ** 2
    )
    scores, norms = pca.noise_units(counts)
    np.testing.assert_allclose(
        (norms - (scores**2).sum(axis=1)).sum(), rest, rtol=1e-7, atol=1e-12 * singular[0] ** 2
    )


def test_all_components_give_the_counts_back():
    for shape in SHAPES.values():
        counts = make_counts(shape)
        pca = em.PCA().fit(counts)
        back = pca.inverse_transform(pca.transform(counts))
        np.testing.assert_allclose(back, counts, rtol=1e-6)


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_the_largest_element_of_every_component_is_positive(shape, weighting):
    counts = make_counts(shape)
    pca = em.PCA(5, weighting=weighting).fit(counts)
    axes = pca.components_ * pca.channel_scale_
    assert (axes.max(axis=1) == np.abs(axes).max(axis=1)).all()
    assert (axes[1:].min(axis=1) < 0).all()  # so the rule had something to decide


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_the_scree_counts_quanta_whatever_the_detectors_gain(weighting):
    counts = make_counts((60, 12)).astype(np.float64)
    one = em.PCA(3, weighting=weighting).fit(counts)
    for gain in (0.01, 7.5):
        other = em.PCA(3, weighting=weighting, gain=gain).fit(counts * gain)
        np.testing.assert_allclose(other.scree_, one.scree_, rtol=1e-7)
        assert other.noise_edge_ == one.noise_edge_ or weighting == "none"
        denoised = other.inverse_transform(other.transform(counts * gain)) / gain
        np.testing.assert_allclose(
            denoised, one.inverse_transform(one.transform(counts)), rtol=1e-6
        )


@pytest.mark.parametrize("form", ESTIMATOR_FORMS)
@pytest.mark.parametrize("weighting", ["poisson", "biwhiten"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_empty_pixels_and_channels_take_no_part(shape, weighting, form):
    counts = make_counts(shape)
    padded = np.zeros((shape[0] + 2, shape[1] + 2), dtype=counts.dtype)
    pixels, channels = np.delete(np.arange(len(padded)), [0, 4]), np.arange(1, shape[1] + 1)
    padded[np.ix_(pixels, channels)] = counts
    alone = em.PCA(3, weighting=weighting).fit(counts)
    among = em.PCA(3, weighting=weighting).fit(spectra_in(form, padded))
    np.testing.assert_allclose(among.scree_, alone.scree_, atol=1e-9)
    np.testing.assert_allclose(among.components_[:, channels], alone.components_, rtol=1e-6)
    np.testing.assert_array_equal(among.components_[:, [0, -1]], 0)
    np.testing.assert_array_equal(among.pixel_scale_[[0, 4]], 0)
    assert (among.noise_edge_, among.n_above_edge_) == (alone.noise_edge_, alone.n_above_edge_)


def test_rank_of_what_takes_part_limits_the_components_that_hold_something():
    counts = np.zeros((6, 5), dtype=np.uint8)
    counts[:4, :3] = make_counts((4, 3))
    pca = em.PCA().fit(counts)
    assert pca.components_.shape == (5, 5)
    assert pca.explained_variance_.shape == (5,)
    assert pca.scree_.shape == (3,)
    np.testing.assert_array_equal(pca.components_[3:], 0)
    np.testing.assert_array_equal(pca.explained_variance_[3:], 0)


@pytest.mark.parametrize("form", ESTIMATOR_FORMS)
@pytest.mark.parametrize("shape", [(4, 9), (9, 4)])
def test_counts_of_rank_one_have_one_component(shape, form):
    counts = np.outer(np.arange(1, shape[0] + 1), np.arange(1, shape[1] + 1)).astype(np.uint8)
    pca = em.PCA().fit(spectra_in(form, counts))
    np.testing.assert_allclose(pca.scree_[1:], 0, atol=EIGENVALUE * pca.scree_[0])
    scores = pca.transform(counts)
    np.testing.assert_allclose(scores[:, :1] @ pca.components_[:1], counts, rtol=1e-9)
    np.testing.assert_allclose(scores[:, 1:], 0, atol=1e-9)
    if shape[0] < shape[1]:  # a direction that holds nothing is no spectrum
        np.testing.assert_array_equal(pca.components_[1:], 0)


def test_one_blas_thread_finds_the_eigenvalues(monkeypatch):
    # two of them wait for each other on a busy machine, a hundred times as long as they work
    threads, reduce = [], linalg.lapack.dsytrd

    def watch(*arrays, **settings):
        threads.extend(
            pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"
        )
        return reduce(*arrays, **settings)

    monkeypatch.setattr("endmember.core.eigen.lapack.dsytrd", watch)
    em.PCA().fit(make_counts((60, 12)))
    assert threads
    assert set(threads) == {1}


# the same counts in other clothes


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("dtype", ["u1", "i8", "u8", "f4", "f8", ">u2", "f2"])
@pytest.mark.parametrize("form", ["dense", "fortran", "dask"])
def test_dtype_and_order_change_nothing(form, dtype, weighting):
    counts = make_counts((60, 12), dose=5.0)
    assert counts.max() < 256
    expected = em.PCA(3, weighting=weighting).fit(counts)
    spectra = spectra_in(form, counts.astype(dtype))
    before = np.asarray(spectra).tobytes()
    found = em.PCA(3, weighting=weighting).fit(spectra)
    np.testing.assert_allclose(found.scree_, expected.scree_, rtol=1e-9)
    np.testing.assert_allclose(found.components_, expected.components_, rtol=1e-6, atol=1e-9)
    assert np.asarray(spectra).tobytes() == before


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("form", ["csr", "messy csr", "csc"])
def test_sparse_counts_are_left_as_they_were(form, weighting):
    spectra = spectra_in(form, make_counts((60, 12)))
    parts = [spectra.data, spectra.indices, spectra.indptr]
    before = [part.tobytes() for part in parts]
    pca = em.PCA(3, weighting=weighting).fit(spectra)
    pca.transform(spectra)
    pca.noise_units(spectra)
    assert [part.tobytes() for part in parts] == before
    assert (spectra.data is parts[0]) & (spectra.indices is parts[1]) & (spectra.indptr is parts[2])


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_a_lazy_map_is_read_once(shape, weighting):
    import dask.array as da

    counts = make_counts(shape)
    counts[: shape[0] // 2] *= np.random.default_rng(1).random((shape[0] // 2, shape[1])) < 0.3
    loads = []

    def load(block, block_info):
        loads.append(block_info[0]["chunk-location"][0])
        return block

    lazy = da.from_array(counts, chunks=(max(2, shape[0] // 6), -1))
    lazy = lazy.map_blocks(load, dtype=counts.dtype, meta=np.empty((0, 0), counts.dtype))
    expected = em.PCA(3, weighting=weighting, min_counts=0).fit(counts)
    pca = em.PCA(3, weighting=weighting, min_counts=0).fit(lazy)
    assert sorted(loads) == list(range(lazy.numblocks[0]))
    np.testing.assert_allclose(pca.scree_, expected.scree_, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(pca.components_, expected.components_, rtol=1e-6, atol=1e-9)


def test_order_of_the_pixels_does_not_matter():
    counts = make_counts((60, 12))
    order = np.random.default_rng(1).permutation(60)
    one, other = em.PCA(3).fit(counts), em.PCA(3).fit(counts[order])
    np.testing.assert_allclose(other.components_, one.components_, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(other.transform(counts), one.transform(counts), rtol=1e-6, atol=1e-9)


def test_an_image_is_taken_by_its_visible_counts():
    counts = make_counts((60, 12)).reshape(6, 10, 12)
    mask, lost = np.zeros((6, 10), bool), np.zeros(12, bool)
    mask[0, :3] = lost[4] = True
    image = em.SpectrumImage(counts, mask=mask, channel_mask=lost)
    expected = em.PCA(3).fit(counts[~mask][:, ~lost])
    np.testing.assert_array_equal(em.PCA(3).fit(image).components_, expected.components_)
    np.testing.assert_array_equal(
        expected.transform(image), expected.transform(counts[~mask][:, ~lost])
    )


# simulated ranks


def simulate(n_components, seed):
    """Poisson counts of a known rank; every component moves a fifth of the mean spectrum."""
    rng = np.random.default_rng(seed)
    channels = np.arange(100)
    peaks = np.exp(-((channels - np.linspace(10, 90, 5)[:, None]) ** 2) / 50)
    endmembers = 0.5 + peaks[:n_components] * 2
    endmembers /= endmembers.sum(axis=1, keepdims=True)
    abundances = rng.dirichlet(np.full(n_components, 2.0), size=1000)
    return rng.poisson(1000 * abundances @ endmembers)


@pytest.mark.parametrize("n_components", [1, 2, 3, 4])
@pytest.mark.parametrize("weighting", ["poisson", "biwhiten"])
def test_as_many_stand_above_the_edge_as_were_simulated(n_components, weighting):
    for seed in range(5):
        counts = simulate(n_components, seed)
        pca = em.PCA(weighting=weighting).fit(counts)
        assert pca.n_above_edge_ == n_components, f"seed {seed}"
        gained = em.PCA(weighting=weighting, gain=3.0).fit(counts * 3.0)
        assert gained.n_above_edge_ == n_components


# the measured map


def test_the_71_gpa_map_has_the_published_eigenvalues(diamond):
    pca = em.PCA(5).fit(diamond)
    # from espm 1.1.3's map in float64 NumPy: Y = sqrt(N) G^(-1/2) X H^(-1/2), N total counts
    expected = [176.53, 6.235, 3.434, 1.836, 1.492]
    np.testing.assert_allclose(pca.scree_[:5], expected, atol=0.005)
    assert pca.noise_edge_ == pytest.approx(1.496, abs=5e-4)
    assert pca.n_above_edge_ == 4
    assert np.count_nonzero(pca.channel_scale_) == 2009


def test_the_71_gpa_map_has_three_components_without_its_strobe_peak(diamond):
    pca = em.PCA(5).fit(diamond.crop((0.15, 100.0)))
    assert pca.n_above_edge_ == 3


def test_the_71_gpa_map_has_four_components_biwhitened(diamond):
    pca = em.PCA(5, weighting="biwhiten").fit(diamond)
    assert pca.scree_[4] == pytest.approx(1.459, abs=5e-4)
    assert pca.noise_edge_ == pytest.approx(1.495, abs=5e-4)
    assert pca.n_above_edge_ == 4


@pytest.mark.slow
def test_components_of_the_71_gpa_map_are_those_of_its_unpacked_gram_matrix(diamond):
    counts = diamond.spectra
    pixels = np.asarray(counts.sum(axis=1), dtype=np.float64)
    channels = np.asarray(counts.sum(axis=0), dtype=np.float64)
    root = np.sqrt(channels.sum() / np.maximum(channels, 1.0))
    gram = np.zeros((2048, 2048))
    for start in range(0, len(pixels), 4000):
        rows = slice(start, start + 4000)
        block = counts[rows].toarray().astype(np.float64) * root
        block /= np.sqrt(pixels[rows])[:, None]
        gram += block.T @ block
    with threadpool_limits(1):  # see test_one_blas_thread_finds_the_eigenvalues
        expected = linalg.eigh(gram, subset_by_index=(2043, 2047))[1].T
    pca = em.PCA(5).fit(diamond)
    # the fifth lies in the noise, 0.002 from its neighbour: the worst case
    largest = angle(pca.components_ * pca.channel_scale_, expected)
    print(f"largest principal angle of five components: {largest:.1e} degrees")
    assert largest < 0.01


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_the_71_gpa_map_is_fitted_in_300_megabytes():
    code = r"""
import re
from pathlib import Path
import numpy as np
import scipy.sparse as sp
import endmember as em

def refuse(*args, **settings):
    raise AssertionError("the counts were unpacked")

em.PCA(2).fit(sp.csr_array(np.eye(3, dtype=np.uint8)))  # loads all that is needed
sp.csr_array.toarray = sp.csr_array.todense = refuse

def memory(what):
    # VmHWM is the peak; ru_maxrss would start from that of the parent process
    return int(re.search(what + r":\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) / 1e3

start = memory("VmRSS")
em.PCA(5).fit(em.datasets.load("diamond_anvil_71gpa").spectra)
print(memory("VmHWM") - start)
"""
    em.PCA(2).fit(sp.csr_array(np.eye(3, dtype=np.uint8)))  # leaves the compiled kernels behind
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    print(f"peak of em.PCA(5).fit above the import: {float(run.stdout):.0f} MB")
    assert float(run.stdout) < 300


# Krylov iteration


def make_large(shape=(1500, 700), *, dose=0.5, seed=0):
    return make_counts(shape, dose=dose, seed=seed) - 1


@pytest.mark.parametrize("form", ["dense", "csr"])
@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_krylov_iteration_ends_at_the_components_of_a_float64_svd(weighting, form):
    counts = make_large()
    pca = em.PCA(3, weighting=weighting, solver="krylov").fit(spectra_in(form, counts))
    _, singular, right = linalg.svd(scaled(counts, pca), full_matrices=False)
    assert pca.scree_.shape == (3,)  # no more were looked for
    assert angle(pca.components_ * pca.channel_scale_, right[:3]) <= pca.tol
    np.testing.assert_allclose(pca.explained_variance_, singular[:3] ** 2 / 1500, rtol=1e-6)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), tol=st.sampled_from([1.0, 1e-2, 1e-5]))
def test_krylov_iteration_is_no_farther_off_than_it_says(seed, tol):
    counts = make_large((400, 200), seed=seed)
    pca = em.PCA(3, solver="krylov", tol=tol).fit(counts)
    right = linalg.svd(scaled(counts, pca), full_matrices=False)[2]
    assert angle(pca.components_ * pca.channel_scale_, right[:3]) <= tol + 1e-6


def test_components_that_drown_in_noise_are_found_all_the_same(monkeypatch):
    monkeypatch.setattr("endmember.core.eigen.MOST_ROUNDS", 8)
    counts = np.random.default_rng(0).poisson(1.0, (900, 600))  # rank one, and noise
    pca = em.PCA(4, solver="krylov").fit(counts)
    right = linalg.svd(scaled(counts, pca), full_matrices=False)[2]
    assert pca.scree_.shape == (600,)  # so all had to be looked for
    assert angle(pca.components_ * pca.channel_scale_, right[:4]) < 1e-4


@pytest.mark.parametrize(
    ("shape", "n_components", "n_found"),
    [((1500, 700), 3, 3), ((1500, 700), None, 700), ((1500, 400), 3, 400), ((400, 700), 3, 400)],
)
def test_few_components_of_many_channels_are_found_alone(shape, n_components, n_found):
    assert em.PCA(n_components).fit(make_large(shape)).scree_.size == n_found


def test_any_number_of_threads_gives_the_same_components(monkeypatch):
    monkeypatch.setattr("endmember.core.threads.SERIAL_BELOW", 1000)
    monkeypatch.setattr("endmember.core.products.GRAM_COUNTS", 5000)
    counts = make_large()
    found, threads = [], numba.get_num_threads()
    try:
        for n_threads in range(1, threads + 1):
            numba.set_num_threads(n_threads)
            for solver in ("krylov", "gram"):
                pca = em.PCA(3, solver=solver).fit(sp.csr_array(counts))
                found.append((solver, pca.components_.tobytes(), pca.noise_variance_))
    finally:
        numba.set_num_threads(threads)
    assert len(set(found)) == 2


# the noise


@pytest.mark.parametrize("solver", ["gram", "krylov"])
@pytest.mark.parametrize("weighting", ["poisson", "biwhiten"])
def test_poisson_counts_have_the_noise_that_is_expected(weighting, solver):
    pca = em.PCA(3, weighting=weighting, solver=solver).fit(make_large())
    assert pca.noise_variance_ == pytest.approx(1.0, abs=0.03)
    assert pca.noise_correlation_ == pytest.approx(0.0, abs=0.02)


@pytest.mark.parametrize("solver", ["gram", "krylov"])
def test_the_noise_of_an_unknown_gain_is_named(solver):
    counts = 1.5 * make_large()
    with pytest.warns(NoiseWarning, match=r"1\.(49|50) times the variance"):
        pca = em.PCA(3, solver=solver).fit(counts)
    known = em.PCA(3, solver=solver, gain=1.5).fit(counts)  # and no warning
    assert pca.noise_variance_ == pytest.approx(1.5 * known.noise_variance_, rel=1e-6)


@pytest.mark.parametrize("solver", ["gram", "krylov"])
def test_a_blurred_detector_is_named(solver):
    rng = np.random.default_rng(0)
    counts = make_large().astype(float)
    blurred = 0.5 * counts + 0.25 * np.roll(counts, 1, axis=1) + 0.25 * np.roll(counts, -1, axis=1)
    recorded = np.floor(blurred + rng.random(counts.shape))  # whole again
    with pytest.warns(NoiseWarning, match="neighbouring channels is correlated"):
        em.PCA(3, solver=solver).fit(recorded)


def test_counts_without_weighting_say_nothing_of_their_noise():
    pca = em.PCA(3, weighting="none").fit(1.5 * make_large())
    assert np.isnan(pca.noise_variance_)
    assert np.isnan(pca.noise_edge_)


def test_the_median_of_pure_noise_is_marchenko_and_pasturs():
    rng = np.random.default_rng(0)
    for shape in [(2000, 300), (300, 2000), (800, 800)]:
        eigenvalues = linalg.svdvals(rng.normal(size=shape)) ** 2 / shape[0]
        assert np.median(eigenvalues) == pytest.approx(noise_median(*shape), rel=0.01)


# block by block, and stopped


@pytest.mark.parametrize("weighting", ["poisson", "none"])
@pytest.mark.parametrize("n_components", [None, 3])
def test_blocks_give_what_one_fit_gives(n_components, weighting):
    counts = make_counts((70, 25))
    expected = em.PCA(n_components, weighting=weighting).fit(counts)
    pca = em.PCA(n_components, weighting=weighting)
    for start, stop in [(0, 1), (1, 2), (2, 30), (30, 70)]:
        pca.partial_fit(sp.csr_array(counts[start:stop]))
    np.testing.assert_allclose(pca.scree_, expected.scree_, rtol=1e-9)
    np.testing.assert_allclose(pca.components_, expected.components_, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(pca.pixel_scale_, expected.pixel_scale_)
    assert pca.record_.data == expected.record_.data


def test_scaled_counts_are_warned_of_at_the_first_block():
    counts = np.random.default_rng(0).poisson(0.5, size=(60, 12))
    scaled_counts = counts / np.sqrt(counts.sum(axis=0)) / np.sqrt(1 + counts.sum(axis=1))[:, None]
    pca = em.PCA(2)
    with pytest.warns(em.ScaledCountsWarning, match="scaled after they were counted") as heard:
        for block in np.array_split(scaled_counts, 3):
            pca.partial_fit(block)
    assert len(heard) == 1


def test_a_fit_forgets_the_blocks_before_it():
    counts = make_counts((60, 12))
    pca = em.PCA(3).partial_fit(counts[:20])
    pca.fit(counts[20:40]).partial_fit(counts[40:])
    np.testing.assert_allclose(pca.scree_, em.PCA(3).fit(counts[40:]).scree_)


def test_what_has_to_be_balanced_takes_no_blocks():
    with pytest.raises(AttributeError, match="has no attribute 'partial_fit'") as caught:
        em.PCA(2, weighting="biwhiten").partial_fit(make_counts((60, 12)))
    assert "fit a dask array" in str(caught.value.__cause__)


@pytest.mark.parametrize("solver", ["gram", "krylov"])
def test_a_callback_sees_the_work_and_stops_it(solver):
    counts, fractions = make_large(), []
    em.PCA(3, solver=solver, callback=lambda p: fractions.append(p.fraction)).fit(counts)
    assert fractions == sorted(fractions)
    assert 0 < fractions[-1] <= 1
    pca = em.PCA(3, solver=solver, callback=lambda p: True)
    with pytest.raises(CancelledError, match="nothing was fitted"):
        pca.fit(counts)
    assert not hasattr(pca, "components_")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"solver": "svd"}, "solver is 'svd'; choose one of"),
        ({"tol": -1.0}, "tol == -1.0, must be >= 0"),
        ({"tol": np.nan}, "tol=nan must be finite"),
        ({"callback": 3}, "callback is 3; pass a function"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, message):
    with pytest.raises((ValueError, TypeError), match=message):
        em.PCA(2, **settings).fit(make_counts((60, 12)))


def test_a_strong_blur_is_told_of():
    """Counts smoothed along the axis have no bulk at all, and must not pass in silence."""
    image = em.datasets.load("portrait_edges", shape=(40, 40)).image.rebin(channels=4)
    counts = image.spectra.astype(float)
    blurred = counts / 2 + (np.roll(counts, 1, axis=1) + np.roll(counts, -1, axis=1)) / 4
    with pytest.warns(em.NoiseWarning, match="noise of neighbouring channels is correlated"):
        pca = em.PCA(6).fit(blurred)
    assert 0 < pca.noise_variance_ < 0.5
