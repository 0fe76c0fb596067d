"""What a rank selector knows, without a widget: numbers, settings and the code that makes them."""

from __future__ import annotations

import threading
import warnings
from functools import cached_property

import numpy as np
import traitlets as tl
from scipy.ndimage import uniform_filter

from endmember.core.pca import PCA
from endmember.core.products import marginals
from endmember.core.sources import as_spectrum_image
from endmember.datasets.scene import Scene
from endmember.widgets.pixels import check_inside
from endmember.widgets.rank_residuals import alike_everywhere, residual_values, words_of
from endmember.widgets.rank_votes import RankVotes
from endmember.widgets.regions import check_region, mask_of
from endmember.widgets.worker import Worker

MAX_RANK = 12  # as far as the handle goes; beyond it a scree is read from its numbers
N_BEYOND = 4  # components kept past the last rank, so that its residual has some to look at
N_PINS = 12  # pixels whose raw counts go with a page that has no kernel
WEIGHTINGS = ("biwhiten", "poisson")
RESIDUALS = ("leading", "all", "next")
SETTINGS = ("rank", "pixel", "region", "weighting", "residual", "beneath")


class RankState(tl.HasTraits):
    """A rank, a pixel, and the principal components that they choose from.

    Parameters
    ----------
    data : SpectrumImage, Scene, HyperSpy signal or array of shape (rows, columns, n_channels)
        Counts with one or two navigation axes.
    max_rank : int, default=12
        Highest rank to choose; turning it up keeps more components in memory.
    weighting : {"biwhiten", "poisson"}, default="biwhiten"
        Scaling of the noise; see :class:`PCA`. Where a map holds too few counts to be
        biwhitened, or falls into parts that share no channels, ``"poisson"`` is taken and
        `message` says so.

    Attributes
    ----------
    rank : int
        Chosen number of components; to begin with, those above the noise edge.
    pixel : tuple of int
        Row and column of the probed pixel.
    region : dict
        A region that is probed instead, as :class:`MapView` has it; empty for none.
    weighting, residual : str
        Scaling of the noise, and whether the residual is that of the next components
        (``"leading"``), of all channels (``"all"``), or the signed map of the next component alone
        (``"next"``).
    beneath : str
        Name of the image that is shown under the map, of those recorded alongside; empty for none.
    message : str
        What the scaling could not do, or nothing.
    alike : dict
        How alike neighbouring pixels of the residual are, once :meth:`measure` has found it: of
        each `residual` the :class:`Autocorrelation` for every rank from 1 up.
    votes : RankVotes
        What other rules say of the rank.
    """

    rank = tl.Int(1, min=1)
    pixel = tl.Tuple(tl.Int(), tl.Int(), default_value=(0, 0))
    hovered = tl.Tuple(tl.Int(), tl.Int(), allow_none=True, default_value=None)
    weighting = tl.Enum(WEIGHTINGS, "biwhiten")
    residual = tl.Enum(RESIDUALS, "leading")
    region = tl.Dict()
    beneath = tl.Unicode()
    status = tl.Enum(["idle", "running"], "idle")
    message = tl.Unicode()
    alike = tl.Dict()

    def __init__(self, data, *, max_rank=MAX_RANK, weighting="biwhiten"):
        self.image = image = checked_image(data, max_rank, weighting)
        self.shape = (1, *image.navigation_shape)[-2:]
        self.max_rank = int(min(max_rank, image.n_pixels, image.n_channels))
        self.worker = Worker()
        self._is_measuring = False
        self._lock = threading.RLock()
        self._fitted = {}
        super().__init__()
        self.votes = RankVotes(image, most=self.max_rank)
        self.weighting = weighting  # or the other one, where this one is refused
        self.rank = self.suggested_rank
        self.pixel = self._first_pixel()

    # what the components say

    @property
    def pca(self):
        """The fitted components under the present weighting."""
        return self._fit(self.weighting)

    @property
    def suggested_rank(self):
        """Components above the noise edge, as far as the handle goes."""
        return int(np.clip(self.pca.n_above_edge_, 1, self.max_rank))

    def factors(self):
        """Return the components over the whole map, hidden pixels as zeros.

        Returns
        -------
        dict
            ``axis`` (n_channels,) in its unit, float64; ``scores`` (n_components, n_map_pixels) in
            noise units, ``spectra`` (n_components, n_channels), ``heights`` (n_map_pixels,) counts
            for one noise unit, ``norms`` (n_map_pixels,) squared length in noise units, all
            float32; ``edge``, the noise edge; ``n_above``, how many components stand above it;
            ``n_channels``, how many channels took part.
        """
        pca = self.pca
        scores, norms = pca.noise_units(self.image.spectra)
        taken = pca.pixel_scale_ > 0
        heights = np.zeros_like(norms)
        heights[taken] = 1 / pca.pixel_scale_[taken]
        return {
            "axis": self.image.axis.astype(np.float64),
            "scores": self._over_map(scores).T.copy(),
            "spectra": pca.components_.astype(np.float32),
            "heights": self._over_map(heights),
            "norms": self._over_map(norms),
            "edge": pca.noise_edge_,
            "n_above": int(pca.n_above_edge_),
            "n_channels": int(np.count_nonzero(pca.channel_scale_)),
        }

    def residual_map(self):
        """Return what the rank leaves, noise being 1, as a map; NaN where nothing was fitted."""
        scores, norms = self.pca.noise_units(self.image.spectra)
        return self._residual_map(self.pca, scores, norms, self.rank, self.residual)

    def measure(self):
        """Find how alike neighbouring pixels of all residuals are, on a thread of its own.

        From now on this is done again for every other scaling; `alike` holds what was found.
        """
        pca, self._is_measuring = self.pca, True
        with self.worker.lock:
            self.alike = {}
            self.worker.start(lambda is_stopped: self._measure(pca, is_stopped))

    @property
    def is_measured(self):
        """Whether that was asked for."""
        return self._is_measuring

    def wait(self, seconds=None):
        """Wait until nothing is measured and no rule is asked; return whether that is so."""
        return self.worker.wait(seconds) and self.votes.wait(seconds)

    def residual_words(self):
        """Return what `alike` says of each residual and rank, in words."""
        return {
            kind: [
                words_of(found, kind, further)
                for found, further in zip(each, self.alike["next"], strict=True)
            ]
            for kind, each in self.alike.items()
        }

    def _measure(self, pca, is_stopped):
        scores, norms = pca.noise_units(self.image.spectra)

        def map_of(rank, residual):
            return self._residual_map(pca, scores, norms, rank, residual)

        found = alike_everywhere(map_of, self.max_rank, RESIDUALS, is_stopped)
        with self.worker.lock:
            if not is_stopped():
                self.alike = found

    def _residual_map(self, pca, scores, norms, rank, residual):
        left = residual_values(pca, scores, norms, rank, residual)
        return self.image.fold(left).reshape(self.shape)

    @property
    def probed(self):
        """Row and column of the pixel under the pointer, else of the chosen one."""
        return self.hovered or self.pixel

    @property
    def probed_region(self):
        """The region, where there is one and the pointer is not on the map; else empty."""
        return {} if self.hovered else self.region

    def region_mask(self):
        """Return which pixels the region holds, shape (rows, columns), hidden ones left out."""
        return mask_of(self.region, self.shape) & self._visible()

    def counts(self):
        """Return the raw counts of the probed pixel, or the mean of the region.

        Returns
        -------
        ndarray of shape (n_channels,)
            In counts a pixel. Of a region the pixels that took part, as in its model; where there
            are none, those that are visible; NaN where none is.
        """
        if not self.probed_region:
            return self.image.spectrum(*self._index(self.probed))
        rows = self._rows()
        taken = rows[self.pca.pixel_scale_[rows] > 0]
        rows = taken if taken.size else rows
        if rows.size == 0:
            return np.full(self.image.n_channels, np.nan)
        return marginals(self.image.spectra[rows])[1] / rows.size

    def pins(self, factors=None):
        """Return pixels worth a look, and their raw counts.

        Parameters
        ----------
        factors : dict, optional
            What :meth:`factors` returns, where it is known already.

        Returns
        -------
        pixels : list of tuple of int
            The first pixel, those where the components above the noise edge are strongest, either
            way, and others spread over the map: about a dozen, none of them hidden.
        counts : ndarray of shape (n_pixels, n_channels)
            Their raw counts.
        """
        extremes = self._extremes(factors or self.factors())
        pixels = list(dict.fromkeys([self._first_pixel(), *extremes, *self._spread()]))
        pixels = pixels[:N_PINS]
        return pixels, np.array([self.image.spectrum(*self._index(pixel)) for pixel in pixels])

    def model(self):
        """Return the model of the probed pixel, or its mean over the region, at the chosen rank.

        Returns
        -------
        ndarray of shape (n_channels,)
            In counts a pixel; NaN where pixels are hidden or took no part.
        """
        return self._model_of(slice(0, self.rank))

    def next_model(self):
        """Return what the next component would add to :meth:`model`, NaN where there is none."""
        return self._model_of(slice(self.rank, self.rank + 1))

    def reach(self):
        """Return the lowest and the highest of all curves of the region, at any rank, in counts.

        None where no region is probed, or nothing of it was fitted: pixels share one scale.
        """
        amounts = self._amounts() if self.probed_region else None
        if amounts is None:
            return None
        parts = amounts[:, None] * self.pca.components_
        ranks = range(1, min(self.max_rank, len(parts)) + 1)
        highest = max(self._model_of(slice(rank)).max() for rank in ranks)  # as they are drawn
        lowest = parts[1 : self.max_rank + 1].min(initial=0.0)
        return float(lowest), float(max(highest, self.counts().max()))

    def _model_of(self, components):
        amounts, chosen = self._amounts(), self.pca.components_[components]
        if amounts is None or len(chosen) == 0:
            return np.full(self.image.n_channels, np.nan)
        return amounts[components] @ chosen

    def _amounts(self):
        """Return the mean amount of each component in what is probed, None where nothing is."""
        rows = self._rows()
        rows = rows[self.pca.pixel_scale_[rows] > 0]
        if rows.size == 0:
            return None
        return self.pca.transform(self.image.spectra[rows]).mean(axis=0)

    def result(self):
        """Return the principal components at the chosen rank, as :meth:`to_code` makes them.

        Their ``record_`` says what made them.
        """
        return PCA(self.rank, weighting=self.weighting).fit(self.image)

    def to_code(self, rank=None):
        """Return the lines that make the same result without a widget.

        Parameters
        ----------
        rank : int or str, optional
            What to write for the rank instead of the chosen one.
        """
        return (
            "import endmember as em\n"
            "\n"
            f"image = {self.image.code}\n"
            f'pca = em.PCA({rank or self.rank}, weighting="{self.weighting}").fit(image)\n'
            "maps = image.fold(pca.transform(image))\n"
        )

    # settings

    def settings(self):
        """Return all settings, as JSON has them."""
        values = {name: getattr(self, name) for name in SETTINGS}
        return {**values, "pixel": list(self.pixel)}

    def restore(self, settings):
        """Take over what :meth:`settings` returned, or a part of it.

        Parameters
        ----------
        settings : dict
            A name or a value that cannot be is refused, and nothing set.
        """
        unknown = sorted(set(settings) - set(SETTINGS))
        if unknown:
            raise ValueError(f"settings hold {unknown}; these are known: {list(SETTINGS)}.")
        with self.hold_trait_notifications():
            for name, value in settings.items():
                setattr(self, name, tuple(value) if isinstance(value, list) else value)

    def check_rank(self, rank):
        """Return the rank, or say why it cannot be chosen."""
        if rank > self.max_rank:
            raise tl.TraitError(
                f"rank is {rank} but the handle goes to {self.max_rank}; make the selector with a "
                "higher max_rank."
            )
        return rank

    def check_pixel(self, pixel):
        """Return the pixel, or say why it is none of this map."""
        return check_inside(pixel, self.shape)

    @tl.validate("rank")
    def _is_rank(self, proposal):
        return self.check_rank(proposal["value"])

    @tl.validate("pixel", "hovered")
    def _is_pixel(self, proposal):
        return self.check_pixel(proposal["value"])

    @tl.validate("region")
    def _is_region(self, proposal):
        try:
            return check_region(proposal["value"])
        except ValueError as error:
            raise tl.TraitError(str(error)) from None

    @tl.validate("beneath")
    def _is_alongside(self, proposal):
        name, known = proposal["value"], list(self.image.companions)
        if name and name not in known:
            raise tl.TraitError(f"beneath is {name!r}; recorded alongside: {known or 'nothing'}.")
        return name

    @tl.observe("weighting")
    def _measure_again(self, _):
        if self._is_measuring:
            self.measure()

    @tl.validate("weighting")
    def _can_be_fitted(self, proposal):
        """Take Keenan-Kotula scaling where the other one cannot be had, and say why."""
        weighting = proposal["value"]
        try:
            self.message = self._words(self._fit(weighting))
        except ValueError as error:
            self.message = f"Keenan-Kotula scaling is shown: {error}"
            return "poisson"
        return weighting

    def _words(self, pca):
        """Say what is worth knowing of the counts under a scaling."""
        return " ".join(filter(None, [self._of_counts, self._left_out(pca)]))

    @cached_property
    def _of_counts(self):
        """Say that the counts were scaled after they were counted, where they were."""
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            PCA()._warn_of_scaling(self.image.spectra)
        return " ".join(str(one.message) for one in said)

    def _left_out(self, pca):
        """Say what the scaling could not take in, where that is worth knowing."""
        counts = marginals(self.image.spectra)[0]
        n_left = np.count_nonzero((pca.pixel_scale_ == 0) & (counts > 0))
        if n_left == 0:
            return ""
        share = counts[pca.pixel_scale_ == 0].sum() / counts.sum()
        return (
            f"{n_left} pixels with {share:.1%} of the counts could not be biwhitened and are left "
            "out, perhaps a rare phase of its own: compare with Keenan-Kotula scaling."
        )

    def _first_pixel(self):
        """Return the visible pixel nearest to the middle of the map."""
        middle = [n // 2 for n in self.shape]
        pixels = np.argwhere(self._visible())
        return _as_pixel(pixels[((pixels - middle) ** 2).sum(axis=1).argmin()])

    def _extremes(self, factors):
        """Yield the pixels where each component above the noise is strongest, over a few pixels."""
        visible = self._visible()
        scores = factors["scores"][: factors["n_above"]].reshape(-1, *self.shape)
        for component in scores:
            smooth = uniform_filter(component, 3, mode="nearest")
            for sign in (1, -1):
                at = np.where(visible, sign * smooth, -np.inf).argmax()
                yield _as_pixel(np.unravel_index(at, self.shape))

    def _spread(self):
        """Yield visible pixels one by one at even distances in the order of rows."""
        pixels = np.argwhere(self._visible())
        for at in np.linspace(0, len(pixels) - 1, N_PINS + 2).round().astype(int)[1:-1]:
            yield _as_pixel(pixels[at])

    def _visible(self):
        if self.image.mask is None:
            return np.ones(self.shape, dtype=bool)
        return ~self.image.mask.reshape(self.shape)

    def _fit(self, weighting):
        with self._lock:
            if weighting not in self._fitted:
                self.status = "running"
                n_kept = min(self.max_rank + N_BEYOND, self.image.n_pixels, self.image.n_channels)
                try:
                    pca = PCA(n_kept, weighting=weighting, solver="gram")
                    spectra = pca._check_spectra(self.image.spectra, reset=True)
                    pca._check_shape(spectra.shape)
                    pca._fit_within(spectra)  # no record of what is looked at: it takes a hash
                finally:
                    self.status = "idle"
                self._fitted[weighting] = pca
            return self._fitted[weighting]

    def _rows(self):
        """Return the rows of the counts of what is probed, hidden pixels left out."""
        if not self.probed_region:
            row = self.image.pixel_row(*self._index(self.probed))
            return np.array([] if row is None else [row], dtype=int)
        chosen = self.region_mask().ravel()
        return np.flatnonzero(
            chosen if self.image.mask is None else chosen[~self.image.mask.ravel()]
        )

    def _over_map(self, values):
        """Spread one row a visible pixel over the whole map, as float32."""
        if self.image.mask is None:
            return np.ascontiguousarray(values, dtype=np.float32)
        spread = np.zeros((self.image.mask.size, *values.shape[1:]), dtype=np.float32)
        spread[~self.image.mask.ravel()] = values
        return spread

    def _index(self, pixel):
        return pixel[-len(self.image.navigation_shape) :]


def checked_image(data, max_rank=MAX_RANK, weighting="biwhiten"):
    """Return data as a map in memory; refuse what is none, and settings that cannot be.

    Parameters
    ----------
    data, max_rank, weighting
        As :class:`RankState` takes them.

    Returns
    -------
    SpectrumImage
    """
    if not isinstance(max_rank, (int, np.integer)) or max_rank < 1:
        raise ValueError(f"max_rank is {max_rank!r}; pass a whole number from 1 up.")
    if weighting not in WEIGHTINGS:
        raise ValueError(f"weighting is {weighting!r}; choose one of {WEIGHTINGS}.")
    image = as_spectrum_image(data.image if isinstance(data, Scene) else data)
    if len(image.navigation_shape) > 2:
        raise ValueError(
            f"data have {len(image.navigation_shape)} navigation axes; a map has rows and "
            "columns. Choose one of them, for example em.SpectrumImage(counts[0], image.axis)."
        )
    return image.to_sparse() if image.is_lazy else image


def _as_pixel(index):
    return tuple(int(i) for i in index)
