"""Silhouettes: how much nearer every pixel is to its own cluster than to the next one."""

from __future__ import annotations

from numbers import Integral

import numpy as np
from sklearn.utils.validation import check_scalar

from endmember._kernels.clusters import sum_distances
from endmember.core.checks import read_only
from endmember.core.points import as_points
from endmember.core.progress import check_callback, report
from endmember.core.seeds import as_seed
from endmember.core.threads import in_parts

TILE = 512  # points: the distances of a tile stay in the processor's cache
N_PARTS = 8  # each with sums of its own; they do not depend on the number of threads
N_REPORTS = 20
SMALL = 1000  # points: fewer take milliseconds in any dtype
FAR = 6.0  # mean distances from the origin: places in float32 are then too coarse, by 4e-7 of one


def silhouette(features, labels, *, n_sampled=None, seed=0, callback=None):
    """Return how much nearer every pixel is to its own cluster than to the next one.

    ``s = (b - a) / max(a, b)``, where `a` is the mean distance to the other pixels of the own
    cluster, `b` the smallest mean distance to the pixels of another [1]_: 1 where clusters are far
    apart, 0 on the border of two, below 0 in the wrong one.

    Parameters
    ----------
    features : SpectrumImage or array_like, CSR array of shape (n_pixels, n_features)
        What was clustered, in any unit. Spectra of a CSR array are unpacked.
    labels : array_like of int, shape (n_pixels,)
        Cluster of every pixel, from any method: two clusters at least, none below 0.
    n_sampled : int, optional
        Pixels, chosen at random, whose silhouettes are computed, each exactly; turning it up takes
        proportionally longer, and brings the mean nearer to that of all. By default all pixels.
    seed : int, default=0
        Which pixels are chosen.
    callback : callable, optional
        Called with a :class:`Progress` between parts of the work; where it returns True, the work
        stops with a :class:`CancelledError`.

    Returns
    -------
    ndarray of shape (n_pixels,)
        Between -1 and 1; 0 in clusters of one pixel, NaN for pixels that were not chosen.

    Notes
    -----
    Time grows with the square of the number of pixels, memory does not. Distances are taken in
    single precision where the result is right to 1e-6, else in double precision.

    References
    ----------
    .. [1] P. J. Rousseeuw, J. Comput. Appl. Math. 20 (1987) 53,
       doi:10.1016/0377-0427(87)90125-7.

    Examples
    --------
    >>> import endmember as em
    >>> features = [[0.0, 0.0], [0.0, 1.0], [9.0, 0.0], [9.0, 1.0]]
    >>> em.silhouette(features, [0, 0, 1, 1]).round(2)
    array([0.89, 0.89, 0.89, 0.89])
    """
    points = as_points(features)
    labels = as_labels(labels, len(points))
    if n_sampled is not None:
        check_scalar(n_sampled, "n_sampled", Integral, min_val=1)
    seed = as_seed(seed)
    check_callback(callback)
    if np.unique(labels).size < 2:
        raise ValueError("labels hold one cluster; a silhouette compares two at least.")
    rows = sampled_rows(len(points), n_sampled, seed)
    return silhouette_of(points, labels, rows, callback)


def as_labels(labels, n_pixels):
    """Return one label for each pixel as int, or say what is wrong with them."""
    found = np.asarray(labels)
    if found.shape != (n_pixels,):
        raise ValueError(
            f"labels have shape {found.shape} but there are {n_pixels} pixels; pass one label for "
            "each row."
        )
    whole = found.astype(np.int64) if found.dtype.kind in "biuf" and np.isfinite(found).all() else 0
    if not np.array_equal(whole, found) or (found < 0).any():
        raise ValueError(
            "labels must be whole numbers from 0 up; leave pixels without a cluster out of "
            "features and labels."
        )
    return whole


def sampled_rows(n_points, n_sampled, seed):
    """Return the rows that are looked at, rising; None for all of them."""
    if n_sampled is None or n_sampled >= n_points:
        return None
    return np.sort(np.random.default_rng(seed).choice(n_points, n_sampled, replace=False))


def silhouette_of(points, labels, rows=None, callback=None):
    """Return the silhouettes of points, of some rows where these are given, else of all.

    float32 is twice as fast and nearly always enough; where a silhouette might be wrong by 1e-6,
    all are computed again.
    """
    points = points * _near_one(points)
    found = np.full(len(points), np.nan)
    rows = np.arange(len(points)) if rows is None else rows
    sizes, own = np.bincount(labels), labels[rows]
    if len(points) > SMALL:
        sums = distance_sums(points.astype(np.float32), labels, rows, callback)
        found[rows], distances = _silhouettes(sums, own, sizes)
        from_origin = np.sqrt(np.einsum("pf,pf->p", points, points))
        if (from_origin[rows] + from_origin.mean() <= FAR * distances).all():
            return found
    sums = distance_sums(points, labels, rows, callback)
    found[rows], _ = _silhouettes(sums, own, sizes)
    return found


def _near_one(points):
    """Return a power of two that brings points near 1, where float32 holds their squares."""
    return np.ldexp(1.0, -np.frexp(np.abs(points).max())[1])


def distance_sums(points, labels, rows, callback=None):
    """Return the sum of distances from chosen rows to each cluster, (n_clusters, n_rows)."""
    n_clusters = labels.max() + 1
    order = np.argsort(labels, kind="stable")
    tiles, clusters = _tiles(np.bincount(labels))
    is_same = rows.size == len(points)
    places, row_tiles = order, tiles
    if not is_same:
        places, row_tiles = rows, np.append(np.arange(0, rows.size, TILE), rows.size)
    columns = _in_pairs(points[order])
    chosen = columns if is_same else _in_pairs(points[places])
    arrays = (chosen, row_tiles, columns, tiles, clusters, is_same)
    sums = _in_threads(arrays, callback, n_clusters)
    if not is_same:
        return sums
    found = np.empty_like(sums)
    found[:, order] = sums
    return found


def _in_pairs(points):
    """Return points as columns of an even number of features."""
    n_points, n_features = points.shape
    columns = np.zeros((n_features + n_features % 2, n_points), dtype=points.dtype)
    columns[:n_features] = points.T
    return columns


def _in_threads(arrays, callback, n_clusters):
    """Share the tiles out: as many parts as there are reports, in rounds where someone listens."""
    arrays = tuple(read_only(a) if isinstance(a, np.ndarray) else a for a in arrays)
    n_rounds = 1 if callback is None else N_REPORTS
    sums = np.zeros((N_PARTS, n_clusters, arrays[0].shape[1]))
    for i in range(n_rounds):
        in_parts(
            lambda part, i=i: sum_distances(
                *arrays, i * N_PARTS + part, n_rounds * N_PARTS, sums[part]
            ),
            [(part,) for part in range(N_PARTS)],
        )
        report(callback, (i + 1) / n_rounds)
    return sums.sum(axis=0)


def _tiles(sizes):
    """Return where tiles of points begin that hold one cluster each, and the cluster of each.

    All but the last tile of a cluster are full: what does not fill a vector register takes longer.
    """
    starts, clusters, begin = [], [], 0
    for cluster, size in enumerate(sizes):
        n_tiles = -(-size // TILE)
        starts += [begin + tile * TILE for tile in range(n_tiles)]
        clusters += [cluster] * n_tiles
        begin += size
    return np.array([*starts, begin]), np.array(clusters)


def _silhouettes(sums, labels, sizes):
    """Return the silhouettes, and the mean distance that each is measured by."""
    inside, outside = np.zeros(labels.size), np.full(labels.size, np.inf)
    for cluster in np.flatnonzero(sizes):
        is_own = labels == cluster
        np.divide(sums[cluster], max(sizes[cluster] - 1, 1), out=inside, where=is_own)
        np.minimum(outside, sums[cluster] / sizes[cluster], out=outside, where=~is_own)
    larger = np.maximum(inside, outside)
    found = np.divide(outside - inside, larger, out=np.zeros(labels.size), where=larger > 0)
    return np.where(sizes[labels] > 1, found, 0.0), larger
