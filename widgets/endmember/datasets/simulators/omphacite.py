"""A jadeite stone: two mineral names, three end-members in solid solution, and the mount."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from endmember.core.axes import Axis
from endmember.core.draw import draw_sparse
from endmember.core.image import SpectrumImage
from endmember.core.seeds import as_seed
from endmember.datasets.compound import compound_spectrum, molar_mass
from endmember.datasets.scene import Scene
from endmember.datasets.settings import as_count, as_dose, as_shape
from endmember.datasets.simulators.grains import grain_map, smooth_field

# Atoms in a formula unit. Augite stands for (Ca,Mg,Fe)(Mg,Fe)Si2O6 with Fe of charge 2: how much of
# each is illustrative. Aegirine has Fe of charge 3.
FORMULAE: dict[str, dict[str, float]] = {
    "jadeite": {"Na": 1, "Al": 1, "Si": 2, "O": 6},
    "augite": {"Ca": 0.8, "Mg": 0.9, "Fe": 0.3, "Si": 2, "O": 6},
    "aegirine": {"Na": 1, "Fe": 1, "Si": 2, "O": 6},
    "carbon": {"C": 1},
}
PHASES = ("jadeite", "omphacite", "mount")
BEAM_ENERGY = 30.0  # keV
RANGE = 7.82  # keV, up to past Fe K-beta; illustrative
WIDTH = 512.0  # µm, of the map; illustrative
BLUR = 2.0  # µm, standard deviation of where X-rays of a pixel come from; illustrative
N_GRAINS = 50
AUGITE = {0: (0.02, 0.18), 1: (0.25, 0.75)}  # exchange fractions that occur in each phase
AEGIRINE = (0.02, 0.40)  # of what is not augite


def simulate_omphacite(shape=(96, 128), *, n_channels=391, dose=200.0, seed=0):
    """Simulate a stone of jadeite and omphacite in a carbon mount, recorded at 30 keV.

    ``counts ~ Poisson(abundances @ endmembers)``: omphacite is no spectrum of its own, but a solid
    solution of jadeite, augite and aegirine whose fractions change from place to place. Spectra
    mix by mass.

    Parameters
    ----------
    shape : tuple of int, default=(96, 128)
        Rows and columns; (384, 512) at full size. The field of view stays 512 µm wide.
    n_channels : int, default=391
        Channels from 0 to 7.82 keV; 1564 at full size.
    dose : float, default=200
        Expected counts a pixel, on average over the map.
    seed : int, default=0
        The same seed gives the same counts; at another dose, the same stone.

    Returns
    -------
    Scene
        With endmembers, abundances (mass fractions), labels of the phases, ``exchange`` (shares of
        jadeite, augite and aegirine by formula units, NaN in the mount), ``phases`` and
        ``phase_spectra`` (expected counts of each phase, on average). Counts are a CSR array.
    """
    rows, columns = as_shape(shape)
    n_channels = as_count(n_channels, "n_channels", least=32)
    dose = as_dose(dose)
    rng = np.random.default_rng(as_seed(seed))
    mount = _mount((rows, columns), rng)
    phases = grain_map((rows, columns), N_GRAINS, rng)
    phases = (rng.permutation(N_GRAINS) % 2)[phases]
    exchange = _exchange(phases, rng)
    labels = np.where(mount > 0.5, 2, phases)
    abundances = _by_mass(exchange, mount.ravel())
    step = RANGE / n_channels
    axis = Axis.uniform(
        n_channels, scale=step, offset=step / 2, name="energy", unit="keV", is_binned=True
    )
    endmembers = np.stack(
        [compound_spectrum(axis.values, f, beam_energy=BEAM_ENERGY) for f in FORMULAE.values()]
    )
    endmembers *= dose / (abundances @ endmembers.sum(axis=1)).mean()
    counts = draw_sparse(abundances, endmembers, rng)
    return Scene(
        "omphacite",
        _image(counts, axis, (rows, columns)),
        settings={
            "shape": (rows, columns),
            "n_channels": n_channels,
            "dose": dose,
            "seed": seed,
        },
        formula="counts ~ Poisson(abundances @ endmembers), abundances by mass",
        endmembers=endmembers,
        abundances=abundances,
        labels=labels,
        names=tuple(FORMULAE),
        exchange=np.where(labels.reshape(-1, 1) == 2, np.nan, exchange),
        phases=PHASES,
        phase_spectra=_phase_means(abundances, labels.ravel()) @ endmembers,
    )


def _mount(shape, rng):
    """Return how much of every pixel is mount: outside the stone, and in its cracks."""
    y, x = (2 * (np.indices(shape).T + 0.5) / shape - 1).T  # -1 to 1 over the map
    angle, away = np.arctan2(y, x), np.hypot(y, x)
    turns = rng.random(4) * 2 * np.pi
    outline = 0.97 + sum(
        0.05 * np.cos((k + 2) * angle + turn) / (k + 1) for k, turn in enumerate(turns)
    )
    cracks = np.abs(smooth_field(shape, shape[1] / 12, rng)) < 0.03
    is_mount = ((away > outline) | cracks).astype(float)
    share = gaussian_filter(is_mount, BLUR / (WIDTH / shape[1]), mode="nearest")
    return np.clip(share, 0, 1)  # a blurred 1 may be above it by rounding


def _exchange(phases, rng):
    """Return the shares of jadeite, augite and aegirine by formula units, zoned in every grain."""
    low, high = np.array([AUGITE[0], AUGITE[1]])[phases.ravel()].T
    length = phases.shape[1] / 16
    augite = low + (high - low) * _shares(phases.shape, length, rng)
    aegirine = np.subtract(*AEGIRINE[::-1]) * _shares(phases.shape, length, rng) + AEGIRINE[0]
    aegirine *= 1 - augite
    return np.stack([1 - augite - aegirine, augite, aegirine], axis=1)


def _shares(shape, length, rng):
    """Return a smooth field between 0 and 1."""
    return 1 / (1 + np.exp(-2 * smooth_field(shape, length, rng).ravel()))


def _by_mass(exchange, mount):
    """Turn formula units into masses, and add the mount."""
    masses = exchange * [molar_mass(FORMULAE[name]) for name in ("jadeite", "augite", "aegirine")]
    masses /= masses.sum(axis=1, keepdims=True)
    return np.column_stack([masses * (1 - mount)[:, None], mount])


def _phase_means(abundances, labels):
    """Return the mean abundances of each phase; zeros where a small map has none of it."""
    belongs = labels == np.arange(len(PHASES))[:, None]
    return belongs @ abundances / np.maximum(belongs.sum(axis=1, keepdims=True), 1)


def _image(counts, axis, shape):
    pixel = WIDTH / shape[1]
    places = [
        Axis.uniform(n, scale=pixel, name=name, unit="µm")
        for n, name in zip(shape, "yx", strict=True)
    ]
    elements = sorted({element for formula in FORMULAE.values() for element in formula})
    metadata = {
        "Acquisition_instrument": {"SEM": {"beam_energy": BEAM_ENERGY}},
        "Sample": {"elements": elements},
    }
    return SpectrumImage(
        counts,
        axis,
        navigation_axes=places,
        navigation_shape=shape,
        title="jadeite and omphacite",
        metadata=metadata,
    )
