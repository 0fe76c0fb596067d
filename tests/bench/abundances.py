"""Abundances of given endmembers, products of spectra and endmembers included."""

from __future__ import annotations

import numpy as np

from bench import data
from bench.harness import Row, Way

N_ENDMEMBERS = 3
TOLERANCE = 1e-6
KKT = "distance from the optimality conditions, relative to the spectra"


def nonnegative_needle(quick):
    """Counts of one tilt."""
    return Row(
        "nonnegative_needle",
        f"Non-negative least squares of every pixel on {N_ENDMEMBERS} endmembers, from the counts.",
        lambda folder: prepare_needle(folder, quick),
        (
            Way("endmember", load_needle, ours),
            Way("SciPy nnls, a pixel at a time", load_dense, scipy, target=100),
        ),
        lambda folder: judge(load_needle(folder)),
        KKT,
        TOLERANCE,
        warm_every=16,
    )


def sum_to_one_needle(quick):
    """Counts of one tilt, and shares that sum to 1."""
    return Row(
        "sum_to_one_needle",
        f"Fully constrained least squares of every pixel on {N_ENDMEMBERS} endmembers: shares that "
        "are not negative and sum to 1, from the counts.",
        lambda folder: prepare_needle(folder, quick),
        (
            Way("endmember", load_needle, ours_of_sum_one),
            Way("pysptools FCLS", load_dense, fcls, target=300),
        ),
        lambda folder: judge_of_sum_one(load_needle(folder)),
        "objective above the lowest, and what is missing from the sum of 1",
        1e-5,  # the peer returns float32
        warm_every=64,
    )


def nnls(quick):
    """Dense spectra, some of which the endmembers only explain with negative shares."""
    return Row(
        "nnls",
        "Non-negative least squares of every pixel on four endmembers, from dense spectra.",
        lambda folder: prepare_dense(folder, 1_000 if quick else 20_000),
        (
            Way("endmember", load, ours),
            Way("endmember, with errors, chi-square and record", load, everything),
            Way("SciPy nnls, a pixel at a time", load, scipy),
        ),
        lambda folder: judge(load(folder)),
        KKT,
        TOLERANCE,
    )


class Problem:
    """Spectra and endmembers, of which a slice takes some of the spectra."""

    def __init__(self, spectra, endmembers):
        self.spectra, self.endmembers = spectra, endmembers

    def __getitem__(self, pixels):
        return Problem(self.spectra[pixels], self.endmembers)

    def products(self):
        """Return products of the endmembers with each other, and of the spectra with them."""
        from endmember.core.products import times

        return self.endmembers @ self.endmembers.T, times(self.spectra, self.endmembers.T)


def prepare_dense(folder, n_pixels):
    """Write endmembers and noisy spectra."""
    rng = np.random.default_rng(0)
    endmembers = rng.random((4, 200))
    spectra = rng.random((n_pixels, 4)) @ endmembers + 0.3 * rng.normal(size=(n_pixels, 200))
    np.savez(folder / "nnls.npz", endmembers=endmembers, spectra=spectra)
    return f"{n_pixels:,} pixels x 200 channels of float64, dense"


def load(folder):
    """Return the dense problem."""
    with np.load(folder / "nnls.npz") as arrays:
        return Problem(arrays["spectra"], arrays["endmembers"])


def prepare_needle(folder, quick):
    """Write one tilt of the needle, and what NMF finds in it, with the counts of a mean pixel."""
    import endmember as em

    counts = data.load_counts(data.needle(folder, quick))
    found = em.NMF(N_ENDMEMBERS, max_iter=10 if quick else 200).fit(counts).components_
    endmembers = found / found.sum(axis=1, keepdims=True) * counts.sum() / counts.shape[0]
    np.save(folder / "endmembers.npy", endmembers)
    return data.describe(counts)


def load_needle(folder):
    """Return the problem of one tilt as it was written: CSR."""
    counts = data.load_counts(folder / "needle.npz")
    return Problem(counts, np.load(folder / "endmembers.npy"))


def load_dense(folder):
    """Return the problem of one tilt as the peers take it: dense, of float64."""
    problem = load_needle(folder)
    return Problem(problem.spectra.toarray().astype(np.float64), problem.endmembers)


# ways


def ours(problem):
    """Solve for all pixels from the normal equations."""
    from endmember.core.nonnegative import solve_nonnegative

    return {"abundances": solve_nonnegative(*problem.products())}


def ours_of_sum_one(problem):
    """Solve for all pixels from the normal equations."""
    from endmember.core.nonnegative import solve_sum_to_one

    return {"abundances": solve_sum_to_one(*problem.products())}


def everything(problem):
    """Ask for all that there is to know."""
    import endmember as em

    found = em.fit_abundances(problem.spectra, problem.endmembers, weights="none")
    return {"abundances": found.abundances}


def scipy(problem):
    """Solve pixel by pixel."""
    from scipy.optimize import nnls as solve

    return {"abundances": np.array([solve(problem.endmembers.T, x)[0] for x in problem.spectra])}


def fcls(problem):
    """Solve pixel by pixel, by quadratic programming."""
    from pysptools.abundance_maps.amaps import FCLS

    return {"abundances": FCLS(problem.spectra, problem.endmembers)}


# results


def judge(problem):
    """Return what tells how far abundances are from optimal."""
    gram, corr = problem.products()

    def error(result):
        """Return the largest violation: of sign, or of the gradient where it may not point down."""
        abundances = result["abundances"]
        gradient = abundances @ gram - corr
        wrong = np.where(abundances > 0, np.abs(gradient), np.maximum(-gradient, 0))
        return max(wrong.max() / np.abs(corr).max(), -abundances.min())

    return error


def judge_of_sum_one(problem):
    """Return what tells how far shares are from the best that sum to 1."""
    gram, corr = problem.products()

    def objective(shares):
        return ((shares @ gram) * shares).sum(axis=1) / 2 - (corr * shares).sum(axis=1)

    best = objective(ours_of_sum_one(problem)["abundances"])

    def error(result):
        """Return the largest of all pixels, objectives relative to the largest."""
        shares = result["abundances"].astype(np.float64)
        above = (objective(shares) - best).max() / np.abs(best).max()
        return max(above, np.abs(shares.sum(axis=1) - 1).max(), -shares.min())

    return error
