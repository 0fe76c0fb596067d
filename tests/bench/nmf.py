"""Non-negative factorisation of counts: cost of a round, and time to a good objective."""

from __future__ import annotations

import json
import time
from functools import partial

import numpy as np
import scipy.sparse as sp

from bench import data
from bench.harness import Row, Way

RANK = 4
GAP = 1e-4  # relative to the best objective known
BLOCK = 20_000  # pixels whose model is held at once
SKLEARN_KL = "scikit-learn, mu, Kullback-Leibler, nndsvda"


# one round


def nmf_sweep_needle(quick):
    """One tilt of the needle."""
    return sweep_row("nmf_sweep_needle", partial(data.needle, quick=quick), (2, 102))


def nmf_sweep_omphacite(quick):
    """The jadeite stone."""
    return sweep_row("nmf_sweep_omphacite", partial(data.omphacite, quick=quick), (2, 12))


def sweep_row(name, path, rounds):
    """Return the row that compares few sweeps and more."""
    few, more = rounds
    return Row(
        name,
        f"Poisson NMF of rank {RANK}: one sweep of expectation and maximisation over both factors, "
        f"from runs of {few} and of {more} sweeps. Peak: of the longer run.",
        partial(prepare_map, path),
        (
            Way(
                "endmember NMF, its sweeps before the first round",
                partial(load_counts, path),
                partial(sweep_ours, more),
                result=lambda objective: {"objective": objective},
                less=partial(sweep_ours, few),
                per=more - few,
            ),
            Way(
                SKLEARN_KL,
                partial(load_floats, path),
                partial(sklearn_kl, more),
                less=partial(sklearn_kl, few),
                per=more - few,
                target=30,
                memory_target=3,
            ),
        ),
        partial(judge_sweep, path),
        f"half the deviance a count after {more} sweeps, from each one's own start",
        0.0,
    )


def sweep_ours(n_sweeps, counts):
    """Begin a fit with so many sweeps; return the objective."""
    from endmember.core.nmf_starts import from_corners
    from endmember.core.poisson import PoissonProblem

    problem = PoissonProblem(counts)
    components = from_corners(counts, RANK, np.random.RandomState(0))
    factors = problem.settled(problem.abundances(components), components, n_sweeps)
    return problem.objective(*factors)


def sklearn_kl(n_rounds, counts):
    """Fit for so many rounds by multiplicative updates."""
    abundances, components = advance(counts, None, n_rounds)
    return {"abundances": abundances, "components": components}


def judge_sweep(path, folder):
    """Return what takes the objective of a result: its own word in our case."""
    counts = data.load_counts(path(folder))

    def error(result):
        """Return half the deviance for every count."""
        if "objective" in result:
            return float(result["objective"]) / counts.sum(dtype=np.float64)
        return half_deviance(counts, **result) / counts.sum(dtype=np.float64)

    return error


# to the gap


def nmf_gap_needle(quick):
    """One tilt of the needle."""
    return gap_row("nmf_gap_needle", partial(data.needle, quick=quick), 15, quick)


def nmf_gap_omphacite(quick):
    """The jadeite stone."""
    return gap_row("nmf_gap_omphacite", partial(data.omphacite, quick=quick), 60, quick)


def gap_row(name, path, target, quick):
    """Return the row in which each takes the rounds that it needs, found before."""
    return Row(
        name,
        f"Poisson NMF of rank {RANK} until the objective is within {GAP:g} of the best known. Each "
        "takes the rounds that it needs from its own start, which were counted before.",
        partial(prepare_gap, name, path, target, quick),
        (
            Way(
                "endmember NMF",
                partial(load_with_rounds, name, "ours", path, load_counts),
                fit_ours,
            ),
            Way(
                SKLEARN_KL,
                partial(load_with_rounds, name, "peer", path, load_floats),
                lambda counted: sklearn_kl(counted.n_rounds, counted.counts),
                target=target,
            ),
        ),
        partial(judge_gap, name, path),
        "distance from the best objective known, relative",
        GAP,
        warm_every=16,
        most_error=None if quick else GAP,
    )


class Counted:
    """Counts and the rounds to take, of which a slice takes some of the pixels."""

    def __init__(self, counts, n_rounds):
        self.counts, self.n_rounds = counts, n_rounds

    def __getitem__(self, pixels):
        return Counted(self.counts[pixels], self.n_rounds)


def load_with_rounds(name, whose, path, load, folder):
    """Return counts, and the rounds that were found before."""
    return Counted(load(path, folder), read_gap(name, folder)[whose])


def fit_ours(counted):
    """Fit for so many rounds, and find the abundances that go with it."""
    import endmember as em

    nmf = em.NMF(RANK, max_iter=counted.n_rounds, tol=0).fit(counted.counts)
    components = nmf.components_
    nmf.set_params(max_iter=300, tol=1e-3)  # of the abundances
    return {"abundances": nmf.transform(counted.counts), "components": components}


def prepare_gap(name, path, target, quick, folder):
    """Find the best objective and the rounds that each needs; describe the map and the rounds."""
    said = prepare_map(path, folder)
    counts, floats = load_counts(path, folder), load_floats(path, folder)
    long = long_run(counts, quick)
    ours, seconds = rounds_of_ours(counts, long)
    best, budget = float(long.objective_history_[-1]), 1.2 * target * seconds
    peer, best, is_there = rounds_of_peer(floats, best, budget, quick)
    found = {"best": best, "ours": ours, "peer": peer}
    (folder / f"{name}.json").write_text(json.dumps(found), encoding="utf-8")
    bound = "" if is_there else ", given up before it was there: the ratio is a lower bound"
    return f"{said}; {ours} rounds of ours, {peer} of scikit-learn{bound}"


def long_run(counts, quick, **settings):
    """Return a long fit of ours, the better one from corners and from singular vectors."""
    import endmember as em

    most = 100 if quick else 400
    return em.NMF(RANK, n_restarts=1, max_iter=most, tol=1e-6, **settings).fit(counts)


def rounds_of_ours(counts, long):
    """Return the rounds after which ours is within the gap, and the seconds that takes."""
    import endmember as em

    best = long.objective_history_[-1]
    if long.restarts_[0].objective > best:  # it began elsewhere than ours does
        long = em.NMF(RANK, max_iter=long.max_iter, tol=long.tol).fit(counts)
    within = np.flatnonzero(long.objective_history_ <= best * (1 + GAP))
    n_rounds = max(1, int(within[0])) if within.size else long.n_iter_
    start = time.perf_counter()
    fit_ours(Counted(counts, n_rounds))
    return n_rounds, time.perf_counter() - start


def rounds_of_peer(counts, best, budget, quick, stride=10):
    """Return the rounds of the peer, the best objective, and whether it comes within the gap.

    It is given up after `budget` seconds of rounds: then these are the rounds that it had.
    """
    state, n_rounds, spent = None, 0, 0.0
    budget = min(budget, 2.0) if quick else budget
    while n_rounds == 0 or spent < budget:
        before, start = state, time.perf_counter()
        state = advance(counts, state, stride)
        spent += time.perf_counter() - start
        objective = half_deviance(counts, *state)
        if objective <= best * (1 + GAP):
            n_rounds += first_within(counts, before, stride, best)
            return n_rounds, min(best, objective), True
        n_rounds += stride
    return n_rounds, best, False


def first_within(counts, state, most, best):
    """Return after how many rounds, up to the last, the peer is within the gap."""
    for n_rounds in range(1, most):
        state = advance(counts, state, 1)
        if half_deviance(counts, *state) <= best * (1 + GAP):
            return n_rounds
    return most


def advance(counts, state, n_rounds):
    """Return the factors of scikit-learn so many rounds on, or from its own start."""
    from sklearn.decomposition import NMF

    nmf = NMF(
        RANK,
        init="custom" if state else "nndsvda",
        solver="mu",
        beta_loss="kullback-leibler",
        max_iter=n_rounds,
        tol=0,
        random_state=0,
    )
    start = {"W": state[0].copy(), "H": state[1].copy()} if state else {}
    abundances = nmf.fit_transform(counts, **start)
    return abundances, nmf.components_


def judge_gap(name, path, folder):
    """Return what tells how far a factorisation is from the best objective known."""
    counts, best = data.load_counts(path(folder)), read_gap(name, folder)["best"]
    return lambda result: half_deviance(counts, **result) / best - 1


def read_gap(name, folder):
    """Return the best objective and the rounds that were found."""
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


# least squares


def nmf_gaussian(quick):
    """A map of EELS edges."""
    path = partial(data.edges, quick=quick)
    return Row(
        "nmf_gaussian",
        f"Gaussian NMF of rank {RANK}, each until it stops by itself.",
        partial(prepare_gaussian, path, quick),
        (
            Way("endmember NMF", partial(load_counts, path), gaussian_ours),
            Way(
                "scikit-learn, cd, nndsvda", partial(load_floats, path), gaussian_sklearn, target=8
            ),
        ),
        partial(judge_gaussian, path),
        "distance from the best objective known, relative",
        GAP,
        warm_every=4,
    )


def gaussian_ours(counts):
    """Fit and transform."""
    import endmember as em

    nmf = em.NMF(RANK, loss="gaussian", max_iter=2000)
    return {"abundances": nmf.fit_transform(counts), "components": nmf.components_}


def gaussian_sklearn(counts):
    """Fit and transform, by coordinate descent."""
    from sklearn.decomposition import NMF

    nmf = NMF(RANK, init="nndsvda", max_iter=2000, random_state=0)
    return {"abundances": nmf.fit_transform(counts), "components": nmf.components_}


def prepare_gaussian(path, quick, folder):
    """Write the map, and the best objective of long runs of ours from two starts."""
    counts = load_counts(path, folder)
    best = float(long_run(counts, quick, loss="gaussian").objective_history_[-1])
    (folder / "gaussian.json").write_text(json.dumps(best), encoding="utf-8")
    return data.describe(counts)


def judge_gaussian(path, folder):
    """Return what tells how far a factorisation is from the best objective known."""
    counts = load_floats(path, folder)
    best = json.loads((folder / "gaussian.json").read_text(encoding="utf-8"))
    return lambda result: half_squares(counts, **result) / best - 1


# maps and objectives


def prepare_map(path, folder):
    """Write a map, and describe it."""
    return data.describe(data.load_counts(path(folder)))


def load_counts(path, folder):
    """Return counts as they were recorded."""
    return data.load_counts(path(folder))


def load_floats(path, folder):
    """Return counts in the dtype that scikit-learn would turn them into."""
    return data.load_counts(path(folder)).astype(np.float64)


def half_deviance(counts, abundances, components):
    """Return the Poisson objective of CSR counts, some pixels at a time."""
    total = float(abundances.sum(axis=0) @ components.sum(axis=1))
    for start in range(0, counts.shape[0], BLOCK):
        block = sp.csr_array(counts[start : start + BLOCK]).astype(np.float64)
        pixels = np.repeat(np.arange(block.shape[0]), np.diff(block.indptr))
        model = np.zeros(block.nnz)
        for amounts, spectrum in zip(abundances[start : start + BLOCK].T, components, strict=True):
            model += amounts[pixels] * spectrum[block.indices]
        with np.errstate(divide="ignore"):  # counts that a model excludes cost without end
            total += float((block.data * np.log(block.data / model) - block.data).sum())
    return total


def half_squares(counts, abundances, components):
    """Return half the sum of squared residuals of dense counts, some pixels at a time."""
    total = 0.0
    for start in range(0, counts.shape[0], BLOCK):
        part = slice(start, start + BLOCK)
        total += float(((counts[part] - abundances[part] @ components) ** 2).sum()) / 2
    return total
