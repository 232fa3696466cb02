"""Who is told, and what is read of an event."""

import msgspec
import pytest
from chassis.kafka import Handlers, Message
from chassis.retry import Poison
from notifications.domain.addresses import address_of
from notifications.domain.notices import Channel, notices_of
from notifications.domain.orders import Order
from notifications.events import TOLD, UNTOLD

BASE = {
    "order_id": "ord_1",
    "tenant_id": "demo",
    "customer_id": "cus_1",
    "status": "completed",
    "currency": "eur",
    "amount": 100,
    "lines": [{"sku": "a", "name": "A", "quantity": 1, "unit_price": 100}],
}
HANDLERS = Handlers(consumer="notifications", types=TOLD, ignore=UNTOLD)


def order(**changed: object) -> Order:
    return msgspec.convert({**BASE, **changed}, Order)


def message(event_type: str, data: object = BASE, *, value: bytes | None = None) -> Message:
    headers = (("ce_type", event_type.encode()), ("ce_id", b"e1"))
    return Message("orders.order-changed.v1", 0, 0, b"ord_1", value or msgspec.json.encode(data), headers)


def targets(order: Order, email_domain: str | None = None) -> dict[Channel, str | None]:
    return {one.channel: one.target for one in notices_of(order, "e1", email_domain=email_domain)}


def test_a_mail_goes_to_the_address_of_the_order() -> None:
    assert targets(order(notify={"email": "ann@example.com"}), "x.example") == {
        Channel.MAIL: "ann@example.com"
    }


def test_without_one_it_goes_to_the_customer_at_the_domain_that_is_set() -> None:
    assert targets(order(), "customers.example.com") == {Channel.MAIL: "cus_1@customers.example.com"}


def test_an_odd_customer_id_is_quoted_in_an_address() -> None:
    assert targets(order(customer_id="Ann B"), "x.example") == {Channel.MAIL: '"Ann B"@x.example'}


def test_without_a_domain_there_is_nobody_to_mail() -> None:
    assert targets(order(notify={"email": None, "webhook_url": None})) == {Channel.MAIL: None}


def test_a_webhook_is_sent_to_those_who_asked_for_it() -> None:
    told = order(notify={"email": "a@example.com", "webhook_url": "https://shop.example/hook"})
    assert targets(told) == {Channel.MAIL: "a@example.com", Channel.WEBHOOK: "https://shop.example/hook"}


@pytest.mark.parametrize("event_type", sorted(TOLD))
def test_ends_of_orders_are_told_and_fields_nobody_knows_pass_by(event_type: str) -> None:
    incoming = HANDLERS.read(message(event_type, {**BASE, "added_later": {"x": 1}}))
    assert incoming is not None
    assert incoming.event == order()


@pytest.mark.parametrize("event_type", sorted(UNTOLD))
def test_steps_of_orders_are_not_told_and_not_even_read(event_type: str) -> None:
    assert HANDLERS.read(message(event_type, value=b"no json")) is None


@pytest.mark.parametrize(
    "bad",
    [
        message("orders.order-completed.v2"),
        message("orders.order-completed.v1", value=b"\xff\x00"),
        message("orders.order-completed.v1", {**BASE, "amount": "much"}),
        message("orders.order-completed.v1", {"order_id": "ord_1"}),
        message("orders.order-completed.v1", {**BASE, "status": "pending"}),
    ],
)
def test_what_cannot_be_read_is_poison(bad: Message) -> None:
    with pytest.raises(Poison):
        HANDLERS.read(bad)


@pytest.mark.parametrize(
    ("written", "name", "spec"),
    [
        ("Signalbox Orders <orders@example.com>", "Signalbox Orders", "orders@example.com"),
        ("orders@example.com", "", "orders@example.com"),
        ('"Ann B"@example.com', "", '"Ann B"@example.com'),
        ("jürgen@example.com", "", "jürgen@example.com"),
    ],
)
def test_an_address_has_a_name_or_none(written: str, name: str, spec: str) -> None:
    address = address_of(written)
    assert (address.display_name, address.addr_spec) == (name, spec)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "orders",
        "orders@",
        "@example.com",
        "a@example.com, b@example.com",
        "a@b@example.com",
        "a b@example.com",
        "a@example.com\r\nBcc: everybody@example.com",
        "friends: a@example.com;",
    ],
)
def test_what_is_no_address_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="no mail address"):
        address_of(written)
