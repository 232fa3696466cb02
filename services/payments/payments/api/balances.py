"""Routes of the balance and of balance transactions."""

from typing import Final

from payments.dialect.params import Choice, Currency, Id, TimeRange
from payments.dialect.routes import Route
from payments.domain.balance_transactions import TYPES
from payments.usecases import balances as usecases

ROUTES: Final = (
    Route("GET", "/v1/balance", usecases.retrieve_balance, noun="balance", summary="Retrieve the balance"),
    Route(
        "GET",
        "/v1/balance_transactions",
        usecases.list_transactions,
        params={
            "type": Choice(*TYPES),
            "source": Id(),
            "currency": Currency(),
            "payout": Id("po"),
            "created": TimeRange(),
        },
        noun="balance_transaction",
        list=True,
        summary="List balance transactions",
    ),
    Route(
        "GET",
        "/v1/balance_transactions/{id}",
        usecases.retrieve,
        noun="balance_transaction",
        summary="Retrieve a balance transaction",
    ),
)
