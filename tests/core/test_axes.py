"""Axes: cropping and merging keep every channel where it was measured."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import endmember as em
from endmember.core.axes import Axis, length_scale

SCALES = st.floats(1e-3, 1e3) | st.floats(-1e3, -1e-3)


@given(SCALES, st.floats(-1e3, 1e3), st.integers(2, 50), st.data())
def test_cropped_axis_is_the_slice_of_its_values(scale, offset, size, data):
    axis = Axis.uniform(size, scale=scale, offset=offset, name="energy", unit="keV")
    start = data.draw(st.integers(0, size - 1))
    stop = data.draw(st.integers(start + 1, size))
    cropped = axis.crop(start, stop)
    np.testing.assert_array_equal(cropped.values, axis.values[start:stop])
    line = cropped.offset + cropped.scale * np.arange(len(cropped))
    np.testing.assert_allclose(line, cropped.values, rtol=1e-9, atol=1e-9 * abs(scale) * size)
    assert (cropped.name, cropped.unit) == ("energy", "keV")


@given(SCALES, st.floats(-1e3, 1e3), st.integers(2, 50))
def test_values_in_equal_steps_make_a_uniform_axis(scale, offset, size):
    values = offset + scale * np.arange(size)
    axis = Axis.from_values(values)
    assert axis.is_uniform
    np.testing.assert_array_equal(axis.values, values)
    assert axis.scale == pytest.approx(scale, rel=1e-6)


def test_values_in_unequal_steps_do_not():
    assert not Axis.from_values([0, 1, 2.001, 3]).is_uniform
    assert not Axis.from_values([0, 1, 4]).crop(0, 2).is_uniform


@pytest.mark.parametrize("make", [np.linspace, lambda a, b, n: a + np.arange(n) * ((b - a) / n)])
@pytest.mark.parametrize("dtype", ["f2", "f4"])
@pytest.mark.parametrize("ends", [(0, 20), (20, 0), (532, 900)])
def test_steps_are_equal_to_the_rounding_of_the_dtype(make, dtype, ends):
    values = make(*ends, 60).astype(dtype) if dtype == "f2" else make(*ends, 2048).astype(dtype)
    assert Axis.from_values(values).is_uniform
    assert em.SpectrumImage(np.ones((2, values.size)), values).signal_axis.is_uniform


def test_a_bend_above_the_rounding_is_not_taken_for_it():
    values = np.linspace(0, 20, 2048)
    bent = (values + 1e-4 * values**2).astype("f4")
    assert not Axis.from_values(bent).is_uniform
    assert not Axis.from_values(np.array([1000, 1001, 1003], "f2")).is_uniform


def test_values_are_a_copy_that_cannot_be_written():
    given = np.array([1.0, 2.0, 4.0])
    for axis in (
        Axis(given),
        Axis.from_values(given),
        Axis.uniform(3),
        Axis(given).crop(0, 2),
        Axis(given).rebin(2),
    ):
        with pytest.raises(ValueError, match="read-only"):
            axis.values[0] = 99
    given[0] = 0.0  # the caller's own array stays writeable


def test_writing_to_the_axis_of_a_crop_does_not_reach_its_parent():
    image = em.SpectrumImage(np.ones((2, 3, 4)), np.linspace(1, 2, 4))
    with pytest.raises(ValueError, match="read-only"):
        image.crop((1, 1.5)).axis[0] = 99
    assert image.axis[0] == 1


def test_plain_numbers_make_an_axis():
    axis = em.Axis([1, 2, 4], name="x", unit="nm")
    assert axis.values.dtype == np.float64
    assert len(axis) == 3
    assert axis.label() == "x (nm)"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: em.Axis([1, 3, 2], name="x"), "the x axis must rise or fall strictly"),
        (lambda: em.Axis([1, 1, 2]), "^axis must rise or fall strictly"),
        (lambda: em.Axis([[1, 2]]), r"axis must be a 1-D array .* got shape \(1, 2\)"),
        (lambda: em.Axis("ab"), "axis must be a 1-D array of real numbers"),
        (lambda: em.Axis([1, np.nan]), "finite values only"),
        (lambda: em.Axis.uniform(5, scale=0, name="x"), "the x axis has scale=0 .* not 0"),
        (lambda: em.Axis.uniform(1, scale=0), "axis has scale=0 "),
        (lambda: em.Axis.uniform(5, scale=np.inf), "scale=inf .* must be finite"),
        (lambda: em.Axis.uniform(5, offset=np.nan), "offset=nan; both must be finite"),
        (lambda: em.Axis([1, 2, 3], scale=0.5, offset=1.0), "do not make its values; use em.Axis"),
        (lambda: em.Axis([1, 2, 3], scale=1.0), "offset=None, which do not make its values"),
        (lambda: em.Axis([1], scale=0.0, offset=1.0), "scale=0.0 .* do not make its values"),
    ],
)
def test_what_is_no_axis_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_window_holds_both_of_its_ends():
    rising, falling = Axis.from_values([1, 2, 3, 4, 5]), Axis.from_values([5, 4, 3, 2, 1])
    assert rising.window(2, 4) == slice(1, 4)
    assert falling.window(2, 4) == slice(1, 4)
    assert rising.window(-9, 9) == slice(0, 5)
    assert rising.window(2.5, 3.5) == slice(2, 3)


def test_axes_are_equal_when_everything_about_them_is():
    def make(**changed):
        settings = {"scale": 0.5, "offset": 1.0, "name": "E", "unit": "keV", "is_binned": True}
        return Axis.uniform(changed.pop("size", 4), **{**settings, **changed})

    assert make() == make()
    for change in (
        {"size": 5},
        {"scale": 0.4},
        {"offset": 0},
        {"name": "x"},
        {"unit": "eV"},
        {"is_binned": False},
    ):
        assert make() != make(**change)
    assert make() != "E"


def test_label_is_name_and_unit():
    assert Axis.uniform(3, name="energy", unit="keV").label() == "energy (keV)"
    assert Axis.uniform(3, name="channel").label() == "channel"


@pytest.mark.parametrize(
    ("axis", "expected"),
    [
        (
            Axis.uniform(201, scale=0.0017165, unit="µm"),
            {"size": pytest.approx(1.7165), "unit": "nm"},
        ),
        (Axis.uniform(512, scale=5.0, unit="µm"), {"size": pytest.approx(5e-3), "unit": "mm"}),
        (Axis.uniform(10, scale=-0.02, unit="nm"), {"size": pytest.approx(20.0), "unit": "pm"}),
        (Axis.uniform(100, scale=3.0, unit="Å"), {"size": pytest.approx(0.3), "unit": "nm"}),
        (Axis.uniform(10), {}),
        (Axis.uniform(10, unit="°"), {}),
    ],
)
def test_scale_bars_read_in_the_unit_that_fits(axis, expected):
    assert length_scale(axis) == expected


@pytest.mark.parametrize(
    ("spellings", "expected"),
    [
        (["\u00b5m", "\u03bcm", "um", "micron", "micrometer", "micrometre"], "\u00b5m"),
        (["\u00c5", "\u212b", "A\u030a", "A", "angstrom", "Angstrom"], "nm"),
    ],
)
def test_every_spelling_of_a_unit_of_length_is_read(spellings, expected):
    scales = [length_scale(Axis.uniform(200, scale=0.5, unit=unit)) for unit in spellings]
    assert scales[0]["unit"] == expected
    assert scales == scales[:1] * len(scales)
