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


ROWS = {"pca_sparse": pca_sparse}


def main(wanted):
    """Run the rows whose names begin with what is wanted, or all."""
    warnings.simplefilter("ignore")
    for name, row in ROWS.items():
        if not wanted or any(name.startswith(w) for w in wanted):
            print(f"\n{name}: {row.__doc__}", flush=True)
            row().run()


if __name__ == "__main__":
    main(sys.argv[1:])
