"""Files become the images that HyperSpy makes of them, and broken ones say what is wrong."""

import logging

import numpy as np
import pytest

import endmember as em

hs = pytest.importorskip("hyperspy.api")
logging.getLogger("hyperspy").setLevel(logging.ERROR)
logging.getLogger("rsciio").setLevel(logging.ERROR)


@pytest.fixture
def map_file(tmp_path):
    """A small EDS map in HyperSpy's own format."""
    counts = np.random.default_rng(0).poisson(5.0, (3, 4, 6)).astype(np.uint16)
    signal = hs.signals.Signal1D(counts)
    signal.metadata.General.title = "needle"
    signal.metadata.set_item("Sample.elements", ["Fe", "O"])
    signal.original_metadata.set_item("vendor.note", "as recorded")
    for axis, name, unit in zip(signal.axes_manager._axes, "yxE", ("nm", "nm", "keV"), strict=True):
        axis.name, axis.units, axis.scale, axis.offset = name, unit, 0.1, -0.3
    signal.axes_manager[-1].is_binned = True
    path = tmp_path / "needle.hspy"
    signal.save(path)
    return path


def assert_same_image(found, expected):
    """Two images hold the same counts, axes and metadata."""
    np.testing.assert_array_equal(np.asarray(found.counts), np.asarray(expected.counts))
    assert found.counts.dtype == expected.counts.dtype
    assert found.signal_axis == expected.signal_axis
    assert found.navigation_axes == expected.navigation_axes
    for tree in ("metadata", "original_metadata"):
        found_tree, expected_tree = dict(getattr(found, tree)), dict(getattr(expected, tree))
        found_tree.pop("_HyperSpy", None), expected_tree.pop("_HyperSpy", None)
        if "General" in found_tree:  # HyperSpy adds a line about itself when it loads
            for general in (found_tree, expected_tree):
                general["General"] = {k: v for k, v in general["General"].items() if k != "FileIO"}
        assert found_tree == expected_tree


@pytest.mark.parametrize("lazy", [False, True])
def test_open_gives_what_hyperspy_loads(map_file, lazy):
    image = em.open(map_file, lazy=lazy)
    assert image.is_lazy == lazy
    assert image.title == "needle"
    assert_same_image(image, em.as_spectrum_image(hs.load(map_file, lazy=lazy)))


def test_open_gives_what_hyperspy_loads_with_a_bent_axis(tmp_path):
    signal = hs.signals.Signal1D(np.ones((3, 4, 6)))
    signal.axes_manager[-1].convert_to_non_uniform_axis()
    signal.axes_manager[-1].axis = np.arange(6.0) ** 2
    signal.save(tmp_path / "bent.hspy")
    image = em.open(tmp_path / "bent.hspy")
    assert image.axis.tolist() == [0, 1, 4, 9, 16, 25]
    assert_same_image(image, em.as_spectrum_image(hs.load(tmp_path / "bent.hspy")))


def test_masks_companions_and_regions_come_back_from_a_file(tmp_path):
    mask, haadf = np.eye(3, 4, dtype=bool), np.arange(12, dtype=np.uint8).reshape(3, 4)
    image = em.SpectrumImage(
        np.ones((3, 4, 6), dtype=np.uint8),
        mask=mask,
        channel_mask=np.arange(6) == 5,
        companions={"HAADF 1": haadf, "height": haadf / 3, "labels": haadf.astype("<i4")},
        regions={"α": haadf > 5, "β": haadf < 3},
    )
    image.to_hyperspy().save(tmp_path / "map.hspy")
    back = em.open(tmp_path / "map.hspy")
    np.testing.assert_array_equal(back.mask, image.mask)
    np.testing.assert_array_equal(back.channel_mask, image.channel_mask)
    np.testing.assert_equal(back.companions, image.companions)
    assert [c.dtype.str for c in back.companions.values()] == ["|u1", "<f8", "<i4"]
    np.testing.assert_equal(back.regions, image.regions)


def test_code_opens_the_file_again(map_file):
    for image in (em.open(map_file), em.open(str(map_file), lazy=True)):
        again = eval(image.code, {"em": em})
        assert again.is_lazy == image.is_lazy
        assert_same_image(again, image)


# broken files


def test_missing_file_names_the_folder_to_look_in(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.hspy' does not exist; look at .*"):
        em.open(tmp_path / "nowhere.hspy")


def test_folder_is_handed_to_the_reader_of_its_ending(tmp_path):
    (tmp_path / "map.zspy").mkdir()
    with pytest.raises(ValueError, match=r"map\.zspy could not be read \(ZSPY: "):
        em.open(tmp_path / "map.zspy")


def test_unknown_ending_is_named(tmp_path):
    (tmp_path / "map.xyzzy").write_bytes(b"counts")
    with pytest.raises(ValueError, match=r"ends in '\.xyzzy', which no reader knows; export"):
        em.open(tmp_path / "map.xyzzy")


@pytest.mark.parametrize("kept", [0, 100, 0.5, 0.95], ids=str)
@pytest.mark.parametrize("lazy", [False, True])
def test_truncated_file_says_that_it_is_damaged(map_file, kept, lazy):
    whole = map_file.read_bytes()
    map_file.write_bytes(whole[: int(kept * len(whole)) if kept < 1 else kept])
    with pytest.raises(ValueError, match=r"needle\.hspy could not be read .*Copy it again"):
        em.open(map_file, lazy=lazy)


def test_setting_that_the_reader_does_not_know_is_named(map_file, tmp_path):
    message = r"needle\.hspy .* \(HSPY: the reader knows no setting 'colour'\); leave 'colour' out"
    with pytest.raises(TypeError, match=message):
        em.open(map_file, colour="red")
    hs.signals.Signal1D(np.ones((3, 4, 6), "u1")).save(tmp_path / "map.rpl")
    with pytest.raises(TypeError, match=r"\(Ripple: the reader knows no setting 'colour'\); leave"):
        em.open(tmp_path / "map.rpl", colour="red")


def test_every_reader_of_an_ending_says_what_is_wrong(tmp_path):
    (tmp_path / "map.csv").write_bytes(b"cut short")
    message = r"\(Impulse: .*; Protochips: the reader knows no setting 'colour'\); leave"
    with pytest.raises(TypeError, match=message):
        em.open(tmp_path / "map.csv", colour="red")


def test_fault_inside_a_reader_is_no_unknown_setting(map_file, monkeypatch):
    def fail(path, **settings):
        raise TypeError("'NoneType' object is not subscriptable")

    monkeypatch.setattr("rsciio.hspy.file_reader", fail)
    with pytest.raises(ValueError, match=r"could not be read .*NoneType"):
        em.open(map_file, colour="red")


@pytest.mark.parametrize("shape", [(6,), (3, 4)], ids=["spectrum", "image"])
def test_file_without_a_spectrum_image_lists_what_it_holds(tmp_path, shape):
    kind = hs.signals.Signal1D if len(shape) == 1 else hs.signals.Signal2D
    signal = kind(np.ones(shape))
    signal.metadata.General.title = "lonely"
    signal.save(tmp_path / "other.hspy")
    with pytest.raises(ValueError, match=r"0 spectrum images .*lonely \(.*pass the signal you"):
        em.open(tmp_path / "other.hspy")


def test_axis_given_by_a_formula_sends_to_hyperspy(tmp_path):
    signal = hs.signals.Signal1D(np.ones((3, 4, 6)))
    signal.axes_manager[-1].name = "wavelength"
    signal.axes_manager[-1].convert_to_functional_data_axis(expression="a*x**2 + 1", a=2.0)
    signal.save(tmp_path / "formula.hspy")
    with pytest.raises(ValueError, match=r"the wavelength axis is given by .*a\*x\*\*2 \+ 1"):
        em.open(tmp_path / "formula.hspy")
    image = em.as_spectrum_image(hs.load(tmp_path / "formula.hspy"))
    assert image.axis.tolist() == [1, 3, 9, 19, 33, 51]
