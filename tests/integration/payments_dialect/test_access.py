"""Who may call, how often, and what every answer carries."""

import base64
from typing import Any

import httpx
import pytest
from payments.settings import PaymentsSettings

from tests.integration.payments_dialect.notes import TABLE, with_notes
from tests.support.payments import Served, error_of, key_of, serving, settings_of


async def test_an_unknown_route_is_told_in_the_envelope(api: httpx.AsyncClient) -> None:
    for method, path in (("GET", "/v1/nothing"), ("PUT", "/v1/notes"), ("GET", "/v1/notes/"), ("GET", "/v1")):
        answer = await api.request(method, path)

        assert answer.status_code == 404
        error = error_of(answer)
        assert error["type"] == "invalid_request_error"
        assert error["message"].startswith(f"Unrecognized request URL ({method}: {path}).")


async def test_every_answer_has_a_request_id_and_the_version(api: httpx.AsyncClient, served: Served) -> None:
    answers = [
        await api.get("/v1/notes"),
        await api.get("/v1/notes/note_none"),
        await api.get("/v1/nothing"),
        await served.client(None).get("/v1/notes"),
        await api.post("/v1/notes", data={"unknown": "1"}),
    ]

    ids = {answer.headers["Request-Id"] for answer in answers}
    assert len(ids) == len(answers)
    assert all(one.startswith("req_") for one in ids)
    assert {answer.headers["Stripe-Version"] for answer in answers} == {"2026-10-28.endive"}
    assert {answer.headers["Content-Type"] for answer in answers} == {"application/json"}


async def test_the_version_of_the_request_is_echoed(api: httpx.AsyncClient) -> None:
    for version in ("2024-06-20", "2026-10-28.endive", "2026-10-28.preview; a_beta=v2"):
        answer = await api.get("/v1/notes", headers={"Stripe-Version": version})
        assert (answer.status_code, answer.headers["Stripe-Version"]) == (200, version)


@pytest.mark.parametrize("version", ["", "latest", "2024-6-20", "2024-06-20x", "x" * 600])
async def test_a_version_that_is_none_is_refused(api: httpx.AsyncClient, version: str) -> None:
    answer = await api.get("/v1/notes", headers={"Stripe-Version": version})

    assert answer.status_code == 400
    assert "API version" in error_of(answer)["message"]


async def test_the_key_comes_by_bearer_or_basic(served: Served) -> None:
    anyone, key = served.client(None), key_of("one")
    for value in (
        f"Bearer {key}",
        f"bearer  {key}",
        f"Basic {base64.b64encode(f'{key}:'.encode()).decode()}",
        f"Basic {base64.b64encode(f'{key}:x'.encode()).decode()}",
        f"basic {base64.b64encode(key.encode()).decode()}",
    ):
        answer = await anyone.get("/v1/notes", headers={"Authorization": value})
        assert answer.status_code == 200, value


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Digest abc",
        "Basic ",
        "Basic !!",
        "Basic /w==",
        "Basic Og==",
        "Bearer sk_test_nobody_has_this_key_1234",
        "Bearer pk_test_0123456789abcdef",
        "Bearer a b",
        "Bearer " + "x" * 3000,
        "Bearer schl\xfcssel",
    ],
)
async def test_without_a_known_key_the_answer_is_401(served: Served, value: str | None) -> None:
    headers: dict[str, Any] = {} if value is None else {"Authorization": value.encode("latin-1")}
    answer = await served.client(None).get("/v1/notes", headers=headers)

    assert answer.status_code == 401
    assert error_of(answer)["type"] == "invalid_request_error"
    assert "WWW-Authenticate" in answer.headers


async def test_a_refusal_does_not_repeat_the_key(served: Served) -> None:
    key = "sk_test_" + "a" * 20 + "WXYZ"
    answer = await served.client(None).get("/v1/notes", headers={"Authorization": f"Bearer {key}"})

    message = error_of(answer)["message"]
    assert message == f"Invalid API Key provided: sk_test_{'*' * 20}WXYZ"
    assert key not in answer.text


async def test_an_account_sees_nothing_of_another(served: Served) -> None:
    one, two = served.client("one"), served.client("two")
    note = (await one.post("/v1/notes", data={"text": "mine"})).json()
    path = f"/v1/notes/{note['id']}"

    assert (await two.get(path)).status_code == 404
    assert (await two.post(path, data={"text": "taken"})).status_code == 404
    assert (await two.delete(path)).status_code == 404
    assert (await two.get("/v1/notes")).json()["data"] == []
    assert error_of(await two.get("/v1/notes", params={"starting_after": note["id"]}))["param"] == (
        "starting_after"
    )
    assert (await two.post("/v1/notes", data={"parent": note["id"]})).status_code == 400
    assert (await one.get(path)).json()["text"] == "mine"


async def test_another_account_may_not_be_named(api: httpx.AsyncClient) -> None:
    assert (await api.get("/v1/notes", headers={"Stripe-Account": "acct_one"})).status_code == 200
    answer = await api.get("/v1/notes", headers={"Stripe-Account": "acct_two"})
    assert (answer.status_code, error_of(answer)["code"]) == (403, "account_invalid")


async def test_above_its_rate_an_account_gets_429_and_others_go_on(served: Served) -> None:
    small = served.client("small")
    answers = [await small.get("/v1/notes") for _ in range(12)]

    refused = answers[-1]
    assert [answer.status_code for answer in answers].count(429) >= 1
    assert refused.status_code == 429
    assert error_of(refused)["code"] == "rate_limit"
    assert error_of(refused)["type"] == "invalid_request_error"
    assert int(refused.headers["Retry-After"]) >= 1
    assert refused.headers["RateLimit"].startswith('"account";r=0;t=')
    assert answers[0].headers["RateLimit-Policy"] == '"account";q=10;w=20'
    assert (await served.client("one").get("/v1/notes")).status_code == 200


async def test_without_redis_a_stricter_limit_stands_in(settings: PaymentsSettings) -> None:
    lonely = settings_of(settings.database_url, "redis://127.0.0.1:1/0", redis_timeout_s=0.05)
    async with serving(lonely, make=with_notes) as served:
        await served.value(TABLE)
        small = served.client("small")
        answers = [(await small.get("/v1/notes")).status_code for _ in range(8)]

        assert answers.count(200) in (5, 6)
        assert answers[-1] == 429


async def test_who_guesses_keys_is_stopped(settings: PaymentsSettings) -> None:
    strict = settings_of(
        settings.database_url, settings.redis_url, refused_key_rate_per_s=0.01, refused_key_burst=3
    )
    async with serving(strict, make=with_notes) as served:
        guesser = served.client(None, address="192.0.2.9")
        answers = [
            (
                await guesser.get("/v1/notes", headers={"Authorization": f"Bearer sk_test_guess_{n}"})
            ).status_code
            for n in range(5)
        ]

        assert answers == [401, 401, 401, 429, 429]
        other = served.client(None, address="192.0.2.10")
        assert (await other.get("/v1/notes", headers={"Authorization": "Bearer no"})).status_code == 401
