"""Clusters of one map at many doses: what they report of two lines, and what is left of it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import traitlets as tl
from sklearn.utils.validation import check_scalar

from endmember.core.cluster_features import cluster_features
from endmember.core.cluster_recipe import spelled
from endmember.core.kmeans import KMeans
from endmember.core.metrics import adjusted_rand_index
from endmember.core.seeds import as_seed
from endmember.core.sources import as_spectrum_image
from endmember.core.thinning import thin
from endmember.datasets.scene import Scene
from endmember.widgets.map_traits import LABEL_COLORS

LEAST = 4  # counts a pixel, of the second line: where the lecture begins, or nearly so


class DoseState(tl.HasTraits):
    """Everything that a :class:`DoseTuner` shows, without a widget.

    The map is thinned down to each dose, as if the microscope had stopped earlier. There k-means
    divides the pixels by their counts in two lines, once all of them and once one half, whose
    clusters are read in the other half.

    Parameters
    ----------
    data, lines, doses, n_clusters, seed
        As of :class:`DoseTuner`.

    Attributes
    ----------
    dose : int
        Which of the doses is looked at, from 0.
    is_ordered : bool
        Whether clusters are numbered by their ratio, the lowest first; otherwise as k-means numbers
        them, the largest first.
    is_held_out : bool
        Whether the ratios of the other half are looked at as well.
    doses : tuple of float
        Mean counts a pixel in the second line.
    counts : list of ndarray of shape (n_pixels, 2)
        Whole counts in both lines at each dose.
    agreement : ndarray of shape (n_doses,)
        Adjusted Rand index between the clusters of all counts and the truth; NaN without one.
    true_ratios : ndarray
        Ratio of the lines in each region of the truth, in all that was recorded; empty without one.

    Examples
    --------
    >>> import endmember as em
    >>> from endmember.widgets.teaching.dose_state import DoseState
    >>> scene = em.datasets.load("iron_oxides", shape=(64, 64), dose=23_000)
    >>> state = DoseState(scene, doses=[4, 8192])
    >>> state.found(0).round(1), state.held_out(0).round(1)
    (array([0.5, 1.1]), array([0.7, 0.7]))
    """

    dose = tl.Int(0, min=0)
    is_ordered = tl.Bool(True)
    is_held_out = tl.Bool(False)

    def __init__(self, data, *, lines=None, doses=None, n_clusters=2, seed=0):
        is_scene = isinstance(data, Scene)
        self.image = as_spectrum_image(data.image if is_scene else data)
        self.shape = (1, *self.image.navigation_shape)[-2:]
        self.lines = _as_lines(data, lines)
        check_scalar(n_clusters, "n_clusters", int, min_val=2, max_val=len(LABEL_COLORS))
        self.n_clusters, self.seed = n_clusters, as_seed(seed)
        full = cluster_features(self.image, "lines", lines=self.lines)
        self._recorded = float(full[:, 1].mean())
        self.doses = _as_doses(doses, self._recorded, self.names[1])
        self.counts = [self._thinned(full, i) for i in range(len(self.doses))]
        self._cluster(_truth_of(data, self.image) if is_scene else None)
        truth = self._truth
        self.true_ratios = np.zeros(0) if truth is None else ratios(full, truth, truth.max() + 1)
        super().__init__()

    @property
    def names(self):
        """Names of the two lines, of which the first stands above."""
        return tuple(self.lines)

    def of_all(self, make):
        """Make something of every dose, once with clusters as found and once by their ratio."""
        return [[make(i, ordered) for ordered in (False, True)] for i in range(len(self.doses))]

    def labels(self, dose=None, is_ordered=None):
        """Return the cluster of every visible pixel, from all counts, shape (n_pixels,)."""
        return self._chosen(self._labels, dose, is_ordered)

    def label_map(self, dose=None, is_ordered=None):
        """Return the same as a map of shape (rows, columns), -1 where pixels are hidden."""
        folded = self.image.fold(self.labels(dose, is_ordered).astype(float))
        return np.nan_to_num(folded, nan=-1).astype(int).reshape(self.shape)

    def found(self, dose=None, is_ordered=None):
        """Return the ratio of the lines in each cluster, in the counts that were clustered."""
        labels = self.labels(dose, is_ordered)
        return ratios(self.counts[self._at(dose)], labels, self.n_clusters)

    def held_out(self, dose=None, is_ordered=None):
        """Return the ratio in each cluster of one half of the counts, in the other half."""
        labels = self._chosen(self._half_labels, dose, is_ordered)
        return ratios(self._halves[self._at(dose)], labels, self.n_clusters)

    def to_rows(self):
        """Return a dictionary for each dose, as ``pandas.DataFrame(rows)`` takes them."""
        return [
            {
                "dose": self.doses[i],
                "found": self.found(i),
                "held_out": self.held_out(i),
                "agreement": float(self.agreement[i]),
            }
            for i in range(len(self.doses))
        ]

    def to_code(self, dose=None):
        """Return the lines that find the clusters of a dose, and read them, without a widget."""
        i = self._at(dose)
        above, below = map(spelled, self.names)
        kept = "counts = features"
        if self._share(i) < 1:
            share = f"{self.doses[i]:g} / features[:, 1].mean()"
            kept = f"counts, _ = em.thin(features, {share}, seed={self._seed(i)})"
        lines = [
            "import endmember as em",
            "",
            f"image = {self.image.code}",
            f'features = em.cluster_features(image, "lines", lines={spelled(self.lines)})',
            kept,
            f"labels = em.KMeans({self.n_clusters}).fit(counts).labels_",
            f"half, other = em.thin(counts, 0.5, seed={self._seed(i) + 1})",
            f"of_half = em.KMeans({self.n_clusters}).fit(half).labels_",
            f"for k in range({self.n_clusters}):  # {above} to {below}",
            "    for read, clusters in [(counts, labels), (other, of_half)]:",
            "        above, below = read[clusters == k].sum(axis=0)",
            "        print(k, above / below)",
        ]
        return "\n".join(lines)

    # work

    def _seed(self, i):
        """Seeds that no two thinnings share: their draws would not be independent."""
        return self.seed + 2 * i

    def _share(self, i):
        return min(1.0, self.doses[i] / self._recorded)

    def _thinned(self, full, i):
        share = self._share(i)
        return full if share == 1 else thin(full, share, seed=self._seed(i))[0]

    def _cluster(self, truth):
        """Divide all counts and one half of them, at every dose."""
        halves = [thin(counts, 0.5, seed=self._seed(i) + 1) for i, counts in enumerate(self.counts)]
        self._halves = [other for _, other in halves]
        self._labels = [self._divided(counts) for counts in self.counts]
        self._half_labels = [self._divided(half) for half, _ in halves]
        self._truth = truth
        self.agreement = np.full(len(self.doses), np.nan)
        if truth is not None:
            known = truth >= 0
            pairs = [(labels[known], truth[known]) for labels, _ in self._labels]
            self.agreement[:] = [adjusted_rand_index(*pair) for pair in pairs]

    def _divided(self, counts):
        """Return clusters as k-means numbers them, and by the ratio in these very counts."""
        labels = KMeans(self.n_clusters).fit(counts).labels_
        order = np.argsort(ratios(counts, labels, self.n_clusters))
        return labels, np.argsort(order)[labels]

    def _at(self, dose):
        return self.dose if dose is None else dose

    def _chosen(self, pairs, dose, is_ordered):
        is_ordered = self.is_ordered if is_ordered is None else is_ordered
        return pairs[self._at(dose)][int(is_ordered)]

    @tl.validate("dose")
    def _is_dose(self, proposal):
        if proposal["value"] >= len(self.doses):
            raise tl.TraitError(
                f"dose is {proposal['value']}, but there are {len(self.doses)}; they begin at 0."
            )
        return proposal["value"]


def ratios(counts, labels, n_clusters):
    """Return first over second column of the counts that each cluster holds; NaN where none."""
    shown = labels >= 0
    sums = [np.bincount(labels[shown], c[shown], minlength=n_clusters) for c in counts.T]
    with np.errstate(divide="ignore", invalid="ignore"):
        return (sums[0] / sums[1])[:n_clusters]


def _as_lines(data, lines):
    """Return two lines or windows by name, or say how many there are."""
    if lines is None:
        lines = getattr(data, "windows", None) if isinstance(data, Scene) else None
        if lines is None:
            raise ValueError("lines are needed: two of them, as ['Fe_Ka', 'O_Ka'].")
    if isinstance(lines, str) or len(lines) != 2:
        raise ValueError(f"lines are {lines!r}; pass two, whose ratio is looked at.")
    return dict(lines) if isinstance(lines, Mapping) else [str(name) for name in lines]


def _as_doses(doses, recorded, name):
    """Return doses as given, or each twice the one before, up to what was recorded."""
    if doses is None:
        n = int(np.floor(np.log2(max(recorded / LEAST, 1.0)) + 1e-3)) + 1
        doses = [LEAST * 2.0**i for i in range(n)]
    doses = tuple(float(dose) for dose in doses)
    if not doses or not all(0 < dose <= 1.001 * recorded for dose in doses):
        raise ValueError(
            f"doses are {doses}; pass counts a pixel in {name}, above 0 and up to the "
            f"{recorded:.4g} that were recorded."
        )
    return doses


def _truth_of(scene, image):
    """Return the true regions of the visible pixels, or None where there are none."""
    if scene.labels is None:
        return None
    labels = np.asarray(scene.labels).ravel()
    return labels if image.mask is None else labels[~image.mask.ravel()]
