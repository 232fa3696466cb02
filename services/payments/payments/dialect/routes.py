"""The declaration of a route: every api/<noun>.py exports `ROUTES`, a tuple of these."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from payments.dialect.calls import Answer, Call
from payments.dialect.params import Field
from payments.resources import Resources

Handler = Callable[[Resources, Call], Awaitable[Answer | dict[str, Any]]]
"""A dict is answered with 200, after the expansion that the call asks for."""


@dataclass(frozen=True, slots=True)
class Route:
    """`Route("POST", "/v1/customers/{id}", update, params={...}, noun="customer", ...)`.

    `expand` is taken by every route whose answer has a noun; `list=True` adds `limit`, `starting_after` and
    `ending_before` (and `created` when the params name it) and expands through `data.`.
    """

    method: str
    path: str
    handler: Handler
    params: Mapping[str, Field] = field(default_factory=dict)
    noun: str = ""
    list: bool = False
    summary: str = ""
