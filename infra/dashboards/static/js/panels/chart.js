// What time series and heatmaps share: axes, the synchronised cursor, the tooltip, zooming, exemplars.
import uPlot from "../../vendor/uplot/uPlot.esm.js";
import { css } from "../colors.js";
import { h } from "../dom.js";
import { clock, format } from "../format.js";

const SYNC = uPlot.sync("board");
const EXEMPLARS_MAX = 120;

// Steps of a clock and of binary units: a tick reads 14:05 or 32 MiB, never 14:03:20 or 28.6 MiB.
const TIME_STEPS = [30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800];
const BYTE_STEPS = Array.from({ length: 50 }, (_, power) => 2 ** power);
const moment = (t, step) => (step >= 86400 ? clock(t, true).slice(5, 10) : clock(t).slice(0, step < 60 ? 8 : 5));

export function axes(unit, splits) {
  const font = `11px ${css("font")}`;
  const common = { stroke: css("quiet"), font, ticks: { show: false } };
  return [
    { ...common, size: 24, gap: 6, space: 46, grid: { stroke: css("grid"), width: 1 }, incrs: TIME_STEPS, values: (u, at, axis, space, step) => at.map((t) => moment(t, step)) },
    { ...common, gap: 6, space: 34, ...(unit === "bytes" ? { incrs: BYTE_STEPS } : {}), size: (u, values) => 14 + 6.4 * Math.max(3, ...(values ?? []).map((v) => v.length)), grid: { stroke: css("grid"), width: 1 }, ...(splits ?? { values: (u, at) => labels(at, unit) }) },
  ];
}

// One more decimal for all of them as long as two neighbours would read alike.
function labels(at, unit) {
  for (const decimals of [undefined, 1, 2, 3, 4]) {
    const texts = at.map((v) => format(v, unit, v === 0 ? 0 : decimals));
    if (new Set(texts).size === texts.length) return texts;
  }
  return at.map((v) => format(v, unit));
}

const tip = h("div", { class: "tip", hidden: true });

/** Shows rows [{color, name, text, near}] beside the pointer; no rows hide it. */
export function showTip(event, title, rows) {
  if (!tip.isConnected) document.body.append(tip);
  tip.hidden = rows.length === 0;
  if (tip.hidden) return;
  tip.replaceChildren(
    h("time", {}, title),
    h("table", {}, rows.map((row) => h("tr", { class: row.near ? "near" : null },
      h("td", {}, row.color ? h("i", { vars: { c: row.color } }) : null, row.name), h("td", {}, row.text)))),
  );
  const { innerWidth, innerHeight } = window;
  const box = tip.getBoundingClientRect();
  tip.style.left = `${event.clientX + 16 + box.width > innerWidth ? Math.max(4, event.clientX - box.width - 12) : event.clientX + 16}px`;
  tip.style.top = `${Math.min(event.clientY + 12, innerHeight - box.height - 8)}px`;
}
export const hideTip = () => { tip.hidden = true; };

/** A uPlot that fills `host`, follows its size, and calls `onHover(u, index, event)` and `onZoom(from, to)`. */
export function mount(host, options, data, { onHover, onZoom }) {
  const plot = new uPlot({
    width: Math.max(host.clientWidth, 50),
    height: Math.max(host.clientHeight, 50),
    legend: { show: false },
    ...options,
    cursor: { sync: { key: SYNC.key, setSeries: false }, drag: { x: true, y: false, setScale: false }, points: { size: 7 }, y: false, ...options.cursor },
    hooks: {
      ...options.hooks,
      setSelect: [(u) => {
        if (u.select.width > 4) onZoom(u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x"));
        u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
      }],
    },
  }, data, host);
  plot.over.addEventListener("mousemove", (event) => onHover(plot, plot.cursor.idx, event));
  plot.over.addEventListener("mouseleave", hideTip);
  const sizes = new ResizeObserver(() => {
    if (host.clientWidth > 0 && host.clientHeight > 0) plot.setSize({ width: host.clientWidth, height: host.clientHeight });
  });
  sizes.observe(host);
  return { plot, destroy() { sizes.disconnect(); plot.destroy(); hideTip(); } };
}

/** Dots that open a trace; of many in the same place the slowest stays. */
export function exemplarDots(plot, exemplars, toY, unit) {
  plot.over.querySelectorAll(".exemplar").forEach((dot) => dot.remove());
  const { min, max } = plot.scales.x;
  const width = (max - min) / EXEMPLARS_MAX || 1;
  const best = new Map();
  for (const one of exemplars) {
    if (one.time < min || one.time > max) continue;
    const slot = Math.floor((one.time - min) / width);
    if (!best.has(slot) || best.get(slot).value < one.value) best.set(slot, one);
  }
  for (const one of best.values()) {
    const y = toY(one.value);
    if (y === null) continue;
    const name = `Trace ${one.trace}: ${format(one.value, unit)}, ${one.title}`;
    plot.over.append(h("a", {
      class: "exemplar", href: `/trace/${one.trace}`, "aria-label": name, tabindex: "-1",
      style: `left:${plot.valToPos(one.time, "x")}px;top:${y}px`,
      onmousemove: (event) => { event.stopPropagation(); showTip(event, one.title, [{ color: css("purple"), name: "took", text: format(one.value, unit), near: true }, { name: "trace", text: `${one.trace.slice(0, 16)}… (click)` }]); },
      onmouseleave: hideTip,
      onmousedown: (event) => event.stopPropagation(),
    }));
  }
}
