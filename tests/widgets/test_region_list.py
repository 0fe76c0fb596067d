"""Named regions of some data: one list, whoever asks, and what the regions hold."""

import csv
import gc
import subprocess
import sys
import weakref

import numpy as np
import pytest
import scipy.sparse as sp
import traitlets as tl

import endmember as em
from endmember.widgets.region_list import (
    RegionList,
    pack_mask,
    regions_of,
    regions_of_maps,
    unpack_mask,
)

ROWS, COLUMNS, N_CHANNELS = 9, 7, 60
AXIS = np.linspace(0.1, 8, N_CHANNELS)
CORNER = {"kind": "rectangle", "points": [[0, 4], [2, 6]]}
WINDOWS = {"low": (1.0, 2.0), "high": (5.0, 6.5)}


@pytest.fixture
def counts():
    return np.random.default_rng(2).poisson(3.0, size=(ROWS, COLUMNS, N_CHANNELS))


@pytest.fixture
def image(counts):
    return em.SpectrumImage(counts, AXIS)


@pytest.fixture
def regions(image):
    return regions_of(image)


def run(code, **names):
    exec(code, names)
    return names


# one list


def test_the_list_knows_no_widget():
    code = (
        "import sys, endmember.widgets.region_list\n"
        "print(sorted({'ipywidgets', 'anywidget', 'bqplot'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_an_array_wrapped_twice_is_the_same_data_whatever_its_mask_or_title(counts):
    mask = np.zeros((ROWS, COLUMNS), dtype=bool)
    mask[0] = True
    one = em.SpectrumImage(counts, AXIS, title="one")
    other = em.SpectrumImage(counts, title="other", mask=mask)
    assert regions_of(one) is regions_of(other)
    assert regions_of(counts) is regions_of(one)


def test_a_crop_a_copy_and_other_counts_are_other_data(image, counts):
    others = [
        image.crop((1.0, 4.0)),
        image.crop(region=[(0, 4), (0, 7)]),
        em.SpectrumImage(counts.copy()),
        em.SpectrumImage(counts, navigation_shape=(COLUMNS, ROWS)),
        image.with_counts(counts + 1),
    ]
    lists = [regions_of(one) for one in (image, *others)]
    assert len({id(found) for found in lists}) == len(lists)


def test_a_signal_and_sparse_and_lazy_counts_are_known_again(counts):
    da = pytest.importorskip("dask.array")
    flat = sp.csr_array(counts.reshape(-1, N_CHANNELS))
    shape = {"navigation_shape": (ROWS, COLUMNS)}
    lazy = da.from_array(counts, chunks=(3, 7, 60))
    for data, settings in [(flat, shape), (lazy, {})]:
        one, other = (em.SpectrumImage(data, AXIS, **settings) for _ in range(2))
        assert regions_of(one) is regions_of(other)


def test_a_hyperspy_signal_keeps_its_list_as_long_as_it_lives(counts):
    hs = pytest.importorskip("hyperspy.api")
    signal = hs.signals.Signal1D(counts.astype(float))
    regions_of(signal).keep("corner", CORNER)
    gc.collect()
    assert list(regions_of(signal).regions) == ["corner"]
    assert regions_of(em.as_spectrum_image(signal)) is regions_of(signal)
    alone = weakref.ref(regions_of(signal))
    del signal
    gc.collect()
    assert alone() is None


def test_the_list_lives_as_long_as_the_image_and_keeps_neither_it_nor_its_counts(counts):
    image = em.SpectrumImage(counts.copy(), AXIS)
    regions_of(image).keep("corner", CORNER)
    found, held = weakref.ref(regions_of(image)), weakref.ref(image)
    gc.collect()
    assert found() is regions_of(image)
    del image
    gc.collect()
    assert held() is None
    assert found() is None


def test_the_list_begins_with_the_regions_of_the_image(counts):
    mask = counts[..., 0] > 3
    one = em.SpectrumImage(counts, regions={"bright": mask, "none": np.zeros_like(mask)})
    regions = regions_of(one)
    assert list(regions.regions) == ["bright"]
    np.testing.assert_array_equal(regions.mask("bright"), mask)
    regions.remove("bright")
    assert regions_of(em.SpectrumImage(counts, regions={"bright": mask})).regions == {}


def test_names_that_a_list_cannot_hold_are_mended_when_an_image_brings_them(counts):
    names = ["", "two\nlines", " rim ", "rim", "x" * 90, "x" * 95, "\t"]
    masks = {name: counts[..., place] > 3 for place, name in enumerate(names)}
    image = em.SpectrumImage(counts, regions=masks)
    regions = regions_of(image)
    mended = ["rim", "region", "two lines", "rim 2", "x" * 80, "x" * 78 + " 2", "region 2"]
    assert list(regions.regions) == mended
    for name, place in zip(mended, [3, 0, 1, 2, 4, 5, 6], strict=True):
        np.testing.assert_array_equal(regions.mask(name), counts[..., place] > 3)
    assert list(image.regions) == names
    assert list(regions_of(image).regions) == mended


def shifted(counts, **settings):
    """The same counts with another axis, pixels and channels hidden, in steps of 5 nm."""
    hidden, lost = np.zeros((ROWS, COLUMNS), dtype=bool), np.zeros(N_CHANNELS, dtype=bool)
    hidden[1], lost[10:12] = True, True
    axes = [em.Axis.uniform(n, scale=5.0, unit="nm") for n in (ROWS, COLUMNS)]
    masks = {"mask": hidden, "channel_mask": lost}
    return em.SpectrumImage(counts, AXIS + 1, navigation_axes=axes, **masks, **settings)


def test_a_list_measures_by_the_axes_and_masks_of_the_image_that_came_last(regions, counts):
    regions.keep("corner", CORNER)
    regions.keep("across", {"kind": "line", "points": [[3, 0], [3, 6]]})
    regions.lines = WINDOWS
    regions.table()  # is kept in mind
    told = []
    regions.observe(lambda change: told.append(change["name"]), tl.All)
    newer = shifted(counts)
    assert regions_of(newer) is regions
    assert told == ["image"]
    row, inside = regions.sums("corner"), regions.mask("corner") & ~newer.mask
    assert row.n_pixels == inside.sum() == 6
    np.testing.assert_array_equal(row.spectrum, counts[inside][:, ~newer.channel_mask].sum(axis=0))
    for name, found in em.line_maps(newer, WINDOWS).items():
        expected = found[inside].sum()
        assert row.lines[name] == pytest.approx((expected, np.sqrt(expected)))
    held = list(csv.DictReader(regions.csv_text("spectra").splitlines()))
    assert [float(one["energy (keV)"]) for one in held] == newer.axis.tolist()
    profile = regions.profile("across")
    np.testing.assert_allclose(profile.distance, 5.0 * np.arange(7))
    assert profile.unit == "nm"
    assert regions_of(shifted(counts)) is regions
    assert told == ["image"]  # nothing is another one


def test_lines_that_the_newer_image_does_not_have_give_way_to_those_it_brings(regions, counts):
    regions.lines = ["Si_Ka"]
    regions.keep("all", np.ones((ROWS, COLUMNS), dtype=bool))
    iron = {"Sample": {"elements": ["Fe"], "xray_lines": ["Fe_Ka"]}}
    regions_of(em.SpectrumImage(counts, AXIS + 4, metadata=iron))
    assert regions.lines == ["Fe_Ka"]
    chlorine = {"Sample": {"elements": ["Cl"], "xray_lines": ["Cl_Ka"]}}
    regions_of(em.SpectrumImage(counts, AXIS, metadata=chlorine))
    assert list(regions.table()[0].lines) == ["Cl_Ka"]


def test_metadata_that_are_written_into_an_image_reach_its_list(image):
    regions_of(image)
    image.metadata["Sample"] = {"elements": ["Fe"], "xray_lines": ["Fe_Ka"]}
    assert regions_of(image).lines == ["Fe_Ka"]


def test_maps_without_counts_have_a_list_of_masks():
    maps = np.arange(24.0).reshape(3, 4, 2)
    regions = regions_of_maps(maps)
    assert regions_of_maps(maps) is regions
    regions.keep("corner", {"kind": "rectangle", "points": [[0, 0], [1, 1]]})
    (row,) = regions.table()
    assert (row.n_pixels, row.counts, row.lines) == (4, None, {})
    assert regions.csv_text().splitlines() == ["region,pixels", "corner,4"]
    with pytest.raises(ValueError, match="lines need counts"):
        regions.table(["Fe_Ka"])
    with pytest.raises(ValueError, match="spectra need counts"):
        regions.csv_text("spectra")


# names


def test_keeping_renaming_and_removing_keep_the_order_and_the_choice(regions):
    for name in ("a", "b", "c"):
        regions.keep(name, CORNER)
    regions.chosen = "b"
    told = []
    regions.observe(lambda change: told.append(change["name"]), ["regions", "chosen"])
    regions.rename("b", " <b>matrix</b> ")
    assert list(regions.regions) == ["a", "<b>matrix</b>", "c"]
    assert regions.chosen == "<b>matrix</b>"
    assert sorted(told) == ["chosen", "regions"]
    regions.rename("c", "c")
    regions.remove("<b>matrix</b>")
    assert (list(regions.regions), regions.chosen) == (["a", "c"], "")


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda r: r.keep(" ", CORNER), "name of the region is empty"),
        (lambda r: r.keep("a", CORNER), "a region 'a' is kept already"),
        (lambda r: r.rename("a", "b"), "a region 'b' is kept already"),
        (lambda r: r.keep("two\nlines", CORNER), "write one line of at most 80"),
        (lambda r: r.keep("new", {}), "no region is drawn"),
        (lambda r: r.keep("new", {"kind": "circle"}), "has the kind 'circle'"),
        (lambda r: r.keep("new", np.ones((2, 2), bool)), r"region is bool of shape \(2, 2\)"),
        (lambda r: r.keep("new", np.ones((ROWS, COLUMNS))), "region is float64"),
        (lambda r: r.keep("new", np.zeros((ROWS, COLUMNS), bool)), "holds no pixel"),
        (lambda r: r.rename("z", "b"), "no region 'z'"),
        (lambda r: r.remove("z"), "no region 'z'"),
        (lambda r: r.mask("z"), "no region 'z'"),
        (lambda r: r.profile("a"), "region 'a' is a rectangle; a profile runs along"),
        (lambda r: r.csv_text("all"), "what is 'all'; choose one of"),
        (lambda r: r.table(["Qq_Ka"]), "element is 'Qq'"),
        (lambda r: r.to_csv("a.txt"), "ends in '.txt'; let it end in .csv"),
        (lambda r: r.restore({"colour": 1}), r"settings hold \['colour'\]"),
        (lambda r: r.restore({"regions": {"": CORNER}}), "name of the region is empty"),
        (lambda r: r.restore({"regions": {"a\nb": CORNER}}), "write one line of at most 80"),
        (lambda r: r.restore({"regions": {"c": CORNER, "d": {"kind": "mask"}}}), "holds no mask"),
    ],
)
def test_what_cannot_be_done_is_said_in_words_and_changes_nothing(regions, act, words):
    regions.keep("a", CORNER)
    regions.keep("b", CORNER)
    before = regions.settings()
    with pytest.raises(ValueError, match=words):
        act(regions)
    assert regions.settings() == before


def test_choices_that_are_none_are_refused(regions):
    with pytest.raises(tl.TraitError, match="no region 'z'"):
        regions.chosen = "z"
    with pytest.raises(tl.TraitError, match="not on the axis"):
        regions.lines = ["Zr_Ka"]
    assert (regions.chosen, regions.lines) == ("", [])


def test_more_navigation_axes_than_a_map_has_are_refused():
    with pytest.raises(ValueError, match="3 navigation axes; regions are drawn on a map"):
        regions_of(np.ones((2, 3, 4, 5)))


# masks


def test_masks_are_those_that_were_drawn_or_chosen_and_go_into_an_image(regions, counts):
    chosen = np.random.default_rng(0).random((ROWS, COLUMNS)) > 0.5
    regions.keep("corner", CORNER)
    regions.keep("chosen", chosen)
    corner = np.zeros((ROWS, COLUMNS), dtype=bool)
    corner[:3, 4:] = True
    again = em.SpectrumImage(counts, regions=regions.masks())
    np.testing.assert_array_equal(again.regions["corner"], corner)
    np.testing.assert_array_equal(again.regions["chosen"], chosen)


def test_code_makes_the_masks_again_in_a_fresh_process(regions, tmp_path):
    regions.keep("it's", CORNER)
    regions.keep("chosen", np.random.default_rng(0).random((ROWS, COLUMNS)) > 0.5)
    code = (
        regions.to_code() + f"import numpy as np\nnp.savez(r'{tmp_path}/m.npz', *regions.values())"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    made = np.load(tmp_path / "m.npz")
    for mask, name in zip(regions.masks().values(), made, strict=True):
        np.testing.assert_array_equal(made[name], mask)
    assert run(RegionList(shape=(2, 2)).to_code())["regions"] == {}


def test_a_line_scan_has_masks_of_one_axis():
    image = em.SpectrumImage(np.random.default_rng(0).poisson(4.0, size=(12, 20)))
    regions = regions_of(image)
    regions.keep("start", {"kind": "rectangle", "points": [[0, 0], [0, 4]]})
    np.testing.assert_array_equal(regions.mask("start"), np.arange(12) < 5)
    made = run(regions.to_code())["regions"]["start"]
    np.testing.assert_array_equal(made, regions.mask("start"))
    assert regions.sums("start").n_pixels == 5


def test_masks_go_into_a_file_under_any_name(regions, tmp_path):
    for name in ("file", "a/b", "allow_pickle"):
        regions.keep(name, CORNER)
    path = regions.save_masks(tmp_path / "masks.npz")
    with np.load(path) as held:
        assert set(held) == {"file", "a/b", "allow_pickle"}
        np.testing.assert_array_equal(held["a/b"], regions.mask("a/b"))


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (512, 384)])
def test_packed_masks_are_the_same_again(shape):
    mask = np.random.default_rng(0).random(shape) > 0.3
    np.testing.assert_array_equal(unpack_mask(pack_mask(mask), shape), mask)
    with pytest.raises(ValueError, match="a map of another shape"):
        unpack_mask(pack_mask(mask), (99, 99))
    with pytest.raises(ValueError, match="holds no mask"):
        unpack_mask("nothing", shape)


# sums


def test_a_table_holds_pixels_counts_spectra_and_lines_with_counting_errors(regions, counts):
    regions.keep("corner", CORNER)
    (row,) = regions.table(WINDOWS)
    inside = counts[:3, 4:].reshape(9, -1)
    assert (row.n_pixels, row.counts) == (9, inside.sum())
    assert row.error == pytest.approx(np.sqrt(inside.sum()))
    np.testing.assert_array_equal(row.spectrum, inside.sum(axis=0))
    for name, (low, high) in WINDOWS.items():
        expected = inside[:, (low <= AXIS) & (high >= AXIS)].sum()
        assert row.lines[name] == pytest.approx((expected, np.sqrt(expected)))


def test_line_intensities_are_those_of_line_maps_with_background_and_hidden_parts(counts):
    hidden = np.zeros((ROWS, COLUMNS), dtype=bool)
    hidden[1, 5] = True
    lost = np.zeros(N_CHANNELS, dtype=bool)
    lost[[3, 30]] = True
    image = em.SpectrumImage(counts, AXIS, mask=hidden, channel_mask=lost)
    background = {"Si_Ka": (1.2, 1.5, 2.0, 2.3)}
    regions = regions_of(image)
    regions.keep("corner", CORNER)
    row = regions.sums("corner", ["Si_Ka", "Ca_Ka"], background=background)
    maps = em.line_maps(image, ["Si_Ka", "Ca_Ka"], background=background)
    for name, found in maps.items():
        expected = np.nansum(found[regions.mask("corner")])
        assert row.lines[name][0] == pytest.approx(expected, rel=1e-9)
    assert row.n_pixels == 8


def test_errors_are_how_intensities_scatter_over_repeated_counts():
    """The standard deviation over 400 draws is known to 3.5 %; four times that is allowed."""
    rng = np.random.default_rng(5)
    background = {"Si_Ka": (1.2, 1.5, 2.0, 2.3)}
    found = []
    for _ in range(400):
        image = em.SpectrumImage(rng.poisson(2.0, size=(4, 4, N_CHANNELS)), AXIS)
        regions = RegionList(image)
        regions.keep("all", np.ones((4, 4), dtype=bool))
        found.append(regions.sums("all", ["Si_Ka"], background=background).lines["Si_Ka"])
    values, errors = np.transpose(found)
    assert np.mean(errors) == pytest.approx(values.std(ddof=1), rel=0.14)


@pytest.mark.parametrize("form", ["sparse", "lazy"])
def test_sparse_and_lazy_counts_have_the_same_sums(counts, regions, form):
    if form == "lazy":
        da = pytest.importorskip("dask.array")
        other = regions_of(em.SpectrumImage(da.from_array(counts), AXIS))
    else:
        other = regions_of(em.SpectrumImage(counts, AXIS).to_sparse())
    assert other is not regions
    for each in (regions, other):
        each.keep("corner", CORNER)
    one, two = (each.sums("corner", WINDOWS) for each in (regions, other))
    np.testing.assert_array_equal(one.spectrum, two.spectrum)
    assert one.lines == two.lines


def test_what_is_handed_out_cannot_change_what_the_list_keeps(regions):
    regions.keep("corner", CORNER)
    regions.keep("chosen", np.eye(ROWS, COLUMNS, dtype=bool))
    before = regions.sums("corner").spectrum.copy()
    with pytest.raises(ValueError, match="read-only"):
        regions.sums("corner").spectrum[:] = 0
    regions.mask("chosen")[:] = True
    regions.sums("corner", WINDOWS).lines.clear()
    np.testing.assert_array_equal(regions.sums("corner").spectrum, before)
    np.testing.assert_array_equal(regions.mask("chosen"), np.eye(ROWS, COLUMNS, dtype=bool))
    assert list(regions.sums("corner", WINDOWS).lines) == list(WINDOWS)


def test_a_region_of_hidden_pixels_alone_holds_nothing(counts):
    hidden = np.zeros((ROWS, COLUMNS), dtype=bool)
    hidden[:3, 4:] = True
    regions = regions_of(em.SpectrumImage(counts, AXIS, mask=hidden))
    regions.keep("corner", CORNER)
    row = regions.sums("corner", WINDOWS)
    assert (row.n_pixels, row.counts, row.lines["low"]) == (0, 0.0, (0.0, 0.0))


def test_lines_of_the_metadata_come_first():
    image = em.datasets.load("six_compounds", shape=(8, 8)).image
    regions = regions_of(image)
    assert regions.lines == list(em.line_maps(image))
    regions.keep("half", np.arange(64).reshape(8, 8) < 32)
    assert list(regions.table()[0].lines) == regions.lines
    regions.lines = ["Fe_Ka"]
    assert list(regions.table()[0].lines) == ["Fe_Ka"]


# profiles


def test_a_profile_is_the_mean_over_the_width_with_counting_errors(counts):
    step = {"unit": "µm"}
    axes = [em.Axis.uniform(ROWS, scale=0.5, **step), em.Axis.uniform(COLUMNS, scale=0.5, **step)]
    image = em.SpectrumImage(counts, AXIS, navigation_axes=axes)
    regions = regions_of(image)
    regions.keep("line", {"kind": "line", "points": [[4, 1], [4, 5]], "width": 3})
    profile = regions.profile("line", WINDOWS)
    band = counts[3:6, 1:6]
    np.testing.assert_allclose(profile.distance, np.arange(5) * 0.5)
    assert (profile.unit, profile.n_pixels.tolist()) == ("µm", [3] * 5)
    assert list(profile.means) == ["counts", "low", "high"]
    np.testing.assert_allclose(profile.means["counts"], band.sum(axis=(0, 2)) / 3)
    inside = band[..., (AXIS >= 1.0) & (AXIS <= 2.0)].sum(axis=(0, 2))
    np.testing.assert_allclose(profile.means["low"], inside / 3)
    np.testing.assert_allclose(profile.errors["low"], np.sqrt(inside) / 3)


def test_a_slanted_profile_runs_from_its_first_point_in_the_unit_of_the_axes(counts):
    hidden = np.zeros((ROWS, COLUMNS), dtype=bool)
    hidden[6, 3] = True
    axes = [em.Axis.uniform(n, scale=s, unit="nm") for n, s in [(ROWS, 2.0), (COLUMNS, 3.0)]]
    image = em.SpectrumImage(counts, AXIS, navigation_axes=axes, mask=hidden)
    regions = regions_of(image)
    regions.keep("line", {"kind": "line", "points": [[8, 1], [4, 5]], "width": 1})
    profile = regions.profile("line", [])
    np.testing.assert_allclose(profile.distance, np.array([0, 1, 3, 4]) * np.hypot(2, 3))
    on_line = [counts[8 - i, 1 + i].sum() for i in (0, 1, 3, 4)]
    np.testing.assert_allclose(profile.means["counts"], on_line)


@pytest.mark.parametrize(
    ("points", "columns"),
    [([[0.35, 0], [-0.3, 9]], range(10)), ([[0, 7.4], [0.4, 2]], [7, 6, 5, 4, 3, 2])],
)
@pytest.mark.parametrize("unit", ["µm", ""])
def test_across_a_line_scan_there_is_no_length(points, columns, unit):
    counts = np.random.default_rng(0).poisson(3.0, size=(10, 20))
    scale = 0.001 if unit else 1.0
    axes = [em.Axis.uniform(10, scale=scale, unit=unit)]
    regions = regions_of(em.SpectrumImage(counts, navigation_axes=axes))
    regions.keep("across", {"kind": "line", "points": points})
    profile = regions.profile("across", [])
    expected = scale * np.abs(np.array(columns) - points[0][1])
    np.testing.assert_allclose(profile.distance, expected, rtol=1e-12)
    np.testing.assert_array_equal(profile.means["counts"], counts[columns].sum(axis=1))
    assert profile.unit == (unit or "pixels")


def test_a_profile_without_a_common_unit_is_in_pixels_and_goes_into_a_file(regions, tmp_path):
    regions.keep("line", {"kind": "line", "points": [[0, 2], [8, 2]], "width": 1})
    regions.lines = WINDOWS
    path = regions.to_csv(tmp_path / "profile.csv", "profile", name="line")
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    profile = regions.profile("line")
    assert [float(row["distance (pixels)"]) for row in rows] == list(range(9))
    assert [float(row["error of high"]) for row in rows] == list(profile.errors["high"])


def test_a_profile_needs_visible_pixels_and_counts(counts):
    hidden = np.zeros((ROWS, COLUMNS), dtype=bool)
    hidden[:, 2] = True
    line = {"kind": "line", "points": [[0, 2], [8, 2]], "width": 1}
    regions = regions_of(em.SpectrumImage(counts, AXIS, mask=hidden))
    regions.keep("line", line)
    with pytest.raises(ValueError, match="'line' holds no visible pixel"):
        regions.profile("line")
    maps = regions_of_maps(np.ones((ROWS, COLUMNS, 1)))
    maps.keep("line", line)
    with pytest.raises(ValueError, match="a profile needs counts"):
        maps.profile("line")


# files


def test_tables_and_spectra_come_back_from_their_files(regions, counts, tmp_path):
    regions.keep("corner, upper", CORNER)
    regions.keep("all", np.ones((ROWS, COLUMNS), dtype=bool))
    regions.lines = WINDOWS
    with regions.to_csv(tmp_path / "table.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["region"] for row in rows] == ["corner, upper", "all"]
    assert int(rows[1]["counts"]) == counts.sum()
    assert float(rows[0]["error of low"]) == regions.sums("corner, upper").lines["low"][1]
    path = regions.to_csv(tmp_path / "spectra.csv", "spectra")
    columns = np.loadtxt(path, delimiter=",", skiprows=1, usecols=(0, 2))
    np.testing.assert_array_equal(columns[:, 0], AXIS)
    np.testing.assert_array_equal(columns[:, 1], counts.sum(axis=(0, 1)))
    with pytest.raises(FileNotFoundError, match="is no folder"):
        regions.to_csv(tmp_path / "nowhere" / "table.csv")


def test_settings_come_back(regions, image):
    regions.keep("corner", CORNER)
    regions.keep("chosen", np.eye(ROWS, COLUMNS, dtype=bool))
    regions.chosen, regions.lines = "corner", WINDOWS
    kept = regions.settings()
    other = RegionList(image)
    other.restore(kept)
    assert other.settings() == kept
    np.testing.assert_array_equal(other.mask("chosen"), regions.mask("chosen"))
