"""Limits of detection and the bias of denoising: what draws, theorems and known truth say."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose

import endmember as em
from endmember.core.elements import edge_onset
from endmember.core.noise import noise_edge
from endmember.core.poisson_law import flat_resolvents
from endmember.datasets.eels import edge

N_PIXELS, N_CHANNELS = 1000, 150
AXIS = np.linspace(0, 1, N_CHANNELS)


def peak(centre, width):
    return np.exp(-(((AXIS - centre) / width) ** 2) / 2)


def shares(spectra):
    return spectra / spectra.sum(axis=-1, keepdims=True)


SLOPE = shares(np.exp(-2 * AXIS))
STEP = shares((AXIS > 0.6) / (AXIS + 0.01) ** 2)


def specimen(name):
    """Return background spectra, their abundances, and a phase."""
    if name == "edge":  # a background that falls, and an edge on it
        background = shares((AXIS + 0.3) ** -3)[None]
        return background, np.ones((N_PIXELS, 1)), shares(background[0] + 0.4 * STEP)
    lines = (0.2, 0.4), (0.28, 0.53)
    spectra = [0.4 * SLOPE + 0.6 * shares(peak(a, 0.015) + peak(b, 0.015)) for a, b in lines]
    phase = 0.7 * spectra[0] + 0.3 * shares(peak(0.7, 0.02))
    if name == "line":  # a phase with a line of its own
        return np.array(spectra[:1]), np.ones((N_PIXELS, 1)), phase
    left = np.arange(N_PIXELS) < N_PIXELS // 2  # "mixed": phases side by side, over a wedge
    share = np.where(left, 0.9, 0.2) * np.linspace(0.7, 1.3, N_PIXELS)
    rest = np.where(left, 0.1, 0.8) * np.linspace(0.7, 1.3, N_PIXELS)
    return np.array(spectra), np.column_stack([share, rest]), phase


def expected_map(name, n, dose, fraction, rng, replaces=None):
    spectra, abundances, phase = specimen(name)
    counts = abundances * spectra.sum(axis=1) * dose / (abundances @ spectra.sum(axis=1)).mean()
    likely = None if replaces is None else counts[:, replaces] / counts.sum(axis=1)
    likely = None if likely is None else likely / likely.sum()
    rows = rng.choice(N_PIXELS, n, replace=False, p=likely)
    given = counts.copy()
    columns = slice(None) if replaces is None else [replaces]
    given[np.ix_(rows, np.arange(counts.shape[1])[columns])] *= 1 - fraction
    lost = (counts - given).sum(axis=1)
    return given @ shares(spectra) + lost[:, None] * phase


def share_detected(name, n, limit, n_draws, seed=0, **settings):
    """Return in how many draws the phase is a component above the edge besides the others."""
    rng = np.random.default_rng(seed)
    found = 0
    for _ in range(n_draws):
        counts = rng.poisson(expected_map(name, n, limit.dose, rng=rng, **settings))
        found += em.PCA().fit(counts[:, counts.any(axis=0)]).n_above_edge_ >= limit.rank
    return found / n_draws


def limit_of(name, counts_a_channel, fraction=1.0, replaces=None, **settings):
    spectra, abundances, phase = specimen(name)
    return em.detection_limit(
        spectra,
        phase,
        abundances=abundances,
        dose=counts_a_channel * N_CHANNELS,
        fraction=fraction,
        replaces=replaces,
        **settings,
    )


# limits of detection: draws


def check_against_draws(name, counts_a_channel, fraction, replaces, n_draws):
    """At 1.3 times fewer pixels less than half of all draws show the phase, at as many more do."""
    limit = limit_of(name, counts_a_channel, fraction, replaces)
    assert 4 < limit.pixels_needed < N_PIXELS / 3  # whole numbers of pixels are far enough apart
    settings = {"fraction": fraction, "replaces": replaces}
    fewer, more = int(limit.pixels_needed / 1.3), int(np.ceil(limit.pixels_needed * 1.3))
    assert share_detected(name, fewer, limit, n_draws, **settings) < 0.5
    assert share_detected(name, more, limit, n_draws, **settings) > 0.5


@pytest.mark.parametrize(
    ("name", "counts_a_channel", "fraction", "replaces"),
    [
        ("edge", 0.3, 0.5, None),
        ("line", 0.1, 0.5, None),
        ("mixed", 1.0, 0.3, 0),
        ("edge", 20.0, 0.06, None),
    ],
)
def test_the_pixels_needed_agree_with_draws(name, counts_a_channel, fraction, replaces):
    check_against_draws(name, counts_a_channel, fraction, replaces, n_draws=20)


@pytest.mark.slow
@pytest.mark.parametrize("counts_a_channel", [0.1, 0.5, 2.0, 8.0, 20.0])
@pytest.mark.parametrize(
    ("name", "replaces"), [("edge", None), ("line", None), ("mixed", None), ("mixed", 0)]
)
def test_the_pixels_needed_agree_with_draws_at_all_doses(name, counts_a_channel, replaces):
    for fraction in (1.0, 0.5, 0.25, 0.12, 0.06):
        if limit_of(name, counts_a_channel, fraction, replaces).pixels_needed > 6:
            break
    check_against_draws(name, counts_a_channel, fraction, replaces, n_draws=60)


def test_eigenvalue_and_directions_are_those_of_draws():
    """Draws scatter by 5 %; their mean comes closer."""
    n, rng = 20, np.random.default_rng(3)
    limit = limit_of("line", 0.5, phase_pixels=n)
    values, spectra, maps = [], [], []
    for _ in range(30):
        expected = expected_map("line", n, limit.dose, 1.0, rng)
        counts = rng.poisson(expected)
        pca = em.PCA(2).fit(counts)
        scaled = expected * pca.pixel_scale_[:, None] * pca.channel_scale_
        left, _, right = np.linalg.svd(scaled, full_matrices=False)
        axis = pca.components_[1] * pca.channel_scale_
        scores = pca.noise_units(counts)[0][:, 1]
        values.append(pca.scree_[1])
        spectra.append(abs(axis @ right[1]))
        maps.append(abs(scores @ left[:, 1]) / np.linalg.norm(scores))
    assert np.mean(values) == pytest.approx(limit.eigenvalue, rel=0.04)
    assert np.mean(spectra) == pytest.approx(limit.spectrum_cosine, abs=0.02)
    assert np.mean(maps) == pytest.approx(limit.map_cosine, abs=0.03)


@pytest.mark.slow
def test_the_probability_is_that_of_draws():
    limit = limit_of("line", 0.5, fraction=0.4)
    chosen = np.interp([0.15, 0.85], limit.curve_probability, limit.curve_pixels)
    for n in np.round(chosen).astype(int):
        predicted = limit_of("line", 0.5, 0.4, phase_pixels=n).probability
        seen = share_detected("line", n, limit, 150, fraction=0.4)
        # The law is good to a tenth; three standard deviations of 150 draws are nearly as much
        assert seen == pytest.approx(predicted, abs=0.1 + 3 * np.sqrt(0.15 * 0.85 / 150))


def test_noise_of_phases_that_differ_ends_where_it_is_said_to():
    """Of six compounds the sixth eigenvalue is noise, at twice the edge of flat noise."""
    scene = em.datasets.load("six_compounds")
    phase = scene.endmembers.mean(axis=0) + 0.01 * scene.endmembers.max() * (
        np.arange(scene.image.n_channels) == 200
    )
    limit = em.detection_limit(scene, phase)
    scree = em.PCA().fit(scene.image).scree_
    n_signals = limit.rank - 1
    assert limit.edge > 1.5 * noise_edge(*scene.image.spectra.shape)
    assert scree[n_signals] == pytest.approx(limit.edge, rel=0.05)


# limits of detection: theorems


def nearly_flat(difference, dose):
    """A phase in half the map whose noise is as flat as that of the background."""
    even = np.ones(N_CHANNELS)
    phase = even + difference * np.sign(np.sin(40 * AXIS))
    return em.detection_limit(
        [even], phase, dose=dose, phase_pixels=N_PIXELS / 2, n_pixels=N_PIXELS
    )


@pytest.mark.parametrize("above", [1.5, 3.0, 10.0])
def test_in_flat_noise_the_formulas_of_benaych_georges_and_nadakuditi_hold(above):
    aspect = N_CHANNELS / N_PIXELS
    dose = 1e6
    difference = np.sqrt(above * np.sqrt(aspect) / (dose / 4))
    limit = nearly_flat(difference, dose)
    strength = limit.strength
    assert strength == pytest.approx(above * np.sqrt(aspect), rel=0.05)
    assert limit.threshold == pytest.approx(np.sqrt(aspect))
    eigenvalue = (1 + strength) * (1 + aspect / strength)
    of_spectrum = 1 - aspect * (1 + strength) / (strength * (strength + aspect))
    of_map = 1 - (aspect + strength) / (strength * (strength + 1))
    assert limit.eigenvalue == pytest.approx(eigenvalue, rel=1e-3)
    assert limit.spectrum_cosine == pytest.approx(np.sqrt(of_spectrum), abs=2e-3)
    assert limit.map_cosine == pytest.approx(np.sqrt(of_map), abs=2e-3)


def test_below_the_threshold_the_eigenvalue_is_that_of_noise():
    limit = nearly_flat(1e-5, 1e6)
    assert limit.strength < limit.threshold
    assert limit.eigenvalue == limit.edge == noise_edge(N_PIXELS, N_CHANNELS)
    assert limit.spectrum_cosine == limit.map_cosine == 0
    assert limit.probability < 1e-3


@pytest.mark.parametrize("aspect", [0.1, 1.0, 2.5])
def test_flat_resolvents_are_those_of_drawn_noise(aspect):
    n_pixels = 400
    noise = np.random.default_rng(0).normal(size=(n_pixels, int(aspect * n_pixels)))
    z = 1.3 * (1 + np.sqrt(aspect)) ** 2
    values = np.linalg.svd(noise, compute_uv=False) ** 2 / n_pixels
    found = [((1 / (values - z)).sum() - (n - values.size) / z) / n for n in noise.shape]
    assert_allclose(flat_resolvents(z, aspect), found, rtol=0.01)


def test_strength_is_the_singular_value_of_the_whitened_map():
    n, dose = 40, 400.0
    limit = limit_of("mixed", dose / N_CHANNELS, 0.6, phase_pixels=n)
    strengths = []
    for seed in range(5):
        expected = expected_map("mixed", n, dose, 0.6, np.random.default_rng(seed))
        rows, columns = expected.sum(axis=1), expected.sum(axis=0)
        scaled = expected / np.sqrt(np.outer(rows + 1, (columns + 1) / columns.sum()))
        strengths.append(np.linalg.svd(scaled, compute_uv=False)[2] ** 2 / N_PIXELS)
    assert np.mean(strengths) == pytest.approx(limit.strength, rel=0.03)  # they scatter by 3 %


# limits of detection: what turns what


def test_dose_and_pixels_answer_each_other():
    limit = limit_of("line", 0.5, fraction=0.4, phase_pixels=12)
    again = limit_of("line", limit.dose_needed / N_CHANNELS, fraction=0.4, phase_pixels=12)
    assert again.pixels_needed == pytest.approx(12, rel=2e-3)
    assert again.probability == pytest.approx(0.5, abs=0.01)
    at_limit = limit_of("line", 0.5, fraction=0.4, phase_pixels=limit.pixels_needed)
    assert at_limit.dose_needed == pytest.approx(limit.dose, rel=2e-3)


def test_probability_rises_with_the_pixels_to_certainty():
    limit = limit_of("edge", 2.0, fraction=0.25)
    assert (np.diff(limit.curve_pixels) > 0).all()
    assert (np.diff(limit.curve_probability) >= 0).all()
    assert limit.curve_probability[0] < 0.01
    assert limit.curve_probability[-1] > 0.99
    middle = np.interp(limit.pixels_needed, limit.curve_pixels, limit.curve_probability)
    assert middle == pytest.approx(0.5, abs=0.01)


def test_what_helps_and_what_does_not():
    first = limit_of("line", 0.5, fraction=0.4).pixels_needed
    assert limit_of("line", 2.0, fraction=0.4).pixels_needed < 0.5 * first
    assert limit_of("line", 0.5, fraction=0.2).pixels_needed > 2 * first
    assert limit_of("line", 0.5, fraction=0.4, n_pixels=4 * N_PIXELS).pixels_needed > 1.5 * first


def test_the_height_of_the_phase_and_the_unit_of_the_abundances_do_not_matter():
    spectra, abundances, phase = specimen("mixed")
    first = em.detection_limit(spectra, phase, abundances=abundances, dose=300)
    other = em.detection_limit(spectra * 7, phase * 3, abundances=abundances * 0.2, dose=300)
    assert other.pixels_needed == pytest.approx(first.pixels_needed, rel=1e-3)
    assert other.eigenvalue == pytest.approx(first.eigenvalue, rel=1e-6)


def test_a_scene_an_image_and_a_decomposition_bring_their_abundances():
    scene = em.datasets.load("mixture", dose=300.0)
    channels = np.arange(64)
    phase = scene.endmembers[0] + 8 * np.exp(-(((channels - 45) / 2) ** 2))
    truth = em.detection_limit(scene.endmembers, phase, abundances=scene.abundances)
    assert truth.dose == pytest.approx(300)
    assert truth.n_pixels == scene.image.n_pixels
    for background in (
        scene,
        em.fit_abundances(scene.image, scene.endmembers),
        em.decompose(scene.image, em.NMF(3)),
        em.decompose(scene.image, em.PCA(3)),
        scene.image,
    ):
        found = em.detection_limit(background, phase)
        assert found.rank == truth.rank == 4
        assert found.pixels_needed == pytest.approx(truth.pixels_needed, rel=0.05)
    fitted = em.NMF(3).fit(scene.image)
    found = em.detection_limit(fitted, phase, abundances=fitted.transform(scene.image))
    assert found.pixels_needed == pytest.approx(truth.pixels_needed, rel=0.05)


def test_a_faint_phase_is_never_seen_at_a_low_dose():
    limit = limit_of("edge", 0.1, fraction=0.1)
    assert limit.pixels_needed == np.inf
    assert limit.probability < 0.01
    assert limit.dose_needed > limit.dose
    assert "in no number of pixels at this dose" in limit.sentence


def test_the_sentence_holds_the_numbers():
    limit = limit_of("line", 0.5, phase_pixels=16)
    for part in ("16 of 1,000 pixels", "75 counts a pixel", f"{limit.probability:.0%}"):
        assert part in limit.sentence
    assert repr(limit).startswith("<DetectionLimit ")
    assert f"{limit.pixels_needed:,.3g} of 1,000 pixels" in repr(limit)


def test_the_same_input_in_any_form_gives_the_same_limit():
    spectra, abundances, phase = specimen("mixed")
    before = spectra.copy(), abundances.copy(), phase.copy()
    first = em.detection_limit(spectra, phase, abundances=abundances, dose=300, phase_pixels=20)
    other = em.detection_limit(
        spectra.astype(">f8").tolist(),
        np.repeat(phase, 2)[::2],
        abundances=np.asfortranarray(abundances),
        dose=300,
        phase_pixels=20,
    )
    for field in dataclasses.fields(first):
        assert_allclose(getattr(first, field.name), getattr(other, field.name), rtol=1e-6)
    for old, new in zip(before, (spectra, abundances, phase), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"background": [1.0, 2]}, r"background has shape \(2,\)"),
        ({"background": [[np.nan, 2, 3]]}, "background contains NaN"),
        ({"background": [[-1.0, 2, 3]]}, "background goes down to -1"),
        ({"background": em.PCA(2)}, "PCA without components_; fit it first"),
        ({"background": np.zeros((1, 3))}, "expects no counts anywhere"),
        ({"background": [[1.0, 2, 3], [3, 2, 1]]}, "2 spectra, but nothing says how much"),
        ({"phase": [1.0, 2]}, "phase has 2 channels but the background has 3"),
        ({"phase": [[1.0, 2, 3]]}, r"phase has shape \(1, 3\)"),
        ({"phase": [1.0, -2, 3]}, "phase goes down to -2"),
        ({"phase": [0, 0, 0]}, "phase is zero in every channel"),
        ({"phase": [2, 4, 6]}, "mixture of the background's spectra"),
        ({"abundances": np.ones((9, 2))}, "background holds 1 spectra; pass one column"),
        ({"abundances": np.full((9, 1), np.inf)}, "abundances contains NaN or inf"),
        ({"n_pixels": None}, "n_pixels is None and there are no abundances"),
        ({"n_pixels": 1}, "n_pixels is 1; pass a whole number above the 1"),
        ({"n_pixels": 10.5}, "n_pixels is 10.5"),
        ({"dose": 0}, "dose is 0; pass a number above 0"),
        ({"dose": np.inf}, "dose is inf"),
        ({"dose": 1e-4}, "at which 0 channels of the whole map hold a count"),
        ({"dose": "much"}, "dose is 'much'"),
        ({"fraction": 1.2}, "fraction is 1.2; pass a number above 0, up to 1"),
        ({"fraction": True}, "fraction is True"),
        ({"phase_pixels": -3}, "phase_pixels is -3"),
        ({"phase_pixels": 60}, "phase_pixels is 60, more than 50, half of the pixels"),
        ({"replaces": 1}, "replaces is 1; pass a row of the background, 0 to 0"),
        ({"replaces": 0.5}, "replaces is 0.5"),
    ],
)
def test_bad_input_to_the_limit_is_named(changed, message):
    arguments = {"background": [[1.0, 2, 3]], "phase": [3, 2, 1], "n_pixels": 100} | changed
    with pytest.raises(ValueError, match=message):
        em.detection_limit(arguments.pop("background"), arguments.pop("phase"), **arguments)


def test_what_gives_way_has_to_be_a_phase_that_is_there():
    spectra, abundances, phase = specimen("mixed")
    with pytest.raises(ValueError, match="replaces is 1, of which no pixel holds any"):
        em.detection_limit(spectra, phase, abundances=abundances * [1, 0], replaces=1)
    with pytest.raises(ValueError, match="no room for a single pixel of the phase"):
        one = np.tile([0, 1], (N_PIXELS, 1))
        one[0] = [1, 0]
        em.detection_limit(spectra, phase, abundances=one, replaces=0)
    scene = em.datasets.load("mixture")
    found = em.decompose(scene.image, em.PCA(3))
    with pytest.raises(ValueError, match="negative components, which are no phases"):
        em.detection_limit(found, np.arange(64.0), replaces=0)


def test_complex_spectra_are_refused():
    with pytest.raises(ValueError, match="phase are complex"):
        em.detection_limit([[1.0, 2, 3]], np.ones(3) * 1j, n_pixels=100)


# what a rank loses


@pytest.fixture(scope="module")
def dopant():
    """Nitrogen in a few pixels of a map of rank 5, its edge with white lines of 24 counts."""
    scene = em.datasets.load("portrait_edges", variant="background")
    nitrogen = edge(scene.image.axis, edge_onset("N", "K"), white_lines=[(403.0, 3.0, 4.0)])
    return scene, 112.7 * nitrogen / nitrogen.sum(), (398.0, 412.0)


def doped(dopant, n_pixels, seed):
    """Return a recording with the dopant, where it is, and what is expected."""
    scene, nitrogen, _ = dopant
    rng = np.random.default_rng(seed)
    region = np.zeros(scene.image.n_pixels, dtype=bool)
    region[rng.choice(region.size, n_pixels, replace=False)] = True
    expected = scene.expected + region[:, None] * nitrogen
    shape = (*scene.image.navigation_shape, -1)
    counts = rng.poisson(expected).astype(np.uint16).reshape(shape)
    image = em.SpectrumImage(counts, scene.image.signal_axis)
    return image, region.reshape(image.navigation_shape), expected


def test_a_dopant_in_16_pixels_loses_most_of_its_signal_and_the_bias_shows_it(dopant):
    scene, nitrogen, window = dopant
    image, region, expected = doped(dopant, 16, seed=1)
    inside = (image.axis >= window[0]) & (image.axis <= window[1])
    signal = nitrogen[inside].sum() * 16
    denoised = em.decompose(image, em.PCA(5)).denoised()
    lost = (denoised - expected)[region.ravel()][:, inside].sum()
    assert lost < -0.7 * signal
    found = em.denoising_bias(image, 5, window=window, n_splits=1)
    bias, stderr = found.total(region)
    assert bias == pytest.approx(lost, abs=3 * stderr)
    assert bias < -5 * stderr
    elsewhere, stderr = found.total(~region)
    assert abs(elsewhere) < 4 * stderr
    assert found.squared_error[region].mean() > 10 * found.squared_error[~region].mean()
    limit = em.detection_limit(scene, scene.expected.mean(axis=0) + nitrogen, phase_pixels=16)
    assert limit.probability < 0.05


def test_a_dopant_that_can_be_detected_survives_one_more_component(dopant):
    scene, nitrogen, window = dopant
    limit = em.detection_limit(scene, scene.expected.mean(axis=0) + nitrogen, phase_pixels=128)
    assert limit.probability > 0.95
    assert limit.spectrum_cosine**2 > 0.5
    image, region, expected = doped(dopant, 128, seed=2)
    denoised = em.decompose(image, em.PCA(limit.rank)).denoised()
    inside = (image.axis >= window[0]) & (image.axis <= window[1])
    lost = (denoised - expected)[region.ravel()][:, inside].sum()
    assert lost > -0.3 * nitrogen[inside].sum() * 128


def recording(dose=400.0, seed=0):
    scene = em.datasets.load("mixture", dose=dose, seed=seed, shape=(40, 40))
    return scene, scene.image


@pytest.mark.parametrize(("n_splits", "fraction"), [(1, 0.5), (4, 0.5), (2, 0.8)])
def test_where_nothing_is_lost_the_bias_scatters_by_its_standard_error(n_splits, fraction):
    _, image = recording()
    found = em.denoising_bias(image, 3, window=(10, 20), fraction=fraction, n_splits=n_splits)
    scatter = found.bias / found.stderr
    n = scatter.size
    assert abs(scatter.mean()) < 4 / np.sqrt(n)
    assert scatter.std() == pytest.approx(1, abs=0.1)


def test_the_bias_is_that_of_the_model_without_noise():
    scene, image = recording()
    inside = slice(10, 21)
    exact = em.PCA(2, solver="gram").fit(scene.expected)
    model = exact.inverse_transform(exact.transform(scene.expected))
    truth = (model - scene.expected)[:, inside].sum(axis=1)
    found = em.denoising_bias(image, 2, window=(10, 20))
    scatter = (found.bias.ravel() - truth) / found.stderr.ravel()
    assert truth.std() > 2 * found.stderr.mean()  # there is something to be found
    assert abs(scatter.mean()) < 0.15
    assert scatter.std() == pytest.approx(1, abs=0.15)


def test_of_flat_noise_each_component_lets_its_share_through():
    """Rank k of C channels keeps k / C of the variance, at half the dose twice as much."""
    counts = np.random.default_rng(4).poisson(8, size=(50, 50, 40))
    for rank in (1, 10, 39):
        found = em.denoising_bias(counts, rank, n_splits=2)
        mean = found.squared_error.mean()
        # Components follow the strongest noise, so that they let more than their share through
        assert 0.9 * 2 * rank / 40 < mean < 1.9 * 2 * rank / 40
        assert found.squared_error.std() < 1.2 * np.sqrt((found.squared_stderr**2).mean()) + mean


def test_another_estimator_denoises_and_stays_as_it_was():
    _, image = recording()
    nmf = em.NMF(7, tol=1e-3)
    found = em.denoising_bias(image, 3, estimator=nmf, window=(10, 20), n_splits=1)
    assert nmf.n_components == 7
    assert not hasattr(nmf, "components_")
    assert (found.bias / found.stderr).std() == pytest.approx(1, abs=0.15)
    assert found.rank == 3
    assert found.record.parameters["n_splits"] == 1


def forms(counts):
    flat = counts.reshape(-1, counts.shape[-1])
    yield em.SpectrumImage(sp.csr_array(flat), navigation_shape=counts.shape[:2])
    yield counts.astype(np.float32)
    yield counts.astype(">u2")
    yield np.asfortranarray(counts)
    yield np.repeat(counts, 2, axis=1)[:, ::2]


def test_the_form_of_the_counts_changes_chance_alone():
    """Sparse counts are thinned in another order; what is dense draws the same numbers."""
    counts = np.random.default_rng(0).poisson(1.0, size=(12, 10, 30)).astype(np.uint16)
    counts.flags.writeable = False
    first = em.denoising_bias(counts, 2, n_splits=2)
    sparse, *dense = (em.denoising_bias(form, 2, n_splits=2) for form in forms(counts))
    for other in dense:
        assert_allclose(other.bias, first.bias, rtol=1e-6, atol=1e-6)
        assert_allclose(other.squared_error, first.squared_error, rtol=1e-6, atol=1e-6)
    assert sparse.bias.shape == first.bias.shape
    assert sparse.squared_error.mean() == pytest.approx(first.squared_error.mean(), abs=0.2)


def test_hidden_pixels_and_channels_take_no_part():
    counts = np.random.default_rng(0).poisson(3.0, size=(8, 9, 20)).astype(float)
    hidden = np.zeros((8, 9), dtype=bool)
    hidden[2, 3:6] = True
    lost = np.arange(20) > 16
    counts[hidden] = np.nan
    counts[..., lost] = -1
    image = em.SpectrumImage(counts, mask=hidden, channel_mask=lost)
    found = em.denoising_bias(image, 1, n_splits=1)
    for values in (found.bias, found.stderr, found.squared_error, found.squared_stderr):
        np.testing.assert_array_equal(np.isnan(values), hidden)
    visible = em.SpectrumImage(counts[~hidden][:, ~lost])
    assert_allclose(em.denoising_bias(visible, 1, n_splits=1).bias, found.bias[~hidden])


def test_the_total_takes_regions_by_name_or_by_selection():
    counts = np.random.default_rng(0).poisson(3.0, size=(8, 9, 20))
    corner = np.zeros((8, 9), dtype=bool)
    corner[:3, :3] = True
    image = em.SpectrumImage(counts, regions={"corner": corner})
    found = em.denoising_bias(image, 1, window=(3, 8), n_splits=1)
    bias, stderr = found.total("corner")
    assert (bias, stderr) == found.total(corner)
    assert bias == pytest.approx(found.bias[corner].sum())
    assert stderr == pytest.approx(np.linalg.norm(found.stderr[corner]))
    with pytest.raises(ValueError, match="region is 'edge'; this image has"):
        found.total("edge")
    with pytest.raises(ValueError, match=r"region must be bool of shape \(8, 9\)"):
        found.total(np.ones((2, 2), dtype=bool))
    with pytest.raises(ValueError, match="region holds no visible pixel"):
        found.total(np.zeros((8, 9), dtype=bool))
    assert repr(found).startswith("<DenoisingBias of rank 1 in 72 pixels")


def test_windows_are_pairs_or_a_choice_of_channels():
    counts = np.random.default_rng(0).poisson(3.0, size=(8, 9, 20))
    image = em.SpectrumImage(counts, np.linspace(1, 2.9, 20))
    chosen = np.isin(np.arange(20), [2, 3, 4, 10, 11])
    by_choice = em.denoising_bias(image, 1, window=chosen, n_splits=1)
    by_pairs = em.denoising_bias(image, 1, window=[(1.15, 1.45), (1.95, 2.15)], n_splits=1)
    assert_allclose(by_pairs.bias, by_choice.bias)


def test_a_seed_repeats_the_splits_and_a_callback_stops_them():
    counts = np.random.default_rng(0).poisson(3.0, size=(8, 9, 20))
    first, again, other = (em.denoising_bias(counts, 1, seed=seed).bias for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0
    seen = []
    em.denoising_bias(counts, 1, n_splits=3, callback=lambda p: seen.append(p.fraction))
    assert_allclose(seen, [1 / 3, 2 / 3, 1])
    with pytest.raises(em.CancelledError, match="stopped"):
        em.denoising_bias(counts, 1, callback=lambda progress: True)


COUNTS = np.random.default_rng(0).poisson(5.0, size=(4, 5, 6))


@pytest.mark.parametrize(
    ("counts", "settings", "message"),
    [
        (COUNTS * 0.25, {}, r"not whole numbers.*With a gain of 0.25.*np.rint\(counts / 0.25\)"),
        (COUNTS * 10, {}, "all whole multiples of 10.*With a gain of 10"),
        (COUNTS + np.random.default_rng(1).random(COUNTS.shape), {}, "Pass what the detector"),
        (COUNTS - 20, {}, "Negative values in data"),
        (np.where(COUNTS > 6, np.nan, COUNTS), {}, "NaN or inf"),
        (COUNTS * 0, {}, "counts are zero in all"),
        (COUNTS, {"rank": 6}, "rank is 6; pass a whole number from 1 up, below 6"),
        (COUNTS, {"rank": 0}, "rank is 0"),
        (COUNTS, {"rank": 2.0}, "rank is 2.0"),
        (COUNTS, {"fraction": 1}, "fraction is 1; choose a number between 0 and 1"),
        (COUNTS, {"n_splits": 0}, "n_splits is 0"),
        (COUNTS, {"seed": None}, "seed is None"),
        (COUNTS, {"window": (7, 9)}, "window"),
        (COUNTS, {"window": (3, 2)}, "window must be"),
        (COUNTS, {"window": "Fe"}, "window must be"),
        (COUNTS, {"window": np.zeros(6, dtype=bool)}, "window holds no visible channel"),
        (COUNTS, {"window": [True, False]}, "window is bool of length 2; expected 6"),
    ],
)
def test_bad_input_to_the_bias_is_named(counts, settings, message):
    with pytest.raises(ValueError, match=message):
        em.denoising_bias(counts, **{"rank": 1, **settings})


def test_what_cannot_denoise_is_refused():
    with pytest.raises(TypeError, match="pass one of this package"):
        em.denoising_bias(COUNTS, 1, estimator="PCA")
    with pytest.raises(TypeError, match="callback is 3"):
        em.denoising_bias(COUNTS, 1, callback=3)
