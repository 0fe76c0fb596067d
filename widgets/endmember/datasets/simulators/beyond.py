"""The same mixtures beyond EDS and EELS: light, time, and the probe itself."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.special import erf, exprel

from endmember.core.axes import Axis
from endmember.core.draw import draw_counts, draw_sparse
from endmember.core.image import SpectrumImage
from endmember.core.seeds import as_seed
from endmember.datasets.scene import Scene
from endmember.datasets.settings import as_count, as_dose, as_number, as_shape
from endmember.datasets.xray import TO_SIGMA, bremsstrahlung, element_spectrum

HC = 1239.841984  # eV nm: Planck's constant times the speed of light, exact in the SI of 2019

CL_PIXEL = 20.0  # nm
BANDS = {  # photon energy and full width at half maximum in eV, in the manner of GaN; illustrative
    "band edge": (3.40, 0.10),
    "quantum well": (2.75, 0.20),
    "yellow band": (2.20, 0.45),
}

FRAME = 1.0  # s
PARTICLES = 14
SUPPORT = 0.2  # share of the counts that comes from what the particles lie on; illustrative
SWOLLEN, OUTER = 1.2, 1.4  # radii of the later states, in those of the first; illustrative

MAP_PIXEL = 1.0  # nm
GRAINS = {  # radius in nm, and share of the area before the next lie over them; illustrative
    "Al2Cu": (14.0, 0.35),
    "Si": (4.0, 0.06),
}


def simulate_cathodoluminescence(
    shape=(64, 64), *, n_dislocations=12, diffusion_length=80.0, dose=1000.0, seed=0
):
    """Simulate a cathodoluminescence map: three bands of light, and dislocations that put it out.

    ``counts ~ Poisson(abundances @ endmembers)``, with abundances ``carriers * shares``: the
    carriers that live recombine in one of three ways, whose shares sum to 1, and each dislocation
    at distance ``r`` leaves ``1 - exp(-r / diffusion_length)`` of them alive.

    Parameters
    ----------
    shape : tuple of int, default=(64, 64)
        Rows and columns of 20 nm.
    n_dislocations : int, default=12
        Threading dislocations in the field of view; 0 for a perfect crystal.
    diffusion_length : float, default=80
        How far carriers come before they recombine, in nm: turning it up widens the dark spots.
    dose : float, default=1000
        Expected counts in a pixel far from any dislocation.
    seed : int, default=0
        The same seed gives the same dislocations and counts.

    Returns
    -------
    Scene
        With endmembers, abundances, and ``dislocations``, their y and x in nm.
    """
    rows, columns = as_shape(shape)
    n_dislocations = as_count(n_dislocations, "n_dislocations", least=0)
    diffusion_length = as_number(diffusion_length, "diffusion_length", "nm", above=0)
    dose = as_dose(dose)
    rng = np.random.default_rng(as_seed(seed))
    axis = Axis.uniform(512, scale=0.75, offset=330.0, name="wavelength", unit="nm")
    endmembers = dose * np.stack([_band(axis.values, *facts) for facts in BANDS.values()])
    dislocations = rng.random((n_dislocations, 2)) * CL_PIXEL * np.array([rows, columns])
    carriers = _carriers(rows, columns, dislocations, diffusion_length)
    abundances = carriers[:, None] * _shares(rows, columns)
    counts = draw_counts(abundances @ endmembers, rng).reshape(rows, columns, -1)
    metadata = {"Acquisition_instrument": {"SEM": {"beam_energy": 5.0}}}
    return Scene(
        "cathodoluminescence",
        SpectrumImage(
            counts,
            axis,
            navigation_axes=_map_axes(rows, columns, CL_PIXEL),
            title="cathodoluminescence",
            metadata=metadata,
        ),
        settings={
            "shape": (rows, columns),
            "n_dislocations": n_dislocations,
            "diffusion_length": diffusion_length,
            "dose": dose,
            "seed": seed,
        },
        formula="counts ~ Poisson((carriers * shares) @ endmembers)",
        endmembers=endmembers,
        abundances=abundances,
        names=tuple(BANDS),
        dislocations=dislocations,
    )


def simulate_kinetic_series(
    shape=(64, 64), *, n_frames=100, first_rate=0.08, second_rate=0.03, dose=2000.0, seed=0
):
    """Simulate a series of images in which particles swell, then become hollow.

    ``counts ~ Poisson(abundances @ endmembers)``: the endmembers are how much there is of the
    states A -> B -> C at the time of each frame, ``dA/dt = -k1 A``, ``dB/dt = k1 A - k2 B``,
    ``dC/dt = k2 B``, and the abundances are the images of the three.

    Parameters
    ----------
    shape : tuple of int, default=(64, 64)
        Rows and columns of 1 nm.
    n_frames : int, default=100
        Images in the series, one a second.
    first_rate, second_rate : float, default=0.08 and 0.03
        ``k1`` and ``k2`` in 1/s: turning one up makes its step faster.
    dose : float, default=2000
        Expected counts in a pixel, on average, in all frames together.
    seed : int, default=0
        The same seed gives the same particles and counts.

    Returns
    -------
    Scene
        With endmembers and abundances.
    """
    rows, columns = as_shape(shape)
    n_frames = as_count(n_frames, "n_frames", least=3)
    first_rate = as_number(first_rate, "first_rate", "1/s", above=0)
    second_rate = as_number(second_rate, "second_rate", "1/s", above=0)
    dose = as_dose(dose)
    rng = np.random.default_rng(as_seed(seed))
    axis = Axis.uniform(n_frames, scale=FRAME, name="time", unit="s")
    endmembers = dose / n_frames * _states(axis.values, first_rate, second_rate)
    abundances = _particles(rows, columns, rng)
    counts = draw_counts(abundances @ endmembers, rng).reshape(rows, columns, n_frames)
    navigation_axes = _map_axes(rows, columns, 1.0)
    return Scene(
        "kinetic_series",
        SpectrumImage(counts, axis, navigation_axes=navigation_axes, title="kinetic series"),
        settings={
            "shape": (rows, columns),
            "n_frames": n_frames,
            "first_rate": first_rate,
            "second_rate": second_rate,
            "dose": dose,
            "seed": seed,
        },
        formula="counts ~ Poisson(abundances @ endmembers)",
        endmembers=endmembers,
        abundances=abundances,
        names=("solid", "swollen", "hollow"),
    )


def simulate_blurred_map(shape=(96, 96), *, resolution=6.0, dose=200.0, seed=0):
    """Simulate an EDS map of three pure phases, seen through a probe that is not sharp.

    ``counts ~ Poisson(abundances @ endmembers)``, with abundances ``probe * phases``: the map of
    each phase, 0 or 1, convolved with a Gaussian. Every seed is another field of view of one
    material, discs scattered as a Poisson process.

    Parameters
    ----------
    shape : tuple of int, default=(96, 96)
        Rows and columns of 1 nm.
    resolution : float, default=6
        Full width of the probe at half its maximum in nm: turning it up mixes the phases; 0 is
        sharp.
    dose : float, default=200
        Expected counts a pixel.
    seed : int, default=0
        The same seed gives the same phases and counts.

    Returns
    -------
    Scene
        With endmembers, abundances, labels of the phase under the middle of the probe, and
        ``fractions``, the share of the area that each phase has in the whole material.
    """
    rows, columns = as_shape(shape)
    resolution = as_number(resolution, "resolution", "nm", least=0)
    dose = as_dose(dose)
    rng = np.random.default_rng(as_seed(seed))
    axis = Axis.uniform(512, scale=0.02, offset=0.02, name="energy", unit="keV")
    endmembers = dose * _alloy_spectra(axis.values)
    labels = _scatter(rows, columns, rng)
    abundances = _blur(labels, resolution / MAP_PIXEL)
    image = SpectrumImage(
        draw_sparse(abundances, endmembers, rng),
        axis,
        navigation_shape=(rows, columns),
        navigation_axes=_map_axes(rows, columns, MAP_PIXEL),
        title="blurred map",
        metadata={
            "Acquisition_instrument": {"TEM": {"beam_energy": 200.0}},
            "Sample": {"elements": ["Al", "Cu", "Si"]},
        },
    )
    return Scene(
        "blurred_map",
        image,
        settings={"shape": (rows, columns), "resolution": resolution, "dose": dose, "seed": seed},
        formula="counts ~ Poisson((probe * phases) @ endmembers)",
        endmembers=endmembers,
        abundances=abundances,
        labels=labels,
        names=("Al", *GRAINS),
        fractions=_fractions(),
    )


def _map_axes(rows, columns, pixel):
    sizes = (("y", rows), ("x", columns))
    return [Axis.uniform(n, scale=pixel, name=name, unit="nm") for name, n in sizes]


# cathodoluminescence


def _band(wavelengths, energy, width):
    """Return a band that is Gaussian in photon energy, of area 1, as channels even in wavelength.

    Every channel holds the integral between its edges: what counts photons needs no Jacobian.
    """
    step = wavelengths[1] - wavelengths[0]
    edges = np.append(wavelengths - step / 2, wavelengths[-1] + step / 2)
    return -np.diff(erf((HC / edges - energy) / (np.sqrt(2) * width / TO_SIGMA))) / 2


def _carriers(rows, columns, dislocations, diffusion_length):
    """Return the share of the carriers that no dislocation has taken, in every pixel."""
    y, x = CL_PIXEL * (np.mgrid[0:rows, 0:columns].reshape(2, -1) + 0.5)
    alive = np.ones(rows * columns)
    for down, across in dislocations:
        alive *= -np.expm1(-np.hypot(y - down, x - across) / diffusion_length)
    return alive


def _shares(rows, columns):
    """Return which way carriers recombine: wells in two stripes, impurities from left to right."""
    y, x = (np.mgrid[0:rows, 0:columns] + 0.5) / np.array([rows, columns])[:, None, None]
    along = (x + 0.5 * y).ravel()
    well = sum(0.9 * np.exp(-(((along - middle) / 0.09) ** 4)) for middle in (0.35, 1.05))
    yellow = (1 - well) * (0.05 + 0.55 * x.ravel())
    return np.stack([1 - well - yellow, well, yellow], axis=1)


# kinetic series


def _states(times, k1, k2):
    """Return the shares of A, B and C at these times, from A alone at time 0."""
    first = np.exp(-k1 * times)
    # k1 (exp(-k1 t) - exp(-k2 t)) / (k2 - k1), in a form that holds for equal and for far rates
    second = k1 * times * np.exp(-min(k1, k2) * times) * exprel(-abs(k1 - k2) * times)
    return np.stack([first, second, np.clip(1 - first - second, 0, None)])


def _particles(rows, columns, rng):
    """Return images of one mean: particles that are solid, swollen and hollow, on a support."""
    y, x = np.mgrid[0:rows, 0:columns] + 0.5
    states = np.zeros((3, rows, columns))
    for down, across, size in rng.random((PARTICLES, 3)):
        away = np.hypot(y - down * rows, x - across * columns)
        radius = (0.05 + 0.06 * size) * min(rows, columns)
        inner = _thickness(away, radius)
        states[0] += inner
        states[1] += _thickness(away, SWOLLEN * radius) / SWOLLEN**3
        states[2] += (_thickness(away, OUTER * radius) - inner) / (OUTER**3 - 1)
    flat = states.reshape(3, -1)
    mean = flat.mean(axis=1, keepdims=True)
    shape = np.divide(flat, mean, out=np.ones_like(flat), where=mean > 0)
    return np.ascontiguousarray((SUPPORT + (1 - SUPPORT) * shape).T)


def _thickness(away, radius):
    """Return the thickness of a sphere along the beam, so far away from its middle."""
    return 2 * np.sqrt(np.clip(radius**2 - away**2, 0, None))


# blurred map


def _alloy_spectra(axis):
    """Return spectra of Al, Al2Cu and Si of area 1; the heights of their lines are illustrative."""
    aluminium, silicon = element_spectrum(axis, "Al"), element_spectrum(axis, "Si")
    copper = element_spectrum(axis, "Cu", families={"K": 1.0, "L": 0.4})
    lines = (aluminium, 0.6 * aluminium + copper, silicon)
    spectra = np.stack([line / line.sum() for line in lines])
    return 0.8 * spectra + 0.2 * bremsstrahlung(axis, 200.0)


def _scatter(rows, columns, rng):
    """Return labels of a field of view: a matrix, and discs that lie over what came before."""
    y, x = MAP_PIXEL * (np.mgrid[0:rows, 0:columns] + 0.5)
    labels = np.zeros((rows, columns), dtype=np.int64)
    for phase, (radius, _) in enumerate(GRAINS.values(), start=1):
        # Discs whose middle lies outside reach in as well.
        height, width = (MAP_PIXEL * n + 2 * radius for n in (rows, columns))
        n_discs = rng.poisson(_density(phase) * height * width)
        for down, across in rng.random((n_discs, 2)) * (height, width) - radius:
            labels[(y - down) ** 2 + (x - across) ** 2 < radius**2] = phase
    return labels


def _density(phase):
    """Return discs per nm²: a Poisson process of discs covers ``1 - exp(-density * area)``."""
    radius, share = list(GRAINS.values())[phase - 1]
    return -np.log1p(-share) / (np.pi * radius**2)


def _fractions():
    """Return the shares of the area; what came first keeps what the later discs leave free."""
    shares = [1.0, *(share for _, share in GRAINS.values())]
    free = np.cumprod([1.0, *(1 - share for share in shares[:0:-1])])[::-1]
    return np.array(shares) * free


def _blur(labels, width):
    """Return how much of each phase the probe sees, in shares that sum to 1."""
    phases = np.arange(1 + len(GRAINS))
    sharp = [(labels == phase).astype(np.float64) for phase in phases]
    seen = [gaussian_filter(m, width / TO_SIGMA, mode="reflect", truncate=6) for m in sharp]
    return np.stack(seen, axis=-1).reshape(-1, len(phases))
