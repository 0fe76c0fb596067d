"""Corners of the cloud of spectra."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from bench.harness import Row, Way

N_CORNERS = 5
TOLERANCE = 1e-6


def nfindr(quick):
    """The measured map of an anvil cell, projected."""
    return Row(
        "nfindr",
        f"N-FINDR: {N_CORNERS} corners of the measured 71 GPa map, projected beforehand, one start "
        "each; the peer's begins at random.",
        lambda folder: prepare(folder, 20 if quick else 1),
        (
            Way("endmember", load_flat, ours),
            Way("pysptools", load, pysptools, target=500),
        ),
        judge,
        "volume, short of the largest of eleven starts, relative",
        TOLERANCE,
    )


def prepare(folder, every):
    """Write the projected pixels, and the largest volume that several starts find."""
    import endmember as em
    from endmember.core.simplex import flatten

    spectra = em.datasets.load("diamond_anvil_71gpa").spectra[::every]
    scores = em.PCA(N_CORNERS).fit_transform(spectra)
    points = flatten(scores, N_CORNERS).points[:, 1:]
    model = em.NFINDR(N_CORNERS)
    rows = np.column_stack([np.ones(len(points)), points])
    largest = max(start.history[-1] for start in model._starts(rows, np.random.RandomState(0)))
    np.savez(folder / "corners.npz", points=points, largest=largest)
    return f"{len(points):,} pixels x {N_CORNERS - 1} coordinates of float64"


def load(folder):
    """Return the projected pixels row by row, as the peer takes them."""
    with np.load(folder / "corners.npz") as arrays:
        return arrays["points"]


def load_flat(folder):
    """Return the projected pixels column by column behind a 1, as ours come projected."""
    points = load(folder)
    rows = np.ones((len(points), N_CORNERS), order="F")
    rows[:, 1:] = points
    return rows


def ours(rows):
    """Start from corners far from each other."""
    from endmember.core.nfindr import grow, spread_out

    return {"pixels": grow(rows, spread_out(rows), max_iter=100).corners}


def pysptools(points):
    """Start at random; SciPy has lost what it takes determinants by, which is put back."""
    import scipy
    from numba import njit
    from pysptools.eea import nfindr as theirs

    @njit
    def determinant(matrix):
        return (np.linalg.det(matrix),)

    determinant(np.eye(N_CORNERS, dtype=np.float32, order="F"))  # compiled in good time
    scipy.linalg._flinalg = SimpleNamespace(sdet_c=determinant)
    theirs.eea._PCA_transform = lambda data, n_components: data
    return {"pixels": theirs.NFINDR(points, N_CORNERS)[2]}


def judge(folder):
    """Return what tells how much volume is missing."""
    with np.load(folder / "corners.npz") as arrays:
        points, largest = arrays["points"], float(arrays["largest"])
    rows = np.column_stack([np.ones(len(points)), points])
    return lambda result: 1 - abs(np.linalg.det(rows[result["pixels"]])) / largest
