"""Distances between points: to the centres of k-means, and to all points of every cluster."""

import numpy as np
from numba import njit

from endmember._kernels.jit import compiled

AT_ONCE = 64  # points whose distances are added up, pairs first, before a sum is kept as float64
TILE = 512  # points whose distances are held at once: they stay in the fastest cache

# Sums may be taken in any order, in which float addition is not associative: lanes side by side.
# What is called from there is a part of it: compiled twice, its order would depend on which comes
# first, and so would the last bits.
IN_ANY_ORDER = {"reassoc", "nsz"}


@compiled()
def assign_points(columns, centres, labels, sums, sizes):
    """Move every point to its nearest centre; return how many moved, and the sum of squares.

    All centres are tried for a tile of points, side by side: bounds that spare distances cost more
    than they save, as long as features are few.

    Parameters
    ----------
    columns : ndarray of float64, shape (n_features, n_points)
        What is clustered.
    centres : ndarray of float64, shape (n_clusters, n_features)
        Where the centres are.
    labels : ndarray of int32, shape (n_points,)
        Cluster of every point; updated. Of centres that are equally near, the first.
    sums, sizes : ndarray of float64, shape (n_clusters, n_features) and (n_clusters,)
        Sum and number of the points of every cluster; updated.
    """
    n_features, n_points = columns.shape
    squares, least, nearest = np.empty(TILE), np.empty(TILE), np.empty(TILE, dtype=np.int64)
    n_moved, total = 0, 0.0
    for start in range(0, n_points, TILE):
        stop = min(start + TILE, n_points)
        n_here = stop - start
        least[:] = np.inf
        nearest[:] = 0
        for k in range(centres.shape[0]):
            squares[:] = 0.0
            for c in range(n_features):
                x, here = centres[k, c], columns[c, start:stop]
                for j in range(n_here):
                    step = here[j] - x
                    squares[j] += step * step
            for j in range(n_here):
                is_nearer = squares[j] < least[j]
                least[j] = squares[j] if is_nearer else least[j]
                nearest[j] = k if is_nearer else nearest[j]
        old = labels[start:stop]
        for j in range(n_here):
            total += least[j]
            if nearest[j] == old[j]:
                continue
            n_moved += 1
            sizes[old[j]] -= 1
            sizes[nearest[j]] += 1
            for c in range(n_features):
                sums[old[j], c] -= columns[c, start + j]
                sums[nearest[j], c] += columns[c, start + j]
            old[j] = nearest[j]
    return n_moved, total


@compiled()
def take_nearest(parts, labels, moved, before):
    """Give every point the label of its nearest centre; return how many changed, and a sum.

    Parameters
    ----------
    parts : ndarray of float64, shape (n_points, n_clusters)
        Squared distances, less a number of each point's own; the least of each are added up.
    labels : ndarray of int32, shape (n_points,)
        Updated. Of centres that are equally near, the first.
    moved : ndarray of int64, shape (n_points,)
        Begins with the points whose label changed.
    before : ndarray of int32, shape (n_points,)
        Begins with the labels that these had.
    """
    n_moved, total = 0, 0.0
    for p in range(parts.shape[0]):
        nearest, least = 0, parts[p, 0]
        for k in range(1, parts.shape[1]):
            if parts[p, k] < least:
                nearest, least = k, parts[p, k]
        total += least
        if nearest != labels[p]:
            moved[n_moved], before[n_moved] = p, labels[p]
            labels[p] = nearest
            n_moved += 1
    return n_moved, total


@compiled()
def move_rows(rows, moved, before, labels, sums, sizes):
    """Take points from the sums of their clusters of before, and add them to those of now.

    Parameters
    ----------
    rows : ndarray of float64, shape (n_points, n_features)
        The points.
    moved, before : ndarray of int64 and int32, shape (n_moved,)
        Those that moved, and their clusters of before.
    labels : ndarray of int32, shape (n_points,)
        Clusters of now.
    sums, sizes : ndarray of float64, shape (n_clusters, n_features) and (n_clusters,)
        Updated.
    """
    for i in range(moved.size):
        p, old = moved[i], before[i]
        new = labels[p]
        sizes[old] -= 1
        sizes[new] += 1
        for c in range(rows.shape[1]):
            sums[old, c] -= rows[p, c]
            sums[new, c] += rows[p, c]


@compiled()
def move_csr_rows(indptr, indices, data, moved, before, labels, sums, sizes):
    """Do the same as :func:`move_rows` for points that are the rows of a CSR array."""
    for i in range(moved.size):
        p, old = moved[i], before[i]
        new = labels[p]
        sizes[old] -= 1
        sizes[new] += 1
        for j in range(indptr[p], indptr[p + 1]):
            sums[old, indices[j]] -= data[j]
            sums[new, indices[j]] += data[j]


@compiled()
def lower_squares(columns, centre, closest, lowered):
    """Lower the squared distance of every point to its nearest centre by one more centre.

    Parameters
    ----------
    columns : ndarray of float64, shape (n_features, n_points)
        What is clustered.
    centre : ndarray of float64, shape (n_features,)
        The new centre.
    closest : ndarray of float64, shape (n_points,)
        Squared distance to the nearest of the others.
    lowered : ndarray of float64, shape (n_points,)
        Filled with the squared distance to the nearest of all.
    """
    n_features, n_points = columns.shape
    lowered[:] = 0.0
    for c in range(n_features):
        x, here = centre[c], columns[c]
        for p in range(n_points):
            step = here[p] - x
            lowered[p] += step * step
    for p in range(n_points):
        lowered[p] = min(lowered[p], closest[p])


@njit(inline="always")
def measure_rows(rows, i, n, columns, start, stop, squares, down):
    """Return the sums of distances from two points to those of a tile; add both to another row.

    Features are taken two by two, and for two points at once, so that fewer numbers come and go.

    Parameters
    ----------
    rows, columns : ndarray of float32 or float64, (n_features, n_rows) and (n_features, n_columns)
        Points of an even number of features; a last one of zeros makes an odd number even.
    i, n : int
        The first of the points among the rows; whether they are 2 or 1, whose sum comes twice.
    start, stop : int
        The first point of the tile, and the one after its last.
    squares, down : ndarray of the same dtype, of shape (2, width) and (width,)
        Room, of zeros where there are two features; what is added to.
    """
    last, width, k = rows.shape[0] - 2, stop - start, i + n - 1
    here, there = squares[0, :width], squares[1, :width]
    for c in range(0, last, 2):
        if c == 0:
            here[:], there[:] = 0.0, 0.0
        xs, ys = columns[c, start:stop], columns[c + 1, start:stop]
        x, y, x2, y2 = rows[c, i], rows[c + 1, i], rows[c, k], rows[c + 1, k]
        for j in range(width):
            across, along = xs[j] - x, ys[j] - y
            here[j] += across * across + along * along
            across, along = xs[j] - x2, ys[j] - y2
            there[j] += across * across + along * along
    xs, ys = columns[last, start:stop], columns[last + 1, start:stop]
    x, y, x2, y2 = rows[last, i], rows[last + 1, i], rows[last, k], rows[last + 1, k]
    first, second = x - x, x - x  # zero, of their dtype
    both = np.float32(n - 1)
    for j in range(width):
        across, along = xs[j] - x, ys[j] - y
        distance = np.sqrt(here[j] + (across * across + along * along))
        across, along = xs[j] - x2, ys[j] - y2
        other = np.sqrt(there[j] + (across * across + along * along))
        down[j] += distance + both * other
        first += distance
        second += other
    return first, second


@compiled(fastmath=IN_ANY_ORDER)
def sum_distances(rows, row_tiles, columns, column_tiles, clusters, is_same, part, n_parts, sums):
    """Add the distances of some points to all points of every cluster.

    Tiles of the table of distances hold points of one cluster each, so that a distance is added
    without asking whose it is. Where rows and columns are the same points, a tile counts for its
    mirror image as well.

    Parameters
    ----------
    rows, columns : ndarray of float32 or float64, (n_features, n_rows) and (n_features, n_columns)
        Points of an even number of features, those of a cluster side by side. Few of their
        distances are added up in their own dtype at a time.
    row_tiles, column_tiles : ndarray of int, shape (n_tiles + 1,)
        Where the tiles begin, and the end of the last.
    clusters : ndarray of int, shape (n_tiles,)
        Cluster of every tile of columns.
    is_same : bool
        Whether rows and columns, and their tiles, are the same.
    part, n_parts : int
        Every how many tiles of rows are taken, and from which on.
    sums : ndarray of float64, shape (n_clusters, n_rows)
        Added to.
    """
    widest = 1
    for b in range(clusters.size):
        widest = max(widest, column_tiles[b + 1] - column_tiles[b])
    squares, down = np.zeros((2, widest), dtype=rows.dtype), np.zeros(widest, dtype=rows.dtype)
    for a in range(part, row_tiles.size - 1, n_parts):
        for b in range(a if is_same else 0, clusters.size):
            start, stop = column_tiles[b], column_tiles[b + 1]
            mirrored = clusters[a] if is_same and a != b else -1
            for first in range(row_tiles[a], row_tiles[a + 1], AT_ONCE):
                end = min(first + AT_ONCE, row_tiles[a + 1])
                for i in range(first, end, 2):
                    n = min(2, end - i)
                    totals = measure_rows(rows, i, n, columns, start, stop, squares, down)
                    for k in range(n):
                        sums[clusters[b], i + k] += totals[k]
                add_down(down[: stop - start], sums[:, start:stop], mirrored)


@compiled()
def add_down(down, sums, cluster):
    """Add what was gathered to the sums of a cluster, unless it is below 0, and clear it."""
    if cluster >= 0:
        for j in range(down.size):
            sums[cluster, j] += down[j]
    down[:] = 0.0
