"""The still figure: its artists hold the numbers of the state, and its files are whole."""

import re
import subprocess
import sys
import threading
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib import pyplot, rc_context, style
from matplotlib.colors import to_rgba_array
from matplotlib.patches import Rectangle
from matplotlib.text import Text

import endmember as em
from endmember.widgets import RankState, figure_files
from endmember.widgets.figure_files import DPI
from endmember.widgets.palette import BLUE, GREY, ORANGE
from endmember.widgets.rank_figure import (
    DIVERGING,
    HEIGHT,
    WIDTH,
    rank_figure,
    residual_caption,
    residual_limits,
    save_figure,
)
from endmember.widgets.spectrum_plot import highest_counts

TITLE = '$x$ <b> & "$\\frac{$"'  # markup, and what mathtext would refuse


def simulate(shape, n_channels=30, **settings):
    """Two materials that trade places from left to right, 20 nm a pixel."""
    rng = np.random.default_rng(3)
    share = np.linspace(0, 1, shape[-1])[:, None]
    spectra = rng.gamma(1.0, 20.0, size=(2, n_channels))
    rates = np.broadcast_to(share * spectra[0] + (1 - share) * spectra[1], (*shape, n_channels))
    axes = [em.Axis.uniform(n, scale=0.02, unit="µm") for n in shape]
    axis = np.linspace(1, 4, n_channels)
    return em.SpectrumImage(rng.poisson(rates), axis, navigation_axes=axes, **settings)


@pytest.fixture
def state():
    """A masked map of two materials at rank 3, one too many, its third row hidden."""
    mask = np.zeros((12, 20), dtype=bool)
    mask[2] = True
    state = RankState(simulate((12, 20), mask=mask, title=TITLE))
    state.rank, state.pixel = 3, (7, 4)
    return state


def parts(figure):
    """Return the axes of scree, map, colour bar and spectrum."""
    scree, view, bar, spectrum = figure.axes
    return scree, view, bar, spectrum


def words(figure):
    return [text.get_text() for text in figure.findobj(Text)]


@pytest.mark.parametrize("residual", ["leading", "all"])
def test_the_map_is_the_residual_map_with_row_0_at_the_top(state, residual):
    state.residual = residual
    _, view, bar, _ = parts(rank_figure(state))
    (image,) = view.images
    np.testing.assert_array_equal(image.get_array().filled(np.nan), state.residual_map())
    assert image.cmap.name == "viridis"
    assert image.get_extent() == [-0.5, 19.5, 11.5, -0.5]
    assert view.get_ylim() == (11.5, -0.5)
    assert image.get_clim() == residual_limits(state.residual_map(), residual)
    assert bar.get_ylim() == image.get_clim()
    assert bar.get_ylabel() == "noise = 1"


def test_hidden_pixels_are_a_grey_veil(state):
    (image,) = parts(rank_figure(state))[1].images
    red, green, blue, opacity = image.to_rgba(state.residual_map())[2, 5]
    assert red == green == blue == 0.5
    assert 0 < opacity < 0.5


def test_the_ends_of_the_colour_scale_follow_the_rule_of_the_page():
    values = np.arange(1000.0).reshape(20, 50)
    values[0, 0] = np.nan  # leaves 999: their 4.995th and 994.005th, from 0
    assert residual_limits(values, "all") == (5.0, 995.0)
    assert residual_limits(values, "leading") == (0.0, 995.0)
    assert residual_limits(values / 1000, "leading") == (0.0, 3.0)
    assert residual_limits(np.full((2, 2), np.nan), "leading") == (0.0, 3.0)


def test_the_scree_is_that_of_the_components(state):
    scree, *_ = parts(rank_figure(state))
    (points,) = scree.collections
    x, y = np.asarray(points.get_offsets()).T
    np.testing.assert_array_equal(x, np.arange(1, 21))
    np.testing.assert_array_equal(y, state.pca.scree_[:20])
    edge, line, handle = scree.lines
    assert set(edge.get_ydata()) == {state.pca.noise_edge_}
    assert edge.get_linestyle() == "--"
    assert f"noise edge\n{state.pca.noise_edge_:.3f}" in [text.get_text() for text in scree.texts]
    assert set(line.get_xdata()) == set(handle.get_xdata()) == {3}
    assert line.get_color() == handle.get_color() == BLUE
    assert scree.get_yscale() == "log"
    expected = [ORANGE if height > state.pca.noise_edge_ else GREY for height in y]
    np.testing.assert_array_equal(points.get_facecolor(), to_rgba_array(expected))


def test_a_map_without_noise_has_a_scree_that_can_be_drawn():
    counts = np.outer(np.arange(1, 13), np.arange(1, 9)).reshape(3, 4, 8)
    state = RankState(counts, weighting="poisson")
    scree, *_ = parts(rank_figure(state))
    lowest = np.asarray(scree.collections[0].get_offsets())[:, 1].min()
    assert lowest >= 1e-3 * state.pca.noise_edge_
    assert scree.get_ylim()[0] < lowest


def test_the_spectrum_is_that_of_the_pixel_at_the_rank(state):
    *_, spectrum = parts(rank_figure(state))
    counts, model, further = spectrum.lines
    shown = [(counts, state.counts()), (model, state.model()), (further, state.next_model())]
    for line, expected in shown:
        np.testing.assert_array_equal(line.get_xdata(), state.image.axis)
        np.testing.assert_array_equal(line.get_ydata(), expected)
    assert [line.get_color() for line in spectrum.lines] == [GREY, ORANGE, BLUE]
    legend = [text.get_text() for text in spectrum.get_legend().get_texts()]
    assert legend == ["counts", "model", "next component"]
    assert spectrum.get_xlabel() == "energy (keV)"
    high = highest_counts(state.image)
    assert spectrum.get_ylim() == pytest.approx((-0.06 * high, high))
    assert spectrum.get_title("left") == "row 7, column 4"


def test_the_ring_is_at_the_pixel_whose_spectrum_is_shown(state):
    for hovered, (row, column) in [(None, (7, 4)), ((11, 19), (11, 19))]:
        state.hovered = hovered
        _, view, _, spectrum = parts(rank_figure(state))
        for ring in view.lines:
            assert (ring.get_xdata()[0], ring.get_ydata()[0]) == (column, row)
        np.testing.assert_array_equal(spectrum.lines[0].get_ydata(), state.counts())


def test_a_hidden_pixel_has_counts_and_no_model(state):
    state.pixel = (2, 4)
    counts, *models = parts(rank_figure(state))[3].lines
    np.testing.assert_array_equal(counts.get_ydata(), state.counts())
    assert all(np.isnan(model.get_ydata()).all() for model in models)


@pytest.mark.parametrize(
    ("rank", "residual", "caption"),
    [
        (2, "leading", "residual at rank 2: what components 3 to 8 hold"),
        (2, "all", "residual at rank 2: what it leaves in all channels"),
        (8, "leading", "rank 8: no component is kept beyond"),
        (8, "all", "residual at rank 8: what it leaves in all channels"),
    ],
)
def test_the_caption_says_what_is_left(rank, residual, caption):
    state = RankState(simulate((5, 6), n_channels=8))
    state.rank, state.residual = rank, residual
    assert residual_caption(state) == caption
    assert parts(rank_figure(state))[1].get_title("left") == caption


def test_title_and_axis_label_are_text_and_no_markup(state, tmp_path):
    image = simulate((5, 6), title=TITLE, name="$\\frac{$", unit="eV")
    figure = rank_figure(RankState(image))
    assert TITLE in words(figure)
    assert "$\\frac{$ (eV)" in words(figure)
    figure.savefig(tmp_path / "drawn.png")  # where mathtext would raise


def test_the_code_line_is_that_of_the_state(state):
    (code,) = (text for text in words(rank_figure(state)) if text.startswith("em.PCA"))
    assert code == 'em.PCA(3, weighting="biwhiten")'
    assert code in state.to_code()


@pytest.mark.parametrize("shape", [(20, 60), (60, 6), (40,), (2, 90), (384, 512)])
def test_nothing_is_clipped_and_nothing_overlaps(shape):
    image = simulate(shape, n_channels=12, title="A LONG TITLE " * 30)
    state = RankState(image, weighting="poisson")
    for pixel in [(0, 0), (state.shape[0] - 1, state.shape[1] - 1)]:
        state.pixel = pixel
        figure = rank_figure(state)
        figure.draw_without_rendering()
        boxes = [axes.get_tightbbox() for axes in figure.axes]
        boxes += [text.get_window_extent() for text in figure.texts]
        for box in boxes:
            assert box.x0 > 0 and box.y0 > 0
            assert box.x1 < figure.bbox.x1 and box.y1 < figure.bbox.y1
        scree, view, bar, spectrum, *texts = boxes
        bar = figure.axes[2].get_window_extent()  # its words stand under the caption's end
        others = [scree, view, spectrum, *texts]
        assert not any(a.overlaps(b) for i, a in enumerate(others) for b in others[:i])
        assert bar.x0 > figure.axes[1].get_window_extent().x1
        ring = figure.axes[1].lines[0].get_window_extent()
        (caption,) = (t for t in figure.findobj(Text) if t.get_text().startswith("residual"))
        assert not ring.overlaps(caption.get_window_extent())


@pytest.mark.parametrize(
    ("shape", "proportion"), [((20, 60), 1 / 3), ((60, 30), 2), ((40,), 0.12), ((90, 2), 1 / 0.12)]
)
def test_a_map_keeps_its_shape_unless_it_would_be_too_slim_to_see(shape, proportion):
    box = parts(rank_figure(RankState(simulate(shape))))[1].get_window_extent()
    assert box.height / box.width == pytest.approx(proportion)


@pytest.mark.parametrize(
    ("shape", "label", "n_pixels"),
    [((20, 60), "0.2 µm", 10), ((40,), "200 nm", 10), ((384, 512), "2 µm", 100)],
)
def test_the_scale_bar_is_as_long_as_it_says(shape, label, n_pixels):
    figure = rank_figure(RankState(simulate(shape, n_channels=12), weighting="poisson"))
    figure.draw_without_rendering()
    view = parts(figure)[1]
    assert label in words(figure)
    (bar,) = (
        patch for box in view.artists for patch in box.findobj(Rectangle) if patch is not box.patch
    )
    width = bar.get_window_extent().width
    pixel = view.get_window_extent().width / view.images[0].get_array().shape[1]
    assert width / pixel == pytest.approx(n_pixels)


def test_a_map_without_a_unit_of_length_has_no_scale_bar():
    state = RankState(np.random.default_rng(0).poisson(30.0, size=(8, 9, 16)))
    assert not parts(rank_figure(state))[1].artists


def test_drawing_changes_nothing_in_the_state(state):
    before = {name: getattr(state, name) for name in state.trait_names()}
    counts = state.image.counts.copy()
    changes = []
    state.observe(changes.append)
    rank_figure(state)
    assert changes == []
    assert {name: getattr(state, name) for name in state.trait_names()} == before
    np.testing.assert_array_equal(state.image.counts, counts)


def test_the_style_of_a_session_does_not_make_it_unreadable(state, tmp_path):
    with rc_context(), style.context("dark_background"):
        pyplot.rcParams["axes.grid"] = True
        save_figure(state, tmp_path / "dark.png")
    save_figure(state, tmp_path / "light.png")
    dark, light = (pyplot.imread(tmp_path / f"{name}.png") for name in ("dark", "light"))
    np.testing.assert_array_equal(dark, light)


def test_it_draws_and_saves_on_another_thread_without_pyplot(state, tmp_path):
    before = pyplot.get_fignums()
    thread = threading.Thread(target=save_figure, args=(state, tmp_path / "thread.png"))
    thread.start()
    thread.join()
    save_figure(state, tmp_path / "here.png")
    assert pyplot.get_fignums() == before
    there, here = ((tmp_path / f"{name}.png").read_bytes() for name in ("thread", "here"))
    assert there == here


def test_matplotlib_is_imported_when_a_figure_is_drawn_and_pyplot_never():
    code = (
        "import sys, numpy as np\n"
        "from endmember.widgets import RankState\n"
        "from endmember.widgets.rank_figure import rank_figure\n"
        "print('matplotlib' in sys.modules)\n"
        "rank_figure(RankState(np.random.default_rng(0).poisson(30.0, size=(8, 9, 16))))\n"
        "print('matplotlib' in sys.modules, 'matplotlib.pyplot' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["False", "True", "False"]


def test_a_png_has_its_size_and_its_title(state, tmp_path):
    path = save_figure(state, str(tmp_path / "rank.PNG"))
    content = path.read_bytes()
    assert path == tmp_path / "rank.PNG"
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    size = [int.from_bytes(content[at : at + 4], "big") for at in (16, 20)]
    assert size == [WIDTH * DPI, HEIGHT * DPI]
    assert TITLE.encode() in content


def test_an_svg_is_xml_that_holds_the_title(state, tmp_path):
    state.image.title = f"{TITLE}\x00"  # a NUL, as some vendors' fields end, is not for XML
    root = ElementTree.parse(save_figure(state, tmp_path / "rank.svg")).getroot()
    assert root.tag.endswith("svg")
    assert root.findtext("{http://www.w3.org/2000/svg}title").rstrip() == TITLE


def test_a_pdf_begins_and_ends_as_one(state, tmp_path):
    content = save_figure(state, tmp_path / "rank.pdf").read_bytes()
    assert content.startswith(b"%PDF-")
    assert content.rstrip().endswith(b"%%EOF")


@pytest.mark.parametrize("name", ["rank.jpg", "rank", "rank.png.txt"])
def test_another_suffix_is_refused(state, tmp_path, name):
    suffix = name[4:].replace(".png", "")
    message = rf"ends in '{suffix}'; save a figure as one of \.png, \.svg, \.pdf"
    with pytest.raises(ValueError, match=message):
        save_figure(state, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_told_of(state, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere is no folder; make it"):
        save_figure(state, tmp_path / "nowhere" / "rank.png")


def test_a_file_is_left_alone_until_the_figure_is_drawn(state, tmp_path, monkeypatch):
    path = tmp_path / "rank.png"
    path.write_text("older")

    def fail(self):
        raise RuntimeError("no model")

    monkeypatch.setattr(RankState, "model", fail)
    with pytest.raises(RuntimeError, match="no model"):
        save_figure(state, path)
    assert path.read_text() == "older"


def test_the_measured_map_is_drawn(diamond):
    state = RankState(diamond)
    scree, view, _, _ = parts(rank_figure(state))
    assert view.images[0].get_array().shape == (201, 201)
    assert view.images[0].get_clim() == (0, 3)
    assert set(scree.lines[1].get_xdata()) == {4}


def test_a_region_is_drawn_around_its_pixels_and_probed_by_its_mean(state):
    state.region = {"kind": "rectangle", "points": [[4, 6], [5, 8]]}
    _, view, _, spectrum = parts(rank_figure(state))
    assert not view.lines  # no ring: no pixel is probed
    for outline in view.collections:
        sides = np.array(outline.get_segments())
        assert len(sides) == 2 * (2 + 3)  # of two rows and three columns of pixels
        assert (sides.min(axis=(0, 1)) == [5.5, 3.5]).all()
        assert (sides.max(axis=(0, 1)) == [8.5, 5.5]).all()
    assert spectrum.get_title("left") == "mean of 6 pixels"
    np.testing.assert_array_equal(spectrum.lines[0].get_ydata(), state.counts())
    low, high = spectrum.get_ylim()
    for line in spectrum.lines:
        assert low <= line.get_ydata().min() <= line.get_ydata().max() <= high


def test_the_next_component_is_drawn_with_its_sign(state):
    state.rank, state.residual = 1, "next"
    _, view, *_ = parts(rank_figure(state))
    np.testing.assert_array_equal(view.images[0].get_array().filled(np.nan), state.residual_map())
    low, high = view.images[0].get_clim()
    assert low == -high
    middle = view.images[0].cmap(0.5)[:3]
    assert middle == pytest.approx((0xF7 / 255,) * 3, abs=0.01)
    assert view.get_title("left") == "what component 2 would add to rank 1"


def test_colours_of_signed_maps_are_those_of_the_page():
    script = Path(figure_files.__file__).with_name("map_paint.js").read_text(encoding="utf-8")
    assert re.search(r'diverging: "(\w+)"', script)[1] == "".join(DIVERGING)


def test_votes_stand_at_the_foot_of_the_scree(state):
    state.votes.ask("cheap")
    assert state.wait(60)
    report = state.votes.report
    scree, *_ = parts(rank_figure(state))
    marks = {line.get_xdata()[0]: line for line in scree.lines if line.get_marker() == "^"}
    assert sorted(marks) == sorted({rule.rank for rule in report.rules.values() if rule.rank})
    filled = [rank for rank, mark in marks.items() if mark.get_markerfacecolor() != "none"]
    assert filled == [report.rank]
    assert "votes of rules" in words(rank_figure(state))
