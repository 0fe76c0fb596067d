"""What the pixels of a region hold: sums, line intensities, profiles, and their counting errors."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from io import StringIO

import numpy as np
import scipy.sparse as sp

from endmember.core.binning import total
from endmember.core.image import SpectrumImage
from endmember.core.line_maps import line_maps
from endmember.widgets.regions import positions_along

PIXELS = "pixels"  # the unit of a distance where the axes have none in common


@dataclass(frozen=True, eq=False)
class RegionSums:
    """What a region holds.

    Attributes
    ----------
    name : str
        Of the region.
    n_pixels : int
        Visible ones.
    counts, error : float or None
        Sum over all visible channels, and its counting error, in counts; None without counts.
    spectrum : ndarray of shape (n_channels,) or None
        Sum over the pixels, in counts.
    lines : dict of str to (float, float)
        Intensity of every line in counts, and its counting error.
    """

    name: str
    n_pixels: int
    counts: float | None = None
    error: float | None = None
    spectrum: np.ndarray | None = None
    lines: dict | None = None

    def with_lines(self, weights):
        """Return the same sums with line intensities, from the weights of the channels."""
        spectrum = self.spectrum
        if spectrum is None:
            return replace(self, lines={})
        return replace(self, lines={n: _weighted(spectrum, w) for n, w in weights.items()})


@dataclass(frozen=True, eq=False)
class Profile:
    """Intensities along a line.

    Attributes
    ----------
    name : str
        Of the region.
    distance : ndarray of shape (n_steps,)
        From its first point, in `unit`; steps are a pixel long, and those without one left out.
    unit : str
        Of the navigation axes, or ``"pixels"``.
    n_pixels : ndarray of int of shape (n_steps,)
        Visible pixels across the line.
    means, errors : dict of str to ndarray of shape (n_steps,)
        Mean over these in counts a pixel, and its counting error: ``"counts"`` of all channels
        first, then every line.
    """

    name: str
    distance: np.ndarray
    unit: str
    n_pixels: np.ndarray
    means: dict
    errors: dict


def line_weights(image, lines, background=None):
    """Return by line what a count in each visible channel adds to its intensity.

    Parameters
    ----------
    image : SpectrumImage
        Gives the axis, the hidden channels and the instrument.
    lines, background
        As :func:`line_maps` takes them.

    Returns
    -------
    dict of str to ndarray of shape (n_channels,)
    """
    n_channels = image.shape[-1]
    single = SpectrumImage(  # every spectrum is one count in one channel
        sp.csr_array(sp.identity(n_channels, dtype=np.uint8, format="csr")),
        image.signal_axis,
        navigation_shape=(n_channels,),
        channel_mask=image.channel_mask,
        metadata=image.metadata,
    )
    maps = line_maps(single, lines, background=background)
    visible = slice(None) if image.channel_mask is None else ~image.channel_mask
    return {name: weights[visible] for name, weights in maps.items()}


def sums_of(image, mask, name):
    """Return what the visible pixels of a mask hold; without an image, how many there are."""
    if image is None:
        return RegionSums(name, int(np.count_nonzero(mask)))
    rows = _visible_rows(image, mask)
    if not rows.size:
        return RegionSums(name, 0, 0.0, 0.0, np.broadcast_to(0.0, image.n_channels))
    spectrum = _visible_channels(image, np.asarray(total(_rows(image, rows), axis=0)))
    spectrum.setflags(write=False)  # it is kept in mind, and handed to whoever asks
    counts = float(spectrum.sum())
    return RegionSums(name, rows.size, counts, _root(counts), spectrum)


def profile_along(image, region, weights, name=""):
    """Return intensities along a line, mean over its width; see :class:`Profile`.

    Parameters
    ----------
    image : SpectrumImage
        The counts.
    region : dict
        Of the kind ``"line"``.
    weights : dict of str to ndarray of shape (n_channels,)
        What a count in each visible channel adds to every line.
    """
    shape = (1, *image.navigation_shape)[-2:]
    pixels, along, ends = _places_along(image, region, shape)
    rows = np.ravel_multi_index(pixels.T, shape)
    seen = np.ones(rows.size, bool) if image.mask is None else ~image.mask.ravel()[rows]
    rows, along = rows[seen], along[seen]
    if not rows.size:
        raise ValueError(f"the line {name!r} holds no visible pixel; draw another one.")
    step = np.floor(along + 0.5).astype(int)
    _, step = np.unique(step, return_inverse=True)
    n_pixels = np.bincount(step)
    scale, unit = _length_of_step(image, ends)
    spectra = _visible_channels(image, _rows(image, rows))
    weights = {"counts": np.ones(image.n_channels), **weights}
    means, errors = {}, {}
    for key, weight in weights.items():
        sums, squares = (np.bincount(step, spectra @ w) for w in (weight, weight**2))
        means[key], errors[key] = sums / n_pixels, np.sqrt(squares) / n_pixels
    distance = scale * np.bincount(step, along) / n_pixels
    return Profile(name, distance, unit, n_pixels, means, errors)


# files


def table_csv(table):
    """Return a table of regions as CSV, one row for each; lines have a column and one of errors."""
    lines = list(table[0].lines) if table else []
    has_counts = any(row.counts is not None for row in table)
    heads = ["region", "pixels"] + ["counts", "error of counts"] * has_counts
    heads += [head for line in lines for head in (line, f"error of {line}")]
    return _csv(heads, [_table_row(row, lines) for row in table])


def _table_row(row, lines):
    counts = [] if row.counts is None else [row.counts, row.error]
    return [row.name, row.n_pixels, *counts, *(v for line in lines for v in row.lines[line])]


def spectra_csv(table, image):
    """Return the sum spectra of regions as CSV, one row for each channel."""
    if image is None:
        raise ValueError("spectra need counts; pass the image beside the arrays.")
    heads = [image.signal_axis.label() or "channel", *(row.name for row in table)]
    columns = [image.axis, *(row.spectrum for row in table)]
    return _csv(heads, zip(*(c.tolist() for c in columns), strict=True))


def profile_csv(profile):
    """Return a profile as CSV, one row for each step."""
    heads = [f"distance ({profile.unit})", "pixels"]
    columns = [profile.distance, profile.n_pixels]
    for line, means in profile.means.items():
        heads += [line, f"error of {line}"]
        columns += [means, profile.errors[line]]
    return _csv(heads, zip(*(c.tolist() for c in columns), strict=True))


def _csv(heads, rows):
    text = StringIO()
    writer = csv.writer(text)
    writer.writerow(heads)
    writer.writerows([_short(value) for value in row] for row in rows)
    return text.getvalue()


def _short(value):
    """Write whole numbers without a point."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


# parts


def _visible_rows(image, mask):
    """Return the places of the visible pixels of a mask in the unfolded map."""
    mask = np.asarray(mask).ravel()
    return np.flatnonzero(mask if image.mask is None else mask & ~image.mask.ravel())


def _rows(image, rows):
    """Return the counts of some pixels in all channels, dense or CSR."""
    counts = image.counts
    if not image.is_sparse:
        counts = counts.reshape(-1, counts.shape[-1])
    chosen = counts[rows]
    return chosen.compute() if image.is_lazy else chosen


def _visible_channels(image, values):
    if image.channel_mask is None:
        return values
    return values[..., np.flatnonzero(~image.channel_mask)]


def _weighted(spectrum, weights):
    """Return a weighted sum of counts and its error, that of Poisson counts."""
    return float(spectrum @ weights), _root(float(spectrum @ weights**2))


def _root(variance):
    return float(np.sqrt(max(variance, 0.0)))


def _places_along(image, region, shape):
    """Return the pixels of a line, how far along it they are in pixels, and its ends."""
    pixels, along = positions_along(region, shape)
    ends = np.array(region["points"], dtype=float)
    if len(image.navigation_shape) == 1:  # there is no length across a line scan
        ends[:, 0] = 0.0
        along = ((pixels - ends[0])[:, 1] * np.sign(ends[1, 1] - ends[0, 1])).clip(0)
    return pixels, along, ends


def _length_of_step(image, ends):
    """Return how long a pixel along a line between two ends is, and the unit."""
    axes = image.navigation_axes
    units = {axis.unit for axis in axes}
    (unit,) = units if len(units) == 1 else ("",)
    if not unit or not all(axis.is_uniform for axis in axes):
        return 1.0, PIXELS
    steps = ends[1] - ends[0]
    scales = [0.0, *(abs(axis.scale) for axis in axes)][-2:]
    length = np.hypot(*steps)
    return (float(np.hypot(*(steps * scales)) / length) if length else 1.0), unit
