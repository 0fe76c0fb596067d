"""The jadeite stone: rank four from three phases, and chemistry that is charge-balanced."""

import time
import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp

import endmember as em
from endmember.core.elements import xray_lines
from endmember.datasets.compound import molar_mass
from endmember.datasets.simulators.omphacite import FORMULAE


@pytest.fixture(scope="module")
def scene():
    return em.datasets.load("omphacite")


def minerals(scene):
    """Exchange fractions of the pixels of each mineral, by its name."""
    flat = scene.labels.ravel()
    return {name: scene.exchange[flat == k] for k, name in enumerate(scene.phases[:2])}


@pytest.mark.parametrize("seed", [0, 1])
def test_noiseless_rank_is_four_though_there_are_three_phases(seed):
    scene = em.datasets.load("omphacite", shape=(48, 64), seed=seed)
    values = np.linalg.svd(scene.expected, compute_uv=False)
    assert (values > 1e-10 * values[0]).sum() == 4
    assert values[3] > 0.01 * values[0]  # not by a hair
    assert set(np.unique(scene.labels)) == {0, 1, 2}
    assert scene.phases == ("jadeite", "omphacite", "mount")


@pytest.mark.parametrize("k", [0, 1])
def test_one_mineral_alone_has_rank_three(scene, k):
    inside = (scene.labels.ravel() == k) & (scene.abundances[:, 3] < 1e-6)
    shares = scene.abundances[inside, :3]
    assert len(shares) > 500
    values = np.linalg.svd(shares @ scene.endmembers[:3], compute_uv=False)
    assert (values > 1e-3 * values[0]).sum() == 3


def test_formulae_are_charge_balanced_and_weigh_what_tables_say():
    charges = {"Na": 1, "Mg": 2, "Al": 3, "Si": 4, "Ca": 2, "O": -2}
    iron = {"augite": 2, "aegirine": 3}
    for name, formula in FORMULAE.items():
        if name != "carbon":
            total = sum(
                atoms * (iron[name] if element == "Fe" else charges[element])
                for element, atoms in formula.items()
            )
            assert total == pytest.approx(0, abs=1e-12), name
            cations = sum(n for element, n in formula.items() if element != "O")
            assert cations == pytest.approx(4), name  # M2 M1 T2 O6
    jadeite = molar_mass(FORMULAE["jadeite"])
    assert jadeite == pytest.approx(202.139, abs=0.002)  # 22.990 + 26.982 + 2 * 28.086 + 6 * 15.999


def test_phases_bear_the_names_of_morimoto(scene):
    """Q/(Q + J) is the share of augite: below 0.2 jadeite, from 0.2 to 0.8 omphacite."""
    pixels = minerals(scene)
    assert pixels["jadeite"][:, 1].max() < 0.2
    assert pixels["omphacite"][:, 1].min() > 0.2
    assert pixels["omphacite"][:, 1].max() < 0.8
    for shares in pixels.values():
        assert (shares[:, 0] > shares[:, 2]).all()  # more jadeite than aegirine
        assert shares[:, 1].std() > 0.02  # a solution, not a compound
        np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-12)
        assert shares.min() > 0
    assert np.isnan(scene.exchange[scene.labels.ravel() == 2]).all()


def test_sodium_and_aluminium_trade_for_calcium_and_magnesium(scene):
    shares = np.concatenate(list(minerals(scene).values()))
    atoms = {
        element: shares @ [FORMULAE[name].get(element, 0) for name in scene.names[:3]]
        for element in ("Na", "Ca", "Mg", "Al", "Fe", "Si")
    }
    np.testing.assert_allclose(atoms["Na"], 1 - atoms["Ca"] / 0.8, rtol=1e-9)
    assert em.metrics.correlation(atoms["Al"], atoms["Mg"]) < -0.8
    np.testing.assert_allclose(atoms["Si"], 2)


def test_abundances_are_mass_fractions_of_the_same_solution(scene):
    """The mass fraction of Ca, by way of formula units and by way of abundances."""
    solid = np.flatnonzero((scene.labels.ravel() != 2) & (scene.abundances[:, 3] < 1e-9))[:200]
    weights = {"Na": 22.990, "Mg": 24.305, "Al": 26.982, "Si": 28.086, "Ca": 40.078}
    weights |= {"Fe": 55.845, "O": 15.999}
    of_unit = np.array(
        [sum(n * weights[e] for e, n in FORMULAE[name].items()) for name in scene.names[:3]]
    )
    calcium = 0.8 * weights["Ca"]
    by_units = scene.exchange[solid, 1] * calcium / (scene.exchange[solid] @ of_unit)
    by_mass = scene.abundances[solid, 1] * calcium / of_unit[1]
    np.testing.assert_allclose(by_mass, by_units, rtol=1e-4)  # weights of three decimals
    np.testing.assert_allclose(scene.abundances.sum(axis=1), 1, rtol=1e-12)


def test_spectra_have_the_lines_of_their_elements(scene):
    """Above its neighbours at Kα where the formula has the element, and not where it has not."""
    axis = scene.image.axis
    for name, spectrum in zip(scene.names, scene.endmembers, strict=True):
        for element in ("C", "O", "Na", "Mg", "Al", "Si", "Ca", "Fe"):
            energy = xray_lines(element)["Ka"].energy
            at = np.interp(energy, axis, spectrum)
            beside = np.interp([energy - 0.12, energy + 0.12], axis, spectrum)
            is_there = at > 1.5 * beside.mean()
            assert is_there == (element in FORMULAE[name]), (name, element)


def test_endmembers_are_about_as_alike_as_in_the_lecture(scene):
    """In trials 11.6 to 17.7 degrees: a spectral angle of 10 is no identification."""
    minerals = scene.endmembers[:3]
    angles = em.metrics.spectral_angle(minerals[:, None], minerals[None])[np.triu_indices(3, 1)]
    print(angles.round(1))
    assert angles.min() > 11
    assert angles.max() < 18
    assert em.metrics.spectral_angle(scene.endmembers[3], minerals).min() > 80


def test_no_pixel_holds_pure_augite_or_aegirine(scene):
    assert scene.abundances[:, 1].max() < 0.8
    assert scene.abundances[:, 2].max() < 0.5
    assert scene.abundances[:, 3].max() == pytest.approx(1)


@pytest.mark.parametrize("shape", [(48, 64), (7, 90), (2, 3), (33, 31)])
def test_nothing_is_negative_at_any_size(shape):
    scene = em.datasets.load("omphacite", shape=shape)
    assert scene.abundances.min() >= 0
    assert scene.endmembers.min() >= 0
    np.testing.assert_allclose(scene.abundances.sum(axis=1), 1, rtol=1e-12)


def test_phase_spectra_are_means_of_what_is_expected(scene):
    for k, spectrum in enumerate(scene.phase_spectra):
        mean = scene.expected[scene.labels.ravel() == k].mean(axis=0)
        np.testing.assert_allclose(spectrum, mean, rtol=1e-10)


def test_dose_and_calibration(scene):
    total = 200 * scene.labels.size
    assert scene.image.counts.sum() == pytest.approx(total, abs=5 * np.sqrt(total))
    beam = scene.image.metadata["Acquisition_instrument"]["SEM"]["beam_energy"]
    assert beam == 30
    fine = em.datasets.load("omphacite", n_channels=1564)
    # four channels at full size are one here; only the continuum is not an integral over channels
    merged = fine.endmembers.reshape(4, 391, 4).sum(axis=2)
    assert em.metrics.spectral_angle(merged, scene.endmembers).max() < 0.1
    np.testing.assert_allclose(fine.image.signal_axis.rebin(4).values, scene.image.axis, rtol=1e-12)


@pytest.mark.slow
def test_full_size_is_born_sparse():
    tracemalloc.start()
    start = time.perf_counter()
    scene = em.datasets.load("omphacite", shape=(384, 512), n_channels=1564, dose=320)
    seconds, (_, peak) = time.perf_counter() - start, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    counts = scene.image.counts
    per_pixel = counts.nnz / counts.shape[0]
    print(
        f"{seconds:.1f} s, {peak / 1e6:.0f} MB at most, {scene.image.nbytes / 1e6:.0f} MB as CSR, "
        f"{per_pixel:.0f} nonzeros a pixel, {per_pixel / 1564:.1%} dense"
    )
    assert sp.issparse(counts)
    assert counts.shape == (196_608, 1564)
    assert per_pixel == pytest.approx(144, rel=0.05)
    assert peak < 1e9  # dense, these counts are 307 MB as bytes and 2.5 GB as floats
