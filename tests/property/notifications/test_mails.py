"""Whatever an order holds: its address is one or none, and its mail is whole."""

from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser

import pytest
from chassis.retry import Permanent
from hypothesis import given
from hypothesis import strategies as st
from notifications.domain.addresses import address_of
from notifications.domain.notices import notices_of
from notifications.domain.orders import Line, Order
from notifications.domain.texts import text_of
from notifications.mailer import Mailer
from notifications.settings import NotificationsSettings

MAILER = Mailer(NotificationsSettings())
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
ORDERS = st.builds(
    Order,
    order_id=TEXT,
    tenant_id=st.just("demo"),
    customer_id=TEXT,
    status=st.sampled_from(["completed", "rejected", "cancelled"]),
    reason=st.none() | TEXT,
    currency=st.sampled_from(["eur", "jpy", "kwd"]),
    amount=st.integers(0, 10**12),
    lines=st.lists(
        st.builds(Line, name=TEXT, quantity=st.integers(1, 1_000), unit_price=st.integers(0)), max_size=3
    ),
)
ALMOST_ADDRESSES = st.from_regex(r'[a-z"<>@. (),:;\\\[\]ü]{0,20}', fullmatch=True)


@given(TEXT | ALMOST_ADDRESSES | st.emails())
def test_a_text_is_an_address_or_a_value_error_and_nothing_else(written: str) -> None:
    try:
        address = address_of(written)
    except ValueError:
        return
    assert address.username
    assert address.domain
    assert "\n" not in address.addr_spec
    assert "\r" not in address.addr_spec


@given(st.emails())
def test_what_is_an_address_is_taken(written: str) -> None:
    assert address_of(written).domain.lower() == written.rpartition("@")[2].lower()


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self.seen.append(tag)


@given(ORDERS)
def test_nothing_of_an_order_becomes_a_tag(order: Order) -> None:
    tags = _Tags()
    tags.feed(text_of(order, "http://sho.rt/a").html)
    assert set(tags.seen) <= {"html", "body", "p", "b", "ul", "li", "a"}
    assert tags.seen.count("a") == 1
    assert tags.seen.count("li") == len(order.lines) + 1


@given(ORDERS)
def test_a_mail_is_whole_and_has_one_recipient_or_is_refused(order: Order) -> None:
    (notice,) = notices_of(order, "e1", email_domain="customers.example.com")
    assert notice.target is not None
    try:
        mail = MAILER.compose(text_of(order, None), notice.target, "e1")
    except Permanent:
        return
    read = message_from_bytes(mail.as_bytes(), policy=policy.default)
    assert isinstance(read, EmailMessage)
    assert sorted(read.keys()) == [
        "Auto-Submitted",
        "Content-Type",
        "Date",
        "From",
        "MIME-Version",
        "Message-ID",
        "Subject",
        "To",
    ]
    assert len(read["To"].addresses) == 1
    assert read["Message-ID"] == "<e1@example.com>"


def test_a_mail_of_a_plain_order_is_written() -> None:
    order = Order(
        order_id="ord_1",
        tenant_id="demo",
        customer_id="cus_1",
        status="cancelled",
        currency="eur",
        amount=1,
        lines=[],
    )
    assert MAILER.compose(text_of(order, None), "ann@example.com", "e1")["To"] == "ann@example.com"
    with pytest.raises(Permanent):
        MAILER.compose(text_of(order, None), "ann", "e1")
