"""Micrographs of lattices: three in patches, two oxides grown together, one with a superlattice."""

from __future__ import annotations

import numpy as np

from endmember.core.axes import Axis
from endmember.core.draw import draw_counts
from endmember.core.seeds import as_seed
from endmember.datasets.scene import Scene
from endmember.datasets.settings import as_dose, as_number, as_shape

BACKGROUND = 0.2  # share of the counts that lies evenly on every pixel; illustrative
REACH = 4.0  # standard deviations at which a Gaussian column has ended: 3e-4 of its top
FORMULA = "counts ~ Poisson(dose * (0.2 + 0.8 * sum of Gaussian columns))"

# Three lattices that stand for no material: both vectors as (row, column) in nm, each column of
# atoms a Gaussian of 0.06 nm.
PATCH_NAMES = ("square", "hexagonal", "oblique")
PATCH_WIDTH = 0.06

# M1 is orthorhombic, a = 21.25 and b = 27.14 angstrom; M2 is hexagonal, a = 7.10 angstrom (Model
# bulk Mo-V-Te-O catalysts for selective oxidation of propane to acrylic acid, abstract). Columns
# lie in the plane of a and b.
M1_SIDES = 2.125, 2.714  # nm
M2_PERIOD = 0.710  # nm
OXIDE_WIDTH = 0.07  # nm, standard deviation of a column of metal in the image; illustrative
# Where the columns of M1 stand in shares of a and b, and how bright they are: see the card. Plane
# group pgg makes four of each, of the last two two.
M1_COLUMNS = (
    (0.3568, 0.3164, 1.7),  # in the middle of a pentagon
    (0.5002, 0.3676, 1.0),  # the five about it
    (0.3390, 0.4390, 1.0),
    (0.2023, 0.3410, 1.0),
    (0.2791, 0.2090, 1.0),
    (0.4633, 0.2254, 1.0),
    (0.8829, 0.7742, 0.8),  # what links the pentagons
    (0.1127, 0.6030, 0.8),
    (0.8289, 0.5251, 0.8),
    (0.0000, 0.0000, 0.8),  # on an axis of two turns
    (0.0000, 0.5000, 0.8),
)
M2_COLUMNS = ((0.5, 0.0), (0.0, 0.5), (0.5, 0.5))  # about an empty channel of six

# Charge order on alpha-RuCl3. Ru-Ru distances of 3.4477(5) and 3.4570(4) angstrom at 300 K, in the
# monoclinic cell C2/m (Nature Communications 15 (2024), doi 10.1038/s41467-024-52169-w, table 1);
# a honeycomb of 3.454 angstrom, their mean over the three bonds, repeats after sqrt(3) times it.
RUCL3_PERIOD = 0.3454 * np.sqrt(3)  # nm
CHLORINE_SHARE = 0.4  # of the brightness, the rest is charge order; illustrative
CHARGE_WIDTH = 0.09  # nm, standard deviation of a charge or an atom in the tunnelling image


def simulate_patchwork_lattices(
    shape=(256, 256), *, patch_size=4.5, pixel_size=0.05, dose=20.0, seed=0
):
    """Simulate a micrograph in which three lattices lie in patches.

    ``counts ~ Poisson(dose * (0.2 + 0.8 * sum of Gaussian columns))``: every patch holds one of
    three lattices, the same crystal wherever that lattice returns. All have the same mean
    brightness, so that only their periods tell them apart.

    Parameters
    ----------
    shape : tuple of int, default=(256, 256)
        Rows and columns.
    patch_size : float, default=4.5
        Width of the hexagonal patches in nm, no two neighbours alike: larger makes them fewer.
    pixel_size : float, default=0.05
        Side of a pixel in nm, up to 0.06: larger shows more unit cells with fewer pixels in each.
    dose : float, default=20
        Expected counts a pixel inside a patch: more makes the noise smaller beside the lattice.
    seed : int, default=0
        The same seed gives the same counts.

    Returns
    -------
    Scene
        With labels, lattice_vectors of shape (3, 2, 2) in nm and reciprocal_vectors in 1/nm, of
        which spots are sums; both as (row, column).
    """
    shape = as_shape(shape)
    patch_size = as_number(patch_size, "patch_size", "nm", above=0)
    pixel_size = as_number(pixel_size, "pixel_size", "nm", above=0, most=PATCH_WIDTH)
    dose = as_dose(dose)
    rng = np.random.default_rng(as_seed(seed))
    labels = _patches(shape, patch_size / pixel_size)
    vectors = _patch_vectors()
    image = sum(
        grow_crystal(
            shape, pixel_size, cell, [[0, 0]], [1], PATCH_WIDTH, labels == k, gap=PATCH_WIDTH
        )
        for k, cell in enumerate(vectors)
    )
    return record_micrograph(
        "patchwork_lattices",
        image,
        rng,
        settings={
            "shape": shape,
            "patch_size": patch_size,
            "pixel_size": pixel_size,
            "dose": dose,
            "seed": seed,
        },
        labels=labels,
        names=PATCH_NAMES,
        lattice_vectors=vectors,
        reciprocal_vectors=np.linalg.inv(vectors).swapaxes(1, 2),
    )


def simulate_m1m2_catalyst(shape=(512, 512), *, pixel_size=0.04, dose=50.0, seed=0):
    """Simulate two phases of a Mo-V-Ta oxide grown into each other, M1 and M2.

    ``counts ~ Poisson(dose * (0.2 + 0.8 * sum of Gaussian columns))``: M1, below, has pentagons of
    columns and channels of six and of seven; M2, above, only channels of six. They meet in a step
    along a of M1, which is three times a of M2 to 0.3 %.

    Parameters
    ----------
    shape : tuple of int, default=(512, 512)
        Rows and columns.
    pixel_size : float, default=0.04
        Side of a pixel in nm, up to 0.07: larger shows more unit cells with fewer pixels in each.
    dose : float, default=50
        Expected counts a pixel in the middle of a phase: more makes the noise smaller beside the
        lattice.
    seed : int, default=0
        The same seed gives the same counts.

    Returns
    -------
    Scene
        With labels, lattice_vectors of shape (2, 2, 2) in nm and reciprocal_vectors in 1/nm, of
        which spots are sums; both as (row, column).
    """
    shape = as_shape(shape)
    pixel_size = as_number(pixel_size, "pixel_size", "nm", above=0, most=OXIDE_WIDTH)
    dose = as_dose(dose)
    rng = np.random.default_rng(as_seed(seed))
    labels = _step(shape)
    vectors = np.stack([np.diag(M1_SIDES)[:, ::-1], hexagonal_vectors(M2_PERIOD)])
    phases = (_m1_columns(), (np.array(M2_COLUMNS), np.ones(3)))
    image = sum(
        grow_crystal(shape, pixel_size, cell, basis, weights, OXIDE_WIDTH, labels == k, gap=0.1)
        for k, (cell, (basis, weights)) in enumerate(zip(vectors, phases, strict=True))
    )
    return record_micrograph(
        "m1m2_catalyst",
        image,
        rng,
        settings={"shape": shape, "pixel_size": pixel_size, "dose": dose, "seed": seed},
        labels=labels,
        names=("M1", "M2"),
        lattice_vectors=vectors,
        reciprocal_vectors=np.linalg.inv(vectors).swapaxes(1, 2),
    )


def simulate_rucl3_superlattice(
    shape=(256, 256), *, suppression=0.1, pixel_size=0.05, dose=20.0, seed=0
):
    """Simulate charge order on alpha-RuCl3: single charges on one side, dimers on the other.

    ``counts ~ Poisson(dose * (0.2 + 0.8 * sum of Gaussian columns))``: three chlorine atoms a cell
    give the outer spots of the Fourier transform everywhere; one charge a cell gives six equal
    inner spots. In a dimer it parts into two halves ``d`` apart along a reciprocal vector ``g``,
    which multiplies the spots by ``cos(pi g d)`` along it and by ``cos(pi g d / 2)`` elsewhere.

    Parameters
    ----------
    shape : tuple of int, default=(256, 256)
        Rows and columns.
    suppression : float, default=0.1
        Amplitude of the two suppressed spots over that of the other four, 0 to 1: the nearer to 1,
        the closer the two halves, until the dimers are single charges.
    pixel_size : float, default=0.05
        Side of a pixel in nm, up to 0.09: larger shows more unit cells with fewer pixels in each.
    dose : float, default=20
        Expected counts a pixel, which stand for the tunnelling current: more makes the noise
        smaller beside the lattice.
    seed : int, default=0
        The same seed gives the same counts.

    Returns
    -------
    Scene
        With labels; lattice_vectors (2, 2) in nm and dimer (2,), what parts its halves, in nm;
        spots (6, 2), the inner ones, in 1/nm, and which are suppressed; all as (row, column).
    """
    shape = as_shape(shape)
    suppression = as_number(suppression, "suppression", least=0, most=1)
    pixel_size = as_number(pixel_size, "pixel_size", "nm", above=0, most=CHARGE_WIDTH)
    dose = as_dose(dose)
    rng = np.random.default_rng(as_seed(seed))
    vectors = hexagonal_vectors(RUCL3_PERIOD)
    spots = _inner_spots(vectors)
    dimer = _dimer(spots[0], suppression)
    labels = _wavy_halves(shape)
    image = CHLORINE_SHARE * _chlorine(shape, pixel_size, vectors)
    image += (1 - CHLORINE_SHARE) * _charges(shape, pixel_size, vectors, dimer, labels)
    return record_micrograph(
        "rucl3_superlattice",
        image,
        rng,
        settings={
            "shape": shape,
            "suppression": suppression,
            "pixel_size": pixel_size,
            "dose": dose,
            "seed": seed,
        },
        labels=labels,
        names=("hexagonal", "dimer"),
        lattice_vectors=vectors,
        dimer=dimer,
        spots=spots,
        suppressed=np.array([True, False, False] * 2),
    )


def record_micrograph(name, image, rng, *, settings, **truth):
    """Draw counts about a brightness of mean 1, and return them with their truth.

    Parameters
    ----------
    name : str
        The specimen's name.
    image : ndarray of shape (rows, columns)
        Brightness of what is periodic, of mean 1.
    rng : numpy.random.Generator
        Where chance comes from.
    settings : dict
        The arguments of the simulator, among them the dose and the pixel size.
    **truth
        What is true of it.

    Returns
    -------
    Scene
    """
    expected = settings["dose"] * (BACKGROUND + (1 - BACKGROUND) * image)
    axes = [
        Axis.uniform(size, scale=settings["pixel_size"], name=side, unit="nm")
        for size, side in zip(image.shape, ("height", "width"), strict=True)
    ]
    return Scene(
        name,
        draw_counts(expected, rng).astype(np.float32),
        settings=settings,
        formula=FORMULA,
        axes=axes,
        expected=expected.astype(np.float32),
        **truth,
    )


def grow_crystal(shape, pixel_size, vectors, basis, weights, width, is_inside=None, *, gap=0.0):
    """Sum the Gaussian columns of a crystal over a field, to a mean brightness of 1.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    pixel_size : float
        Side of a pixel in nm.
    vectors : ndarray of shape (2, 2)
        Both lattice vectors as (row, column), in nm.
    basis : array_like of shape (n_columns, 2)
        Where the columns of a cell stand, in shares of the lattice vectors.
    weights : array_like of shape (n_columns,)
        How bright they are, as against each other.
    width : float
        Standard deviation of a column in nm: larger blurs the lattice.
    is_inside : ndarray of bool of shape (rows, columns), optional
        Where columns may stand; each is drawn as a whole.
    gap : float, default=0
        How far in nm columns keep from what is outside: none of two crystals then overlap.

    Returns
    -------
    ndarray of shape (rows, columns)
    """
    places, weights = _places(shape, pixel_size, vectors, basis, weights, width)
    if is_inside is not None:
        stands = _stands_inside(places, is_inside, pixel_size, gap)
        places, weights = places[stands], weights[stands]
    return _draw_columns(shape, pixel_size, places, weights, width)


def hexagonal_vectors(period, *, turn=0.0):
    """Return two vectors 120 degrees apart, the first along the columns of the image.

    Parameters
    ----------
    period : float
        Their length, in nm.
    turn : float, default=0
        Angle in degrees by which to turn them from width towards height.

    Returns
    -------
    ndarray of shape (2, 2)
        As (row, column), in nm.
    """
    return turned([[0.0, period], [period * np.sqrt(3) / 2, -period / 2]], turn)


def turned(vectors, turn):
    """Turn vectors, as (row, column), by an angle in degrees from width towards height."""
    cosine, sine = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    return np.asarray(vectors) @ np.array([[cosine, -sine], [sine, cosine]])


def _places(shape, pixel_size, vectors, basis, weights, width):
    """Columns in and around the field, and weights that make their mean brightness 1."""
    reach = REACH * width
    low, high = -reach, pixel_size * np.array(shape) + reach
    corners = [[row, column] for row in (low, high[0]) for column in (low, high[1])]
    cells = corners @ np.linalg.inv(vectors)
    first, last = np.floor(cells.min(axis=0)) - 1, np.ceil(cells.max(axis=0)) + 1
    origins = np.stack(np.meshgrid(*map(np.arange, first, last), indexing="ij"), axis=-1)
    places = (origins.reshape(-1, 1, 2) + np.asarray(basis)) @ vectors
    shares = np.asarray(weights) / np.sum(weights) * abs(np.linalg.det(vectors))
    near = np.all((places > low) & (places < high), axis=-1)
    return places[near], np.broadcast_to(shares, near.shape)[near]


def _draw_columns(shape, pixel_size, places, weights, width):
    """Sum Gaussians: each is a product of one down the rows and one across the columns."""
    row, column = (pixel_size * np.arange(size) for size in shape)
    down = np.exp(-((row[:, None] - places[:, 0]) ** 2) / (2 * width**2))
    across = np.exp(-((column[:, None] - places[:, 1]) ** 2) / (2 * width**2))
    return (down * weights) @ across.T / (2 * np.pi * width**2)


def _stands_inside(places, is_inside, pixel_size, gap):
    """Whether columns stand inside, and everything nearer to them than the gap as well."""
    turns = np.arange(8) * np.pi / 4
    ring = gap * np.stack([np.sin(turns), np.cos(turns)], axis=1)
    nearby = np.concatenate([np.zeros((1, 2)), ring]) + places[:, None]
    return _look_up(is_inside, nearby, pixel_size).all(axis=1)


def _look_up(values, places, pixel_size):
    """Values of the pixels in which places lie, or of the nearest ones to them."""
    pixels = np.rint(places / pixel_size).astype(int)
    row, column = np.moveaxis(pixels.clip(0, np.array(values.shape) - 1), -1, 0)
    return values[row, column]


def _fields(shape):
    """Shares of the height and of the width at which every pixel lies."""
    row, column = np.indices(shape)
    return (row + 0.5) / shape[0], (column + 0.5) / shape[1]


def _patch_vectors():
    oblique = [[0.0, 0.36], [0.58, 0.14]]
    square = [[0.0, 0.42], [0.42, 0.0]]
    return np.stack([turned(square, 20), hexagonal_vectors(0.5, turn=8), turned(oblique, -10)])


def _patches(shape, width):
    """Which lattice every pixel belongs to: that of the nearest point of a hexagonal net.

    The net is the sum of two rectangular ones, and nearest to a point is nearest in one of them.
    Three colours suffice for it, so that no two neighbours are alike.
    """
    pixels = np.indices(shape)
    step = width * np.array([np.sqrt(3), 1]).reshape(2, 1, 1)  # of either rectangular net
    nearest = []
    for corner in (0, 0.5):
        number = np.rint(pixels / step - corner)
        away = np.sum((pixels - step * (number + corner)) ** 2, axis=0)
        nearest.append((away, number[1] - (corner == 0.5)))  # half a step is one colour on
    (near, colour), (far, other) = nearest
    return (np.where(near <= far, colour, other) % len(PATCH_NAMES)).astype(int)


def _m1_columns():
    """Where all columns of a cell stand, by the plane group pgg, and how bright they are."""
    x, y, weights = np.array(M1_COLUMNS).T
    orbit = [(x, y), (-x, -y), (0.5 + x, 0.5 - y), (0.5 - x, 0.5 + y)]
    places = np.concatenate([np.stack(pair, axis=1) for pair in orbit]) % 1
    places, first = np.unique(places.round(9), axis=0, return_index=True)
    return places, np.tile(weights, 4)[first]


def _step(shape):
    """1 above a line that steps down once on its way to the right, 0 below it."""
    down, across = _fields(shape)
    return (down < np.where(across < 0.45, 0.4, 0.6)).astype(int)


def _wavy_halves(shape):
    """0 to the left of a line that winds its way down, 1 to its right."""
    down, across = _fields(shape)
    return (across > 0.5 + 0.06 * np.sin(2 * np.pi * down)).astype(int)


def _inner_spots(vectors):
    """Find the six shortest reciprocal vectors, turn by turn, as (row, column) in 1/nm."""
    first, second = np.linalg.inv(vectors).T  # 60 degrees apart, the second along the rows
    half = np.stack([second, first, first - second])
    return np.concatenate([half, -half])


def _dimer(spot, suppression):
    """Find what parts the halves of a dimer, in nm, along a reciprocal vector g.

    Their spots are cos(pi g d) along g and c = cos(pi g d / 2) at 60 degrees from it, so that
    2 c**2 - 1 = suppression * c.
    """
    cosine = (suppression + np.sqrt(suppression**2 + 8)) / 4
    turns = 2 / np.pi * np.arccos(min(cosine, 1.0))  # g d
    return turns * spot / (spot @ spot)


def _chlorine(shape, pixel_size, vectors):
    """Three atoms a cell, evenly spread: no inner spots."""
    third = [[0, 0], [1 / 3, 2 / 3], [2 / 3, 1 / 3]]
    return grow_crystal(shape, pixel_size, vectors, third, [1] * 3, CHARGE_WIDTH)


def _charges(shape, pixel_size, vectors, dimer, labels):
    """One charge a cell, in two halves: together where the label is 0, apart where it is 1."""
    places, weights = _places(shape, pixel_size, vectors, [[0, 0]], [1], CHARGE_WIDTH)
    apart = _look_up(labels, places, pixel_size)[:, None] * dimer / 2
    halves, weights = np.concatenate([places - apart, places + apart]), np.tile(weights / 2, 2)
    return _draw_columns(shape, pixel_size, halves, weights, CHARGE_WIDTH)
