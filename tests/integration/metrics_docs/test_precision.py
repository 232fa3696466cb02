"""What the page on precision says, asked of the store itself."""

import math
import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from metrics_ingest.domain import chunks, wire

from tests.support.metrics import Victoria

PAGE = Path(__file__).parents[3] / "docs" / "metrics-ingest" / "precision.md"
SENT = {
    "0.1": 0.1,
    "99.99": 99.99,
    "0.1 + 0.2": 0.1 + 0.2,
    "1 / 3": 1 / 3,
    "1e-9 / 3": 1e-9 / 3,
    "1e-308": 1e-308,
    "1e-320": 1e-320,
    "-0.0": -0.0,
    "2.0 ** 53 - 1": 2.0**53 - 1,
    "1700000000123.0": 1700000000123.0,
    "inf": math.inf,
    "-inf": -math.inf,
    "nan": math.nan,
}
NEIGHBOURS = [1000.25 + number * 0.01 for number in range(30)]


def told() -> dict[str, tuple[str, str]]:
    """What is sent, and what is read: alone, and beside others."""
    found = re.findall(r"^\| `([^`]+)` \| ([^|]+) \| ([^|]+) \|$", PAGE.read_text(), re.MULTILINE)
    return {sent: (alone.strip("`"), beside.strip("`")) for sent, alone, beside in found}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Victoria]:
    server = Victoria(tmp_path / "victoria")
    server.start()
    yield server
    server.close()


def series(name: str, case: str, samples: list[tuple[int, float]]) -> bytes:
    labels = wire.put_labels([(b"__name__", name.encode()), (b"case", case.encode())])
    return wire.put_series(labels, b"".join(wire.put_sample(at_ms, value) for at_ms, value in samples))


def test_values_come_back_as_the_page_says(store: Victoria) -> None:
    at_ms = int(time.time()) * 1000 - 60_000
    earlier = [(at_ms - (len(NEIGHBOURS) - place) * 1000, one) for place, one in enumerate(NEIGHBOURS)]
    parts = [series("alone", case, [(at_ms, value)]) for case, value in SENT.items()]
    parts += [series("beside", case, [*earlier, (at_ms, value)]) for case, value in SENT.items()]
    answer = httpx.post(
        f"{store.address}/api/v1/write",
        content=chunks.compress(b"".join(parts)),
        headers={"Content-Encoding": "snappy"},
    )
    assert answer.status_code == httpx.codes.NO_CONTENT
    httpx.get(f"{store.address}/internal/force_flush").raise_for_status()

    page = told()
    assert page.keys() == SENT.keys()
    for place, name in enumerate(("alone", "beside")):
        found = read(store, name, at_ms)
        for case, texts in page.items():
            text = texts[place]
            if text.startswith("nothing"):
                assert case not in found
            else:
                assert float(found[case]) == float(text), (case, name)
                assert found[case].startswith("-") == text.startswith("-"), (case, name)


def read(store: Victoria, name: str, at_ms: int) -> dict[str, str]:
    """At that very moment: an earlier sample is none of these."""
    query = f"{name}[1ms]"
    asked = {"query": query, "time": f"{at_ms / 1000:.3f}", "nocache": "1"}
    result = httpx.get(f"{store.address}/api/v1/query", params=asked).raise_for_status().json()
    return {
        row["metric"]["case"]: value
        for row in result["data"]["result"]
        for second, value in row["values"]
        if round(second * 1000) == at_ms
    }
