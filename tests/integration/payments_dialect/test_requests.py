"""What may be sent, and how what may not is refused: the layers before the dialect included."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from payments.settings import PaymentsSettings

from tests.integration.payments_dialect.notes import TABLE, with_notes
from tests.support.payments import Served, error_of, serving, settings_of


async def form(
    api: httpx.AsyncClient, body: str | bytes, path: str = "/v1/notes", **headers: str
) -> httpx.Response:
    fields = {"Content-Type": "application/x-www-form-urlencoded", **headers}
    return await api.post(path, content=body, headers=fields)


async def test_brackets_reach_the_use_case(api: httpx.AsyncClient) -> None:
    answer = await form(api, "text=a+b%26c&metadata[a]=1&metadata%5Bb%5D=%C3%BC&tags[]=x&tags[]=y")

    assert answer.status_code == 200
    note = answer.json()
    assert (note["text"], note["metadata"]) == ("a b&c", {"a": "1", "b": "ü"})
    assert note["id"].startswith("note_")


async def test_parameters_may_stand_in_the_address_of_a_post(api: httpx.AsyncClient) -> None:
    answer = await form(api, "metadata[a]=1", "/v1/notes?text=there")
    assert (answer.json()["text"], answer.json()["metadata"]) == ("there", {"a": "1"})


async def test_metadata_merges_and_unsets(api: httpx.AsyncClient) -> None:
    note = (await form(api, "metadata[a]=1&metadata[b]=2&metadata[c]=")).json()
    path = f"/v1/notes/{note['id']}"

    assert note["metadata"] == {"a": "1", "b": "2"}
    assert (await form(api, "metadata[b]=&metadata[d]=4", path)).json()["metadata"] == {"a": "1", "d": "4"}
    assert (await form(api, "text=x", path)).json()["metadata"] == {"a": "1", "d": "4"}
    assert (await form(api, "metadata=", path)).json()["metadata"] == {}


async def test_an_update_may_not_bring_metadata_above_50_keys(api: httpx.AsyncClient) -> None:
    full = "&".join(f"metadata[k{n}]=v" for n in range(50))
    note = (await form(api, full)).json()
    path = f"/v1/notes/{note['id']}"

    assert error_of(await form(api, "metadata[one_more]=v", path))["param"] == "metadata"
    assert len((await form(api, "metadata[one_more]=v&metadata[k1]=", path)).json()["metadata"]) == 50


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ("txet=1", "txet", "parameter_unknown"),
        ("card[exp_month]=1", "card[number]", "parameter_missing"),
        ("card[number]=1&card[exp_month]=13", "card[exp_month]", "parameter_invalid_integer"),
        ("card[number]=1&card[x]=13", "card[x]", "parameter_unknown"),
        ("count=ten", "count", "parameter_invalid_integer"),
        ("parent=", "parent", "parameter_invalid_empty"),
        ("loud=maybe", "loud", None),
        ("fail=never", "fail", None),
        ("tags=x", "tags", None),
        ("tags[]=1&tags[]=2&tags[]=3&tags[]=4&tags[]=5&tags[]=6", "tags", None),
        ("card=x", "card", None),
        ("metadata=x", "metadata", None),
        ("metadata[a][b]=x", "metadata[a]", None),
        ("metadata[" + "k" * 41 + "]=x", "metadata[" + "k" * 41 + "]", None),
        ("metadata[a]=" + "v" * 501, "metadata[a]", None),
        ("&".join(f"metadata[k{n}]=v" for n in range(51)), "metadata", None),
        ("text[a]=1", "text", None),
        ("text=" + "x" * 101, "text", None),
        ("text=" + "x" * 5001, "text", None),
        ("text=1&text[a]=1", "text[a]", None),
        ("text=%ff", None, None),
        ("text=%00", None, None),
        ("text=\xff", None, None),
        ("a]b=1", None, None),
        ("metadata[a=1", None, None),
        ("card" + "[x]" * 9 + "=1", None, None),
        ("&".join("loud=1" for _ in range(1001)), None, None),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_told_with_its_parameter(
    api: httpx.AsyncClient, body: str, param: str | None, code: str | None
) -> None:
    answer = await form(api, body.encode("latin-1"))

    error = error_of(answer)
    assert answer.status_code == 400
    assert error["type"] == "invalid_request_error"
    assert (error.get("param"), error.get("code")) == (param, code)
    assert error["message"]


async def test_unknown_parameters_of_a_get_are_refused_too(api: httpx.AsyncClient) -> None:
    error = error_of(await api.get("/v1/notes", params={"page": "2", "size": "3"}))
    assert (error["param"], error["message"]) == ("page", "Received unknown parameters: page, size")


async def test_json_is_refused_with_a_word_about_the_content_type(api: httpx.AsyncClient) -> None:
    answer = await api.post("/v1/notes", json={"text": "x"})
    assert answer.status_code == 400
    assert "application/x-www-form-urlencoded" in error_of(answer)["message"]


async def test_a_body_above_one_mebibyte_is_refused_in_the_envelope(api: httpx.AsyncClient) -> None:
    body = b"text=" + b"x" * 1024 * 1024

    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(body), 65536):
            yield body[at : at + 65536]

    for content in (body, chunks()):
        answer = await api.post("/v1/notes", content=content)
        assert answer.status_code == 413
        assert error_of(answer)["type"] == "invalid_request_error"
        assert answer.headers["Request-Id"].startswith("req_")


async def test_nul_in_the_address_is_refused_in_the_envelope(api: httpx.AsyncClient) -> None:
    answer = await api.get("/v1/notes?text=%00")
    assert (answer.status_code, error_of(answer)["type"]) == (400, "invalid_request_error")


async def test_a_request_past_its_deadline_is_told_in_the_envelope(api: httpx.AsyncClient) -> None:
    answer = await form(api, "fail=slow", **{"X-Request-Deadline-Ms": "50"})
    assert (answer.status_code, error_of(answer)["type"]) == (504, "api_error")


async def test_overload_is_told_in_the_envelope_and_leaves_the_key_free(settings: PaymentsSettings) -> None:
    tight = settings_of(
        settings.database_url, settings.redis_url, inflight_max=1, inflight_min=1, shed_queue_max=0
    )
    async with serving(tight, make=with_notes) as served:
        await served.value(TABLE)
        api = served.client()
        slow = [form(api, "fail=slow", **{"Idempotency-Key": f"s{n}"}) for n in range(5)]
        answers = await asyncio.gather(*slow)

        shed = [answer for answer in answers if answer.status_code == 503]
        assert shed
        assert error_of(shed[0])["type"] == "api_error"
        assert shed[0].headers["Retry-After"]
        assert shed[0].headers["Stripe-Should-Retry"] == "true"
        again = await form(api, "fail=slow", **{"Idempotency-Key": shed[0].headers["Idempotency-Key"]})
        assert (again.status_code, "Idempotent-Replayed" in again.headers) == (200, False)


async def test_a_failure_that_nobody_foresaw_tells_nothing_of_itself(api: httpx.AsyncClient) -> None:
    answer = await form(api, "fail=bug")

    assert (answer.status_code, error_of(answer)["type"]) == (500, "api_error")
    assert "nobody foresaw" not in answer.text
    assert answer.headers["Request-Id"].startswith("req_")


async def test_without_postgres_the_answer_is_503_and_may_be_tried_again(served: Served) -> None:
    api = served.client()
    assert (await api.get("/v1/notes")).status_code == 200  # the key is known now
    served.pool.terminate()

    answer = await form(api, "text=x", **{"Idempotency-Key": "away"})
    assert (answer.status_code, error_of(answer)["type"]) == (503, "api_error")
    assert answer.headers["Stripe-Should-Retry"] == "true"


async def test_paths_outside_of_v1_are_the_frameworks(served: Served) -> None:
    answer = await served.client().get("/elsewhere")
    assert answer.headers["Content-Type"] == "application/problem+json"


async def test_metrics_name_the_route_and_not_the_path(served: Served) -> None:
    api = served.client()
    note = (await form(api, "text=x")).json()
    await api.get(f"/v1/notes/{note['id']}")

    page = (await api.get("/metrics")).text
    assert 'route="/v1/notes/{id}"' in page
    assert note["id"] not in page


async def test_text_goes_in_and_out_whole(api: httpx.AsyncClient) -> None:
    odd: dict[str, Any] = {"text": "\U0001f642 \u200b a+b=c&d;\x01\x7f\n", "metadata[ä b]": "%41+ "}
    note = (await api.post("/v1/notes", data=odd)).json()
    assert (note["text"], note["metadata"]) == (odd["text"], {"ä b": "%41+ "})
