"""What a component browser knows, without a widget: what was found, and what is said of it."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import traitlets as tl
from scipy.ndimage import binary_closing

from endmember.core.axes import Axis
from endmember.core.decomposition import Signals
from endmember.core.hyperspy import components_to_signal, maps_to_signal
from endmember.core.metrics import match_components, spectral_angle
from endmember.widgets.browser_sources import found_in, source_of
from endmember.widgets.browser_tables import abundances_csv, components_csv
from endmember.widgets.markers import check_element, markers_of
from endmember.widgets.pixels import check_inside
from endmember.widgets.region_list import MASK, checked_file, regions_of, regions_of_maps
from endmember.widgets.regions import check_region, mask_of
from endmember.widgets.scatter import N_BINS, scatter_bins, scatter_density, scatter_mask

VIEWS = ("one", "all")
HEIGHTS = ("counts", "equal")
GAP = 5  # bins: smaller ones between the pixels of a region are closed, for one outline
HEADROOM = 1.2  # over the pixels where components are strongest
PAGE_SCORE = 31.75  # the highest score that a page holds: 254 steps of an eighth, as in its maps
DRAWN = "drawn"  # what a region is called that has no name yet
SETTINGS = ("names", "order", "signs", "hidden", "component", "pixel", "view", "heights")
LATER = ("elements", "scatter")  # what is set after these, and then what was drawn
DRAWINGS = ("region", "scatter_region")
CSV = ("components", "abundances")


@dataclass(frozen=True, eq=False)
class Browsing:
    """Components as a person has named, ordered, turned and hidden them.

    Attributes
    ----------
    names : list of str
        In the order that was chosen, as all that follows.
    order : list of int
        Their numbers in the result that was browsed.
    signs : list of int
        1, or -1 where spectrum and map were turned over together.
    hidden : list of str
        Names of those that were hidden.
    components : ndarray of shape (n_components, n_channels)
        Spectra in counts for a score of 1.
    maps : ndarray of shape (*navigation_shape, n_components)
        Scores; hidden pixels hold NaN.
    regions : dict of str to ndarray of bool, shape `navigation_shape`
        True inside, visible pixels alone; what is drawn and not kept is ``"drawn"``.
    record : Record or None
        What made the result that was browsed, where it keeps one.
    """

    names: list[str]
    order: list[int]
    signs: list[int]
    hidden: list[str]
    components: np.ndarray
    maps: np.ndarray
    regions: dict[str, np.ndarray]
    record: Any


@dataclass(frozen=True)
class Partner:
    """The component of another result that is nearest to one of this.

    Attributes
    ----------
    number : int
        Which it is in the other result.
    sign : int
        -1 where it is turned over.
    angle : float
        Between the two spectra in degrees.
    correlation : float
        Of the two maps, between -1 and 1; NaN where a map has one value.
    """

    number: int
    sign: int
    angle: float
    correlation: float


@dataclass(frozen=True)
class Amount:
    """How much of a component a region holds.

    Attributes
    ----------
    mean : float
        Over the pixels of the region.
    error : float
        Standard error of that mean, by how much the pixels differ; NaN for a single one.
    pixel_error : float
        Standard error of one pixel by the bootstrap, root mean square; NaN without one.
    """

    mean: float
    error: float
    pixel_error: float


class BrowserState(tl.HasTraits):
    """Components, their maps, and what a person has made of them.

    Components keep their number (from 0) whatever their place in the list: `component`, `hidden`,
    `scatter` and the indices of `names` and `signs` are such numbers; `order` is the list.

    Parameters
    ----------
    result : estimator, Decomposition, Bootstrap, HyperSpy signal, or pair of arrays
        A fitted estimator; a signal after ``decomposition()``; or ``(components, maps)`` of shapes
        (n_components, n_channels) and (rows, columns, n_components), of a line
        (n_pixels, n_components).
    image : SpectrumImage, Scene, or what :func:`as_spectrum_image` takes, optional
        Counts that it was found in. A Decomposition and a signal bring theirs, arrays do without.
    beside : optional
        A second result of any of these kinds, of the same pixels and channels.

    Attributes
    ----------
    component : int
        The chosen component.
    names : list of str
        A name for each component.
    order : list of int
        Their order in the list.
    signs : list of int
        1, or -1 where spectrum and map are turned over.
    hidden : list of int
        Those left out of the plot of spectra and of the map of all.
    view : {"one", "all"}
        Whether the map shows the chosen component or all of them in their colours.
    heights : {"counts", "equal"}
        Whether spectra are drawn in counts or each up to its highest channel.
    elements : list of str
        Whose lines or edges are marked.
    region, scatter_region : dict
        What was drawn on the map and on the scatter, as :func:`mask_of` takes it; the later one
        counts, and the other is empty.
    regions : RegionList
        Regions that were kept, shared with all widgets on the same data; the one that is chosen
        there takes the place of what was drawn.
    scatter : tuple of int
        Components across and up.
    message : str
        What is to be known of the result, or what could not be done.
    """

    component = tl.Int(0)
    names = tl.List(tl.Unicode())
    order = tl.List(tl.Int())
    signs = tl.List(tl.Int())
    hidden = tl.List(tl.Int())
    pixel = tl.Tuple(tl.Int(), tl.Int(), default_value=(0, 0))
    hovered = tl.Tuple(tl.Int(), tl.Int(), allow_none=True, default_value=None)
    view = tl.Enum(VIEWS, "one")
    heights = tl.Enum(HEIGHTS, "counts")
    elements = tl.List(tl.Unicode())
    region = tl.Dict()
    scatter_region = tl.Dict()
    scatter = tl.Tuple(tl.Int(), tl.Int(), default_value=(0, 0))
    message = tl.Unicode()

    def __init__(self, result, image=None, *, beside=None):
        source = source_of(result, image)
        self.image = source.to_sparse() if source is not None and source.is_lazy else source
        self.found = found_in(result, self.image)
        self.n_components = len(self.found.components)
        self.shape = self.found.maps.shape[1:]
        self.record = getattr(result, "record_", getattr(result, "record", None))
        self.beside: Any = None if beside is None else self._as_beside(beside)
        self._partners: dict[tuple[int, ...], list[Partner | None]] = {}
        self._bins: tuple[Any, Any] = (None, None)
        self._put: dict[str, Any] = {}  # the outline of the chosen one of the kept regions
        self._set_axis()
        self.regions = regions_of_maps(result[1]) if source is None else regions_of(source)
        super().__init__()
        everyone = list(range(self.n_components))
        with self.hold_trait_notifications():
            self.names = [f"component {k}" for k in everyone]
            self.order, self.signs = everyone, [1] * self.n_components
            self.scatter = (0, min(1, self.n_components - 1))
            self.pixel = self._first_pixel()
            self.elements = self._elements_of_sample()
        self.message = " ".join(filter(None, [self.found.message, self._of_beside()]))
        self.regions.observe(self._take_chosen, ["chosen"])
        self._take_chosen()

    def close(self):
        """Leave the list of regions, which others may still show."""
        self.regions.unobserve(self._take_chosen, ["chosen"])

    # what the result says

    @property
    def components(self):
        """Spectra by number, turned as chosen, (n_components, n_channels) in counts."""
        return self.found.components * self._signs[:, None]

    @property
    def maps(self):
        """Scores by number, turned as chosen, (n_components, rows, columns)."""
        return self.found.maps * self._signs[:, None, None]

    @property
    def bands(self):
        """Lower and upper ends of the bands of `components`, or None."""
        found = self.found
        if found.low is None:
            return None
        signs = self._signs[:, None]
        ends = np.stack([found.low * signs, found.high * signs])
        return ends.min(axis=0), ends.max(axis=0)

    @property
    def shown(self):
        """Numbers of the components that are not hidden, in their order."""
        return [k for k in self.order if k not in self.hidden]

    @property
    def probed(self):
        """Row and column of the pixel under the pointer, else of the chosen one."""
        return self.hovered or self.pixel

    def scores(self):
        """Return what the probed pixel holds of each component, by number."""
        row, column = self.probed
        return self.found.maps[:, row, column] * self._signs

    def parts(self):
        """Return what each component adds to the model of the probed pixel, in counts.

        NaN where the pixel is hidden.
        """
        return self.scores()[:, None] * self.components

    def model(self):
        """Return the model of the probed pixel, the sum of its parts, in counts."""
        return self.found.offset + self.parts().sum(axis=0)

    def ends(self):
        """Return counts that hold the spectrum of about every pixel, and its parts."""
        found, counts = self.found, self.pins()[1]
        if not len(counts):
            highest = np.nanmax(np.abs(found.maps), axis=(1, 2))
            counts = highest[:, None] * np.abs(found.components)
        high = HEADROOM * float(np.nanmax(counts))
        is_signed = np.nanmin(found.components) < 0 or np.nanmin(found.maps) < 0
        return (-high / 2 if is_signed else 0.0), high or 1.0

    def counts(self):
        """Return the raw counts of the probed pixel; None where there are only arrays."""
        return None if self.image is None else self.image.spectrum(*self._index(self.probed))

    def markers(self):
        """Return the lines or edges of `elements` on the signal axis."""
        return markers_of(self.elements, self.axis, self.unit, self._signal_type)

    def factors(self):
        """Return what a page needs to work the model out by itself; see ``pack_factors``.

        Scores are at most as high as steps made for the noise are fine for, too; a component for
        the offset, of that score everywhere, follows the others.
        """
        flat = self.found.maps.reshape(self.n_components, -1)
        visible = np.isfinite(flat).all(axis=0)
        scores = np.where(visible, flat, 0)
        highest = np.abs(scores).max(axis=1)
        highest[highest == 0] = 1
        rows = [scores * (PAGE_SCORE / highest)[:, None]]
        spectra = [np.nan_to_num(self.found.components) * (highest / PAGE_SCORE)[:, None]]
        if self.found.offset.any():
            rows.append(np.where(visible, PAGE_SCORE, 0.0)[None])
            spectra.append(self.found.offset[None] / PAGE_SCORE)
        return {
            "axis": np.asarray(self.axis, dtype=np.float64),
            "scores": np.concatenate(rows).astype(np.float32),
            "spectra": np.concatenate(spectra).astype(np.float32),
            "heights": visible.astype(np.float32),
            "norms": np.zeros(visible.size, dtype=np.float32),
            "edge": 1.0,
            "n_above": sum(map(len, rows)),
            "n_channels": self.axis.size,
        }

    def units(self):
        """Return by number what a score of :meth:`factors` is in the unit of the maps."""
        highest = np.nanmax(np.abs(self.found.maps), axis=(1, 2), initial=0.0)
        return (np.where(highest > 0, highest, 1.0) / PAGE_SCORE).tolist()

    def pins(self):
        """Return pixels worth a look, and their raw counts: where each component is strongest.

        Returns
        -------
        pixels : list of tuple of int
            About a dozen at most; none without an image.
        counts : ndarray of shape (n_pixels, n_channels)
            Their raw counts.
        """
        if self.image is None:
            return [], np.zeros((0, self.axis.size))
        pixels = [self.pixel]
        for component in self.found.maps:
            finite = np.where(np.isfinite(component), component, -np.inf)
            row, column = np.unravel_index(finite.argmax(), self.shape)
            pixels.append((int(row), int(column)))
        pixels = list(dict.fromkeys(pixels))
        return pixels, np.array([self.image.spectrum(*self._index(pixel)) for pixel in pixels])

    # two results

    def partners(self):
        """Return the nearest component of the other result for each of this one, by number.

        Returns
        -------
        list of Partner or None
            None where the other result has fewer components. A sign is forgiven.
        """
        key = tuple(self.signs)
        if key not in self._partners:
            self._partners = {key: self._find_partners()}
        return self._partners[key]

    def _find_partners(self):
        if self.beside is None:
            return [None] * self.n_components
        ours, theirs = np.nan_to_num(self.components), np.nan_to_num(self.beside.components)
        match = match_components(theirs, ours, measure=_angle_of_either_sign)
        partners: list[Partner | None] = [None] * self.n_components
        for other, k, angle in zip(match.found, match.true, match.cost, strict=True):
            sign = -1 if spectral_angle(ours[k], theirs[other]) > 90 else 1
            alike = _correlation(self.maps[k], sign * self.beside.maps[other])
            partners[k] = Partner(int(other), sign, float(angle), alike)
        return partners

    def partner_spectra(self):
        """Return the spectrum of the partner of each component, as high as that; None without."""
        return [self._partner_spectrum(k, p) for k, p in enumerate(self.partners())]

    def _partner_spectrum(self, k, partner):
        if partner is None:
            return None
        own = np.nan_to_num(self.components[k])
        other = np.nan_to_num(self.beside.components[partner.number]) * partner.sign
        length = np.linalg.norm(other)
        return other * (np.linalg.norm(own) / length) if length else other

    def partner_maps(self):
        """Return the maps of the partners, (n_components, rows, columns); NaN where is none."""
        maps = np.full((self.n_components, *self.shape), np.nan)
        for k, partner in enumerate(self.partners()):
            if partner is not None:
                maps[k] = partner.sign * self.beside.maps[partner.number]
        return maps

    # regions

    def drawn(self):
        """Return what is drawn, ready to be kept: a region, or a mask; empty for nothing."""
        if self.scatter_region:
            return self._inside(self._on_scatter())
        return self.region

    def selection(self):
        """Return which visible pixels were chosen, of shape `shape`; None where none are.

        What is drawn on the map or on the scatter, else the chosen one of `regions`.
        """
        inside = self._selected()
        return None if inside is None else inside.reshape(self.shape) & self._visible()

    def _selected(self):
        if self.region:
            return mask_of(self.region, self.shape)
        if self.scatter_region:
            return self._inside(self._on_scatter())
        return self.regions.mask(self.regions.chosen) if self.regions.chosen else None

    def scatter_values(self):
        """Return the density of the scatter of two components; see ``scatter_density``."""
        return scatter_density(*(self.maps[k] for k in self.scatter))

    def scatter_selection(self):
        """Return the bins of the scatter that the chosen pixels fall into, gaps closed; or None."""
        selected = self.selection()
        if selected is None:
            return None
        rows, columns = self._scatter_bins()
        seen = selected & (rows >= 0)
        bins = np.zeros((N_BINS, N_BINS), dtype=bool)
        bins[rows[seen], columns[seen]] = True
        return bins | binary_closing(bins, np.ones((GAP, GAP)))

    def scatter_pixel(self):
        """Return row and column of the bin of the probed pixel, or None where it has none."""
        rows, columns = self._scatter_bins()
        row, column = rows[self.probed], columns[self.probed]
        return None if row < 0 else (int(row), int(column))

    def pixels_in_bin(self, row, column):
        """Return which pixels of the map fall into a bin of the scatter."""
        rows, columns = self._scatter_bins()
        return (rows == row) & (columns == column)

    def region_spectrum(self):
        """Return the mean raw counts of the chosen pixels; None without pixels or counts."""
        selected = self.selection()
        if self.image is None or selected is None or not selected.any():
            return None
        mask = selected.reshape(self.image.navigation_shape)
        return np.asarray(self.image.sum_spectrum(mask)) / selected.sum()

    def region_model(self):
        """Return the mean model of the chosen pixels, in counts; None without pixels."""
        selected = self.selection()
        if selected is None or not selected.any():
            return None
        return self.found.offset + self.maps[:, selected].mean(axis=1) @ self.components

    def region_amounts(self):
        """Return an :class:`Amount` for each component, by number; empty without pixels."""
        selected = self.selection()
        return [] if selected is None else self.amounts(selected)

    def amounts(self, mask):
        """Return an :class:`Amount` for each component of some visible pixels, by number."""
        if not mask.any():
            return []
        return [self._amount(k, mask) for k in range(self.n_components)]

    def keep_region(self, name):
        """Keep what was drawn last under a name, and choose it."""
        self.regions.keep(name, self.drawn())
        self.regions.chosen = name.strip()

    def masks(self):
        """Return the visible pixels of all regions by name, of shape `navigation_shape`.

        What is drawn and not kept is ``"drawn"``, where no region has that name.
        """
        masks = dict(self.regions.masks())
        if self._is_drawn:
            masks[DRAWN] = np.asarray(self._selected())
        visible = self._visible().reshape(self._navigation_shape)
        return {n: mask.reshape(self._navigation_shape) & visible for n, mask in masks.items()}

    # what a person says of components

    def rename(self, name, component=None):
        """Give the chosen component, or another one, a name."""
        k = self.component if component is None else component
        if not name.strip():
            raise ValueError(f"name of component {k} is empty; write one.")
        self.names = [name.strip() if i == k else old for i, old in enumerate(self.names)]

    def flip(self, component=None):
        """Turn spectrum and map of the chosen component, or of another one, over together."""
        k = self.component if component is None else component
        self.signs = [-sign if i == k else sign for i, sign in enumerate(self.signs)]

    def hide(self, component=None, *, hidden=True):
        """Hide the chosen component, or another one; or show it again."""
        k = self.component if component is None else component
        others = [i for i in self.hidden if i != k]
        self.hidden = sorted([*others, k]) if hidden else others

    def move(self, by):
        """Move the chosen component along the list, -1 one place up."""
        order = [k for k in self.order if k != self.component]
        place = self.order.index(self.component) + by
        order.insert(int(np.clip(place, 0, len(order))), self.component)
        self.order = order

    # what is handed on

    def result(self):
        """Return the components as they were named, ordered, turned and hidden."""
        order = list(self.order)
        maps = np.moveaxis(self.maps[order], 0, -1).reshape(*self._navigation_shape, len(order))
        return Browsing(
            names=[self.names[k] for k in order],
            order=order,
            signs=[self.signs[k] for k in order],
            hidden=[self.names[k] for k in order if k in self.hidden],
            components=self.components[order],
            maps=maps,
            regions=self.masks(),
            record=self.record,
        )

    def to_hyperspy(self):
        """Return the components that are shown as HyperSpy signals, for eXSpy to quantify.

        Returns
        -------
        Signals
            ``components`` and ``maps``, in counts and calibrated as
            :meth:`Decomposition.to_hyperspy` makes them, in the chosen order and turned as chosen.
            Their names are in ``metadata.General.notes``.
        """
        if self.image is None:
            raise ValueError(
                "the arrays came without an image, which would bring the axes; pass it, as in "
                "em.ComponentBrowser((components, maps), image)."
            )
        shown = self.shown
        maps, components = self.maps[shown].reshape(len(shown), -1), self.components[shown]
        rows = maps if self.image.mask is None else maps[:, ~self.image.mask.ravel()]
        amounts = np.nansum(np.abs(rows), axis=1)
        heights = np.nansum(np.abs(components), axis=1)
        signals = Signals(
            components_to_signal(self.image, amounts[:, None] * components),
            maps_to_signal(self.image, (rows * heights[:, None]).T),
        )
        for signal in signals:
            notes = "Components: " + "; ".join(self.names[k] for k in shown)
            signal.metadata.set_item("General.notes", notes)
        return signals

    def to_code(self):
        """Return the lines that make the same result without a widget."""
        from_image = [] if self.image is None else [f"image = {self.image.code}"]
        lines = [
            "import numpy as np",
            "import endmember as em",
            *self._region_imports(),
            "",
            *from_image,
            *self.found.lines,
            f"names = {[self.names[k] for k in self.order]!r}",
            f"order, signs = {list(self.order)}, np.array({[self.signs[k] for k in self.order]})",
            "components, maps = components[order] * signs[:, None], maps[..., order] * signs",
            *self._region_lines(),
        ]
        return "\n".join(lines) + "\n"

    def to_csv(self, path, what="components"):
        """Write spectra of components, or what every region holds of them, as CSV.

        Parameters
        ----------
        path : str or path-like
            Ends in ``.csv``. A file of that name is replaced.
        what : {"components", "abundances"}, default="components"
            Spectra along the signal axis, with the ends of their bands where there are any; or
            the means over the pixels of each region, and their errors. Hidden ones are left out.
        """
        path = checked_file(path, ".csv")
        path.write_text(self.csv_text(what), encoding="utf-8", newline="")
        return path

    def csv_text(self, what="components"):
        """Return the text that :meth:`to_csv` writes."""
        if what not in CSV:
            raise ValueError(f"what is {what!r}; choose one of {list(CSV)}.")
        return components_csv(self) if what == "components" else abundances_csv(self)

    # settings

    def settings(self):
        """Return all settings and the kept regions, as JSON has them."""
        names = (*SETTINGS, *LATER, *DRAWINGS)
        kept = {name: copy.deepcopy(getattr(self, name)) for name in names}
        plain = {name: list(v) if isinstance(v, (list, tuple)) else v for name, v in kept.items()}
        return {**plain, "regions": self.regions.settings()}

    def restore(self, settings):
        """Take over what :meth:`settings` returned.

        Parameters
        ----------
        settings : dict
            Some of the settings or all of them; what is none is refused, and nothing set.
        """
        settings = self._check_settings(settings)
        with self.hold_trait_notifications():  # takes all of it back where one is refused
            for name in (*SETTINGS, *LATER):
                if name in settings:
                    setattr(self, name, settings[name])
        if "regions" in settings:
            self.regions.restore(settings["regions"])
        drawn = [name for name in DRAWINGS if name in settings]
        for name in sorted(drawn, key=lambda name: bool(settings[name])):
            setattr(self, name, settings[name])  # last: other axes and choices take it away
        chosen = self.regions.regions.get(self.regions.chosen)
        self._put = self.region if chosen is not None and self.region == chosen else {}

    def _check_settings(self, settings):
        """Return settings in the form that traits have; refuse what none of them takes."""
        known = (*SETTINGS, *LATER, *DRAWINGS, "regions")
        unknown = sorted(set(settings) - set(known))
        if unknown:
            raise ValueError(f"settings hold {unknown}; these are known: {list(known)}.")
        checked = dict(settings)
        if "regions" in settings:
            checked["regions"] = self.regions.check_settings(settings["regions"])
        for name in set(settings) & {"pixel", "scatter"}:
            checked[name] = tuple(settings[name])
        for name in set(settings) & set(DRAWINGS):
            checked[name] = self.traits()[name]._validate(self, settings[name])
        return checked

    def check_component(self, number):
        """Return the number of a component, or say why it is none."""
        return self._check_number(number, "component")

    def check_pixel(self, pixel):
        """Return the pixel, or say why it is none of this map."""
        return check_inside(pixel, self.shape)

    @tl.validate("component")
    def _is_component(self, proposal):
        return self.check_component(proposal["value"])

    @tl.validate("scatter", "hidden")
    def _are_components(self, proposal):
        for k in proposal["value"]:
            self._check_number(k, proposal["trait"].name)
        return proposal["value"]

    @tl.validate("names", "signs", "order")
    def _is_one_each(self, proposal):
        name, values = proposal["trait"].name, list(proposal["value"])
        if len(values) != self.n_components:
            raise tl.TraitError(
                f"{name} has {len(values)} entries; give one for each of the {self.n_components} "
                "components."
            )
        if name == "order" and sorted(values) != list(range(self.n_components)):
            raise tl.TraitError(f"order is {values}; name every component once, from 0 on.")
        if name == "signs" and not set(values) <= {1, -1}:
            raise tl.TraitError(f"signs are {values}; each is 1 or -1.")
        return values

    @tl.validate("pixel", "hovered")
    def _is_pixel(self, proposal):
        return self.check_pixel(proposal["value"])

    @tl.validate("elements")
    def _are_elements(self, proposal):
        elements = list(dict.fromkeys(proposal["value"]))
        try:
            markers_of([check_element(e) for e in elements], self.axis, self.unit)
        except ValueError as error:
            raise tl.TraitError(str(error)) from None
        return elements

    @tl.validate("region", "scatter_region")
    def _is_region(self, proposal):
        try:
            region = check_region(proposal["value"])
        except ValueError as error:
            raise tl.TraitError(str(error)) from None
        points = [[round(at, 2) for at in point] for point in region.get("points", [])]
        return {**region, "points": points} if region else {}

    @tl.observe("region", "scatter_region")
    def _keep_the_later(self, change):
        if not change["new"]:
            return
        self.set_trait({"region": "scatter_region", "scatter_region": "region"}[change["name"]], {})
        if self._is_drawn:
            self.regions.chosen = ""

    def _take_chosen(self, _=None):
        """Let the chosen one of the kept regions take the place of what was drawn."""
        region = self.regions.regions.get(self.regions.chosen)
        if region is not None:
            self.scatter_region = {}
            self.region = {} if region["kind"] == MASK else region
        elif self.region and self.region == self._put:
            self.region = {}
        self._put = self.region if region is not None else {}

    @tl.observe("scatter", "signs")
    def _forget_scatter_region(self, _):
        self.scatter_region = {}  # it was drawn on other axes

    # parts

    @property
    def _signs(self):
        return np.asarray(self.signs, dtype=float)

    def _check_number(self, k, name):
        if not 0 <= k < self.n_components:
            raise tl.TraitError(
                f"{name} is {k}; the components are numbered from 0 to {self.n_components - 1}."
            )
        return k

    def _set_axis(self):
        if self.image is None:
            axis = Axis.uniform(self.found.components.shape[1], name="channel")
            self.axis, self.axis_label, self.unit = axis.values, axis.label(), ""
            self._signal_type, self.title = "", ""
            return
        image = self.image
        self.axis, self.axis_label, self.unit = image.axis, image.signal_axis.label(), image.unit
        self._signal_type = str(image.metadata.get("Signal", {}).get("signal_type", ""))
        self.title = image.title

    def _as_beside(self, beside):
        if self.image is None and not isinstance(beside, tuple):
            raise ValueError("beside needs the image that both were found in; pass image.")
        other = found_in(beside, self.image, "beside")
        for name, ours, theirs in [
            ("pixels", self.shape, other.maps.shape[1:]),
            ("channels", self.found.components.shape[1:], other.components.shape[1:]),
        ]:
            if ours != theirs:
                raise ValueError(
                    f"result has {ours} {name} but beside has {theirs}; pass two results of the "
                    "same image."
                )
        return other

    def _of_beside(self):
        """Say how the two results were matched."""
        if self.beside is None:
            return ""
        return f"Beside each component of {self.found.name}: the nearest of {self.beside.name}."

    def _elements_of_sample(self):
        metadata = {} if self.image is None else self.image.metadata
        known = metadata.get("Sample", {}).get("elements", [])
        try:
            markers_of([check_element(str(e)) for e in known], self.axis, self.unit)
        except ValueError:
            return []
        return [str(e) for e in known]

    def _first_pixel(self):
        """Return the visible pixel nearest to the middle of the map."""
        middle = [n // 2 for n in self.shape]
        pixels = np.argwhere(np.isfinite(self.found.maps).all(axis=0))
        if not len(pixels):
            return (0, 0)
        row, column = pixels[((pixels - middle) ** 2).sum(axis=1).argmin()]
        return int(row), int(column)

    def _visible(self):
        """Return which pixels of the map hold values."""
        return np.isfinite(self.found.maps).all(axis=0)

    @property
    def _is_drawn(self):
        """Whether there is something drawn that is not kept, and no kept one has its name."""
        regions = self.regions
        if DRAWN in regions.regions:
            return False
        is_chosen = self.region and self.region == regions.regions.get(regions.chosen)
        return bool(self.scatter_region or (self.region and not is_chosen))

    def _inside(self, drawn):
        """Return which pixels of the map a region of the scatter holds."""
        pair = zip(drawn["pair"], drawn["signs"], strict=True)
        return scatter_mask(drawn["region"], *(sign * self.found.maps[k] for k, sign in pair))

    def _amount(self, k, selected):
        values = self.maps[k][selected]
        n, errors = values.size, self.found.stderr
        error = float(values.std(ddof=1) / np.sqrt(n)) if n > 1 else np.nan
        single = np.nan if errors is None else float(np.sqrt((errors[k][selected] ** 2).mean()))
        return Amount(float(values.mean()), error, single)

    def _scatter_bins(self):
        """Return the bins of all pixels, found once for every pair of axes."""
        key = (*self.scatter, *self.signs)
        if self._bins[0] != key:
            self._bins = (key, scatter_bins(*(self.maps[k] for k in self.scatter)))
        return self._bins[1]

    def _on_scatter(self):
        """Return what was drawn on the scatter, and its axes."""
        pair = list(self.scatter)
        return {
            "region": self.scatter_region,
            "pair": pair,
            "signs": [self.signs[k] for k in pair],
        }

    def _region_imports(self):
        kinds = {r["kind"] == MASK for r in self.regions.regions.values()}
        if False in kinds or (self.region and self._is_drawn):
            yield "from endmember.widgets.regions import mask_of"
        if True in kinds:
            yield "from endmember.widgets.region_list import unpack_mask"
        if self.scatter_region and self._is_drawn:
            yield "from endmember.widgets.scatter import scatter_mask"

    def _region_lines(self):
        kept = self.regions
        lines = [f"regions[{name!r}] = {kept.spelled(name)}" for name in kept.regions]
        if self._is_drawn:
            lines.append(f"regions[{DRAWN!r}] = {self._spelled_drawn()}")
        if not lines:
            return []
        return [
            "regions = {}",
            *lines,
            "visible = np.isfinite(maps).all(axis=-1)",
            "regions = {name: mask & visible for name, mask in regions.items()}",
        ]

    def _spelled_drawn(self):
        flat = "[0]" if len(self._navigation_shape) == 1 else ""
        if self.region:
            return f"mask_of({self.region!r}, {self.shape}){flat}"
        pair = ", ".join(self._spelled_axes())
        return f"scatter_mask({self.scatter_region!r}, {pair})"

    def _spelled_axes(self):
        return [f"maps[..., {self.order.index(k)}]" for k in self.scatter]

    @property
    def _navigation_shape(self):
        return self.regions.navigation_shape  # that of the image, or of the maps that came

    def _index(self, pixel):
        return pixel[-len(self._navigation_shape) :]


def _angle_of_either_sign(spectra, others):
    angles = spectral_angle(spectra, others)
    return np.minimum(angles, 180 - angles)


def _correlation(one, other):
    both = np.isfinite(one) & np.isfinite(other)
    if both.sum() < 2 or not (np.ptp(one[both]) and np.ptp(other[both])):
        return float("nan")
    return float(np.corrcoef(one[both], other[both])[0, 1])
