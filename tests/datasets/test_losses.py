"""Energy-loss specimens: what the misfit tells of a layer, of bonding, and of a silicon edge."""

import numpy as np
import pytest

import endmember as em
from endmember.datasets.elements import edge_onset


def fit_references(spectra, references):
    """Weighted least squares by the normal equations, weights from the fit before.

    Returns coefficients and reduced chi-square, one for each spectrum.
    """
    expected = np.maximum(spectra, 1.0)
    for _ in range(5):
        gram = np.einsum("kc,pc,jc->pkj", references, 1 / expected, references)
        right = np.einsum("kc,pc->pk", references, spectra / expected)
        coefficients = np.linalg.solve(gram, right[..., None])[..., 0]
        expected = np.maximum(coefficients @ references, 0.1)
    squares = (spectra - coefficients @ references) ** 2 / expected
    return coefficients, squares.sum(axis=1) / (spectra.shape[1] - len(references))


@pytest.fixture(scope="module")
def interface():
    return em.datasets.load("oxide_interface")


@pytest.fixture(scope="module")
def fitted(interface):
    return fit_references(interface.image.spectra.astype(float), interface.references)


def test_chi_square_lights_up_on_the_layer_alone(interface, fitted):
    chi_square = fitted[1]
    away, on = interface.abundances[:, 3] < 1e-3, interface.layer.ravel()
    spread = np.sqrt(2 / 237 / away.sum())  # of the mean of so many, 240 channels less 3
    assert chi_square[away].mean() == pytest.approx(1.0, abs=0.01)
    assert spread < 0.01
    assert chi_square[away].max() < 1 + 6 * np.sqrt(2 / 237)
    assert chi_square[on].min() > 1 + 6 * np.sqrt(2 / 237)
    assert chi_square[on].mean() > 4


def test_coefficients_are_right_away_from_the_layer_and_look_right_on_it(interface, fitted):
    coefficients = fitted[0]
    away, on = interface.abundances[:, 3] < 1e-6, interface.layer.ravel()
    fisher = (interface.references / interface.expected[0]) @ interface.references.T
    errors = np.sqrt(np.diag(np.linalg.inv(fisher)))  # Cramér and Rao, in the first pixel
    first = np.tile(np.arange(interface.layer.shape[1]) < 20, len(interface.layer))
    scaled = (coefficients - interface.coefficients)[first & away] / errors
    assert np.abs(scaled.mean(axis=0)).max() < 5 / np.sqrt(len(scaled))
    np.testing.assert_allclose(scaled.std(axis=0), 1.0, atol=5 / np.sqrt(2 * len(scaled)))
    assert coefficients[on].min() > -0.05
    np.testing.assert_allclose(coefficients[on].sum(axis=1), 1.0, atol=0.05)
    np.testing.assert_allclose(coefficients[on].mean(axis=0), [0.07, 0.53, 0.39], atol=0.03)


def test_the_chi_square_map_finds_the_layer_within_a_pixel(interface, fitted):
    profile = fitted[1].reshape(interface.layer.shape).mean(axis=0)
    found = np.flatnonzero(profile > 2.0)
    true = np.flatnonzero(interface.layer[0])
    assert len(true) == 8  # 2 nm of 0.25 nm
    assert abs(found[0] - true[0]) <= 1
    assert abs(found[-1] - true[-1]) <= 1
    assert np.all(np.diff(found) == 1)


def test_the_misfit_is_in_the_plasmons_not_in_the_chemistry(interface):
    on = interface.layer.ravel()
    spectra, axis = interface.image.spectra[on].astype(float), interface.image.axis
    chi_square = {}
    for low, high in ((5, 35), (35, 125)):  # the two windows of the lecture, in eV
        inside = (axis >= low) & (axis <= high)
        _, values = fit_references(spectra[:, inside], interface.references[:, inside])
        chi_square[low] = values.mean()
    assert chi_square[5] > 5
    assert chi_square[35] < 1.2


@pytest.mark.parametrize("settings", [{"shift": 0.0}, {"layer_width": 0.0}])
def test_without_a_shift_or_a_layer_the_references_explain_everything(settings):
    scene = em.datasets.load("oxide_interface", **settings)
    _, chi_square = fit_references(scene.image.spectra.astype(float), scene.references)
    assert chi_square.mean() == pytest.approx(1.0, abs=0.01)
    assert np.linalg.matrix_rank(scene.expected, tol=1e-6 * scene.expected.max()) == 3


def test_shares_sum_to_one_and_nothing_is_negative(interface):
    np.testing.assert_allclose(interface.abundances.sum(axis=1), 1.0, atol=1e-12)
    assert interface.abundances.min() >= 0
    wide = em.datasets.load("oxide_interface", shape=(2, 12), layer_width=50.0)
    assert wide.abundances.min() >= 0
    assert np.linalg.matrix_rank(interface.expected, tol=1e-6 * interface.expected.max()) == 4


def test_edges_rise_where_the_table_has_them(interface):
    axis = interface.image.axis
    for name, element, edge in (
        ("La0.7Sr0.3MnO3", "Mn", "M3"),
        ("La0.7Sr0.3MnO3", "La", "N5"),
        ("BiFeO3", "Fe", "M3"),
    ):
        spectrum = interface.endmembers[interface.names.index(name)]
        onset = edge_onset(element, edge)
        near = np.abs(axis - onset) < 8
        steepest = axis[near][np.gradient(spectrum[near]).argmax()]
        # the white line, 6 eV wide and 5 eV above, and the 1.5 eV of the step move it a little
        assert steepest == pytest.approx(onset, abs=2.5)
