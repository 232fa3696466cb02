// Table: queries joined on their labels (Grafana's "merge"), columns named and ordered by "organize".
import { byThreshold, mapped } from "../colors.js";
import { h } from "../dom.js";
import { format } from "../format.js";
import { queryInstant } from "../prometheus.js";

export async function load(panel, context) {
  const found = await Promise.all(panel.targets.map((target) => queryInstant(context.expr(target), context.window.end)));
  const organize = panel.transformations?.find(({ id }) => id === "organize")?.options ?? {};
  const columns = Object.entries(organize.indexByName ?? {}).sort(([, a], [, b]) => a - b).map(([key]) => key);
  const rows = new Map();
  found.forEach((samples, i) => samples.forEach(({ labels: { __name__, ...labels }, value }) => {
    const key = JSON.stringify(Object.entries(labels).sort());
    const row = rows.get(key) ?? rows.set(key, { ...labels }).get(key);
    row[found.length === 1 ? "Value" : `Value #${panel.targets[i].refId}`] = value;
  }));
  return { rows: [...rows.values()], columns, titles: organize.renameByName ?? {} };
}

export const isEmpty = ({ rows }) => rows.length === 0;

function styleOf(panel, title) {
  const override = (panel.fieldConfig?.overrides ?? []).find(({ matcher }) => matcher.id === "byName" && matcher.options === title);
  const of = (id) => override?.properties.find((property) => property.id === id)?.value;
  return { unit: of("unit"), decimals: of("decimals"), mappings: of("mappings"), thresholds: of("custom.cellOptions") ? of("thresholds") : undefined };
}

function cell(value, style) {
  if (typeof value !== "number") return h("td", {}, value ?? "");
  const mapping = mapped(value, style.mappings);
  const color = mapping?.color ?? (style.thresholds ? byThreshold(value, style.thresholds) : null);
  return h("td", { class: "number", style: color ? `--c:${color}` : null }, mapping?.text ?? format(value, style.unit, style.decimals));
}

export function draw(body, panel, { rows, columns, titles }, context) {
  const styles = columns.map((column) => styleOf(panel, titles[column] ?? column));
  const numeric = columns.map((column) => column.startsWith("Value"));
  const host = h("div", { class: "table" });
  body.append(host);
  const render = () => {
    const { column: by = columns[0], down = false } = context.memory.sort ?? {};
    const sorted = [...rows].sort((a, b) => {
      const [x, y] = [a[by], b[by]];
      const order = typeof x === "number" || typeof y === "number" ? (x ?? -Infinity) - (y ?? -Infinity) : String(x ?? "").localeCompare(String(y ?? ""));
      return down ? -order : order;
    });
    const sortBy = (column) => { context.memory.sort = { column, down: column === by ? !down : numeric[columns.indexOf(column)] }; render(); };
    host.replaceChildren(h("table", {},
      h("thead", {}, h("tr", {}, columns.map((column, i) => h("th", { class: numeric[i] ? "number" : null, "aria-sort": column === by ? (down ? "descending" : "ascending") : null },
        h("button", { onclick: () => sortBy(column) }, `${titles[column] ?? column}${column === by ? (down ? " ↓" : " ↑") : ""}`))))),
      h("tbody", {}, sorted.map((row) => h("tr", {}, columns.map((column, i) => cell(row[column], styles[i])))))));
  };
  render();
}
