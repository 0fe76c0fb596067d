"""How many components: every rule beside the others, and where they disagree."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, replace
from importlib import import_module
from numbers import Integral, Real

import numpy as np
from sklearn.utils.validation import check_scalar

from endmember.core.blocks import stack_blocks
from endmember.core.checks import level_of_caller
from endmember.core.cluster_features import is_rows
from endmember.core.cross_validation import frame
from endmember.core.estimators import check_any
from endmember.core.image import SpectrumImage
from endmember.core.noise import NoiseWarning, describe_noise
from endmember.core.pca import PCA
from endmember.core.progress import CancelledError, Progress, check_callback
from endmember.core.rank_report_html import report_html
from endmember.core.rank_rules import SCREE_RULES, Case, RankRule, ask, noise_of
from endmember.core.rank_rules_held_out import HELD_OUT_RULES
from endmember.core.rank_rules_simulated import DRAWN_RULES, SEQUENCE
from endmember.core.record import Record, record_of
from endmember.core.seeds import as_seed
from endmember.core.sources import as_spectrum_image

RULES = {**SCREE_RULES, **SEQUENCE, **DRAWN_RULES, **HELD_OUT_RULES}  # in the order of delivery
CHEAP = ("elbow", "gavish-donoho", "edge", "spatial")  # all from one Gram matrix
# Of all work: about the seconds that a map of 40,000 pixels and 2,000 channels takes.
COSTS = {"elbow": 1, "biwhitened": 2, "sequence": 6, "parallel": 6, "sign-flip": 8}
COSTS |= {"bi-cross-validation": 2, "thinning": 4, "restarts": 2}
LEAST_COST = 0.1
# Whose answer counts: of those that were asked and have one, the first.
FIRST = ("sequence", "biwhitened", "spatial", "sign-flip", "bi-cross-validation", "edge")
DECIDERS = (*FIRST, "thinning", "parallel", "gavish-donoho", "restarts", "elbow")


@dataclass(frozen=True, eq=False, repr=False)
class RankReport:
    """What many rules say of the number of components; :func:`rank_report` makes it.

    Attributes
    ----------
    rules : dict of str to RankRule
        The rules that were asked, in the order in which they answered.
    pending : tuple of str
        Those that have yet to answer: empty once the report is whole.
    warnings : tuple of str
        What is wrong with the counts, so that rules mislead: drift, spikes, noise that is not that
        of counting.
    shape : tuple of int
        Numbers of pixels and channels that were looked at.
    record : Record
        What made it: counts, settings, versions.
    """

    rules: dict[str, RankRule]
    pending: tuple[str, ...]
    warnings: tuple[str, ...]
    shape: tuple[int, int]
    record: Record

    @property
    def decided_by(self):
        """Name of the rule whose answer `rank` is; None where none has an answer."""
        answered = (name for name in DECIDERS if name in self._answers)
        return next(answered, None)

    @property
    def rank(self):
        """Number of components, the mean counted; None where no rule has an answer."""
        return self._answers.get(self.decided_by)

    @property
    def ranks(self):
        """Answers of the rules, in their order, as float64; NaN where a rule has none."""
        answers = [rule.rank for rule in self.rules.values()]
        return np.array([np.nan if rank is None else rank for rank in answers], dtype=np.float64)

    @property
    def n_beyond_mean(self):
        """How many there are beside the mean; noise about one mean spectrum has none."""
        return None if self.rank is None else self.rank - 1

    @property
    def agree(self):
        """Whether all rules that have an answer say the same, but for an elbow one too high."""
        return not self.dissent

    @property
    def dissent(self):
        """Answers of the rules that say otherwise: a dictionary of name to rank."""
        return {
            name: rank
            for name, rank in self._answers.items()
            if rank != self.rank and not (name == "elbow" and rank == self.rank + 1)
        }

    @property
    def sentence(self):
        """What the rules say, who disagrees, and why that may be."""
        if self.rank is None:
            return "No rule has an answer."
        others = len(self._answers) - 1
        found = f"{self.rank} component{'s' * (self.rank > 1)} with the mean, by {self.decided_by}"
        if others:
            found += f"; {others - len(self._others)} of {others} other rules say so too"
        reasons = [self._reason(name, rank) for name, rank in self._others.items()]
        return ". ".join([found, *reasons]) + "."

    @property
    def _answers(self):
        return {name: rule.rank for name, rule in self.rules.items() if rule.rank is not None}

    @property
    def _others(self):
        return {name: rank for name, rank in self._answers.items() if rank != self.rank}

    def _reason(self, name, rank):
        rule = RULES[name]
        return f"{name} says {rank}: {rule.if_more if rank > self.rank else rule.if_fewer}"

    def to_rows(self):
        """Return a dictionary for each rule, as tables such as ``pandas.DataFrame(rows)`` take."""
        names = ("rank", "question", "quantity", "unit", "seconds", "note", "misled_by")
        return [
            {"rule": rule.name, **{name: getattr(rule, name) for name in names}}
            for rule in self.rules.values()
        ]

    def to_frame(self):
        """Return the same as a pandas table, a row for each rule."""
        return frame(self.to_rows(), "rule")

    def __repr__(self):
        votes = ", ".join(f"{name} {rank}" for name, rank in self._answers.items())
        return f"<RankReport rank {self.rank} by {self.decided_by} ({votes})>"

    def _repr_html_(self):
        return report_html(self)


@dataclass(frozen=True)
class RankProgress(Progress):
    """How far a report has come.

    Attributes
    ----------
    rule : str
        The rule that is at work, or has just answered.
    report : RankReport or None
        What is known so far: with the answer of `rule` as soon as there is one. None before the
        first.
    """

    rule: str = ""
    report: RankReport | None = None


def rank_report(image, *, rules="all", most=12, gain=1.0, seed=0, callback=None):
    """Ask several rules how many components the counts hold, and say where they disagree.

    Each rule asks a question of its own. The sequential Poisson test decides: a model of so many
    components is fitted, counts are drawn from it, and the next eigenvalue has to stand above
    theirs. The rank counts the uncentred model with its mean: noise about one mean spectrum has
    rank 1, whatever its thickness.

    Parameters
    ----------
    image : SpectrumImage, what :func:`as_spectrum_image` takes, or array (n_pixels, n_channels)
        Counts. Of rows, rules that need a map say so.
    rules : {"all", "cheap"} or sequence of str, default="all"
        Which to ask.

        - ``"cheap"``, from a single scree: ``"elbow"`` as HyperSpy 2.5 computes it [1]_,
          ``"gavish-donoho"`` [2]_, ``"edge"`` of the noise by Keenan and Kotula's scaling [3]_,
          ``"spatial"`` structure of the scores by Moran's I [4]_.
        - ``"all"`` asks also ``"biwhitened"``, the same edge after Sinkhorn's scaling [5]_;
          ``"sequence"``, which decides; ``"parallel"`` analysis, whose null is Poisson noise about
          the mean spectrum [6]_; ``"sign-flip"`` [7]_; ``"bi-cross-validation"`` [8]_;
          ``"thinning"``, cross-validation by counts set aside [9]_; ``"restarts"``, whether
          non-negative factors come out alike [10]_.
    most : int, default=12
        Rank up to which rules look, where they fit or draw; turning it up takes longer.
    gain : float, default=1.0
        Detector signal for one quantum; turning it up raises the noise that rules expect.
    seed : int, default=0
        Where random work begins.
    callback : callable, optional
        Called with a :class:`Progress` whose ``report`` holds the answers so far, after each answer
        and in between; ``rule`` names the one at work. Where it returns True, the work stops with
        a :class:`CancelledError`.

    Returns
    -------
    RankReport

    Warns
    -----
    NoiseWarning
        Of drift, of spikes, and of noise that is not that of counting: a gain other than 1, a
        detector's blur.

    Raises
    ------
    ValueError
        Where counts hold NaN or negative numbers, or are zero everywhere, or a rule is unknown.

    See Also
    --------
    cross_validate : held-out counts for any estimator.
    RankSelector : choose by hand and eye.

    References
    ----------
    .. [1] V. Satopää et al., 31st Int. Conf. on Distributed Computing Systems Workshops (2011) 166,
       doi:10.1109/ICDCSW.2011.20.
    .. [2] Gavish and Donoho, IEEE Trans. Inf. Theory 60 (2014) 5040, doi:10.1109/TIT.2014.2323359.
    .. [3] Keenan and Kotula, Surf. Interface Anal. 36 (2004) 203, doi:10.1002/sia.1657.
    .. [4] P. A. P. Moran, Biometrika 37 (1950) 17, doi:10.1093/biomet/37.1-2.17.
    .. [5] Landa, Zhang and Kluger, SIAM J. Math. Data Sci. 4 (2022) 1420, doi:10.1137/21M1456807.
    .. [6] J. L. Horn, Psychometrika 30 (1965) 179, doi:10.1007/BF02289447.
    .. [7] D. Hong, Y. Sheng and E. Dobriban (2020), doi:10.48550/arXiv.2012.02985.
    .. [8] A. B. Owen and P. O. Perry, Ann. Appl. Stat. 3 (2009) 564, doi:10.1214/08-AOAS227.
    .. [9] A. Neufeld et al., Biostatistics 25 (2024) 270, doi:10.1093/biostatistics/kxac047.
    .. [10] J.-P. Brunet et al., Proc. Natl. Acad. Sci. 101 (2004) 4164,
       doi:10.1073/pnas.0308531101.

    Examples
    --------
    >>> import endmember as em
    >>> report = em.rank_report(em.datasets.load("mixture").image, rules="cheap")
    >>> report.rank, report.n_beyond_mean
    (3, 2)
    >>> report.rules["elbow"].rank
    4
    """
    names = _as_names(rules)
    _check_settings(most, gain, callback)
    data = image if is_rows(image) else as_spectrum_image(image)
    spectra, is_scaled = _as_spectra(data)
    settings = {"rules": list(names), "most": int(most), "gain": float(gain), "seed": as_seed(seed)}
    work = _Work(data, spectra, settings, callback)
    for name in names:
        work.ask(name)
        if is_last_cheap(name, names):
            work.look_at_counts(is_scaled)
    for text in work.report.warnings:
        warnings.warn(text, NoiseWarning, stacklevel=level_of_caller())
    return work.whole_report()


def is_last_cheap(name, names):
    """Whether a rule is the one after which the counts themselves are looked at."""
    cheap = [one for one in names if one in CHEAP]
    return name == (cheap[-1] if cheap else names[-1])


class _Work:
    """A report in the making.

    Parameters
    ----------
    data : SpectrumImage or rows
        What was handed in.
    spectra : ndarray or CSR array of shape (n_pixels, n_channels)
        Its counts.
    settings : dict
        Of :func:`rank_report`.
    callback : callable or None
        Who is told.
    """

    def __init__(self, data, spectra, settings, callback):
        self._image = data if isinstance(data, SpectrumImage) else None
        self._callback, self._settings = callback, settings
        kept = {key: settings[key] for key in ("most", "gain", "seed")}
        self._case = Case(spectra, self._image, tell=self._tell, **kept)
        costs = [COSTS.get(name, LEAST_COST) for name in settings["rules"]]
        self._costs = dict(zip(settings["rules"], np.array(costs) / sum(costs), strict=True))
        self._now, self._share = "", 0.0
        self._source = data
        record = record_of("rank_report", settings, spectra, source=data)
        self.report = RankReport({}, tuple(settings["rules"]), (), spectra.shape, record)

    def ask(self, name):
        """Ask one rule, and tell what it says."""
        self._now, self._share = name, 0.0
        self._tell(0.0)
        rule = ask(name, RULES[name], self._case, time.perf_counter)
        pending = tuple(one for one in self.report.pending if one != name)
        rules = {**self.report.rules, name: rule}
        self.report = replace(self.report, rules=rules, pending=pending)
        self._share = 0.0  # it is among those that answered
        self._tell(0.0)

    def whole_report(self):
        """Return the report with a record of its answers."""
        record = record_of(
            "rank_report",
            self._settings,
            self._case.spectra,
            source=self._source,
            result={"ranks": self.report.ranks},
        )
        return replace(self.report, record=record)

    def look_at_counts(self, is_scaled):
        """Say what is wrong with the counts."""
        gain, found = self._settings["gain"], []
        if not is_scaled:  # which a warning of its own says
            variance, correlation = noise_of(self._case)
            found.append(describe_noise(variance, correlation, "biwhiten"))
        if self._image is not None:
            found += [_drift(self._image, gain, self._settings["seed"]), _spikes(self._image, gain)]
        self.report = replace(self.report, warnings=tuple(filter(None, found)))
        self._tell(0.0)

    def _tell(self, share):
        """Tell how far the work has come; the share of the present rule never falls."""
        self._share = max(self._share, float(share))
        done = sum(self._costs[name] for name in self.report.rules)
        if self._now not in self.report.rules:
            done += self._share * self._costs[self._now]
        if self._callback is None:
            return
        report = self.report if self.report.rules else None
        if self._callback(RankProgress(min(1.0, float(done)), rule=self._now, report=report)):
            raise CancelledError(
                f"the callback stopped the report at {done:.0%}; the answers until then are in the "
                "report of what it was last called with."
            )


def _drift(image, gain, seed):
    return import_module("endmember.core.drift").measure_drift(image, gain=gain, seed=seed).sentence


def _spikes(image, gain):
    return import_module("endmember.core.spikes").find_spikes(image, gain=gain).sentence


def _as_names(rules):
    """Return the names of the rules to ask, in the order of delivery."""
    if isinstance(rules, str) and rules in ("all", "cheap"):
        return tuple(name for name in RULES if rules == "all" or name in CHEAP)
    wanted = [rules] if isinstance(rules, str) else list(rules)
    unknown = [name for name in wanted if name not in RULES]
    if unknown or not wanted:
        raise ValueError(
            f"rules are {rules!r}; choose 'all', 'cheap', or some of {', '.join(RULES)}."
        )
    return tuple(name for name in RULES if name in wanted)


def _check_settings(most, gain, callback):
    if isinstance(most, bool):
        raise TypeError(f"most is {most}; pass a whole number from 2 up.")
    check_scalar(most, "most", Integral, min_val=2)
    check_scalar(gain, "gain", Real, min_val=0, include_boundaries="neither")
    if not np.isfinite(gain):
        raise ValueError(f"gain is {gain}; pass the finite signal of one quantum.")
    check_callback(callback)


def _as_spectra(data):
    """Return the counts in memory, checked, and whether they were scaled after counting."""
    pca = PCA()
    spectra = stack_blocks(pca._check_spectra(data, reset=True))
    pca._check_shape(spectra.shape)
    check_any(spectra)
    return spectra, pca._warn_of_scaling(spectra)
