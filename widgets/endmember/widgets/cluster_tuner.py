"""Tune clusters by hand and eye: map, mean spectra, silhouettes, ratios, and held-out counts."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from html import escape

import ipywidgets as ipw
import numpy as np
import traitlets as tl

from endmember.core.axes import length_scale
from endmember.core.tuned_clusters import masks_of
from endmember.widgets.cluster_figure import save_figure
from endmember.widgets.cluster_parts import ClusterLinks, ClusterTable, PlaneWords, Silhouettes
from endmember.widgets.cluster_plane import N_BINS
from endmember.widgets.cluster_plots import CurvePlot, MeansPlot
from endmember.widgets.cluster_state import MAX_K, SETTINGS, ClusterState
from endmember.widgets.code_field import CodeField
from endmember.widgets.figure_files import checked_path
from endmember.widgets.map_traits import LABEL_COLORS
from endmember.widgets.map_view import Hearing, MapView
from endmember.widgets.message import Message
from endmember.widgets.pages import save_page
from endmember.widgets.pixels import check_inside
from endmember.widgets.plain_keys import PlainKeys
from endmember.widgets.region_files import FileButton
from endmember.widgets.region_list import LONGEST, MASK, fits, pack_mask, regions_of
from endmember.widgets.region_panel import RegionPanel
from endmember.widgets.work_row import WorkRow

FEATURES = {
    "all channels": "raw",
    "lines": "lines",
    "shares (L1)": "l1",
    "log-ratios": "log-ratio",
    "principal components": "pca",
}
NORMALISED = {"none": "none", "each feature by its spread": "spread",
              "each pixel by its length": "length"}  # fmt: skip
MIXED = {"k-means": "k-means", "Gaussian mixture": "gaussian mixture"}
JUDGED = {"inertia": "inertia", "silhouette": "silhouette", "gap": "gap", "BIC": "bic"}
PLANES = {"clusters": "clusters", "density": "density"}
FADED = "#808080"
LABELS = {
    "inertia": "sum of squared distances",
    "silhouette": "mean silhouette",
    "gap": "gap",
    "bic": "BIC (lowest is best)",
}
PREFERRED = "orange: what the criterion prefers; click on a point to choose it"
OF_MEANS = "± 2 standard errors; thick: of the cluster under the pointer; grey: what is chosen"
PLANE_STYLE = (
    "<style>.endmember-plane :is(.readout, .caption, .legend) { display: none !important; }</style>"
)


class KBox(Hearing, ipw.BoundedIntText):
    """A number box that knows when it was the page that changed it."""


class ClusterTuner(ipw.VBox):
    """Tune the clusters of a spectrum image, and see what each choice is worth.

    Choose features, an algorithm and the number of clusters; the map, the mean spectra, the
    silhouettes and the ratios of two lines follow. Clusters for every number of them are found in
    the background; those that are found are in the page, which shows another number of them at
    once, whatever Python does. With held-out counts, clusters are found on one half of the counts
    and judged by the other: a split that the noise made is gone there. Clusters can be given names
    in the table; the map and the mean spectra can be saved as CSV, under these names.

    Parameters
    ----------
    data : SpectrumImage, Scene, HyperSpy signal or array of shape (rows, columns, n_channels)
        Counts with one or two navigation axes; of a scene its image.
    lines : sequence of str, or dict of str to (float, float), optional
        X-ray lines or windows for features and ratios, as :func:`line_maps` takes them; by
        default those in the metadata.
    max_k : int, default=8
        Largest number of clusters, 8 at most; turning it up takes longer before all are known.

    Attributes
    ----------
    value : int
        The chosen number of clusters; may be set.
    pixel : tuple of int
        Row and column of the chosen pixel; may be set.
    state : ClusterState
        Everything that is known, without a widget; all settings are traits of it.

    Examples
    --------
    >>> import endmember as em
    >>> scene = em.datasets.load("iron_oxides", shape=(24, 24), dose=10_000)
    >>> tuner = em.ClusterTuner(scene.image, max_k=3)
    >>> tuner.label_map().shape
    (24, 24)
    >>> tuner.state.names = ["haematite", "magnetite"]
    >>> sorted(tuner.result().masks())
    ['haematite', 'magnetite']
    """

    value = tl.Int(2, min=1)
    pixel = tl.Tuple(tl.Int(), tl.Int(), default_value=(0, 0))

    def __init__(self, data, *, lines=None, max_k=MAX_K):
        self.state = ClusterState(data, lines=lines, max_k=max_k, compute=False)
        self._is_filling = False
        self._sent = self._sent_plane = None  # what the page has of maps and plane
        self._kept = {}  # regions that clusters were kept as, by name
        self._make_controls()
        self._make_views()
        super().__init__(self._arranged(), layout={"max_width": "1100px"})
        self._link()
        self._show_settings()
        self.state.compute()

    def result(self):
        """Wait for the clusters, and return them with their labels, spectra, ratios and record."""
        return self.state.result()

    def label_map(self):
        """Wait for the clusters, and return their map of shape (rows, columns), -1 where hidden."""
        return self.state.result().labels

    def to_code(self):
        """Return the lines that make the same clusters without a widget."""
        return self.state.to_code()

    def settings(self):
        """Return all settings, as JSON has them; ipywidgets' own `get_state` is for the page."""
        return self.state.settings()

    def restore(self, settings):
        """Take over settings.

        Parameters
        ----------
        settings : dict
            What :meth:`settings` returned, or a part of it.
        """
        self.state.restore(settings)

    def save(self, path, *, scripts="inside"):
        """Wait for the clusters, and write what is shown: a page without Python, or a picture.

        Parameters
        ----------
        path : str or path-like
            ``.html`` for one page that answers in any browser, with no network, for every number of
            clusters: map, mean spectra, silhouettes, ratios and code. What needs Python is left
            out. ``.png``, ``.svg`` or
            ``.pdf`` for a picture. A file of that name is replaced.
        scripts : {"inside", "cdn"}, default="inside"
            For a page: ``"cdn"`` loads two scripts over the network instead of holding them, which
            makes it 1.2 MB smaller.

        Raises
        ------
        ValueError
            Where the ending of the name is another one.
        FileNotFoundError
            Where the folder does not exist, or the installed package holds no scripts for pages.
        RuntimeError
            Where there are no clusters, in the words that the widget shows.
        """
        path = checked_path(path, "the tuner", scripts=scripts)
        self.state.result()
        self._show_all()
        if path.suffix.lower() != ".html":
            save_figure(self.state, path)
            return
        with self._without_kernel():
            save_page(self, path, title=self.state.image.title or "Clusters", scripts=scripts)

    @contextmanager
    def _without_kernel(self):
        """Leave out what needs Python; what is on the screen now does not change."""
        views = (self.map, self.plane)
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
            yield

    @tl.validate("value")
    def _is_k(self, proposal):
        return self.state.check_k(proposal["value"])

    @tl.validate("pixel")
    def _is_pixel(self, proposal):
        return check_inside(proposal["value"], self.state.shape)

    # parts

    def _make_controls(self):
        state = self.state
        self.k = KBox(state.k, min=1, max=state.max_k, description="clusters")
        self.features = ipw.Dropdown(options=FEATURES, description="features")
        self.n_components = ipw.BoundedIntText(min=1, max=20, description="components")
        self.algorithm = ipw.Dropdown(options=MIXED, description="algorithm")
        self.normalisation = ipw.Dropdown(options=NORMALISED, description="normalisation")
        self.seed = ipw.BoundedIntText(min=0, max=2**31 - 1, description="seed")
        self.min_area = ipw.BoundedIntText(min=1, max=10**6, description="smallest area")
        self.held_out = ipw.Checkbox(
            description="cluster one half of the counts, judge by the other", indent=False
        )
        self.criterion = ipw.Dropdown(options=JUDGED, description="criterion")
        names = state.line_names or ["no lines"]
        self.above = ipw.Dropdown(options=names, description="ratio of")
        self.below = ipw.Dropdown(options=names, description="to")
        self.across = ipw.Dropdown(options={"first": 0}, description="across")
        self.up = ipw.Dropdown(options={"first": 0}, description="up")
        self.drawn = ipw.Dropdown(options=PLANES, description="show")
        self.keep = ipw.Button(description="Keep as regions")
        self.work, self.message = WorkRow(state), Message()
        self.files = [
            FileButton("Map as CSV", lambda: ("clusters.csv", state.map_text()), self._say),
            FileButton("Spectra as CSV", lambda: ("spectra.csv", state.spectra_text()), self._say),
        ]
        self._size_controls()

    def _size_controls(self):
        widths = {
            "k": 130, "features": 250, "n_components": 150, "algorithm": 230, "seed": 150,
            "normalisation": 300, "min_area": 170, "held_out": 380, "criterion": 190,
            "above": 160, "below": 120, "across": 180, "up": 160, "drawn": 140, "keep": 130,
        }  # fmt: skip
        for name, width in widths.items():
            getattr(self, name).layout.width = f"{width}px"
            getattr(self, name).style.description_width = "initial"

    def _make_views(self):
        state = self.state
        self.means, self.curve = MeansPlot(state.image), CurvePlot(state.max_k)
        self.code = CodeField()
        self.map = MapView(
            shape=state.shape,
            rank=state.k,
            max_rank=state.max_k,
            pixel=state.pixel,
            pixel_size=length_scale(state.image.navigation_axes[-1]),
            followers={
                "means": self.means.lines,
                "hovered": self.means.hovered,
                "line": self.curve.at,
            },
            layout={"width": "auto", "min_width": "0"},
        )
        self.plane = MapView(
            shape=(N_BINS, N_BINS),
            rank=state.k,
            max_rank=state.max_k,
            tools=["point", "rectangle", "lasso"],
            layout={"width": "300px", "min_width": "0"},
        )
        self.plane.add_class("endmember-plane")
        self.plane_up, self.plane_across = ipw.HTML(), ipw.HTML()
        self.heading = ipw.HTML()
        self._make_followers()

    def _make_followers(self):
        self.table = ClusterTable(self.map, names=self.state.names)
        self.silhouettes = Silhouettes(self.map)
        self.words = PlaneWords(self.map, plane=self.plane)
        marks = {"bands": self.means.bands, "points": self.curve.points, "code": self.code}
        self.links = ClusterLinks(self.map, plane=self.plane, **marks)
        regions = regions_of(self.state.image)
        self.regions = RegionPanel(regions, self.map, drawn=self._drawn, highlights=False)

    def _arranged(self):
        wrapped = {"flex_flow": "row wrap", "grid_gap": "4px 20px", "align_items": "center"}
        top = {**wrapped, "align_items": "flex-start"}
        third = {"flex": "1 1 290px", "min_width": "0"}
        controls = [self.features, self.n_components, self.algorithm, self.normalisation]
        chosen = ipw.HBox(controls, layout=wrapped)
        further = ipw.HBox([self.seed, self.min_area, self.held_out], layout=wrapped)
        ratio = ipw.HBox([self.above, self.below], layout=wrapped)
        ratio.layout.display = None if self.state.ratio else "none"
        files = ipw.HBox([self.keep, *self.files], layout=wrapped)
        hint, axes = ipw.HTML(PREFERRED), ipw.HBox([self.across, self.up, self.drawn])
        axes.layout = ipw.Layout(**wrapped)
        self._of_python = [
            *(chosen, further, self.work, ratio, files, self.criterion, hint, axes, self.regions)
        ]
        self.links.of_python = self._of_python
        left = ipw.VBox(
            [ipw.HBox([self.k], layout=wrapped), self.map, self.regions],
            layout={"flex": "2 1 320px", "min_width": "0"},
        )
        spectra = ipw.VBox(
            [self.heading, self.means, ratio, self.table, files],
            layout={"flex": "3 1 420px", "min_width": "0"},
        )
        judged = ipw.VBox([self.criterion, self.curve, hint], layout=third)
        apart = ipw.VBox([ipw.HTML("silhouettes of the clusters"), self.silhouettes], layout=third)
        plane = [axes, self.plane_up, self.plane_across, self.plane, self.words]
        return [
            PlainKeys(),
            ipw.HTML(f"<b>{escape(self.state.image.title)}</b>{PLANE_STYLE}"),
            *(chosen, further, self.work, self.message),
            ipw.HBox([left, spectra], layout=top),
            ipw.HBox([judged, apart, ipw.VBox(plane, layout=third)], layout=top),
            self.code,
            self.links,
        ]

    def _link(self):
        state = self.state
        tl.link((state, "k"), (self, "value"))
        tl.link((state, "k"), (self.map, "rank"))
        ipw.jslink((self.k, "value"), (self.map, "rank"))
        ipw.jslink((self.plane, "rank"), (self.map, "rank"))
        for name in ("features", "n_components", "algorithm", "normalisation", "seed",
                     "min_area", "held_out", "criterion"):  # fmt: skip
            tl.link((state, name), (getattr(self, name), "value"))
        for owner in (self, self.map):
            tl.link((state, "pixel"), (owner, "pixel"))
        tl.link((state, "hovered"), (self.map, "hovered"))
        tl.link((state, "region"), (self.map, "region"))
        tl.link((state, "plane_region"), (self.plane, "region"))
        self._hear()

    def _hear(self):
        state = self.state
        self.k.observe(self._take_k, "value")
        for control in (self.above, self.below):
            control.observe(self._take_ratio, "value")
        for control in (self.across, self.up):
            control.observe(self._take_axes, "value")
        self.drawn.observe(self._show_plane, "value")
        self.plane.observe(self._take_place, "pixel")
        self.keep.on_click(self._keep_regions)
        self.table.observe(self._take_names, "names")
        self.regions.regions.observe(self._take_region, ["chosen", "regions"])
        state.observe(self._show_k, "k")
        state.observe(self._show_all, "version")
        state.observe(self._show_settings, list(SETTINGS))
        state.observe(self._show_names, "names")
        state.observe(self._show_table, "ratio")
        state.observe(self._show_plane, "plane_axes")
        state.observe(self._leave_region, "plane_region")
        state.observe(self._show_chosen, ["pixel", "hovered", "region", "plane_region"])
        state.observe(self._show_words, ["status", "message"])

    def close(self):
        """Stop the work, and let go of what other widgets may still show."""
        if "regions" in vars(self):  # else it was never whole
            self.state.cancel()
            self.regions.regions.unobserve(self._take_region, ["chosen", "regions"])
            self.regions.close()
        super().close()

    # changes that the page makes

    def _take_k(self, change):
        if not self.k.is_hearing:  # else the page has moved the map too, which says so itself
            self.state.k = change["new"]

    def _take_ratio(self, _):
        if self.state.ratio is not None:
            self.state.ratio = (self.above.value, self.below.value)

    def _take_axes(self, _):
        if None not in (self.across.value, self.up.value) and not self._is_filling:
            self.state.plane_axes = (self.across.value, self.up.value)

    def _take_place(self, change):
        """Choose a pixel that lies where a person points at in the plane."""
        if self.plane.is_hearing and self.state.shown_k:
            pixel = self.state.plane().pixel_near(change["new"], self.state.pixel)
            self.state.pixel = pixel or self.state.pixel

    def _take_names(self, change):
        self.state.names = change["new"]
        self._show_names()  # where nobody gave one, there is one now

    def _take_region(self, _=None):
        """Choose the pixels of a kept region that has no outline; one that has is on the map."""
        regions = self.regions.regions
        is_mask = regions.regions.get(regions.chosen, {}).get("kind") == MASK
        self.state.mark(regions.mask(regions.chosen) if is_mask else None)
        self._show_chosen()

    def _leave_region(self, change):
        """Let go of the chosen region where a person draws in the plane."""
        if change["new"]:
            self.regions.regions.chosen = ""

    def _drawn(self):
        """Return what is to be kept as a region: what was drawn on the map, or in the plane."""
        state = self.state
        if state.region or not state.plane_region:
            return state.region
        return state.chosen().reshape(state.image.navigation_shape)

    def _keep_regions(self, _=None):
        """Keep the clusters that are shown among the regions, or say why not."""
        try:
            masks = self._masks_to_keep()
            names = {name: self._keep_region(name, masks) for name in masks}
        except ValueError as error:
            self._say(str(error))
            return
        self._say(kept_words(self.state.shown_k, names), kind="status")

    def _masks_to_keep(self):
        """Return the pixels of the clusters that are shown, by names that regions can have."""
        state = self.state
        if not state.shown_k:
            raise ValueError("There are no clusters to keep yet; wait until the first are found.")
        for name in state.shown_names():
            if not fits(name):
                raise ValueError(
                    f"The name {name[:LONGEST]!r} does not fit a region; write one line of at "
                    f"most {LONGEST} letters into the table."
                )
        labels = state.label_map().reshape(state.image.navigation_shape)
        masks = masks_of(labels, state.shown_names())
        return {name: mask for name, mask in masks.items() if mask.any()}

    def _keep_region(self, name, masks):
        """Keep one of the masks, in place of the one that was kept before; return its name."""
        regions, packed = self.regions.regions, {"kind": MASK, "pixels": pack_mask(masks[name])}
        given, number = name, 1
        while given in regions.regions:
            is_own = regions.regions[given] in (self._kept.get(given), packed)
            if is_own and (number == 1 or given not in masks):
                regions.remove(given)
                break
            number += 1
            given = f"{name} {number}"
        regions.keep(given, masks[name])
        self._kept[given] = packed
        return given

    # what the state knows

    def _say(self, words, kind="error"):
        self.message.say(words, kind=kind)

    def _show_k(self, _=None):
        if not self.map.is_hearing:  # else the page has moved them, and may be further by now
            self.k.value = self.plane.rank = self.state.k
            self.curve.move(self.state.k)

    def _show_settings(self, _=None):
        self.code.value = self.to_code()
        self.links.codes = self.state.codes()
        is_pca = self.state.features == "pca"
        self.n_components.layout.display = None if is_pca else "none"

    def _show_all(self, _=None):
        with self.state.worker.lock:
            if self.state.shown_k:
                self._send_clusters()
                self._show_judgement()
                self._fill_axes()
                self._show_chosen()

    def _send_clusters(self):
        """Send maps, spectra and tables for every number of clusters, where there are others."""
        state = self.state
        ks = tuple(state.made_ks())
        made = (id(state.ladder), state.shown_min_area, ks, state.ladder.is_whole)
        if made == self._sent or not ks:
            return
        self._sent = made
        maps, spectra = state.steps_up()
        half = ", found on one half of the counts" if state.ladder.recipe.held_out else ""
        axis, means = state.image.axis, [found and np.nan_to_num(found.means) for found in spectra]
        with self.map.hold_sync():
            self.map.set_label_sets(
                self._of_every_k(maps),
                palette=list(LABEL_COLORS),
                names=state.names,
                spectra=(axis, self._of_every_k(means)),
            )
            self.map.caption = "{rank} cluster{s}" + half
        self.means.fit([found for found in spectra if found])
        self.links.show(axis, self._of_every_k(spectra))
        half = " of the held-out half" if half else ""
        self.heading.value = f"mean spectra{half} {OF_MEANS}"
        self._show_settings()
        self._show_table()

    def _of_every_k(self, found):
        """Return what was found for 1, 2, ... clusters, None where that is not yet known.

        Where there are no more clusters to be found, the last ones stand for more of them.
        """
        found = list(found)
        is_last = self.state.ladder.is_whole and len(found) == self.state.ladder.n_found
        return found + [found[-1] if is_last else None] * (self.state.max_k - len(found))

    def _show_names(self, _=None):
        self.map.names = self.table.names = self.state.names

    def _show_table(self, _=None):
        state = self.state
        if state.ratio is not None:
            self.above.value, self.below.value = state.ratio
        if state.shown_k:
            made, ks = set(state.made_ks()), range(1, state.ladder.n_found + 1)
            with self.table.hold_sync():
                self.table.heads = heads_of(state)
                rows = [cells_of(state, k) if k in made else None for k in ks]
                self.table.rows = self._of_every_k(rows)

    def _show_judgement(self):
        state = self.state
        values, errors, best = state.curve()
        self.curve.show(values, errors, best, LABELS[state.criterion])
        every = [state.ladder.silhouettes_of(k) for k in range(1, state.ladder.n_found + 1)]
        self.silhouettes.show(self._of_every_k(every))

    def _fill_axes(self):
        """Offer the features of these clusters, and choose those that are drawn."""
        names, at = self.state.plane_names(), self.state.axes()
        self._is_filling = True
        for control, chosen in zip((self.across, self.up), at, strict=True):
            if dict(control.options) != names:
                control.options = names
            control.value = chosen
        self._is_filling = False

    def _show_plane(self, _=None):
        """Send the plane for every number of clusters, where it is another one."""
        state = self.state
        if not state.shown_k:
            return
        plane, chosen = state.plane(), state.chosen()
        held = None if chosen is None else chosen.tobytes()
        made = (self._sent, state.axes(), held, self.drawn.value)
        if made == self._sent_plane:
            return
        self._sent_plane = made
        density = plane.density(chosen)
        maps = [self._plane_labels(k, chosen) for k in range(1, state.ladder.n_found + 1)]
        if self.drawn.value == "density":
            self.plane.scale = "log"
            self.plane.set_values(density)
        else:
            self.plane.set_label_sets(self._of_every_k(maps), palette=[*LABEL_COLORS, FADED])
        self._show_sides(plane)
        self.words.show(sides_of(state, plane), density, self._of_every_k(maps))

    def _plane_labels(self, k, chosen):
        """Return the cluster of each bin; of bins without chosen pixels what stands for that."""
        labels = self.state.plane(k).clusters(k, chosen)
        return np.where(labels == k, len(LABEL_COLORS), labels)

    def _show_sides(self, plane):
        (across, up), unit = self.state.plane_titles(), self.state.feature_unit()
        self.plane_across.value = axis_html(across, unit, plane.across.ends, "→")
        self.plane_up.value = axis_html(up, unit, plane.up.ends, "↑")

    def _show_chosen(self, _=None):
        state = self.state
        if not state.shown_k:
            return
        chosen = state.chosen()
        self.map.set_highlight(chosen)
        name = f"pixel {state.probed[0]}, {state.probed[1]}"
        if chosen is not None:
            name = f"{np.count_nonzero(chosen)} chosen pixels"
        self.means.show_chosen(state.chosen_spectrum(), name)
        self._show_plane()
        if place := state.plane().bin_of(state.pixel):
            self.plane.pixel = place

    def _show_words(self, _=None):
        words, kind = words_of(self.state.status, self.state.message)
        self._say(words, kind)


def words_of(status, message):
    """Return what to say of the work, and which kind of words it is."""
    before = {"error": "No clusters: ", "stale": "Shown are older clusters. "}
    kind = "error" if status == "error" else "warning" if status == "idle" else "status"
    return (f"{before.get(status, '')}{message}" if message else ""), kind


def kept_words(n_clusters, names):
    """Say which clusters were kept; of names that other regions have, which took their place."""
    said = [f"{n_clusters} clusters are kept as regions."]
    if len(names) < n_clusters:
        said.append(f"They are {len(names)}: clusters of one name are one region.")
    for name, given in names.items():
        if given != name:
            said.append(f"Another region is called {name}, so the cluster is kept as {given}.")
    return " ".join(said)


def axis_html(name, unit, ends, arrow):
    """Name an axis of the plane, and what its ends stand for."""
    if unit == "counts":  # steps of whole counts end between them
        ends = int(np.ceil(ends[0])), int(np.floor(ends[1]))
    low, high = (f"{end:.4g}" for end in ends)
    return f"{arrow} {escape(name)}, from {low} to {high} {unit}".rstrip()


def sides_of(state, plane):
    """Return the two features of a plane, as the page has to know them."""
    sides = zip(state.plane_titles(), (plane.across, plane.up), strict=True)
    unit = state.feature_unit()
    return [
        {"name": name, "unit": unit, "low": s.ends[0], "high": s.ends[1], "n": s.n, "cells": N_BINS}
        for name, s in sides
    ]


def heads_of(state):
    """Return what stands over the columns of the table."""
    is_held_out, ratio = state.ladder.recipe.held_out, state.ratio
    heads = ["cluster", "pixels"]
    if ratio:
        heads.append(f"{ratio[0]} / {ratio[1]}" + (" where clustered" if is_held_out else ""))
        heads += ["on held-out counts"] if is_held_out else []
    return heads


def cells_of(state, k):
    """Return pixels and ratios of each of `k` clusters, in words."""
    is_held_out, rows = state.ladder.recipe.held_out, state.ratios_of(k)
    cells = [[str(row["n_pixels"])] for row in rows]
    for row, found in zip(rows, cells, strict=True):
        if state.ratio:
            found.append(ratio_words(row["clustered"]))
            found += [ratio_words(row["held_out"])] if is_held_out else []
    return cells


def ratio_words(ratio):
    """Write a ratio with its error, both to the first digit but one of the error."""
    if ratio is None:
        return "no counts"
    value, error = ratio
    digits = max(0, 1 - int(np.floor(np.log10(error))))
    return f"{value:.{digits}f} ± {error:.{digits}f}"
