"""The spectrum image: counts, what their indices mean, and what is known about them."""

from __future__ import annotations

import copy
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
import scipy.sparse as sp

from endmember.core import image_parts as parts
from endmember.core.binning import merge_blocks, merge_rows, sum_dtype, total
from endmember.core.blocks import row_blocks
from endmember.core.checks import is_dask


class SpectrumImage:
    """A map, line or tilt series that holds one spectrum in every pixel.

    Parameters
    ----------
    counts : array_like, scipy.sparse array or dask array
        Counts of shape ``(*navigation_shape, n_channels)``; sparse counts have shape
        ``(n_pixels, n_channels)``. NumPy and CSR counts are not copied where their form allows
        it, and never changed: the image holds read-only views.
    axis : array_like of shape (n_channels,) or em.Axis, optional
        Signal axis in `unit`, strictly rising or falling. By default the channel numbers,
        without a unit.
    name, unit : str, optional
        What the signal axis is, and its unit (keV, eV, nm, cm⁻¹). By default energy in keV; an
        em.Axis brings its own.
    mask : array_like of bool, shape `navigation_shape`, optional
        True hides a pixel, as in HyperSpy and ``numpy.ma``. What is hidden may hold anything,
        NaN included.
    channel_mask : array_like of bool, shape (n_channels,), optional
        True hides a channel.
    navigation_axes : sequence of em.Axis, optional
        One calibrated axis for each navigation dimension, in the order of the array: rows first.
        By default pixel numbers, without a unit.
    navigation_shape : tuple of int, optional
        Shape of the map when `counts` come as ``(n_pixels, n_channels)``, row after row.
    title : str
        What to call the data in a plot.
    metadata, original_metadata : dict, optional
        Trees of settings in HyperSpy's layout: beam energy, elements, detector.
    companions : dict of str to array_like, optional
        Images recorded alongside, such as the HAADF, each of shape `navigation_shape`.
    regions : dict of str to array_like of bool, optional
        Named selections of pixels, each of shape `navigation_shape`.

    Attributes
    ----------
    spectra : array of shape (n_pixels, n_channels)
        The visible counts, unfolded: what estimators take.
    axis : ndarray of shape (n_channels,)
        The signal axis of `spectra`.
    code : str
        The expression that makes this image again.
    steps : tuple of dict
        What was done to the counts since they were loaded, as records hold it: ``name`` and
        ``parameters`` of every step.

    Examples
    --------
    >>> import numpy as np, endmember as em
    >>> counts = np.random.default_rng(0).poisson(2.0, size=(4, 5, 6))
    >>> image = em.SpectrumImage(counts, np.linspace(1, 2, 6), title="noise")
    >>> image.spectra.shape, image.map((1.0, 1.2)).shape
    ((20, 6), (4, 5))
    """

    def __init__(
        self,
        counts,
        axis=None,
        *,
        name=None,
        unit=None,
        mask=None,
        channel_mask=None,
        navigation_axes=None,
        navigation_shape=None,
        title="",
        metadata=None,
        original_metadata=None,
        companions=None,
        regions=None,
    ):
        counts = parts.as_counts(counts)
        shape = parts.as_navigation_shape(counts, navigation_shape)
        self._n_all = counts.shape[-1]
        self.navigation_shape = shape
        self.signal_axis = parts.as_signal_axis(axis, self._n_all, name, unit)
        self.navigation_axes = parts.as_navigation_axes(navigation_axes, shape)
        self.mask = parts.as_mask(mask, shape, "mask", "pixel")
        self.channel_mask = parts.as_mask(channel_mask, (self._n_all,), "channel_mask", "channel")
        self.title = str(title)
        self.metadata = copy.deepcopy(metadata) if metadata else {}
        self.original_metadata = copy.deepcopy(original_metadata) if original_metadata else {}
        self.companions = parts.as_images(companions, shape, "companions", None)
        self.regions = parts.as_images(regions, shape, "regions", bool)
        self.code = parts.call(
            "em.SpectrumImage(counts)",
            axis=axis is not None,
            name=name is not None,
            unit=unit is not None,
            mask=mask is not None,
            channel_mask=channel_mask is not None,
            navigation_shape=navigation_shape is not None,
        )
        self.steps: tuple[dict, ...] = ()
        self._origin = None
        self._flat = counts if counts.ndim == 2 else counts.reshape(-1, self._n_all)
        parts.check_content(self)

    # what it holds

    @property
    def counts(self):
        """All counts: ``(*navigation_shape, n_channels)``, or the flat CSR array."""
        if sp.issparse(self._flat):
            return self._flat
        return self._flat.reshape(*self.navigation_shape, self._n_all)

    @cached_property
    def spectra(self):
        """Visible counts, ``(n_pixels, n_channels)``: dense, CSR or dask as they came."""
        visible = self._flat
        if is_dask(visible):
            visible = visible.rechunk({0: "auto", 1: -1})
        if self.mask is not None:
            visible = visible[np.flatnonzero(~self.mask.ravel())]
        if self.channel_mask is not None:
            visible = visible[:, np.flatnonzero(~self.channel_mask)]
        return visible

    @property
    def axis(self):
        """Values of the signal axis at the visible channels, in `unit`."""
        values = self.signal_axis.values
        return values if self.channel_mask is None else values[~self.channel_mask]

    @property
    def name(self):
        """Name of the signal axis."""
        return self.signal_axis.name

    @property
    def unit(self):
        """Unit of the signal axis."""
        return self.signal_axis.unit

    @property
    def shape(self):
        """``(*navigation_shape, n_channels)`` of all counts, hidden ones included."""
        return (*self.navigation_shape, self._n_all)

    @property
    def n_pixels(self):
        """Number of visible pixels: the rows of `spectra`."""
        return prod(self.navigation_shape) - (0 if self.mask is None else int(self.mask.sum()))

    @property
    def n_channels(self):
        """Number of visible channels: the columns of `spectra`."""
        return self._n_all - (0 if self.channel_mask is None else int(self.channel_mask.sum()))

    @property
    def is_sparse(self):
        """Whether the counts are a CSR array."""
        return sp.issparse(self._flat)

    @property
    def is_lazy(self):
        """Whether the counts are a dask array, computed when they are needed."""
        return is_dask(self._flat)

    @property
    def origin(self):
        """How the image was loaded, before all `steps`: code, shape, what was hidden, and unit."""
        if self._origin is not None:
            return self._origin
        hidden = [0 if m is None else int(m.sum()) for m in (self.mask, self.channel_mask)]
        shape = list(self.shape)
        return {"code": self.code, "shape": shape, "hidden": hidden, "unit": self.unit}

    @property
    def nbytes(self):
        """Memory of the counts as they are stored, in bytes; of a lazy image, once loaded."""
        flat = self._flat
        if sp.issparse(flat):
            return flat.data.nbytes + flat.indices.nbytes + flat.indptr.nbytes
        return int(flat.nbytes)

    # from rows to maps and back

    def fold(self, values):
        """Turn per-pixel results back into maps.

        Parameters
        ----------
        values : array_like of shape (n_pixels, ...)
            One row for each row of `spectra`.

        Returns
        -------
        ndarray of shape (*navigation_shape, ...)
            Hidden pixels hold NaN. Where there are any, integers and booleans become float64;
            real and complex values keep their dtype.
        """
        values = np.asarray(values)
        if values.ndim == 0 or values.shape[0] != self.n_pixels:
            raise ValueError(
                f"values have shape {values.shape} but the image has {self.n_pixels} visible "
                "pixels; pass one row for each row of image.spectra."
            )
        if self.mask is None:
            return values.reshape(*self.navigation_shape, *values.shape[1:])
        kind = values.dtype if values.dtype.kind in "fc" else np.float64
        folded = np.full((*self.navigation_shape, *values.shape[1:]), np.nan, dtype=kind)
        folded[~self.mask] = values
        return folded

    def pixel_row(self, *pixel):
        """Return the row of `spectra` that holds `pixel`, or None where it is hidden.

        Parameters
        ----------
        *pixel : int
            One index for each navigation axis, rows first, as in NumPy.
        """
        flat = parts.check_pixel(pixel, self.navigation_shape)
        if self.mask is None:
            return flat
        hidden = self.mask.ravel()
        return None if hidden[flat] else flat - int(hidden[:flat].sum())

    def spectrum(self, *pixel):
        """Return the visible counts of one pixel as a 1-D array, whatever the mask says."""
        flat = parts.check_pixel(pixel, self.navigation_shape)
        row = self._flat[[flat]]
        row = row.toarray() if sp.issparse(row) else np.asarray(row)
        return row[0] if self.channel_mask is None else row[0][~self.channel_mask]

    # sums

    def sum_spectrum(self, region=None):
        """Add up the visible pixels, or those of a named region.

        Parameters
        ----------
        region : str or array_like of bool, optional
            A name from `regions`, or a selection of shape `navigation_shape`.

        Returns
        -------
        ndarray of shape (n_channels,)
            Counts along `axis`.
        """
        spectra = self.spectra
        if region is not None:
            spectra = spectra[np.flatnonzero(self._selection(region))]
        return total(spectra, axis=0)

    def map(self, window):
        """Add up the counts in a window of the signal axis.

        Parameters
        ----------
        window : tuple of float
            Lower and upper end, in the unit of the axis, both included.

        Returns
        -------
        ndarray of shape `navigation_shape`
            Counts of the visible channels in the window; hidden pixels hold NaN.

        Examples
        --------
        >>> import endmember as em
        >>> image = em.datasets.load("diamond_anvil_71gpa")
        >>> iron = image.map((6.2, 6.6))
        """
        low, high = parts.check_window(window)
        keep = self.signal_axis.window(low, high)
        inside = np.zeros(self._n_all, dtype=bool)
        inside[keep] = True
        if self.channel_mask is not None:
            inside = inside[~self.channel_mask]
        if not inside.any():
            raise ValueError(
                f"window {(low, high)} {self.unit} holds hidden channels only; choose another one, "
                "or make the image with a channel_mask that leaves these visible."
            )
        return self.fold(total(self.spectra[:, np.flatnonzero(inside)], axis=1))

    def _selection(self, region):
        if isinstance(region, str):
            if region not in self.regions:
                raise KeyError(f"no region {region!r}; this image has {sorted(self.regions)}.")
            region = self.regions[region]
        chosen = np.asarray(region)
        if chosen.dtype != bool or chosen.shape != self.navigation_shape:
            raise ValueError(
                f"region must be bool of shape {self.navigation_shape}, got {chosen.dtype} of "
                f"shape {chosen.shape}."
            )
        return chosen.ravel() if self.mask is None else chosen[~self.mask]

    # smaller images

    def crop(self, window=None, *, region=None):
        """Keep a window of the signal axis, a block of pixels, or both.

        Parameters
        ----------
        window : tuple of float, optional
            Lower and upper end in the unit of the signal axis, both included.
        region : sequence of (start, stop), optional
            One pair of indices for each navigation axis, rows first; `stop` is left out.

        Returns
        -------
        SpectrumImage
        """
        channels = slice(0, self._n_all)
        steps = []
        if window is not None:
            window = parts.check_window(window)
            channels = self.signal_axis.window(*window)
            steps.append(repr(window))
        blocks = parts.check_region(region, self.navigation_shape)
        kept: dict[str, Any] = {} if window is None else {"window": list(window)}
        if region is not None:
            kept["region"] = [[b.start, b.stop] for b in blocks]
            steps.append(f"region={tuple((b.start, b.stop) for b in blocks)}")
        mask = None if self.mask is None else self.mask[blocks]
        lost = None if self.channel_mask is None else self.channel_mask[channels]
        n_kept = prod(b.stop - b.start for b in blocks), channels.stop - channels.start
        parts.check_enough(n_kept, (mask, lost), f"crop({', '.join(steps)})")
        axes = [a.crop(b.start, b.stop) for a, b in zip(self.navigation_axes, blocks, strict=True)]
        if sp.issparse(self._flat):
            rows = np.arange(self._flat.shape[0]).reshape(self.navigation_shape)[blocks]
            counts = self._flat[rows.ravel()][:, channels]
        else:
            counts = self.counts[(*blocks, channels)]
        return self._derived(
            counts,
            self.signal_axis.crop(channels.start, channels.stop),
            axes,
            mask=mask,
            channel_mask=lost,
            companions={k: v[blocks] for k, v in self.companions.items()},
            regions={k: v[blocks] for k, v in self.regions.items()},
            step=f"crop({', '.join(steps)})",
            done=parts.done("crop", **kept),
        )

    def rebin(self, channels=1, pixels=1):
        """Add up neighbouring channels, neighbouring pixels, or both.

        A rest that fills no bin is left out. A bin with a hidden part is hidden.

        Parameters
        ----------
        channels : int, default=1
            Channels in a bin; turning it up trades resolution for counts.
        pixels : int or sequence of int, default=1
            Pixels in a bin along every navigation axis, or one number for each, rows first.

        Returns
        -------
        SpectrumImage
        """
        factors = parts.check_factors(channels, pixels, self.shape)
        *blocks, width = factors
        mask = None if self.mask is None else merge_blocks(self.mask, blocks, np.any)
        lost = self.channel_mask
        lost = None if lost is None else merge_blocks(lost, [width], np.any)
        axes = [a.rebin(f) for a, f in zip(self.navigation_axes, blocks, strict=True)]
        shape = tuple(len(a) for a in axes)
        step = f"rebin(channels={width}, pixels={tuple(blocks)})"
        parts.check_enough((prod(shape), self._n_all // width), (mask, lost), step)
        dtype = sum_dtype(self._flat, prod(factors))
        if sp.issparse(self._flat):
            merge = merge_rows(self.navigation_shape, blocks)
            spread = merge_rows((self._n_all,), [width])
            counts = sp.csr_array(merge @ self._flat.astype(dtype) @ spread.T).astype(dtype)
        else:
            counts = merge_blocks(self.counts, factors, np.sum, dtype=dtype)
        return self._derived(
            counts,
            self.signal_axis.rebin(width),
            axes,
            shape=shape,
            mask=mask,
            channel_mask=lost,
            companions={k: merge_blocks(v, blocks, np.mean) for k, v in self.companions.items()},
            regions={k: merge_blocks(v, blocks, np.all) for k, v in self.regions.items()},
            step=step,
            done=parts.done("rebin", channels=width, pixels=list(blocks)),
        )

    def _derived(
        self, counts, signal_axis, navigation_axes, *, step, done=None, shape=None, **kept
    ):
        flat_shape = tuple(len(a) for a in navigation_axes) if shape is None else shape
        image = SpectrumImage(
            counts,
            signal_axis,
            navigation_axes=navigation_axes,
            navigation_shape=flat_shape if sp.issparse(counts) else None,
            title=self.title,
            metadata=self.metadata,
            original_metadata=self.original_metadata,
            **kept,
        )
        image.code = f"{self.code}.{step}"
        image.steps = self.steps if done is None else (*self.steps, done)
        image._origin = self.origin
        return image

    # other forms

    def to_sparse(self):
        """Return the same image with its counts as a CSR array."""
        if self.is_sparse:
            return self
        if self.is_lazy:
            blocks = [sp.csr_array(block) for block in self.spectra_blocks(hidden=True)]
            flat = sp.vstack(blocks, format="csr")
        else:
            flat = sp.csr_array(self._flat)
        return self._with(flat, "to_sparse()")

    def to_dense(self):
        """Return the same image with its counts as one NumPy array in memory."""
        if self.is_sparse:
            return self._with(self._flat.toarray().reshape(self.shape), "to_dense()")
        if self.is_lazy:
            return self._with(np.asarray(self.counts), "to_dense()")
        return self

    def spectra_blocks(self, *, hidden=False):
        """Yield `spectra` in blocks of rows, each a NumPy or CSR array in memory.

        Parameters
        ----------
        hidden : bool, default=False
            Yield every pixel and channel, those behind the masks included.
        """
        yield from row_blocks(self._flat if hidden else self.spectra, check=not hidden)

    def with_counts(self, counts, *, code=None, done=None):
        """Return the same image holding other counts: denoised, thinned or simulated ones.

        Parameters
        ----------
        counts : array_like, scipy.sparse array or dask array
            Counts of the shape of the present ones.
        code : str, optional
            The expression that makes them, for `code`.
        done : dict, optional
            ``name`` and ``parameters`` of what made them, for `steps`.
        """
        done = parts.done("with_counts") if done is None else done
        image = self._with(counts, "with_counts(counts)", done)
        if code is not None:
            image.code = code
        return image

    def _with(self, counts, step, done=None):
        return self._derived(
            counts,
            self.signal_axis,
            self.navigation_axes,
            mask=self.mask,
            channel_mask=self.channel_mask,
            companions=self.companions,
            regions=self.regions,
            step=step,
            done=done,
        )

    def to_hyperspy(self):
        """Return the image as a HyperSpy signal, lazy where the image is.

        Axes, units, metadata and original metadata are those of the image; masks, companion
        images and regions travel in ``metadata.endmember`` and come back with
        :func:`as_spectrum_image`, as long as the axes that they belong to stay as they are. A CSR
        image becomes dense.
        """
        from endmember.core.hyperspy import to_signal

        return to_signal(self)

    def __repr__(self):
        form = "CSR" if self.is_sparse else "dask" if self.is_lazy else "dense"
        title = f"{self.title!r}, " if self.title else ""
        pixels = " × ".join(map(str, self.navigation_shape))
        return (
            f"<SpectrumImage {title}{pixels} pixels, {self._n_all} channels, "
            f"{form} {self._flat.dtype}>"
        )

    def _repr_html_(self):
        from endmember.core.html import image_html

        return image_html(self)
