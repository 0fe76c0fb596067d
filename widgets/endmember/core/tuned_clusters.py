"""Clusters of a map under the names that they were given, and tables of them."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from endmember.core.image import SpectrumImage
from endmember.core.label_maps import MeanSpectra
from endmember.core.record import Record


@dataclass(frozen=True, eq=False)
class TunedClusters:
    """Clusters as they were tuned.

    Attributes
    ----------
    k : int
        Number of clusters.
    model : KMeans or GaussianMixture
        The fitted estimator, whose own names of the clusters are other ones.
    labels : ndarray of int, shape (rows, columns)
        Cluster of every pixel after small areas were removed; -1 where pixels are hidden.
    spectra : MeanSpectra
        Mean spectra in counts a pixel, of the held-out counts where there are such.
    ratios : list of dict
        Of every cluster its pixels, and the ratio of two lines with its error.
    names : tuple of str
        Names of the clusters, in their order.
    image : SpectrumImage
        What was clustered.
    record : Record
        What made the result.
    """

    k: int
    model: Any
    labels: np.ndarray
    spectra: MeanSpectra
    ratios: list
    names: tuple
    image: SpectrumImage
    record: Record

    def masks(self):
        """Return the pixels of every cluster by its name.

        Returns
        -------
        dict of str to ndarray of bool, shape (rows, columns)
            A name that two clusters have stands for both of them.
        """
        return masks_of(self.labels, self.names)

    def to_csv(self, path):
        """Write the map as a table: row, column, cluster and its name, a line for each pixel.

        Parameters
        ----------
        path : str or path-like
            File to write; one of that name is replaced. Hidden pixels are left out.
        """
        _write(path, map_csv(self.labels, self.names))

    def spectra_to_csv(self, path):
        """Write the mean spectra as a table: the axis, and of each cluster its mean and error.

        Parameters
        ----------
        path : str or path-like
            File to write; one of that name is replaced. Means and standard errors from the
            scatter among the pixels are in counts a pixel.
        """
        _write(path, spectra_csv(self.image, self.spectra, self.names))


def masks_of(labels, names):
    """Return the pixels of every cluster by its name; clusters of one name are joined."""
    found: dict = {}
    for k, name in enumerate(names):
        found[name] = found.get(name, False) | (labels == k)
    return found


def map_csv(labels, names):
    """Return a map of clusters as a table, a line for each pixel that is not hidden."""
    rows = (
        (row, column, int(labels[row, column]), names[labels[row, column]])
        for row, column in np.argwhere(labels >= 0).tolist()
    )
    return _csv(["row", "column", "cluster", "name"], rows)


def spectra_csv(image, spectra, names):
    """Return the axis of an image and mean spectra with their errors as a table."""
    head, columns = [image.signal_axis.label()], [image.axis]
    for i, mean in enumerate(spectra.means):
        head += [names[i], f"{names[i]}, standard error"]
        columns += [mean, spectra.stderr_scatter[i]]
    return _csv(head, np.stack(columns, axis=1).tolist())


def _csv(head, rows):
    held = StringIO(newline="")
    writer = csv.writer(held)
    writer.writerow(head)
    writer.writerows(rows)
    return held.getvalue()


def _write(path, text):
    Path(path).write_bytes(text.encode())


def default_names(k):
    """Return the names of clusters to which nobody has given others."""
    return [f"cluster {i}" for i in range(k)]


def ratio_rows(label_map, k, counted, ratio, *, held_out):
    """Return of every cluster its pixels, and the ratio of two lines with its counting error.

    Parameters
    ----------
    label_map : ndarray of int, shape (rows, columns)
        Clusters; -1 where pixels are hidden.
    k : int
        Number of clusters.
    counted : pair of dict of str to ndarray, or None
        Counts of every visible pixel in each line: those that were clustered, and the others.
    ratio : pair of str or None
        Two of the lines.
    held_out : bool
        Whether the others are others.
    """
    labels = label_map[label_map >= 0]
    sizes = np.bincount(labels, minlength=k)
    here = there = [None] * k
    if ratio is not None:
        here = _ratios(labels, k, counted[0], ratio)
        there = _ratios(labels, k, counted[1], ratio) if held_out else there
    return [
        {"cluster": i, "n_pixels": int(sizes[i]), "clustered": here[i], "held_out": there[i]}
        for i in range(k)
    ]


def _ratios(labels, k, counts, ratio):
    above, below = (np.bincount(labels, counts[name], minlength=k) for name in ratio)
    return [ratio_of(a, b) for a, b in zip(above, below, strict=True)]


def ratio_of(above, below):
    """Return the ratio of two counts with its error, None where one of them is none."""
    if not (above > 0 and below > 0):
        return None
    ratio = float(above / below)
    return ratio, ratio * float(np.sqrt(1 / above + 1 / below))
