"""What rules say of the rank, asked on a thread of its own, without a widget."""

from __future__ import annotations

import time
import warnings
from contextlib import ExitStack, contextmanager

import traitlets as tl

from endmember.core.checks import ScaledCountsWarning
from endmember.core.noise import NoiseWarning
from endmember.core.progress import CancelledError
from endmember.core.rank_report import CHEAP, RULES, RankReport, rank_report
from endmember.widgets.worker import Worker

OFTEN = 0.1  # seconds between words of progress
FEWEST_RANKS = 2  # that rules look up to
CURVE = "thinning"  # the rule whose evidence is drawn, rank by rank
STEEPEST = 1.6  # times the rise after the lowest point: what is higher leaves the curve's picture


class RankVotes(tl.HasTraits):
    """The answers of many rules to the number of components, as they arrive.

    Nothing is asked before :meth:`ask` or :meth:`compute`.

    Parameters
    ----------
    image : SpectrumImage
        Counts in memory.
    most : int, default=12
        Rank up to which rules look; turning it up takes longer.
    seed : int, default=0
        Where random work begins.

    Attributes
    ----------
    report : RankReport or None
        What is known so far; None before the first answer.
    status : {"idle", "running", "stale", "error"}
        ``"idle"`` once all rules have answered, ``"stale"`` while some were not asked.
    message : str
        What went wrong, or where it was stopped.
    progress : float
        Share of the work that is done, from 0 to 1.
    seconds_left : float or None
        Until all that was asked is answered, in seconds; None where it is not known.
    """

    report = tl.Instance(RankReport, allow_none=True, default_value=None)
    status = tl.Enum(["idle", "running", "stale", "error"], "stale")
    message = tl.Unicode()
    progress = tl.Float(0.0, min=0.0, max=1.0)
    seconds_left = tl.Float(allow_none=True, default_value=None)

    def __init__(self, image, *, most=12, seed=0):
        self.image = image
        self.settings = {"most": max(FEWEST_RANKS, most), "seed": seed}
        self.worker = Worker()
        super().__init__()

    def ask(self, rules="all"):
        """Ask rules on a thread of its own.

        Parameters
        ----------
        rules : {"all", "cheap"}, default="all"
            As in :func:`rank_report`; cheap ones that have answered are not asked again.
        """
        if rules not in ("all", "cheap"):
            raise ValueError(f"rules are {rules!r}; choose 'all' or 'cheap'.")
        with self.worker.lock:
            if rules == "cheap" and (self.report is not None or self.status == "running"):
                return
            self.status, self.message = "running", ""
            self.progress, self.seconds_left = 0.0, None
            self.worker.start(_Job(self, rules))

    def compute(self):
        """Ask all rules, as a button does."""
        self.ask("all")

    def cancel(self):
        """Stop at once; the answers so far stay."""
        with self.worker.lock:
            if self.status == "running":
                self.worker.cancel()
                self.seconds_left, self.progress = None, 0.0
                self.message = "Stopped; the answers so far stay."
                self.status = "stale"

    def wait(self, seconds=None):
        """Wait until nothing runs; return whether that is so."""
        return self.worker.wait(seconds)

    # what they say

    @property
    def is_whole(self):
        """Whether every rule has answered."""
        return self.report is not None and len(self.report.rules) == len(RULES)

    def rows(self):
        """Return a dictionary for each rule, in words and numbers as JSON has them.

        Returns
        -------
        list of dict
            ``rule``, ``rank`` (None without an answer), ``question``, ``misled_by``, ``note``,
            ``decides``, and ``waits`` for a rule that has yet to answer.
        """
        return [self._row(name) for name in RULES]

    def sentence(self):
        """Return what the rules say, who disagrees, and what is wrong with the counts."""
        report = self.report
        if report is None:
            return ""
        words = [report.sentence, *report.warnings]
        if report.dissent:
            words.insert(0, "The rules disagree:")
        return " ".join(words)

    @property
    def is_doubtful(self):
        """Whether rules disagree, or the counts mislead them."""
        return self.report is not None and bool(self.report.dissent or self.report.warnings)

    def curve(self):
        """Return how well each rank predicts counts that were held out.

        Returns
        -------
        dict
            ``ranks``, ``values`` (squared error of each, over the variance of the noise), ``best``,
            and the ends ``low`` and ``high`` of a scale on which the lowest point shows. Empty
            where the rule has not answered, or cannot.
        """
        rule = self.report.rules.get(CURVE) if self.report else None
        if rule is None or rule.rank is None:
            return {}
        values = rule.values.tolist()
        low, high, rise = min(values), max(values), values[-1] - min(values)
        if rise > 0:
            high = min(high, low + STEEPEST * rise)
        return {
            "ranks": rule.ks.tolist(),
            "values": values,
            "best": rule.rank,
            "low": low,
            "high": high if high > low else low + 1,
        }

    def _row(self, name):
        asked, report = RULES[name], self.report
        rule = report.rules.get(name) if report else None
        return {
            "rule": name,
            "rank": rule.rank if rule else None,
            "question": asked.question,
            "misled_by": asked.misled_by,
            "note": rule.note if rule else "",
            "decides": report is not None and report.decided_by == name,
            "waits": rule is None,
        }


@contextmanager
def silence():
    """Keep from Python what is said in words beside the map.

    For moments only: other threads see the same filters.
    """
    with warnings.catch_warnings():
        for kind in (NoiseWarning, ScaledCountsWarning):
            warnings.simplefilter("ignore", kind)
        yield


class _Job:
    """Asks rules, and tells their answers, unless something newer was asked since."""

    def __init__(self, votes, rules):
        self.votes, self.rules = votes, rules
        self._began = self._told = time.monotonic()

    def __call__(self, is_stopped):
        try:
            report = self._ask(is_stopped)
        except CancelledError:
            return
        except Exception as error:
            self._tell(is_stopped, message=str(error), seconds_left=None, status="error")
            return
        done = {"progress": 1.0, "seconds_left": None, "message": ""}
        status = "stale" if set(report.rules) == set(CHEAP) else "idle"
        self._tell(is_stopped, report=report, **done, status=status)

    def _ask(self, is_stopped):
        with ExitStack() as stack:  # warnings come at the very beginning and at the very end
            stack.enter_context(silence())

            def hear(progress):
                if progress.report is None:
                    stack.close()
                elif not progress.report.pending:
                    stack.enter_context(silence())
                self._come(is_stopped, progress)
                return is_stopped()

            settings = self.votes.settings
            return rank_report(self.votes.image, rules=self.rules, callback=hear, **settings)

    def _come(self, is_stopped, progress):
        known, report = self.votes.report, progress.report
        if report and (known is None or len(report.rules) > len(known.rules)):
            self._tell(is_stopped, report=report)
        now, share = time.monotonic(), progress.fraction
        if now - self._told >= OFTEN and share > 0:
            self._told = now
            left = (now - self._began) * (1 - share) / share
            self._tell(is_stopped, progress=share, seconds_left=left)

    def _tell(self, is_stopped, **traits):
        with self.votes.worker.lock:
            if not is_stopped():
                for name, value in traits.items():
                    self.votes.set_trait(name, value)
