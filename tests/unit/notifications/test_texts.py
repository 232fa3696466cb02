"""What mails say."""

import msgspec
import pytest
from notifications.domain.money import written
from notifications.domain.orders import Line, Order
from notifications.domain.texts import text_of


def order(status: str = "completed", **changed: object) -> Order:
    fields: dict[str, object] = {
        "order_id": "ord_1",
        "tenant_id": "demo",
        "customer_id": "cus_1",
        "currency": "eur",
        "amount": 3_997,
        "lines": [Line("Mug", 2, 999), Line("Tea <green>", 1, 1_999)],
        **changed,
    }
    return msgspec.convert({**fields, "status": status}, Order)


def test_a_confirmation_lists_lines_total_and_the_tracking_link() -> None:
    text = text_of(order(), "http://sho.rt/abc?a=1&b=2")

    assert text.subject == "Your order ord_1 is confirmed"
    assert "2 x Mug: 19.98 EUR" in text.plain
    assert "Total: 39.97 EUR" in text.plain
    assert "Where it is: http://sho.rt/abc?a=1&b=2" in text.plain
    assert 'href="http://sho.rt/abc?a=1&amp;b=2"' in text.html


def test_names_of_products_are_escaped_in_html_and_plain_in_text() -> None:
    text = text_of(order(), None)

    assert "Tea &lt;green&gt;" in text.html
    assert "<green>" not in text.html
    assert "Tea <green>" in text.plain


def test_without_a_link_there_is_none() -> None:
    text = text_of(order(), None)

    assert "href" not in text.html
    assert "Where it is" not in text.plain


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("out_of_stock", "sold out"),
        ("payment_declined", "declined the payment"),
        ("payment_unavailable", "try again later"),
        ("reservation_expired", "could not hold"),
        ("capture_failed", "before the payment was complete"),
        ("something_new", "could not accept your order."),
        (None, "could not accept your order."),
    ],
)
def test_a_rejection_says_why_and_that_nothing_is_charged(reason: str | None, words: str) -> None:
    text = text_of(order("rejected", reason=reason), None)

    assert words in text.plain
    assert "You pay nothing" in text.plain
    assert "something_new" not in text.plain


def test_a_cancellation_says_that_nothing_is_charged() -> None:
    text = text_of(order("cancelled"), None)

    assert text.subject == "Your order ord_1 is cancelled"
    assert "as you wished" in text.html
    assert "You pay nothing" in text.html


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        (1_999, "eur", "19.99 EUR"),
        (5, "USD", "0.05 USD"),
        (0, "eur", "0.00 EUR"),
        (123_456_789, "usd", "1,234,567.89 USD"),
        (1_500, "jpy", "1,500 JPY"),
        (1_234, "kwd", "1.234 KWD"),
    ],
)
def test_amounts_have_the_digits_of_their_currency(amount: int, currency: str, shown: str) -> None:
    assert written(amount, currency) == shown
