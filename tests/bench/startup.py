"""What the first result costs: a new process, and a new machine."""

from __future__ import annotations

from functools import partial

import numpy as np
import scipy.sparse as sp

from bench import data, pca
from bench.harness import Program, Row, Way

MOST_SECONDS = 10.0  # for all compiled code

OURS = f"""
import sys
import numpy as np
import scipy.sparse as sp
import endmember as em

counts = sp.load_npz(sys.argv[1])
pca = em.PCA({pca.NEEDLE_RANK})
scores = pca.fit_transform(counts)
np.savez(sys.argv[2], factors=pca.components_.T)
"""

HYPERSPY = f"""
import sys
import numpy as np
import scipy.sparse as sp
import hyperspy.api as hs

counts = sp.load_npz(sys.argv[1])
signal = hs.signals.Signal1D(counts.toarray().astype(np.float32))
signal.decomposition(True, output_dimension={pca.NEEDLE_RANK}, print_info=False)
np.savez(sys.argv[2], factors=signal.learning_results.factors)
"""


def first_result(quick):
    """From nothing to components on disk; what was compiled once is kept."""
    path = partial(data.needle, quick=quick)
    return Row(
        "first_result",
        "The whole program: start Python, import, read one tilt of the needle, Poisson PCA of rank "
        f"{pca.NEEDLE_RANK}, write the components.",
        partial(pca.prepare, "first_result", path, pca.NEEDLE_RANK),
        (
            Program("endmember PCA", OURS, path),
            Program("HyperSpy SVD, default solver", HYPERSPY, path, target=2.5, memory_target=2),
        ),
        partial(pca.judge, "first_result"),
        pca.ANGLE,
        pca.TOLERANCE,
    )


def cold_compile(quick):
    """All compiled code of the lessons on a machine that has none."""
    return Row(
        "cold_compile",
        "Fit PCA (both weightings), NMF (both losses) and NFINDR to maps of every kind the "
        "lessons have, large enough for several threads, with nothing compiled before.",
        lambda folder: "1,000 pixels x 256 channels, CSR of uint8, dense of uint8 and uint16",
        (Way("endmember", load_kinds, fit_everything, is_cold=True),),
        lambda folder: lambda result: float(not np.isfinite(result["sums"]).all()),
        "1 where a result is not finite",
        0.0,
        most_seconds=MOST_SECONDS,
        most_error=0.0,
    )


def load_kinds(folder):
    """Return a map in every form and dtype that the lessons have, imports done."""
    import endmember as em

    for estimator in (em.PCA, em.NMF, em.NFINDR):
        estimator(2)
    rng = np.random.default_rng(0)
    expected = 5 * rng.random((1000, 3)) @ rng.random((3, 256))
    counts = rng.poisson(expected)
    return [
        sp.csr_array(counts.astype(np.uint8)),
        counts.astype(np.uint8),
        counts.astype(np.uint16),
    ]


def fit_everything(maps):
    """Fit every estimator to every map."""
    import endmember as em

    estimators = (
        em.PCA(3),
        em.PCA(3, weighting="biwhiten"),
        em.NFINDR(3),
        em.NMF(3, max_iter=2),
        em.NMF(3, loss="gaussian", max_iter=2),
    )
    return {
        "sums": [
            float(np.sum(estimator.fit(counts).transform(counts)))
            for counts in maps
            for estimator in estimators
        ]
    }
