"""Six compounds, flat and rough: a line that another one drowns, and counts that say thickness."""

import numpy as np
import pytest
from scipy.optimize import nnls
from sklearn.cluster import KMeans

import endmember as em
from endmember.core.elements import line_width, xray_lines
from endmember.datasets.compound import compound_spectrum, line_window, mass_fractions
from endmember.datasets.simulators.compounds import FORMULAE
from endmember.datasets.simulators.grains import grain_map


@pytest.fixture(scope="module")
def flat():
    return em.datasets.load("six_compounds")


@pytest.fixture(scope="module")
def rough():
    return em.datasets.load("rough_particles")


def window_sums(scene, line):
    """Expected counts of every compound in the window of a line, by name."""
    low, high = scene.windows.get(line) or line_window(energy(line))
    inside = (scene.image.axis >= low) & (scene.image.axis <= high)
    return dict(zip(scene.names, scene.endmembers[:, inside].sum(axis=1), strict=True))


def energy(line):
    element, name = line.split("_")
    return xray_lines(element)[name].energy


def window_counts(scene):
    """Counts of every pixel in the six windows of the lecture."""
    maps = [scene.image.map(window).ravel() for window in scene.windows.values()]
    return np.stack(maps, axis=1).astype(float)


def cluster(features):
    return KMeans(6, n_init=10, random_state=0).fit_predict(features)


def explained(values, labels):
    """Share of the variance of values that the clusters explain."""
    within = sum(values[labels == k].var() * (labels == k).mean() for k in np.unique(labels))
    return 1 - within / values.var()


# the chemistry that both stand on


def test_mass_fractions_are_those_of_the_periodic_table():
    assert mass_fractions({"Fe": 2, "O": 3})["Fe"] == pytest.approx(111.69 / 159.69, abs=1e-4)
    assert mass_fractions({"Na": 1, "Al": 1, "Si": 2, "O": 6})["O"] == pytest.approx(
        96.00 / 202.14, abs=1e-4
    )
    for formula in FORMULAE.values():
        assert sum(mass_fractions(formula).values()) == pytest.approx(1)


def test_a_spectrum_of_a_mixture_is_the_mixture_of_spectra_by_mass():
    """A spinel as 1 FeO + 1 Cr2O3, which together have its formula."""
    axis = (np.arange(400) + 0.5) * 0.02
    parts = {"Fe": 1, "O": 1}, {"Cr": 2, "O": 3}
    masses = np.array([55.845 + 15.9994, 2 * 51.9961 + 3 * 15.9994])
    mixed = masses / masses.sum() @ [compound_spectrum(axis, f, beam_energy=15) for f in parts]
    spinel = compound_spectrum(axis, FORMULAE["FeCr2O4"], beam_energy=15)
    np.testing.assert_allclose(spinel, mixed, rtol=1e-10)


def test_a_window_is_two_widths_of_its_line():
    low, high = line_window(6.4039)
    assert high - low == pytest.approx(2 * line_width(6.4039))
    assert (low + high) / 2 == pytest.approx(6.4039)


def test_grains_cover_a_map_and_hang_together():
    grains = grain_map((64, 48), 12, np.random.default_rng(0))
    assert grains.shape == (64, 48)
    sizes = np.bincount(grains.ravel(), minlength=12)
    assert sizes.min() > 0
    same = (grains[1:] == grains[:-1]).mean()
    assert same > 0.9  # neighbours belong together but at boundaries


# flat


def test_the_mn_map_shows_fe(flat):
    """E6: 6.49 keV is 86 eV from Fe Kα, less than a detector resolves."""
    distance = energy("Mn_Kb") - energy("Fe_Ka")
    assert distance == pytest.approx(0.086, abs=0.001)
    assert distance < line_width(energy("Mn_Kb"))
    sums = window_sums(flat, "Mn_Kb")
    assert "Mn" not in FORMULAE["Fe2O3"]
    assert sums["Fe2O3"] > 4 * sums["MnO"]
    # Fe Kα of Fe2O3 inside the window: a Gaussian of its width, from its counts in its own window
    low, high = flat.windows["Mn_Kb"]
    axis = flat.image.axis
    sigma = line_width(energy("Fe_Ka")) / 2.3548
    shape = np.exp(-(((axis - energy("Fe_Ka")) / sigma) ** 2) / 2)
    own = np.abs(axis - energy("Fe_Ka")) < 0.05
    spectrum = flat.endmembers[flat.names.index("Fe2O3")]
    inside = (axis >= low) & (axis <= high)
    share = shape[inside].sum() * spectrum[own].sum() / shape[own].sum() / sums["Fe2O3"]
    assert share == pytest.approx(0.99, abs=0.02)
    counted = flat.image.map(flat.windows["Mn_Kb"])
    on = {name: counted[flat.labels == k].mean() for k, name in enumerate(flat.names)}
    assert on["Fe2O3"] > 4 * on["MnO"]


def test_mn_ka_is_the_line_to_map(flat):
    sums = window_sums(flat, "Mn_Ka")
    assert sums["MnO"] > 10 * max(sums["Fe2O3"], sums["MgO"], sums["graphite"])
    assert sums["Cr2O3"] > 2 * sums["Fe2O3"]  # Cr Kβ, 48 eV away
    assert sums["MnO"] > 4 * sums["Cr2O3"]


@pytest.mark.parametrize(
    ("line", "bright"),
    [
        ("C_Ka", {"graphite"}),
        ("Cr_Ka", {"Cr2O3", "FeCr2O4"}),
        ("Fe_Ka", {"Fe2O3", "FeCr2O4"}),
        ("Mg_Ka", {"MgO"}),
        ("O_Ka", {"Cr2O3", "Fe2O3", "MgO", "MnO", "FeCr2O4"}),
    ],
)
def test_the_other_maps_show_their_element(flat, line, bright):
    sums = window_sums(flat, line)
    dark = [sums[name] for name in sums if name not in bright]
    assert min(sums[name] for name in bright) > 2 * max(dark)


def test_chromite_is_nearly_a_mixture_of_two_oxides(flat):
    of = dict(zip(flat.names, flat.endmembers, strict=True))
    both = np.stack([of["Cr2O3"], of["Fe2O3"]])
    amounts, _ = nnls(both.T, of["FeCr2O4"])
    assert em.metrics.spectral_angle(amounts @ both, of["FeCr2O4"]) < 2
    values = np.linalg.svd(flat.endmembers, compute_uv=False)
    assert values[-1] > 0.01 * values[0]  # and yet of rank six


def test_the_better_signal_to_noise_is_of_the_same_section(flat):
    better = em.datasets.load("six_compounds", dose=3000)
    np.testing.assert_array_equal(better.labels, flat.labels)
    np.testing.assert_allclose(better.endmembers, 20 * flat.endmembers, rtol=1e-10)
    for scene, dose in ((flat, 150), (better, 3000)):
        total = dose * scene.labels.size
        assert scene.image.counts.sum() == pytest.approx(total, abs=5 * np.sqrt(total))
    few, many = (
        em.metrics.adjusted_rand_index(cluster(window_counts(scene)), scene.labels)
        for scene in (flat, better)
    )
    assert 0.99 < few < many
    assert many > 0.9999


def test_every_compound_has_its_share_of_the_area(flat):
    np.testing.assert_allclose(
        flat.fractions, np.bincount(flat.labels.ravel()) / flat.labels.size, rtol=1e-12
    )
    assert flat.fractions.min() > 0.05


# rough


def pure_pixels(scene, k):
    """Pixels that hold one compound only, from the thinnest to the thickest."""
    pixels = np.flatnonzero(scene.fractions[:, k] == 1)
    return pixels[np.argsort(scene.thickness.ravel()[pixels])]


@pytest.mark.parametrize("k", range(6))
def test_counts_of_one_compound_follow_thickness_and_its_shares_do_not(rough, k):
    pixels = pure_pixels(rough, k)
    assert len(pixels) > 100
    thickness = rough.thickness.ravel()[pixels]
    counts = rough.image.spectra[pixels].astype(float)
    per_nm = rough.endmembers[k].sum()
    total = counts.sum(axis=1)
    expected = thickness * per_nm
    spread = (total - expected) / np.sqrt(np.maximum(expected, 1))
    assert abs(spread.mean()) < 5 / np.sqrt(len(pixels))  # no more than Poisson noise
    assert em.metrics.correlation(total, thickness) > 0.9
    thin, thick = (counts[part].sum(axis=0) for part in np.array_split(np.arange(len(pixels)), 2))
    assert thick.sum() > 1.5 * thin.sum()
    # shares of either half: two multinomial draws from one spectrum
    shares = rough.endmembers[k] / per_nm
    for half in (thin, thick):
        enough = half.sum() * shares > 5
        noise = np.sqrt(half.sum() * shares[enough])
        away = (half[enough] - half.sum() * shares[enough]) / noise
        assert (away**2).mean() == pytest.approx(1, abs=5 * np.sqrt(2 / enough.sum()))


def test_raw_counts_cluster_thickness_and_shares_cluster_compounds(rough):
    held = rough.labels.ravel() >= 0
    counts, labels = window_counts(rough)[held], rough.labels.ravel()[held]
    thickness, fractions = rough.thickness.ravel()[held], rough.fractions[held]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    by_counts, by_shares = cluster(counts), cluster(shares)
    assert explained(thickness, by_counts) > 0.5
    assert explained(thickness, by_shares) < 0.1
    agreement = em.metrics.adjusted_rand_index
    assert agreement(by_shares, labels) > agreement(by_counts, labels) + 0.2
    assert agreement(by_shares, labels) < 0.6  # overlaps belong to no cluster
    pure = fractions.max(axis=1) == 1
    assert agreement(cluster(shares[pure]), labels[pure]) > 0.99
    assert agreement(cluster(counts[pure]), labels[pure]) < 0.7


def test_thickness_is_the_sum_of_what_lies_above_one_another(rough):
    np.testing.assert_allclose(rough.abundances.sum(axis=1), rough.thickness.ravel())
    held = rough.thickness.ravel() > 0
    np.testing.assert_allclose(rough.fractions[held].sum(axis=1), 1)
    assert not rough.fractions[~held].any()
    np.testing.assert_array_equal(rough.labels.ravel() >= 0, held)
    assert not rough.image.counts[rough.labels < 0].any()
    assert 0.3 < (rough.fractions[held].max(axis=1) < 0.999).mean() < 0.7  # overlaps


def test_more_particles_overlap_more():
    def mixed(n_particles):
        scene = em.datasets.load("rough_particles", n_particles=n_particles)
        held = scene.labels.ravel() >= 0
        return (scene.fractions[held].max(axis=1) < 0.999).mean()

    assert mixed(12) < mixed(54) < mixed(150)


@pytest.mark.parametrize("shape", [(1, 2), (2, 2), (3, 40)])
def test_even_a_tiny_map_holds_its_dose(shape):
    scene = em.datasets.load("rough_particles", shape=shape, n_particles=6)
    assert scene.expected.sum() == pytest.approx(600 * scene.labels.size)
    assert scene.abundances.min() >= 0


def test_too_few_particles_are_refused():
    with pytest.raises(ValueError, match="n_particles is 3; expected a whole number from 6 up"):
        em.datasets.load("rough_particles", n_particles=3)
