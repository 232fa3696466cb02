"""The factory's app: ids, problems, limits of bodies, the OpenAPI document."""

import io
import json
import re
from collections.abc import Iterator
from contextlib import asynccontextmanager

import pytest
from chassis import logs
from chassis.app import create_app
from chassis.health import Health
from chassis.problems import Problem, Text, problem_responses
from chassis.settings import ChassisSettings
from fastapi import APIRouter, FastAPI
from prometheus_client import REGISTRY
from pydantic import BaseModel
from starlette.types import ASGIApp

from tests.unit.chassis_http.support import Answer, ask


class Thing(BaseModel):
    name: Text
    size: int = 0


class Conflict(Problem):
    status, code, title = 409, "thing_taken", "The name is taken"


def settings(**changes: object) -> ChassisSettings:
    return ChassisSettings(**{"service_name": "unit", "trace_sample_ratio": 0.0, **changes})  # type: ignore[arg-type]


def routes(app: FastAPI) -> None:
    things = APIRouter(prefix="/things")

    @things.post("", status_code=201, responses=problem_responses(Conflict))
    async def create(thing: Thing) -> Thing:
        if thing.name == "taken":
            raise Conflict("It belongs to another.", headers={"X-Owner": "other"}, owner="other")
        return thing

    @things.get("/{number}")
    async def show(number: int) -> dict[str, int]:
        return {"number": number}

    @app.get("/boom")
    async def boom() -> None:
        raise LookupError("password=hunter2")

    outer = APIRouter(prefix="/v1")
    outer.include_router(things)
    app.include_router(outer)


@pytest.fixture
def out() -> Iterator[io.BytesIO]:
    stream = io.BytesIO()
    yield stream
    logs.setup(settings())


@pytest.fixture
def app(out: io.BytesIO) -> FastAPI:
    made = create_app(
        settings(body_bytes_max=100),
        title="unit",
        version="1",
        body_bytes_max_by_path={"/v1/things/1": 5},
    )
    routes(made)
    logs.setup(settings(), stream=out)
    return made


def lines(out: io.BytesIO) -> list[dict[str, object]]:
    logs.flush()
    return [json.loads(line) for line in out.getvalue().splitlines()]


async def post(app: ASGIApp, body: bytes, **headers: str) -> Answer:
    return await ask(
        app,
        "POST",
        "/v1/things",
        headers={"Content-Type": "application/json", **headers},
        body=[body],
    )


async def test_a_harmless_request_id_comes_back(app: FastAPI) -> None:
    answer = await ask(app, path="/v1/things/3", headers={"X-Request-Id": "abc-123"})
    assert answer.json() == {"number": 3}
    assert answer.headers["x-request-id"] == "abc-123"


@pytest.mark.parametrize("given", ["", "has space", "x" * 129, 'quote"', "line\tbreak"])
async def test_a_request_id_that_is_no_token_is_replaced(app: FastAPI, given: str) -> None:
    answer = await ask(app, path="/v1/things/3", headers={"X-Request-Id": given})
    made = answer.headers["x-request-id"]
    assert made != given
    assert re.fullmatch("[0-9a-f]{32}", made)


async def test_requests_of_one_trace_have_ids_of_their_own(app: FastAPI) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
    answers = [await ask(app, path="/v1/things/3", headers={"traceparent": trace}) for _ in range(2)]
    ids = {answer.headers["x-request-id"] for answer in answers}
    assert len(ids) == 2
    assert not ids & {"0af7651916cd43dd8448eb211c80319c"}


async def test_one_line_and_one_observation_tell_of_a_request(app: FastAPI, out: io.BytesIO) -> None:
    labels = {"method": "GET", "route": "/v1/things/{number}", "status": "200"}
    name = "http_server_request_duration_seconds_count"
    before = REGISTRY.get_sample_value(name, labels) or 0
    await ask(app, path="/v1/things/3", headers={"X-Request-Id": "r-1"})
    assert REGISTRY.get_sample_value(name, labels) == before + 1
    (line,) = [line for line in lines(out) if line["event"] == "http.served"]
    assert line["request_id"] == "r-1"
    assert line["route"] == "/v1/things/{number}"
    assert line["status"] == 200
    assert len(str(line["trace_id"])) == 32
    assert line["service"] == "unit"


async def test_the_callers_trace_goes_on(app: FastAPI, out: io.BytesIO) -> None:
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
    answer = await ask(app, path="/nowhere", headers={"traceparent": parent})
    assert answer.json()["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert lines(out)[-1]["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"


async def test_unknown_paths_share_one_label(app: FastAPI) -> None:
    for path in ("/a", "/b", "/c/d"):
        assert (await ask(app, path=path)).status == 404
    labels = {"method": "GET", "route": "unmatched", "status": "404"}
    assert REGISTRY.get_sample_value("http_server_request_duration_seconds_count", labels) is not None


async def test_a_declared_problem_is_answered_with_its_members(app: FastAPI) -> None:
    answer = await post(app, b'{"name": "taken"}')
    assert answer.status == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-owner"] == "other"
    body = answer.json()
    assert body["type"] == "urn:signalbox:problem:thing_taken"
    assert body["title"] == "The name is taken"
    assert body["detail"] == "It belongs to another."
    assert body["owner"] == "other"
    assert body["request_id"] == answer.headers["x-request-id"]


async def test_what_nobody_foresaw_is_logged_and_not_told(app: FastAPI, out: io.BytesIO) -> None:
    answer = await ask(app, path="/boom")
    assert answer.status == 500
    assert answer.json()["code"] == "internal_error"
    assert b"hunter2" not in answer.body
    logged = next(line for line in lines(out) if line["event"] == "request.failed")
    assert "LookupError" in str(logged["exception"])


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b'{"name":', 400, "malformed_body"),
        (b'{"name": "\xff"}', 400, "malformed_body"),
        (b"[" * 50, 400, "malformed_body"),
        (b'{"name": "a\\u0000b"}', 422, "validation_error"),
        (b'{"name": "\\ud800"}', 422, "validation_error"),
        (b'{"name": 3, "size": "x"}', 422, "validation_error"),
        (b"null", 422, "validation_error"),
        (b'{"name": "a", "size": 1e400}', 422, "validation_error"),
        (b"", 422, "validation_error"),
    ],
)
async def test_a_bad_body_is_the_clients_error(app: FastAPI, body: bytes, status: int, code: str) -> None:
    answer = await post(app, body)
    assert (answer.status, answer.json()["code"]) == (status, code)


async def test_each_invalid_value_is_pointed_at(app: FastAPI) -> None:
    answer = await post(app, b'{"name": 3, "size": "x"}')
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/body/name", "/body/size"]


async def test_a_nul_in_the_address_is_refused(app: FastAPI) -> None:
    assert (await ask(app, path="/v1/things/\x00")).status == 400
    assert (await ask(app, path="/v1/things/3", query=b"q=%00")).status == 400


async def test_the_wrong_method_is_told_the_right_ones(app: FastAPI) -> None:
    answer = await ask(app, "DELETE", "/v1/things/3")
    assert answer.status == 405
    assert answer.json()["code"] == "method_not_allowed"
    assert answer.headers["allow"] == "GET"


async def test_a_body_that_says_it_is_too_large_is_not_read(app: FastAPI) -> None:
    answer = await post(app, b"", **{"Content-Length": "101"})
    assert (answer.status, answer.json()["code"]) == (413, "body_too_large")


async def test_a_body_of_unknown_length_is_cut_off_at_the_limit(app: FastAPI) -> None:
    answer = await ask(
        app,
        "POST",
        "/v1/things",
        headers={"Content-Type": "application/json"},
        body=[b" " * 60, b" " * 60],
    )
    assert (answer.status, answer.json()["code"]) == (413, "body_too_large")


async def test_a_path_may_have_a_limit_of_its_own(app: FastAPI) -> None:
    answer = await ask(app, "GET", "/v1/things/1", headers={"Content-Length": "6"}, body=[b"123456"])
    assert answer.status == 413


def test_the_document_declares_problems_and_not_the_frameworks_errors(app: FastAPI) -> None:
    document = app.openapi()
    responses = document["paths"]["/v1/things"]["post"]["responses"]
    assert "thing_taken" in responses["409"]["content"]["application/problem+json"]["examples"]
    assert "application/problem+json" in responses["422"]["content"]
    assert "default" in responses
    assert "HTTPValidationError" not in document["components"]["schemas"]
    assert "Problem" in document["components"]["schemas"]


async def test_the_lifespan_makes_it_ready_and_unready() -> None:
    health = Health()
    seen: list[bool] = []

    @asynccontextmanager
    async def lifespan(_app: FastAPI):  # type: ignore[no-untyped-def]  # noqa: ANN202
        seen.append(health.ready)
        yield
        seen.append(health.ready)

    app = create_app(settings(), title="unit", version="1", lifespan=lifespan, health=health)
    async with app.router.lifespan_context(app):
        assert health.ready
    assert seen == [False, False]
