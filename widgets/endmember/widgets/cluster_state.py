"""What a cluster tuner knows, without a widget: clusters, what speaks for them, and the code."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import traitlets as tl

from endmember.core.cluster_features import KINDS
from endmember.core.cluster_recipe import (
    ALGORITHMS,
    NORMALISATIONS,
    recipe_code,
    recipe_of,
    tuned,
)
from endmember.core.image import SpectrumImage
from endmember.core.label_maps import align_labels
from endmember.core.line_maps import line_maps
from endmember.core.progress import CancelledError
from endmember.core.sources import as_spectrum_image
from endmember.core.tuned_clusters import default_names, map_csv, ratio_rows, spectra_csv
from endmember.datasets.scene import Scene
from endmember.widgets.cluster_ladder import ON_REQUEST, Ladder
from endmember.widgets.cluster_plane import Plane
from endmember.widgets.pixels import check_inside
from endmember.widgets.regions import check_region, mask_of
from endmember.widgets.worker import Worker

MAX_K = 8  # colours that everybody can tell apart
MANY_CHANNELS = 16  # beyond, clusters of raw channels are mostly noise
N_KEPT = 4  # results of other settings, to come back to at once
MOST_NAMED = 24  # features to choose a plane from
OFTEN = 0.1  # seconds between words of progress
RECIPE = ("features", "n_components", "normalisation", "algorithm", "seed", "held_out")
SETTINGS = (*RECIPE, "k", "min_area", "criterion", "ratio", "plane_axes", "pixel", "names")
CRITERIA = ("inertia", "silhouette", *ON_REQUEST)


class ClusterState(tl.HasTraits):
    """Clusters of a map for every number of them, and the settings that they follow from.

    Clusters are found on a thread of its own; :meth:`wait` waits for them.

    Parameters
    ----------
    data : SpectrumImage, Scene, HyperSpy signal or array of shape (rows, columns, n_channels)
        Counts with one or two navigation axes; of a scene its image.
    lines : sequence of str, or dict of str to (float, float), optional
        X-ray lines or windows, as :func:`line_maps` takes them; by default those in the metadata.
    max_k : int, default=8
        Largest number of clusters; turning it up takes longer before all of them are known. There
        are colours for eight.
    compute : bool, default=True
        Whether to begin at once; otherwise :meth:`compute` does.

    Attributes
    ----------
    k : int
        Chosen number of clusters.
    features, n_components, normalisation, algorithm, seed, held_out
        What clusters follow from; a change begins anew.
    min_area : int
        Pixels that an area must have to stay.
    names : list of str
        Names of the clusters, `max_k` of them. Where other settings find other clusters, names
        that somebody gave stay with those that hold most of the same pixels.
    status : {"idle", "running", "stale", "error"}
        Whether what is shown follows from the settings.
    message : str
        What went wrong, or what is worth knowing.
    """

    k = tl.Int(2, min=1)
    features = tl.Enum(KINDS, "lines")
    n_components = tl.Int(3, min=1, max=20)
    normalisation = tl.Enum(NORMALISATIONS, "none")
    algorithm = tl.Enum(ALGORITHMS, "k-means")
    seed = tl.Int(0, min=0, max=2**31 - 1)
    held_out = tl.Bool(False)
    min_area = tl.Int(1, min=1)
    criterion = tl.Enum(CRITERIA, "silhouette")
    ratio = tl.Tuple(tl.Unicode(), tl.Unicode(), allow_none=True, default_value=None)
    plane_axes = tl.Tuple(tl.Int(min=0), tl.Int(min=0), allow_none=True, default_value=None)
    names = tl.List(tl.Unicode())
    pixel = tl.Tuple(tl.Int(), tl.Int(), default_value=(0, 0))
    hovered = tl.Tuple(tl.Int(), tl.Int(), allow_none=True, default_value=None)
    region = tl.Dict()
    plane_region = tl.Dict()
    status = tl.Enum(["idle", "running", "stale", "error"], "stale")
    message = tl.Unicode()
    progress = tl.Float(0.0, min=0.0, max=1.0)
    seconds_left = tl.Float(allow_none=True, default_value=None)
    version = tl.Int(0)  # rises with everything that is found

    def __init__(self, data, *, lines=None, max_k=MAX_K, compute=True):
        self.image = as_map(data)
        self.marked = None
        if not isinstance(max_k, (int, np.integer)) or not 1 <= max_k <= MAX_K:
            raise ValueError(f"max_k is {max_k!r}; pass a whole number from 1 to {MAX_K}.")
        self.shape = (1, *self.image.navigation_shape)[-2:]
        self.max_k = int(min(max_k, self.image.n_pixels))
        self.lines, ratio = known_lines(self.image, lines)
        self.worker = Worker()
        self._ladders: dict = {}
        self._ladder = None
        self._shown = (0, 1)  # number of clusters and smallest area of what is shown
        self._named = None  # the recipe of the clusters that the names are of
        self._is_held = True
        super().__init__()
        self.set_trait("k", min(2, self.max_k))
        self.set_trait("features", self._first_features())
        self.set_trait("ratio", ratio)
        self.set_trait("names", default_names(self.max_k))
        self.set_trait("pixel", tuple(int(n // 2) for n in self.shape))
        self._is_held = False
        if compute:
            self.compute()

    # what the settings say

    @property
    def recipe(self):
        """What clusters follow from, as set now."""
        return recipe_of(lines=self.lines, **{name: getattr(self, name) for name in RECIPE})

    @property
    def line_names(self):
        """Names of the lines, for ratios."""
        return [line if isinstance(line, str) else line[0] for line in self.lines]

    def to_code(self):
        """Return the lines that make the same clusters without a widget."""
        ladder, recipe = self._ladder, self.recipe
        k = self.k
        if ladder is not None and ladder.recipe == recipe:
            k, _ = self._wanted(ladder)
        return self._code(k)

    def _code(self, k):
        imports, steps = recipe_code(self.image, self.recipe, k, self.min_area, self.names[:k])
        return "\n".join([*imports, "", f"image = {self.image.code}", *steps, ""])

    def settings(self):
        """Return all settings, as JSON has them."""
        values = {name: getattr(self, name) for name in SETTINGS}
        return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}

    def restore(self, settings):
        """Take over what :meth:`settings` returned, and begin anew where that is needed.

        Parameters
        ----------
        settings : dict
            Some of the settings or all of them; a name that is none is refused, and nothing set.
        """
        unknown = sorted(set(settings) - set(SETTINGS))
        if unknown:
            raise ValueError(f"settings hold {unknown}; these are known: {list(SETTINGS)}.")
        with self._together(), self.hold_trait_notifications():
            for name, value in settings.items():
                is_pair = isinstance(value, list) and name != "names"
                setattr(self, name, tuple(value) if is_pair else value)
        if "names" in settings:
            self._named = self.recipe

    # work

    def compute(self):
        """Find the clusters that the settings ask for, on a thread of its own."""
        recipe, criterion = self.recipe, self.criterion
        with self.worker.lock:
            self.status, self.message = "running", ""
            self.progress, self.seconds_left = 0.0, None
            self.worker.start(_Job(self, recipe, criterion))

    def cancel(self):
        """Stop at once; what was found so far is kept, and :meth:`compute` goes on from there."""
        with self.worker.lock:
            if self.status == "running":
                self.worker.cancel()
                self.seconds_left = None
                self.status = "stale"
                self.message = "Cancelled: compute goes on from here."

    def wait(self, seconds=None):
        """Wait until nothing runs; return whether that is so."""
        return self.worker.wait(seconds)

    # what was found

    @property
    def ladder(self):
        """The clusters that are shown: of the settings, or of earlier ones while these run."""
        return self._ladder

    @property
    def shown_k(self):
        """The number of clusters that is shown: `k`, fewer where there are no more, 0 before.

        While the map of another `k` or `min_area` is being made, the one before.
        """
        return self._shown[0]

    def label_map(self):
        """Return the cluster of every pixel, shape (rows, columns); -1 where it is hidden.

        As all arrays that are shown it cannot be written to; :meth:`result` returns copies.
        """
        return sealed(self._found().label_map(*self._shown))

    def mean_spectra(self):
        """Return the mean spectra of the clusters, of held-out counts where these judge."""
        return each_array(sealed, self._found().means(*self._shown))

    @property
    def shown_min_area(self):
        """The smallest area on the map that is shown."""
        return self._shown[1]

    def made_ks(self):
        """Return for which numbers of clusters maps and spectra are made."""
        ladder = self._found()
        ks = range(1, ladder.n_found + 1)
        return [k for k in ks if ladder.holds(k, self._shown[1])]

    def shown_names(self):
        """Return the names of the clusters that are shown."""
        return self.names[: self.shown_k]

    def steps_up(self):
        """Return the maps and the mean spectra for 1, 2, ... clusters.

        Returns
        -------
        maps : list of ndarray of int, shape (rows, columns), or None
            Clusters, -1 where pixels are hidden; None where a map is not made yet.
        spectra : list of MeanSpectra or None
            Those of every map.
        """
        ladder, min_area = self._found(), self._shown[1]
        made, ks = set(self.made_ks()), range(1, ladder.n_found + 1)
        maps = [sealed(ladder.label_map(k, min_area)) if k in made else None for k in ks]
        means = [ladder.means(k, min_area) if k in made else None for k in ks]
        return maps, [found and each_array(sealed, found) for found in means]

    def curve(self):
        """Return the chosen criterion for k = 1, 2, ...: values, errors, and the k it prefers."""
        values, errors, best = self._found().curve(self.criterion)
        return sealed(values), sealed(errors), best

    def silhouettes(self):
        """Return the silhouettes of every cluster, highest first; none where there is one."""
        return self._found().silhouettes_of(self.shown_k)

    def ratios(self):
        """Return a dictionary for each cluster, its ratio of two lines with the counting error.

        Returns
        -------
        list of dict
            ``cluster``, ``n_pixels``, and of each kind of counts ``(ratio, error)``: ``clustered``
            are the counts that clusters were found on, ``held_out`` the others, or None.
        """
        return self.ratios_of(self.shown_k)

    def ratios_of(self, k):
        """Return the same for another number of clusters."""
        ladder = self._found()
        labels, counted = ladder.label_map(k, self._shown[1]), None
        if self.ratio is not None:
            counted = ladder.line_counts()
        return ratio_rows(labels, k, counted, self.ratio, held_out=ladder.recipe.held_out)

    def feature_names(self):
        """Return the names of the features, in their order."""
        recipe = self._ladder.recipe if self._ladder else self.recipe
        if recipe.features == "pca":
            return [f"component {k + 1}" for k in range(recipe.n_components)]
        if recipe.given():
            return self.line_names
        unit = self.image.unit
        return [f"{value:.4g} {unit}".strip() for value in self.image.axis]

    def feature_unit(self):
        """Return the unit of the features, empty where they have none."""
        recipe = self._ladder.recipe if self._ladder else self.recipe
        if recipe.normalisation == "spread":
            return "standard deviations"
        units = {"raw": "counts", "lines": "counts", "pca": "× noise"}
        return units.get(recipe.features, "") if recipe.normalisation == "none" else ""

    def plane_names(self):
        """Return the features that a plane can be made of: position by name, the widest first."""
        names, n_rows = self.feature_names(), self._found().rows.shape[1]
        if n_rows <= MOST_NAMED:
            return {name: i for i, name in enumerate(names[:n_rows])}
        return {names[i]: int(i) for i in np.sort(self._found().widest()[:MOST_NAMED])}

    def plane(self, k=None):
        """Return two of the features against each other, a :class:`Plane`, for `k` clusters."""
        ladder = self._found()
        across, up = (ladder.steps(i) for i in self.axes())
        return Plane(across, up, ladder.labels[(k or self.shown_k) - 1], self._visible())

    def axes(self):
        """Return the positions of the two features of the plane: as set, or the widest two."""
        offered = list(self.plane_names().values())
        if self.plane_axes and set(self.plane_axes) <= set(offered):
            return self.plane_axes
        widest = sorted(int(i) for i in self._found().widest()[:2])
        return widest[0], widest[-1]

    def plane_titles(self):
        """Return the names of the two features, across and up."""
        names = self.feature_names()
        return tuple(names[i] for i in self.axes())

    def chosen(self):
        """Return which pixels the region holds, on the map or in the plane; None without one."""
        if self.region:
            return mask_of(self.region, self.shape) & self._visible()
        if self.plane_region and self._ladder:
            return self.plane().pixels_in(self.plane_region)
        return None if self.marked is None else self.marked & self._visible()

    def mark(self, mask):
        """Choose pixels that have no outline, until a region is drawn; None for none of them."""
        if mask is not None:
            self.region = self.plane_region = {}
        self.marked = None if mask is None else np.asarray(mask, dtype=bool).reshape(self.shape)

    @property
    def probed(self):
        """The pixel whose counts are shown: the one under the pointer, else the chosen one."""
        return self.hovered or self.pixel

    def chosen_spectrum(self):
        """Return the mean spectrum of the chosen pixels, else the counts of the pixel.

        Of held-out counts where these judge, as all mean spectra are; of the pixel under the
        pointer, where there is one.
        """
        image = self._ladder.judged if self._ladder else self.image
        chosen = self.chosen()
        if chosen is None or not chosen.any():
            return image.spectrum(*self.probed[-len(image.navigation_shape) :])
        region = chosen.reshape(image.navigation_shape)
        return image.sum_spectrum(region) / np.count_nonzero(chosen)

    def map_text(self):
        """Return the map that is shown as a table, a line for each pixel, as CSV has it."""
        return map_csv(self.label_map(), self.names)

    def spectra_text(self):
        """Return the mean spectra that are shown as a table, as CSV has it."""
        return spectra_csv(self.image, self.mean_spectra(), self.names)

    def codes(self):
        """Return the code for 1, 2, ... clusters, as far as they are found and of the settings."""
        if self._ladder is None or self._ladder.recipe != self.recipe:
            return []
        return [self._code(k) for k in range(1, self._ladder.n_found + 1)]

    def result(self):
        """Wait for the clusters that the settings ask for, and return them.

        Raises
        ------
        RuntimeError
            Where there are none: in the words that the widget shows.
        """
        self.wait()
        with self.worker.lock:
            if self.status in ("error", "stale"):
                raise RuntimeError(
                    f"there are no clusters of these settings: {self.message or 'compute() them.'}"
                )
            ladder = self._found()
            return tuned(
                self.image,
                ladder.recipe,
                model=copy.deepcopy(ladder.model(self.shown_k)),
                labels=self.label_map().copy(),
                spectra=each_array(np.copy, self.mean_spectra()),
                ratios=self.ratios(),
                settings=self._made_by(),
            )

    def _made_by(self):
        """Return the settings that follow the clusters, as records keep them."""
        k, min_area = self._shown
        ratio = None if self.ratio is None else list(self.ratio)
        return {"k": k, "min_area": min_area, "ratio": ratio, "names": self.shown_names()}

    # settings

    def check_k(self, k):
        """Return the number of clusters, or say why it cannot be chosen."""
        if k > self.max_k:
            raise tl.TraitError(
                f"k is {k} but the largest is {self.max_k}, for {self.image.n_pixels} pixels and "
                f"{MAX_K} colours; choose fewer."
            )
        return k

    @tl.validate("k")
    def _is_k(self, proposal):
        return self.check_k(proposal["value"])

    @tl.validate("names")
    def _are_names(self, proposal):
        """Fill in the names that nobody gave."""
        given = [name.strip() for name in proposal["value"]]
        if len(given) > self.max_k:
            raise tl.TraitError(
                f"names are {len(given)}, but there are at most {self.max_k} clusters."
            )
        others = default_names(self.max_k)
        return [name or others[i] for i, name in enumerate(given)] + others[len(given) :]

    @tl.observe("names")
    def _named_now(self, _=None):
        if self._ladder is not None:
            self._named = self._ladder.recipe

    @tl.validate("pixel", "hovered")
    def _is_pixel(self, proposal):
        return check_inside(proposal["value"], self.shape)

    @tl.validate("region", "plane_region")
    def _is_region(self, proposal):
        try:
            return check_region(proposal["value"])
        except ValueError as error:
            raise tl.TraitError(str(error)) from None

    @tl.validate("ratio")
    def _are_lines(self, proposal):
        ratio = proposal["value"]
        if ratio is not None and not set(ratio) <= set(self.line_names):
            raise tl.TraitError(f"ratio is {ratio}; choose two of {self.line_names}.")
        return ratio

    @tl.observe(*RECIPE, "criterion")
    def _begin(self, change):
        if self._is_held:
            return
        if change["name"] == "criterion" and not self._is_missing():
            self.version += 1
            return
        self.compute()

    @tl.observe("k", "min_area")
    def _look_up(self, _=None):
        """Show what is there; what is not there yet is made first of all."""
        ladder = self._ladder
        if self._is_held:
            return
        if ladder is not None and ladder.holds(*self._wanted(ladder)):
            self.show(ladder)
        else:
            self.compute()

    def _wanted(self, ladder):
        k = self.k if self.k <= ladder.n_found or not ladder.is_whole else ladder.n_found
        return k, self.min_area

    @tl.observe("region")
    def _on_map(self, change):
        if change["new"]:
            self.plane_region, self.marked = {}, None

    @tl.observe("plane_region")
    def _in_plane(self, change):
        if change["new"]:
            self.region, self.marked = {}, None

    @contextmanager
    def _together(self):
        """Begin once after many changes, where one of them asks for it."""
        before, self._is_held = (self.recipe, self.criterion), True
        try:
            yield
        finally:
            self._is_held = False
        if (self.recipe, self.criterion) != before:
            self.compute()
        else:
            self._look_up()

    def _is_missing(self):
        ladder = self._ladder
        if ladder is None or ladder.recipe != self.recipe or not ladder.is_whole:
            return True
        return self.criterion in ON_REQUEST and self.criterion not in ladder.curves

    def _first_features(self):
        if self.lines:
            return "lines"
        return "raw" if self.image.n_channels <= MANY_CHANNELS else "pca"

    def ladder_for(self, recipe, is_stopped=lambda: False):
        """Return the clusters of a recipe, kept from before or begun."""
        if recipe in self._ladders:
            self._ladders[recipe] = self._ladders.pop(recipe)  # the latest last
        else:
            self._ladders[recipe] = Ladder(self.image, recipe, self.max_k, is_stopped)
        while len(self._ladders) > N_KEPT:
            del self._ladders[next(iter(self._ladders))]
        self._ladders[recipe].listen(is_stopped)
        return self._ladders[recipe]

    def show(self, ladder):
        """Show clusters, if their map is made, and whatever else is known of them."""
        with self.worker.lock:
            wanted = self._wanted(ladder)
            if ladder.holds(*wanted):
                names = self._names_for(ladder, wanted)
                self._ladder, self._shown = ladder, wanted
                self.names, self._named = names, ladder.recipe
            if ladder is self._ladder:
                self.version += 1

    def _names_for(self, ladder, wanted):
        """Return the names for clusters: where they are others, names stay with their pixels."""
        if self._ladder is None or self._named == ladder.recipe:
            return self.names
        before = self._ladder.label_map(*self._shown)
        return names_after(before, ladder.label_map(*wanted), self.names)

    def _found(self):
        if self._ladder is None:
            raise RuntimeError("nothing is found yet; wait() for it.")
        return self._ladder

    def _visible(self):
        mask = self.image.mask
        return np.ones(self.shape, bool) if mask is None else ~mask.reshape(self.shape)


class _Job:
    """Finds what a state asks for, and tells it, unless something newer was asked since."""

    def __init__(self, state, recipe, criterion):
        self.state, self.recipe, self.criterion = state, recipe, criterion
        self._began = self._told = time.monotonic()

    def __call__(self, is_stopped):
        try:
            self._work(is_stopped)
        except CancelledError:
            pass
        except Exception as error:
            self._tell(is_stopped, status="error", message=str(error), seconds_left=None)

    def _work(self, is_stopped):
        ladder = self.state.ladder_for(self.recipe, is_stopped)
        shares = {"clusters": 0.5, "silhouettes": 0.3, "curve": 0.2}
        if self.criterion in ON_REQUEST and self.criterion not in ladder.curves:
            shares = {"clusters": 0.25, "silhouettes": 0.15, "curve": 0.6}

        def climbed(share):
            done = (ladder.n_found + share) / ladder.max_k
            self._come(is_stopped, shares["clusters"] * done)

        self._climb(ladder, is_stopped, climbed)
        self._warm(ladder, is_stopped)
        self._judge(ladder, is_stopped, shares)
        words = " ".join(ladder.words)
        self._tell(is_stopped, status="idle", message=words, progress=1.0, seconds_left=None)

    def _climb(self, ladder, is_stopped, made):
        """Find the clusters, and show them as soon as there are as many as were asked for."""
        state = self.state
        ladder.climb(state.k, made)
        ladder.means(min(state.k, ladder.n_found), state.min_area)
        self._show(is_stopped, ladder)
        ladder.climb(state.max_k, made)

    def _warm(self, ladder, is_stopped):
        """Make the maps and spectra of every k, so that choosing one only looks them up."""
        for k in range(1, ladder.n_found + 1):
            ladder.watch.check()
            ladder.means(k, self.state.min_area)
        self._show(is_stopped, ladder)

    def _judge(self, ladder, is_stopped, shares):
        """Find out what speaks for each number of clusters."""
        for k in range(1, ladder.n_found + 1):
            ladder.add_silhouettes(k)
            self._come(is_stopped, shares["clusters"] + shares["silhouettes"] * k / ladder.n_found)
        self._show(is_stopped, ladder)
        start = shares["clusters"] + shares["silhouettes"]

        def made(share):
            self._come(is_stopped, start + shares["curve"] * share)

        ladder.add_curve(self.criterion, made)
        self._show(is_stopped, ladder)

    def _come(self, is_stopped, fraction):
        now = time.monotonic()
        if now - self._told < OFTEN or fraction <= 0:
            return
        self._told = now
        left = (now - self._began) * (1 - fraction) / fraction
        self._tell(is_stopped, progress=min(1.0, fraction), seconds_left=left)

    def _show(self, is_stopped, ladder):
        with self.state.worker.lock:
            if not is_stopped():
                self.state.show(ladder)

    def _tell(self, is_stopped, **traits):
        with self.state.worker.lock:
            if not is_stopped():
                for name, value in traits.items():
                    self.state.set_trait(name, value)


def sealed(array):
    """Return a view of an array that cannot be written to."""
    view = array.view()
    view.flags.writeable = False
    return view


def each_array(act, spectra):
    """Return mean spectra with something done to each of their arrays."""
    return replace(spectra, **{name: act(array) for name, array in vars(spectra).items()})


def as_map(data):
    """Return data as an image with rows and columns, or a line of pixels; refuse others."""
    image = as_spectrum_image(data.image if isinstance(data, Scene) else data)
    if len(image.navigation_shape) > 2:
        raise ValueError(
            f"data have {len(image.navigation_shape)} navigation axes; a map has rows and "
            "columns. Choose one of them, for example em.SpectrumImage(counts[0], image.axis)."
        )
    return image.to_sparse() if image.is_lazy else image


def known_lines(image: SpectrumImage, lines):
    """Return the lines that were asked for, or those in the metadata, and two for a ratio.

    The two are the first that were asked for, or the strongest in the metadata; none where there
    are none.
    """
    if lines is None:
        try:
            sums = {name: np.nansum(found) for name, found in line_maps(image).items()}
        except ValueError:
            return (), None
        strongest = sorted(sums, key=lambda name: -sums[name])[:2]
        return tuple(sums), two_of(name for name in sums if name in strongest)
    names = list(line_maps(image, lines))  # refuses what is none
    if isinstance(lines, Mapping):
        lines = [(str(name), tuple(map(float, window))) for name, window in lines.items()]
        return tuple(lines), two_of(names)
    return tuple(names), two_of(names)


def names_after(before, after, names):
    """Return names for other clusters of the same pixels.

    A name that somebody gave goes to the cluster that holds most of the pixels of its own, where
    more than half of either are the same; else it is gone.

    Examples
    --------
    >>> import numpy as np
    >>> before, after = np.array([[0, 0, 0, 1, 1, 1]]), np.array([[1, 1, 1, 0, 0, 2]])
    >>> names_after(before, after, ["rim", "cluster 1", "cluster 2"])
    ['cluster 0', 'rim', 'cluster 2']
    """
    others = default_names(len(names))
    if list(names) == others:
        return others
    aligned = align_labels(after, before)
    for k in range(int(after.max()) + 1):
        held = aligned[after == k]
        old = int(held[0]) if held.size else -1
        n_same = np.count_nonzero(before[after == k] == old)
        is_given = 0 <= old < len(names) and names[old] != default_names(len(names))[old]
        if is_given and 2 * n_same > max(held.size, np.count_nonzero(before == old)):
            others[k] = names[old]
    return others


def two_of(names):
    """Return the first two names, or None where there are fewer."""
    names = tuple(names)[:2]
    return names if len(names) == 2 else None
