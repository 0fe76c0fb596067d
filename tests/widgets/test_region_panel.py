"""Panels of named regions lead the list of their data and follow it, with no browser."""

import io

import numpy as np
import pytest
import traitlets as tl
from ipywidgets.widgets.widget import _instances

import endmember as em
from endmember.widgets.map_view import MapView
from endmember.widgets.region_files import FileButton
from endmember.widgets.region_list import regions_of, regions_of_maps
from endmember.widgets.region_panel import RegionPanel, lines_in, table_html, with_error, words_of
from endmember.widgets.region_plots import ProfilePlot
from endmember.widgets.region_sums import Profile

ROWS, COLUMNS, N_CHANNELS = 9, 7, 60
AXIS = np.linspace(0.1, 8, N_CHANNELS)
CORNER = {"kind": "rectangle", "points": [[0.0, 4.0], [2.0, 6.0]]}
STRIP = {"kind": "rectangle", "points": [[7.0, 0.0], [8.0, 6.0]]}


@pytest.fixture
def image():
    counts = np.random.default_rng(2).poisson(3.0, size=(ROWS, COLUMNS, N_CHANNELS))
    return em.SpectrumImage(counts, AXIS)


def panel_on(image):
    view = MapView(image.map((1.0, 2.0)))
    return RegionPanel(regions_of(image), view)


@pytest.fixture
def panel(image):
    return panel_on(image)


def keep(panel, name, region):
    panel.map.region = region
    panel.name.value = name
    panel.keep.click()


def test_what_is_drawn_is_kept_and_chosen_and_can_be_renamed_and_removed(panel):
    assert panel.chosen not in panel.children
    keep(panel, "corner", CORNER)
    assert panel.regions.regions == {"corner": CORNER}
    assert (panel.chosen.value, panel.message.value) == ("corner", "corner is kept.")
    panel.name.value = "rim"
    panel.rename.click()
    assert panel.chosen.options == (("none chosen", ""), ("rim", "rim"))
    assert panel.chosen.value == "rim"
    panel.remove.click()
    assert panel.regions.regions == {}
    assert panel.map.region == {}
    assert panel.chosen not in panel.children
    assert panel.message.value == "rim is removed."


def test_controls_and_list_move_each_other(panel):
    keep(panel, "corner", CORNER)
    keep(panel, "strip", STRIP)
    panel.chosen.value = "corner"
    assert panel.regions.chosen == "corner"
    panel.regions.chosen = "strip"
    assert (panel.chosen.value, panel.name.value) == ("strip", "strip")
    panel.lines.value = "Si_Ka, Ca_Ka"
    assert panel.regions.lines == ["Si_Ka", "Ca_Ka"]
    panel.regions.lines = {"peak": (1.0, 2.5)}
    assert panel.lines.value == "peak: 1 to 2.5"


def test_two_panels_on_the_same_counts_show_the_same_list_and_the_chosen_region(image):
    one, other = panel_on(image), panel_on(em.SpectrumImage(image.counts, AXIS, title="other"))
    keep(one, "corner", CORNER)
    assert [name for name, _ in other.chosen.options] == ["none chosen", "corner"]
    assert other.map.region == CORNER
    assert "corner" in other.table.value
    mask = np.random.default_rng(0).random((ROWS, COLUMNS)) > 0.5
    one.regions.keep("bright", mask)
    other.chosen.value = "bright"
    for panel in (one, other):
        assert panel.map.region == {}
        assert panel.map.highlight == np.packbits(mask).tobytes()
    one.chosen.value = ""
    for panel in (one, other):
        assert (panel.map.region, panel.map.highlight) == ({}, b"")


def test_a_panel_shows_anew_when_the_counts_are_calibrated_anew(panel, image):
    keep(panel, "corner", CORNER)
    panel.regions.lines = {"peak": (1.0, 2.5)}
    hidden = np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS) < COLUMNS
    lost = np.arange(N_CHANNELS) < 5
    newer = em.SpectrumImage(image.counts, AXIS / 2, mask=hidden, channel_mask=lost)
    regions_of(newer)
    np.testing.assert_array_equal(panel.spectrum.line.x, newer.axis)
    expected = image.counts[1:3, 4:, 5:].sum(axis=(0, 1))
    np.testing.assert_array_equal(panel.spectrum.line.y, expected)
    inside = expected[(newer.axis >= 1.0) & (newer.axis <= 2.5)].sum()
    assert with_error(inside, np.sqrt(inside)) in panel.table.value
    assert ">6</td>" in panel.table.value
    assert panel.spectrum._x.max == newer.axis.max()
    np.testing.assert_array_equal(panel.spectrum.axis, newer.axis)


@pytest.mark.parametrize("kind", ["drawn", "mask"])
def test_drawing_another_region_lets_go_of_the_chosen_one(image, kind):
    one, other = panel_on(image), panel_on(image)
    region = CORNER if kind == "drawn" else np.eye(ROWS, COLUMNS, dtype=bool)
    one.regions.keep("first", region)
    one.chosen.value = "first"
    one.map.region = STRIP
    assert (one.regions.chosen, one.map.region, one.map.highlight) == ("", STRIP, b"")
    assert (other.map.region, other.map.highlight) == ({}, b"")


def test_what_a_person_has_drawn_elsewhere_stays_when_a_name_is_let_go(image):
    one, other = panel_on(image), panel_on(image)
    keep(one, "corner", CORNER)
    other.map.region = STRIP
    assert (one.map.region, other.map.region) == ({}, STRIP)


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda p: p.keep.click(), "name of the region is empty"),
        (lambda p: keep(p, "corner", CORNER), "'corner' is kept already"),
        (lambda p: keep(p, "new", {}), "no region is drawn"),
        (lambda p: setattr(p.lines, "value", "Qq_Ka"), "element is 'Qq'"),
        (lambda p: setattr(p.lines, "value", "peak: 3"), "is no window"),
        (lambda p: setattr(p.lines, "value", "peak: 30 to 40"), "30"),
        (lambda p: p.files["Profile as CSV"].press(), "no region ''"),
    ],
)
def test_what_cannot_be_done_is_said_in_words_and_nothing_changes(panel, act, words):
    keep(panel, "corner", CORNER)
    panel.chosen.value, panel.name.value = "", ""
    before = panel.regions.settings()
    act(panel)
    assert words in panel.message.value
    assert panel.message.kind == "error"
    assert panel.regions.settings() == before
    assert panel.lines.value == ""


def test_the_table_says_what_the_list_says(panel):
    keep(panel, "<b>corner</b>", CORNER)
    panel.regions.lines = ["Si_Ka"]
    (row,) = panel.regions.table()
    assert f"<td>{row.n_pixels}</td>" in panel.table.value.replace(
        ' style="padding: 0 8px; text-align: right; white-space: nowrap; font-weight: bold"', ""
    )
    assert with_error(row.counts, row.error) in panel.table.value
    assert with_error(*row.lines["Si_Ka"]) in panel.table.value
    assert "<b>corner" not in panel.table.value
    assert table_html([]) == ""


def test_the_sum_of_the_chosen_region_is_drawn(panel, image):
    keep(panel, "corner", CORNER)
    assert panel.plots.children == (panel.spectrum,)
    expected = image.counts[:3, 4:].sum(axis=(0, 1))
    np.testing.assert_array_equal(panel.spectrum.line.y, expected)
    panel.chosen.value = ""
    assert panel.plots.children == ()


def test_a_kept_line_has_a_profile_and_its_file(panel):
    line = {"kind": "line", "points": [[0, 1], [8, 5]], "width": 3}
    keep(panel, "across", line)
    panel.regions.lines = ["Si_Ka"]
    assert panel.map.region == line
    assert panel.plots.children == (panel.spectrum, panel.profile)
    expected = panel.regions.profile("across")
    np.testing.assert_array_equal(panel.profile.lines[0].y, expected.means["Si_Ka"])
    name, held = panel.files["Profile as CSV"].file()
    assert name == "region-profile.csv"
    assert held == panel.regions.csv_text("profile", name="across").encode()
    keep(panel, "corner", CORNER)
    assert panel.plots.children == (panel.spectrum,)


def test_a_profile_is_drawn_with_its_errors():
    plot, distance = ProfilePlot(), np.array([0.0, 0.5, 1.0])
    means = {"counts": distance + 9, "Fe_Ka": distance + 2}
    errors = {name: np.full(3, 0.25) for name in means}
    plot.show(Profile("line", distance, "µm", np.ones(3, int), means, errors))
    assert [line.labels for line in plot.lines if line.visible] == [["Fe_Ka"]]
    np.testing.assert_array_equal(plot.lines[0].x, distance)
    np.testing.assert_array_equal(plot.bands[0].y, [distance + 1.75, distance + 2.25])
    assert plot.axes[0].label == "distance (µm)"


def test_files_hold_what_the_list_writes(panel):
    keep(panel, "corner", CORNER)
    regions = panel.regions
    assert panel.files["Table as CSV"].file() == ("regions.csv", regions.csv_text().encode())
    name, held = panel.files["Spectra as CSV"].file()
    assert (name, held) == ("region-spectra.csv", regions.csv_text("spectra").encode())
    name, held = panel.files["Masks as NPZ"].file()
    np.testing.assert_array_equal(np.load(io.BytesIO(held))["corner"], regions.mask("corner"))
    assert panel.files["Profile as CSV"].disabled


@pytest.mark.parametrize("kind", [ValueError, RuntimeError, MemoryError])
def test_a_button_sends_its_file_or_says_why_there_is_none(kind):
    sent, said = [], []

    def refuse():
        raise kind("nothing is kept")

    for make in (lambda: ("a.csv", "α"), refuse):
        button = FileButton("file", make, said.append)
        button.send = lambda words, buffers: sent.append((words["name"], buffers))
        button._handle_custom_msg("make", [])
    assert sent == [("a.csv", ["α".encode()]), ("", [b""])]
    assert said == ["nothing is kept"]


def test_maps_without_counts_have_pixels_and_masks_alone():
    panel = RegionPanel(regions_of_maps(np.ones((4, 5, 2))), MapView(shape=(4, 5)))
    keep(panel, "corner", {"kind": "rectangle", "points": [[0, 0], [1, 1]]})
    assert "<td" in panel.table.value
    assert "±" not in panel.table.value
    assert list(panel.files) == ["Table as CSV", "Masks as NPZ"]
    assert panel.plots.children == ()


def test_another_source_of_regions_may_be_kept(image):
    mask = np.eye(ROWS, COLUMNS, dtype=bool)
    view = MapView(shape=(ROWS, COLUMNS))
    panel = RegionPanel(regions_of(image), view, drawn=lambda: mask, highlights=False)
    panel.name.value = "eye"
    panel.keep.click()
    np.testing.assert_array_equal(panel.regions.mask("eye"), mask)
    assert view.highlight == b""


def test_a_panel_may_leave_the_spectrum_to_others(image):
    view = MapView(shape=(ROWS, COLUMNS))
    panel = RegionPanel(regions_of(image), view, has_spectrum=False)
    keep(panel, "corner", CORNER)
    assert panel.plots.children == ()
    keep(panel, "across", {"kind": "line", "points": [[0, 1], [8, 5]], "width": 3})
    assert panel.plots.children == (panel.profile,)


def test_a_closed_panel_leaves_the_list(image):
    panel, other = panel_on(image), panel_on(image)
    keep(panel, "corner", CORNER)
    before = panel.table.value
    panel.close()
    other.remove.click()
    assert panel.table.value == before


def test_a_thousand_changes_leave_no_widget_behind(panel):
    keep(panel, "corner", CORNER)
    keep(panel, "strip", STRIP)
    before = len(_instances)
    for i in range(500):
        panel.regions.chosen = ("corner", "strip")[i % 2]
        panel.regions.rename("strip", "strip")
    assert len(_instances) == before


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        ("", []),
        ("Fe_Ka Mg_Ka", ["Fe_Ka", "Mg_Ka"]),
        (" D : 1300 to 1400 ", {"D": (1300.0, 1400.0)}),
        ("D: 1032.125 to 1234567.5", {"D": (1032.125, 1234567.5)}),
        ("G: 0.1 to 1e-07", {"G": (0.1, 1e-7)}),
        (f"D: {1 / 3!r} to 2", {"D": (1 / 3, 2.0)}),
    ],
)
def test_lines_are_read_as_they_are_written(words, lines):
    assert lines_in(words) == lines
    assert lines_in(words_of(lines)) == lines


def test_errors_have_two_digits():
    assert with_error(10.0, 0.0) == "10 ± 0"
    assert with_error(123.456, 12.3) == "123 ± 12"
    assert with_error(0.123456, 0.00996) == "0.123 ± 0.010"


def test_a_choice_that_is_none_is_refused(panel):
    with pytest.raises(tl.TraitError, match="no region 'z'"):
        panel.regions.chosen = "z"
