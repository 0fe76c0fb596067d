"""Named regions under a map: keep them, compare what they hold, take them along."""

from __future__ import annotations

from contextlib import contextmanager
from html import escape

import ipywidgets as ipw
import traitlets as tl

from endmember.widgets.message import Message
from endmember.widgets.plain_keys import PlainKeys
from endmember.widgets.region_files import FileButton
from endmember.widgets.region_list import MASK
from endmember.widgets.region_plots import ProfilePlot, SumPlot

WRAPPED = {"flex_flow": "row wrap", "grid_gap": "4px 12px", "align_items": "center"}
NONE = "none chosen"
MOST_ROWS = 6
WHAT_LINES = "Fe_Ka, Mg_Ka or name: low to high"


class RegionPanel(ipw.VBox):
    """The regions that were kept, what they hold, and files of it.

    Draw a region on the map, write a name and keep it. The list is the same under every map of the
    same data; what is chosen in it is shown on all of them.

    Parameters
    ----------
    regions : RegionList
        Of the data, as :func:`regions_of` returns it.
    map_view : MapView
        Where regions are drawn and shown.
    drawn : callable, optional
        Returns what is to be kept, a region or a mask; by default what is drawn on the map.
    highlights : bool, default=True
        Whether the panel lets the pixels of a chosen mask stand out on the map; otherwise whoever
        owns the map does.
    has_spectrum : bool, default=True
        Whether the sum spectrum of the chosen region is drawn.

    Attributes
    ----------
    regions : RegionList
        The list; everything can be done there, too.

    Examples
    --------
    >>> import endmember as em
    >>> from endmember.widgets import MapView
    >>> from endmember.widgets.region_list import regions_of
    >>> from endmember.widgets.region_panel import RegionPanel
    >>> image = em.datasets.load("mixture").image
    >>> view = MapView(image.map((0.5, 2.0)))
    >>> panel = RegionPanel(regions_of(image), view)
    >>> view.region = {"kind": "rectangle", "points": [[0, 0], [3, 4]]}
    >>> panel.name.value = "corner"
    >>> panel.keep.click()
    >>> list(panel.regions.regions)
    ['corner']
    """

    _listens = False

    def __init__(self, regions, map_view, *, drawn=None, highlights=True, has_spectrum=True):
        self.regions, self.map = regions, map_view
        self._drawn = drawn or (lambda: self.map.region)
        self._highlights, self._has_spectrum = highlights, has_spectrum
        self._is_showing = False
        self._put = {}  # the region that this panel has put on the map,
        self._has_highlight = False  # and whether it has let pixels stand out
        self._make_controls()
        self._make_files()
        super().__init__(layout={"width": "100%"})
        self._arrange()
        self._hear()
        self._show_list()
        self._show_on_map()

    def close(self):
        """Leave the list, which others may still show."""
        if self._listens:  # else it was never made, or is closed already
            self.regions.unobserve(self._show_list, ["regions", "chosen", "lines"])
            self.regions.unobserve(self._show_on_map, ["chosen", "regions"])
            self.regions.unobserve(self._show_image, ["image"])
            self.map.unobserve(self._take_drawn, "region")
            self._listens = False
        super().close()

    # parts

    def _make_controls(self):
        # Sent once it is written: letters on their way would come after a click on a button.
        self.name = ipw.Text(description="region", placeholder="its name", continuous_update=False)
        self.keep = ipw.Button(description="Keep region")
        self.chosen = ipw.Select(description="regions", options=[(NONE, "")])
        self.rename = ipw.Button(description="Rename")
        self.remove = ipw.Button(description="Remove")
        self.lines = ipw.Text(
            description="intensities of", placeholder=WHAT_LINES, continuous_update=False
        )
        for control, width in [
            (self.name, 220),
            (self.keep, 110),
            (self.chosen, 260),
            (self.rename, 90),
            (self.remove, 90),
            (self.lines, 420),
        ]:
            control.layout.width, control.layout.max_width = f"{width}px", "100%"
            control.style.description_width = "initial"
        self.table, self.message = ipw.HTML(), Message()
        image = self.regions.image
        self.spectrum = image and SumPlot(image.axis, image.signal_axis.label())
        self.profile = image and ProfilePlot()

    def _make_files(self):
        regions = self.regions
        made = {
            "Table as CSV": lambda: ("regions.csv", regions.csv_text()),
            "Spectra as CSV": lambda: ("region-spectra.csv", regions.csv_text("spectra")),
            "Profile as CSV": lambda: ("region-profile.csv", regions.csv_text("profile")),
            "Masks as NPZ": lambda: ("region-masks.npz", regions.masks_file()),
        }
        self.files = {
            words: FileButton(words, make, self._say_error) for words, make in made.items()
        }
        if regions.image is None:
            del self.files["Spectra as CSV"], self.files["Profile as CSV"]

    def _arrange(self):
        keep = ipw.HBox([self.name, self.keep, self.rename, self.remove], layout=WRAPPED)
        files = ipw.HBox(list(self.files.values()), layout=WRAPPED)
        lines = [self.lines] * (self.regions.image is not None)
        self._of_list = [self.chosen, *lines, self.table, files]
        self._top = [PlainKeys(), keep, self.message]
        self.plots = ipw.VBox()

    def _hear(self):
        self._listens = True
        self.keep.on_click(lambda _: self._try(self._keep))
        self.rename.on_click(lambda _: self._try(self._rename))
        self.remove.on_click(lambda _: self._try(self._remove))
        self.chosen.observe(self._take_chosen, "value")
        self.lines.observe(self._take_lines, "value")
        self.map.observe(self._take_drawn, "region")
        self.regions.observe(self._show_list, ["regions", "chosen", "lines"])
        self.regions.observe(self._show_on_map, ["chosen", "regions"])
        self.regions.observe(self._show_image, ["image"])

    # what a person does

    def _keep(self):
        name = self.name.value.strip()
        self.regions.keep(name, self._drawn())
        self.regions.chosen = name
        return f"{name} is kept."

    def _rename(self):
        old, new = self.regions.chosen, self.name.value.strip()
        self.regions.rename(old, new)
        return f"{old} is now {new}."

    def _remove(self):
        name = self.regions.chosen
        self.regions.remove(name)
        return f"{name} is removed."

    def _take_chosen(self, change):
        if not self._is_showing:
            self._try(lambda: self.regions.set_trait("chosen", change["new"] or ""))

    def _take_lines(self, change):
        if not self._is_showing:
            self._try(lambda: self.regions.set_trait("lines", lines_in(change["new"])))

    def _take_drawn(self, change):
        """Let go of the chosen region where a person draws another one, or clears it."""
        chosen = self.regions.chosen
        if chosen and not self._is_showing and change["new"] != self._outline(chosen):
            self._put = {}
            self.regions.chosen = ""

    def _outline(self, name):
        """Return what of a region can be drawn: nothing of a mask."""
        region = self.regions.regions.get(name, {})
        return {} if region.get("kind") == MASK else region

    def _try(self, act):
        """Do what was asked for, or say in words why not."""
        try:
            self.message.say(act() or "")
        except (ValueError, TypeError, tl.TraitError) as error:
            self._say_error(str(error))
            self._show_list()

    def _say_error(self, words):
        self.message.say(words, kind="error")

    # what is to be seen

    @contextmanager
    def _showing(self):
        """Set controls without being told of it as if a person had."""
        before, self._is_showing = self._is_showing, True
        try:
            yield
        finally:
            self._is_showing = before

    def _show_list(self, change=None):
        regions = self.regions
        entries = [(NONE, ""), *((name, name) for name in regions.regions)]
        with self._showing(), self.chosen.hold_sync():
            if self.chosen.options != tuple(entries):
                self.chosen.options = entries
                self.chosen.rows = min(max(len(entries), 2), MOST_ROWS)
            self.chosen.value = regions.chosen
            self.lines.value = words_of(regions.lines)
        if change and change["name"] == "chosen" and regions.chosen:
            self.name.value = regions.chosen
        self.rename.disabled = self.remove.disabled = not regions.chosen
        self.table.value = table_html(regions.table(), regions.chosen)
        self._show_plots()
        rest = [*self._of_list, self.plots] if regions.regions else []
        self.children = [*self._top, *rest]

    def _show_image(self, _):
        """Measure anew: the axis, or what is hidden, is another one."""
        image = self.regions.image
        self.spectrum.set_axis(image.axis, image.signal_axis.label())
        self._show_list()

    def _show_plots(self):
        """Draw the chosen region; a plot out of sight has no room, so it is not there before."""
        regions, plots = self.regions, []
        is_line = False
        if regions.chosen and regions.image is not None:
            is_line = regions.regions[regions.chosen]["kind"] == "line"
            if self._has_spectrum:
                self.spectrum.show(regions.sums(regions.chosen).spectrum, regions.chosen)
                plots = [self.spectrum]
        if is_line:
            try:
                self.profile.show(regions.profile(regions.chosen))
                plots.append(self.profile)
            except ValueError as error:
                self._say_error(str(error))
        if "Profile as CSV" in self.files:
            self.files["Profile as CSV"].disabled = not is_line
        self.plots.children = plots

    def _show_on_map(self, _=None):
        """Put the chosen region on the map; take away what this panel has put there before."""
        outline = self._outline(self.regions.chosen)
        is_mask = bool(self.regions.chosen) and not outline
        with self._showing():
            if outline or is_mask or (self._put and self.map.region == self._put):
                self.map.region = outline
            self._put = self.map.region if outline else {}
            if self._highlights:
                self._highlight(is_mask)

    def _highlight(self, is_mask):
        if is_mask:
            mask = self.regions.mask(self.regions.chosen)
            self.map.set_highlight(mask.reshape(self.map.shape))
        elif self._has_highlight:
            self.map.set_highlight(None)
        self._has_highlight = is_mask


def lines_in(words):
    """Return lines as :func:`line_maps` takes them, from how a person writes them.

    Examples
    --------
    >>> from endmember.widgets.region_panel import lines_in
    >>> lines_in("Fe_Ka, Mg_Ka"), lines_in("D: 1300 to 1400, G: 1550 to 1620")
    (['Fe_Ka', 'Mg_Ka'], {'D': (1300.0, 1400.0), 'G': (1550.0, 1620.0)})
    """
    parts = [part.strip() for part in words.split(",") if part.strip()]
    if not any(":" in part for part in parts):
        return [word for part in parts for word in part.split()]
    return dict(_window_in(part) for part in parts)


def _window_in(part):
    name, _, ends = part.rpartition(":")
    try:
        low, high = (float(end) for end in ends.split(" to "))
    except ValueError:
        raise ValueError(
            f"{part!r} is no window; write a name and two ends in the unit of the axis, as "
            "G: 1550 to 1620."
        ) from None
    return name.strip(), (low, high)


def words_of(lines):
    """Return lines as a person writes them; see :func:`lines_in`."""
    if isinstance(lines, dict):
        ends = ((name, *map(_exactly, pair)) for name, pair in lines.items())
        return ", ".join(f"{name}: {low} to {high}" for name, low, high in ends)
    return ", ".join(lines)


def _exactly(value):
    """Write a number so that it is the same when it is read again, whole ones without a point."""
    short = f"{value:g}"
    return short if float(short) == value else repr(float(value))


def table_html(table, chosen=""):
    """Return a table of regions as HTML, the chosen one in bold."""
    if not table:
        return ""
    lines = list(table[0].lines)
    has_counts = table[0].counts is not None
    heads = ["region", "pixels", *["counts"] * has_counts, *lines]
    errors = " ± the error of counting" if has_counts else ""
    rows = "".join(_row_html(row, lines, row.name == chosen) for row in table)
    return (
        '<div tabindex="0" role="group" aria-label="regions, in numbers" style="overflow-x: auto">'
        f'<table><caption style="text-align: left">What each region holds{errors}.</caption><tr>'
        + "".join(f'<th scope="col" style="{CELL}">{escape(head)}</th>' for head in heads)
        + f"</tr>{rows}</table></div>"
    )


CELL = "padding: 0 8px; text-align: right; white-space: nowrap"


def _row_html(row, lines, is_chosen):
    cells = [str(row.n_pixels)]
    if row.counts is not None:
        cells.append(with_error(row.counts, row.error))
    cells += [with_error(*row.lines[line]) for line in lines]
    style = CELL + ("; font-weight: bold" if is_chosen else "")
    return (
        f'<tr><th scope="row" style="{style}">{escape(row.name)}</th>'
        + "".join(f'<td style="{style}">{cell}</td>' for cell in cells)
        + "</tr>"
    )


def with_error(value, error):
    """Return a value and its error, both to the second digit of the error.

    Examples
    --------
    >>> from endmember.widgets.region_panel import with_error
    >>> with_error(12345.678, 111.1), with_error(3.14159, 0.0271)
    ('12346 ± 111', '3.142 ± 0.027')
    """
    digits = 0
    while error > 0 and round(error, digits) * 10**digits < 10 and digits < 6:
        digits += 1
    return f"{value:.{digits}f} ± {error:.{digits}f}"
