"""What a mail says: subject, plain text, and the same as simple HTML."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from notifications.domain.money import written
from notifications.domain.orders import Line, Order

_SUBJECTS: Final = {
    "completed": "Your order {id} is confirmed",
    "rejected": "We could not accept your order {id}",
    "cancelled": "Your order {id} is cancelled",
}
_OPENINGS: Final = {
    "completed": "Thank you! Your order is paid for, and we are packing it.",
    "rejected": "We are sorry: we could not accept your order.",
    "cancelled": "Your order is cancelled, as you wished.",
}
_REASONS: Final = {
    "out_of_stock": "Something in it has just sold out.",
    "payment_declined": "Your bank declined the payment. Another card may work.",
    "payment_unavailable": "The payment could not be made in time. Please try again later.",
    "reservation_expired": "The payment took too long, and we could not hold the goods any longer.",
    "capture_failed": "Your bank took back its word before the payment was complete.",
}
_NOT_CHARGED: Final = "You pay nothing: whatever was reserved on your card or taken from it is given back."


@dataclass(frozen=True, slots=True)
class Text:
    subject: str
    plain: str
    html: str


def text_of(order: Order, tracking_url: str | None) -> Text:
    """For an order that has come to its end."""
    paragraphs = _paragraphs(order)
    total = f"Total: {written(order.amount, order.currency)}"
    lines = [_line(line, order.currency) for line in order.lines]
    return Text(
        subject=_SUBJECTS[order.status].format(id=order.order_id),
        plain=_plain(order, paragraphs, [*lines, total], tracking_url),
        html=_html(order, paragraphs, [*lines, total], tracking_url),
    )


def _paragraphs(order: Order) -> list[str]:
    if order.status == "completed":
        return [_OPENINGS["completed"]]
    why = _REASONS.get(order.reason or "")
    opening = _OPENINGS[order.status]
    return [f"{opening} {why}" if why and order.status == "rejected" else opening, _NOT_CHARGED]


def _line(line: Line, currency: str) -> str:
    return f"{line.quantity} x {line.name}: {written(line.quantity * line.unit_price, currency)}"


def _plain(order: Order, paragraphs: Sequence[str], lines: Sequence[str], tracking_url: str | None) -> str:
    parts = [*paragraphs, f"Order {order.order_id}\n" + "\n".join(f"  {line}" for line in lines)]
    if tracking_url is not None:
        parts.append(f"Where it is: {tracking_url}")
    return "\n\n".join(parts) + "\n"


def _html(order: Order, paragraphs: Sequence[str], lines: Sequence[str], tracking_url: str | None) -> str:
    """Everything that came with the order is escaped: names of products are not ours."""
    parts = [f"<p>{escape(paragraph)}</p>" for paragraph in paragraphs]
    parts.append(f"<p>Order <b>{escape(order.order_id)}</b></p>")
    parts.append("<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>")
    if tracking_url is not None:
        parts.append(f'<p><a href="{escape(tracking_url)}">See where it is</a></p>')
    return "<!doctype html>\n<html><body>\n" + "\n".join(parts) + "\n</body></html>\n"
