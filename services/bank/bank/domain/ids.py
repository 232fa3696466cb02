"""Identifiers of charges and refunds: a prefix, then a UUID that sorts by time."""

from chassis.ids import uuid7


def new_charge_id() -> str:
    return f"bch_{uuid7().hex}"


def new_refund_id() -> str:
    return f"brf_{uuid7().hex}"
