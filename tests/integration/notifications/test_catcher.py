"""The catcher as a process of its own: mails in by SMTP, out by HTTP; faults for operators."""

import asyncio
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import httpx
import pytest

from tests.integration.notifications.stage import ADMIN_KEY, catching
from tests.support.eventually import eventually
from tests.support.ports import free_port
from tests.support.processes import Processes

OPERATOR = {"Authorization": f"Bearer {ADMIN_KEY}"}


def mail(subject: str = "Hello", to: str = "ann@example.com") -> EmailMessage:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "shop@example.com", to, subject
    made.set_content("Grüße")
    made.add_alternative("<p>Grüße</p>", subtype="html")
    return made


@pytest.fixture
async def served() -> AsyncIterator[tuple[httpx.AsyncClient, aiosmtplib.SMTP]]:
    async with catching() as (app, client):
        smtp = aiosmtplib.SMTP(
            hostname="127.0.0.1", port=app.state.smtp_port, local_hostname="example.com", timeout=10
        )
        async with smtp:
            yield client, smtp


Served = tuple[httpx.AsyncClient, aiosmtplib.SMTP]


async def test_a_mail_is_kept_shown_and_deleted(served: Served) -> None:
    client, smtp = served
    await smtp.send_message(mail())
    await smtp.send_message(mail("Second", to="bob@example.com"))

    everything = (await client.get("/messages")).json()
    assert [item["subject"] for item in everything["items"]] == ["Second", "Hello"]
    (of_ann,) = (await client.get("/messages", params={"to": "ANN@example.com"})).json()["items"]
    assert (of_ann["text"], of_ann["html"]) == ("Grüße\n", "<p>Grüße</p>\n")
    assert len((await client.get("/messages", params={"limit": 1})).json()["items"]) == 1

    assert (await client.delete("/messages")).status_code == 204
    assert (await client.get("/messages")).json() == {"items": [], "kept": 0}


@pytest.mark.parametrize(("kind", "code"), [("refuse", 550), ("busy", 451)])
async def test_a_fault_answers_with_its_code_and_keeps_nothing(served: Served, kind: str, code: int) -> None:
    client, smtp = served
    assert (await client.post("/admin/faults", json={"kind": kind})).json() == {"kind": kind}
    with pytest.raises(aiosmtplib.SMTPDataError) as refused:
        await smtp.send_message(mail())
    assert refused.value.code == code

    assert (await client.delete("/admin/faults")).status_code == 204
    assert (await client.get("/admin/faults")).json() == {"kind": None}
    await smtp.send_message(mail())
    assert (await client.get("/messages")).json()["kept"] == 1


async def test_a_lost_reply_keeps_the_mail_and_cuts_the_line(served: Served) -> None:
    client, smtp = served
    await client.post("/admin/faults", json={"kind": "reply_lost"})
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await smtp.send_message(mail())
    assert (await client.get("/messages")).json()["kept"] == 1


@pytest.mark.parametrize(
    ("headers", "status"), [({"Authorization": ""}, 401), ({"Authorization": "Bearer wrong"}, 403)]
)
async def test_faults_are_for_operators_only(served: Served, headers: dict[str, str], status: int) -> None:
    client, _ = served
    for method in ("GET", "POST", "DELETE"):
        answer = await client.request(method, "/admin/faults", headers=headers)
        assert answer.status_code == status


@pytest.mark.parametrize("body", [{}, {"kind": "explode"}, {"kind": "busy", "more": 1}])
async def test_a_fault_that_is_not_valid_is_refused(served: Served, body: dict[str, object]) -> None:
    client, _ = served
    answer = await client.post("/admin/faults", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_error")


async def test_the_process_serves_both_and_ends_at_once_with_a_session_that_hangs(tmp_path: Path) -> None:
    port = free_port()
    processes = Processes(tmp_path, {"ADMIN_API_KEY": ADMIN_KEY, "DRAIN_S": "0.1"})
    catcher = processes.add("notifications.catcher", SMTP_PORT=str(port))
    try:
        await catcher.start()
        async with httpx.AsyncClient(base_url=catcher.url, headers=OPERATOR) as client:
            await client.post("/admin/faults", json={"kind": "hang"})
        smtp = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, local_hostname="example.com", timeout=30)
        await smtp.connect()
        hanging = asyncio.create_task(smtp.send_message(mail()))
        await eventually(
            lambda: catcher.metric('mailcatcher_mails_total{outcome="hang"}'), accept=lambda n: n == 1
        )

        assert await catcher.stop() == 0
        with pytest.raises(aiosmtplib.SMTPServerDisconnected):
            await hanging
    finally:
        await processes.close()
