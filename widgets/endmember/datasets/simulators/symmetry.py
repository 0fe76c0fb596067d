"""Clusters of four atoms that vibrate: what the symmetry of a rectangle allows them to do."""

from __future__ import annotations

import numpy as np

from endmember.core.axes import Axis
from endmember.core.seeds import as_seed
from endmember.datasets.scene import Scene
from endmember.datasets.settings import as_count, as_number

# D2h: each operation turns over some of x, y, z; each irrep is named for a product of coordinates
# that goes into itself or its negative. Z is the principal axis; the atoms lie in the plane z = 0.
OPERATIONS = {
    "E": (1, 1, 1),
    "C2(z)": (-1, -1, 1),
    "C2(y)": (-1, 1, -1),
    "C2(x)": (1, -1, -1),
    "i": (-1, -1, -1),
    "σ(xy)": (1, 1, -1),
    "σ(xz)": (1, -1, 1),
    "σ(yz)": (-1, 1, 1),
}
IRREPS = {  # powers of x, y, z in that product
    "Ag": (0, 0, 0),
    "B1g": (1, 1, 0),
    "B2g": (1, 0, 1),
    "B3g": (0, 1, 1),
    "Au": (1, 1, 1),
    "B1u": (0, 0, 1),
    "B2u": (0, 1, 0),
    "B3u": (1, 0, 0),
}
CORNERS = np.array([[1, -1, 0], [1, 1, 0], [-1, 1, 0], [-1, -1, 0]])  # of the rectangle, in turn
COORDINATES = tuple(f"{axis}{atom}" for atom in range(1, 5) for axis in "xyz")
FALLING = 0.8  # amplitude of each mode in that of the one before it; illustrative


def simulate_o4_modes(n_clusters=2000, *, sides=(2.64, 1.165), amplitude=0.1, noise=0.01, seed=0):
    """Simulate rectangles of four atoms, each caught at random amplitudes of its six vibrations.

    ``positions = equilibrium + amplitudes @ modes + noise``. The modes follow from symmetry alone:
    operators of the point group D2h project the twelve displacements onto its eight irreps, and
    translations and rotations are taken out. The atoms lie in the plane z = 0, the long side along
    x, in the order (+, -), (+, +), (-, +), (-, -).

    Parameters
    ----------
    n_clusters : int, default=2000
        How many clusters are recorded.
    sides : tuple of float, default=(2.64, 1.165)
        Sides of the rectangle along x and y, in Å: by default those of O4+.
    amplitude : float, default=0.1
        Standard deviation of the amplitude of the first mode in Å; each of the next has 0.8 of
        the one before.
    noise : float, default=0.01
        Standard deviation of every recorded coordinate in Å.
    seed : int, default=0
        The same seed gives the same positions.

    Returns
    -------
    Scene
        Its image holds positions in Å, one row a cluster, in the order x1, y1, z1, x2 to z4. The
        truth holds ``equilibrium`` (4, 3) in Å; ``modes`` (6, 12), orthonormal, with their
        ``irreps``; ``amplitudes`` (n_clusters, 6) in Å; ``rigid`` (6, 12), translations and
        rotations, with ``rigid_irreps``; ``operations``, ``table_irreps`` and the
        ``character_table`` (8, 8); and ``projectors`` (8, 12, 12), in the order of the table.
    """
    n_clusters = as_count(n_clusters, "n_clusters")
    sides = as_sides(sides)
    amplitude = as_number(amplitude, "amplitude", "Å", least=0)
    noise = as_number(noise, "noise", "Å", least=0)
    rng = np.random.default_rng(as_seed(seed))
    equilibrium = CORNERS * np.array([*sides, 0.0]) / 2
    projectors = irrep_projectors()
    rigid = rigid_motions(equilibrium)
    modes, irreps = vibrations(projectors, rigid)
    sizes = amplitude * FALLING ** np.arange(len(modes))
    amplitudes = sizes * rng.standard_normal((n_clusters, len(modes)))
    displaced = amplitudes @ modes + noise * rng.standard_normal((n_clusters, 12))
    return Scene(
        "o4_modes",
        (equilibrium.ravel() + displaced).astype(np.float32),
        settings={
            "n_clusters": n_clusters,
            "sides": sides,
            "amplitude": amplitude,
            "noise": noise,
            "seed": seed,
        },
        formula="positions = equilibrium + amplitudes @ modes + noise",
        names=irreps,
        axes=(Axis.uniform(n_clusters, name="cluster"), Axis.uniform(12, name="coordinate")),
        equilibrium=equilibrium,
        modes=modes,
        irreps=irreps,
        amplitudes=amplitudes,
        rigid=rigid,
        rigid_irreps=tuple(irrep_of(motion, projectors) for motion in rigid),
        operations=tuple(OPERATIONS),
        table_irreps=tuple(IRREPS),
        character_table=character_table(),
        projectors=projectors,
        coordinates=COORDINATES,
    )


def as_sides(sides):
    """Return the sides of a rectangle in Å as two numbers above 0."""
    is_pair = isinstance(sides, (tuple, list)) and len(sides) == 2
    if not is_pair:
        raise ValueError(f"sides is {sides!r}; expected two lengths in Å, as (2.64, 1.165).")
    return tuple(as_number(side, "each of sides", "Å", above=0) for side in sides)


def character_table():
    """Return the characters of D2h, irreps by operations, from what they do to x, y and z.

    Examples
    --------
    >>> from endmember.datasets.simulators.symmetry import character_table
    >>> character_table()[1]
    array([ 1,  1, -1, -1,  1,  1, -1, -1])
    """
    signs = np.array(list(OPERATIONS.values()))
    powers = np.array(list(IRREPS.values()))
    return np.prod(signs[None] ** powers[:, None], axis=2)


def displacement_matrices():
    """Return what every operation does to the twelve displacements, shape (8, 12, 12).

    It carries each atom to another corner, and turns over some coordinates of its displacement.
    """
    matrices = []
    for signs in OPERATIONS.values():
        goes_to = (CORNERS * signs)[:, None] == CORNERS[None]
        carries = goes_to.all(axis=2).T.astype(float)  # from column to row
        matrices.append(np.kron(carries, np.diag(signs)))
    return np.stack(matrices)


def irrep_projectors():
    """Return the projector of every irrep, ``sum(character * matrix) / 8``, shape (8, 12, 12)."""
    return np.einsum("rg,gij->rij", character_table(), displacement_matrices()) / len(OPERATIONS)


def rigid_motions(equilibrium):
    """Return three translations and three rotations about the axes, orthonormal, (6, 12)."""
    axes = np.eye(3)
    moves = [np.tile(axis, len(equilibrium)) for axis in axes]
    turns = [np.cross(axis, equilibrium).ravel() for axis in axes]
    motions = np.array([*moves, *turns])
    return motions / np.linalg.norm(motions, axis=1, keepdims=True)


def vibrations(projectors, rigid):
    """Return orthonormal modes and their irreps: what projectors make of atom 1, less rigid motion.

    Symmetry fixes a mode where its irrep holds one. Of two in the same irrep it fixes their plane:
    here the first stretches x, the second y.
    """
    modes: list[np.ndarray] = []
    irreps = []
    for name, projector in zip(IRREPS, projectors, strict=True):
        for displaced in projector[:, :3].T:  # atom 1 along x, y, z
            taken = np.array([*rigid, *modes])
            left = displaced - displaced @ taken.T @ taken
            if np.linalg.norm(left) > 1e-6:
                modes.append(left / np.linalg.norm(left))
                irreps.append(name)
    return np.array(modes), tuple(irreps)


def irrep_of(motion, projectors):
    """Return the irrep that holds most of a displacement of shape (12,)."""
    shares = np.einsum("i,rij,j->r", motion, projectors, motion)
    return list(IRREPS)[int(shares.argmax())]
