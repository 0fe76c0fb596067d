"""A silicon atom in graphene, frame after frame: four classes of neighbourhood, a Markov chain."""

from __future__ import annotations

import numpy as np

from endmember.core.axes import Axis
from endmember.core.draw import draw_counts
from endmember.core.seeds import as_seed
from endmember.datasets.scene import Scene
from endmember.datasets.settings import as_count, as_number

C_C = 0.142  # nm, graphene: pybinding's constants, a_cc
SI_C = 0.175  # nm, silicon to the nearest carbon where it takes the place of one; illustrative
PROBE = 0.035  # nm, standard deviation of an atom in a frame; illustrative
BRIGHTNESS = (14 / 6) ** 1.7  # of silicon against carbon, a power of Z; illustrative
SPARE = 6  # atoms beyond the recorded ones that noise may bring nearer than those
NAMES = ("threefold", "fourfold", "edge, twofold", "edge, threefold")
# From row to column, a frame; illustrative.
TRANSITIONS = np.array(
    [
        (0.90, 0.06, 0.01, 0.03),
        (0.15, 0.80, 0.03, 0.02),
        (0.02, 0.03, 0.75, 0.20),
        (0.06, 0.02, 0.22, 0.70),
    ]
)


def simulate_silicon_in_graphene(
    *, n_traces=40, n_frames=50, n_neighbours=12, jitter=0.005, dose=100.0, seed=0
):
    """Simulate where the carbon atoms around a silicon atom are found, frame after frame.

    ``P(next class | class) = transition_matrix[class, next class]``, and every neighbourhood is
    ``R(angle) @ template[class] + jitter + width / sqrt(counts) · noise`` with
    ``counts ~ Poisson(dose)`` for every atom: the best that an atom of that many counts can be
    located.

    Parameters
    ----------
    n_traces : int, default=40
        Movies, each of one silicon atom and at one angle of the lattice.
    n_frames : int, default=50
        Frames of every movie: more makes estimates from one movie less biased.
    n_neighbours : int, default=12
        Carbon atoms recorded in every frame, the nearest ones, from 3 to 18.
    jitter : float, default=0.005
        Standard deviation of every coordinate of every atom, in nm, up to 0.05.
    dose : float, default=100
        Expected counts of a carbon atom in a frame; silicon has four times as many.
    seed : int, default=0
        The same seed gives the same movies.

    Returns
    -------
    Scene
        Whose image has a row for every frame, movie after movie, and in it the row and column in nm
        of every neighbour from the silicon atom, the nearest first. With positions (all frames,
        n_neighbours, 2), the same without noise; classes and angles in degrees (n_traces,
        n_frames); transition_matrix (4, 4) and stationary (4,); templates (4, n_atoms, 2) in nm;
        and labels, the classes in one row.

    Examples
    --------
    >>> import endmember as em
    >>> scene = em.datasets.load("silicon_in_graphene", n_traces=3, n_frames=10)
    >>> scene.image.shape, scene.classes.shape
    ((30, 24), (3, 10))
    """
    n_traces = as_count(n_traces, "n_traces")
    n_frames = as_count(n_frames, "n_frames")
    n_neighbours = as_count(n_neighbours, "n_neighbours", least=3, most=18)
    jitter = as_number(jitter, "jitter", "nm", least=0, most=0.05)
    dose = as_number(dose, "dose", "counts a carbon atom", above=0)
    rng = np.random.default_rng(as_seed(seed))
    stationary = stationary_shares(TRANSITIONS)
    classes = _chains(TRANSITIONS, stationary, n_traces, n_frames, rng)
    angles = _angles(classes, rng)
    templates = np.stack([_template(kind)[: n_neighbours + SPARE] for kind in range(len(NAMES))])
    exact = _turned(templates[classes.ravel()], angles.ravel())
    positions, recorded = _nearest(exact, _located(exact, jitter, dose, rng), n_neighbours)
    return Scene(
        "silicon_in_graphene",
        recorded.reshape(classes.size, -1).astype(np.float32),
        settings={
            "n_traces": n_traces,
            "n_frames": n_frames,
            "n_neighbours": n_neighbours,
            "jitter": jitter,
            "dose": dose,
            "seed": seed,
        },
        formula="P(next | now) = T[now, next]; "
        "recorded = R(angle) @ template[class] + jitter + width / √counts, counts ~ Poisson(dose)",
        labels=classes.ravel(),
        names=NAMES,
        axes=(
            Axis.uniform(classes.size, name="frame"),
            Axis.uniform(2 * n_neighbours, name="coordinate"),
        ),
        positions=positions,
        classes=classes,
        angles=angles,
        transition_matrix=TRANSITIONS,
        stationary=stationary,
        templates=templates,
    )


def stationary_shares(transitions):
    """Return the share of time that a chain spends in every class: ``shares @ T = shares``."""
    n = len(transitions)
    equations = np.vstack([transitions.T - np.eye(n), np.ones(n)])
    return np.linalg.lstsq(equations, np.append(np.zeros(n), 1.0), rcond=None)[0]


def _chains(transitions, start, n_traces, n_frames, rng):
    """Draw the class of every frame of every movie; the first from the stationary shares."""
    draws = rng.random((n_frames, n_traces))
    edges = np.cumsum(transitions, axis=1)[:, :-1]
    classes = np.empty((n_frames, n_traces), dtype=np.int64)
    classes[0] = np.searchsorted(np.cumsum(start)[:-1], draws[0], side="right")
    for t in range(1, n_frames):
        classes[t] = (draws[t, :, None] >= edges[classes[t - 1]]).sum(axis=1)
    return classes.T


def _angles(classes, rng):
    """Angle of every frame: that of the movie's lattice, and a sixth of a turn at any change."""
    lattice = 360 * rng.random((len(classes), 1))
    changes = np.diff(classes, axis=1, prepend=-1) != 0
    turns = np.cumsum(changes * rng.integers(0, 6, classes.shape), axis=1) % 6
    return (lattice + 60.0 * turns) % 360


def _template(kind):
    """Carbon about a silicon atom at the origin, as (row, column) in nm, the nearest first."""
    carbon = _honeycomb()
    if NAMES[kind] == "fourfold":  # silicon in the middle of two atoms that are missing
        carbon = carbon - np.array([C_C / 2, 0])
        carbon = carbon[np.linalg.norm(carbon, axis=1) > 0.6 * C_C]
    else:
        carbon = carbon[np.linalg.norm(carbon, axis=1) > 0.1 * C_C]
    step = C_C * np.sqrt(0.75)  # between the lines of atoms along an armchair edge
    nearest_line = {"edge, twofold": -0.5, "edge, threefold": -1.5}.get(NAMES[kind], -np.inf)
    carbon = carbon[carbon[:, 1] > nearest_line * step]
    away = np.linalg.norm(carbon, axis=1)
    carbon[away < 1.2 * C_C] *= SI_C / C_C
    return carbon[np.argsort(away.round(9), kind="stable")]


def _honeycomb(reach=5):
    """Atoms of graphene, one at the origin, one of its bonds along the rows' direction."""
    one, other = C_C * np.array([(1.5, np.sqrt(0.75)), (1.5, -np.sqrt(0.75))])
    cells = np.indices((2 * reach + 1,) * 2).reshape(2, -1).T - reach
    corners = cells @ np.stack([one, other])
    return np.concatenate([corners, corners + np.array([C_C, 0])])


def _turned(atoms, angles):
    """Turn every frame's atoms (n_frames, n_atoms, 2) by its angle in degrees."""
    cosine, sine = np.cos(np.radians(angles))[:, None], np.sin(np.radians(angles))[:, None]
    row, column = atoms[..., 0], atoms[..., 1]
    return np.stack([cosine * row - sine * column, sine * row + cosine * column], axis=-1)


def _located(exact, jitter, dose, rng):
    """Where the atoms are found, from where silicon is found; each as well as its counts allow."""
    n_frames, n_atoms, _ = exact.shape
    brightness = np.append(np.ones(n_atoms), BRIGHTNESS)  # the last one is silicon
    counts = draw_counts(np.broadcast_to(dose * brightness, (n_frames, n_atoms + 1)), rng)
    blur = np.sqrt(jitter**2 + PROBE**2 / np.maximum(counts, 1))
    errors = blur[..., None] * rng.normal(size=(n_frames, n_atoms + 1, 2))
    return exact + errors[:, :-1] - errors[:, -1:]


def _nearest(exact, found, n_neighbours):
    """Keep the atoms of every frame that are found nearest to silicon, in that order."""
    order = np.argsort((found**2).sum(axis=-1), axis=1, kind="stable")[:, :n_neighbours, None]
    return np.take_along_axis(exact, order, axis=1), np.take_along_axis(found, order, axis=1)
