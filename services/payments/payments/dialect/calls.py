"""One parsed request, who makes it, and its answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chassis.once import Answer, Repeatable

__all__ = ["Account", "Answer", "Call", "Kept", "Repeatable"]


@dataclass(frozen=True, slots=True)
class Account:
    """Who calls: the owner of a secret key, with the limits that hold for it."""

    id: str
    name: str
    rate_per_s: float
    burst: int


@dataclass(frozen=True, slots=True)
class Call:
    """`params` holds only what the caller sent, checked; defaults are the use case's.

    `ids` are all ids of the path, `id` the first ("" if none). `once` is set on a POST with an
    Idempotency-Key. `noun` is the route's: what its answer is, for expansion.
    """

    account: Account
    params: dict[str, Any] = field(default_factory=dict)
    id: str = ""
    ids: tuple[str, ...] = ()
    once: Repeatable | None = None
    request_id: str = ""
    api_version: str = ""
    expand: tuple[str, ...] = ()
    noun: str = ""

    @property
    def key(self) -> str | None:
        """The Idempotency-Key, for the event that tells of the change."""
        return self.once.key if self.once is not None else None


@dataclass(frozen=True, slots=True)
class Kept:
    """The first seven values of a create in one statement (usecases/once.py): the columns of the key.

    `key` is None when the request has none.
    """

    scope: str
    key: str | None
    fingerprint: bytes
    at: datetime
    status: int
    headers: Mapping[str, str]
    body: bytes
