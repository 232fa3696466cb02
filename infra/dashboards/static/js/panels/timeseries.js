// Time series: lines or a stack, thresholds, a legend that isolates, exemplars.
import { alpha, named, nth } from "../colors.js";
import { h } from "../dom.js";
import { clock, format } from "../format.js";
import { legend as legendOf, queryExemplars, queryRange } from "../prometheus.js";
import { axes, exemplarDots, mount, showTip } from "./chart.js";

export async function load(panel, context) {
  const at = context.window;
  const results = await Promise.all(panel.targets.map((target) => queryRange(context.expr(target), at)));
  const series = results.flatMap(({ series: found }, i) =>
    found.map(({ labels, y }) => ({ name: legendOf(panel.targets[i].legendFormat, labels), y })));
  const wanted = panel.targets.filter((target) => target.exemplar);
  // Exemplars adorn the chart: where they fail, the chart stands without them.
  const exemplars = await Promise.all(wanted.map((target) => queryExemplars(context.expr(target), at).catch(() => [])));
  return { x: results[0]?.x ?? [], series, exemplars: exemplars.flat() };
}

export const isEmpty = ({ series }) => series.length === 0;

const fixedColors = (panel) => Object.fromEntries(
  (panel.fieldConfig?.overrides ?? [])
    .filter(({ matcher }) => matcher.id === "byName")
    .map(({ matcher, properties }) => [matcher.options, properties.find(({ id }) => id === "color")?.value?.fixedColor])
    .filter(([, color]) => color));

function stack(x, series) {
  const total = new Array(x.length).fill(0);
  return series.map(({ y }) => y.map((value, i) => {
    if (value === null && series.every((other) => other.y[i] === null)) return null;
    return (total[i] += value ?? 0);
  }));
}

function limits(u, thresholds) {
  const { ctx, bbox } = u;
  for (const { value, color } of thresholds?.steps ?? []) {
    if (value === null || value === undefined || color === "transparent") continue;
    if (value < u.scales.y.min || value > u.scales.y.max) continue;
    const y = Math.round(u.valToPos(value, "y", true));
    ctx.save();
    ctx.strokeStyle = named(color);
    ctx.setLineDash([8, 6]);
    ctx.lineWidth = devicePixelRatio;
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.restore();
  }
}

function yRange(defaults) {
  return (u, low, high) => {
    const bottom = defaults.min ?? (low ?? 0);
    if (defaults.max !== undefined && defaults.max !== null) return [bottom, defaults.max * 1.02];
    const top = high ?? 1;
    return [bottom, top > bottom ? bottom + (top - bottom) * 1.08 : bottom + 1];
  };
}

export function draw(body, panel, data, context) {
  const defaults = panel.fieldConfig?.defaults ?? {};
  const custom = defaults.custom ?? {};
  const stacked = custom.stacking?.mode === "normal";
  const dashed = (custom.thresholdsStyle?.mode ?? "off") !== "off";
  const fixed = fixedColors(panel);
  const ordered = [...data.series].sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
  const named_ = ordered.map((one, i) => ({ ...one, color: fixed[one.name] ? named(fixed[one.name]) : nth(i) }));
  const host = h("div", { class: "chart" });
  const keys = h("div", { class: "legend" });
  body.append(host, keys);

  let only = context.memory.only ?? null;
  let handle = null;
  const shown = () => named_.filter(({ name }) => only === null || name === only);

  const redraw = () => {
    handle?.destroy();
    const visible = shown();
    const columns = stacked ? stack(data.x, visible) : visible.map(({ y }) => y);
    const lone = data.x.length > 0 && visible.every(({ y }) => y.filter((v) => v !== null).length < 2);
    const plotted = visible.map(({ color }) => ({
      stroke: color,
      width: custom.lineWidth ?? 1.5,
      fill: alpha(color, (custom.fillOpacity ?? 0) / 100),
      spanGaps: custom.spanNulls === true,
      points: { show: lone, size: 6, fill: color },
    }));
    const dots = (u) => exemplarDots(u, data.exemplars, (value) =>
      value > u.scales.y.max || value < u.scales.y.min ? (value > u.scales.y.max ? 6 : null) : u.valToPos(value, "y"), defaults.unit);
    handle = mount(host, {
      scales: { x: { time: true, range: () => [context.window.start, context.window.end] }, y: { range: yRange(defaults) } },
      series: [{}, ...plotted],
      bands: stacked ? visible.slice(1).map((_, i) => ({ series: [i + 2, i + 1] })) : [],
      axes: axes(defaults.unit),
      hooks: { draw: [(u) => dashed && limits(u, defaults.thresholds)], ready: [dots], setSize: [dots] },
    }, [data.x, ...columns], { onZoom: context.zoom, onHover: (u, i, event) => hover(u, i, event, visible, defaults) });
  };

  const hover = (u, i, event, visible) => {
    if (i === null || i === undefined) return;
    const pointer = u.posToVal(event.offsetY, "y");
    const rows = visible.filter(({ y }) => y[i] !== null)
      .map(({ name, color, y }) => ({ name, color, value: y[i], text: format(y[i], defaults.unit, defaults.decimals), gap: Math.abs(y[i] - pointer) }))
      .sort((a, b) => b.value - a.value);
    const nearest = Math.min(...rows.map(({ gap }) => gap));
    showTip(event, clock(data.x[i], true), rows.slice(0, 14).map((row) => ({ ...row, near: rows.length > 1 && !stacked && row.gap === nearest })));
  };

  const drawKeys = () => keys.replaceChildren(...named_.map(({ name, color, y }) => {
    const numbers = y.filter((value) => value !== null);
    const last = numbers.at(-1), max = Math.max(...numbers);
    return h("button", {
      "aria-pressed": String(only === null || only === name), title: `Show only ${name}`,
      onclick: () => { only = only === name ? null : name; context.memory.only = only; drawKeys(); redraw(); },
    }, h("i", { vars: { c: color } }), h("span", {}, name || "value"), h("em", {}, `${format(last, defaults.unit, defaults.decimals)}  ·  max ${format(max, defaults.unit, defaults.decimals)}`));
  }));

  if (only !== null && !named_.some(({ name }) => name === only)) only = null;
  drawKeys();
  redraw();
  return () => handle?.destroy();
}

