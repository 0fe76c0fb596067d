"""The maps that the rows work on, each written once into a folder, and their description."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

NEEDLE_DOSE = 17.0  # counts a pixel that sees the needle: 7 on average over the map
OMPHACITE_DOSE = 300.0  # counts a pixel: about 140 channels of each hold some
BLOCK = 2**23  # numbers that are unpacked at once: 64 MB


def needle(folder, quick):
    """Write one tilt of the needle, sparse; return the file."""
    import endmember as em

    shape, n_channels = ((83, 62), 450) if quick else ((165, 124), 900)
    path = folder / "needle.npz"
    if not path.exists():
        tilts = em.datasets.stream_nicr_needle(
            shape, n_tilts=2, n_channels=n_channels, dose=NEEDLE_DOSE
        )
        sp.save_npz(path, next(iter(tilts)).counts, compressed=False)
    return path


def omphacite(folder, quick):
    """Write the jadeite stone, sparse; return the file."""
    import endmember as em

    shape, n_channels = ((64, 96), 391) if quick else ((384, 512), 1564)
    path = folder / "omphacite.npz"
    if not path.exists():
        scene = em.datasets.load(
            "omphacite", shape=shape, n_channels=n_channels, dose=OMPHACITE_DOSE
        )
        sp.save_npz(path, scene.image.spectra, compressed=False)
    return path


def stack(folder, quick):
    """Write all tilts of the needle as bytes, dense; return the file."""
    import endmember as em

    path = folder / "stack.npy"
    if not path.exists():
        small = {"shape": (41, 31), "n_tilts": 13, "n_channels": 300} if quick else {}
        em.datasets.save_nicr_needle(path, dose=NEEDLE_DOSE, **small)
    return path


def edges(folder, quick):
    """Write the map of EELS edges, dense; return the file."""
    import endmember as em

    path = folder / "edges.npy"
    if not path.exists():
        side = 24 if quick else 134
        np.save(path, em.datasets.load("portrait_edges", shape=(side, side)).image.spectra)
    return path


def load_counts(path):
    """Return counts as they were written: CSR of small whole numbers, or dense."""
    return np.load(path) if path.suffix == ".npy" else sp.csr_array(sp.load_npz(path))


def blocks(counts):
    """Yield the rows of CSR or mapped counts in dense blocks of float64."""
    step = max(1, BLOCK // counts.shape[1])
    for start in range(0, counts.shape[0], step):
        block = counts[start : start + step]
        yield (block.toarray() if sp.issparse(block) else block).astype(np.float64)


def describe(counts):
    """Return what there is to say about counts."""
    n_pixels, n_channels = counts.shape
    held = counts.nnz if sp.issparse(counts) else sum(np.count_nonzero(b) for b in blocks(counts))
    form = "CSR" if sp.issparse(counts) else "dense"
    mean = counts.sum(dtype=np.float64) / n_pixels
    return (
        f"{n_pixels:,} pixels x {n_channels:,} channels of {counts.dtype}, {form}, {mean:.3g} "
        f"counts a pixel in {held / n_pixels:.3g} channels"
    )
