"""Non-negative abundances of given endmembers."""

from __future__ import annotations

import numpy as np

from bench.harness import Row, Way

TOLERANCE = 1e-6


def nnls(quick):
    """Spectra that some of the endmembers only explain with negative shares."""
    return Row(
        "nnls",
        "Non-negative least squares of every pixel on four endmembers, from the spectra.",
        lambda folder: prepare(folder, 1_000 if quick else 20_000),
        (
            Way("endmember", load, ours),
            Way("SciPy nnls, a pixel at a time", load, scipy),
        ),
        judge,
        "distance from the optimality conditions, relative to the spectra",
        TOLERANCE,
    )


def prepare(folder, n_pixels):
    """Write endmembers and noisy spectra."""
    rng = np.random.default_rng(0)
    endmembers = rng.random((4, 200))
    spectra = rng.random((n_pixels, 4)) @ endmembers + 0.3 * rng.normal(size=(n_pixels, 200))
    np.savez(folder / "nnls.npz", endmembers=endmembers, spectra=spectra)
    return f"{n_pixels:,} pixels x 200 channels of float64, dense"


class Problem:
    """Spectra and endmembers, of which a slice takes some of the spectra."""

    def __init__(self, spectra, endmembers):
        self.spectra, self.endmembers = spectra, endmembers

    def __getitem__(self, pixels):
        return Problem(self.spectra[pixels], self.endmembers)


def load(folder):
    """Return the problem."""
    with np.load(folder / "nnls.npz") as arrays:
        return Problem(arrays["spectra"], arrays["endmembers"])


def ours(problem):
    """Solve for all pixels from the normal equations."""
    from endmember.core.nonnegative import solve_nonnegative

    endmembers = problem.endmembers
    gram, corr = endmembers @ endmembers.T, problem.spectra @ endmembers.T
    return {"abundances": solve_nonnegative(gram, corr)}


def scipy(problem):
    """Solve pixel by pixel."""
    from scipy.optimize import nnls as solve

    return {"abundances": np.array([solve(problem.endmembers.T, x)[0] for x in problem.spectra])}


def judge(folder):
    """Return what tells how far abundances are from optimal."""
    problem = load(folder)
    gram = problem.endmembers @ problem.endmembers.T
    corr = problem.spectra @ problem.endmembers.T

    def error(result):
        """Return the largest violation: of sign, or of the gradient where it may not point down."""
        abundances = result["abundances"]
        gradient = abundances @ gram - corr
        wrong = np.where(abundances > 0, np.abs(gradient), np.maximum(-gradient, 0))
        return max(wrong.max() / np.abs(corr).max(), -abundances.min())

    return error
