"""A mixture at several doses: what was counted and expected in every pixel."""

from __future__ import annotations

import numpy as np

from endmember.core.seeds import as_seed
from endmember.datasets.scene import Scene

DOSES = (10, 50, 200, 1_000, 10_000)  # counts a pixel
MOST_NUMBERS = 1 << 20  # of all recordings together: the page holds them
MOST_WINDOWS = 64  # that the slider of channels steps through


class Mixing:
    """Recordings of one mixture at several doses, and what they were drawn about.

    ``counts ~ Poisson(dose * model)`` with ``model = abundances @ endmembers``, scaled to one count
    a pixel on average. Each recording goes on where the one before it stopped, as a detector does.

    Parameters
    ----------
    scene : Scene
        A small map with endmembers and abundances.
    doses : sequence of float, default=(10, 50, 200, 1000, 10000)
        Expected counts a pixel on average, rising; more makes noise smaller beside the model.
    seed : int, default=0
        The same seed gives the same counts.

    Attributes
    ----------
    counts : ndarray of shape (n_doses, n_pixels, n_channels)
        Recorded counts.
    parts : ndarray of shape (n_pixels, n_components, n_channels)
        What every endmember gives to a pixel, in expected counts at a dose of one.
    model : ndarray of shape (n_pixels, n_channels)
        Their sum.
    windows : list of slice
        Channels that a map is summed over, all of them first.

    Raises
    ------
    ValueError
        Where the scene is no mixture, is too large for a page, or the doses do not rise.

    Examples
    --------
    >>> import endmember as em
    >>> from endmember.widgets.teaching.mixing_state import Mixing
    >>> mixing = Mixing(em.datasets.load("mixture", shape=(6, 8)), doses=(5, 500))
    >>> mixing.counts.shape, mixing.map(1).shape
    ((2, 48, 64), (6, 8))
    """

    def __init__(self, scene, *, doses=DOSES, seed=0):
        _check_scene(scene, len(doses))
        self.doses = np.asarray(doses, dtype=float)
        steps = np.diff(self.doses, prepend=0)
        if self.doses.ndim != 1 or not (steps > 0).all() or not np.isfinite(steps).all():
            raise ValueError(f"doses are {list(doses)}; give rising numbers of counts above 0.")
        self.scene, self.image = scene, scene.image
        parts = scene.abundances[:, :, None] * scene.endmembers
        self.parts = parts / parts.sum(axis=(1, 2)).mean()
        self.model = self.parts.sum(axis=1)
        rng = np.random.default_rng(as_seed(seed))
        new = rng.poisson(steps[:, None, None] * self.model)
        self.counts = new.cumsum(axis=0)
        width = -(-self.image.n_channels // MOST_WINDOWS)
        starts = range(0, self.image.n_channels, width)
        self.windows = [slice(None), *(slice(start, start + width) for start in starts)]

    @property
    def names(self):
        """What the endmembers are called."""
        n_components = self.parts.shape[1]
        return list(self.scene.names) or [f"spectrum {k + 1}" for k in range(n_components)]

    def map(self, step, window=0):
        """Return the counts of a recording in one of the windows, as a map."""
        counts = self.counts[step][:, self.windows[window]].sum(axis=1)
        return self.image.fold(counts)

    def window_name(self, window):
        """Say which channels a window holds."""
        if window == 0:
            return "all channels"
        values = self.image.axis[self.windows[window]]
        ends = " to ".join(f"{value:g}" for value in np.unique(values[[0, -1]]))
        return f"{ends} {self.image.unit}" if self.image.unit else f"{self.image.name} {ends}"


def _check_scene(scene, n_doses):
    if not isinstance(scene, Scene):
        raise TypeError(f"scene is {type(scene).__name__}; pass what em.datasets.load returns.")
    if scene.endmembers is None or scene.abundances is None:
        raise ValueError(f"{scene.name} has no endmembers and abundances; load a mixture.")
    shape = scene.image.shape
    n_numbers = n_doses * np.prod(shape)
    if len(shape) != 3 or n_numbers > MOST_NUMBERS:
        raise ValueError(
            f"the scene has shape {shape}, which is {n_numbers:,} counts at {n_doses} doses; a "
            f"page holds {MOST_NUMBERS:,} of a map. Load it with a smaller shape, or give fewer "
            "doses."
        )
