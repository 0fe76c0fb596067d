"""A decomposition with its image: spectra along the axis, maps of the shape of the map."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from endmember.core.estimators import CountsEstimator
from endmember.core.image import SpectrumImage
from endmember.core.record import Record
from endmember.core.sources import as_spectrum_image

HEADINGS = ("component", "counts", "share", "highest at")
CELL = "text-align:right;padding:0 .6em"


class Signals(NamedTuple):
    """Components and maps as HyperSpy signals; see :meth:`Decomposition.to_hyperspy`."""

    components: Any
    maps: Any


@dataclass(frozen=True, eq=False, repr=False)
class Decomposition:
    """An image as components and how much of each every pixel holds; :func:`decompose` makes it.

    Parameters
    ----------
    image : SpectrumImage
        What was decomposed.
    estimator : CountsEstimator
        The fitted estimator.
    scores : ndarray of shape (n_pixels, n_components)
        What each visible pixel holds of each component: ``scores @ components`` models the counts.

    Attributes
    ----------
    components : ndarray of shape (n_components, n_channels)
        Spectra in counts, along ``image.axis``.
    maps : ndarray of shape (*navigation_shape, n_components)
        The scores, folded; hidden pixels hold NaN.
    counts : ndarray of shape (n_components,)
        Counts that each component explains in the whole map. What a signed one takes away in
        some places does not cancel what it adds in others.
    record : Record
        What made it: counts, settings, versions.
    """

    image: SpectrumImage
    estimator: CountsEstimator
    scores: np.ndarray

    @property
    def components(self) -> np.ndarray:
        """Spectra in counts, along ``image.axis``."""
        return self.estimator.components_

    @property
    def maps(self) -> np.ndarray:
        """The scores as maps."""
        return self.image.fold(self.scores)

    @property
    def counts(self) -> np.ndarray:
        """Counts that each component explains in the whole map."""
        return self._amounts * np.nansum(np.abs(self.components), axis=1)

    @property
    def record(self) -> Record:
        """What made it."""
        return self.estimator.record_

    @property
    def _amounts(self):
        return np.nansum(np.abs(self.scores), axis=0)  # a pixel without any number holds NaN

    def denoised(self, pixels=None):
        """Return modelled counts, a row for each row of ``image.spectra``.

        Parameters
        ----------
        pixels : int, slice or array_like of int, optional
            Rows that are wanted (``image.pixel_row`` gives them). By default all, which takes the
            memory of a dense map in float64.

        Returns
        -------
        ndarray of shape (n_pixels, n_channels)
            Expected counts, or of shape (n_channels,) for a single pixel.
        """
        wanted = slice(None) if pixels is None else pixels
        return self.scores[wanted] @ self.components

    def to_hyperspy(self):
        """Return components and maps as HyperSpy signals, both in counts.

        A component is scaled to the counts that it explains in the whole map, so that what
        quantifies a spectrum can quantify it: integrals over its lines are counts, and nothing is
        taken for vacuum. A map holds the counts that its component explains in every pixel. The
        components of a model without negative values add up to the spectrum of the whole map.

        Returns
        -------
        components : signal
            Of the class of the image (such as eXSpy's EDSTEMSpectrum), with its signal axis and
            metadata, and a navigation axis named component. Hidden channels hold NaN; what is
            negative stays so.
        maps : signal
            With a navigation axis named component, and the axes of the map as signal axes. Hidden
            pixels hold NaN.
        """
        from endmember.core.hyperspy import components_to_signal, maps_to_signal

        components = self._amounts[:, None] * self.components
        maps = self.scores * np.nansum(np.abs(self.components), axis=1)
        return Signals(
            components_to_signal(self.image, components), maps_to_signal(self.image, maps)
        )

    def __repr__(self):
        pixels = " × ".join(map(str, self.image.navigation_shape))
        title = f"{self.image.title!r}, " if self.image.title else ""
        return (
            f"<Decomposition {title}{len(self.components)} components of {self._name}, "
            f"{pixels} pixels, {self.image.n_channels} channels>"
        )

    @property
    def _name(self):
        return type(self.estimator).__name__

    def _repr_html_(self):
        rows = "".join(
            "<tr>" + "".join(f"<td style='{CELL}'>{escape(cell)}</td>" for cell in row)
            for row in self._facts()
        )
        heads = "".join(f"<th style='{CELL}'>{escape(head)}</th>" for head in HEADINGS)
        return (
            f"<div class='endmember-decomposition'><div>{escape(repr(self)[1:-1])}</div>"
            f"<table><tr>{heads}</tr>{rows}</table></div>"
        )

    def _facts(self):
        """Return a row of text for each component."""
        image, counts = self.image, self.counts
        highest = image.axis[np.nanargmax(np.abs(self.components), axis=1)]
        shares = counts / max(counts.sum(), 1e-300)
        rows = zip(counts, shares, highest, strict=True)
        return [
            (f"{k}", f"{n:.4g}", f"{share:.1%}", f"{position:.4g} {image.unit}".strip())
            for k, (n, share, position) in enumerate(rows)
        ]


def decompose(image, estimator):
    """Decompose an image, and keep what was found together with the axes that it belongs to.

    Parameters
    ----------
    image : SpectrumImage, or what :func:`as_spectrum_image` takes
        Counts; hidden pixels and channels take no part.
    estimator : PCA, NMF, NFINDR, ICA or Varimax
        One that is not fitted is copied and fitted, and stays as it is. One that is fitted, to
        another recording of the same channels for instance, is used as it is.

    Returns
    -------
    Decomposition

    Examples
    --------
    >>> import endmember as em
    >>> scene = em.datasets.load("mixture")
    >>> result = em.decompose(scene.image, em.NMF(3))
    >>> result.components.shape, result.maps.shape
    ((3, 64), (32, 32, 3))
    >>> result
    <Decomposition 'mixture', 3 components of NMF, 32 × 32 pixels, 64 channels>
    """
    image = as_spectrum_image(image)
    if not isinstance(estimator, CountsEstimator):
        raise TypeError(
            f"estimator is {estimator!r}; pass one of this package with its settings, such as "
            "em.NMF(3)."
        )
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        estimator = clone(estimator).fit(image)
    return Decomposition(image, estimator, estimator.transform(image))
