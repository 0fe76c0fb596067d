"""A sheet of Mo(1-x)Re(x)S2: distortions that follow the rhenium nearby, not that on average."""

from __future__ import annotations

import numpy as np

from endmember.core.seeds import as_seed
from endmember.datasets.atoms import draw_micrograph, micrograph_axes, render_columns
from endmember.datasets.scene import Scene
from endmember.datasets.settings import as_choice, as_dose, as_number, as_shape

A_CATION = 0.316  # nm, between cations of MoS2, and of every composition here; illustrative
PROBE = 0.035  # nm, standard deviation of an atom column in the image; illustrative
BACKGROUND = 0.05  # of a rhenium column; illustrative
EXPONENT = 1.7  # of the atomic number, for annular dark field at high angles; illustrative
ATOMIC_NUMBER = {"Mo": 42, "Re": 75}
N_NEIGHBOURS = 6
SWEEPS = 60  # of exchanges of every site; pairs settle within about ten below the transition
FEWEST_SITES = 6
# Steps to the six neighbours, in turn, on axes at 60 degrees: (along the row, to the next row).
STEPS = np.array([(1, 0), (0, 1), (-1, 1), (-1, 0), (0, -1), (1, -1)])


def simulate_mos2_res2_alloy(
    shape=(512, 512),
    *,
    pixel_size=0.025,
    rhenium=55.0,
    attraction=0.8,
    contraction=0.125,
    n_variants=3,
    jitter=0.003,
    dose=50.0,
    seed=0,
):
    """Simulate the cations of a sheet between MoS2 and ReS2.

    ``displacement = contraction · (n_Re / 6) · pattern + jitter``: ``n_Re`` is how many neighbours
    of a cation are rhenium, and the pattern draws the four cations of every 2 × 2 cell together
    into a diamond. ``counts ~ Poisson(dose · I / mean(I))``, and I is a constant plus
    ``Z ** 1.7`` times a Gaussian at every cation.

    Parameters
    ----------
    shape : tuple of int, default=(512, 512)
        Rows and columns of the micrograph.
    pixel_size : float, default=0.025
        Nanometres a pixel, up to 0.05: more shows more cations, each in fewer pixels.
    rhenium : float, default=55
        Share of rhenium among the cations in per cent, from 0 to 100; exact to one atom.
    attraction : float, default=0.8
        Energy of two rhenium neighbours in units of kT, from -2 to 2: more gathers them, 0 leaves
        them to chance. Above ln 3 = 1.10 a large sheet falls apart into two phases at 50 %, slowly:
        what is returned has not come to rest there.
    contraction : float, default=0.125
        Share of the way to the middle of its diamond that a cation goes when all its neighbours are
        rhenium, up to 0.2.
    n_variants : int, default=3
        Regions whose diamonds point along different axes of the lattice: 1, 2 or 3.
    jitter : float, default=0.003
        Standard deviation of every coordinate of every column, in nm, up to 0.02.
    dose : float, default=50
        Expected counts a pixel, averaged over the image.
    seed : int, default=0
        The same seed gives the same atoms and counts.

    Returns
    -------
    Scene
        With positions, displacements and sites (n_atoms, 2) in nm as row and column, species
        (n_atoms,); neighbours (n_atoms, 6), -1 beyond the edge; local_rhenium and n_neighbours
        (n_atoms,); amplitudes (n_atoms,), the share of the way to the diamond's middle; modes
        (n_atoms, 2) in nm, the way itself; variants (n_atoms,); expected, counts without noise; and
        for every pixel the label of the cation in it, 0 for Mo, 1 for Re.

    Examples
    --------
    >>> import endmember as em
    >>> scene = em.datasets.load("mos2_res2_alloy", rhenium=5)
    >>> bool((scene.species == "Re").mean().round(2) == 0.05)
    True
    """
    shape = as_shape(shape)
    pixel_size = as_number(pixel_size, "pixel_size", "nm", above=0, most=0.05)
    rhenium = as_number(rhenium, "rhenium", "per cent", least=0, most=100)
    attraction = as_number(attraction, "attraction", "kT", least=-2, most=2)
    contraction = as_number(contraction, "contraction", least=0, most=0.2)
    n_variants = as_choice(n_variants, "n_variants", (1, 2, 3))
    jitter = as_number(jitter, "jitter", "nm", least=0, most=0.02)
    dose = as_dose(dose)
    rng = np.random.default_rng(as_seed(seed))
    lattice = _lattice(shape, pixel_size)
    sites, neighbours = _sites(lattice, shape, pixel_size), _neighbours(lattice)
    is_rhenium = _mix(lattice, neighbours, rhenium, attraction, rng)
    local = (is_rhenium[neighbours] & (neighbours >= 0)).sum(axis=1)
    variants = _variants(sites, n_variants, rng)
    modes = _modes(lattice, variants)
    amplitudes = contraction * local / N_NEIGHBOURS
    shifts = amplitudes[:, None] * modes + jitter * rng.normal(size=sites.shape)
    species = np.where(is_rhenium, "Re", "Mo")
    heights = np.where(is_rhenium, ATOMIC_NUMBER["Re"], ATOMIC_NUMBER["Mo"]) ** EXPONENT
    pattern = BACKGROUND * ATOMIC_NUMBER["Re"] ** EXPONENT + render_columns(
        sites + shifts, heights, shape, pixel_size=pixel_size, width=PROBE
    )
    counts, expected = draw_micrograph(pattern, dose, rng)
    return Scene(
        "mos2_res2_alloy",
        counts,
        settings={
            "shape": shape,
            "pixel_size": pixel_size,
            "rhenium": rhenium,
            "attraction": attraction,
            "contraction": contraction,
            "n_variants": n_variants,
            "jitter": jitter,
            "dose": dose,
            "seed": seed,
        },
        formula="displacement = contraction · (n_Re / 6) · pattern + jitter; "
        "counts ~ Poisson(dose · I / mean(I)), I = constant + Σ Z¹·⁷ · Gaussian(cation)",
        labels=_labels(sites + shifts, is_rhenium, shape, pixel_size),
        names=("Mo", "Re"),
        axes=micrograph_axes(shape, pixel_size),
        positions=sites + shifts,
        displacements=shifts,
        sites=sites,
        species=species,
        neighbours=neighbours,
        n_neighbours=(neighbours >= 0).sum(axis=1),
        local_rhenium=local,
        amplitudes=amplitudes,
        modes=modes,
        variants=variants,
        expected=expected,
    )


def _lattice(shape, pixel_size):
    """Index the sites that fill a rectangle, (along the row, row) on axes at 60 degrees."""
    height, width = (n * pixel_size / A_CATION for n in shape)
    n_rows, n_columns = int(height / np.sqrt(0.75)) - 1, int(width - 0.5) - 1
    if min(n_rows, n_columns) < FEWEST_SITES:
        raise ValueError(
            f"shape is {shape} at pixel_size={pixel_size:g} nm; expected room for {FEWEST_SITES} × "
            f"{FEWEST_SITES} cations {A_CATION} nm apart and a margin."
        )
    row, column = np.indices((n_rows, n_columns)).reshape(2, -1)
    return np.stack([column - row // 2, row], axis=1)


def _on_plane(lattice):
    """Row and column in nm of lattice indices; a difference of indices gives a difference."""
    along, row = lattice[..., 0], lattice[..., 1]
    return A_CATION * np.stack([np.sqrt(0.75) * row, along + row / 2], axis=-1)


def _sites(lattice, shape, pixel_size):
    """Undistorted sites, in the middle of the image."""
    sites = _on_plane(lattice)
    middle = (np.array(shape) - 1) / 2 * pixel_size
    return sites - (sites.min(axis=0) + sites.max(axis=0)) / 2 + middle


def _neighbours(lattice):
    """Numbers of the six neighbours of every site in turn; -1 beyond the edge."""
    low = lattice.min(axis=0) - 1
    number = np.full(lattice.max(axis=0) - low + 2, -1)
    number[tuple((lattice - low).T)] = np.arange(len(lattice))
    around = lattice[:, None] + STEPS - low
    return number[around[..., 0], around[..., 1]]


def _mix(lattice, neighbours, rhenium, attraction, rng):
    """Draw where rhenium sits at thermal equilibrium of pairs that attract each other.

    Sites of one colour out of three are never neighbours. All pairs of such sites may therefore
    exchange at once, each by Metropolis' rule, and the share of rhenium is kept.
    """
    n_sites = len(lattice)
    is_rhenium = np.zeros(n_sites + 1, dtype=bool)  # the last one is what lies beyond the edge
    is_rhenium[rng.permutation(n_sites)[: round(n_sites * rhenium / 100)]] = True
    colour = (lattice[:, 0] - lattice[:, 1]) % 3
    for sweep in range(SWEEPS * 3 * (attraction != 0)):
        shuffled = rng.permutation(np.flatnonzero(colour == sweep % 3))
        first, second = np.split(shuffled[: len(shuffled) // 2 * 2], 2)
        bonds = is_rhenium[neighbours].sum(axis=1)
        change = is_rhenium[first].astype(int) - is_rhenium[second]
        gain = attraction * change * (bonds[second] - bonds[first])
        swaps = rng.random(len(first)) < np.exp(np.minimum(gain, 0))
        first, second = first[swaps], second[swaps]
        is_rhenium[first], is_rhenium[second] = is_rhenium[second], is_rhenium[first]
    return is_rhenium[:-1]


def _variants(sites, n_variants, rng):
    """Which way the diamonds of every site point: that of the nearest of some points."""
    low, high = sites.min(axis=0), sites.max(axis=0)
    turns = 2 * np.pi * (np.arange(n_variants) / n_variants + rng.random())
    points = (low + high) / 2 + (high - low) / 4 * np.stack([np.sin(turns), np.cos(turns)], axis=1)
    return ((sites[:, None] - points) ** 2).sum(axis=-1).argmin(axis=1)


def _modes(lattice, variants):
    """Way in nm from every site to the middle of its diamond, two by two sites along two steps."""
    modes = np.zeros((len(lattice), 2))
    for variant in range(3):
        one, other = STEPS[variant], STEPS[variant + 1]
        inside = variants == variant
        place = np.linalg.solve(np.stack([one, other], axis=1), lattice[inside].T).T
        corner = np.rint(place).astype(int) % 2
        modes[inside] = _on_plane((0.5 - corner) @ np.stack([one, other]))
    return modes


def _labels(positions, is_rhenium, shape, pixel_size):
    """Kind of the cation within two standard deviations of every pixel; -1 for none."""
    reach = int(np.ceil(2 * PROBE / pixel_size))
    steps = np.indices((2 * reach + 1, 2 * reach + 1)).reshape(2, -1).T - reach
    pixels = np.rint(positions / pixel_size).astype(int)[:, None] + steps
    near = np.linalg.norm(pixels * pixel_size - positions[:, None], axis=-1) <= 2 * PROBE
    near &= ((pixels >= 0) & (pixels < shape)).all(axis=-1)
    labels = np.full(shape, -1)
    labels[tuple(pixels[near].T)] = np.repeat(is_rhenium.astype(int), near.sum(axis=1))
    return labels
