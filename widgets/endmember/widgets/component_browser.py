"""Look at components and their maps, name them, and see what they say of a place."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from html import escape

import ipywidgets as ipw
import numpy as np
import traitlets as tl

from endmember.core.axes import length_scale
from endmember.widgets.browser_figure import save_figure
from endmember.widgets.browser_state import BrowserState
from endmember.widgets.code_field import CodeField
from endmember.widgets.component_links import ComponentLinks, pack_layers
from endmember.widgets.component_plots import ComponentPlot, PartsPlot
from endmember.widgets.factors import compact_factors, pack_factors
from endmember.widgets.figure_files import checked_path, nothing_hovered
from endmember.widgets.map_traits import label_colors
from endmember.widgets.map_view import Hearing, MapView
from endmember.widgets.message import Message
from endmember.widgets.pages import save_page
from endmember.widgets.plain_keys import PlainKeys
from endmember.widgets.region_files import FileButton
from endmember.widgets.region_panel import RegionPanel
from endmember.widgets.scatter import N_BINS, scatter_ends

HEIGHTS = {"counts": "counts", "their highest channel": "equal"}
WRAPPED = {"flex_flow": "row wrap", "grid_gap": "4px 20px"}
MINUS = "\N{MINUS SIGN} "
HELD = "what each pixel holds"
ALL_TOGETHER = "all components that are not hidden, in the colours of their spectra"
ALL_BESIDE = "what is nearest to them in the other result, in the same colours"
SAID = ["names", "order", "signs", "region", "scatter_region"]  # what code repeats


class ComponentList(Hearing, ipw.Select):
    """A list that knows when it was the page that changed it."""


class ComponentBrowser(ipw.VBox):
    """Browse the components of any result: spectra, maps, and what they add up to in each pixel.

    Choose a component in the list, in the menu under the map, or with Page Up and Page Down on the
    map: its spectrum and its map come to the front. Point at a pixel for its raw counts and their
    model, the sum of its parts. Draw a region on the map, or on the scatter of two components, for
    its mean spectrum and what it holds of each component. Components can be named, ordered, hidden
    and turned over.

    Parameters
    ----------
    result : estimator, Decomposition, Bootstrap, HyperSpy signal, or pair of arrays
        A fitted estimator; a signal after ``decomposition()``; or ``(components, maps)`` of shapes
        (n_components, n_channels), in counts, and (rows, columns, n_components), dimensionless.
    image : SpectrumImage, Scene, or what :func:`as_spectrum_image` takes, optional
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
    regions : RegionPanel
        Named regions, shared with all widgets on the same data.

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

    _listens = False

    def __init__(self, result, image=None, *, beside=None):
        self.state = BrowserState(result, image, beside=beside)
        self.palette = label_colors(self.state.n_components)
        self._is_showing = False
        self._make_controls()
        self._make_plots()
        super().__init__(self._arranged(), layout={"max_width": "1000px"})
        self.add_class("endmember-browser")
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

    def close(self):
        """Leave the regions, which other widgets may still show."""
        if self._listens:  # else it was never made, or is closed already
            kept = self.state.regions
            kept.unobserve(self._show_region, ["chosen"])
            kept.unobserve(self._show_code, ["regions", "chosen"])
            self.state.close()
            self.regions.close()
            self._listens = False
        super().close()

    def result(self):
        """Return the components as they were named, ordered, turned and hidden."""
        return self.state.result()

    def to_hyperspy(self):
        """Return the shown components and maps as calibrated HyperSpy signals, for eXSpy."""
        return self.state.to_hyperspy()

    def to_code(self):
        """Return the lines that make the same result without a widget."""
        return self.state.to_code()

    def settings(self):
        """Return all settings and the kept regions, as JSON has them."""
        return self.state.settings()

    def restore(self, settings):
        """Take over what :meth:`settings` returned."""
        self.state.restore(settings)

    def to_csv(self, path, what="components"):
        """Write spectra of components, or what every region holds of them, as CSV.

        Parameters
        ----------
        path : str or path-like
            Ends in ``.csv``. A file of that name is replaced.
        what : {"components", "abundances"}, default="components"
            Spectra along the signal axis; or means over the regions, with their errors.
        """
        return self.state.to_csv(path, what)

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
        path = checked_path(path, "the browser", scripts=scripts)
        if path.suffix.lower() != ".html":
            save_figure(self.state, self.palette, path)
            return
        with nothing_hovered(self.state), self._without_kernel():
            title = self.state.title or "Components"
            save_page(self, path, title=title, scripts=scripts)

    @contextmanager
    def _without_kernel(self):
        """Leave out what a page cannot do by itself; what is on the screen now does not change."""
        views = (self.map, self.scatter, self.beside)
        with ExitStack() as stack:
            for widget in (*self._of_python, *views):
                stack.enter_context(widget.layout.hold_sync())
                stack.enter_context(widget.hold_sync())
            for widget in self._of_python:
                stack.callback(setattr, widget.layout, "display", widget.layout.display)
                widget.layout.display = "none"
            for view in views:
                stack.callback(setattr, view, "tools", view.tools)
                view.tools = ["point"]
            self._pack(stack)
            yield

    def _pack(self, stack):
        """Hold the layers of maps once, in as few bytes as it takes."""
        blocks = compact_factors(self.map.factors, self.map.shape)["blocks"]
        packed = {"map": pack_layers(self.map.layers, is_in_factors=max(blocks) == 1)}
        views = [self.map]
        if self.state.beside is not None:
            packed["beside"] = pack_layers(self.beside.layers)
            views.append(self.beside)
        for view in views:
            stack.callback(setattr, view, "layers", view.layers)
            view.layers = {}
        stack.enter_context(self.where.hold_sync())
        stack.callback(setattr, self.where, "packed", {})
        self.where.packed = packed

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
        more = {"has_bands": state.bands is not None, "has_partners": state.beside is not None}
        self.spectra = ComponentPlot(*axis, self.palette, **more)
        self.place = PartsPlot(*axis, self.palette, ends=state.ends(), has_counts=has_counts)
        self.region_plot = PartsPlot(*axis, [], has_counts=has_counts)
        self.spectra.add_class("endmember-components")
        self.place.add_class("endmember-place")
        self.code = CodeField()
        self._make_maps()
        own = {"highlights": False, "has_spectrum": False}  # they are shown with their model
        self.regions = RegionPanel(state.regions, self.map, drawn=state.drawn, **own)
        self._make_links()

    def _make_maps(self):
        state, narrow = self.state, {"min_width": "0"}
        factors, (pixels, counts) = state.factors(), state.pins()
        self._rank = len(factors["scores"]) + 1  # beyond the last: neither key takes a part away
        self.map = MapView(
            shape=state.shape,
            rank=self._rank,
            max_rank=self._rank + 1,
            pixel=state.pixel,
            pixel_size=self._pixel_size(),
            factors=_exactly_packed(factors),
            tools=["point", "rectangle", "lasso", "line"],
            followers=self._followers(),
            pins={"pixels": pixels, "values": np.asarray(counts, dtype=np.float32).tobytes()},
            layout=narrow,
        )
        self.scatter = MapView(
            shape=(N_BINS, N_BINS),
            scale="log",
            unit="pixels",
            tools=["point", "rectangle", "lasso"],
            layout=narrow,
        )
        self.beside = MapView(
            shape=state.shape, pixel_size=self._pixel_size(), tools=["point"], layout=narrow
        )

    def _make_links(self):
        """Name what the page moves by itself."""
        state, spectra = self.state, self.spectra
        roles = {"map": self.map, "list": self.component, "front": spectra.front}
        roles["control"] = self.name
        curves = {"lines": spectra.lines, "parts": self.place.parts}
        if state.n_components > 1:
            roles["scatter"] = self.scatter
        if state.beside is not None:
            roles.update(beside=self.beside, said=self.partner)
            curves["partners"] = spectra.partners
        if state.bands is not None:
            curves["bands"] = spectra.bands
        self.where = ComponentLinks(
            roles=roles,
            curves=curves,
            units=state.units(),
            home=self._rank,
            captions=[HELD, ALL_TOGETHER, ALL_BESIDE],
            has_mean=bool(state.found.offset.any()),
        )

    def _followers(self):
        """Name what the page draws by itself, and a control that tells it of a kernel."""
        followers = {"model": self.place.model, "kernel": self.name}
        return followers if self.state.image is None else {**followers, "counts": self.place.counts}

    def _make_controls(self):
        n = self.state.n_components
        self.component = ComponentList(description="component", rows=min(max(n, 3), 12))
        self.name = ipw.Text(description="name", continuous_update=False)
        self.flipped = ipw.Checkbox(description="turned over", indent=False)
        self.hidden = ipw.Checkbox(description="hidden", indent=False)
        self.earlier = ipw.Button(description="move up")
        self.later = ipw.Button(description="move down")
        self.heights = ipw.Dropdown(options=HEIGHTS, description="spectra in")
        self.elements = ipw.Text(
            description="lines of", placeholder="Fe, Mg, Si", continuous_update=False
        )
        self.across = ipw.Dropdown(description="scatter across")
        self.up = ipw.Dropdown(description="up")
        for control, width in [
            (self.component, 260),
            (self.name, 260),
            (self.flipped, 110),
            (self.hidden, 80),
            (self.earlier, 100),
            (self.later, 100),
            (self.heights, 260),
            (self.elements, 240),
            (self.across, 250),
            (self.up, 170),
        ]:
            control.layout.width = f"{width}px"
            control.style.description_width = "initial"
        self.message, self.amounts, self.partner = Message(), ipw.HTML(), ipw.HTML()
        made = {
            "Components as CSV": ("components.csv", "components"),
            "Abundances as CSV": ("abundances.csv", "abundances"),
        }
        self.files = {
            words: FileButton(words, self._maker(name, what), self._say_error)
            for words, (name, what) in made.items()
        }

    def _maker(self, name, what):
        return lambda: (name, self.state.csv_text(what))

    def _arranged(self):
        title = ipw.HTML(f"<b>{escape(self.state.title)}</b>")
        turn = ipw.HBox([self.flipped, self.hidden], layout=WRAPPED)
        move = ipw.HBox([self.earlier, self.later], layout=WRAPPED)
        say = ipw.VBox([self.name, turn, move])
        draw = ipw.VBox([self.heights, self.elements])
        choose = ipw.HBox([self.across, self.up], layout=WRAPPED)
        files = ipw.HBox(list(self.files.values()), layout=WRAPPED)
        self.region_box = ipw.VBox()
        self._of_python = [say, draw, choose, files, self.region_box, self.regions]
        self.where.of_python = self._of_python
        maps = [self.map, ipw.VBox([choose, self.scatter])][: self.state.n_components]
        if self.state.beside is not None:
            maps.insert(1, ipw.VBox([self.partner, self.beside]))
        for box in maps:
            box.layout.flex, box.layout.min_width = "1 1 320px", "0"
        return [
            title,
            self.message,
            PlainKeys(),
            ipw.HBox([self.component, say, draw], layout=WRAPPED),
            ipw.HBox(maps, layout=WRAPPED),
            self.regions,
            self.region_box,
            self.spectra,
            self.where,
            self.place,
            files,
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
        tl.link((state, "heights"), (self.heights, "value"))
        for name in ("names", "order", "signs"):
            tl.dlink((state, name), (self.where, name))
        self._hear()
        for act, names in [
            (self._show_list, ["component", "names", "order", "hidden", "signs", "elements"]),
            (self._show_layers, ["names", "order", "signs"]),
            (self._show_choice, ["component", "view", "order", "hidden"]),
            (self._show_spectra, ["component", "names", "hidden", "signs", "heights", "elements"]),
            (self._show_place, ["pixel", "hovered", "region"]),
            (self._show_scatter, ["scatter", "names", "signs"]),
            (self._show_region, ["region", "scatter_region", "names", "order", "signs"]),
            (self._show_words, ["message"]),
            (self._show_code, SAID),
        ]:
            state.observe(act, names)
        state.regions.observe(self._show_region, ["chosen"])
        state.regions.observe(self._show_code, ["regions", "chosen"])
        self._listens = True

    def _hear(self):
        """Let the controls that are not linked tell the state."""
        self.component.observe(self._take_component, "value")
        self.name.observe(self._take_name, "value")
        self.flipped.observe(self._take_flipped, "value")
        self.hidden.observe(self._take_hidden, "value")
        self.earlier.on_click(lambda _: self.state.move(-1))
        self.later.on_click(lambda _: self.state.move(1))
        self.map.observe(self._take_shown, "shown")
        self.map.observe(self._take_visible, "visible")
        self.elements.observe(self._take_elements, "value")
        self.across.observe(self._take_scatter, "value")
        self.up.observe(self._take_scatter, "value")

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

    def _take_visible(self, change):
        if not self._is_showing:
            seen = zip(self.state.order, change["new"], strict=True)
            self.state.hidden = sorted(k for k, is_visible in seen if not is_visible)

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

    def _try(self, act):
        """Do what was asked for, or say in words why not."""
        if self._is_showing:
            return
        try:
            act()
            self.message.kind, self.state.message = "status", ""
        except (ValueError, tl.TraitError) as error:
            self._say_error(str(error))
            self._show_list()

    def _say_error(self, words):
        self.message.kind, self.state.message = "error", words

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
        with self._showing(), self.component.hold_sync():
            if self.component.options != tuple(names):
                self.component.options = names
                self.across.options = self.up.options = [(state.names[k], k) for k in state.order]
                self.across.value, self.up.value = state.scatter
            if not self.map.is_hearing:  # else the page moves the list, and may be further by now
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
        colors = [self.palette[k] for k in state.order]
        names = [state.names[k] for k in state.order]
        with self._showing(), self.map.hold_sync():
            self.map.set_layers(state.maps[state.order], names=names, colors=colors)
            self._show_choice()
        if state.beside is not None:
            self._show_partners(names, colors)

    def _show_partners(self, names, colors):
        """Lay the partners of all components over each other; the page shows the one it needs."""
        state = self.state
        partners = state.partners()
        said = [self._said_of(k, partner) for k, partner in enumerate(partners)]
        with self.beside.hold_sync():
            self.beside.set_layers(state.partner_maps()[state.order], names=names, colors=colors)
            self.beside.visible, self.beside.shown = self.map.visible, self.map.shown
        self.where.partners = said
        self.partner.value = said[state.component]["words"]
        self.beside.caption = said[state.component]["caption"]

    def _said_of(self, k, partner):
        state = self.state
        name, other = state.names[k], state.beside.name
        if partner is None:
            words = f"{other} has no component left for {name}."
            return {"words": escape(words), "caption": words, "isThere": False}
        caption = f"component {partner.number} of {other}" + ", turned over" * (partner.sign < 0)
        alike = f"{partner.angle:.1f}° from {name}, maps correlate by {partner.correlation:.2f}"
        return {"words": escape(f"{caption}: {alike}"), "caption": caption, "isThere": True}

    def _show_choice(self, _=None):
        state = self.state
        is_alone = state.view == "one"
        with self._showing(), self.map.hold_sync():
            self.map.visible = [k not in state.hidden for k in state.order]
            if self.component.is_hearing or self.map.is_hearing:
                return  # the page has chosen, and may be further by now
            self.map.shown = state.order.index(state.component) if is_alone else None
            name = state.names[state.component]
            self.map.caption = f"{name}: {HELD}" if is_alone else ALL_TOGETHER

    def _show_spectra(self, _=None):
        state = self.state
        self.spectra.show(
            state.components,
            state.component,
            names=state.names,
            shown=state.shown,
            equal=state.heights == "equal",
            bands=state.bands,
            partners=self._partner_spectra(),
        )
        self.spectra.mark(state.markers())

    def _partner_spectra(self):
        state = self.state
        if state.beside is None:
            return []
        found = zip(state.partners(), state.partner_spectra(), strict=True)
        name = state.beside.name
        return [p and (f"{p.number} of {name}", spectrum) for p, spectrum in found]

    def _show_place(self, _=None):
        """Send raw counts of what is probed; all else of it the page works out."""
        state = self.state
        if state.region and state.hovered is None:
            probed, counts = {"region": state.region}, state.region_spectrum()
        else:
            probed, counts = {"pixel": list(state.probed)}, state.counts()
        if counts is None:  # there are none: of arrays, or of hidden pixels
            counts = np.full(state.axis.size, np.nan)
        self.map.counts = {**probed, "values": np.asarray(counts, dtype=np.float32).tobytes()}

    def _show_scatter(self, _=None):
        state = self.state
        across, up = (state.names[k] for k in state.scatter)
        ends = [scatter_ends(state.maps[k]) for k in state.scatter]
        self.where.scatter = {
            "numbers": list(state.scatter),
            "lows": [low for low, _ in ends],
            "highs": [high for _, high in ends],
            "bins": N_BINS,
        }
        self.scatter.set_values(state.scatter_values())
        self.scatter.caption = f"pixels by {across} (to the right) and {up} (upwards)"
        with self._showing():
            self.across.value, self.up.value = state.scatter
        self._show_region()

    def _show_region(self, _=None):
        state = self.state
        selected = state.selection()
        self.map.region, self.scatter.region = state.region, state.scatter_region  # as rounded
        has_outline, is_any = bool(state.region), selected is not None
        self.map.set_highlight(selected if is_any and not has_outline else None)
        is_on_scatter = bool(state.scatter_region)
        self.scatter.set_highlight(
            state.scatter_selection() if is_any and not is_on_scatter else None
        )
        # A plot out of sight would be drawn with no room at all, so it is not there before.
        self.region_box.children = [self.region_plot, self.amounts] if is_any else []
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
        self.message.value = self.state.message

    def _show_code(self, _=None):
        self.code.value = self.to_code()

    def _pixel_size(self):
        image = self.state.image
        return {} if image is None else length_scale(image.navigation_axes[-1])


def _cells(tag, texts):
    return "".join(f"<{tag} style='padding: 0 8px'>{escape(text)}</{tag}>" for text in texts)


def _exactly_packed(factors):
    """Pack factors so that nothing is left beside them: a page need not hold what is not there."""
    packed = pack_factors(factors)
    scales = np.frombuffer(packed["scales"], "<f4")
    scores = np.frombuffer(packed["scores"], "<i2").reshape(scales.size, -1) * scales[:, None]
    return {**packed, "norms": (scores**2).sum(axis=0).astype("<f4").tobytes()}
