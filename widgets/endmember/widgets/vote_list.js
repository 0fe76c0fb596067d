// The answers of the rules as a table, in which every answer is a button that chooses its rank.

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** One rule: its elements stay, so that the keyboard does not lose its place when others arrive. */
class Row {
  constructor(choose) {
    this.button = make("button", { type: "button", class: "endmember-button" });
    this.button.addEventListener("click", () => choose(this.vote.rank));
    [this.name, this.badge, this.question, this.misled] = ["b", "span", "td", "td"].map((tag) => make(tag));
    const head = make("th", { scope: "row" }, this.name, " ", this.badge);
    this.element = make("tr", {}, make("td", {}, this.button), head, this.question, this.misled);
  }

  fill(vote) {
    this.vote = vote;
    this.name.textContent = vote.rule;
    this.badge.textContent = vote.decides ? "decides" : "";
    this.element.classList.toggle("decides", vote.decides);
    this.question.replaceChildren(vote.question, ...(vote.note ? [make("br"), make("i", {}, vote.note)] : []));
    this.misled.textContent = vote.misled_by;
  }

  /** Show whether the chosen rank is the one that this rule names. */
  mark(rank, maxRank) {
    const { rule, rank: said } = this.vote;
    this.button.textContent = said ?? "–";
    this.button.disabled = said === null || said > maxRank;
    this.button.title = said > maxRank ? `The handle goes to ${maxRank}: make the selector with a higher max_rank.` : "";
    this.button.setAttribute("aria-pressed", String(said === rank));
    this.button.setAttribute("aria-label", said === null ? `${rule} has no answer` : `${rule}: rank ${said}`);
  }
}

/** The map whose rank all parts of a selector share. */
const mapOf = (model) => model.widget_manager.get_model(model.get("map").replace("IPY_MODEL_", ""));

export default () => {
  let map = null;
  return {
    async initialize({ model }) {
      map = await mapOf(model);
    },
    render({ model, el }) {
      const rows = new Map();
      const body = make("tbody");
      const heads = ["rank", "rule", "asks", "is misled by"].map((words) => make("th", { scope: "col" }, words));
      const table = make("table", { class: "endmember-votes" }, make("thead", {}, make("tr", {}, ...heads)), body);
      const waiting = make("div", { class: "endmember-note" });
      const spoken = make("span", { role: "status", class: "endmember-spoken" });

      const choose = (rank) => {
        map.set("rank", rank);
        map.save_changes();
      };
      const mark = () => rows.forEach((row) => row.mark(map.get("rank"), map.get("max_rank")));
      const rowOf = (rule) => {
        if (!rows.has(rule)) {
          rows.set(rule, new Row(choose));
          body.append(rows.get(rule).element);
        }
        return rows.get(rule);
      };
      const show = () => {
        const votes = model.get("votes");
        const known = votes.filter((vote) => !vote.waits);
        const fresh = known.filter((vote) => !rows.has(vote.rule));
        known.forEach((vote) => rowOf(vote.rule).fill(vote));
        table.hidden = known.length === 0;
        const names = votes.filter((vote) => vote.waits).map((vote) => vote.rule);
        waiting.textContent = known.length && names.length ? `Yet to answer: ${names.join(", ")}.` : "";
        mark();
        if (el.isConnected) spoken.textContent = fresh.map(({ rule, rank }) => `${rule} ${rank ? `says ${rank}` : "has no answer"}`).join(", ");
      };
      el.classList.add("endmember-vote-box");
      show();
      model.on("change:votes", show);
      map.on("change:rank", mark);
      el.replaceChildren(table, waiting, spoken);
      return () => {
        model.off("change:votes", show);
        map.off("change:rank", mark);
        rows.clear();
      };
    },
  };
};
