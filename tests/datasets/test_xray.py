"""X-ray and energy-loss spectra: positions from the tables, areas and widths from the physics."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.integrate import quad

from endmember.core import elements
from endmember.datasets import eels, xray

AXIS = np.arange(2000) * 0.01 + 0.005  # keV


def test_lines_and_edges_are_those_of_exspy():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from exspy.material import elements as table
    for symbol in ("C", "O", "Na", "Mg", "Al", "Si", "Ca", "Ti", "Cr", "Mn", "Fe", "Ni", "Sr"):
        atomic = table.as_dictionary()[symbol]["Atomic_properties"]
        lines = elements.xray_lines(symbol)
        assert set(lines) == set(atomic["Xray_lines"])
        for name, facts in atomic["Xray_lines"].items():
            assert lines[name].energy == facts["energy (keV)"]
            assert lines[name].weight == facts["weight"]
        for name, facts in atomic["Binding_energies"].items():
            assert elements.edge_onset(symbol, name) == facts["onset_energy (eV)"]


def test_a_line_stands_at_its_energy_with_its_area_and_width():
    for energy in (0.525, 1.74, 6.404):
        line = xray.peak(AXIS, energy)
        assert line.sum() == pytest.approx(1.0, abs=1e-6)
        assert line @ AXIS == pytest.approx(energy, abs=1e-4)
        sigma = np.sqrt(line @ (AXIS - energy) ** 2)
        channel = 0.01 / np.sqrt(12)  # a channel widens what it sums
        expected = np.hypot(elements.line_width(energy) / 2.3548, channel)
        assert sigma == pytest.approx(expected, rel=2e-3)


def test_the_width_is_what_detectors_are_sold_by_at_manganese():
    assert elements.line_width(elements.MN_KA) == pytest.approx(0.130)
    assert elements.line_width(0.525) < elements.line_width(6.4) < elements.line_width(9.0)


def test_families_take_the_areas_that_they_are_given():
    lines = elements.xray_lines("Fe")
    spectrum = xray.element_spectrum(AXIS, "Fe", families={"K": 2.0, "L": 0.5})
    k = 2.0 * (lines["Ka"].weight + lines["Kb"].weight)
    ls = 0.5 * sum(line.weight for name, line in lines.items() if name[0] == "L")
    assert spectrum.sum() == pytest.approx(k + ls, rel=1e-6)
    assert spectrum[AXIS > 3].sum() == pytest.approx(k, rel=1e-6)
    by_default = xray.element_spectrum(AXIS, "Fe")
    assert by_default[AXIS < 3].sum() == pytest.approx(0, abs=1e-9)


def test_the_continuum_ends_at_the_beam_energy():
    continuum = xray.bremsstrahlung(AXIS, 15.0)
    assert continuum.sum() == pytest.approx(1)
    assert not continuum[AXIS > 15].any()
    assert (continuum >= 0).all()


def test_an_edge_rises_at_its_onset_and_falls_as_a_power():
    axis = np.linspace(400, 900, 2001)
    found = eels.edge(axis, 532.0, width=1.0, exponent=3.0)
    assert np.interp(532.0, axis, found) == pytest.approx(0.5, abs=1e-3)
    assert found[axis < 525].max() < 1e-9
    far = axis > 600
    np.testing.assert_allclose(found[far], (axis[far] / 532) ** -3.0)


def test_white_lines_are_lorentzians_of_the_stated_width():
    axis = np.linspace(440, 480, 4001)
    line = eels.edge(axis, 1e4, white_lines=[(456.0, 2.0, 1.5)])
    assert line.max() == pytest.approx(2.0)
    assert np.ptp(axis[line >= 1.0]) == pytest.approx(1.5, abs=0.02)


def test_a_plasmon_obeys_the_sum_rule():
    """The integral of E Im(-1/eps) is pi/2 Ep^2, whatever the damping."""

    def loss(energy):
        return energy * 22.0**2 * 4 / ((energy**2 - 22.0**2) ** 2 + (energy * 4) ** 2)

    total = quad(lambda e: e * loss(e), 0, 5000, limit=500)[0]
    assert total == pytest.approx(np.pi / 2 * 22.0**2, rel=2e-3)
    axis = np.linspace(0, 60, 601)
    shape = np.array([loss(e) for e in axis])
    np.testing.assert_allclose(eels.plasmon(axis, 22.0, 4.0), shape / shape.max(), atol=1e-9)


def test_unknown_elements_and_edges_are_named():
    with pytest.raises(ValueError, match="element is 'Xx'"):
        elements.xray_lines("Xx")
    with pytest.raises(ValueError, match="no K edge of Sr"):
        elements.edge_onset("Sr", "K")
