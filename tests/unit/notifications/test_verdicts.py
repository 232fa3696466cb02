"""Which failure passes and which does not."""

import aiosmtplib
import msgspec
import pytest
from chassis.posts import Reply
from chassis.retry import HandlerError, Permanent, Transient
from notifications.domain.orders import Line, Order
from notifications.links import _short_url_of
from notifications.mailer import verdict_on
from notifications.webhooks import judge, payload_of


def refused(code: int) -> aiosmtplib.SMTPRecipientsRefused:
    return aiosmtplib.SMTPRecipientsRefused([aiosmtplib.SMTPRecipientRefused(code, "no", "ann@example.com")])


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (aiosmtplib.SMTPDataError(451, "busy"), Transient),
        (aiosmtplib.SMTPDataError(550, "spam"), Permanent),
        (refused(450), Transient),
        (refused(550), Permanent),
        (aiosmtplib.SMTPSenderRefused(553, "who?", "shop@example.com"), Permanent),
        (aiosmtplib.SMTPResponseException(421, "closing"), Transient),
        (aiosmtplib.SMTPServerDisconnected("gone"), Transient),
        (aiosmtplib.SMTPReadTimeoutError("slow"), Transient),
        (aiosmtplib.SMTPConnectTimeoutError("slow"), Transient),
        (aiosmtplib.SMTPNotSupported("no SMTPUTF8"), Permanent),
        (ConnectionRefusedError(), Transient),
        (TimeoutError(), Transient),
        (ValueError("a control character"), Permanent),
        # About us, not about this mail: it passes once the password is right.
        (aiosmtplib.SMTPConnectResponseError(554, "not you"), Transient),
        (aiosmtplib.SMTPAuthenticationError(535, "wrong password"), Transient),
        (aiosmtplib.SMTPHeloError(550, "who?"), Transient),
    ],
)
def test_what_the_mail_server_says_is_told_for_what_it_is(error: Exception, kind: type[HandlerError]) -> None:
    assert type(verdict_on(error)) is kind


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (200, None, None),
        (204, None, None),
        (302, None, Permanent),
        (400, None, Permanent),
        (410, None, Permanent),
        (408, None, Transient),
        (429, None, Transient),
        (500, None, Transient),
        (503, None, Transient),
        (None, "timeout", Transient),
        (None, "unreachable", Transient),
        (None, "name_not_resolved", Transient),
        (None, "address_refused", Permanent),
    ],
)
def test_what_a_receiver_answers_is_told_for_what_it_is(
    status: int | None, error: str | None, kind: type[HandlerError] | None
) -> None:
    reply = Reply(status, error, None, 0.1)
    if kind is None:
        judge(reply)
        return
    with pytest.raises(kind):
        judge(reply)


@pytest.mark.parametrize(
    ("status", "content", "kind"),
    [
        (500, b"", Transient),
        (503, b"", Transient),
        (429, b"", Transient),
        (409, b"", Transient),
        (401, b"", Permanent),
        (422, b"{}", Permanent),
        (201, b"not json", Transient),
        (201, b"{}", Transient),
    ],
)
def test_what_the_shortener_answers_is_told_for_what_it_is(
    status: int, content: bytes, kind: type[HandlerError]
) -> None:
    with pytest.raises(kind):
        _short_url_of(status, content)


def test_the_short_address_is_all_that_is_read_of_a_link() -> None:
    assert _short_url_of(201, b'{"short_url": "http://sho.rt/a", "more": 1}') == "http://sho.rt/a"


def test_a_payload_has_type_timestamp_and_data_and_no_address_of_the_customer() -> None:
    order = Order(
        order_id="ord_1",
        tenant_id="demo",
        customer_id="cus_1",
        status="rejected",
        reason="out_of_stock",
        currency="eur",
        amount=100,
        lines=[Line("A", 1, 100, "sku-a")],
        version=4,
        at="2026-11-21T10:00:00Z",
    )
    assert msgspec.to_builtins(payload_of(order)) == {
        "type": "order.rejected",
        "timestamp": "2026-11-21T10:00:00Z",
        "data": {
            "id": "ord_1",
            "status": "rejected",
            "reason": "out_of_stock",
            "version": 4,
            "customer_id": "cus_1",
            "currency": "eur",
            "amount": 100,
            "lines": [{"sku": "sku-a", "name": "A", "quantity": 1, "unit_price": 100}],
        },
    }
