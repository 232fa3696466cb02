"""The bank's expected failures, each with its status and code.

Problem
+-- KeyRequired 400 idempotency_key_required   +-- KeyMismatch 422 idempotency_mismatch
+-- KeyInvalid 400 idempotency_key_invalid     +-- KeyInFlight 409 idempotency_in_flight
+-- Declined 402 declined                      +-- ChargeNotFound 404 charge_not_found
+-- WrongState 409 wrong_state                 +-- AmountTooLarge 409 amount_too_large
+-- FaultError 500 fault_error                 +-- Outage 503 outage
+-- DatabaseAway 503 database_unavailable
"""

from chassis.problems import Problem


class KeyRequired(Problem):
    status, code, title = 400, "idempotency_key_required", "An Idempotency-Key is needed"


class KeyInvalid(Problem):
    status, code, title = 400, "idempotency_key_invalid", "The Idempotency-Key is not valid"


class Declined(Problem):
    status, code, title = 402, "declined", "The issuer declined"


class ChargeNotFound(Problem):
    status, code, title = 404, "charge_not_found", "There is no such charge"


class WrongState(Problem):
    status, code, title = 409, "wrong_state", "The state of the charge does not allow that"


class AmountTooLarge(Problem):
    status, code, title = 409, "amount_too_large", "That is more than is left of the charge"


class KeyInFlight(Problem):
    status, code, title = 409, "idempotency_in_flight", "A request with this Idempotency-Key is in progress"


class KeyMismatch(Problem):
    status, code, title = 422, "idempotency_mismatch", "The Idempotency-Key was used with another request"


class FaultError(Problem):
    status, code, title = 500, "fault_error", "A fault was switched on: this request fails"


class Outage(Problem):
    status, code, title = 503, "outage", "A fault was switched on: the bank is out of service"


class DatabaseAway(Problem):
    status, code, title = 503, "database_unavailable", "The book cannot be reached"
