// Heatmap of a Prometheus histogram: buckets come cumulative and are drawn as what fell into each.
import { css, heat } from "../colors.js";
import { h } from "../dom.js";
import { clock, format } from "../format.js";
import { queryExemplars, queryRange } from "../prometheus.js";
import { axes, exemplarDots, mount, showTip } from "./chart.js";

export async function load(panel, context) {
  const [target] = panel.targets;
  const expr = context.expr(target);
  const [{ x, series }, exemplars] = await Promise.all([
    queryRange(expr, context.window),
    target.exemplar ? queryExemplars(expr, context.window).catch(() => []) : [],
  ]);
  const sorted = series.map(({ labels, y }) => ({ le: Number(labels.le === "+Inf" ? Infinity : labels.le), y })).sort((a, b) => a.le - b.le);
  const buckets = sorted.map(({ le, y }, i) => ({
    low: i ? sorted[i - 1].le : 0,
    high: le,
    counts: y.map((value, at) => (value === null ? null : Math.max(0, value - (i ? sorted[i - 1].y[at] ?? 0 : 0)))),
  }));
  const used = buckets.map(({ counts }) => counts.some((count) => count > 1e-9));
  const first = used.indexOf(true), last = used.lastIndexOf(true);
  return { x, exemplars, buckets: first < 0 ? [] : buckets.slice(Math.max(0, first - 1), last + 2) };
}

export const isEmpty = ({ buckets }) => buckets.length === 0;

export function draw(body, panel, { x, buckets, exemplars }, context) {
  const unit = panel.options?.yAxis?.unit ?? "s";
  const top = Math.max(...buckets.flatMap(({ counts }) => counts.map((count) => count ?? 0)));
  const exponent = panel.options?.color?.exponent ?? 0.5;
  const shade = (count) => heat(0.06 + 0.94 * (count / top) ** exponent);
  const host = h("div", { class: "chart" });
  const stops = Array.from({ length: 9 }, (_, i) => shade((top * i) / 8)).join(", ");
  const scale = h("div", { class: "scale" }, h("span", {}, "0"), h("i", { style: `background:linear-gradient(90deg, ${stops})` }), h("span", {}, format(top, "short")));
  body.append(host, scale);

  const cells = (u) => {
    const { ctx, bbox } = u;
    const step = context.window.step;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    buckets.forEach(({ counts }, row) => {
      const y0 = u.valToPos(row + 1, "y", true), y1 = u.valToPos(row, "y", true);
      counts.forEach((count, i) => {
        if (!count || count < 1e-9) return;
        const x0 = u.valToPos(x[i] - step, "x", true), x1 = u.valToPos(x[i], "x", true);
        ctx.fillStyle = shade(count);
        // A gap between cells, unless they are so narrow that it would dim them.
        const width = Math.round(x1) - Math.round(x0), gap = width > 5 ? 1 : 0;
        ctx.fillRect(Math.round(x0), Math.round(y0), Math.max(1, width - gap), Math.round(y1) - Math.round(y0) - 1);
      });
    });
    ctx.restore();
  };

  // A value lies within its bucket in proportion, so that a dot stands where its request belongs.
  const toRow = (value) => {
    const row = buckets.findIndex(({ high }) => value <= high);
    if (row < 0) return null;
    const { low, high } = buckets[row];
    return row + (Number.isFinite(high) ? (value - low) / (high - low) : 0.5);
  };
  const dots = (u) => exemplarDots(u, exemplars, (value) => (toRow(value) === null ? null : u.valToPos(toRow(value), "y")), unit);
  const bound = (row) => (row === 0 ? buckets[0].low : buckets[row - 1].high);
  const every = Math.max(1, Math.ceil(buckets.length / Math.max(2, Math.floor((body.clientHeight - 60) / 22))));

  const handle = mount(host, {
    scales: { x: { time: true, range: () => [context.window.start, context.window.end] }, y: { range: () => [0, buckets.length] } },
    series: [{}, { stroke: "transparent", width: 0, points: { show: false } }],
    cursor: { points: { show: false } },
    axes: axes(unit, {
      splits: () => Array.from({ length: buckets.length + 1 }, (_, i) => i).filter((i) => i % every === 0),
      values: (u, at) => at.map((row) => (Number.isFinite(bound(row)) ? format(bound(row), unit) : "+Inf")),
    }),
    hooks: { drawAxes: [cells], ready: [dots], setSize: [dots] },
  }, [x, x.map(() => 0)], {
    onZoom: context.zoom,
    onHover: (u, i, event) => {
      const row = Math.floor(u.posToVal(event.offsetY, "y"));
      const bucket = buckets[row];
      if (i === null || i === undefined || !bucket) return showTip(event, "", []);
      const range = Number.isFinite(bucket.high) ? `${format(bucket.low, unit)} – ${format(bucket.high, unit)}` : `over ${format(bucket.low, unit)}`;
      return showTip(event, clock(x[i], true), [{ color: bucket.counts[i] ? shade(bucket.counts[i]) : css("track"), name: range, text: format(bucket.counts[i] ?? 0, "short") }]);
    },
  });
  return () => handle.destroy();
}
