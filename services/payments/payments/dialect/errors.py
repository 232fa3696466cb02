"""Every refusal of the API, in Stripe's envelope.

StripeError                  type and status are the class's; message, param, code, members the instance's
+-- ApiError 500 api_error                      +-- CardDeclined 402 card_error (kept)
|   +-- InternalFailure 500 (kept)              +-- IdempotencyMismatch 400 idempotency_error
|   +-- Unavailable 503 (Retry-After)           |
+-- InvalidRequest 400 invalid_request_error    +-- KeyInUse 409 idempotency_error idempotency_key_in_use
    +-- Unauthorized 401                        +-- RateLimited 429 rate_limit
    +-- ResourceMissing 404 or 400 resource_missing
    +-- UnexpectedState 400 (kept)
    +-- Forbidden 403, UnknownRoute 404, BodyTooLarge 413

Kept ones are stored under the Idempotency-Key as the answer of the request; all others leave the key free.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from chassis.once import Answer

_DOCS: Final = "https://docs.stripe.com/error-codes#"


class StripeError(Exception):
    """Raise it anywhere below the dispatcher; `members` (charge=...) join the envelope."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "api_error"
    kept: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        decline_code: str | None = None,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code
        self.decline_code = decline_code
        self.headers = dict(headers or {})
        self.members = members
        self.http_status = self.status

    def document(self) -> dict[str, Any]:
        error: dict[str, Any] = {"type": self.type, "message": self.message}
        if self.code is not None:
            error["code"] = self.code
            error["doc_url"] = _DOCS + self.code.replace("_", "-")
        if self.decline_code is not None:
            error["decline_code"] = self.decline_code
        if self.param is not None:
            error["param"] = self.param
        return {"error": error | self.members}

    def answer(self) -> Answer:
        return Answer(self.http_status, Answer.of(self.document()).body, self.headers)


class ApiError(StripeError):
    """Something of ours failed."""

    def __init__(self, message: str = "Something went wrong on our side.", **more: Any) -> None:
        super().__init__(message, **more)


class InternalFailure(ApiError):  # noqa: N818
    """A failure nobody foresaw, of a request with a key: the work is undone, and a repeat gets the same."""

    kept = True

    def __init__(self) -> None:
        super().__init__(headers={"Stripe-Should-Retry": "false"})


class Unavailable(ApiError):  # noqa: N818
    """Refused before anything happened: the same key may try again."""

    status = 503

    def __init__(
        self, message: str = "We cannot take this request just now; try again.", *, retry_after_s: int = 1
    ) -> None:
        super().__init__(message, headers={"Retry-After": str(retry_after_s), "Stripe-Should-Retry": "true"})


class InvalidRequest(StripeError):  # noqa: N818
    """`InvalidRequest(message, param, code)`."""

    status, type = 400, "invalid_request_error"

    def __init__(self, message: str, param: str | None = None, code: str | None = None, **more: Any) -> None:
        super().__init__(message, param=param, code=code, **more)


class Unauthorized(InvalidRequest):
    """No key, or one that nobody has."""

    status = 401

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message, code=code, headers={"WWW-Authenticate": 'Bearer realm="payments"'})


class ResourceMissing(InvalidRequest):
    """`ResourceMissing("customer", "cus_x")` 404 for the object of the address.

    With a `param` other than "id" the object was named by a parameter, and the status is 400. Of an intent
    Stripe calls the id in the address `intent`.
    """

    status = 404

    def __init__(self, noun: str, object_id: str, param: str = "id") -> None:
        shown = "intent" if param == "id" and noun in {"payment_intent", "setupintent"} else param
        super().__init__(f"No such {noun}: '{object_id}'", shown, "resource_missing")
        self.http_status = 404 if param == "id" else 400


class UnexpectedState(InvalidRequest):
    """The object is in a state that does not allow this; `payment_intent=` and its like show it."""

    kept = True

    def __init__(self, message: str, code: str = "payment_intent_unexpected_state", **members: Any) -> None:
        super().__init__(message, None, code, **members)


class Forbidden(InvalidRequest):
    """The key is known, and may not do this."""

    status = 403


class UnknownRoute(InvalidRequest):
    """No such path, or not with this method: the dialect does not tell them apart."""

    status = 404


class BodyTooLarge(InvalidRequest):
    status = 413


class CardDeclined(StripeError):  # noqa: N818
    """`CardDeclined(code, decline_code, message, charge=..., payment_intent=...)`."""

    status, type, kept = 402, "card_error", True

    def __init__(self, code: str, decline_code: str | None, message: str, **members: Any) -> None:
        super().__init__(message, code=code, decline_code=decline_code, **members)


class IdempotencyMismatch(StripeError):  # noqa: N818
    """The key was used with other parameters or on another endpoint."""

    status, type = 400, "idempotency_error"

    def __init__(self) -> None:
        super().__init__(
            "Keys for idempotent requests can only be used with the same endpoint and the same parameters"
            " they were first used with. Use another key if you meant to make another request."
        )


class KeyInUse(StripeError):  # noqa: N818
    """A request with this key runs at this moment: the client tries again."""

    status, type = 409, "idempotency_error"

    def __init__(self) -> None:
        super().__init__(
            "Another request with this idempotency key is in progress. Try again when it has ended.",
            code="idempotency_key_in_use",
            headers={"Stripe-Should-Retry": "true"},
        )


class RateLimited(StripeError):  # noqa: N818
    """Nothing was done; `headers` tell when to come back."""

    status, type = 429, "invalid_request_error"

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__(
            "Too many requests hit the API too quickly. Wait and try again, with a growing pause.",
            code="rate_limit",
            headers=headers,
        )
