"""The rectangle of four atoms: its group, its projectors, and the modes that they allow."""

from collections import Counter

import numpy as np
import pytest

import endmember as em
from endmember.datasets.simulators.symmetry import (
    CORNERS,
    OPERATIONS,
    character_table,
    displacement_matrices,
    irrep_projectors,
)

# Table 2 of the lecture (S2), as printed there and in C. D. Sherrill's notes.
PRINTED = {
    "Ag": (1, 1, 1, 1, 1, 1, 1, 1),
    "B1g": (1, 1, -1, -1, 1, 1, -1, -1),
    "B2g": (1, -1, 1, -1, 1, -1, 1, -1),
    "B3g": (1, -1, -1, 1, 1, -1, -1, 1),
    "Au": (1, 1, 1, 1, -1, -1, -1, -1),
    "B1u": (1, 1, -1, -1, -1, -1, 1, 1),
    "B2u": (1, -1, 1, -1, -1, 1, -1, 1),
    "B3u": (1, -1, -1, 1, -1, 1, 1, -1),
}
SIGNS = np.array(list(OPERATIONS.values()))


@pytest.fixture(scope="module")
def scene():
    return em.datasets.load("o4_modes")


def test_the_table_is_the_one_that_the_lecture_prints(scene):
    assert scene.table_irreps == tuple(PRINTED)
    assert scene.operations[:5] == ("E", "C2(z)", "C2(y)", "C2(x)", "i")
    np.testing.assert_array_equal(scene.character_table, list(PRINTED.values()))


def test_rows_and_columns_are_orthogonal():
    table = character_table()
    np.testing.assert_array_equal(table @ table.T, 8 * np.eye(8))
    np.testing.assert_array_equal(table.T @ table, 8 * np.eye(8))


def test_characters_and_matrices_multiply_as_the_operations_do():
    table, matrices = character_table(), displacement_matrices()
    for g in range(8):
        for h in range(8):
            both = np.flatnonzero((SIGNS[g] * SIGNS[h] == SIGNS).all(axis=1)).item()
            np.testing.assert_array_equal(table[:, g] * table[:, h], table[:, both])
            np.testing.assert_array_equal(matrices[g] @ matrices[h], matrices[both])
        np.testing.assert_array_equal(matrices[g] @ matrices[g].T, np.eye(12))


def test_operations_move_atoms_and_turn_their_displacements():
    displaced = np.random.default_rng(0).normal(size=(4, 3))
    for signs, matrix in zip(SIGNS, displacement_matrices(), strict=True):
        moved = (matrix @ displaced.ravel()).reshape(4, 3)
        for corner, displacement in zip(CORNERS, displaced, strict=True):
            there = np.flatnonzero((corner * signs == CORNERS).all(axis=1)).item()
            np.testing.assert_array_equal(moved[there], displacement * signs)


def test_projectors_split_all_displacements():
    projectors = irrep_projectors()
    np.testing.assert_allclose(projectors.sum(axis=0), np.eye(12), atol=1e-15)
    for r, projector in enumerate(projectors):
        for s, other in enumerate(projectors):
            wanted = projector if r == s else np.zeros((12, 12))
            np.testing.assert_allclose(projector @ other, wanted, atol=1e-15)


def test_multiplicities_are_those_of_translations_rotations_and_vibrations(scene):
    table, traces = character_table(), displacement_matrices().trace(axis1=1, axis2=2)
    np.testing.assert_array_equal(traces, [12, 0, 0, 0, 0, 4, 0, 0])  # only σ(xy) moves no atom
    translations = SIGNS.sum(axis=1)
    rotations = SIGNS.prod(axis=1) * translations  # axial vectors
    parts = {"all": traces, "moves": translations, "turns": rotations}
    parts["vibrations"] = traces - translations - rotations
    counts = {
        name: (table @ characters / 8).round().astype(int) for name, characters in parts.items()
    }
    assert counts["all"].tolist() == [2, 2, 1, 1, 1, 1, 2, 2]
    assert counts["moves"].tolist() == [0, 0, 0, 0, 0, 1, 1, 1]
    assert counts["turns"].tolist() == [0, 1, 1, 1, 0, 0, 0, 0]
    assert counts["vibrations"].tolist() == [2, 1, 0, 0, 1, 0, 1, 1]
    np.testing.assert_allclose(irrep_projectors().trace(axis1=1, axis2=2), counts["all"])
    found = Counter(scene.irreps)
    assert [found[name] for name in PRINTED] == counts["vibrations"].tolist()
    assert scene.rigid_irreps == ("B3u", "B2u", "B1u", "B3g", "B2g", "B1g")


def test_modes_and_rigid_motions_are_orthonormal_and_pure(scene):
    whole = np.concatenate([scene.rigid, scene.modes])
    np.testing.assert_allclose(whole @ whole.T, np.eye(12), atol=1e-12)
    for motion, irrep in zip(whole, scene.rigid_irreps + scene.irreps, strict=True):
        characters = character_table()[scene.table_irreps.index(irrep)]
        for character, matrix in zip(characters, displacement_matrices(), strict=True):
            np.testing.assert_allclose(matrix @ motion, character * motion, atol=1e-12)


def test_only_au_leaves_the_plane(scene):
    out = np.abs(scene.modes.reshape(6, 4, 3)[:, :, 2]).max(axis=1) > 1e-12
    assert out.tolist() == [irrep == "Au" for irrep in scene.irreps]


@pytest.mark.parametrize("sides", [(2.64, 1.165), (1.0, 3.0)])
def test_springs_between_all_atoms_vibrate_in_these_modes(sides):
    scene = em.datasets.load("o4_modes", n_clusters=5, sides=sides)
    stiffness = {1: 1.0, 2: 0.3, 3: 1.7}  # of x sides, y sides and diagonals: any will do
    hessian = np.zeros((12, 12))
    for a in range(4):
        for b in range(a):
            apart = scene.equilibrium[a] - scene.equilibrium[b]
            kind = 3 if apart[0] and apart[1] else 1 if apart[0] else 2
            along = np.zeros((4, 3))
            along[a], along[b] = apart, -apart
            unit = along.ravel() / np.linalg.norm(apart)
            hessian += stiffness[kind] * np.outer(unit, unit)
    energies, eigenmodes = np.linalg.eigh(hessian)
    stiff = eigenmodes[:, energies > 1e-9].T
    assert len(stiff) == 5  # springs in a plane do not hold back what leaves it
    overlap = np.abs(stiff @ scene.modes.T)
    for k, irrep in enumerate(scene.irreps):
        if irrep in ("B1g", "B2u", "B3u"):
            assert overlap[:, k].max() == pytest.approx(1.0, abs=1e-9)
        elif irrep == "Ag":  # forces mix the two
            assert np.linalg.norm(overlap[:, k]) == pytest.approx(1.0, abs=1e-9)


def test_pca_finds_the_modes_and_projectors_name_them(scene):
    positions = scene.image - scene.image.mean(axis=0)
    _, sizes, components = np.linalg.svd(positions.astype(float), full_matrices=False)
    spread = sizes / np.sqrt(len(positions))
    wanted = np.hypot(0.1 * 0.8 ** np.arange(6), 0.01)
    np.testing.assert_allclose(spread[:6], wanted, rtol=5 / np.sqrt(2 * len(positions)))
    np.testing.assert_allclose(spread[6:], 0.01, rtol=0.1)
    shares = np.einsum("ki,rij,kj->kr", components[:6], scene.projectors, components[:6])
    named = [scene.table_irreps[r] for r in shares.argmax(axis=1)]
    assert tuple(named) == scene.irreps
    assert shares.max(axis=1).min() > 0.95


def test_positions_are_what_the_formula_says(scene):
    exact = em.datasets.load("o4_modes", noise=0.0)
    displaced = exact.image - exact.equilibrium.ravel()
    np.testing.assert_allclose(displaced, exact.amplitudes @ exact.modes, atol=1e-6)  # float32
    np.testing.assert_array_equal(exact.amplitudes, scene.amplitudes)
    residual = scene.image - scene.equilibrium.ravel() - scene.amplitudes @ scene.modes
    assert residual.std() == pytest.approx(0.01, rel=0.03)
    assert scene.equilibrium[0].tolist() == [1.32, -0.5825, 0.0]


@pytest.mark.parametrize("sides", [1.0, (1.0,), (1.0, -2.0), "long"])
def test_sides_that_are_no_rectangle_are_refused(sides):
    with pytest.raises(ValueError, match="sides"):
        em.datasets.load("o4_modes", sides=sides)
