"""A perovskite film with polarisation domains on a substrate without: micrograph and atoms."""

from __future__ import annotations

import numpy as np

from endmember.core.seeds import as_seed
from endmember.datasets.atoms import draw_micrograph, micrograph_axes, render_columns
from endmember.datasets.scene import Scene
from endmember.datasets.settings import as_count, as_dose, as_number, as_shape

A_SUBSTRATE = 0.393  # nm, pseudo-cubic SrRuO3, also along the film's rows; illustrative
A_FILM = 0.396  # nm, pseudo-cubic BiFeO3, across the rows of the film; illustrative
FILM_SHARE = 0.75  # of the cells, from the top; illustrative
PROBE = 0.035  # nm, standard deviation of an atom column in the image; illustrative
BACKGROUND = 0.05  # of the brightest column; illustrative
ATOMIC_NUMBER = {"O": 8, "Fe": 26, "Sr": 38, "Ru": 44, "Bi": 83}
# Rows run down: where the B cation goes in each domain, as (row, column) of length 1.
DIRECTIONS = np.array([(0, 0), (-1, -1), (-1, 1), (1, 1), (1, -1)]) / np.sqrt(2)
NAMES = ("substrate", "up left", "up right", "down right", "down left")
FEWEST_CELLS = 4


def simulate_ferroic_domains(
    shape=(512, 512),
    *,
    pixel_size=0.025,
    n_domains=8,
    displacement=0.03,
    rotation=8.0,
    jitter=0.003,
    exponent=1.4,
    dose=50.0,
    seed=0,
):
    """Simulate a film of polarisation domains on a substrate that has none, seen along [001].

    ``counts ~ Poisson(dose · I / mean(I))``, and I is a constant plus ``Z ** exponent`` times a
    Gaussian at every atom column. Of each cell of the film the B cation is moved along the
    polarisation of its domain, and the four oxygens about it are turned, in neighbouring cells to
    opposite sides.

    Parameters
    ----------
    shape : tuple of int, default=(512, 512)
        Rows and columns of the micrograph.
    pixel_size : float, default=0.025
        Nanometres a pixel, up to 0.05: more shows more cells, each in fewer pixels.
    n_domains : int, default=8
        Regions of the film, up to 64; the four directions are dealt out in turn.
    displacement : float, default=0.03
        How far the B cation moves, in nm, up to 0.06; 0 leaves no polarisation.
    rotation : float, default=8
        How far the oxygens turn, in degrees, up to 15; 0 leaves no doubled cell.
    jitter : float, default=0.003
        Standard deviation of every coordinate of every column, in nm, up to 0.02.
    exponent : float, default=1.4
        Power of the atomic number in the brightness of a column, from 0.5 to 2: more hides the
        light ones.
    dose : float, default=50
        Expected counts a pixel, averaged over the image.
    seed : int, default=0
        The same seed gives the same domains, atoms and counts.

    Returns
    -------
    Scene
        With positions, displacements and sites (n_atoms, 2) in nm as row and column, species
        (n_atoms,), A sites first, then B sites, then oxygen, each row by row; domains and rotations
        in degrees (cell rows, cell columns); polarisation (5, 2) in nm, of the substrate and of the
        four kinds of domain; expected, counts without noise; and a label for every pixel.

    Examples
    --------
    >>> import endmember as em
    >>> scene = em.datasets.load("ferroic_domains", shape=(128, 128))
    >>> len(scene.positions) == len(scene.species)
    True
    """
    shape = as_shape(shape)
    pixel_size = as_number(pixel_size, "pixel_size", "nm", above=0, most=0.05)
    n_domains = as_count(n_domains, "n_domains", most=64)
    displacement = as_number(displacement, "displacement", "nm", least=0, most=0.06)
    rotation = as_number(rotation, "rotation", "degrees", least=0, most=15)
    jitter = as_number(jitter, "jitter", "nm", least=0, most=0.02)
    exponent = as_number(exponent, "exponent", least=0.5, most=2)
    dose = as_dose(dose)
    rng = np.random.default_rng(as_seed(seed))
    levels, columns = _grid(shape, pixel_size)
    n_film = round(FILM_SHARE * (len(levels) - 1))
    domains = _domains(len(levels) - 1, len(columns) - 1, n_film, n_domains, rng)
    rotations = _rotations(domains, rotation)
    polarisation = displacement * DIRECTIONS
    sites, species = _sites(levels, columns, n_film)
    shifts = _shifts(polarisation[domains], rotations) + jitter * rng.normal(size=sites.shape)
    heights = np.array([ATOMIC_NUMBER[name] ** exponent for name in species])
    pattern = BACKGROUND * heights.max() + render_columns(
        sites + shifts, heights, shape, pixel_size=pixel_size, width=PROBE
    )
    counts, expected = draw_micrograph(pattern, dose, rng)
    return Scene(
        "ferroic_domains",
        counts,
        settings={
            "shape": shape,
            "pixel_size": pixel_size,
            "n_domains": n_domains,
            "displacement": displacement,
            "rotation": rotation,
            "jitter": jitter,
            "exponent": exponent,
            "dose": dose,
            "seed": seed,
        },
        formula="counts ~ Poisson(dose · I / mean(I)), I = constant + Σ Zᵉ · Gaussian(column)",
        labels=_labels(domains, levels, columns, shape, pixel_size),
        names=NAMES,
        axes=micrograph_axes(shape, pixel_size),
        positions=sites + shifts,
        displacements=shifts,
        sites=sites,
        species=species,
        domains=domains,
        rotations=rotations,
        polarisation=polarisation,
        expected=expected,
    )


def _grid(shape, pixel_size):
    """Rows and columns of the A sites in nm, in the middle of the image."""
    height, width = (n * pixel_size for n in shape)
    n_rows, n_columns = (int(side / A_FILM - 0.5) for side in (height, width))
    if min(n_rows, n_columns) < FEWEST_CELLS:
        raise ValueError(
            f"shape is {shape}, {height:g} nm × {width:g} nm at pixel_size={pixel_size:g} nm; "
            f"expected room for {FEWEST_CELLS} × {FEWEST_CELLS} cells of {A_FILM} nm and a margin."
        )
    n_film = round(FILM_SHARE * n_rows)
    steps = np.where(np.arange(n_rows) < n_film, A_FILM, A_SUBSTRATE)
    levels = np.concatenate([[0.0], np.cumsum(steps)])
    columns = A_SUBSTRATE * np.arange(n_columns + 1)
    middle = (np.array(shape) - 1) / 2 * pixel_size
    return levels - levels[-1] / 2 + middle[0], columns - columns[-1] / 2 + middle[1]


def _domains(n_rows, n_columns, n_film, n_domains, rng):
    """Kind of domain of every cell: that of the nearest of some points; 0 in the substrate."""
    points = rng.random((n_domains, 2)) * (n_film, n_columns)
    kinds = 1 + (rng.permutation(n_domains) % 4)
    cells = np.moveaxis(np.indices((n_film, n_columns)), 0, -1) + 0.5
    away = ((cells[:, :, None] - points) ** 2).sum(axis=-1)
    domains = np.zeros((n_rows, n_columns), dtype=np.int64)
    domains[:n_film] = kinds[away.argmin(axis=-1)]
    return domains


def _rotations(domains, rotation):
    """Angle in degrees by which the oxygens of every cell turn: alternating, none in substrate."""
    row, column = np.indices(domains.shape)
    return np.where(domains > 0, rotation * (1.0 - 2.0 * ((row + column) % 2)), 0.0)


def _sites(levels, columns, n_film):
    """Undistorted sites and their species: A, B, oxygen on the rows, oxygen between them."""
    between_levels = (levels[1:] + levels[:-1]) / 2
    between_columns = (columns[1:] + columns[:-1]) / 2
    parts = [
        (levels, columns, "Bi", "Sr"),
        (between_levels, between_columns, "Fe", "Ru"),
        (levels, between_columns, "O", "O"),
        (between_levels, columns, "O", "O"),
    ]
    sites = [
        np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1).reshape(-1, 2) for y, x, *_ in parts
    ]
    species = [
        np.repeat(np.where(y <= levels[n_film] + 1e-9, film, substrate), len(x))
        for y, x, film, substrate in parts
    ]
    return np.concatenate(sites), np.concatenate(species)


def _shifts(polar, rotations):
    """Displacements in nm: none of A, the polarisation of B, a turn about B of the oxygens.

    An oxygen belongs to two cells that turn oppositely, and so agree on where it goes; it takes the
    mean of both, of which the one at an edge of the crystal is the only one.
    """
    n_rows, n_columns = rotations.shape
    turn = A_SUBSTRATE / 2 * np.tan(np.radians(rotations))
    on_rows = np.zeros((n_rows + 1, n_columns, 2))
    on_rows[..., 1] = _mean_of_neighbours(turn, -turn)
    between = np.zeros((n_rows, n_columns + 1, 2))
    between[..., 0] = _mean_of_neighbours(-turn.T, turn.T).T
    still = np.zeros(((n_rows + 1) * (n_columns + 1), 2))
    return np.concatenate([still, *(part.reshape(-1, 2) for part in (polar, on_rows, between))])


def _mean_of_neighbours(to_first, to_last):
    """Mean, on every line between cells, of what the cells on both sides want.

    A cell wants `to_first` on the line before it and `to_last` on the line after it.
    """
    after = np.vstack([to_first, to_last[-1:]])
    before = np.vstack([to_first[:1], to_last])
    return (after + before) / 2


def _labels(domains, levels, columns, shape, pixel_size):
    """Kind of domain of every pixel; -1 outside the crystal."""
    row, column = (
        np.searchsorted(edges, np.arange(n) * pixel_size) - 1
        for edges, n in zip((levels, columns), shape, strict=True)
    )
    padded = np.pad(domains, 1, constant_values=-1)  # indices before 0 and after the last cell
    return padded[np.ix_(row + 1, column + 1)]
