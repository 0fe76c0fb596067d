"""Look at components and their maps, name them, and see what they say of a place."""

from __future__ import annotations

from contextlib import contextmanager
from html import escape
from pathlib import Path

import ipywidgets as ipw
import numpy as np
import traitlets as tl

from endmember.core.axes import length_scale
from endmember.widgets.browser_figure import SUFFIXES, save_figure
from endmember.widgets.browser_state import BrowserState
from endmember.widgets.component_plots import ComponentPlot, PartsPlot
from endmember.widgets.factors import pack_factors
from endmember.widgets.map_traits import label_colors
from endmember.widgets.map_view import MapView
from endmember.widgets.pages import check_choice, save_page
from endmember.widgets.rank_selector import as_html
from endmember.widgets.scatter import N_BINS

MAP_VIEWS = {"the chosen component": "one", "all, in their colours": "all"}
HEIGHTS = {"counts": "counts", "their highest channel": "equal"}
WRAPPED = {"flex_flow": "row wrap", "grid_gap": "4px 20px"}
SAID = ["names", "order", "signs", "region", "scatter_region", "regions"]  # what code repeats


class ComponentBrowser(ipw.VBox):
    """Browse the components of any result: spectra, maps, and what they add up to in each pixel.

    Choose a component in the list, or with Page Up and Page Down on the map: its spectrum and its
    map come to the front. Point at a pixel for its raw counts and their model, the sum of its
    parts. Draw a region on the map, or on the scatter of two components, for its mean spectrum and
    what it holds of each component. Components can be named, ordered, hidden and turned over.

    Parameters
    ----------
    result : estimator, Decomposition, Bootstrap, HyperSpy signal, or pair of arrays
        A fitted estimator; a signal after ``decomposition()``; or ``(components, maps)`` of shapes
        (n_components, n_channels), in counts, and (rows, columns, n_components), dimensionless.
    image : SpectrumImage, or what :func:`as_spectrum_image` takes, optional
        Counts that it was found in. A Decomposition and a signal bring theirs, arrays do without.
    beside : optional
        A second result of any of these kinds, of the same pixels and channels: each component is
        shown beside the nearest one of it.

    Attributes
    ----------
    value : int
        The chosen component, by its number in the result, from 0; may be set.
    pixel : tuple of int
        Row and column of the chosen pixel; may be set.
    state : BrowserState
        Everything that is known, without a widget: names, order, signs, hidden, regions.

    Raises
    ------
    ValueError
        Where result and image differ in pixels or channels, or the image is missing.
    NotFittedError
        Where the estimator is not fitted, or the signal not decomposed.
    TypeError
        Where the result is of none of these kinds.

    Examples
    --------
    >>> import endmember as em
    >>> result = em.decompose(em.datasets.load("mixture").image, em.NMF(3))
    >>> browser = em.ComponentBrowser(result)
    >>> browser.state.rename("glass", component=1)
    >>> browser.result().names
    ['component 0', 'glass', 'component 2']
    """

    value = tl.Int(0, min=0)
    pixel = tl.Tuple(tl.Int(), tl.Int(), default_value=(0, 0))

    def __init__(self, result, image=None, *, beside=None):
        self.state = BrowserState(result, image, beside=beside)
        self.palette = label_colors(self.state.n_components)
        self._is_showing = False
        self._make_plots()
        self._make_controls()
        super().__init__(self._arranged(), layout={"max_width": "1000px"})
        self._link()
        for show in (
            self._show_list,
            self._show_layers,
            self._show_spectra,
            self._show_place,
            self._show_scatter,
            self._show_region,
            self._show_words,
            self._show_code,
        ):
            show()

    def result(self):
        """Return the components as they were named, ordered, turned and hidden."""
        return self.state.result()

    def to_hyperspy(self):
        """Return the shown components and maps as calibrated HyperSpy signals, for eXSpy."""
        return self.state.to_hyperspy()

    def to_code(self):
        """Return the lines that make the same result without a widget."""
        return self.state.to_code()

    def save(self, path, *, scripts="inside"):
        """Write what the browser shows: a page that answers without Python, or a picture.

        Parameters
        ----------
        path : str or path-like
            ``.html`` for one page that holds all it needs: maps and the model of every pixel
            answer in any browser, with no network; the counts of about a dozen pixels go with it.
            ``.png``, ``.svg`` or ``.pdf`` for a picture. A file of that name is replaced.
        scripts : {"inside", "cdn"}, default="inside"
            For a page: ``"cdn"`` loads two scripts over the network instead of holding them, which
            makes it 1.2 MB smaller.

        Raises
        ------
        ValueError
            Where the ending of the name is another one.
        FileNotFoundError
            Where the folder does not exist, or the installed package holds no scripts for pages.
        """
        path = Path(path)
        if path.suffix.lower() not in (".html", *SUFFIXES):
            raise ValueError(
                f"path is {str(path)!r}, which ends in {path.suffix!r}; save the browser as one "
                f"of {', '.join(['.html', *SUFFIXES])}."
            )
        check_choice(scripts)
        with self._nothing_hovered():
            if path.suffix.lower() == ".html":
                title = self.state.title or "Components"
                save_page(self, path, title=title, scripts=scripts)
            else:
                save_figure(self.state, self.palette, path)

    @contextmanager
    def _nothing_hovered(self):
        """Show the chosen pixel: where a pointer rests now is of no use to a reader of the page."""
        hovered = self.state.hovered
        self.state.set_trait("hovered", None)
        try:
            yield
        finally:
            self.state.hovered = hovered

    @tl.validate("value")
    def _is_component(self, proposal):
        return self.state.check_component(proposal["value"])

    @tl.validate("pixel")
    def _is_pixel(self, proposal):
        return self.state.check_pixel(proposal["value"])

    # parts

    def _make_plots(self):
        state, axis = self.state, (self.state.axis, self.state.axis_label)
        has_counts = state.image is not None
        self.spectra = ComponentPlot(*axis, self.palette)
        self.place = PartsPlot(*axis, self.palette, has_counts=has_counts)
        self.region_plot = PartsPlot(*axis, [], has_counts=has_counts)
        n_rows = len(state.factors()["scores"])
        pixels, counts = state.pins()
        self.code = ipw.HTML()
        self.map = MapView(
            shape=state.shape,
            rank=n_rows,
            max_rank=n_rows,
            pixel=state.pixel,
            pixel_size=self._pixel_size(),
            factors=pack_factors(state.factors()),
            followers={"model": self.place.model, "counts": self.place.counts},
            pins={"pixels": pixels, "values": np.asarray(counts, dtype=np.float32).tobytes()},
            layout={"flex": "3 1 320px", "min_width": "0"},
        )
        self.scatter = MapView(
            shape=(N_BINS, N_BINS),
            scale="log",
            unit="pixels",
            layout={"flex": "2 1 260px", "min_width": "0"},
        )
        self.beside = MapView(shape=state.shape, layout={"flex": "2 1 260px", "min_width": "0"})

    def _make_controls(self):
        state = self.state
        n = state.n_components
        self.component = ipw.Select(description="component", rows=min(max(n, 3), 12))
        self.name = ipw.Text(description="name", continuous_update=False)
        self.flipped = ipw.Checkbox(description="turned over", indent=False)
        self.hidden = ipw.Checkbox(description="hidden", indent=False)
        self.earlier = ipw.Button(description="move up")
        self.later = ipw.Button(description="move down")
        self.view = ipw.Dropdown(options=MAP_VIEWS, description="map of")
        self.heights = ipw.Dropdown(options=HEIGHTS, description="spectra in")
        self.elements = ipw.Text(
            description="lines of", placeholder="Fe, Mg, Si", continuous_update=False
        )
        self.across = ipw.Dropdown(description="scatter across")
        self.up = ipw.Dropdown(description="up")
        self.region_name = ipw.Text(description="region", placeholder="its name")
        self.keep = ipw.Button(description="keep region")
        for control, width in [
            (self.component, 260),
            (self.name, 260),
            (self.flipped, 110),
            (self.hidden, 80),
            (self.earlier, 100),
            (self.later, 100),
            (self.view, 240),
            (self.heights, 260),
            (self.elements, 240),
            (self.across, 260),
            (self.up, 200),
            (self.region_name, 220),
            (self.keep, 110),
        ]:
            control.layout.width = f"{width}px"
            control.style.description_width = "initial"
        self.message, self.where, self.amounts = ipw.HTML(), ipw.HTML(), ipw.HTML()
        self.partner = ipw.HTML()

    def _arranged(self):
        state = self.state
        title = ipw.HTML(f"<b>{escape(state.title)}</b>")
        turn = ipw.HBox([self.flipped, self.hidden, self.earlier, self.later], layout=WRAPPED)
        self.list = ipw.VBox([self.component, self.name, turn])
        self.list.layout.flex = "1 1 270px"
        beside = [] if state.beside is None else [ipw.VBox([self.partner, self.beside])]
        self.region_box = ipw.VBox(
            [self.region_plot, self.amounts, ipw.HBox([self.region_name, self.keep])]
        )
        scatter = ipw.VBox([ipw.HBox([self.across, self.up], layout=WRAPPED), self.scatter])
        maps = [ipw.VBox([self.view, self.map]), *beside, scatter]
        for box in maps:
            box.layout.flex, box.layout.min_width = "1 1 300px", "0"
        return [
            title,
            self.message,
            ipw.HBox([self.list, maps[0]], layout=WRAPPED),
            ipw.HBox([self.heights, self.elements], layout=WRAPPED),
            self.spectra,
            self.where,
            self.place,
            ipw.HBox(maps[1:], layout=WRAPPED),
            self.region_box,
            self.code,
        ]

    def _link(self):
        state = self.state
        tl.link((state, "component"), (self, "value"))
        for owner in (self, self.map):
            tl.link((state, "pixel"), (owner, "pixel"))
        tl.link((state, "hovered"), (self.map, "hovered"))
        tl.link((state, "region"), (self.map, "region"))
        tl.link((state, "scatter_region"), (self.scatter, "region"))
        for name in ("view", "heights"):
            tl.link((state, name), (getattr(self, name), "value"))
        self._hear()
        for act, names in [
            (self._show_list, ["component", "names", "order", "hidden", "signs"]),
            (self._show_layers, ["names", "order", "signs"]),
            (self._show_choice, ["component", "view", "order", "hidden"]),
            (self._show_spectra, ["component", "names", "hidden", "signs", "heights", "elements"]),
            (self._show_place, ["pixel", "hovered", "hidden"]),
            (self._show_scatter, ["scatter", "names", "signs"]),
            (self._show_region, ["region", "scatter_region", "names", "order", "signs"]),
            (self._show_words, ["message"]),
            (self._show_code, SAID),
        ]:
            state.observe(act, names)

    def _hear(self):
        """Let the controls that are not linked tell the state."""
        self.component.observe(self._take_component, "value")
        self.name.observe(self._take_name, "value")
        self.flipped.observe(self._take_flipped, "value")
        self.hidden.observe(self._take_hidden, "value")
        self.earlier.on_click(lambda _: self.state.move(-1))
        self.later.on_click(lambda _: self.state.move(1))
        self.map.observe(self._take_shown, "shown")
        self.elements.observe(self._take_elements, "value")
        self.across.observe(self._take_scatter, "value")
        self.up.observe(self._take_scatter, "value")
        self.keep.on_click(self._take_region)

    # what a person does

    def _take_component(self, change):
        if not self._is_showing and change["new"] is not None:
            self.state.component = change["new"]

    def _take_shown(self, change):
        """Follow the map through its layers, which it may do without Python."""
        if self._is_showing:
            return
        if change["new"] is None:
            self.state.view = "all"
        else:
            self.state.view, self.state.component = "one", self.state.order[change["new"]]

    def _take_name(self, change):
        self._try(lambda: self.state.rename(change["new"]))

    def _take_flipped(self, change):
        if not self._is_showing and change["new"] != (self.state.signs[self.state.component] < 0):
            self.state.flip()

    def _take_hidden(self, change):
        if not self._is_showing:
            self.state.hide(hidden=change["new"])

    def _take_elements(self, change):
        elements = change["new"].replace(",", " ").split()
        self._try(lambda: self.state.set_trait("elements", elements))

    def _take_scatter(self, _):
        if not self._is_showing:
            self.state.scatter = (self.across.value, self.up.value)

    def _take_region(self, _):
        self._try(lambda: self.state.keep_region(self.region_name.value))

    def _try(self, act):
        """Do what was asked for, or say in words why not."""
        if self._is_showing:
            return
        try:
            act()
            self.state.message = ""
        except (ValueError, tl.TraitError) as error:
            self.state.message = str(error)
            self._show_list()

    # what is to be seen

    @contextmanager
    def _showing(self):
        """Set controls without being told of it as if a person had."""
        before, self._is_showing = self._is_showing, True
        try:
            yield
        finally:
            self._is_showing = before

    def _show_list(self, _=None):
        state = self.state
        names = [(self._entry(k), k) for k in state.order]
        with self._showing():
            if self.component.options != tuple(names):
                self.component.options = names
                self.across.options = self.up.options = [(state.names[k], k) for k in state.order]
                self.across.value, self.up.value = state.scatter
            self.component.value = state.component
            self.name.value = state.names[state.component]
            self.flipped.value = state.signs[state.component] < 0
            self.hidden.value = state.component in state.hidden
            self.elements.value = ", ".join(state.elements)

    def _entry(self, k):
        state = self.state
        said = ["turned over"] * (state.signs[k] < 0) + ["hidden"] * (k in state.hidden)
        return state.names[k] + (f" ({', '.join(said)})" if said else "")

    def _show_layers(self, _=None):
        state = self.state
        with self._showing(), self.map.hold_sync():
            self.map.set_layers(
                state.maps[state.order],
                names=[state.names[k] for k in state.order],
                colors=[self.palette[k] for k in state.order],
            )
            self._show_choice()

    def _show_choice(self, _=None):
        state = self.state
        is_alone = state.view == "one"
        with self._showing(), self.map.hold_sync():
            self.map.visible = [k not in state.hidden for k in state.order]
            self.map.shown = state.order.index(state.component) if is_alone else None
            name = state.names[state.component]
            self.map.caption = f"{name}: what each pixel holds" if is_alone else "all components"

    def _show_spectra(self, _=None):
        state = self.state
        partner = state.partners()[state.component]
        beside = None
        if partner is not None:
            beside = (f"{partner.number} of {state.beside.name}", state.partner_spectrum())
        self.spectra.show(
            state.components,
            state.component,
            state.names[state.component],
            shown=state.shown,
            equal=state.heights == "equal",
            bands=state.bands,
            partner=beside,
        )
        self.spectra.mark(state.markers())
        if state.beside is not None:
            self._show_partner(partner)

    def _show_partner(self, partner):
        state = self.state
        name = escape(state.names[state.component])
        if partner is None:
            self.partner.value = f"{escape(state.beside.name)} has no component left for {name}."
            self.beside.layout.visibility = "hidden"
            return
        turned = ", turned over" if partner.sign < 0 else ""
        self.partner.value = (
            f"component {partner.number} of {escape(state.beside.name)}{turned}: "
            f"{partner.angle:.1f}° from {name}, maps correlate by {partner.correlation:.2f}"
        )
        self.beside.layout.visibility = "visible"
        self.beside.set_values(state.partner_map())
        self.beside.caption = f"component {partner.number} of {state.beside.name}{turned}"

    def _show_place(self, _=None):
        state = self.state
        row, column = state.probed
        scores = state.scores()
        said = (
            f"{escape(state.names[k])} {scores[k]:.3g}"
            for k in state.shown
            if np.isfinite(scores[k])
        )
        self.where.value = f"row {row}, column {column}: {' + '.join(said) or 'hidden'}"
        counts = state.counts()
        if counts is not None:
            sent = np.asarray(counts, dtype=np.float32)
            self.map.counts = {"pixel": list(state.probed), "values": sent.tobytes()}
        self.place.show(counts, state.model(), state.parts(), state.shown)
        at = state.scatter_pixel()
        self.scatter.hovered = None if state.hovered is None else at
        if at is not None:
            self.scatter.pixel = at

    def _show_scatter(self, _=None):
        state = self.state
        across, up = (state.names[k] for k in state.scatter)
        self.scatter.set_values(state.scatter_values())
        self.scatter.caption = f"pixels by {across} (to the right) and {up} (upwards)"
        with self._showing():
            self.across.value, self.up.value = state.scatter
        self._show_region()

    def _show_region(self, _=None):
        state = self.state
        selected = state.selection()
        self.map.set_highlight(selected if state.scatter_region else None)
        self.scatter.set_highlight(state.scatter_selection() if state.region else None)
        self.region_box.layout.display = "none" if selected is None else None
        if selected is not None:
            self.region_plot.show(state.region_spectrum(), state.region_model())
            self.amounts.value = self._table(selected)

    def _table(self, selected):
        state, amounts = self.state, self.state.region_amounts()
        if not amounts:
            return "The region holds no visible pixel."
        has_draws = state.found.stderr is not None
        heads = ["component", "mean", "error of the mean"] + ["of a pixel, drawn"] * has_draws
        rows = [[*self._cells(k, amounts[k])][: len(heads)] for k in state.order]
        return (
            f"Mean of {np.count_nonzero(selected)} pixels; its error from how they differ."
            f"<table><tr>{_cells('th', heads)}</tr>"
            + "".join(f"<tr>{_cells('td', row)}</tr>" for row in rows)
            + "</table>"
        )

    def _cells(self, k, amount):
        yield self.state.names[k]
        for value in (amount.mean, amount.error, amount.pixel_error):
            yield f"{value:.3g}" if np.isfinite(value) else "none"

    def _show_words(self, _=None):
        message = self.state.message
        self.message.value = f"<i>{escape(message)}</i>" if message else ""

    def _show_code(self, _=None):
        self.code.value = as_html(self.to_code())

    def _pixel_size(self):
        image = self.state.image
        return {} if image is None else length_scale(image.navigation_axes[-1])


def _cells(tag, texts):
    return "".join(f"<{tag} style='padding: 0 8px'>{escape(text)}</{tag}>" for text in texts)
