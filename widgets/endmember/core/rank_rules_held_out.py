"""How many components: rules that fit again, on parts of the counts or from other starts."""

from __future__ import annotations

import warnings
from contextlib import suppress

import numpy as np
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning

from endmember.core.checks import canonical_csr
from endmember.core.cross_validation import check_whole, whole, within_one_stderr
from endmember.core.nmf import NMF
from endmember.core.pca import PCA
from endmember.core.products import marginals, times
from endmember.core.rank_rules import Asked, CannotSayError, Found, at_most, numbered
from endmember.core.scaling import keenan_kotula
from endmember.core.thinning import thin

N_SPLITS = 5
N_PARTITIONS = 2  # into halves of the pixels and channels, each of which holds out four blocks
FEWEST_HALVED = 4  # pixels and channels, so that a half has a rank
N_STARTS = 4  # beside the first
MOST_STARTED = 8  # components: more of them seldom come out alike
MOST_PIXELS = 3000  # from which starts are compared
START_ROUNDS, START_TOL = 60, 1e-3
ALIKE = 10.0  # degrees


def thinning(case):
    """Which rank predicts counts best that were set aside at random, one by one.

    References
    ----------
    A. Neufeld et al., Biostatistics 25 (2024) 270, doi:10.1093/biostatistics/kxac047.
    """
    try:
        check_whole(case.spectra, case.gain)
    except ValueError as error:
        raise CannotSayError(str(error)) from error
    counts = whole(case.spectra, case.gain)
    errors = []
    for i in range(N_SPLITS):
        kept, left = thin(counts, 0.5, case.seed + i)
        errors.append(thinned_errors(kept, left, case.most))
        case.tell((i + 1) / N_SPLITS)
    return _lowest(np.mean(errors, axis=0), case.most)


def thinned_errors(kept, left, most):
    """Return the mean squared error of ranks 1 to `most`, over the variance of the noise.

    The components of one half of the counts are judged by the other. Each adds its own share to
    the error, so that one fit serves for all ranks.
    """
    if not kept.sum():
        raise CannotSayError("too few counts: half of them are none.")
    pca = PCA(most, solver="gram")._fit_within(kept)
    pixels, channels = pca.pixel_scale_, pca.channel_scale_
    mine, _ = pca.noise_units(kept)
    theirs = times(left, (channels * pca._axes).T) * pixels[:, None]
    alone = float((times_of_squares(left, channels) * pixels**2).sum())
    shares = (mine**2).sum(axis=0) - 2 * (mine * theirs).sum(axis=0)
    n_entries = np.count_nonzero(pixels) * np.count_nonzero(channels)
    return (alone + np.cumsum(shares)) / n_entries


def times_of_squares(spectra, factors):
    """Return the squared length of every pixel whose channels are scaled."""
    squares = spectra.astype(np.float64)
    return (squares * squares) @ factors**2


def bi_cross_validation(case):
    """Which rank predicts half the channels of half the pixels best, from all the others.

    The lowest that is no worse than the best by more than one standard error of their difference.

    References
    ----------
    A. B. Owen and P. O. Perry, Ann. Appl. Stat. 3 (2009) 564, doi:10.1214/08-AOAS227.
    """
    if min(case.shape) < FEWEST_HALVED:
        raise CannotSayError(
            f"too small: {case.shape[0]} pixels and {case.shape[1]} channels hold counts; halves "
            f"take {FEWEST_HALVED} of each."
        )
    rng = np.random.default_rng(case.seed)
    errors = []
    for i in range(N_PARTITIONS):
        errors += partition_errors(case.spectra, case.most, rng)
        case.tell((i + 1) / N_PARTITIONS)
    n = min(map(len, errors))
    if n == 0:
        raise CannotSayError("too few counts: what is held out leaves none to predict it by.")
    values = np.array([one[:n] for one in errors])
    rank = within_one_stderr(values) + 1
    mean = values.mean(axis=0)
    return Found(rank, numbered(mean), mean, mean[rank - 1], note=at_most(rank, case.most))


def partition_errors(spectra, most, rng):
    """Return the errors of ranks 1 to `most` for the four blocks of one partition."""
    halves = [np.array_split(rng.permutation(n), 2) for n in spectra.shape]
    columns = [_columns(spectra, np.sort(some)) for some in halves[1]]
    found = []
    for rows, others in (halves[0], halves[0][::-1]):
        corner = np.sort(rows), np.sort(others)
        for i in range(2):
            held_out, beside, below, rest = (
                columns[j][some] for some in corner for j in (i, 1 - i)
            )
            found.append(block_errors(held_out, beside, below, rest, most))
    return found


def _columns(spectra, some):
    part = spectra[:, some]
    return canonical_csr(part) if sp.issparse(part) else np.ascontiguousarray(part)


def block_errors(held_out, beside, below, rest, most):
    """Return the mean squared error of a held-out block, over the variance of the noise.

    ``[[held_out, beside], [below, rest]]`` is scaled by the sums of what is not held out. A model
    of rank k of `rest` predicts ``beside @ pinv(rest_k) @ below``.
    """
    rows, other_rows = marginals(beside)[0], marginals(rest)[0]
    columns, other_columns = marginals(below)[1], marginals(rest)[1]
    if not other_rows.any() or not rows.any() or not columns.any():
        return np.zeros(0)
    far = keenan_kotula(other_rows, other_columns)
    # the same scaling for the block that is predicted, from the sums of its neighbours
    near = keenan_kotula(rows * columns.sum() / other_columns.sum(), columns)
    corner = _scaled(rest, far.pixels, far.channels)
    most = min(most, *corner.shape)
    pca = PCA(most, weighting="none", solver="gram")._fit_within(corner)
    squares = pca.explained_variance_ * len(other_rows)
    seen = squares > 1e-10 * squares[0]
    axes, squares = pca._axes[seen], squares[seen]
    scores = times(corner, axes.T)
    mine = times(beside, (far.channels * axes).T) * near.pixels[:, None]
    theirs = times(_turned(below), far.pixels[:, None] * scores) * near.channels[:, None]
    return _nested_errors(_scaled(held_out, near.pixels, near.channels), mine, theirs / squares)


def _scaled(block, pixels, channels):
    """Return scaled counts in single precision, dense or CSR."""
    if not sp.issparse(block):
        return (block * pixels[:, None] * channels).astype(np.float32)
    data = block.data * np.repeat(pixels, np.diff(block.indptr)) * channels[block.indices]
    return sp.csr_array((data.astype(np.float32), block.indices, block.indptr), shape=block.shape)


def _turned(block):
    return canonical_csr(block.T) if sp.issparse(block) else np.ascontiguousarray(block.T)


def _nested_errors(block, mine, theirs):
    """Return the mean squared error of ``mine[:, :k] @ theirs[:, :k].T`` for each k."""
    values = (block.data if sp.issparse(block) else block).astype(np.float64)
    across = (mine * times(block, theirs)).sum(axis=0)
    model = (mine.T @ mine) * (theirs.T @ theirs)
    within = np.array([model[:k, :k].sum() for k in numbered(across)])
    return ((values**2).sum() - 2 * np.cumsum(across) + within) / np.prod(block.shape)


def _lowest(errors, most):
    rank = int(np.argmin(errors)) + 1
    return Found(rank, numbered(errors), errors, float(errors.min()), note=at_most(rank, most))


def restarts(case):
    """Up to which rank non-negative factors come out alike from other starts.

    References
    ----------
    J.-P. Brunet et al., Proc. Natl. Acad. Sci. 101 (2004) 4164, doi:10.1073/pnas.0308531101.
    """
    most = min(case.most, MOST_STARTED)
    if min(case.shape) < 2 * most:
        raise CannotSayError(
            f"too small: {case.shape[0]} pixels and {case.shape[1]} channels hold counts; starts "
            f"of up to {most} components differ by chance below {2 * most} of each."
        )
    counts, note = _some_pixels(case)
    angles = np.zeros(most)
    for k in range(2, most + 1):
        angles[k - 1] = start_angle(counts, k, case.seed)
        case.tell((k - 1) / (most - 1))
    rank = int(np.flatnonzero(angles <= ALIKE)[-1]) + 1
    note = " ".join(filter(None, [note, at_most(rank, most)]))
    return Found(rank, numbered(angles), angles, ALIKE, note=note)


def _some_pixels(case):
    """Return counts of so many pixels, scaled to even noise, and what to know of it."""
    scaled = keenan_kotula(*marginals(case.spectra))
    held = np.flatnonzero(scaled.pixels)
    note = ""
    if held.size > MOST_PIXELS:
        held = np.random.default_rng(case.seed).choice(held, MOST_PIXELS, replace=False)
        held, note = np.sort(held), f"from {MOST_PIXELS} pixels by chance."
    columns = np.flatnonzero(scaled.channels)
    part = _columns(case.spectra[held], columns)
    return _scaled(part, scaled.pixels[held], scaled.channels[columns]), note


def start_angle(counts, n_components, seed):
    """Return how far apart factors of several starts are, in degrees.

    Of each start the component that is farthest from its match in the best one counts, and of
    these the median.
    """
    nmf = NMF(
        n_components,
        loss="gaussian",
        n_restarts=N_STARTS,
        max_iter=START_ROUNDS,
        tol=START_TOL,
        random_state=seed,
    )
    with warnings.catch_warnings(), suppress(ValueError):
        warnings.simplefilter("ignore", ConvergenceWarning)  # a rough answer will do
        nmf._fit_within(counts)
    if not hasattr(nmf, "restarts_"):
        return float("nan")
    worst = [np.nanmax(one.angles, initial=0.0) for one in nmf.restarts_]
    return float(np.median(np.sort(worst)[1:]))  # the best one is its own match


HELD_OUT_RULES = {
    "bi-cross-validation": Asked(
        bi_cross_validation,
        "Which rank predicts half the channels of half the pixels best, from all the others?",
        "squared error",
        "noise variance",
        "It predicts from a quarter of the numbers, so that weak components are missed; where "
        "phases differ much its scaling leaves noise uneven, and more is counted; so are drift "
        "and blur.",
        "its scaling leaves noise uneven where phases differ much; drift and blur predict too",
        "a quarter of the numbers does not show weak components",
    ),
    "thinning": Asked(
        thinning,
        "Which rank predicts counts best that were set aside one by one?",
        "squared error",
        "noise variance",
        "A component that is too weak to be drawn well from half the counts is better left out of "
        "a prediction, though it is there; drift, blur and a wrong gain predict too.",
        "drift, blur, or a gain other than the one given, predict as components do",
        "weak components are there, but cannot be drawn well enough from half the counts",
    ),
    "restarts": Asked(
        restarts,
        "Up to which rank do non-negative factors come out alike from other starts?",
        "angle between starts",
        "degrees",
        "What comes out alike need not be right, and what is right need not come out alike: where "
        "no pixel is pure many factorisations are equally good. Brightness matters more than "
        "rarity.",
        "too many factors may still come out alike",
        "several factorisations are about equally good",
    ),
}
