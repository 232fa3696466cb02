"""What a run takes from its scenario. In processes of their own: Locust patches the standard library."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
ADDRESSES = {
    "SHORTENER_URL": "http://127.0.0.1:8010",
    "PAYMENTS_URL": "http://127.0.0.1:8040",
    "ORDERS_URL": "http://127.0.0.1:8080",
    "METRICS_URL": "http://127.0.0.1:8180",
}
CHOSEN = """
import json, sys
from loadtests import run
options = run.parse_arguments(sys.argv[1:])
print(json.dumps({"url": options.url, "rate": options.rate}))
"""
MISSING = """
import json
from loadtests import run
missing = [f"{u.service}.{name}" for u in run.USERS for name in u.mix if not callable(getattr(u, name, None))]
print(json.dumps(missing))
"""


def said_by(script: str, *options: str, **environment: str) -> Any:
    inherited = {name: value for name, value in os.environ.items() if name not in ("RATE", "DURATION")}
    done = subprocess.run(
        [sys.executable, "-c", script, *options],
        cwd=ROOT,
        env={**inherited, **ADDRESSES, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return json.loads(done.stdout)


def test_every_operation_of_a_mix_is_a_method() -> None:
    assert said_by(MISSING) == []


def test_a_scenario_brings_its_rate_and_its_address() -> None:
    assert said_by(CHOSEN) == {"url": ADDRESSES["SHORTENER_URL"], "rate": 200}
    assert said_by(CHOSEN, "--service", "payments") == {"url": ADDRESSES["PAYMENTS_URL"], "rate": 40}
    assert said_by(CHOSEN, "--service", "orders") == {"url": ADDRESSES["ORDERS_URL"], "rate": 30}
    assert said_by(CHOSEN, "--service", "metrics-ingest") == {"url": ADDRESSES["METRICS_URL"], "rate": 40}


def test_what_the_caller_says_wins() -> None:
    assert said_by(CHOSEN, "--service", "payments", RATE="500")["rate"] == 500
    options = ("--service", "payments", "--rate", "7", "--url", "http://[::1]:9")
    assert said_by(CHOSEN, *options, RATE="500") == {"url": "http://[::1]:9", "rate": 7}
