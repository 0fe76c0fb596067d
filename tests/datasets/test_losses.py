"""Energy-loss specimens: what the misfit tells of a layer, of bonding, and of a silicon edge."""

import numpy as np
import pytest

import endmember as em
from endmember.core.elements import edge_onset


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


VARIANTS = ("titania", "carbon_tube", "boron_nitride_tube")


@pytest.fixture(scope="module", params=VARIANTS)
def bonded(request):
    return em.datasets.load("reduced_titania", variant=request.param)


@pytest.fixture(scope="module")
def titania():
    return em.datasets.load("reduced_titania")


def peaks(axis, spectrum, window, *, least=0.1):
    """Places of the local maxima in a window that stand out of the larger saddle beside them."""
    inside = (axis >= window[0]) & (axis <= window[1])
    at, height = axis[inside], spectrum[inside]
    tops = np.flatnonzero((height[1:-1] > height[:-2]) & (height[1:-1] > height[2:])) + 1
    return at[tops[height[tops] > least * height.max()]]


def scaled(bonded):
    """Counts and their expectation as Keenan and Kotula scale them: noise of variance 1."""
    expected = bonded.expected
    pixels, channels = expected.mean(axis=1, keepdims=True), expected.mean(axis=0)
    scale = np.sqrt(pixels * channels / expected.mean())
    return bonded.image.spectra / scale, expected / scale, np.sqrt(channels)


def principal(spectra):
    """Singular values and right singular vectors, from the largest down."""
    values, vectors = np.linalg.eigh(spectra.T @ spectra)
    return np.sqrt(np.maximum(values[::-1], 0)), vectors[:, ::-1].T


def test_scaled_pca_finds_three_components_as_well_as_theory_lets_it(bonded):
    spectra, expected, scale = scaled(bonded)
    sizes, found = principal(spectra)
    true, _ = principal(expected)
    assert true[3] < 1e-5 * true[0]
    edge_of_noise = np.sqrt(spectra.shape).sum()  # Marchenko and Pastur
    assert sizes[2] > 1.3 * edge_of_noise
    assert sizes[3] == pytest.approx(edge_of_noise, rel=0.02)
    # The weakest component's angle to the truth, for noise of variance 1: F. Benaych-Georges and
    # R. Nadakuditi, J. Multivar. Anal. 111 (2012) 120.
    aspect = spectra.shape[0] / spectra.shape[1]
    size = true[2] ** 2 / spectra.shape[1]
    cosine = np.sqrt(1 - (aspect + size) / (size * (size + 1)))
    angles = em.metrics.principal_angles(found[:3], bonded.endmembers / scale)
    assert angles.max() == pytest.approx(np.degrees(np.arccos(cosine)), rel=0.15)
    assert angles.max() < 20


def test_at_a_tenth_of_the_dose_two_components_are_left():
    scene = em.datasets.load("reduced_titania", dose=2_000.0)
    spectra, expected, _ = scaled(scene)
    sizes, _ = principal(spectra)
    threshold = np.prod(spectra.shape, dtype=float) ** 0.25  # below it nothing shows
    assert (principal(expected)[0][:3] > threshold).tolist() == [True, True, False]
    assert sizes[2] == pytest.approx(np.sqrt(spectra.shape).sum(), rel=0.02)


def test_the_doublets_of_ti4_collapse_into_lines_two_ev_lower(titania):
    axis = titania.image.axis
    for name, window in (("L3", (450, 461.75)), ("L2", (461.75, 475))):
        four, three = (peaks(axis, titania.endmembers[k], window) for k in (0, 1))
        assert len(four) == 2
        assert len(three) == 1
        # a channel and the slope of the neighbouring lines
        assert np.diff(four) == pytest.approx(titania.settings["splitting"], abs=0.5)
        assert four.mean() - three[0] == pytest.approx(2.0, abs=0.5)
        assert edge_onset("Ti", name) < four[0] < edge_onset("Ti", name) + 3


def test_without_a_crystal_field_ti4_has_no_doublets():
    scene = em.datasets.load("reduced_titania", splitting=0.0)
    assert len(peaks(scene.image.axis, scene.endmembers[0], (450, 475))) == 2  # L3 and L2


def test_ti3_holds_three_quarters_of_the_oxygen(titania):
    axis = titania.image.axis
    before, after = axis < 525, (axis > 540) & (axis < 555)
    jumps = []
    for spectrum in titania.endmembers[:2]:
        slope = np.polyfit(
            np.log(axis[before & (axis > 480)]), np.log(spectrum[before & (axis > 480)]), 1
        )
        jumps.append((spectrum - np.exp(np.polyval(slope, np.log(axis))))[after].sum())
    # the power law before the edge is that of the fit within what Lorentzian tails leave
    assert jumps[1] / jumps[0] == pytest.approx(0.75, abs=0.02)


def test_fractions_come_back_by_regression_without_bias(bonded):
    amounts, chi_square = fit_references(bonded.image.spectra.astype(float), bonded.endmembers)
    assert chi_square.mean() == pytest.approx(1.0, abs=0.02)
    whole = bonded.abundances[:, :2].sum(axis=1)
    share = 1 if bonded.settings["variant"] == "titania" else 0
    true = bonded.fractions.ravel()
    known = np.isfinite(true)
    np.testing.assert_allclose(
        bonded.abundances[known, share] / whole[known], true[known], atol=1e-12
    )
    error = (amounts - bonded.abundances)[:, share]
    assert abs(error.mean()) < 5 * error.std() / np.sqrt(len(error))
    assert em.metrics.correlation(amounts[:, share], bonded.abundances[:, share]) > 0.9


@pytest.mark.parametrize("variant", VARIANTS[1:])
@pytest.mark.parametrize("parallel", [0.0, 1 / 3, 0.6, 1.0])
def test_sheets_flat_in_the_beam_and_upright_ones_differ_as_they_must(variant, parallel):
    scene = em.datasets.load(
        "reduced_titania", variant=variant, parallel=parallel, shape=(1, 2001), dose=10.0
    )
    row = scene.fractions[0]
    inside = np.isfinite(row)
    assert row[1000] == pytest.approx(parallel, abs=1e-3)
    # half a pixel of 2001 inside the rim the sheets are not quite upright yet
    assert row[inside][0] == pytest.approx((1 - parallel) / 2, abs=5e-3)
    pi_star, sigma_star = scene.abundances[:, :2].sum(axis=0)
    assert pi_star / (pi_star + sigma_star) == pytest.approx((1 + parallel) / 4, abs=1e-3)
    if parallel == 1 / 3:
        np.testing.assert_allclose(row[inside], 1 / 3, atol=1e-12)


def test_the_amounts_in_a_tube_are_those_of_a_sum_along_the_beam():
    scene = em.datasets.load("reduced_titania", variant="carbon_tube", shape=(1, 64), parallel=0.8)
    depth = (np.arange(40_000) + 0.5) / 40_000 - 0.5
    for column in (6, 12, 25, 31):
        x = (column + 0.5) / 64 - 0.5
        radius = np.hypot(x, depth)
        wall = (radius > 0.15) & (radius < 0.4)
        cosine = (depth / radius)[wall] ** 2
        pi_star = (0.8 * cosine + 0.1 * (1 - cosine)).sum() / wall.sum()
        assert scene.fractions[0, column] == pytest.approx(pi_star, abs=1e-3)
        thickness = wall.sum() / 40_000 / 2 / 0.25
        assert scene.abundances[column, :2].sum() == pytest.approx(thickness, abs=1e-3)


@pytest.fixture(scope="module")
def silicon():
    return em.datasets.load("silicon_edge")


def windows(scene):
    """Channels of the lecture's two windows; the upper ends are left out, as in HyperSpy."""
    channel = np.round((scene.image.axis - 60.0) / 0.3).astype(int)
    energies = 60.0 + 0.3 * channel
    background = (energies > 70.05) & (energies < 97.05)
    return background, (energies > 94.35) & (energies < 109.95)


def extrapolate(axis, spectrum, background):
    """Power law by weighted regression of logarithms, over the whole axis."""
    at, height = axis[background], spectrum[background]
    slope, start = np.polyfit(np.log(at), np.log(height), 1, w=np.sqrt(height))
    return np.exp(start) * axis**slope


def test_the_lectures_five_lines_give_the_profile(silicon):
    pytest.importorskip("hyperspy.api")
    pytest.importorskip("exspy")
    s = silicon.image.to_hyperspy()
    s_sig = s.remove_background(signal_range=(70.2, 97.2))
    s_crop = s_sig.inav[:, 12:62].isig[94.5:110.1]
    found = s_crop.sum(axis=(1, -1)).data
    assert s_crop.data.shape == (50, 96, 52)
    # 0.7 % of HyperSpy's two areas, and four errors of what counting leaves
    assert np.abs(found - silicon.profile).max() < 0.03 * silicon.profile.max()
    assert (found - silicon.profile).mean() == pytest.approx(
        -0.007 * silicon.profile.max(), abs=0.003 * silicon.profile.max()
    )


def test_regression_gives_the_profile_with_the_error_that_theory_allows(silicon):
    background, window = windows(silicon)
    axis, (first, last) = silicon.image.axis, silicon.rows
    assert (first, last) == (12, 62)
    expected = silicon.expected.reshape(*silicon.image.shape)[first:last].sum(axis=0)
    design = np.stack([np.ones_like(axis), np.log(axis)], axis=1)
    scores = []
    for column, spectrum in enumerate(silicon.image.counts[first:last].sum(axis=0, dtype=float)):
        fitted = extrapolate(axis, spectrum, background)
        exact = extrapolate(axis, expected[column], background)
        silicon_counts = (expected[column] - exact)[window].sum()
        assert silicon_counts == pytest.approx(silicon.profile[column], abs=1e-6 * exact.sum())
        fisher = (design * exact[:, None])[background].T @ design[background]
        slope = (design * exact[:, None])[window].sum(axis=0)
        # overlapping windows: the fit also sees the counts from 94.5 to 97.2 eV
        both = background & window
        shared = 2 * slope @ np.linalg.solve(fisher, (design * exact[:, None])[both].sum(axis=0))
        variance = expected[column][window].sum() + slope @ np.linalg.solve(fisher, slope) - shared
        error = (spectrum - fitted)[window].sum() - silicon.profile[column]
        scores.append(error / np.sqrt(variance))
    assert abs(np.mean(scores)) < 4 / np.sqrt(len(scores))
    assert np.std(scores) == pytest.approx(1.0, abs=4 / np.sqrt(2 * len(scores)))


def test_the_edge_begins_after_the_window_of_the_background(silicon):
    axis, spectrum = silicon.image.axis, silicon.endmembers[0]
    assert spectrum[axis < 97.2].max() < 1e-6 * spectrum.max()
    steepest = axis[np.gradient(spectrum).argmax()]
    assert steepest == pytest.approx(edge_onset("Si", "L3"), abs=0.3)


def test_silicon_lies_between_the_rows_alone(silicon):
    rows = silicon.abundances[:, 0].reshape(72, 96).sum(axis=1)
    assert np.flatnonzero(rows > 1e-9).tolist() == list(range(12, 62))
    assert silicon.profile.min() < 1e-6 * silicon.profile.max()
