"""High-resolution micrographs of two close-packed metals, seen along their rows of atoms."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from endmember.core.seeds import as_seed
from endmember.datasets.settings import as_choice, as_dose, as_number, as_shape
from endmember.datasets.simulators.lattices import grow_crystal, record_micrograph, turned

# Gold: 4.0786 angstrom (Selected Powder Diffraction Data for Minerals, JCPDS, 1974).
GOLD_SIDE = 0.40786  # nm
# Alpha titanium: 2.95 angstrom, c/a 1.587 (Wyckoff, Crystal Structures 1, 1963, has 4.686 for c).
TITANIUM_SIDE = 0.295  # nm
TITANIUM_HEIGHT = 1.587 * TITANIUM_SIDE  # nm
COLUMN_WIDTH = 0.05  # nm, standard deviation of a column's image; illustrative


@dataclass(frozen=True)
class Net:
    """A rectangular cell in projection, with two columns of atoms.

    Parameters
    ----------
    sides : tuple of float
        Height and width of the cell, in nm.
    second : tuple of float
        Where the second column stands, in shares of them; the first stands at the corner.
    spots, absent : dict of str to tuple of int
        Spots that are there and one that is not: turns along both sides, by name.
    """

    sides: tuple[float, float]
    second: tuple[float, float]
    spots: dict[str, tuple[int, int]]
    absent: dict[str, tuple[int, int]]


NETS = {
    "fcc": Net(
        sides=(GOLD_SIDE, GOLD_SIDE / sqrt(2)),
        second=(1 / 2, 1 / 2),
        spots={"002": (2, 0), "111": (1, 1), "220": (0, 2)},
        absent={"001": (1, 0)},
    ),
    "hcp": Net(
        sides=(TITANIUM_HEIGHT, TITANIUM_SIDE * sqrt(3) / 2),
        second=(1 / 2, 2 / 3),
        spots={"1-100": (0, 1), "1-101": (1, 1), "0002": (2, 0)},
        absent={"0001": (1, 0)},
    ),
}


def simulate_hrtem_110(
    shape=(512, 512), *, net="fcc", rotation=7.0, pixel_size=0.02, dose=50.0, seed=0
):
    """Simulate a high-resolution micrograph of gold along <110> or titanium along <11-20>.

    ``counts ~ Poisson(dose * (0.2 + 0.8 * sum of Gaussian columns))``: every column of atoms is a
    Gaussian where it projects to. In titanium the two columns of a cell stand half its height
    apart, so that 0001 is absent.

    Parameters
    ----------
    shape : tuple of int, default=(512, 512)
        Rows and columns: more of them make the spots of the Fourier transform sharper.
    net : {"fcc", "hcp"}, default="fcc"
        Gold along <110>, or alpha titanium along <11-20>.
    rotation : float, default=7
        Angle in degrees by which the net is turned from width towards height.
    pixel_size : float, default=0.02
        Side of a pixel in nm, up to 0.05: larger shows more of the net with fewer pixels a column.
    dose : float, default=50
        Expected counts a pixel: more makes the noise smaller beside the net.
    seed : int, default=0
        The same seed gives the same counts.

    Returns
    -------
    Scene
        With lattice_vectors (2, 2) of the projected cell in nm; spots (3, 2) of the Fourier
        transform and absent (1, 2), one that is not there, in 1/nm; all as (row, column); and
        spot_names and absent_names.
    """
    shape = as_shape(shape)
    net = as_choice(net, "net", tuple(NETS))
    rotation = as_number(rotation, "rotation", "degrees", least=-180, most=180)
    pixel_size = as_number(pixel_size, "pixel_size", "nm", above=0, most=COLUMN_WIDTH)
    dose = as_dose(dose)
    rng = np.random.default_rng(as_seed(seed))
    known = NETS[net]
    vectors = turned(np.diag(known.sides), rotation)
    reciprocal = np.linalg.inv(vectors).T
    columns = [(0, 0), known.second]
    image = grow_crystal(shape, pixel_size, vectors, columns, [1, 1], COLUMN_WIDTH)
    return record_micrograph(
        "hrtem_110",
        image,
        rng,
        settings={
            "shape": shape,
            "net": net,
            "rotation": rotation,
            "pixel_size": pixel_size,
            "dose": dose,
            "seed": seed,
        },
        lattice_vectors=vectors,
        spot_names=tuple(known.spots),
        spots=np.array(list(known.spots.values())) @ reciprocal,
        absent_names=tuple(known.absent),
        absent=np.array(list(known.absent.values())) @ reciprocal,
    )
