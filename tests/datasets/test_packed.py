"""Packed maps come back as they were, and broken files say so."""

import numpy as np
import pytest
from hypothesis import given

import endmember as em
from endmember.core.axes import Axis
from endmember.datasets.packed import pack, unpack
from strategies import drawn_images


@given(drawn_images(masked=False))
def test_unpacked_image_is_the_packed_one(tmp_path_factory, drawn):
    path = tmp_path_factory.mktemp("packed") / "map.npz"
    pack(drawn.image, path)
    back = unpack(path)
    np.testing.assert_array_equal(back.counts.toarray(), np.asarray(drawn.image.to_dense().spectra))
    assert back.shape == drawn.image.shape
    found, expected = back.signal_axis, drawn.image.signal_axis
    assert (found.scale, found.offset) == (expected.scale, expected.offset)
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-14, atol=1e-14)
    assert back.navigation_axes == drawn.image.navigation_axes
    drawn.assert_untouched()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_counts_that_are_not_whole_keep_every_digit(tmp_path, dtype):
    counts = np.random.default_rng(0).random((3, 4, 5)).astype(dtype) * 3000
    pack(em.SpectrumImage(counts), tmp_path / "map.npz")
    back = unpack(tmp_path / "map.npz").to_dense().counts
    assert back.dtype == dtype
    np.testing.assert_array_equal(back, counts)


def test_title_axes_and_metadata_are_kept(tmp_path):
    image = em.SpectrumImage(
        np.full((3, 4, 5), 7, dtype=np.int64),
        Axis(np.arange(5.0) ** 2, "energy", "eV", is_binned=True),
        navigation_axes=[
            Axis.uniform(3, scale=1 / 3, name="y", unit="nm"),
            Axis.uniform(4, scale=1 / 3, offset=-0.1, name="x", unit="nm"),
        ],
        title="needle × 2",
        metadata={"Sample": {"elements": ["Fe"], "thickness": np.float32(0.5)}},
    )
    pack(image, tmp_path / "map.npz")
    back = unpack(tmp_path / "map.npz")
    assert back.title == "needle × 2"
    assert back.signal_axis == image.signal_axis
    assert back.navigation_axes == image.navigation_axes
    assert back.metadata == {"Sample": {"elements": ["Fe"], "thickness": 0.5}}
    assert back.counts.dtype == np.uint8


@pytest.mark.parametrize("kept", [0, 3, 100, 0.5, 0.99], ids=str)
def test_truncated_file_says_that_it_is_damaged(tmp_path, kept):
    path = tmp_path / "map.npz"
    pack(em.SpectrumImage(np.random.default_rng(0).poisson(3.0, (9, 9, 50))), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole)) if kept < 1 else kept])
    with pytest.raises(ValueError, match=r"map\.npz is damaged or is no packed map .*install"):
        unpack(path)


def test_any_changed_byte_is_noticed_or_harmless(tmp_path):
    path = tmp_path / "map.npz"
    image = em.SpectrumImage(np.random.default_rng(0).poisson(3.0, (9, 9, 50)))
    pack(image, path)
    whole = path.read_bytes()
    for place in np.random.default_rng(1).integers(0, len(whole), 150):
        changed = bytearray(whole)
        changed[place] ^= 0xFF
        path.write_bytes(changed)
        try:
            back = unpack(path)
        except ValueError as error:
            assert "is damaged or is no packed map" in str(error)
        else:
            np.testing.assert_array_equal(back.to_dense().counts, image.counts)


@pytest.mark.parametrize("content", ["pickle", "npy", "other npz", "text"])
def test_other_files_are_no_packed_maps(tmp_path, content):
    path = tmp_path / "map.npz"
    if content == "pickle":
        np.savez(path, counts=np.array([{}], dtype=object), channels=1, n_filled=1, facts=1)
    elif content == "other npz":
        np.savez(path, values=np.ones(3))
    elif content == "npy":
        with path.open("wb") as file:
            np.save(file, np.ones(3))
    else:
        path.write_text("counts")
    with pytest.raises(ValueError, match="is damaged or is no packed map"):
        unpack(path)
