"""Exercises that check an answer against a hidden truth, and say what a mistake comes from."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from endmember.datasets.scene import Scene

FWHM = 2 * np.sqrt(2 * np.log(2))  # of a Gaussian, in standard deviations
FAR = 0.25  # of the truth
MOST_SAID = 8  # numbers of a truth that a verdict repeats
FACTORS = {
    1e3: "1000 times the right number: is it in eV where keV are asked for, or in m for km?",
    1e-3: "a thousandth of the right number: is it in keV where eV are asked for?",
    1e2: "100 times the right number: per cent where a fraction is asked for?",
    1e-2: "a hundredth of the right number: a fraction where per cent are asked for?",
    -1.0: "the sign is reversed.",
    FWHM: "2.35 times the right number: a full width where a standard deviation is asked for?",
    1 / FWHM: "the right number over 2.35: a standard deviation where a full width is asked for?",
}


@dataclass(frozen=True)
class Verdict:
    """Whether an answer is right, and if not, what it looks like.

    Attributes
    ----------
    is_right : bool
        Also the truth value of the verdict.
    hint : str
        What was right, or what the mistake comes from.
    """

    is_right: bool
    hint: str

    def __bool__(self):
        return self.is_right

    def __str__(self):
        return f"{'Right' if self.is_right else 'Not yet'}: {self.hint}"

    __repr__ = __str__


class Exercise:
    """Check answers against a truth, and tell common mistakes from each other.

    Parameters
    ----------
    truth : number, str, bool, array_like, set, or Scene
        What is right. Whole numbers, words and sets are so exactly; of a scene
        :meth:`Scene.score` judges, and the number of components must be right too.
    within : float, optional
        How far every number may be off, in the unit of the truth; needed for numbers that are not
        whole. Turning it up accepts more.
    unit : str, default=""
        Of the truth, for the verdict.
    enough : int, optional
        How many of several numbers have to be right; by default all.
    hints : sequence of tuple, default=()
        Mistakes that people make here, ``(wrong, hint)``: a wrong answer, or a function that
        says whether an answer is of that kind. The first that fits is said. Mistakes that
        are the same everywhere need none: one too many or few, swapped axes, a factor, a sign, an
        order, a unit.

    Raises
    ------
    ValueError
        Where numbers that are not whole come without ``within``.

    Examples
    --------
    >>> import endmember as em
    >>> exercise = em.Exercise(4, hints=[(2, "that is without the mean")])
    >>> exercise.check(4)
    Right: 4
    >>> exercise.check(2)
    Not yet: that is without the mean
    >>> exercise.check(5)
    Not yet: one too many.
    >>> exercise.check(...)
    Not yet: no answer yet; put yours in place of the three dots.
    """

    def __init__(
        self,
        truth: Any,
        *,
        within: float | None = None,
        unit: str = "",
        enough: int | None = None,
        hints: Sequence[tuple[object, str]] = (),
    ):
        self.truth, self.within, self.unit = truth, within, unit
        self.enough, self.hints = enough, list(hints)
        self._judge = _judge_of(truth)
        if self._judge is _judge_numbers and within is None and not _are_whole(truth):
            raise ValueError(
                f"the truth is {truth!r}, which is not whole; say how far an answer may be off: "
                "within=..."
            )

    def check(self, answer) -> Verdict:
        """Say whether an answer is right, and if not, what it looks like.

        Parameters
        ----------
        answer : object
            Of the kind of the truth; ``...`` or None for none yet.

        Returns
        -------
        Verdict
            True where the answer is right; it shows what to look at where it is not.
        """
        if answer is None or answer is ...:
            return Verdict(False, "no answer yet; put yours in place of the three dots.")
        wrong = self._judge(self.truth, answer, self.within)
        n_right = 0 if self.enough is None else self._count_right(answer)
        if not wrong or (self.enough and n_right >= self.enough):
            return Verdict(True, self._said())
        if n_right:
            wrong = f"{n_right} of {np.size(self.truth)} are right; {self.enough} are enough."
        return Verdict(False, self._special(answer) or wrong)

    def _count_right(self, answer):
        """Return how many of several numbers are right; none where they do not match one by one."""
        if np.shape(answer) != np.shape(self.truth) or np.asarray(answer).dtype.kind not in "iuf":
            return 0
        off = np.abs(np.asarray(answer, dtype=np.float64) - np.asarray(self.truth))
        return int(np.count_nonzero(off <= (self.within or 0.0)))

    def _special(self, answer):
        """Return the hint that is meant for this mistake, or nothing."""
        for mistake, hint in self.hints:
            if _fits(mistake, answer, self.within):
                return hint
        return ""

    def _said(self):
        truth = self.truth
        if isinstance(truth, Scene):
            return "as good as can be asked for."
        if np.ndim(truth) > 1 or np.size(truth) > MOST_SAID:
            return "well done."
        if isinstance(truth, (bool, np.bool_, str, Set)):
            return _plain(truth)
        margin = "" if self.within is None else f" ± {self.within:g}"
        return f"{_plain(truth)}{margin} {self.unit}".rstrip()


def _plain(truth):
    """Return a truth as people write it."""
    if isinstance(truth, Set):
        return ", ".join(sorted(map(str, truth)))
    if np.ndim(truth):
        return ", ".join(_plain(value) for value in truth)
    is_number = isinstance(truth, Real) and not isinstance(truth, (bool, np.bool_, Integral))
    return f"{truth:.5g}" if is_number else str(truth)


def _fits(mistake, answer, within):
    if callable(mistake):
        try:
            return bool(mistake(answer))
        except (TypeError, ValueError, AttributeError, IndexError, KeyError):
            return False  # an answer of another kind
    return not _judge_of(mistake)(mistake, answer, within)


# Judges: each returns what is wrong, or nothing.


def _judge_of(truth):
    if isinstance(truth, Scene):
        return _judge_scene
    if isinstance(truth, (bool, np.bool_)):
        return _judge_claim
    if isinstance(truth, str):
        return _judge_word
    if isinstance(truth, Set):
        return _judge_set
    return _judge_numbers


def _judge_claim(truth, answer, _):
    if not isinstance(answer, (bool, np.bool_)):
        return f"expected True or False, got {answer!r}."
    return "" if answer == truth else "it is the other way round."


def _judge_word(truth, answer, _):
    if not isinstance(answer, str):
        return f"expected a word in quotes, got {answer!r}."
    return "" if answer.strip().lower() == truth.lower() else f"it is not {answer.strip()!r}."


def _judge_set(truth, answer, _):
    if isinstance(answer, (str, int, float)) or not np.iterable(answer):
        return f"expected several, as in {{'a', 'b'}}, got {answer!r}."
    found = set(answer)
    if found == truth:
        return ""
    counted = [(len(truth - found), "missing"), (len(found - truth), "that do not belong")]
    said = [f"{n} {what}" for n, what in counted if n]
    return f"{' and '.join(said)}."


def _judge_scene(scene, answer, _):
    try:
        score = scene.score(answer)
    except (TypeError, ValueError) as error:
        return str(error)
    n_more = score.n_found - len(score.names) if score.n_found else 0
    if n_more:
        return f"{_too_many(n_more)} {score.n_found} components, the truth has {len(score.names)}."
    return "" if score.is_good else str(score)


def _judge_numbers(truth, answer, within):
    try:
        values = np.asarray(answer)
        found = values.astype(np.float64)
    except (TypeError, ValueError):
        return f"expected {_kind(truth)}, got {answer!r}."
    if values.dtype.kind in "USOb":
        return f"expected {_kind(truth)}, got {answer!r}."
    true = np.asarray(truth, dtype=np.float64)
    if found.shape != true.shape:
        return _wrong_shape(true, found)
    if np.isnan(found).any() and not np.isnan(true).any():
        return f"{np.isnan(found).sum()} of the numbers are NaN: was zero divided by zero?"
    near = _nearness(within)
    if near(true, found):
        return ""
    if true.ndim == 0:
        return _wrong_number(float(true), float(found), near, _are_whole(truth))
    return _wrong_array(true, found, near)


def _nearness(within):
    tolerance = within or 0.0

    def near(true, found):
        return bool(np.all(np.abs(found - true) <= tolerance + 1e-9 * np.abs(true)))

    return near


def _are_whole(truth):
    return np.asarray(truth).dtype.kind in "iu"


def _kind(truth):
    return "a number" if np.ndim(truth) == 0 else f"numbers of shape {np.shape(truth)}"


# Mistakes that are the same everywhere


def _too_many(n_more):
    if abs(n_more) == 1:
        return "one too many." if n_more > 0 else "one too few."
    return f"{abs(n_more)} too many." if n_more > 0 else f"{abs(n_more)} too few."


def _wrong_number(true, found, near, is_whole):
    if is_whole and abs(found - true) == 1:
        return _too_many(int(found - true))
    if true and not is_whole:
        for factor, hint in FACTORS.items():
            if near(true, found / factor):
                return hint
    is_far = abs(found - true) > FAR * abs(true)  # near 1 all powers are alike
    if true > 0 and is_far:
        if near(true, 1 / found if found else np.inf):
            return "that is its inverse."
        if near(true, np.sqrt(abs(found))):
            return "that is its square: a variance for a standard deviation?"
        if near(true, found**2):
            return "that is its square root: a standard deviation for a variance?"
    return "too large." if found > true else "too small."


def _wrong_shape(true, found):
    said = f"yours has shape {found.shape}, expected {true.shape}"
    if true.ndim > 1 and found.shape == true.shape[::-1]:
        return f"the axes are swapped: {said}."
    if found.ndim == true.ndim and found.shape[1:] == true.shape[1:]:
        return f"{_too_many(len(found) - len(true))[:-1]}: {said}."
    if found.size == true.size:
        return f"the numbers are folded another way: {said}."
    return f"{said}."


def _wrong_array(true, found, near):
    if true.ndim == 1 and near(true, found[::-1]):
        return "the right numbers the other way round: are two axes swapped?"
    if true.ndim > 1 and true.shape == true.T.shape and near(true, found.T):
        return "the axes are swapped: its transpose is right."
    if near(true, -found):
        return FACTORS[-1.0]
    factor = _best_factor(true, found)
    if near(true, found / factor):
        return f"right but for a factor of {factor:.3g}: normalise it."
    if true.ndim > 1:
        if near(true, found / _best_factor(true, found, axis=-1)):
            return "each row is right but for a factor of its own: normalise them."
        if near(true, found[_best_order(true, found)]):
            return "the right rows in another order."
    off = np.abs(found - true)
    place = ", ".join(str(i) for i in np.unravel_index(off.argmax(), off.shape))
    return f"the largest difference is {off.max():.3g}, at [{place}]."


def _best_factor(true, found, axis=None):
    """Return what the found numbers are times the true ones, by least squares; never zero."""
    up = (true * found).sum(axis=axis, keepdims=axis is not None)
    down = (true * true).sum(axis=axis, keepdims=axis is not None)
    factor = up / np.where(down > 0, down, 1.0)
    return np.where(factor == 0, 1.0, factor)


def _best_order(true, found):
    rows = [values.reshape(len(true), -1) for values in (true, found)]
    cost = np.abs(rows[0][:, None] - rows[1][None]).sum(axis=2)
    return linear_sum_assignment(cost)[1]
