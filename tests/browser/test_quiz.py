"""The quiz by mouse and by keyboard: in JupyterLab, and on a page that has nothing but itself."""

import json
import re
from pathlib import Path

import pytest

import endmember as em

TEXT = """
What does the height of the *noise edge* depend on?
- [ ] the dose
  > The dose moves the eigenvalues, not the edge.
- [x] the shape of the matrix of `counts`
- [ ] the number of minerals
> Rows and columns alone decide where the noise ends.

Which words are <b>bold</b>, 2*3*4 or **strong**? <script>window.wasRun = 1</script>
- [ ] <img src="x" onerror="window.wasRun = 1"> these
- [x] none of them
"""
SHOW = f"""
import endmember as em
quiz = em.Quiz({TEXT!r}, name="edge")
quiz
"""
SHOW_TWICE = [SHOW, f"em.Quiz({TEXT!r}, name='edge')", "quiz"]
SHOW_CHANGED = SHOW.replace("minerals", "phases")
SCRIPT = Path(em.__file__).parent / "widgets" / "quiz.js"
RENDER = """async ([script, state]) => {
  const module = await import(URL.createObjectURL(new Blob([script], { type: "text/javascript" })));
  const el = document.body.appendChild(document.createElement("div"));
  module.default.render({ model: { get: (name) => state[name] }, el });
}"""


class QuizPage:
    """One quiz on a page, as a reader sees it."""

    def __init__(self, page, nth=0):
        self.page = page
        self.root = page.locator(".endmember-quiz").nth(nth)
        self.root.wait_for()

    def question(self, q):
        return self.root.get_by_role("group").nth(q)

    def radio(self, q, words):
        return self.question(q).get_by_role("radio", name=words)

    def click(self, q, words):
        self.question(q).get_by_text(words, exact=True).click()

    def chosen(self):
        """What is chosen, a question."""
        radios = self.root.locator("fieldset").evaluate_all(CHOSEN)
        return [" ".join(words.split()) if words else None for words in radios]

    def answer(self, q):
        parts = self.question(q).locator("[aria-live] > *")  # outputs out of view show no text
        return " ".join(" ".join(parts.all_text_contents()).split())

    def score(self):
        return self.root.get_by_role("status").text_content()

    def start_again(self):
        self.root.get_by_role("button", name="Start again").click()


CHOSEN = """parts => parts.map(p => p.querySelector('input:checked')?.closest('label')
  .querySelector('.words').textContent ?? null)"""


@pytest.fixture
def quiz(lab, page):
    lab.run(page, SHOW)
    return QuizPage(page)


def test_a_choice_is_marked_at_once_in_words_and_by_a_sign(quiz, shots):
    assert quiz.score() == "0 of 2 right, 2 to go"
    assert quiz.answer(0) == ""

    quiz.click(0, "the dose")

    explanation = "Rows and columns alone decide where the noise ends."
    feedback = "The dose moves the eigenvalues, not the edge."
    assert quiz.answer(0) == f"✗ Wrong. {feedback} {explanation}"
    assert quiz.question(0).locator("label", has_text="the dose").inner_text().endswith("✗")
    assert quiz.score() == "0 of 2 right, 1 to go"

    quiz.click(1, "none of them")
    assert quiz.answer(1) == "✓ Right."
    assert quiz.score() == "1 of 2 right"
    quiz.page.screenshot(path=shots / "quiz-wrong.png")

    quiz.radio(0, "the shape").click()
    assert quiz.answer(0) == f"✓ Right. {explanation}"
    assert quiz.question(0).locator("label", has_text="✗").count() == 0
    assert quiz.score() == "2 of 2 right"
    quiz.page.screenshot(path=shots / "quiz-right.png")


def test_the_keyboard_answers_and_leaves_the_notebook_alone(quiz, shots):
    page = quiz.page
    quiz.click(0, "the dose")
    page.keyboard.press("ArrowDown")
    assert quiz.chosen() == ["the shape of the matrix of counts", None]
    page.keyboard.press("ArrowUp")
    assert quiz.answer(0).startswith("✗ Wrong.")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert quiz.chosen()[1].endswith("these")
    row = quiz.question(1).locator("label").first
    assert row.evaluate("row => getComputedStyle(row).outlineStyle") == "solid"
    page.screenshot(path=shots / "quiz-keyboard.png")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert quiz.score() == "0 of 2 right"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert quiz.chosen() == [None, None]
    assert quiz.score() == "0 of 2 right, 2 to go"
    assert page.locator(".jp-Notebook .jp-Cell").count() == 1
    assert page.locator(".jp-Notebook.jp-mod-commandMode").count() == 1


def test_jupyterlab_keeps_its_shortcuts_while_the_quiz_has_focus(quiz):
    page = quiz.page
    quiz.click(0, "the dose")
    page.locator(".jp-mod-dirty").first.wait_for()
    page.keyboard.press("Control+s")
    page.locator(".jp-mod-dirty").first.wait_for(state="detached")
    quiz.radio(0, "the dose").focus()
    page.keyboard.press("Control+Enter")
    page.locator(".jp-CodeCell .jp-InputPrompt", has_text="[2]:").wait_for()
    assert QuizPage(page).chosen() == ["the dose", None]


def test_progress_survives_reloading_and_running_again(lab, quiz):
    quiz.click(0, "the dose")
    quiz.click(1, "none of them")
    page = quiz.page
    lab.run_all(page)
    quiz = QuizPage(page)
    assert quiz.score() == "1 of 2 right"
    page.reload()
    lab.run_all(page)
    quiz = QuizPage(page)
    assert quiz.chosen() == ["the dose", "none of them"]
    assert quiz.answer(0).startswith("✗ Wrong. The dose moves")
    assert quiz.score() == "1 of 2 right"

    quiz.start_again()
    assert quiz.chosen() == [None, None]
    assert quiz.answer(0) == ""
    lab.run_all(page)
    assert QuizPage(page).score() == "0 of 2 right, 2 to go"


def test_a_changed_quiz_starts_anew(lab, quiz):
    quiz.click(0, "the dose")
    lab.run(quiz.page, SHOW_CHANGED, SHOW)
    assert QuizPage(quiz.page, 0).chosen() == [None, None]
    assert QuizPage(quiz.page, 1).chosen() == ["the dose", None]


def test_the_same_quiz_in_several_outputs_stays_in_step(lab, page):
    lab.run(page, *SHOW_TWICE)
    views = [QuizPage(page, nth) for nth in range(3)]
    for view, words in zip(views, ["the dose", "the number of minerals", "the dose"], strict=True):
        view.click(0, words)
        assert [v.chosen() for v in views] == [[words, None]] * 3
        assert len({v.answer(0) for v in views}) == 1
    views[1].start_again()
    assert [v.score() for v in views] == ["0 of 2 right, 2 to go"] * 3
    names = page.locator(".endmember-quiz input").evaluate_all("all => all.map(i => i.name)")
    assert len(set(names)) == 6


def test_markup_stays_text_and_runs_no_script(quiz):
    quiz.radio(1, "these").click()
    text = quiz.question(1).locator("legend").inner_text()
    assert text.endswith("<b>bold</b>, 2*3*4 or **strong**? <script>window.wasRun = 1</script>")
    assert '<img src="x" onerror="window.wasRun = 1"> these' in quiz.question(1).inner_text()
    assert quiz.root.locator("b, img, script").count() == 0
    assert quiz.root.locator("legend em, label code").all_inner_texts() == ["noise edge", "counts"]
    assert quiz.page.evaluate("window.wasRun") is None


# without JupyterLab


@pytest.fixture
def show(page):
    """Show a quiz on the present page with its script alone, as a page without a kernel does."""

    def show(text=TEXT, name="edge"):
        quiz = em.Quiz(text, name=name)
        state = {"questions": quiz.questions, "name": quiz.name}
        nth = page.locator(".endmember-quiz").count()
        page.evaluate(RENDER, [SCRIPT.read_text(encoding="utf-8"), state])
        return QuizPage(page, nth)

    return show


@pytest.fixture
def own_site(page):
    """A page with an address, so that the browser keeps things for it."""
    page.route(
        "http://quiz.test/**", lambda route: route.fulfill(body="", content_type="text/html")
    )
    page.goto("http://quiz.test/")


def test_where_nothing_may_be_kept_the_quiz_works_all_the_same(page, show):
    page.goto("about:blank")
    with pytest.raises(Exception, match="denied"):
        page.evaluate("localStorage.length")
    quiz, other = show(), show()
    quiz.click(0, "the dose")
    assert quiz.score() == other.score() == "0 of 2 right, 1 to go"
    assert show().chosen() == ["the dose", None]


def test_without_a_kernel_progress_is_kept_for_the_next_visit(page, own_site, show):
    show().click(1, "none of them")
    page.reload()
    assert show().chosen() == [None, "none of them"]
    assert show(name="other").chosen() == [None, None]


@pytest.mark.parametrize("kept", ["{", "null", "7", "[0]", "[0, 9]", '["length", 0]', "[0, 0.5]"])
def test_what_is_kept_but_makes_no_sense_is_left_aside(page, own_site, show, kept):
    show().click(0, "the dose")
    page.evaluate("kept => localStorage.setItem(Object.keys(localStorage)[0], kept)", kept)
    page.reload()
    quiz = show()
    assert quiz.chosen() == [None, None]
    quiz.click(0, "the dose")
    (text,) = page.evaluate("Object.values(localStorage)")
    assert json.loads(text) == [0, None]


def test_two_tabs_stay_in_step(page, own_site, show):
    quiz = show()
    with page.context.new_page() as tab:
        tab.route("http://quiz.test/**", lambda r: r.fulfill(body="", content_type="text/html"))
        tab.goto("http://quiz.test/")
        tab.evaluate("localStorage.setItem('unrelated', 1)")
        state = {"questions": em.Quiz(TEXT, name="edge").questions, "name": "edge"}
        tab.evaluate(RENDER, [SCRIPT.read_text(encoding="utf-8"), state])
        QuizPage(tab).click(0, "the dose")
    page.wait_for_function("document.querySelector('input:checked')")
    assert quiz.chosen() == ["the dose", None]
    assert quiz.score() == "0 of 2 right, 1 to go"


def test_a_narrow_page_is_not_widened(page, own_site, show, shots):
    page.set_viewport_size({"width": 360, "height": 900})
    page.add_style_tag(path=SCRIPT.with_suffix(".css"))
    quiz = show(TEXT.replace("minerals", "m" + 90 * "i" + "nerals"))
    quiz.click(0, "the dose")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert quiz.root.evaluate("el => el.scrollWidth <= el.clientWidth")
    page.screenshot(path=shots / "quiz-narrow.png")


def test_the_script_asks_nobody_for_anything(page, own_site, show):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    quiz = show()
    quiz.radio(1, "these").click()
    quiz.start_again()
    assert [url for url in asked if not re.match("blob:", url)] == []
