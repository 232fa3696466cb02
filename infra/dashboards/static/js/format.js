// Numbers and times as people read them; the unit names are Grafana's.

const SI = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];
const BINARY = [[2 ** 40, "TiB"], [2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"], [1, "B"]];
const SECONDS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"], [1e-3, "ms"], [1e-6, "µs"], [1e-9, "ns"]];

function round(value, decimals) {
  const size = Math.abs(value);
  const places = decimals ?? (size >= 100 ? 0 : size >= 10 ? 1 : 2);
  const text = value.toFixed(places);
  return decimals === undefined && text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

function scaled(value, steps, fallback) {
  const size = Math.abs(value);
  const step = steps.find(([from]) => size >= from) ?? fallback;
  return [value / step[0], step[1]];
}

/** [number, suffix] of a value. */
export function parts(value, unit = "short", decimals = undefined) {
  if (value === null || value === undefined || Number.isNaN(value)) return ["–", ""];
  if (!Number.isFinite(value)) return [value > 0 ? "∞" : "−∞", ""];
  decimals ??= undefined;
  switch (unit) {
    case "percentunit": return [round(value * 100, decimals), "%"];
    case "s": {
      if (value === 0) return ["0", "s"];
      const [number, suffix] = scaled(value, SECONDS, SECONDS.at(-1));
      return [round(number, decimals), suffix];
    }
    case "bytes": {
      const [number, suffix] = scaled(value, BINARY, BINARY.at(-1));
      return [round(number, decimals), suffix];
    }
    default: {
      const [number, suffix] = scaled(value, SI, [1, ""]);
      const tail = { reqps: " req/s", ops: " /s" }[unit] ?? "";
      return [round(number, decimals), `${suffix}${tail}`];
    }
  }
}

export function format(value, unit, decimals) {
  const [number, suffix] = parts(value, unit, decimals);
  const glue = suffix === "" || suffix === "%" || suffix.startsWith(" ") || /^[kMGT]( |$)/.test(suffix) ? "" : " ";
  return `${number}${glue}${suffix}`;
}

export function clock(seconds, withDate = false) {
  const at = new Date(seconds * 1000);
  const time = at.toLocaleTimeString("en-GB");
  return withDate ? `${at.toLocaleDateString("sv-SE")} ${time}` : time;
}

const UNIT_S = { s: 1, m: 60, h: 3600, d: 86400 };

/** "30m" -> 1800 */
export function duration(text) {
  const [, count, unit] = /^(\d+)([smhd])$/.exec(text) ?? [];
  return count ? Number(count) * UNIT_S[unit] : null;
}

/** Seconds of "now", "now-30m" or milliseconds since the epoch, as Grafana's addresses have them. */
export function instant(text, now) {
  if (/^\d+$/.test(text)) return Number(text) / 1000;
  if (text === "now") return now;
  const back = /^now-(.+)$/.exec(text);
  return now - (duration(back?.[1] ?? "") ?? 1800);
}
