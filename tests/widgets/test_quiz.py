"""The quiz's Python half: what it reads, what it refuses, what it sends."""

import json

import pytest
import traitlets as tl
from hypothesis import given
from hypothesis import strategies as st

import endmember as em

TEXT = """
    What does the height of
    the *noise edge* depend on?
    - [ ] the dose
      > The dose moves the eigenvalues,
      not the
      > edge.
    - [X] the shape of the
      matrix of `counts`
    - [ ] the number of minerals
    > Rows and columns alone
      decide
      > where the noise ends.

    Is 3 > 2?
    * [not] a choice, but a part of the question
    - [x] <b>yes</b>
    - [ ] no
"""
# words that cannot be taken for the marks of the format
WORDS = st.from_regex(r"[a-zµ<`*&\"'(]{1,8}( [a-z0-9>\[\]#-]{1,8}){0,4}", fullmatch=True)


def written(questions, margin=""):
    """A text as an author would write it."""
    blocks = []
    for question in questions:
        lines = [question["text"]]
        for choice in question["choices"]:
            lines.append(f"- [{'x' if choice['is_right'] else ' '}] {choice['text']}")
            lines += [f"  > {choice['feedback']}"] * bool(choice["feedback"])
        lines += [f"> {question['explanation']}"] * bool(question["explanation"])
        blocks.append("\n".join(margin + line for line in lines))
    return "\n\n".join(blocks)


@st.composite
def questions(draw):
    texts = draw(st.lists(WORDS, min_size=2, max_size=5, unique=True))
    right = draw(st.integers(0, len(texts) - 1))
    optional = st.one_of(st.just(""), WORDS)
    choices = [
        {"text": text, "is_right": c == right, "feedback": draw(optional)}
        for c, text in enumerate(texts)
    ]
    return {"text": draw(WORDS), "choices": choices, "explanation": draw(optional)}


def test_a_text_becomes_plain_questions():
    quiz = em.Quiz(TEXT, name="edge")
    assert quiz.questions == [
        {
            "text": "What does the height of the *noise edge* depend on?",
            "choices": [
                {
                    "text": "the dose",
                    "is_right": False,
                    "feedback": "The dose moves the eigenvalues, not the edge.",
                },
                {"text": "the shape of the matrix of `counts`", "is_right": True, "feedback": ""},
                {"text": "the number of minerals", "is_right": False, "feedback": ""},
            ],
            "explanation": "Rows and columns alone decide where the noise ends.",
        },
        {
            "text": "Is 3 > 2? * [not] a choice, but a part of the question",
            "choices": [
                {"text": "<b>yes</b>", "is_right": True, "feedback": ""},
                {"text": "no", "is_right": False, "feedback": ""},
            ],
            "explanation": "",
        },
    ]


@given(
    asked=st.lists(questions(), min_size=1, max_size=4),
    margin=st.sampled_from(["", "    ", "\t"]),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_what_is_written_is_what_is_read(asked, margin, end):
    quiz = em.Quiz(written(asked, margin).replace("\n", end), name="quiz")
    assert quiz.questions == asked
    assert repr(quiz) == f"Quiz({len(asked)} question{'s' * (len(asked) > 1)}, name='quiz')"


def test_the_page_gets_nothing_but_plain_json():
    quiz = em.Quiz("Q?\n- [x] a\n- [ ] b", name="edge")
    sent = {key: value for key, value in quiz.get_state().items() if not key.startswith("_")}
    assert json.loads(json.dumps(sent)) == sent
    assert {"questions", "name"} <= set(sent)


GOOD = "Good?\n- [x] yes\n- [ ] no\n\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "text is ''; a quiz needs at least one question"),
        (" \n\t\n", "a quiz needs at least one question"),
        (GOOD + "- [x] a\n- [ ] b", r"question 2 \(''\) has no text; write it right above"),
        (GOOD + "Why?", r"question 2 \('Why\?'\) has 0 of at least two choices; blank lines end"),
        ("Why?\n- [x] a", r"question 1 \('Why\?'\) has 1 of at least two choices"),
        (
            "Why?\n\n- [x] a\n- [ ] b",
            r"question 1 \('Why\?'\) has 0 of .* choices; blank lines end a question",
        ),
        ("Why?\n- [x] a\n- [ ] a", r"question 1 .* offers 'a' twice; change or remove"),
        ("Why?\n- [ ] a\n- [ ] b", r"question 1 .* has 0 right choices; tick exactly one"),
        ("Why?\n- [x] a\n- [X] b", r"question 1 .* has 2 right choices; tick exactly one"),
        ("Why?\n- [x] a\n- [] b", r"question 1 .* has the line '- \[\] b'; write a choice as"),
        ("Why?\n- [x] a\n- [ ]", r"question 1 .* has the line '- \[ \]'; write a choice as"),
        ("Why?\n* [ ] a\n- [x] b", r"question 1 .* has the line '\* \[ \] a'; write a choice as"),
        ("Why?\n> So.\n- [x] a\n- [ ] b", "has the line '> So.' before its choices; move it"),
        ("Why?\n- [x] a\n> So.\n- [ ] b", r"goes on with '- \[ \] b' after its explanation"),
        (GOOD.strip() + "\nWhy?", r"question 1 .* goes on with 'Why\?' after its choices; put a"),
        (GOOD.strip() + "\n> So.\nWhy?", r"question 1 .* goes on with 'Why\?' after its choices"),
    ],
)
def test_a_text_that_is_no_quiz_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        em.Quiz(text, name="edge")


def test_a_long_question_is_shortened_in_messages():
    with pytest.raises(ValueError, match=r"question 1 \('word .{20,60} \[\.\.\.\]'\) has 0 of at"):
        em.Quiz("word " * 100, name="edge")


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"text": GOOD, "name": " "}, ValueError, "name is ' '; give one that no other"),
        ({"text": GOOD, "name": 4}, TypeError, "name is 4; a quiz needs a string there"),
        ({"text": ["Why?"], "name": "edge"}, TypeError, r"text is \['Why\?'\]; a quiz needs"),
        ({"text": GOOD}, TypeError, "name"),
        ({"text": GOOD, "name": "edge", "colour": "red"}, TypeError, "colour"),
    ],
)
def test_bad_settings_are_refused(settings, error, message):
    with pytest.raises(error, match=message):
        em.Quiz(**settings)


@pytest.mark.parametrize("trait", ["name", "questions"])
def test_a_quiz_does_not_change_once_it_is_made(trait):
    quiz = em.Quiz(GOOD, name="edge")
    with pytest.raises(tl.TraitError, match="read-only"):
        setattr(quiz, trait, getattr(quiz, trait))
