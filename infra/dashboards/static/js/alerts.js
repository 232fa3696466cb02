// Every alert rule and what it says now, the firing ones first.
import { h } from "./dom.js";
import { clock, format } from "./format.js";
import { rules } from "./prometheus.js";

const RANK = { firing: 0, pending: 1, inactive: 2 };
const COLOR = { firing: "red", pending: "yellow", inactive: "green" };
const badge = (text, color) => h("span", { class: "badge", vars: { c: `var(--${color})` } }, text);

export async function list(page) {
  document.title = "Alerts · Signalbox";
  const found = (await rules()).sort((a, b) => RANK[a.state] - RANK[b.state] || a.name.localeCompare(b.name));
  const firing = found.filter(({ state }) => state === "firing").length;
  page.replaceChildren(h("div", { class: "page" }, h("h1", {}, "Alerts"),
    h("p", {}, `${firing} of ${found.length} rules ${firing === 1 ? "fires" : "fire"}. What to do stands in docs/runbooks.md.`),
    h("div", { class: "card scroll" }, h("table", { class: "list" },
      h("thead", {}, h("tr", {}, ["State", "Alert", "Severity", "What it says", "Since"].map((name) => h("th", {}, name)))),
      h("tbody", {}, found.flatMap(lines))))));
}

function lines(rule) {
  const cells = (says, since) => h("tr", {},
    h("td", {}, badge(rule.state === "inactive" ? "quiet" : rule.state, COLOR[rule.state])),
    h("td", {}, h("b", {}, rule.name)), h("td", {}, rule.labels.severity ?? ""), h("td", {}, says), h("td", {}, since));
  if (!rule.alerts?.length) return [cells(h("code", {}, rule.query.replace(/\s+/g, " ")), "")];
  return rule.alerts.map((alert) => cells(
    [h("div", {}, alert.annotations.summary ?? ""), h("small", { style: "color:var(--quiet)" }, `${alert.annotations.description ?? ""} (${format(Number(alert.value))})`)],
    clock(Date.parse(alert.activeAt) / 1000, true)));
}
