"""Time each job beside its named peers, in one run, turn and turn about; print ratios.

``make bench`` runs every row; ``make bench ARGS=pca`` the rows whose name begins so. A peer counts
only where its result is at least as good, which every row checks.
"""

from __future__ import annotations

import sys
import time
import warnings
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Row:
    """A job, our way of doing it and those of the peers; each returns its result."""

    name: str
    ours: object
    peers: dict
    error: object  # how far a result is from the truth
    rounds: int = 3
    times: dict = field(default_factory=dict)

    def run(self):
        """Time everybody in turn, after one warm-up of our own for the compiler."""
        everybody = {"endmember": self.ours, **self.peers}
        self.ours()
        for _ in range(self.rounds):
            for name, job in everybody.items():
                start = time.perf_counter()
                result = job()
                self.times.setdefault(name, []).append(time.perf_counter() - start)
                print(
                    f"    {name:<34} {self.times[name][-1]:8.3f} s   error {self.error(result):.1e}"
                )
        ours = np.array(self.times.pop("endmember"))
        for name, theirs in self.times.items():
            ratio = np.array(theirs) / ours
            print(
                f"{self.name:<34} {name:<34} peer/ours {np.median(ratio):7.1f} "
                f"({ratio.min():.1f} to {ratio.max():.1f}, {len(ratio)} rounds)"
            )


def pca_sparse():
    """Poisson-weighted PCA of the measured map, five components and the whole scree."""
    import hyperspy.api as hs
    from sklearn.decomposition import TruncatedSVD

    import endmember as em

    image = em.datasets.load("diamond_anvil_71gpa")
    spectra = image.spectra
    pixels, channels = (np.asarray(spectra.sum(axis=i, dtype=float)) for i in (1, 0))
    held = channels > 0
    scale = np.where(held, 1 / np.sqrt(np.maximum(channels, 1)), 0)
    scaled = (spectra.astype(float) * (1 / np.sqrt(pixels))[:, None]) * scale[None, :]
    exact = np.linalg.eigh((scaled.T @ scaled).toarray())[1][:, ::-1][:, :5]

    def angle(axes):
        """Largest principal angle to the exact space, in degrees."""
        axes = np.linalg.qr(np.asarray(axes, dtype=float))[0]
        sine = np.linalg.norm(exact - axes @ (axes.T @ exact), 2)
        return np.degrees(np.arcsin(min(1.0, sine)))

    def ours():
        pca = em.PCA(5).fit(spectra)
        return (pca.components_ * pca.channel_scale_).T

    def truncated():
        weights = (1 / np.sqrt(pixels))[:, None]
        matrix = (spectra.astype(float) * weights) * scale[None, :]
        return TruncatedSVD(5, algorithm="arpack").fit(matrix).components_.T

    dense = image.to_dense().counts.astype(float)[..., held]

    def hyperspy():
        signal = hs.signals.Signal1D(dense.copy())
        # its default solver is randomized, and 70 degrees off on this map
        signal.decomposition(
            True, algorithm="SVD", output_dimension=5, svd_solver="full", print_info=False
        )
        factors = np.zeros((held.size, 5))
        factors[held] = signal.learning_results.factors[:, :5] * scale[held, None]
        return factors

    return Row(
        "pca: sparse, top 5 and scree",
        ours,
        {
            "scikit-learn TruncatedSVD (arpack)": truncated,
            "HyperSpy SVD (full)": hyperspy,
        },
        angle,
        rounds=3,
    )


def half_deviance(counts, abundances, components):
    """Poisson objective of CSR counts under a model."""
    rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    model = np.einsum("ik,ki->i", abundances[rows], components[:, counts.indices])
    logs = (counts.data * np.log(counts.data / model)).sum()
    return logs - counts.data.sum() + abundances.sum(axis=0) @ components.sum(axis=1)


def nmf_poisson():
    """Poisson NMF of a simulated jadeite stone, rank 3, to 1e-4 of the best objective."""
    from sklearn.decomposition import NMF

    import endmember as em

    counts = em.datasets.load("omphacite", dose=200.0).image.spectra.astype(np.float64)
    best = em.NMF(3, tol=1e-7, max_iter=5000).fit(counts).objective_history_[-1]

    def gap(result):
        """Distance to the best objective, relative."""
        return half_deviance(counts, *result) / best - 1

    def ours():
        model = em.NMF(3, tol=1e-3).fit(counts)
        return model.transform(counts), model.components_

    def sklearn():
        model = NMF(
            3, solver="mu", beta_loss="kullback-leibler", init="nndsvda", max_iter=MU_ROUNDS, tol=0
        )
        return model.fit_transform(counts), model.components_

    return Row("nmf: Poisson, CSR, rank 3", ours, {"scikit-learn mu, CSR, nndsvda": sklearn}, gap)


def nmf_gaussian():
    """Gaussian NMF of a simulated EELS map, rank 4, to 1e-4 of the best objective."""
    from sklearn.decomposition import NMF

    import endmember as em

    counts = em.datasets.load("portrait_edges", shape=(134, 134)).image.spectra.astype(np.float64)
    squares = (counts**2).sum()

    def residual(result):
        abundances, components = result
        cross = ((counts @ components.T) * abundances).sum()
        own = ((abundances.T @ abundances) * (components @ components.T)).sum()
        return (squares - 2 * cross + own) / 2

    best = em.NMF(4, loss="gaussian", tol=1e-8, max_iter=2000).fit(counts).objective_history_[-1]

    def gap(result):
        """Distance to the best objective, relative."""
        return residual(result) / best - 1

    def ours():
        model = em.NMF(4, loss="gaussian").fit(counts)
        return model.transform(counts), model.components_

    def sklearn():
        model = NMF(4, init="nndsvda", max_iter=200, tol=1e-4)
        return model.fit_transform(counts), model.components_

    return Row("nmf: Gaussian, dense, rank 4", ours, {"scikit-learn CD, nndsvda": sklearn}, gap)


def nnls():
    """Non-negative abundances of 20,000 pixels, four endmembers."""
    from scipy.optimize import nnls

    from endmember.core.nonnegative import kkt_residual, solve_nonnegative

    rng = np.random.default_rng(0)
    endmembers = rng.random((4, 200))
    spectra = rng.random((20_000, 4)) @ endmembers + 0.3 * rng.normal(size=(20_000, 200))
    gram, corr = endmembers @ endmembers.T, spectra @ endmembers.T

    return Row(
        "nnls: 4 endmembers, from spectra",
        lambda: solve_nonnegative(gram, spectra @ endmembers.T),
        {
            "SciPy nnls, a pixel at a time": lambda: np.array(
                [nnls(endmembers.T, x)[0] for x in spectra]
            )
        },
        lambda abundances: kkt_residual(gram, corr, abundances),
    )


MU_ROUNDS = 200  # that scikit-learn's updates take to come as close
ROWS = {
    "pca_sparse": pca_sparse,
    "nmf_poisson": nmf_poisson,
    "nmf_gaussian": nmf_gaussian,
    "nnls": nnls,
}


def main(wanted):
    """Run the rows whose names begin with what is wanted, or all."""
    warnings.simplefilter("ignore")
    for name, row in ROWS.items():
        if not wanted or any(name.startswith(w) for w in wanted):
            print(f"\n{name}: {row.__doc__}", flush=True)
            row().run()


if __name__ == "__main__":
    main(sys.argv[1:])
