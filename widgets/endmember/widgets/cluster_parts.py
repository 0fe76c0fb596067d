"""Parts of a cluster tuner that follow its map in the page: table, silhouettes, words, links."""

from __future__ import annotations

from pathlib import Path

import anywidget
import numpy as np
import traitlets as tl
from ipywidgets import Widget, widget_serialization

from endmember.widgets.map_traits import LABEL_COLORS, NO_LABEL
from endmember.widgets.map_view import Hearing

HERE = Path(__file__).parent
N_POINTS = 120  # of a silhouette, however many pixels it has
N_STEPS = 300  # of a band along the axis, however many channels it has


def script(name):
    """Return a script and what it shares with the others, as one module."""
    files = ("cluster_parts.js", name)
    return "\n".join((HERE / file).read_text(encoding="utf-8") for file in files)


class Follower(Hearing, anywidget.AnyWidget):
    """Something that follows a map of clusters in the page.

    Parameters
    ----------
    map_view : MapView
        Its rank is the number of clusters.
    """

    _css = HERE / "cluster_parts.css"

    map = tl.Instance(Widget).tag(sync=True, **widget_serialization)
    palette = tl.List(tl.Unicode(), list(LABEL_COLORS)).tag(sync=True)

    def __init__(self, map_view, **traits):
        super().__init__(map=map_view, **traits)


class ClusterTable(Follower):
    """Clusters with their names, pixels and ratios, for every number of them.

    Attributes
    ----------
    names : list of str
        Names of the clusters, which a person may change.
    heads : list of str
        What stands over the columns.
    rows : list of list of list of str
        Cells behind the name: of each cluster, for 1, 2, ... clusters.
    """

    _esm = script("cluster_table.js")

    names = tl.List(tl.Unicode()).tag(sync=True)
    heads = tl.List(tl.Unicode()).tag(sync=True)
    rows: tl.List = tl.List().tag(sync=True)


class Silhouettes(Follower):
    """Silhouettes of every cluster, for every number of them.

    Attributes
    ----------
    sets : dict
        Packed by :meth:`show`.
    """

    _esm = script("cluster_silhouettes.js")

    sets = tl.Dict().tag(sync=True)

    def show(self, every):
        """Show the silhouettes of 1, 2, ... clusters: of each a list with those of its clusters.

        Parameters
        ----------
        every : list of list of ndarray
            Silhouettes of every cluster, highest first; an empty list where there are none.
        """
        every = [each or [] for each in every]
        shares: list = [_shares(each) for each in every]
        starts = np.cumsum([0] + [N_POINTS * len(each) for each in every])[:-1]
        curves = [_thinned(one) for each in every for one in each]
        values = np.concatenate(curves) if curves else np.empty(0)
        self.sets = {
            "values": values.astype(np.float32).tobytes(),
            "starts": starts.tolist(),
            "shares": shares,
            "n_points": N_POINTS,
        }


def _shares(silhouettes):
    """Return the shares of all pixels, and the means; None where there are no silhouettes."""
    total = sum(each.size for each in silhouettes)
    if not total:
        return None
    means = [float(each.mean()) if each.size else 0.0 for each in silhouettes]
    return {"shares": [each.size / total for each in silhouettes], "means": means}


def _thinned(silhouettes):
    if not silhouettes.size:
        return np.zeros(N_POINTS)
    return silhouettes[np.linspace(0, silhouettes.size - 1, N_POINTS).round().astype(int)]


class PlaneWords(Follower):
    """Words for the place in a plane of two features that a pointer or the keyboard is at.

    Attributes
    ----------
    sides : list of dict
        ``name``, ``unit``, ``low`` and ``high`` of the features, the one across first; how many
        steps they have (``n``) on how many cells of the plane (``cells``).
    """

    _esm = script("cluster_words.js")

    plane = tl.Instance(Widget).tag(sync=True, **widget_serialization)
    sides = tl.List(tl.Dict()).tag(sync=True)
    counts = tl.Bytes().tag(sync=True)
    labels = tl.Bytes().tag(sync=True)

    def show(self, sides, density, maps):
        """Show other features: how many pixels each cell holds, and the cluster of most of them.

        Parameters
        ----------
        sides : list of dict
            The features.
        density : ndarray of shape (rows, columns)
            Pixels in every cell; NaN for none.
        maps : list of ndarray of int, shape (rows, columns), or None
            Cluster of most of them for 1, 2, ... clusters; -1 for none.
        """
        maps = [labels for labels in maps if labels is not None]
        steps = [np.where(labels < 0, NO_LABEL, labels).astype(np.uint8) for labels in maps]
        with self.hold_sync():
            self.sides = sides
            self.counts = np.nan_to_num(density).astype("<u4").tobytes()
            self.labels = np.array(steps, dtype=np.uint8).tobytes()


class ClusterLinks(Follower):
    """Nothing to see: bands, code and the curve of a tuner follow its map in the page.

    Attributes
    ----------
    bands_of : dict
        Packed by :meth:`show`.
    codes : list of str
        The code for 1, 2, ... clusters.
    of_python : list of Widget
        What a page without Python hides.
    """

    _esm = script("cluster_links.js")

    bands = tl.Instance(Widget).tag(sync=True, **widget_serialization)
    code = tl.Instance(Widget).tag(sync=True, **widget_serialization)
    points = tl.Instance(Widget).tag(sync=True, **widget_serialization)
    plane = tl.Instance(Widget).tag(sync=True, **widget_serialization)
    of_python: tl.List = tl.List(tl.Instance(Widget)).tag(sync=True, **widget_serialization)
    bands_of = tl.Dict().tag(sync=True)
    codes = tl.List(tl.Unicode()).tag(sync=True)

    def show(self, axis, every):
        """Draw bands of two standard errors around the mean spectra of 1, 2, ... clusters.

        Parameters
        ----------
        axis : ndarray of shape (n_channels,)
            In its unit.
        every : list of MeanSpectra or None
            For 1, 2, ... clusters; None where they are not known yet.
        """
        starts = np.unique(np.linspace(0, axis.size, N_STEPS + 1).astype(int))[:-1]
        bands = [_bands(found, starts) for found in every if found]
        along = axis[starts].astype(np.float64)
        along[-1] = axis[-1]
        self.bands_of = {
            "n_labels": [len(found.means) if found else 0 for found in every],
            "x": np.concatenate([along, along[::-1]]).tobytes(),
            "y": np.concatenate(bands).astype(np.float32).tobytes() if bands else b"",
        }


def _bands(found, starts):
    """Return the outline of every band, along its lower edge and back along its upper one."""
    means, errors = np.nan_to_num(found.means), 2 * np.nan_to_num(found.stderr_scatter)
    low = np.minimum.reduceat(means - errors, starts, axis=1)
    high = np.maximum.reduceat(means + errors, starts, axis=1)
    return np.concatenate([low, high[:, ::-1]], axis=1)
