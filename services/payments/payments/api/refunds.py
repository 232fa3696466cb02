"""Routes of refunds, also under the charge they belong to."""

from dataclasses import replace
from typing import Final

from payments.dialect.calls import Answer, Call
from payments.dialect.params import Boolean, Choice, Currency, Field, Id, Integer, Metadata, Text, TimeRange
from payments.dialect.routes import Route
from payments.resources import Resources
from payments.usecases import refunds as usecases

_CREATE: Final[dict[str, Field]] = {
    "amount": Integer(1),
    "currency": Currency(),
    "reason": Choice("duplicate", "fraudulent", "requested_by_customer"),
    "metadata": Metadata(),
    # Cards need no instructions: taken and not used.
    "instructions_email": Text(max=512),
    "refund_application_fee": Boolean(),
    "reverse_transfer": Boolean(),
}


async def _create_of_charge(res: Resources, call: Call) -> Answer:
    return await usecases.create(res, replace(call, params={**call.params, "charge": call.id}))


ROUTES: Final = (
    Route(
        "POST",
        "/v1/refunds",
        usecases.create,
        params={**_CREATE, "charge": Id("ch"), "payment_intent": Id("pi")},
        noun="refund",
        summary="Refund a charge, in full or in part",
    ),
    Route(
        "GET",
        "/v1/refunds",
        usecases.list_refunds,
        params={"charge": Id("ch"), "payment_intent": Id("pi"), "created": TimeRange()},
        noun="refund",
        list=True,
        summary="List refunds",
    ),
    Route("GET", "/v1/refunds/{id}", usecases.retrieve, noun="refund", summary="Retrieve a refund"),
    Route(
        "POST",
        "/v1/refunds/{id}",
        usecases.update,
        params={"metadata": Metadata()},
        noun="refund",
        summary="Update the metadata of a refund",
    ),
    Route("POST", "/v1/refunds/{id}/cancel", usecases.cancel, noun="refund", summary="Cancel a refund"),
    Route(
        "POST",
        "/v1/charges/{id}/refunds",
        _create_of_charge,
        params={**_CREATE, "payment_intent": Id("pi")},
        noun="refund",
        summary="Refund this charge",
    ),
    Route(
        "GET",
        "/v1/charges/{id}/refunds",
        usecases.list_refunds,
        params={"created": TimeRange()},
        noun="refund",
        list=True,
        summary="List the refunds of a charge",
    ),
    Route(
        "GET",
        "/v1/charges/{id}/refunds/{refund}",
        usecases.retrieve,
        noun="refund",
        summary="Retrieve a refund of a charge",
    ),
)
