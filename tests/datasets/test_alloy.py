"""The alloy sheet: who sits next to whom, and what distorts the lattice."""

from __future__ import annotations

import numpy as np
import pytest

import endmember as em
from endmember.datasets.simulators import alloy

COMPOSITIONS = (5, 55, 78, 95)  # per cent Re, of the lecture (S2)


@pytest.fixture(scope="module")
def sheets():
    return {x: em.datasets.load("mos2_res2_alloy", rhenium=x, seed=x) for x in COMPOSITIONS}


def bonds(sites):
    """Pairs of sites one lattice constant apart, from the distances alone."""
    away = np.linalg.norm(sites[:, None] - sites[None], axis=-1)
    return np.argwhere(np.triu(np.abs(away - alloy.A_CATION) < 0.01))


def measured_amplitudes(scene):
    """Share of the way to the diamond's middle that every cation went, from its position."""
    way = ((scene.positions - scene.sites) * scene.modes).sum(axis=1)
    return way / (scene.modes**2).sum(axis=1)


def partial_correlation(a, b, given):
    """Correlation of what a straight line in `given` does not explain of `a` and of `b`."""
    line = np.stack([np.ones_like(given), given], axis=1)
    a, b = (v - line @ np.linalg.lstsq(line, v, rcond=None)[0] for v in (a, b))
    return np.corrcoef(a, b)[0, 1]


@pytest.mark.parametrize("rhenium", [0, *COMPOSITIONS, 100])
def test_composition_is_the_setting_to_one_atom(rhenium):
    scene = em.datasets.load("mos2_res2_alloy", rhenium=rhenium)
    share = (scene.species == "Re").mean()
    assert abs(share - rhenium / 100) <= 0.5 / len(scene.species)


def test_neighbours_and_their_rhenium_are_counted_right(sheets):
    scene = sheets[55]
    pairs = bonds(scene.sites)
    assert {tuple(pair) for pair in pairs} == {
        (i, j) for i, six in enumerate(scene.neighbours) for j in six if j > i
    }
    is_rhenium = (scene.species == "Re").astype(int)
    counted = np.zeros(len(scene.sites), dtype=int)
    np.add.at(counted, pairs[:, 0], is_rhenium[pairs[:, 1]])
    np.add.at(counted, pairs[:, 1], is_rhenium[pairs[:, 0]])
    assert np.array_equal(counted, scene.local_rhenium)
    assert scene.n_neighbours.max() == 6


def warren_cowley(scene):
    """Warren-Cowley parameter of the first shell: above 0 where like sits with like."""
    is_rhenium = scene.species == "Re"
    pairs = bonds(scene.sites)
    ends = np.concatenate([pairs, pairs[:, ::-1]])
    molybdenum_beside_rhenium = ~is_rhenium[ends[is_rhenium[ends[:, 0]], 1]]
    return 1 - molybdenum_beside_rhenium.mean() / (~is_rhenium).mean()


def test_rhenium_gathers_where_it_attracts(sheets):
    assert warren_cowley(sheets[55]) > 0.3
    assert warren_cowley(sheets[78]) > 0.2
    assert warren_cowley(em.datasets.load("mos2_res2_alloy", attraction=-0.8)) < -0.1
    # By chance alone: its standard deviation is about 1/sqrt(bonds), 0.014 here.
    assert abs(warren_cowley(em.datasets.load("mos2_res2_alloy", attraction=0))) < 5 * 0.014


@pytest.mark.parametrize("rhenium", COMPOSITIONS)
def test_rhenium_pairs_exceed_those_of_shuffled_sheets(sheets, rhenium):
    rng = np.random.default_rng(0)
    pairs = bonds(sheets[rhenium].sites)
    is_rhenium = sheets[rhenium].species == "Re"
    n_pairs = is_rhenium[pairs].all(axis=1).sum()
    shuffled = [rng.permutation(is_rhenium)[pairs].all(axis=1).sum() for _ in range(200)]
    assert n_pairs > np.mean(shuffled) + 2 * np.std(shuffled)
    if rhenium in (55, 78):
        assert n_pairs > np.mean(shuffled) + 10 * np.std(shuffled)


def test_dilute_pairs_follow_boltzmann():
    """Pairs of few atoms exceed chance by exp(attraction); others add terms of the order of x."""
    attraction, found, expected = 1.0, 0, 0.0
    lattice = alloy._lattice((1024, 1024), 0.025)
    neighbours = alloy._neighbours(lattice)
    n_bonds = (neighbours >= 0).sum() / 2
    for seed in range(12):
        rng = np.random.default_rng(seed)
        is_rhenium = alloy._mix(lattice, neighbours, 1.0, attraction, rng)
        around = (is_rhenium[neighbours] & (neighbours >= 0)).sum(axis=1)
        found += around[is_rhenium].sum() / 2
        n = is_rhenium.sum()
        expected += n_bonds * n * (n - 1) / (len(lattice) * (len(lattice) - 1))
    # Poisson scatter of the number of pairs, and 5 % for clusters of three.
    allowed = 3 / np.sqrt(found) + 0.05
    assert found / expected == pytest.approx(np.exp(attraction), rel=allowed)


def test_distortion_goes_with_the_rhenium_nearby_and_not_with_that_on_average(sheets):
    amplitude = np.concatenate([measured_amplitudes(s) for s in sheets.values()])
    local = np.concatenate([s.local_rhenium for s in sheets.values()]).astype(float)
    average = np.concatenate([np.full(len(s.species), x) for x, s in sheets.items()]).astype(float)
    assert np.corrcoef(amplitude, average)[0, 1] > 0.7  # what misleads
    assert partial_correlation(amplitude, local, average) > 0.8
    # Chance alone gives 1/sqrt(n) = 0.012.
    assert abs(partial_correlation(amplitude, average, local)) < 4 / np.sqrt(len(amplitude))


def test_distortion_at_a_number_of_rhenium_neighbours_is_that_of_any_composition(sheets):
    noise = 0.003 / (alloy.A_CATION / 2)  # jitter over the shortest way to a diamond's middle
    for scene in sheets.values():
        for n in range(7):
            found = measured_amplitudes(scene)[scene.local_rhenium == n]
            if found.size:
                allowed = 5 * noise / np.sqrt(found.size)
                assert found.mean() == pytest.approx(0.125 * n / 6, abs=allowed)


@pytest.mark.parametrize("seed", range(3))
def test_pure_rhenium_forms_diamonds_of_short_bonds(seed):
    scene = em.datasets.load(
        "mos2_res2_alloy", rhenium=100, jitter=0.0, n_variants=1, contraction=0.125, seed=seed
    )
    inside = (scene.n_neighbours == 6) & (scene.n_neighbours[scene.neighbours] == 6).all(axis=1)
    around = scene.positions[scene.neighbours[inside]] - scene.positions[inside][:, None]
    lengths = np.linalg.norm(around, axis=-1)
    short = np.isclose(lengths, alloy.A_CATION * 0.875, atol=1e-9)
    # Five short bonds between the four atoms of a diamond: two atoms have three, two have two.
    counts = np.bincount(short.sum(axis=1), minlength=4)
    assert counts[2] + counts[3] == inside.sum()
    assert counts[2] == pytest.approx(counts[3], rel=0.15)
    assert lengths.min() == pytest.approx(0.2765)
    along = np.isclose(lengths, alloy.A_CATION * 1.125, atol=1e-9)
    assert along.sum(axis=1).min() == 2


def test_the_cell_doubles_as_rhenium_is_added(sheets):
    def superstructure(scene):
        """Power at half of a lattice spot over that at the spot."""
        image = (
            (scene.expected - scene.expected.mean()) * np.hanning(512) * np.hanning(512)[:, None]
        )
        spot = np.array([1 / (alloy.A_CATION * np.sqrt(0.75)), 0.0])
        place = np.arange(512) * 0.025
        powers = []
        for frequency in (spot / 2, spot):
            rows, columns = (np.exp(-2j * np.pi * f * place) for f in frequency)
            powers.append(np.abs(rows @ image @ columns) ** 2)
        return powers[0] / powers[1]

    ratios = [
        superstructure(em.datasets.load("mos2_res2_alloy", rhenium=x, n_variants=1))
        for x in COMPOSITIONS
    ]
    assert ratios == sorted(ratios)
    assert ratios[-1] > 100 * ratios[0]


def test_diamonds_point_three_ways():
    scene = em.datasets.load("mos2_res2_alloy")
    assert set(scene.variants) == {0, 1, 2}
    lengths = np.linalg.norm(scene.modes, axis=1) / alloy.A_CATION
    assert np.all(np.isclose(lengths, 0.5) | np.isclose(lengths, np.sqrt(0.75)))


def test_rhenium_is_brighter_where_it_sits(sheets):
    scene = sheets[55]
    rows, columns = np.rint(scene.positions / 0.025).astype(int).T
    assert np.array_equal(scene.labels[rows, columns] == 1, scene.species == "Re")
    bright = scene.expected[rows, columns] - scene.expected[0, 0]
    ratio = np.median(bright[scene.species == "Mo"]) / np.median(bright[scene.species == "Re"])
    assert ratio == pytest.approx((42 / 75) ** 1.7, rel=0.05)  # columns lie anywhere in a pixel


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rhenium": 101}, "rhenium is 101; expected a number from 0 up to 100 per cent"),
        ({"attraction": 9}, "attraction is 9; expected a number from -2 up to 2 kT"),
        ({"contraction": -1}, "contraction is -1; expected a number from 0 up to 0.2"),
        ({"n_variants": 4}, r"n_variants is 4; choose one of \[1, 2, 3\]"),
        ({"jitter": -1}, "jitter is -1; expected a number from 0 up to 0.02 nm"),
        ({"pixel_size": 1}, "pixel_size is 1; expected a number above 0 up to 0.05 nm"),
        ({"shape": (40, 40)}, r"shape is \(40, 40\) at pixel_size=0.025.*room for 6 × 6"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        em.datasets.load("mos2_res2_alloy", **settings)
