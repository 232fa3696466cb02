"""Every kind of operation and what settles it: for the reconciler, which takes up all of them."""

from collections.abc import Mapping
from typing import Final

from payments.domain.operations import Kind
from payments.usecases import authorisations, captures, refund_outcomes
from payments.usecases.operations import Handler

HANDLERS: Final[Mapping[Kind, Handler]] = {
    Kind.AUTHORISE: authorisations.HANDLER,
    Kind.CAPTURE: captures.CAPTURE,
    Kind.VOID: captures.VOID,
    Kind.REFUND: refund_outcomes.HANDLER,
}
