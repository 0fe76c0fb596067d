"""Labels of a map for every rank, and their mean spectra, as the page holds them."""

from __future__ import annotations

import zlib

import numpy as np

from endmember.widgets.map_traits import NO_LABEL, enough, label_colors, label_steps, numbers


def make_label_sets(sets, palette=None, names=None, spectra=None):
    """Return the traits that show labels of every rank, of which the page chooses one."""
    steps, counts = _steps_of_sets(sets)
    common, of_sets = _names_of_sets(names, counts)
    means = {} if spectra is None else _spectra_of_sets(spectra, counts)
    return {
        "shape": steps.shape[1:],
        "label_sets": {**deflated(steps.tobytes()), "n_labels": counts, **of_sets, **means},
        "palette": enough("palette", palette, max(counts), label_colors),
        "names": enough("names", common, max(counts), numbers),
        "max_rank": len(sets),
    }


def _steps_of_sets(sets):
    """Return all maps as bytes, hidden where they are not known, and their numbers of labels."""
    known = {k: label_steps(labels) for k, labels in enumerate(sets) if labels is not None}
    shapes = {steps.shape for steps, _ in known.values()}
    if len(shapes) != 1:
        raise ValueError(
            f"label sets have the shapes {sorted(shapes)}; give at least one map, and all of the "
            "same shape."
        )
    steps = np.full((len(sets), *shapes.pop()), NO_LABEL, dtype=np.uint8)
    counts = [0] * len(sets)
    for k, (labels, n_labels) in known.items():
        steps[k], counts[k] = labels, n_labels
    return steps, counts


def _names_of_sets(names, counts):
    """Tell names that all sets share from those of each set."""
    if names is None or all(isinstance(name, str) for name in names):
        return names, {}
    lists = enough("names", names, len(counts))
    found = [
        enough(f"names of set {rank}", lists[rank - 1], n)[:n] if n else []
        for rank, n in enumerate(counts, 1)
    ]
    return None, {"names": found}


def _spectra_of_sets(spectra, counts):
    """Return the axis and all mean spectra, one set after the other."""
    if not isinstance(spectra, tuple) or len(spectra) != 2:
        raise ValueError(
            f"spectra are {type(spectra).__name__}; give a tuple of the axis and the means of sets."
        )
    axis, means = np.asarray(spectra[0], dtype=np.float64), spectra[1]
    lists = enough("spectra", means, len(counts))
    kept = [_spectra_of(lists[rank - 1], rank, n, axis) for rank, n in enumerate(counts, 1) if n]
    return {"axis": axis.tobytes(), "means": np.concatenate(kept).tobytes()}


def _spectra_of(spectra, rank, n_labels, axis):
    spectra = np.asarray(spectra, dtype=np.float32)
    if spectra.ndim != 2 or len(spectra) < n_labels or spectra.shape[1:] != axis.shape:
        raise ValueError(
            f"spectra of set {rank} have shape {spectra.shape}, but it has {n_labels} labels and "
            f"the axis has shape {axis.shape}; give a row a label, of a value a channel."
        )
    return spectra[:n_labels]


def deflated(maps):
    """Deflate maps by their runs, where that makes them smaller.

    Runs are found ten times as fast as repeats, and maps of noise come out no larger.
    """
    packer = zlib.compressobj(strategy=zlib.Z_RLE)
    small = packer.compress(maps) + packer.flush()
    is_small = len(small) < len(maps)
    return {"maps": small if is_small else maps, "deflated": is_small}
