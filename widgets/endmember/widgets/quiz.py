"""Questions with choices that mark themselves, in a notebook and on a page without a kernel."""

from __future__ import annotations

import re
from inspect import cleandoc
from itertools import groupby
from pathlib import Path
from textwrap import shorten

import anywidget
import traitlets as tl

HERE = Path(__file__).parent

CHOICE = re.compile(r"- \[([ xX])\]\s+(\S.*)")
NEARLY_CHOICE = re.compile(r"[-*+]\s*\[\s*\S?\s*\]")
SAID = re.compile(r">(.*)")


class Quiz(anywidget.AnyWidget):
    """Ask questions with choices, and say at once whether a choice is right.

    Questions are separated by blank lines. The choices follow their question as a Markdown task
    list; the right one is ticked. A line that begins with ``>`` is said later: indented under a
    choice, once that one is chosen; at the margin, after the choices, once any is. `Code` in
    backticks and `*emphasis*` are shown as such, all other markup as it is written. Everything
    happens in the browser, which also keeps the reader's choices.

    Parameters
    ----------
    text : str
        The questions, each with at least two choices and exactly one right one.
    name : str
        What the browser keeps the choices under; unique in a course.

    Attributes
    ----------
    questions : list of dict
        Each with ``text``, ``explanation`` and ``choices``; a choice has ``text``, ``is_right``
        and ``feedback``.

    Examples
    --------
    >>> import endmember as em
    >>> quiz = em.Quiz('''
    ...     What does the height of the noise edge depend on?
    ...     - [ ] the dose
    ...       > The dose moves the eigenvalues, not the edge.
    ...     - [x] the shape of the matrix of counts
    ...     > Rows and columns alone decide where the noise ends.
    ... ''', name="noise-edge")
    >>> quiz
    Quiz(1 question, name='noise-edge')
    >>> quiz.questions[0]["choices"][1]
    {'text': 'the shape of the matrix of counts', 'is_right': True, 'feedback': ''}
    """

    _esm = HERE / "quiz.js"
    _css = HERE / "quiz.css"

    questions = tl.List(tl.Dict(), read_only=True).tag(sync=True)
    name = tl.Unicode(read_only=True).tag(sync=True)

    def __init__(self, text, *, name):
        for argument, value in [("text", text), ("name", name)]:
            if not isinstance(value, str):
                raise TypeError(f"{argument} is {value!r}; a quiz needs a string there.")
        if not name.strip():
            raise ValueError(f"name is {name!r}; give one that no other quiz has, as 'noise-edge'.")
        self.set_trait("questions", parse_quiz(text))
        self.set_trait("name", name)
        super().__init__()

    def __repr__(self):
        n = len(self.questions)
        return f"Quiz({n} question{'s' * (n > 1)}, name={self.name!r})"


def parse_quiz(text):
    """Return the questions that a text holds, as :class:`Quiz` has them, each one checked."""
    lines = [line.rstrip() for line in cleandoc(text).split("\n")]
    blocks = [list(block) for is_text, block in groupby(lines, bool) if is_text]
    if not blocks:
        raise ValueError(
            f"text is {text!r}; a quiz needs at least one question, with its choices as lines "
            "'- [ ] ...' and '- [x] ...' right beneath it."
        )
    return [_parse_question(number, block) for number, block in enumerate(blocks, start=1)]


def _parse_question(number, lines):
    question: dict = {"text": "", "choices": [], "explanation": ""}
    margin = max((_indent(line) for line in lines if CHOICE.fullmatch(line.strip())), default=0)
    problems = [_take(question, line, is_deeper=_indent(line) > margin) for line in lines]
    problem = next(filter(None, [*problems, _problem(question)]), None)
    if problem:
        raise ValueError(f"question {number} ({shorten(question['text'], 60)!r}) {problem}")
    return question


def _indent(line):
    return len(line) - len(line.lstrip())


def _take(question, line, *, is_deeper):
    """Put a line where it belongs, or say what is wrong with it."""
    choices, line = question["choices"], line.strip()
    part = question if question["explanation"] or not choices else choices[-1]
    key = next((key for key in ("explanation", "feedback") if part.get(key)), "text")
    if choice := CHOICE.fullmatch(line):
        if question["explanation"]:
            return f"goes on with {line!r} after its explanation; indent what belongs to a choice."
        choices.append({"text": choice[2], "is_right": choice[1] != " ", "feedback": ""})
        return None
    if NEARLY_CHOICE.match(line):
        return f"has the line {line!r}; write a choice as '- [ ] words' or '- [x] words'."
    if said := SAID.fullmatch(line):
        if not choices:
            return f"has the line {line!r} before its choices; move it below them."
        is_feedback = is_deeper and not question["explanation"]
        part, key = (choices[-1], "feedback") if is_feedback else (question, "explanation")
        line = said[1].strip()
    elif choices and not is_deeper:
        return f"goes on with {line!r} after its choices; put a blank line before a new question."
    part[key] = f"{part[key]} {line}".strip()
    return None


def _problem(question):
    """Say what is wrong with a question that has been read, if anything is."""
    texts = [choice["text"] for choice in question["choices"]]
    n_right = sum(choice["is_right"] for choice in question["choices"])
    if not question["text"]:
        return "has no text; write it right above its choices, with no blank line between."
    if len(texts) < 2:
        return f"has {len(texts)} of at least two choices; blank lines end a question."
    if len(set(texts)) < len(texts):
        twice = next(text for text in texts if texts.count(text) > 1)
        return f"offers {twice!r} twice; change or remove one of them."
    if n_right != 1:
        return f"has {n_right} right choices; tick exactly one, as '- [x] words'."
    return None
