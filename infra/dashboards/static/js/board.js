// A dashboard: its variables, its grid, and the loop that loads every panel.
import { h } from "./dom.js";
import { KINDS } from "./panels/index.js";
import { fetchJson, interpolate, labelValues, window_ } from "./prometheus.js";
import * as state from "./state.js";
import { picker } from "./variables.js";

const NARROW_COLUMNS = 24;

// On a narrow screen panels keep their lines: small ones three abreast, charts of a third two abreast, others alone.
function narrowSpans(panels) {
  const lines = Map.groupBy(panels.filter(({ type }) => type !== "row"), ({ gridPos }) => gridPos.y);
  const spans = new Map();
  for (const line of lines.values()) {
    const stats = line.every(({ gridPos }) => gridPos.w <= 4);
    line.forEach((panel, i) => {
      const alone = line.length === 1 || panel.gridPos.w >= 10 || (!stats && line.length % 2 === 1 && i === 0);
      spans.set(panel.id, stats ? NARROW_COLUMNS / 3 : alone ? NARROW_COLUMNS : NARROW_COLUMNS / 2);
    });
  }
  return spans;
}

export class Board {
  constructor(dashboard, page) {
    this.dashboard = dashboard;
    this.page = page;
    this.variables = {};
    this.cards = [];
    this.generation = 0;
    document.title = `${dashboard.title} · Signalbox`;
  }

  range() { return state.range(this.dashboard.time ?? { from: "now-30m", to: "now" }); }

  layout() {
    this.bar = h("div", { id: "variables" });
    this.grid = h("div", { class: "grid" });
    this.page.replaceChildren(this.bar, this.grid);
    const spans = narrowSpans(this.dashboard.panels);
    let folded = [];
    for (const panel of this.dashboard.panels) {
      const { x, y, w, h: height } = panel.gridPos;
      const place = { x: x + 1, y: y + 1, w, h: height, nw: spans.get(panel.id) ?? NARROW_COLUMNS };
      if (panel.type === "row") {
        folded = [];
        this.grid.append(this.rowTitle(panel, place, folded));
        continue;
      }
      const card = this.card(panel, place);
      folded.push(card);
      this.cards.push(card);
      this.grid.append(card.element);
    }
  }

  rowTitle(panel, place, cards) {
    const title = h("button", {
      class: "row", vars: place, "aria-expanded": "true",
      onclick: () => {
        const open = title.getAttribute("aria-expanded") !== "true";
        title.setAttribute("aria-expanded", String(open));
        for (const { element } of cards) element.hidden = !open;
        this.compact();
      },
    }, panel.title);
    return title;
  }

  // Folding a row pulls everything below it up.
  compact() {
    let shift = 0;
    for (const element of this.grid.children) {
      const y = Number(element.dataset.y ?? (element.dataset.y = element.style.getPropertyValue("--y")));
      element.style.setProperty("--y", String(y - shift));
      if (element.classList.contains("row") && element.getAttribute("aria-expanded") === "false") {
        const next = [...this.grid.children].slice([...this.grid.children].indexOf(element) + 1).find((other) => other.classList.contains("row"));
        const end = Number(next?.dataset.y ?? next?.style.getPropertyValue("--y") ?? y + 1);
        shift += end - y - 1;
      }
    }
    for (const { element } of this.cards) element.style.display = element.hidden ? "none" : "";
  }

  card(panel, place) {
    const body = h("div", { class: "body" });
    const info = panel.description ? h("i", { class: "info", title: panel.description, "aria-label": panel.description, role: "note" }, "i") : null;
    const inspect = h("button", { class: "inspect", title: "Queries", "aria-label": `Queries of ${panel.title}`, onclick: () => this.inspect(panel) }, "{ }");
    const element = h("section", { class: `panel${place.w <= 6 ? " small" : ""}`, vars: place, "data-panel": panel.id, "data-kind": panel.type },
      h("h2", {}, h("span", {}, panel.title), info, inspect), body);
    return { panel, element, body, memory: {}, clean: null };
  }

  inspect(panel) {
    const at = window_(this.range());
    const dialog = h("dialog", { onclose: () => dialog.remove(), onclick: (event) => event.target === dialog && dialog.close() },
      h("h3", {}, panel.title), panel.description ? h("p", {}, panel.description) : null,
      panel.targets.map((target) => h("pre", {}, interpolate(target.expr, at.builtin, this.variables))),
      h("form", { method: "dialog" }, h("button", {}, "Close")));
    document.body.append(dialog);
    dialog.showModal();
  }

  async refresh() {
    const generation = ++this.generation;
    const range = this.range();
    try {
      await this.loadVariables(range);
    } catch (error) {
      this.cards.forEach((card) => this.fail(card, error));
      return error;
    }
    if (generation !== this.generation) return null;
    const failures = await Promise.all(this.cards.map((card) => this.load(card, range, generation)));
    return failures.find((failure) => failure) ?? null;
  }

  async loadVariables(range) {
    const pickers = [];
    for (const variable of this.dashboard.templating?.list ?? []) {
      const options = await labelValues(variable.query, window_(range).builtin, this.variables, range);
      const chosen = state.getAll(`var-${variable.name}`).filter((value) => value !== "$__all");
      this.variables[variable.name] = { values: chosen, all: variable.allValue ?? ".*" };
      pickers.push(picker(variable, options, chosen, (values) => { state.set({ [`var-${variable.name}`]: values }); this.refresh(); }));
    }
    // A list that somebody has open stays as it is.
    if (!this.bar.querySelector("details[open]")) this.bar.replaceChildren(...pickers);
  }

  async load(card, range, generation) {
    const { panel, body, element } = card;
    const kind = KINDS[panel.type];
    if (!kind) return this.fail(card, new Error(`This page does not draw panels of the kind ${panel.type}.`));
    const at = window_(range, body.clientWidth);
    const context = { window: at, memory: card.memory, expr: (target) => interpolate(target.expr, at.builtin, this.variables), zoom: this.zoom };
    element.classList.add("loading");
    try {
      const data = await kind.load(panel, context);
      if (generation !== this.generation) return null;
      this.show(card, kind, data, context);
      return null;
    } catch (error) {
      if (generation === this.generation) this.fail(card, error);
      return error;
    } finally {
      element.classList.remove("loading");
    }
  }

  zoom = (from, to) => {
    state.set({ from: String(Math.round(from * 1000)), to: String(Math.round(to * 1000)) });
    dispatchEvent(new Event("range"));
  };

  show(card, kind, data, context) {
    card.clean?.();
    card.clean = null;
    card.body.replaceChildren();
    const empty = kind.isEmpty(data);
    card.element.dataset.state = empty ? "empty" : "drawn";
    if (empty) card.body.append(h("div", { class: "state" }, "No data in this time range"));
    else card.clean = kind.draw(card.body, card.panel, data, context) ?? null;
  }

  fail(card, error) {
    card.clean?.();
    card.clean = null;
    card.element.dataset.state = "error";
    card.body.replaceChildren(h("div", { class: "state error" }, h("b", {}, "The query failed"), error.message));
    return error;
  }

  stop() {
    this.generation++;
    this.cards.forEach((card) => card.clean?.());
  }
}

