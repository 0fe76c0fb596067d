"""Spikes: every one that is put in is found, and lines, phases and chance are none."""

import dask.array as da
import numpy as np
import pytest
import scipy.sparse as sp

import endmember as em
from endmember.core.spikes import find_spikes

SPECIMENS = [
    *("mixture", "portraits", "portrait_edges", "cathodoluminescence", "kinetic_series"),
    *("blurred_map", "iron_oxides", "omphacite", "six_compounds", "rough_particles"),
    *("oxide_interface", "reduced_titania", "silicon_edge", "nicr_needle", "plasmon_cube"),
    *("diamond_anvil_71gpa", "diamond_anvil_88gpa"),
]
PLACES = [(0, 0, 0), (3, 4, 50), (19, 11, 63), (7, 0, 31)]  # corners and edges, too


def image_of(name, **settings):
    loaded = em.datasets.load(name, **settings)
    return loaded if isinstance(loaded, em.SpectrumImage) else loaded.image


def level_counts(level, seed=0, shape=(20, 12, 64)):
    return np.random.default_rng(seed).poisson(level, size=shape)


def line(centre, fwhm, n_channels=64):
    return np.exp(-4 * np.log(2) * ((np.arange(n_channels) - centre) / fwhm) ** 2)


def places_of(spikes):
    pairs = zip(spikes.pixels.tolist(), spikes.channels.tolist(), strict=True)
    return {(*pixel, channel) for pixel, channel in pairs}


# what is found


@pytest.mark.parametrize(("level", "height"), [(0.01, 20), (1, 60), (10, 150), (1000, 600)])
def test_every_spike_is_found_and_nothing_else(level, height):
    counts = level_counts(level)
    for place in PLACES:
        counts[place] += height
    spikes = find_spikes(em.SpectrumImage(counts))
    # On a ground of a thousand counts, the ends of the axis have too few neighbours
    known = PLACES if level < 1000 else [place for place in PLACES if 0 < place[2] < 63]
    assert set(known) <= places_of(spikes) <= set(PLACES)
    found = (*spikes.pixels.T, spikes.channels)
    np.testing.assert_array_equal(spikes.counts, counts[found])
    assert np.abs(spikes.heights - height).max() < 6 * np.sqrt(level + height)
    assert (np.diff(spikes.heights) <= 0).all()
    assert ((spikes.p_values >= 0) & (spikes.p_values < 0.01)).all()


@pytest.mark.parametrize("name", ["blurred_map", "reduced_titania", "silicon_edge"])
def test_a_spike_that_changes_the_rank_is_found(name):
    image, rng = image_of(name), np.random.default_rng(0)
    clean = np.asarray(image.to_dense().counts).astype(np.int64)
    rank = em.PCA(6).fit(image.spectra).n_above_edge_
    n_changed = 0
    for height in (30, 300, 1000, 3000):
        counts = clean.copy()
        counts[10, 20, rng.integers(20, clean.shape[-1] - 20)] += height
        changes = em.PCA(6).fit(counts.reshape(-1, clean.shape[-1])).n_above_edge_ > rank
        n_changed += changes
        assert len(find_spikes(em.SpectrumImage(counts))) == 1 or not changes
    assert n_changed


def test_sentence_says_where_and_the_way_out():
    counts = level_counts(2)
    counts[3, 4, 50] = 300
    one = find_spikes(em.SpectrumImage(counts)).sentence
    assert "1 spike" in one
    assert "300 counts in pixel (3, 4) and channel 50" in one
    assert "mask=" in one
    counts[5, 1:9, 20] = 0
    counts[(1, 5, 9, 13), (2, 5, 8, 10), (10, 20, 30, 40)] = 200
    assert "5 spikes" in (many := find_spikes(em.SpectrumImage(counts)).sentence)
    assert "and 2 more" in many


def test_spike_of_two_channels_is_found_by_its_higher_one():
    counts = level_counts(1)
    counts[5, 5, 30:32] += (400, 60)
    assert places_of(find_spikes(em.SpectrumImage(counts))) == {(5, 5, 30)}


# what is none


@pytest.mark.parametrize("name", SPECIMENS)
def test_no_specimen_holds_spikes(name):
    spikes = find_spikes(image_of(name))
    assert len(spikes) == 0
    assert spikes.sentence == ""
    assert spikes.pixels.shape[1] == len(image_of(name).navigation_shape)


@pytest.mark.parametrize("level", [1e-3, 0.1, 3, 100, 3000])
def test_poisson_counts_hold_no_spikes(level):
    found = [len(find_spikes(em.SpectrumImage(level_counts(level, seed)))) for seed in range(20)]
    assert sum(found) == 0


@pytest.mark.parametrize("fwhm", [3, 5, 8])
@pytest.mark.parametrize("ground", [0.1, 200])
def test_lines_of_a_particle_that_fills_one_pixel_are_no_spikes(fwhm, ground):
    found = 0
    for seed in range(10):
        expected = np.full((20, 12, 64), float(ground))
        expected[6, 6] += 800 * line(30.3, fwhm)
        found += len(find_spikes(em.SpectrumImage(np.random.default_rng(seed).poisson(expected))))
    assert found == 0


def test_zero_loss_of_one_channel_in_every_pixel_is_no_spike():
    expected = np.full((20, 12, 64), 0.5)
    expected[..., 12] = 2000
    expected[4:8, 4:8, 40] = 500  # as narrow, in a few pixels only
    counts = np.random.default_rng(1).poisson(expected)
    assert len(find_spikes(em.SpectrumImage(counts))) == 0


def test_hot_channel_is_no_spike():
    counts = level_counts(1.0)
    counts[..., 33] += 40
    assert len(find_spikes(em.SpectrumImage(counts))) == 0


# forms


def test_forms_agree():
    counts = level_counts(0.3)
    counts[3, 4, 50] = counts[9, 9, 9] = 90
    flat = counts.reshape(-1, 64)
    expected = find_spikes(em.SpectrumImage(counts))
    assert len(expected) == 2
    for form in (
        em.SpectrumImage(np.asfortranarray(counts)),
        em.SpectrumImage(counts.astype(">f4")),
        em.SpectrumImage(counts.astype(np.uint8)),
        em.SpectrumImage(sp.csr_array(flat), navigation_shape=(20, 12)),
        em.SpectrumImage(da.from_array(counts, chunks=(7, 5, 64))),
    ):
        found = find_spikes(form)
        for name in ("pixels", "channels", "counts", "heights", "p_values"):
            np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-6)
        assert found.sentence == expected.sentence


def test_hidden_pixels_and_channels_take_no_part():
    counts = level_counts(1.0).astype(float)
    counts[3, 4, 50] = counts[5, 5, 20] = counts[8, 8, 40] = 300
    mask, lost = np.zeros((20, 12), dtype=bool), np.zeros(64, dtype=bool)
    mask[5, 5], mask[3, 5], lost[40], lost[10:15] = True, True, True, True
    counts[3, 5] = np.nan
    spikes = find_spikes(em.SpectrumImage(counts, mask=mask, channel_mask=lost))
    assert places_of(spikes) == {(3, 4, 50)}


@pytest.mark.parametrize("shape", [(240,), (4, 6, 10)])
def test_navigation_shape_is_free(shape):
    counts = level_counts(1.0).reshape(*shape, 64)
    place = tuple(n // 2 for n in shape)
    counts[(*place, 30)] = 300
    spikes = find_spikes(em.SpectrumImage(counts))
    assert places_of(spikes) == {(*place, 30)}


def test_gain_scales_counts():
    counts = level_counts(3.0)
    counts[3, 4, 50] = 200
    one, four = (find_spikes(em.SpectrumImage(counts * g), gain=g) for g in (1, 4))
    np.testing.assert_allclose(four.heights, 4 * one.heights)
    np.testing.assert_allclose(four.p_values, one.p_values)


def test_map_of_one_count_holds_no_spike():
    counts = np.zeros((4, 5, 6))
    counts[1, 2, 3] = 1
    assert len(find_spikes(em.SpectrumImage(counts))) == 0


def test_bad_input_is_refused():
    with pytest.raises(TypeError, match="must be a SpectrumImage"):
        find_spikes(np.ones((4, 5, 6)))
    with pytest.raises(ValueError, match="gain"):
        find_spikes(em.SpectrumImage(np.ones((4, 5, 6))), gain=0)
    with pytest.raises(ValueError, match="finite"):
        find_spikes(em.SpectrumImage(np.ones((4, 5, 6))), gain=np.inf)
