"""Distances between points: to the centres of k-means, and to all points of every cluster."""

import numpy as np

from endmember._kernels.jit import compiled

TILE = 512  # points whose distances are held at once: they stay in the fastest cache


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


@compiled()
def measure_row(rows, i, columns, start, stop, distances, down):
    """Fill the distances of one point to those of a tile, and add them to another row.

    Parameters
    ----------
    rows, columns : ndarray of float64, shape (n_features, n_rows) and (n_features, n_columns)
        Points.
    i, start, stop : int
        The point among the rows; the first of the tile, and the one after its last.
    distances, down : ndarray of float64, of the tile's size at least
        Filled, and added to.
    """
    last, width = rows.shape[0] - 1, stop - start
    distances[:width] = 0.0
    for c in range(last):
        x, others = rows[c, i], columns[c, start:stop]
        for j in range(width):
            step = others[j] - x
            distances[j] += step * step
    x, others = rows[last, i], columns[last, start:stop]
    for j in range(width):
        step = others[j] - x
        distance = np.sqrt(distances[j] + step * step)
        distances[j] = distance
        down[j] += distance


@compiled()
def sum_of(values):
    """Return the sum of an array of float64.

    Eight sums at a time, written out one by one: they stay in registers.
    """
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
    whole = values.size // 8 * 8
    for j in range(0, whole, 8):
        s0 += values[j]
        s1 += values[j + 1]
        s2 += values[j + 2]
        s3 += values[j + 3]
        s4 += values[j + 4]
        s5 += values[j + 5]
        s6 += values[j + 6]
        s7 += values[j + 7]
    for j in range(whole, values.size):
        s0 += values[j]
    return ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))


@compiled()
def sum_distances(rows, row_tiles, columns, column_tiles, clusters, is_same, part, n_parts, sums):
    """Add the distances of some points to all points of every cluster.

    Tiles of the table of distances hold points of one cluster each, so that a distance is added
    without asking whose it is. Where rows and columns are the same points, a tile counts for its
    mirror image as well.

    Parameters
    ----------
    rows, columns : ndarray of float64, shape (n_features, n_rows) and (n_features, n_columns)
        Points, those of a cluster side by side.
    row_tiles, column_tiles : ndarray of int, shape (n_tiles + 1,)
        Where the tiles begin, and the end of the last.
    clusters : ndarray of int, shape (n_tiles,)
        Cluster of every tile of columns.
    is_same : bool
        Whether rows and columns, and their tiles, are the same.
    part, n_parts : int
        Every how many tiles of rows are taken, and from which on.
    sums : ndarray of float64, shape (n_rows, n_clusters)
        Added to.
    """
    widest = 1
    for b in range(clusters.size):
        widest = max(widest, column_tiles[b + 1] - column_tiles[b])
    along, across = np.empty(widest), np.empty(widest)
    for a in range(part, row_tiles.size - 1, n_parts):
        for b in range(a if is_same else 0, clusters.size):
            start, stop = column_tiles[b], column_tiles[b + 1]
            down = across[: stop - start]
            down[:] = 0.0
            for i in range(row_tiles[a], row_tiles[a + 1]):
                measure_row(rows, i, columns, start, stop, along, down)
                sums[i, clusters[b]] += sum_of(along[: stop - start])
            if is_same and a != b:
                for j in range(stop - start):
                    sums[start + j, clusters[a]] += down[j]
