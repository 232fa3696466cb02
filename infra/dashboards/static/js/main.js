// The page's frame: header, which page the address asks for, and when it is loaded again.
import * as alertsPage from "./alerts.js";
import { Board } from "./board.js";
import { h } from "./dom.js";
import { clock, duration } from "./format.js";
import { alerts, fetchJson } from "./prometheus.js";
import * as state from "./state.js";
import * as traces from "./traces.js";

const bar = document.getElementById("bar");
const page = document.getElementById("page");
const banner = document.getElementById("banner");

let dashboards = [];
let board = null;
let timer = 0;
let firing = 0;

function route() {
  const [, kind = "", id = ""] = location.pathname.split("/");
  return { kind, id: decodeURIComponent(id) };
}

const option = (chosen) => ([value, text]) => h("option", { value, selected: value === chosen }, text);

function header() {
  const { kind, id } = route();
  const link = (href, text, current, count = 0) => h("a", { href: `${href}${state.carried()}`, "aria-current": current ? "page" : null }, text, count ? h("span", { class: "count" }, String(count)) : null);
  bar.replaceChildren(
    h("a", { class: "brand", href: "/" }, h("img", { src: "/static/icon.svg", alt: "" }), "Signalbox"),
    h("nav", { class: "tabs", "aria-label": "Pages" },
      dashboards.map(({ uid, title }) => link(`/d/${uid}`, title, kind === "d" && id === uid)),
      link("/traces", "Traces", kind.startsWith("trace")), link("/alerts", "Alerts", kind === "alerts", firing)),
    h("div", { class: "tools" }, board ? tools() : null,
      h("button", { title: "Dark or light", "aria-label": "Dark or light", onclick: () => { state.toggleTheme(); load(); } }, "◐")));
}

function tools() {
  const { relative, from, to } = board.range();
  const known = state.RANGES.some(([value]) => value === relative);
  const ranges = h("select", { "aria-label": "Time range", onchange: ({ target }) => { state.set({ from: `now-${target.value}`, to: "now" }); load(); } },
    known ? null : h("option", { selected: true }, relative ? `Last ${relative}` : `${clock(from, true)} – ${clock(to)}`), state.RANGES.map(option(relative)));
  const every = state.get("refresh", board.dashboard.refresh || "");
  const refreshes = h("select", { "aria-label": "Refresh every", onchange: ({ target }) => { state.set({ refresh: target.value }); schedule(); } }, state.REFRESHES.map(option(every)));
  return [ranges, h("button", { title: "Load again", "aria-label": "Load again", onclick: load }, "↻"), refreshes];
}

function tell(error) {
  banner.hidden = !error;
  banner.textContent = error ? error.message : "";
}

async function load() {
  clearTimeout(timer);
  const { kind, id } = route();
  let failure = null;
  try {
    if (board) failure = await board.refresh();
    else if (kind === "traces") await traces.latest(page);
    else if (kind === "trace") await traces.one(page, id);
    else if (kind === "alerts") await alertsPage.list(page);
    firing = await alerts().then((all) => all.filter((one) => one.state === "firing").length, () => 0);
  } catch (error) {
    failure = error;
  }
  tell(failure);
  if (!document.querySelector(".tools select:focus")) header();
  document.documentElement.dataset.ready = failure ? "failed" : "drawn";
  schedule();
}

function schedule() {
  clearTimeout(timer);
  const every = duration(state.get("refresh", board?.dashboard.refresh || ""));
  if (!every || !board || !state.range({ from: "now-30m", to: "now" }).relative) return;
  timer = setTimeout(() => (document.hidden ? schedule() : load()), every * 1000);
}

async function start() {
  state.startTheme();
  try {
    ({ dashboards } = await fetchJson("/api/dashboards"));
    if (route().kind === "" && dashboards.length) history.replaceState(null, "", `/d/${dashboards[0].uid}${location.search}`);
    const { kind, id } = route();
    if (kind === "d") {
      board = new Board(await fetchJson(`/api/dashboards/${encodeURIComponent(id)}`), page);
      board.layout();
    }
    header();
  } catch (error) {
    header();
    tell(error);
    document.documentElement.dataset.ready = "failed";
    return;
  }
  await load();
}

addEventListener("range", load);
start();
