"""Books every movement of money, in the transaction of the fact that it belongs to."""

from datetime import datetime

from chassis.postgres import Connection

from payments.domain.ids import new_id
from payments.domain.ledger import Kind, Posting
from payments.domain.refunds import Refund
from payments.store import ledger as store


async def post_charge(
    conn: Connection,
    *,
    account_id: str,
    charge_id: str,
    amount: int,
    fee: int,
    currency: str,
    at: datetime,
    available_on: datetime,
    description: str | None = None,
) -> str:
    """Book a captured charge, once (the table refuses a second time); gives the balance transaction's id.

    `amount` and `fee` are minor units (`domain.fees`), `available_on` when the merchant may have the money.
    """
    posting = Posting(
        id=new_id("txn"),
        account_id=account_id,
        kind="charge",
        source=charge_id,
        amount=amount,
        fee=fee,
        currency=currency,
        at=at,
        available_on=available_on,
        description=description,
    )
    await store.post(conn, posting)
    return posting.id


async def post_refund(conn: Connection, refund: Refund, at: datetime) -> str:
    """Book what went back to the card; gives the balance transaction's id.

    The fee of the charge is not given back. Money that is still pending is taken from what is pending.
    """
    posting = _back("refund", refund, -refund.amount, at)
    await store.post(conn, posting)
    return posting.id


async def post_refund_failure(conn: Connection, refund: Refund, at: datetime) -> str:
    """Book the return of a refund that the bank could not make; gives the balance transaction's id."""
    posting = _back("refund_failure", refund, refund.amount, at)
    await store.post(conn, posting)
    return posting.id


def _back(kind: Kind, refund: Refund, amount: int, at: datetime) -> Posting:
    return Posting(
        id=new_id("txn"),
        account_id=refund.account_id,
        kind=kind,
        source=refund.id,
        amount=amount,
        fee=0,
        currency=refund.currency,
        at=at,
        available_on=at,
        available_with=refund.charge,
    )
