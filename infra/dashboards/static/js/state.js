// What the address says: time range, refresh, variables. A copied address shows the same page.
import { instant } from "./format.js";

export const RANGES = [["5m", "Last 5 minutes"], ["15m", "Last 15 minutes"], ["30m", "Last 30 minutes"], ["1h", "Last hour"], ["3h", "Last 3 hours"], ["6h", "Last 6 hours"], ["12h", "Last 12 hours"], ["1d", "Last day"], ["3d", "Last 3 days"], ["7d", "Last 7 days"]];
export const REFRESHES = [["", "Off"], ["5s", "5 s"], ["10s", "10 s"], ["30s", "30 s"], ["1m", "1 min"]];

const parameters = () => new URLSearchParams(location.search);

export const get = (name, fallback = null) => parameters().get(name) ?? fallback;
export const getAll = (name) => parameters().getAll(name);

/** Replaces parameters of the address; null or [] removes one. */
export function set(changes) {
  const next = parameters();
  for (const [name, value] of Object.entries(changes)) {
    next.delete(name);
    for (const one of Array.isArray(value) ? value : [value]) if (one !== null) next.append(name, one);
  }
  history.replaceState(null, "", `${location.pathname}?${next}`);
}

/** The chosen time range in seconds. */
export function range(defaults) {
  const now = Date.now() / 1000;
  const [from, to] = [get("from", defaults.from), get("to", defaults.to)];
  const span = { from: instant(from, now), to: instant(to, now), relative: to === "now" ? from.replace(/^now-/, "") : null };
  return span.to > span.from ? span : { from: now - 1800, to: now, relative: "30m" };
}

/** Time range and refresh go along to another page; variables stay where they belong. */
export function carried() {
  const kept = new URLSearchParams();
  for (const name of ["from", "to", "refresh"]) if (get(name) !== null) kept.set(name, get(name));
  const text = kept.toString();
  return text ? `?${text}` : "";
}

export function startTheme() {
  const wish = get("theme") ?? localStorage.getItem("theme") ?? (matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark");
  document.documentElement.dataset.theme = wish === "light" ? "light" : "dark";
}

export function toggleTheme() {
  const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  localStorage.setItem("theme", next);
}
