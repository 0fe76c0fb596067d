"""What a rank leaves in every pixel, and whether neighbours are alike in it."""

from __future__ import annotations

import numpy as np

from endmember.core.metrics import Autocorrelation, residual_autocorrelation
from endmember.core.rank_rules import FEWEST_PIXELS, SURE


def residual_values(pca, scores, norms, rank, residual):
    """Return what a rank leaves in every pixel, noise being 1; or what the next component adds.

    Parameters
    ----------
    pca : PCA
        The fitted components.
    scores, norms : ndarray
        Of its ``noise_units``.
    rank : int
        Components that are taken away.
    residual : {"leading", "all", "next"}
        Whether to look along the next components, in all channels, or along the next component
        alone.

    Returns
    -------
    ndarray of shape (n_pixels,)
        Mean square, in units of the noise; of the next component its signed amount, in standard
        deviations of the noise. NaN in pixels that took no part, and beyond the last component.
    """
    if residual == "next":
        is_there = rank < scores.shape[1]
        left = scores[:, rank].copy() if is_there else np.full(len(scores), np.nan)
    elif residual == "leading":
        n_left = max(1, scores.shape[1] - rank)
        left = (scores[:, rank:] ** 2).sum(axis=1) / (n_left * pca.noise_edge_)
    else:
        n_left = max(1, np.count_nonzero(pca.channel_scale_) - rank)
        left = (norms - (scores[:, :rank] ** 2).sum(axis=1)) / n_left
    left[pca.pixel_scale_ == 0] = np.nan
    return left


def alike_everywhere(map_of, max_rank, residuals, is_stopped):
    """Return how alike neighbouring pixels are in the residual of every rank.

    Parameters
    ----------
    map_of : callable
        Takes a rank and a kind of residual, returns the map.
    max_rank : int
        Highest rank.
    residuals : sequence of str
        Kinds of residuals.
    is_stopped : callable
        Whether nobody waits for the answer any more.

    Returns
    -------
    dict of str to list of Autocorrelation
        From rank 1 up; nothing where it was stopped.
    """
    found: dict[str, list[Autocorrelation]] = {kind: [] for kind in residuals}
    for rank in range(1, max_rank + 1):
        for kind in residuals:
            if is_stopped():
                return {}
            found[kind].append(_alike(map_of(rank, kind)))
    return found


def _alike(values):
    unknown = Autocorrelation(float("nan"), float("nan"))
    if np.count_nonzero(np.isfinite(values)) < FEWEST_PIXELS:
        return unknown
    try:
        return residual_autocorrelation(values)
    except ValueError:  # no two visible pixels touch
        return unknown


def words_of(found: Autocorrelation, residual="leading", further: Autocorrelation | None = None):
    """Say what an autocorrelation means, beside what noise gives.

    Parameters
    ----------
    found : Autocorrelation
        Of one map.
    residual : {"leading", "all", "next"}
        What the map shows.
    further : Autocorrelation, optional
        Of the next component alone: noise of many channels hides it in the other maps.

    Examples
    --------
    >>> from endmember.core.metrics import Autocorrelation
    >>> print(words_of(Autocorrelation(0.218, 0.004)))
    Structure is left: neighbouring pixels are alike (Moran's I 0.218; noise gives 0 ± 0.004).
    """
    if not np.isfinite(found.value + found.stderr) or found.stderr <= 0:
        return "Too few pixels, or none that differ, to tell whether neighbours are alike."
    numbers = f"(Moran's I {found.value:.3f}; noise gives 0 ± {found.stderr:.3f})"
    if _has_structure(found):
        begin = "It has structure" if residual == "next" else "Structure is left"
        return f"{begin}: neighbouring pixels are alike {numbers}."
    if further is not None and residual != "next" and _has_structure(further):
        return (
            f"Structure is left, though this map does not show it {numbers}: the next component "
            f"alone has it (Moran's I {further.value:.3f})."
        )
    return f"No structure is seen: neighbouring pixels are no more alike than noise {numbers}."


def _has_structure(found):
    return bool(found.value > SURE * found.stderr)
