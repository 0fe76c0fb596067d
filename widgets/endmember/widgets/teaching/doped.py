"""A specimen for the course: the portraits' map with nitrogen in a few pixels."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from endmember.core.draw import draw_counts
from endmember.core.elements import edge_onset
from endmember.core.seeds import as_seed
from endmember.datasets import load
from endmember.datasets.eels import edge
from endmember.datasets.scene import Scene
from endmember.datasets.settings import as_count, as_number

SIDE = 64  # rows and columns
MERGED = 2  # channels of 0.5 eV each
WHITE_LINE = (403.0, 3.0, 4.0)  # eV, height over the edge, full width in eV; illustrative


def doped_portraits(n_pixels=40, *, counts=112.7, dose=2000.0, seed=0):
    """Simulate the map of portraits with nitrogen in a few pixels, scattered at random.

    ``counts ~ Poisson(abundances @ endmembers)``: the specimen ``"portrait_edges"`` in its variant
    ``"background"``, with channels of 1 eV. In every chosen pixel nitrogen comes on top of what is
    there. With the same seed, the pixels of fewer, and their counts, are among those of more.

    Parameters
    ----------
    n_pixels : int, default=40
        Pixels that hold nitrogen, of 64 × 64; turning it up makes it easier to find.
    counts : float, default=112.7
        Expected counts of nitrogen in each of them, over the whole edge; illustrative.
    dose : float, default=2000
        Expected counts of everything else in a pixel, on average: turning it up takes noise away.
    seed : int, default=0
        The same seed gives the same pixels and counts.

    Returns
    -------
    Scene
        With endmembers, the last of them nitrogen, abundances, and ``where``, bool of shape
        (64, 64), True in pixels that hold nitrogen.

    Examples
    --------
    >>> import endmember as em
    >>> scene = em.teaching.doped_portraits(4)
    >>> scene.names[-1], int(scene.where.sum())
    ('N', 4)
    """
    n_pixels = as_count(n_pixels, "n_pixels", most=SIDE**2)
    counts = as_number(counts, "counts", "counts a pixel", above=0)
    clean, image = _without_nitrogen(dose, as_seed(seed))
    nitrogen = edge(image.axis, edge_onset("N", "K"), white_lines=[WHITE_LINE])
    nitrogen *= counts / nitrogen.sum()
    rng = np.random.default_rng([seed, 1])  # another one than that of the map without nitrogen
    rows = rng.permutation(SIDE**2)[:n_pixels]
    amounts = np.zeros(SIDE**2)
    amounts[rows] = 1.0
    spectra = np.asarray(image.spectra).astype(np.uint16)
    spectra[rows] += draw_counts(np.tile(nitrogen, (n_pixels, 1)), rng).astype(np.uint16)
    merged = clean.endmembers.reshape(len(clean.endmembers), -1, MERGED).sum(axis=-1)
    settings = {"n_pixels": n_pixels, "counts": counts, "dose": dose, "seed": seed}
    scene = Scene(
        "portrait_edges",
        image.with_counts(spectra.reshape(*image.shape)),
        settings=settings,
        formula="counts ~ Poisson(abundances @ endmembers)",
        endmembers=np.vstack([merged, nitrogen]),
        abundances=np.column_stack([clean.abundances, amounts]),
        names=(*clean.names, "N"),
        where=amounts.reshape(SIDE, SIDE) > 0,
    )
    scene.image.metadata["Sample"]["elements"] = sorted(
        ["N", *image.metadata["Sample"]["elements"]]
    )
    spelled = ", ".join(f"{name}={value!r}" for name, value in settings.items())
    scene.code = f"em.teaching.doped_portraits({spelled})"
    scene.image.code = f"{scene.code}.image"
    return scene


@lru_cache(maxsize=2)  # recordings that differ in nitrogen alone are compared
def _without_nitrogen(dose, seed):
    shape = SIDE, SIDE
    scene = load("portrait_edges", shape=shape, variant="background", dose=dose, seed=seed)
    return scene, scene.image.rebin(MERGED)
