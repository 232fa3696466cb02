"""The dashboards server: what it passes on to Prometheus, and what it says when that fails."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from infra.dashboards import serve


@asynccontextmanager
async def page(
    answer: httpx.Response | Exception, folder: Path, asked: list[httpx.Request]
) -> AsyncIterator[httpx.AsyncClient]:
    async def prometheus(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    app = serve.create_app(prometheus_url="http://prometheus.test", traces_folder=folder)
    upstream = httpx.AsyncClient(transport=httpx.MockTransport(prometheus), base_url="http://prometheus.test")
    async with (
        upstream,
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://page.test") as client,
    ):
        app.state.prometheus = upstream
        yield client


FINE = httpx.Response(200, json={"status": "success", "data": {"result": []}})


async def test_a_query_is_passed_on_as_it_came(tmp_path: Path) -> None:
    asked: list[httpx.Request] = []
    async with page(FINE, tmp_path, asked) as client:
        answer = await client.get("/api/v1/query_range", params={"query": 'up{job="a b"}', "step": "5"})
    assert answer.json()["status"] == "success"
    assert asked[0].url.path == "/api/v1/query_range"
    assert dict(asked[0].url.params) == {"query": 'up{job="a b"}', "step": "5"}


@pytest.mark.parametrize(
    "path",
    ["admin/tsdb/delete_series", "status/config", "targets", "query/../status/flags", "label/a-b/values"],
)
async def test_nothing_but_queries_reaches_prometheus(path: str, tmp_path: Path) -> None:
    asked: list[httpx.Request] = []
    async with page(FINE, tmp_path, asked) as client:
        answer = await client.get(f"/api/v1/{path}")
    assert answer.status_code == 404
    assert asked == []


async def test_nothing_can_be_posted(tmp_path: Path) -> None:
    async with page(FINE, tmp_path, []) as client:
        assert (await client.post("/api/v1/query")).status_code == 405


@pytest.mark.parametrize(
    ("failure", "status", "words"),
    [
        (httpx.ConnectError("refused"), 502, "does not answer"),
        (httpx.ReadTimeout("slow"), 504, "took over"),
        (httpx.Response(200, text="<html>", headers={"content-type": "text/html"}), 502, "is not Prometheus"),
    ],
)
async def test_a_prometheus_that_fails_is_named(
    failure: httpx.Response | Exception, status: int, words: str, tmp_path: Path
) -> None:
    async with page(failure, tmp_path, []) as client:
        answer = await client.get("/api/v1/query", params={"query": "up"})
    assert answer.status_code == status
    assert answer.json()["status"] == "error"
    assert words in answer.json()["error"]


async def test_an_error_of_prometheus_comes_through(tmp_path: Path) -> None:
    refused = httpx.Response(400, json={"status": "error", "error": "parse error"})
    async with page(refused, tmp_path, []) as client:
        answer = await client.get("/api/v1/query", params={"query": "up{"})
    assert (answer.status_code, answer.json()["error"]) == (400, "parse error")


async def test_a_query_without_end_is_refused(tmp_path: Path) -> None:
    asked: list[httpx.Request] = []
    async with page(FINE, tmp_path, asked) as client:
        answer = await client.get("/api/v1/query", params={"query": "x" * (serve.QUERY_CHARS_MAX + 1)})
    assert answer.status_code == 414
    assert asked == []


async def test_the_page_allows_only_its_own_scripts(tmp_path: Path) -> None:
    async with page(FINE, tmp_path, []) as client:
        answer = await client.get("/d/slo")
    assert answer.status_code == 200
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_the_dashboards_are_listed_overview_first(tmp_path: Path) -> None:
    async with page(FINE, tmp_path, []) as client:
        listed = (await client.get("/api/dashboards")).json()["dashboards"]
        board = (await client.get(f"/api/dashboards/{listed[0]['uid']}")).json()
        missing = await client.get("/api/dashboards/none")
    assert [one["uid"] for one in listed] == list(serve.ORDER)
    assert board["title"] == listed[0]["title"]
    assert missing.status_code == 404


@pytest.mark.parametrize("trace_id", ["short", "../../etc/passwd", "z" * 32, "0" * 32])
async def test_a_trace_that_is_not_kept_is_not_found(trace_id: str, tmp_path: Path) -> None:
    async with page(FINE, tmp_path, []) as client:
        assert (await client.get(f"/api/traces/{trace_id}")).status_code == 404


async def test_no_file_outside_the_static_folder_is_served(tmp_path: Path) -> None:
    async with page(FINE, tmp_path, []) as client:
        assert (await client.get("/static/..%2Fserve.py")).status_code == 404
