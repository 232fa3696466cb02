// Panels of single values: stat, gauge, bar gauge.
import { alpha, byThreshold, mapped, named } from "../colors.js";
import { h, svg } from "../dom.js";
import { format, parts } from "../format.js";
import { legend, queryInstant, queryRange } from "../prometheus.js";

export async function loadInstant(panel, context) {
  const found = await Promise.all(panel.targets.map((target) => queryInstant(context.expr(target), context.window.end)));
  return found.flatMap((rows, i) => rows.map(({ labels, value }) => ({ name: legend(panel.targets[i].legendFormat, labels), value })));
}

export async function loadStat(panel, context) {
  const { series } = await queryRange(context.expr(panel.targets[0]), context.window);
  const [first] = series;
  return first ? [{ y: first.y, value: first.y.findLast((value) => value !== null) }] : [];
}

export const isEmpty = (values) => values.length === 0;

const look = ({ fieldConfig }) => fieldConfig?.defaults ?? {};

function words(value, { unit, decimals, mappings, thresholds }) {
  const mapping = mapped(value, mappings);
  const color = mapping?.color ?? byThreshold(value, thresholds);
  return { color, text: mapping?.text ?? format(value, unit, decimals), parts: mapping ? [mapping.text, ""] : parts(value, unit, decimals) };
}

function sparkline(y, color) {
  const points = y.map((value, i) => [i / Math.max(1, y.length - 1) * 100, value]).filter(([, value]) => value !== null);
  if (points.length < 2 || points.every(([, value]) => value === 0)) return null;
  const low = Math.min(0, ...points.map(([, v]) => v)), high = Math.max(...points.map(([, v]) => v));
  const path = points.map(([x, v], i) => `${i ? "L" : "M"}${x.toFixed(2)} ${(48 - 44 * ((v - low) / (high - low || 1))).toFixed(2)}`).join("");
  const [left, right] = [points[0][0], points.at(-1)[0]];
  return svg("svg", { viewBox: "0 0 100 50", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("path", { d: `${path}L${right} 50L${left} 50Z`, fill: alpha(color, 0.16) }),
    svg("path", { d: path, fill: "none", stroke: color, "stroke-width": "1.5", "vector-effect": "non-scaling-stroke" }));
}

export function drawStat(body, panel, [{ y, value }]) {
  const { color, parts: [number, suffix] } = words(value, look(panel));
  const size = Math.min(body.clientHeight * 0.4, (body.clientWidth * 0.86) / (0.62 * (number.length + suffix.trim().length * 0.55)), 46);
  body.append(h("div", { class: "stat", vars: { c: color } },
    panel.options?.graphMode === "area" ? sparkline(y, color) : null,
    h("b", { style: `font-size:${Math.max(14, size)}px` }, number, suffix ? h("small", {}, suffix) : null)));
}

const SWEEP = 240;
function arc(radius, from, to) {
  const point = (share) => {
    const angle = ((SWEEP * share - SWEEP / 2 - 90) * Math.PI) / 180;
    return `${(100 + radius * Math.cos(angle)).toFixed(2)} ${(100 + radius * Math.sin(angle)).toFixed(2)}`;
  };
  return `M${point(from)}A${radius} ${radius} 0 ${(to - from) * SWEEP > 180 ? 1 : 0} 1 ${point(to)}`;
}

export function drawGauge(body, panel, values) {
  const { min = 0, max = 1, thresholds } = look(panel);
  const share = (value) => Math.min(1, Math.max(0, (value - min) / (max - min || 1)));
  const steps = thresholds?.steps ?? [];
  const ring = steps.map(({ value, color }, i) => {
    const from = i === 0 ? 0 : share(value ?? min), to = i + 1 < steps.length ? share(steps[i + 1].value) : 1;
    return to > from ? svg("path", { d: arc(92, from, to), fill: "none", stroke: named(color), "stroke-width": "4" }) : null;
  });
  body.append(h("div", { class: "gauges" }, values.map(({ name, value }) => {
    const { color, text } = words(value, look(panel));
    const filled = share(value);
    return h("figure", {},
      svg("svg", { viewBox: "0 0 200 156", role: "img", "aria-label": `${name} ${text}` },
        ring.map((part) => part?.cloneNode()),
        svg("path", { d: arc(77, 0, 1), fill: "none", stroke: "var(--track)", "stroke-width": "20" }),
        filled > 0.002 ? svg("path", { d: arc(77, 0, filled), fill: "none", stroke: color, "stroke-width": "20" }) : null,
        svg("text", { x: 100, y: 110, "font-size": text.length > 5 ? 27 : 32, style: `--c:${color}` }, text)),
      name && values.length > 0 ? h("figcaption", { title: name }, name) : null);
  })));
}

export function drawBars(body, panel, values) {
  const settings = look(panel);
  const fixed = Object.fromEntries((panel.fieldConfig?.overrides ?? []).map(({ matcher, properties }) =>
    [matcher.options, properties.find(({ id }) => id === "color")?.value?.fixedColor]));
  const top = settings.max ?? Math.max(...values.map(({ value }) => value), 1e-12);
  body.append(h("div", { class: "bars" }, values.flatMap(({ name, value }) => {
    const found = words(value, settings);
    const color = fixed[name] ? named(fixed[name]) : found.color;
    return [
      h("span", { title: name }, name || "value"),
      h("div", { vars: { c: color } }, h("i", { style: `width:${Math.min(100, Math.max(0, (value / top) * 100))}%` })),
      h("b", { vars: { c: color } }, found.text),
    ];
  })));
}
