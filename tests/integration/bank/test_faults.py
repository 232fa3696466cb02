"""Every way to fail, by the operator's switch and by card."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest

from tests.integration.bank.served import ADMIN_KEY, BANK_KEY, Served
from tests.support.processes import Process

BEFORE_THE_EFFECT = ["hang", "error", "reset"]


async def book(bank: Served) -> list[str]:
    return [c["idempotency_key"] for c in (await bank.operator.get("/admin/book")).json()["charges"]]


async def attempt(bank: Served, key: str, card: str = "bank_visa") -> int | None:
    """The status; none when the connection was cut."""
    try:
        return (await bank.authorise(key, card=card)).status_code
    except ConnectionResetError:
        return None


@pytest.mark.parametrize(
    ("kind", "status", "charged"),
    [
        ("decline", 201, True),
        ("slow", 201, True),
        ("hang", None, False),
        ("error", 500, False),
        ("reset", None, False),
        ("reply_lost", None, True),
        ("outage", 503, False),
    ],
)
async def test_a_fault_strikes_before_or_after_the_effect(
    bank: Served, kind: str, status: int | None, *, charged: bool
) -> None:
    await bank.switch(kind, probability=1, delay_ms=1)
    assert await attempt(bank, "k1") == status
    assert await book(bank) == (["k1"] if charged else [])


@pytest.mark.parametrize("what", ["capture", "void"])
async def test_a_switched_decline_refuses_the_operator_and_is_final(bank: Served, what: str) -> None:
    held = await bank.charge(capture=False)
    body = {"amount": 1_000} if what == "capture" else {}
    await bank.switch("decline")
    declined = await bank.act(held, what, body, "k1")
    await bank.operator.delete("/admin/faults")
    again = await bank.act(held, what, body, "k1")
    assert (declined.status_code, declined.json()["code"]) == (402, "declined")
    assert (again.status_code, again.content) == (402, declined.content)
    assert (await bank.now(held))["status"] == "authorised"


async def test_a_switched_decline_fails_refunds(bank: Served) -> None:
    taken = await bank.charge()
    await bank.switch("decline")
    assert (await bank.act(taken, "refunds", {"amount": 1})).json()["failure_reason"] == "declined"


@pytest.mark.parametrize("kind", ["error", "outage"])
async def test_a_fault_hits_every_operation(bank: Served, kind: str) -> None:
    taken, held = await bank.charge(), await bank.charge(capture=False)
    await bank.switch(kind)
    answers = [
        await bank.authorise(),
        await bank.act(held, "capture", {"amount": 1}),
        await bank.act(held, "void", {}),
        await bank.act(taken, "refunds", {"amount": 1}),
    ]
    assert {answer.is_server_error for answer in answers} == {True}
    looked_up = await bank.merchant.get(f"/v1/charges/{taken['id']}")
    assert looked_up.is_server_error is (kind == "outage")


async def test_the_last_fault_set_is_in_force_until_it_is_taken_back(bank: Served) -> None:
    await bank.switch("error")
    await bank.switch("decline", probability=0.5)
    assert (await bank.operator.get("/admin/faults")).json() == {
        "kind": "decline",
        "probability": 0.5,
        "delay_ms": None,
    }
    assert (await bank.operator.delete("/admin/faults")).status_code == 204
    assert (await bank.operator.get("/admin/faults")).json()["kind"] is None
    assert (await bank.charge())["status"] == "captured"


async def test_a_fault_of_no_probability_never_strikes(bank: Served) -> None:
    await bank.switch("error", probability=0)
    assert (await bank.charge())["status"] == "captured"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"kind": "flood"},
        {"kind": "slow", "probability": 1.1},
        {"kind": "slow", "probability": -0.1},
        {"kind": "slow", "delay_ms": -1},
        {"kind": "hang", "delay_ms": 60_001},
        {"kind": "hang", "more": 1},
    ],
)
async def test_a_fault_that_is_not_valid_is_refused(bank: Served, body: dict[str, object]) -> None:
    answer = await bank.operator.post("/admin/faults", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_error")


@pytest.mark.parametrize(
    ("card", "status", "charged"),
    [
        ("bank_error", 500, False),
        ("bank_outage", 503, False),
        ("bank_reset", None, False),
        ("bank_reply_lost", None, True),
    ],
)
async def test_a_card_fails_the_first_attempt_of_each_key(
    bank: Served, card: str, status: int | None, *, charged: bool
) -> None:
    assert await attempt(bank, "k1", card) == status
    assert await book(bank) == (["k1"] if charged else [])
    assert await attempt(bank, "k1", card) == 201
    assert await book(bank) == ["k1"]
    assert await attempt(bank, "k2", card) == status


@pytest.fixture
async def process(migrated_dsn: Callable[[str], str], tmp_path: Path) -> AsyncIterator[Process]:
    environment = {
        "DATABASE_URL": migrated_dsn("bank"),
        "BANK_API_KEY": BANK_KEY,
        "ADMIN_API_KEY": ADMIN_KEY,
        "DRAIN_S": "0",
    }
    process = Process("bank.main", environment, tmp_path / "bank.log")
    process.spawn()
    await process.ready()
    yield process
    await process.close()


def client(process: Process, key: str) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.AsyncClient(base_url=process.url, headers=headers, timeout=30)


@pytest.mark.parametrize("kind", ["reset", "hang", "reply_lost"])
async def test_a_cut_connection_is_a_tcp_reset(process: Process, kind: str) -> None:
    host, port = "127.0.0.1", process.port
    async with client(process, ADMIN_KEY) as operator:
        await operator.post("/admin/faults", json={"kind": kind, "delay_ms": 1})
    reader, writer = await asyncio.open_connection(host, port)
    body = b'{"amount": 1, "currency": "eur", "card": "bank_visa"}'
    head = (
        f"POST /v1/charges HTTP/1.1\r\nHost: bank\r\nAuthorization: Bearer {BANK_KEY}\r\n"
        f"Idempotency-Key: k1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(), 30)
    writer.close()


async def test_what_was_answered_and_what_was_not_survive_a_kill(process: Process) -> None:
    keys = [uuid.uuid4().hex for _ in range(40)]
    order = {"amount": 10, "currency": "eur", "card": "bank_visa"}

    async def charge(merchant: httpx.AsyncClient, key: str) -> httpx.Response | None:
        try:
            return await merchant.post("/v1/charges", json=order, headers={"Idempotency-Key": key})
        except httpx.TransportError:
            return None

    async with client(process, BANK_KEY) as merchant:
        under_way = [asyncio.create_task(charge(merchant, key)) for key in keys]
        await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
        await process.close()
        answered = {
            key: answer for key, answer in zip(keys, await asyncio.gather(*under_way), strict=True) if answer
        }
        process.spawn()
        await process.ready()
        after = {key: await charge(merchant, key) for key in keys}
    assert all(answer is not None and answer.status_code == 201 for answer in after.values())
    assert all(after[key].content == answer.content for key, answer in answered.items())  # type: ignore[union-attr]
    async with client(process, ADMIN_KEY) as operator:
        charges = (await operator.get("/admin/book", params={"limit": 1000})).json()["charges"]
    assert sorted(charge["idempotency_key"] for charge in charges) == sorted(keys)
