"""Takes a screenshot of every page in headless Chromium and fails where a panel is empty or broken."""

import argparse
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from infra.dashboards import chromium

ROOT = Path(__file__).resolve().parents[2]
READY_TIMEOUT_S = 40.0
# Name of the picture's ending -> size of the window; the height grows to the page's.
WIDE, NARROW = (1440, 900), (800, 900)
STATES = """
[...document.querySelectorAll(".panel")].map((panel) =>
  [panel.querySelector("h2 span").textContent, panel.dataset.state ?? "not loaded",
   panel.querySelector(".state")?.textContent ?? ""])
"""


@dataclass(frozen=True, slots=True)
class Shot:
    path: str
    name: str
    size: tuple[int, int] = WIDE
    theme: str = "dark"


def shots(base_url: str) -> list[Shot]:
    """Every dashboard wide and narrow, one of them light, and the pages beside them."""
    with httpx.Client(base_url=base_url, trust_env=False, timeout=READY_TIMEOUT_S) as client:
        uids = [
            board["uid"] for board in client.get("/api/dashboards").raise_for_status().json()["dashboards"]
        ]
        traces = client.get("/api/traces").raise_for_status().json()["traces"]
    planned = [Shot(f"/d/{uid}", f"{uid}-1440") for uid in uids]
    planned += [Shot(f"/d/{uid}", f"{uid}-800", NARROW) for uid in uids]
    planned.append(Shot(f"/d/{uids[0]}", f"{uids[0]}-1440-light", theme="light"))
    pages = {"alerts": "/alerts", "traces": "/traces"}
    if traces:
        longest = max(traces[:30], key=lambda trace: (trace["spans"], trace["duration_ns"]))
        pages["trace"] = f"/trace/{longest['trace_id']}"
    for name, path in pages.items():
        planned += [Shot(path, f"{name}-1440"), Shot(path, f"{name}-800", NARROW)]
    return planned


def take(browser: chromium.Browser, base_url: str, shot: Shot, since: str, folder: Path) -> list[str]:
    """What is wrong with the page; the picture is taken in any case."""
    width, height = shot.size
    browser.resize(width, height)
    url = f"{base_url}{shot.path}?from={since}&to=now&refresh=&theme={shot.theme}"
    browser.open(url, ready="document.documentElement?.dataset.ready", timeout_s=READY_TIMEOUT_S)
    browser.resize(width, max(height, int(browser.evaluate("document.documentElement.scrollHeight"))))
    browser.screenshot(folder / f"{shot.name}.png")
    wrong = [
        f"{title}: {state} {text}" for title, state, text in browser.evaluate(STATES) if state != "drawn"
    ]
    if browser.evaluate("document.documentElement.scrollWidth > innerWidth"):
        wrong.append("the page is wider than the window")
    return [f"{shot.name}: {complaint}" for complaint in wrong + browser.complaints]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    port = os.environ.get("DASHBOARDS_PORT") or "8090"
    parser.add_argument("--url", default=f"http://127.0.0.1:{port}", help="address of the dashboards page")
    parser.add_argument("--from", dest="since", default="now-5m", help="begin of the time range")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "screenshots")
    options = parser.parse_args()
    executable = chromium.find()
    if executable is None:
        print("No Chromium is installed (apt-get install chromium).")
        return 2
    wrong: list[str] = []
    with chromium.launch(executable) as browser:
        for shot in shots(options.url):
            wrong += take(browser, options.url, shot, options.since, options.out)
            print(f"{options.out / shot.name}.png")
    for complaint in wrong:
        print(complaint, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
