"""Maps of labels: the same colours again, without specks, and the spectra of what they mark."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from numbers import Real

import numpy as np
import scipy.sparse as sp
from scipy import ndimage
from scipy.optimize import linear_sum_assignment
from sklearn.utils.validation import check_scalar

from endmember.core.blocks import row_blocks
from endmember.core.sources import as_spectrum_image


def align_labels(labels, reference):
    """Rename clusters so that they agree with an earlier labelling in as many pixels as possible.

    Parameters
    ----------
    labels : array_like of int
        Cluster of every pixel, from 0 up; any shape.
    reference : array_like of int
        Clusters of the same pixels whose names, and colours, are wanted. Pixels below 0 in either
        are not compared, and keep what they hold.

    Returns
    -------
    ndarray of int
        The clusters of `labels` under the names of those that they share most pixels with (the
        sum over all pairs is largest [1]_). Clusters without a partner follow behind all names of
        the reference, the largest first.

    References
    ----------
    .. [1] H. W. Kuhn, Naval Research Logistics Quarterly 2 (1955) 83,
       doi:10.1002/nav.3800020109.

    Examples
    --------
    >>> import endmember as em
    >>> em.align_labels([0, 0, 1, 1, 2], [1, 1, 0, 0, 0])
    array([1, 1, 0, 0, 2])
    """
    labels, reference = _as_whole(labels, "labels"), _as_whole(reference, "reference")
    if labels.shape != reference.shape:
        raise ValueError(
            f"labels have shape {labels.shape} but reference {reference.shape}; compare the same "
            "pixels."
        )
    here = labels >= 0
    both = here & (reference >= 0)
    n_found, n_known = (int(values.max(initial=-1)) + 1 for values in (labels, reference))
    shared = np.zeros((n_found, n_known), dtype=np.int64)
    np.add.at(shared, (labels[both], reference[both]), 1)
    found, known = linear_sum_assignment(shared, maximize=True)
    names = np.full(n_found, -1)
    names[found] = known
    alone = np.flatnonzero(names < 0)
    sizes = np.bincount(labels[here].ravel(), minlength=n_found)
    names[alone[np.argsort(-sizes[alone], kind="stable")]] = n_known + np.arange(alone.size)
    aligned = labels.copy()
    aligned[here] = names[labels[here]]
    return aligned


@dataclass(frozen=True, eq=False)
class MeanSpectra:
    """Mean spectra of clusters, and how sure they are.

    Attributes
    ----------
    means : ndarray of shape (n_clusters, n_channels)
        Counts a pixel; NaN for a cluster without pixels.
    stderr_poisson : ndarray of shape (n_clusters, n_channels)
        Standard error in counts a pixel that counting alone leaves: the root of all counts over
        the number of pixels.
    stderr_scatter : ndarray of shape (n_clusters, n_channels)
        Standard error in counts a pixel from the scatter among the pixels. Larger than that of
        counting where the cluster is not uniform, smaller where clustering cut its noise off; NaN
        for a single pixel.
    sizes : ndarray of int, shape (n_clusters,)
        Pixels in every cluster.
    """

    means: np.ndarray
    stderr_poisson: np.ndarray
    stderr_scatter: np.ndarray
    sizes: np.ndarray


def mean_spectra(counts, labels):
    """Return the mean spectrum of every cluster with its standard errors.

    Means of clusters that were found on these very counts differ by more than the truth does:
    cluster one half of the counts, and average the other (:func:`thin`).

    Parameters
    ----------
    counts : SpectrumImage, or what :func:`as_spectrum_image` takes
        Counts.
    labels : array_like of int, shape (n_pixels,) or `navigation_shape`
        Cluster of every visible pixel, or a map of them. Pixels below 0, and NaN, take no part.

    Returns
    -------
    MeanSpectra

    Examples
    --------
    >>> import endmember as em
    >>> scene = em.datasets.load("iron_oxides", shape=(32, 32))
    >>> found = em.mean_spectra(scene.image, scene.labels)
    >>> found.means.shape, found.sizes.sum()
    ((2, 400), np.int64(1024))
    """
    image = as_spectrum_image(counts)
    labels = _rows_of(labels, image)
    n_clusters = int(labels.max(initial=-1)) + 1
    if n_clusters < 1:
        raise ValueError("labels name no cluster; all are below 0 or NaN.")
    sizes = np.bincount(labels[labels >= 0], minlength=n_clusters)
    sums, squares = _moments(image.spectra, labels, n_clusters)
    with np.errstate(divide="ignore", invalid="ignore"):
        each = sizes[:, None].astype(np.float64)
        means = sums / each
        scatter = np.clip(squares - each * means**2, 0, None) / (each - 1)
        return MeanSpectra(means, np.sqrt(sums) / each, np.sqrt(scatter / each), sizes)


def _moments(spectra, labels, n_clusters):
    """Return the sums of counts and of their squares in every cluster and channel."""
    sums, squares = np.zeros((2, n_clusters, spectra.shape[1]))
    start = 0
    for block in row_blocks(spectra):
        part = labels[start : start + block.shape[0]]
        start += block.shape[0]
        rows = np.flatnonzero(part >= 0)
        ones = np.ones(rows.size)
        members = sp.csr_array((ones, (part[rows], rows)), shape=(n_clusters, block.shape[0]))
        values = block.astype(np.float64)
        sums += members @ values
        squares += members @ (values.power(2) if sp.issparse(values) else values**2)
    return sums, squares


def remove_small_areas(label_map, min_area):
    """Give areas of few pixels to the cluster that borders most on them.

    The smallest area goes first; what it joins grows, until no area is too small.

    Parameters
    ----------
    label_map : array_like of int or float, any shape
        Cluster of every pixel, as ``image.fold(labels)`` returns it. NaN and negative labels are
        hidden pixels: they stay, and nothing becomes like them.
    min_area : int
        Pixels that an area must have to stay, neighbours being those that share an edge. Turning
        it up removes larger specks, and small phases with them; 1 removes none.

    Returns
    -------
    ndarray
        A new map of the same dtype. An area that borders on hidden pixels alone stays.

    Examples
    --------
    >>> import endmember as em
    >>> em.remove_small_areas([[0, 0, 0], [0, 1, 0], [0, 0, 2]], 2)
    array([[0, 0, 0],
           [0, 0, 0],
           [0, 0, 0]])
    """
    check_scalar(min_area, "min_area", Real, min_val=1)
    if np.isnan(min_area):
        raise ValueError("min_area is nan; pass a number of pixels from 1 up, 1 to remove none.")
    label_map = np.asarray(label_map)
    if label_map.ndim == 0:
        raise ValueError("label_map is a single number; pass a map, as image.fold(labels) gives.")
    labels = _as_whole(label_map, "label_map")
    areas = Areas(labels)
    cleaned = label_map.copy()
    shown = labels >= 0
    cleaned[shown] = areas.without_small(min_area)[areas.of_pixels[shown]]
    return cleaned


class Areas:
    """Connected areas of equal labels, and how long their borders are.

    Parameters
    ----------
    labels : ndarray of int
        A map; below 0 where nothing is to be seen.
    """

    def __init__(self, labels):
        self.of_pixels = np.full(labels.shape, -1)
        n_areas = 0
        for label in np.unique(labels[labels >= 0]):
            found, n_found = ndimage.label(labels == label)
            self.of_pixels[found > 0] = found[found > 0] + n_areas - 1
            n_areas += n_found
        inside = labels >= 0
        self.labels = np.zeros(n_areas, dtype=labels.dtype)
        self.labels[self.of_pixels[inside]] = labels[inside]
        self.sizes = np.bincount(self.of_pixels[inside], minlength=n_areas)
        self.borders = self._borders(n_areas)

    def _borders(self, n_areas):
        """Return for every area how many edges its pixels share with every other."""
        borders: list = [Counter() for _ in range(n_areas)]
        for axis in range(self.of_pixels.ndim):
            along = np.moveaxis(self.of_pixels, axis, 0)
            pairs = np.stack([along[:-1].ravel(), along[1:].ravel()])
            pairs = pairs[:, (pairs >= 0).all(axis=0) & (pairs[0] != pairs[1])]
            for (a, b), n in zip(*_counted(pairs), strict=True):
                borders[a][b] += n
                borders[b][a] += n
        return borders

    def without_small(self, min_area):
        """Return the label of every area once the small ones have gone to their neighbours."""
        joined = np.arange(len(self.labels))  # which area each became part of
        queue = [(size, area) for area, size in enumerate(self.sizes.tolist()) if size < min_area]
        heapify(queue)
        while queue:
            size, area = heappop(queue)
            if joined[area] != area or size != self.sizes[area] or not self.borders[area]:
                continue  # it has grown or gone since, or has no neighbour
            label = self._nearest_label(area)
            for other in [o for o in self.borders[area] if self.labels[o] == label]:
                area = self._join(area, other, joined)
            self.labels[area] = label
            if self.sizes[area] < min_area:
                heappush(queue, (int(self.sizes[area]), area))
        return self.labels[_roots(joined)]

    def _nearest_label(self, area):
        shared: Counter = Counter()
        for other, n in self.borders[area].items():
            shared[int(self.labels[other])] += n
        return min(shared, key=lambda label: (-shared[label], label))

    def _join(self, area, other, joined):
        """Make two areas one, and return which of them stands for both."""
        if len(self.borders[area]) > len(self.borders[other]):
            area, other = other, area  # the fewer borders are the ones that move
        for third, n in self.borders[area].items():
            del self.borders[third][area]
            if third != other:
                self.borders[third][other] += n
                self.borders[other][third] += n
        self.borders[area] = Counter()
        self.sizes[other] += self.sizes[area]
        joined[area] = other
        return other


def _counted(pairs):
    """Return distinct pairs as lists, and how often each occurs."""
    distinct, n = np.unique(pairs, axis=1, return_counts=True)
    return distinct.T.tolist(), n.tolist()


def _roots(joined):
    """Follow who joined whom to the end."""
    while not np.array_equal(joined, joined[joined]):
        joined = joined[joined]
    return joined


def _rows_of(labels, image):
    """Return the labels of visible pixels, which may come as a map."""
    labels = np.asarray(labels)
    if labels.shape == image.navigation_shape and labels.shape != (image.n_pixels,):
        labels = labels.ravel() if image.mask is None else labels[~image.mask]
    if labels.shape != (image.n_pixels,):
        raise ValueError(
            f"labels have shape {labels.shape}; expected one for each of {image.n_pixels} visible "
            f"pixels, or a map of shape {image.navigation_shape}."
        )
    return _as_whole(labels, "labels")


def _as_whole(labels, name):
    """Return labels as int, NaN as -1, or refuse them."""
    labels = np.asarray(labels)
    if labels.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be whole numbers, got dtype {labels.dtype}; convert them.")
    known = np.where(np.isnan(labels), -1, labels) if labels.dtype.kind == "f" else labels
    if np.isinf(known).any():
        raise ValueError(f"{name} hold inf; mark hidden pixels by NaN or -1.")
    whole = known.astype(np.int64)
    if not np.array_equal(whole, known):
        raise ValueError(f"{name} must be whole numbers or NaN; round what a mean has left.")
    return whole
