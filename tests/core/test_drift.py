"""Drift of the energy axis: found where it was put in, and nowhere else."""

from dataclasses import fields

import dask.array as da
import numpy as np
import pytest
import scipy.sparse as sp
from scipy.ndimage import gaussian_filter

import endmember as em
from endmember.core.draw import draw_counts
from endmember.core.drift import measure_drift

SPECIMENS = [
    *("mixture", "portrait_edges", "cathodoluminescence", "kinetic_series", "blurred_map"),
    *("iron_oxides", "omphacite", "six_compounds", "rough_particles", "oxide_interface"),
    *("silicon_edge", "diamond_anvil_71gpa", "diamond_anvil_88gpa"),
]
MAPS = ("smooth", "patches", "layers", "gradient", "texture")
NUMBERS = ("shifts", "errors", "size", "size_error", "p_value", "band_agreement", "n_components")


def image_of(name, **settings):
    loaded = em.datasets.load(name, **settings)
    return loaded if isinstance(loaded, em.SpectrumImage) else loaded.image


# specimens that drift: spectra are functions of the channel, and can be shifted exactly


def edges(rng, n_components, n_channels):
    """Sharp ionisation edges, some with a white line; no background."""
    places = rng.uniform(0.1, 0.9, (n_components, 3)) * n_channels
    heights, widths = rng.uniform(0.4, 1.0, places.shape), rng.uniform(1.3, 3.4, places.shape)

    def spectra(channels):
        away = channels - places[..., None]
        steps = np.exp(-away.clip(min=0) / 150) / (1 + np.exp(-away))
        lines = np.exp(-(((away - 4) / widths[..., None]) ** 2) / 2)
        return 0.02 + (heights[..., None] * (steps + 1.5 * lines)).sum(axis=1)

    return spectra


def lines(rng, n_components, n_channels):
    """Gaussian lines 3 to 8 channels wide."""
    places = rng.uniform(0.1, 0.9, (n_components, 4)) * n_channels
    heights, widths = rng.uniform(3, 10, places.shape), rng.uniform(1.3, 3.4, places.shape)

    def spectra(channels):
        away = (channels - places[..., None]) / widths[..., None]
        return 0.1 + (heights[..., None] * np.exp(-(away**2) / 2)).sum(axis=1)

    return spectra


def with_background(spectra):
    return lambda channels: spectra(channels) + 2 * (1 + channels / 200) ** -3.0


def maps_of(kind, n_components, shape, rng):
    """Abundances of shape (*shape, n_components)."""
    n_lines, n_pixels = shape
    time = np.linspace(0, 1, n_lines)[:, None, None] * np.ones((1, n_pixels, 1))
    centres = (np.arange(n_components) + 0.5) / n_components
    if kind == "smooth":
        fields_of = [gaussian_filter(rng.standard_normal(shape), 4) for _ in range(n_components)]
        found = np.exp(30 * np.stack(fields_of, axis=-1))
    elif kind == "patches":
        places = rng.random((3 * n_components, 2)) * shape
        pixels = np.stack(np.indices(shape), axis=-1)[..., None, :]
        nearest = ((pixels - places) ** 2).sum(axis=-1).argmin(axis=-1)
        found = np.eye(n_components)[nearest % n_components]
    elif kind == "layers":
        found = np.exp(-(((time - centres) * n_components / 0.35) ** 2))
    elif kind == "gradient":
        knots = np.linspace(0, 1, n_components)
        found = (1 - np.abs(time - knots) * (n_components - 1)).clip(min=0)
    else:
        found = rng.dirichlet(np.ones(n_components), shape)
    return found / found.sum(axis=-1, keepdims=True)


def scanned(kind, spectra, shifts, *, seed, shape=(32, 24), n_channels=256, rank=3, level=10.0):
    """Poisson counts of a map whose scan lines are shifted, `level` of them a channel."""
    rng = np.random.default_rng(seed)
    abundances = maps_of(kind, rank, shape, rng)
    channels = np.arange(n_channels)
    expected = np.stack(
        [
            of_line @ spectra(channels - shift)
            for of_line, shift in zip(abundances, shifts, strict=True)
        ]
    )
    return draw_counts(expected * (level / expected.mean()), rng)


def linear(size, n_lines=32):
    return np.linspace(-0.5, 0.5, n_lines) * size


def warned(kind, make, size, seeds, *, background=False, **settings):
    """How many of some draws of a drift are told as one."""
    n_lines = settings.get("shape", (32, 24))[0]
    count = 0
    for seed in seeds:
        rng = np.random.default_rng(1000 + seed)
        spectra = make(rng, settings.get("rank", 3), settings.get("n_channels", 256))
        spectra = with_background(spectra) if background else spectra
        counts = scanned(kind, spectra, linear(size, n_lines), seed=seed, **settings)
        count += measure_drift(em.SpectrumImage(counts)).is_drift
    return count


# what is found


@pytest.mark.parametrize("kind", MAPS)
@pytest.mark.parametrize("make", [edges, lines])
def test_half_a_channel_is_told_from_composition(kind, make):
    assert warned(kind, make, 0.5, range(6)) >= 5


@pytest.mark.parametrize("make", [edges, lines])
def test_composition_alone_is_no_drift(make):
    # Measured: 1 of 400 draws
    assert sum(warned(kind, make, 0.0, range(6)) for kind in MAPS) <= 1


@pytest.mark.parametrize("size", [0.5, 2.0, 4.0])
def test_shift_of_every_line_is_found(size):
    spectra = lines(np.random.default_rng(3), 3, 256)
    wander = gaussian_filter(np.random.default_rng(4).standard_normal(32), 6)
    wander = size * (wander - wander.mean()) / np.ptp(wander)
    drift = measure_drift(em.SpectrumImage(scanned("smooth", spectra, wander, seed=5)))
    assert drift.is_drift
    # Six cosines follow a wander of this smoothness to two percent of its size
    assert np.abs(drift.shifts - wander).max() < 0.05 * size
    assert drift.size == pytest.approx(size, rel=0.06)
    assert drift.size == np.ptp(drift.shifts)


def test_errors_are_those_of_repeated_draws():
    spectra, truth = lines(np.random.default_rng(3), 2, 256), linear(0.5)
    rng = np.random.default_rng(0)
    abundances = maps_of("smooth", 2, (32, 24), rng)
    channels = np.arange(256)
    expected = np.stack([a @ spectra(channels - t) for a, t in zip(abundances, truth, strict=True)])
    expected *= 0.5 / expected.mean()
    draws = [draw_counts(expected, np.random.default_rng(seed)) for seed in range(24)]
    found = [measure_drift(em.SpectrumImage(counts)) for counts in draws]
    sizes = [drift.shifts[-4:].mean() - drift.shifts[:4].mean() for drift in found]
    errors = np.mean([drift.errors for drift in found], axis=0)
    scatter = np.std([drift.shifts for drift in found], axis=0)
    assert np.mean(sizes) == pytest.approx(0.5 * 28 / 31, abs=0.03)
    assert (scatter**2).mean() / (errors**2).mean() == pytest.approx(1.0, abs=0.4)


def test_sentence_gives_size_unit_and_the_way_out():
    counts = scanned("smooth", edges(np.random.default_rng(0), 3, 256), linear(0.5), seed=1)
    axis = em.Axis.uniform(256, scale=0.25, offset=400.0, name="loss", unit="eV")
    drift = measure_drift(em.SpectrumImage(counts, axis))
    assert f"drifts by {drift.size:.2f} ± {drift.size_error:.2f} channels, 0.1" in drift.sentence
    assert "eV" in drift.sentence
    assert "Align the energy axis" in drift.sentence


def test_drift_is_found_along_either_axis_of_the_map():
    counts = scanned("smooth", edges(np.random.default_rng(0), 3, 256), linear(0.5), seed=1)
    turned = np.ascontiguousarray(counts.transpose(1, 0, 2))
    rows = measure_drift(em.SpectrumImage(counts))
    columns = measure_drift(em.SpectrumImage(turned), scan_axis=1)
    np.testing.assert_allclose(columns.shifts, rows.shifts)
    assert columns.sentence == rows.sentence != ""
    assert not measure_drift(em.SpectrumImage(counts), scan_axis=1).is_drift


# what is none


@pytest.mark.parametrize("name", SPECIMENS)
@pytest.mark.parametrize("scan_axis", [0, 1])
def test_no_specimen_drifts(name, scan_axis):
    drift = measure_drift(image_of(name), scan_axis=scan_axis)
    assert drift.reason == ""
    assert not drift.is_drift
    assert drift.sentence == ""


@pytest.mark.parametrize("scan_axis", [0, 1])
@pytest.mark.parametrize("dose", [1e3, 2e4, 1e6])
def test_chemical_shift_of_titanium_is_no_drift(dose, scan_axis):
    images = (image_of("reduced_titania", dose=dose, seed=seed) for seed in range(5))
    assert not any(measure_drift(image, scan_axis=scan_axis).is_drift for image in images)


@pytest.mark.parametrize("level", [3.0, 30.0])
@pytest.mark.parametrize("heights", [(1, 1, 1, 1), (2, 1)])
def test_one_line_of_some_that_moves_is_no_drift(heights, level):
    n_warned, channels = 0, np.arange(256)
    moves = np.arange(len(heights)) == 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        places = rng.permutation([40, 90, 150, 210])[: len(heights)]
        away = channels - (places + np.outer(linear(0.5), moves))[..., None]
        lines_of = np.array(heights)[:, None] * np.exp(-((away / 3) ** 2))
        expected = lines_of.sum(axis=1)[:, None] * rng.uniform(0.7, 1.3, (24, 1))
        counts = draw_counts(expected * level / expected.mean(), rng)
        n_warned += measure_drift(em.SpectrumImage(counts)).is_drift
    assert n_warned == 0


def test_line_that_moves_in_half_of_the_map_is_no_drift():
    n_warned, channels = 0, np.arange(200)
    shifts = linear(0.5)[:, None] * (np.arange(24) < 12)
    for seed in range(6):
        rng = np.random.default_rng(seed)
        peak = np.exp(-(((channels - 100 - shifts[..., None]) / 5) ** 2))
        counts = draw_counts(rng.uniform(0.7, 1.3, (32, 24, 1)) * (1 + 30 * peak), rng)
        n_warned += measure_drift(em.SpectrumImage(counts)).is_drift
    assert n_warned == 0


# forms


def drifting_image():
    return scanned("smooth", lines(np.random.default_rng(0), 3, 256), linear(0.5), seed=1)


def assert_same(found, expected):
    for name in NUMBERS:
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-6)
    assert found.sentence == expected.sentence


def test_forms_agree():
    counts = drifting_image()
    expected = measure_drift(em.SpectrumImage(counts))
    assert expected.is_drift
    for form in (
        em.SpectrumImage(np.asfortranarray(counts)),
        em.SpectrumImage(counts.astype(">f8")),
        em.SpectrumImage(counts[:, ::-1][:, ::-1].astype(np.float32)),
        em.SpectrumImage(sp.csr_array(counts.reshape(-1, 256)), navigation_shape=(32, 24)),
        em.SpectrumImage(da.from_array(counts, chunks=(5, 7, 256))),
    ):
        assert_same(measure_drift(form), expected)


def test_hidden_pixels_and_channels_take_no_part():
    counts = drifting_image().astype(float)
    mask, lost = np.zeros((32, 24), dtype=bool), np.zeros(256, dtype=bool)
    mask[10:14, 3:9], mask[20], lost[100:105] = True, True, True
    clean = measure_drift(em.SpectrumImage(counts, mask=mask, channel_mask=lost))
    counts[mask], counts[:, :, lost] = np.nan, 1e6
    found = measure_drift(em.SpectrumImage(counts, mask=mask, channel_mask=lost))
    assert_same(found, clean)
    assert found.is_drift
    assert found.size == pytest.approx(0.5, abs=0.05)


def test_gain_and_seed():
    counts = drifting_image().astype(float)
    one = measure_drift(em.SpectrumImage(counts), seed=1)
    assert_same(measure_drift(em.SpectrumImage(4 * counts), gain=4, seed=1), one)
    assert_same(measure_drift(em.SpectrumImage(counts), seed=1), one)


def test_counts_are_not_changed():
    counts = drifting_image().astype(float)
    before = counts.copy()
    measure_drift(em.SpectrumImage(counts))
    np.testing.assert_array_equal(counts, before)


@pytest.mark.parametrize(
    ("shape", "why"),
    [
        ((40, 32), "scan lines of a map"),
        ((4, 10, 10, 32), "scan lines of a map"),
        ((5, 10, 32), "5 scan lines of 10 pixels are too few"),
        ((40, 2, 32), "40 scan lines of 2 pixels are too few"),
        ((12, 12, 8), "8 channels are too few"),
    ],
)
def test_maps_without_scan_lines_are_not_measured(shape, why):
    drift = measure_drift(em.SpectrumImage(np.ones(shape)))
    assert drift.reason.startswith("not measured: ")
    assert why in drift.reason
    assert (drift.shifts.size, drift.is_drift, drift.sentence) == (0, False, "")


def test_hardly_any_counts_are_not_measured():
    counts = np.zeros((12, 12, 32))
    counts[3, 4, 5] = 1
    assert "counts enough" in measure_drift(em.SpectrumImage(counts)).reason


def test_result_cannot_be_changed():
    drift = measure_drift(em.SpectrumImage(np.ones((5, 5, 5))))
    with pytest.raises(AttributeError):
        setattr(drift, fields(drift)[0].name, None)


def test_bad_input_is_refused():
    image = em.SpectrumImage(np.ones((12, 12, 32)))
    with pytest.raises(TypeError, match="must be a SpectrumImage"):
        measure_drift(np.ones((12, 12, 32)))
    with pytest.raises(ValueError, match="scan_axis"):
        measure_drift(image, scan_axis=2)
    with pytest.raises(ValueError, match="gain"):
        measure_drift(image, gain=0)
    with pytest.raises(ValueError, match="finite"):
        measure_drift(image, gain=np.inf)
    with pytest.raises(ValueError, match="seed"):
        measure_drift(image, seed=None)


def n_warned(kinds, shift, **settings):
    """How often a hundred maps are said to drift: all kinds, both sorts of features, all ranks."""
    cases = [(kind, make, rank) for kind in kinds for make in (edges, lines) for rank in (2, 4, 6)]
    settings = {"shape": (48, 48), "n_channels": 256, **settings}
    n = 0
    for seed in range(100):
        kind, make, rank = cases[seed % len(cases)]
        n += warned(kind, make, shift, [seed], rank=rank, **settings)
    return n


@pytest.mark.slow
def test_rates_of_a_hundred_draws():
    found, false = (n_warned(MAPS, shift) for shift in (0.5, 0.0))
    print(f"{found} of 100 with drift, {false} of 100 without")
    assert found >= 90
    assert false <= 5


@pytest.mark.slow
def test_rates_of_a_hundred_draws_on_a_background():
    kinds = ["smooth", "patches", "layers"]
    found, false = (n_warned(kinds, shift, background=True) for shift in (0.5, 0.0))
    print(f"on a background: {found} of 100 with drift, {false} of 100 without")
    assert found >= 90
    assert false <= 5
