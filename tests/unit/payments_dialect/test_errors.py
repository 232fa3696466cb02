"""The envelope."""

import json

from chassis.problems import (
    BadRequest,
    BodyTooLarge,
    DeadlineExceeded,
    InternalError,
    Overloaded,
    RouteUnknown,
    TooManyRequests,
)
from payments.dialect import errors
from payments.dialect.envelope import error_of


def test_an_error_tells_only_what_it_has() -> None:
    assert errors.InvalidRequest("No.").document() == {
        "error": {"type": "invalid_request_error", "message": "No."}
    }
    assert errors.CardDeclined("card_declined", "lost_card", "Declined.", charge="ch_1").document() == {
        "error": {
            "type": "card_error",
            "message": "Declined.",
            "code": "card_declined",
            "doc_url": "https://docs.stripe.com/error-codes#card-declined",
            "decline_code": "lost_card",
            "charge": "ch_1",
        }
    }


def test_a_missing_object_is_404_in_the_address_and_400_in_a_parameter() -> None:
    missing = errors.ResourceMissing("customer", "cus_x")
    assert (missing.http_status, missing.param, missing.code) == (404, "id", "resource_missing")
    assert missing.message == "No such customer: 'cus_x'"
    named = errors.ResourceMissing("customer", "cus_x", "customer")
    assert (named.http_status, named.param) == (400, "customer")


def test_what_began_is_kept_and_what_did_not_is_not() -> None:
    here = [kind for kind in _tree(errors.StripeError) if kind.__module__ == errors.__name__]
    kept = {kind.__name__ for kind in here if kind.kept}
    assert kept == {"CardDeclined", "InternalFailure", "UnexpectedState"}


def _tree(kind: type[errors.StripeError]) -> set[type[errors.StripeError]]:
    return {kind}.union(*(_tree(one) for one in kind.__subclasses__()))


def test_problems_of_the_layers_before_keep_their_status_and_headers() -> None:
    wanted = {
        BadRequest("x"): (400, "invalid_request_error"),
        RouteUnknown("x"): (404, "invalid_request_error"),
        BodyTooLarge("x"): (413, "invalid_request_error"),
        TooManyRequests("x", headers={"Retry-After": "3"}): (429, "invalid_request_error"),
        InternalError("a secret"): (500, "api_error"),
        Overloaded("x", headers={"Retry-After": "1"}): (503, "api_error"),
        DeadlineExceeded("x"): (504, "api_error"),
    }
    for problem, (status, kind) in wanted.items():
        answer = error_of(problem).answer()
        assert (answer.status, json.loads(answer.body)["error"]["type"]) == (status, kind)
        assert problem.headers.items() <= answer.headers.items()
        assert b"a secret" not in answer.body
