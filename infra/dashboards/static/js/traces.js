// The latest traces, and one trace as a waterfall.
import { nth } from "./colors.js";
import { h } from "./dom.js";
import { clock, format } from "./format.js";
import { fetchJson } from "./prometheus.js";

const seconds = (nanoseconds) => Number(nanoseconds) / 1e9;
const badge = (text, color) => h("span", { class: "badge", vars: { c: `var(--${color})` } }, text);

export async function latest(page) {
  document.title = "Traces · Signalbox";
  const { traces } = await fetchJson("/api/traces");
  const table = h("table", { class: "list" },
    h("thead", {}, h("tr", {}, ["Started", "Trace", "Root", "Services"].map((name) => h("th", {}, name)), ["Spans", "Duration"].map((name) => h("th", { class: "number" }, name)))),
    h("tbody", {}, traces.map((one) => h("tr", {},
      h("td", {}, clock(seconds(one.start_ns), true)),
      h("td", {}, h("a", { class: "mono", href: `/trace/${one.trace_id}` }, one.trace_id.slice(0, 16), "…")),
      h("td", {}, one.name, " ", one.failed ? badge("error", "red") : null),
      h("td", {}, one.services.join(", ")),
      h("td", { class: "number" }, String(one.spans)),
      h("td", { class: "number" }, format(seconds(one.duration_ns), "s"))))));
  page.replaceChildren(h("div", { class: "page" }, h("h1", {}, "Latest traces"),
    h("p", {}, "Sampled requests, newest first, from the trace files that the local runtime keeps."),
    traces.length ? h("div", { class: "card scroll" }, table) : h("div", { class: "card", style: "padding:24px" }, "No trace yet. One request in a hundred is sampled; a request with a sampled traceparent header always is.")));
}

export async function one(page, id) {
  document.title = `Trace ${id.slice(0, 8)} · Signalbox`;
  const { spans } = await fetchJson(`/api/traces/${id}`);
  const start = Math.min(...spans.map(({ start_ns: at }) => seconds(at)));
  const end = Math.max(...spans.map(({ end_ns: at }) => seconds(at)));
  const total = Math.max(end - start, 1e-9);
  const services = [...new Set(spans.map(({ service }) => service))];
  const color = (service) => nth([2, 0, 3, 5, 6, 1][services.indexOf(service) % 6]);
  const ticks = h("div", { class: "ticks" }, [0, 0.25, 0.5, 0.75, 1].map((share) => h("span", {}, format(total * share, "s"))));
  page.replaceChildren(h("div", { class: "page" },
    h("h1", {}, spans[0].name, " ", h("span", { class: "mono" }, id)),
    h("p", {}, `${clock(start, true)} · ${format(total, "s")} · ${spans.length} ${spans.length === 1 ? "span" : "spans"} · `, services.map((service) => [h("span", { class: "badge", style: `--c:${color(service)}` }, service), " "])),
    h("div", { class: "card waterfall" },
      h("div", { class: "scale-row" }, h("div", {}, "Span"), h("div", {}, ticks)),
      spans.map((span) => line(span, { start, total, color: color(span.service) })))));
}

function line(span, { start, total, color }) {
  const from = (seconds(span.start_ns) - start) / total, length = seconds(span.end_ns - span.start_ns) / total;
  const text = format(seconds(span.end_ns - span.start_ns), "s");
  // Beside the bar where there is room, else on it.
  const place = from + length < 0.85 ? { style: `left:${(from + length) * 100}%` }
    : from > 0.15 ? { style: `right:${(1 - from) * 100}%` } : { class: "on", style: `right:${(1 - from - length) * 100}%` };
  const facts = { kind: span.kind, status: span.status, span: span.span_id, parent: span.parent_id, ...span.attributes };
  return h("details", { class: `span${span.failed ? " failed" : ""}`, vars: { depth: span.depth, c: color } },
    h("summary", {},
      h("div", { class: "name" }, h("b", { title: span.name }, span.name), h("small", {}, span.service), span.failed ? badge("error", "red") : null),
      h("div", { class: "lane" }, h("i", { style: `left:${from * 100}%;width:${length * 100}%` }), h("em", place, text))),
    h("dl", {}, Object.entries(facts).filter(([, value]) => value !== "" && value !== null).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, String(value))]),
      span.events.flatMap(({ name, at_ns: at, attributes }) => [h("dt", {}, `+${format(seconds(at - span.start_ns), "s")}`), h("dd", {}, `${name} ${Object.entries(attributes).map(([k, v]) => `${k}=${v}`).join(" ")}`)])));
}
