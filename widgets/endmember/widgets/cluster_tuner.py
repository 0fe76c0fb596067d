"""Tune clusters by hand and eye: map, mean spectra, silhouettes, ratios, and held-out counts."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from html import escape

import ipywidgets as ipw
import numpy as np
import traitlets as tl

from endmember.core.axes import length_scale
from endmember.widgets.cluster_figure import save_figure
from endmember.widgets.cluster_plane import N_BINS
from endmember.widgets.cluster_plots import CurvePlot, MeansPlot, SilhouettePlot
from endmember.widgets.cluster_state import MAX_K, SETTINGS, ClusterState
from endmember.widgets.code_field import CodeField
from endmember.widgets.figure_files import checked_path
from endmember.widgets.map_traits import LABEL_COLORS
from endmember.widgets.map_view import Hearing, MapView
from endmember.widgets.message import Message
from endmember.widgets.pages import save_page
from endmember.widgets.pixels import check_inside
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
PLANE_STYLE = (
    "<style>.endmember-plane :is(.readout, .caption) { display: none !important; }</style>"
)


class KBox(Hearing, ipw.BoundedIntText):
    """A number box that knows when it was the page that changed it."""


class ClusterTuner(ipw.VBox):
    """Tune the clusters of a spectrum image, and see what each choice is worth.

    Choose features, an algorithm and the number of clusters; the map, the mean spectra, the
    silhouettes and the ratios of two lines follow. Clusters for every number of them are found in
    the background. With held-out counts, clusters are found on one half of the counts and judged
    by the other: a split that the noise made is gone there.

    Parameters
    ----------
    data : SpectrumImage, HyperSpy signal or array of shape (rows, columns, n_channels)
        Counts with one or two navigation axes.
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
    """

    value = tl.Int(2, min=1)
    pixel = tl.Tuple(tl.Int(), tl.Int(), default_value=(0, 0))

    def __init__(self, data, *, lines=None, max_k=MAX_K):
        self.state = ClusterState(data, lines=lines, max_k=max_k, compute=False)
        self._is_filling = False
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
            ``.html`` for one page that shows these clusters in any browser, with no network: the
            map tells its clusters, and what needs Python is left out. ``.png``, ``.svg`` or
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
        self.work = WorkRow(state)
        self.message = Message()
        self._size_controls()

    def _size_controls(self):
        widths = {
            "k": 130, "features": 250, "n_components": 150, "algorithm": 230, "seed": 150,
            "normalisation": 300, "min_area": 170, "held_out": 380, "criterion": 190,
            "above": 160, "below": 120, "across": 140, "up": 120, "drawn": 140,
        }  # fmt: skip
        for name, width in widths.items():
            getattr(self, name).layout.width = f"{width}px"
            getattr(self, name).style.description_width = "initial"

    def _make_views(self):
        state = self.state
        hidden = np.full(state.shape, -1)
        self.map = MapView(
            labels=hidden,
            rank=state.k,
            max_rank=state.max_k,
            pixel=state.pixel,
            caption="clusters",
            pixel_size=length_scale(state.image.navigation_axes[-1]),
            layout={"flex": "2 1 320px", "min_width": "0"},
        )
        self.heading = ipw.HTML()
        self.means = MeansPlot(state.image)
        self.curve = CurvePlot(state.max_k)
        self.silhouettes = SilhouettePlot()
        self.plane = MapView(
            labels=np.full((N_BINS, N_BINS), -1),
            caption="",
            layout={"width": "300px", "min_width": "0"},
        )
        self.plane.add_class("endmember-plane")
        self.plane_up, self.plane_across = ipw.HTML(), ipw.HTML()
        self.table = ipw.HTML()
        self.code = CodeField()

    def _arranged(self):
        wrapped = {"flex_flow": "row wrap", "grid_gap": "4px 20px", "align_items": "center"}
        top = {**wrapped, "align_items": "flex-start"}
        controls = [self.k, self.features, self.n_components, self.algorithm, self.normalisation]
        others = [self.seed, self.min_area, self.held_out]
        ratio = ipw.HBox([self.above, self.below], layout=wrapped)
        ratio.layout.display = None if self.state.ratio else "none"
        spectra = ipw.VBox(
            [self.heading, self.means, ratio, self.table],
            layout={"flex": "3 1 420px", "min_width": "0"},
        )
        third = {"flex": "1 1 290px", "min_width": "0"}
        hint = ipw.HTML(PREFERRED)
        judged = ipw.VBox([self.criterion, self.curve, hint], layout=third)
        apart = ipw.VBox([ipw.HTML("silhouettes of the clusters"), self.silhouettes], layout=third)
        axes = ipw.HBox([self.across, self.up, self.drawn], layout=wrapped)
        chosen = ipw.HBox(controls, layout=wrapped)
        further = ipw.HBox(others, layout=wrapped)
        self._of_python = [chosen, further, self.work, ratio, self.criterion, hint, axes]
        plane = ipw.VBox([axes, self.plane_up, self.plane, self.plane_across], layout=third)
        return [
            ipw.HTML(f"<b>{escape(self.state.image.title)}</b>{PLANE_STYLE}"),
            chosen,
            further,
            self.work,
            self.message,
            ipw.HBox([self.map, spectra], layout=top),
            ipw.HBox([judged, apart, plane], layout=top),
            self.code,
        ]

    def _link(self):
        state = self.state
        tl.link((state, "k"), (self, "value"))
        tl.link((state, "k"), (self.k, "value"))
        tl.link((state, "k"), (self.map, "rank"))
        for name in ("features", "n_components", "algorithm", "normalisation", "seed",
                     "min_area", "held_out", "criterion"):  # fmt: skip
            tl.link((state, name), (getattr(self, name), "value"))
        for owner in (self, self.map):
            tl.link((state, "pixel"), (owner, "pixel"))
        tl.link((state, "region"), (self.map, "region"))
        tl.link((state, "plane_region"), (self.plane, "region"))
        for control in (self.above, self.below):
            control.observe(self._take_ratio, "value")
        for control in (self.across, self.up):
            control.observe(self._take_axes, "value")
        self.drawn.observe(self._show_plane, "value")
        self.curve.points.on_element_click(self._take_point)
        self.plane.observe(self._take_place, "pixel")
        state.observe(self._show_all, "version")
        state.observe(self._show_settings, list(SETTINGS))
        state.observe(self._show_ratio, "ratio")
        state.observe(self._show_plane, "plane_axes")
        state.observe(self._show_chosen, ["pixel", "region", "plane_region"])
        state.observe(self._show_words, ["status", "message"])

    # changes that the page makes

    def _take_ratio(self, _):
        if self.state.ratio is not None:
            self.state.ratio = (self.above.value, self.below.value)

    def _take_axes(self, _):
        if None not in (self.across.value, self.up.value) and not self._is_filling:
            self.state.plane_axes = (self.across.value, self.up.value)

    def _take_point(self, _, event):
        self.state.k = round(event["data"]["x"])

    def _take_place(self, change):
        """Choose a pixel that lies where a person points at in the plane."""
        if self.plane.is_hearing and self.state.shown_k:
            pixel = self.state.plane().pixel_near(change["new"], self.state.pixel)
            self.state.pixel = pixel or self.state.pixel

    # what the state knows

    def _show_settings(self, _=None):
        self.code.value = self.to_code()
        is_pca = self.state.features == "pca"
        self.n_components.layout.display = None if is_pca else "none"
        self._show_ratio()

    def _show_ratio(self, _=None):
        if self.state.ratio is not None:
            self.above.value, self.below.value = self.state.ratio
        if self.state.shown_k:
            self.table.value = table_of(self.state)

    def _show_all(self, _=None):
        with self.state.worker.lock:
            if self.state.shown_k:
                self._show_clusters()
                self._show_judgement()
                self._fill_axes()
                self._show_chosen()

    def _show_clusters(self):
        state, k = self.state, self.state.shown_k
        names = state.shown_names()
        is_held_out = state.ladder.recipe.held_out
        with self.map.hold_sync():
            self.map.set_labels(state.label_map(), palette=list(LABEL_COLORS[:k]), names=names)
            self.map.caption = f"{k} clusters" if k > 1 else "1 cluster"
            if is_held_out:
                self.map.caption += ", found on one half of the counts"
        self.heading.value = "mean spectra" + (" of the held-out half" if is_held_out else "")
        self.heading.value += " ± 2 standard errors; grey: what is chosen"
        self.means.show(state.mean_spectra(), names)
        self.code.value = self.to_code()
        self.table.value = table_of(state)

    def _show_judgement(self):
        values, errors, best = self.state.curve()
        self.curve.show(values, errors, best, LABELS[self.state.criterion])
        self.curve.move(self.state.shown_k)
        self.silhouettes.show(self.state.silhouettes())

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
        state = self.state
        if not state.shown_k:
            return
        plane, k, chosen = state.plane(), state.shown_k, state.chosen()
        if self.drawn.value == "density":
            self.plane.scale = "log"
            self.plane.set_values(plane.density(chosen))
        else:
            names, palette = [*state.shown_names(), "not chosen"], [*LABEL_COLORS[:k], FADED]
            n_names = k if chosen is None else k + 1
            labels = plane.clusters(k, chosen)
            self.plane.set_labels(labels, palette=palette[:n_names], names=names[:n_names])
        if place := plane.bin_of(state.pixel):
            self.plane.pixel = place
        across, up = state.plane_titles()
        self.plane_across.value = axis_html(across, plane.across.ends, "→")
        self.plane_up.value = axis_html(up, plane.up.ends, "↑")

    def _show_chosen(self, _=None):
        state, chosen = self.state, self.state.chosen()
        self.map.set_highlight(chosen)
        name = f"pixel {state.pixel[0]}, {state.pixel[1]}"
        if chosen is not None:
            name = f"{np.count_nonzero(chosen)} chosen pixels"
        self.means.show_chosen(state.chosen_spectrum(), name)
        self._show_plane()

    def _show_words(self, _=None):
        words, kind = words_of(self.state.status, self.state.message)
        self.message.say(words, kind=kind)


def words_of(status, message):
    """Return what to say of the work, and which kind of words it is."""
    before = {"error": "No clusters: ", "stale": "Shown are older clusters. "}
    kind = "error" if status == "error" else "warning" if status == "idle" else "status"
    return (f"{before.get(status, '')}{message}" if message else ""), kind


def axis_html(name, ends, arrow):
    """Name an axis of the plane, and what its ends stand for."""
    low, high = (f"{end:.4g}" for end in ends)
    return f"{arrow} {escape(name)}, from {low} to {high}"


def table_of(state):
    """Show clusters with their pixels and ratios, as a table."""
    rows, ratio = state.ratios(), state.ratio
    is_held_out = state.ladder.recipe.held_out
    heads = ["cluster", "pixels"]
    if ratio:
        heads.append(f"{ratio[0]} / {ratio[1]}" + (" where clustered" if is_held_out else ""))
        heads += ["on held-out counts"] if is_held_out else []
    head = "".join(f'<th scope="col" style="padding: 2px 14px 2px 0">{escape(h)}</th>'
                   for h in heads)  # fmt: skip
    body = "".join(f"<tr>{_cells(row, bool(ratio), is_held_out)}</tr>" for row in rows)
    return (
        '<table class="endmember-table" style="text-align: left; '
        f'font-variant-numeric: tabular-nums"><tr>{head}</tr>{body}</table>'
    )


def _cells(row, has_ratio, is_held_out):
    k = row["cluster"]
    square = (
        f'<span style="display: inline-block; width: 0.9em; height: 0.9em; '
        f'background: {LABEL_COLORS[k]}" aria-hidden="true"></span>'
    )
    cells = [f"{square} {k}", f"{row['n_pixels']}"]
    if has_ratio:
        cells.append(ratio_words(row["clustered"]))
        cells += [ratio_words(row["held_out"])] if is_held_out else []
    return "".join(f'<td style="padding: 2px 14px 2px 0">{cell}</td>' for cell in cells)


def ratio_words(ratio):
    """Write a ratio with its error, both to the first digit but one of the error."""
    if ratio is None:
        return "no counts"
    value, error = ratio
    digits = max(0, 1 - int(np.floor(np.log10(error))))
    return f"{value:.{digits}f} ± {error:.{digits}f}"
