// A quiz that marks itself: all of it happens here, so that it works with or without a kernel.

const VERDICTS = { right: ["✓", "Right."], wrong: ["✗", "Wrong."] };
// `code`, or *emphasis* that is neither part of **this** nor of 2*3*4
const INLINE = /(`[^`]+`|(?<![*\w])\*(?![*\s])[^*]*(?<![*\s])\*(?![*\w]))/;
const OWN_KEYS = ["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", " ", "Enter"];
const ON_THIS_PAGE = Symbol.for("endmember.quiz"); // every model brings a copy of this file

function make(tag, className, ...children) {
  const element = Object.assign(document.createElement(tag), { className });
  element.append(...children); // an author's words become text, never markup
  return element;
}

function describe(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/** An author's words as nodes: code and emphasis are shown, everything else stays text. */
function words(text) {
  return text.split(INLINE).map((part, i) => {
    if (i % 2 === 0) return part;
    const inner = part.slice(1, -1);
    return part[0] === "`" ? make("code", "code", inner) : make("em", "emphasis", ...words(inner));
  });
}

/** A short hash (FNV-1a, 32 bits) of a text. */
function hash(text) {
  let state = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) state = Math.imul(state ^ text.charCodeAt(i), 0x01000193);
  return (state >>> 0).toString(36);
}

/** Where progress is kept: a quiz whose questions have changed starts anew. */
function keyOf(name, questions) {
  const inThisOrder = ["text", "choices", "is_right", "feedback", "explanation"];
  return `endmember-quiz/${name}/${hash(JSON.stringify(questions, inThisOrder))}`;
}

/** The present choices of one quiz, shared by its views and kept in the browser if it allows. */
class Progress {
  constructor(key, questions) {
    this.key = key;
    this.questions = questions;
    this.views = new Set();
    this.chosen = this.read();
    window.addEventListener("storage", (event) => {
      if (event.key === key || event.key === null) this.take(this.read()); // from another tab
    });
  }

  static of(key, questions) {
    const known = (globalThis[ON_THIS_PAGE] ??= new Map());
    if (!known.has(key)) known.set(key, new Progress(key, questions));
    return known.get(key);
  }

  get nothing() {
    return this.questions.map(() => null);
  }

  read() {
    try {
      const kept = JSON.parse(localStorage.getItem(this.key));
      const isKnown = (choice, q) => choice === null || this.questions[q].choices.some((_, c) => c === choice);
      if (kept.length === this.questions.length && kept.every(isKnown)) return kept;
    } catch {} // nothing kept, nothing that can be read, or no leave to read it
    return this.nothing;
  }

  keep(chosen) {
    this.take(chosen);
    try {
      localStorage.setItem(this.key, JSON.stringify(chosen));
    } catch {} // no leave to keep it: the choices last as long as the page
  }

  take(chosen) {
    this.chosen = chosen;
    this.views.forEach((view) => view.show());
  }

  choose(question, choice) {
    this.keep(this.chosen.map((old, q) => (q === question ? choice : old)));
  }

  /** What became of a question: "right", "wrong" or, while it is open, undefined. */
  verdict(question) {
    const choice = this.questions[question].choices[this.chosen[question]];
    return choice && (choice.is_right ? "right" : "wrong");
  }

  get score() {
    const verdicts = this.questions.map((_, q) => this.verdict(q));
    const [right, open] = ["right", undefined].map((kind) => verdicts.filter((v) => v === kind).length);
    return `${right} of ${verdicts.length} right` + (open ? `, ${open} to go` : "");
  }
}

/** Keep JupyterLab from taking the keys that radio buttons live by; all others are its own. */
function guard(event) {
  const isModified = event.ctrlKey || event.metaKey || event.altKey || event.shiftKey;
  if (!isModified && OWN_KEYS.includes(event.key)) event.stopPropagation();
}

/** One place on the page where a quiz is shown. */
class View {
  constructor(progress, el) {
    this.progress = progress;
    this.group = Math.random().toString(36).slice(2); // two views must not share radio groups
    this.shown = progress.nothing;
    this.questions = progress.questions.map((question, q) => this.ask(question, q));
    this.score = make("output", "score");
    const again = describe(make("button", "again", "Start again"), { type: "button" });
    again.addEventListener("click", () => progress.keep(progress.nothing));
    el.classList.add("endmember-quiz");
    describe(el, { role: "group", "aria-label": "Quiz" });
    el.addEventListener("keydown", guard);
    el.append(...this.questions.map(({ part }) => part), make("div", "end", this.score, again));
    progress.views.add(this);
    this.show();
  }

  ask(question, q) {
    const number = this.progress.questions.length > 1 ? [make("span", "number", `${q + 1}. `)] : [];
    const choices = question.choices.map((choice, c) => {
      const radio = describe(make("input", "radio"), { type: "radio", name: `${this.group}-${q}`, value: c });
      radio.addEventListener("change", () => this.progress.choose(q, c));
      const sign = describe(make("span", "sign"), { "aria-hidden": "true" }); // the answer has words
      const row = make("label", "choice", radio, make("span", "words", ...words(choice.text)), sign);
      return { radio, sign, row };
    });
    const answer = describe(make("div", "answer"), { "aria-live": "polite", "aria-atomic": "true" });
    const legend = make("legend", "asked", ...number, ...words(question.text));
    const part = make("fieldset", "question", legend, ...choices.map(({ row }) => row), answer);
    return { part, choices, answer };
  }

  show() {
    this.progress.chosen.forEach((chosen, q) => {
      if (chosen !== this.shown[q]) this.mark(q, chosen); // what has not changed is not said again
    });
    this.shown = this.progress.chosen;
    this.score.textContent = this.progress.score;
  }

  mark(q, chosen) {
    const { choices, answer } = this.questions[q];
    const verdict = this.progress.verdict(q);
    choices.forEach(({ radio, sign, row }, c) => {
      radio.checked = c === chosen;
      row.className = c === chosen ? `choice ${verdict}` : "choice";
      sign.textContent = c === chosen ? VERDICTS[verdict][0] : "";
    });
    answer.className = verdict ? `answer ${verdict}` : "answer";
    answer.replaceChildren(...(verdict ? this.say(q, verdict) : []));
  }

  /** What is said about the present choice: the verdict, what the author adds, the explanation. */
  say(q, verdict) {
    const { choices, explanation } = this.progress.questions[q];
    const [sign, word] = VERDICTS[verdict];
    const { feedback } = choices[this.progress.chosen[q]];
    const first = make("p", "verdict", make("span", "sign", sign), " ", make("strong", "word", word), " ");
    first.append(...words(feedback));
    return explanation ? [first, make("p", "explanation", ...words(explanation))] : [first];
  }
}

export default {
  render({ model, el }) {
    const [name, questions] = [model.get("name"), model.get("questions")];
    const view = new View(Progress.of(keyOf(name, questions), questions), el);
    return () => view.progress.views.delete(view);
  },
};
