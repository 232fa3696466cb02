"""The payment method of a payment intent: named by id or as a test card, or described in the request."""

from collections.abc import Mapping
from typing import Any

from chassis.postgres import Connection

from payments.dialect.errors import InvalidRequest
from payments.domain.payment_intents import PaymentIntent
from payments.domain.payment_methods import PaymentMethod
from payments.store import payment_methods as store
from payments.usecases import attachments
from payments.usecases.attachments import Change
from payments.usecases.cards import from_params

Params = Mapping[str, Any]


async def chosen(
    conn: Connection, change: Change, intent: PaymentIntent, params: Params
) -> PaymentMethod | None:
    """What the parameters name or describe, locked or new; None when they say nothing.

    Raises ResourceMissing, InvalidRequest, CardDeclined, UnexpectedState.
    """
    described = params.get("payment_method_data")
    if described is not None:
        method = from_params(change.account_id, described, change.at, within="payment_method_data")
        await store.insert(conn, method)
        return method
    reference = params.get("payment_method")
    if reference is None:
        return None
    return await owned(conn, change, intent, reference)


async def owned(conn: Connection, change: Change, intent: PaymentIntent, reference: str) -> PaymentMethod:
    """Raises InvalidRequest when it is another customer's, and what `obtain` raises."""
    method = await attachments.obtain(conn, change, reference)
    if method.customer_id in (None, intent.customer):
        return method
    if intent.customer is None:
        raise InvalidRequest(
            f"The PaymentMethod {method.id} belongs to the Customer {method.customer_id}. Please include the"
            " Customer in the `customer` parameter on the PaymentIntent.",
            "payment_method",
        )
    raise InvalidRequest(
        f"The customer does not have a payment method with the ID {method.id}. The payment method supplied"
        " belongs to a different customer.",
        "payment_method",
    )
