// Prometheus through this page's server, and what Grafana does to an expression before it is sent.
import { clock } from "./format.js";

const TIMEOUT_MS = 20000;
const SCRAPE_S = 5;
const POINTS_MAX = 400;

export class QueryError extends Error {}

/** JSON of this page's server; its own and Prometheus' errors come out as QueryError. */
export async function fetchJson(path, parameters = {}) {
  const query = new URLSearchParams(parameters).toString();
  let response;
  try {
    response = await fetch(query ? `${path}?${query}` : path, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch (error) {
    throw new QueryError(error.name === "TimeoutError" ? "No answer within 20 s" : "The dashboards server does not answer");
  }
  const body = await response.json().catch(() => ({}));
  if (!response.ok || body.status === "error") throw new QueryError(body.error ?? `HTTP ${response.status}`);
  return body;
}

const prom = async (path, parameters) => (await fetchJson(`/api/v1/${path}`, parameters)).data;

/** start, end, step and the values of Grafana's own variables for a chart `width` pixels wide. */
export function window_(range, width = 400) {
  const length = range.to - range.from;
  const wanted = length / Math.min(Math.max(width / 2, 60), POINTS_MAX);
  const step = Math.max(SCRAPE_S, [5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200].find((s) => s >= wanted) ?? 21600);
  return {
    start: Math.floor(range.from / step) * step,
    end: Math.floor(range.to / step) * step,
    step,
    builtin: {
      __interval: `${step}s`,
      __rate_interval: `${Math.max(step + SCRAPE_S, 4 * SCRAPE_S)}s`,
      __range: `${Math.max(1, Math.round(length))}s`,
      __range_s: String(Math.round(length)),
    },
  };
}

const escape = (value) => value.replace(/[\\^$.*+?()[\]{}|]/g, "\\\\$&");

export function interpolate(expr, builtin, variables) {
  return expr.replace(/\$\{?(\w+)(?::\w+)?\}?/g, (whole, name) => {
    if (name in builtin) return builtin[name];
    if (!(name in variables)) return whole;
    const { values, all } = variables[name];
    if (values.length === 0) return all;
    return values.length === 1 ? escape(values[0]) : `(${values.map(escape).join("|")})`;
  });
}

export function legend(format, labels) {
  if (format) return format.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, name) => labels[name] ?? "").trim();
  const { __name__: name = "", ...rest } = labels;
  const text = Object.entries(rest).map(([key, value]) => `${key}="${value}"`).join(", ");
  return text ? `${name}{${text}}` : name;
}

/** One column of x (seconds) and one per series; nothing scraped is null. */
export async function queryRange(expr, at) {
  const data = await prom("query_range", { query: expr, start: at.start, end: at.end, step: at.step });
  const x = [];
  for (let t = at.start; t <= at.end; t += at.step) x.push(t);
  const series = data.result.map(({ metric, values }) => {
    const y = new Array(x.length).fill(null);
    for (const [t, v] of values) {
      const number = Number(v);
      y[Math.round((t - at.start) / at.step)] = Number.isFinite(number) ? number : null;
    }
    return { labels: metric, y };
  });
  return { x, series: series.filter(({ y }) => y.some((value) => value !== null)) };
}

/** [{labels, value}] at one moment. */
export async function queryInstant(expr, time) {
  const data = await prom("query", { query: expr, time });
  if (data.resultType === "scalar") return [{ labels: {}, value: Number(data.result[1]) }];
  return data.result
    .map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }))
    .filter(({ value }) => !Number.isNaN(value));
}

/** [{trace, time, value, labels}] */
export async function queryExemplars(expr, at) {
  const data = await prom("query_exemplars", { query: expr, start: at.start, end: at.end });
  return data.flatMap(({ seriesLabels, exemplars }) =>
    exemplars.map((one) => ({
      trace: one.labels.trace_id ?? one.labels.traceID,
      time: Number(one.timestamp),
      value: Number(one.value),
      labels: seriesLabels,
      title: `${seriesLabels.method ?? ""} ${seriesLabels.route ?? ""} ${seriesLabels.status ?? ""} at ${clock(Number(one.timestamp))}`.trim(),
    }))).filter((one) => one.trace && Number.isFinite(one.value));
}

/** The values of label_values(metric, label) or label_values(label). */
export async function labelValues(definition, builtin, variables, range) {
  const inner = /^label_values\((.*)\)$/s.exec(definition.trim());
  if (!inner) throw new QueryError(`Not a label_values query: ${definition}`);
  const cut = inner[1].lastIndexOf(",");
  const label = inner[1].slice(cut + 1).trim();
  const parameters = { start: range.from, end: range.to };
  if (cut > 0) parameters["match[]"] = interpolate(inner[1].slice(0, cut).trim(), builtin, variables);
  return prom(`label/${encodeURIComponent(label)}/values`, parameters);
}

export const alerts = async () => (await prom("alerts")).alerts;
export const rules = async () => (await prom("rules", { type: "alert" })).groups.flatMap((group) => group.rules);
