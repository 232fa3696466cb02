"""The expected failures of orders, each with its status and code.

Problem
+-- OrderNotFound 404 order_not_found            +-- IdempotencyKeyMissing 400 idempotency_key_missing
+-- ProductNotFound 404 product_not_found        +-- IdempotencyKeyInvalid 400 idempotency_key_invalid
+-- OrderFinished 409 order_finished             +-- IdempotencyInFlight 409 idempotency_in_flight
+-- StockBelowReserved 409 stock_below_reserved  +-- IdempotencyMismatch 422 idempotency_key_reused
+-- UnknownSku 422 unknown_sku                   +-- CursorInvalid 400 cursor_invalid
+-- MixedCurrency 422 mixed_currency             +-- MediaTypeUnsupported 415 unsupported_media_type
+-- AmountTooLarge 422 amount_too_large          +-- InventoryUnavailable 503 inventory_unavailable
+-- LetterNotFound 404 letter_not_found          +-- DatabaseAway 503 database_unavailable
+-- RunNotFound 404 run_not_found                +-- FaultsDisabled 403 faults_disabled
+-- GroupUnknown 422 group_unknown               +-- FaultsUnavailable 503 faults_unavailable
+-- FaultsFull 409 faults_full                   +-- SagaFinished 409 saga_finished
"""

from chassis.problems import Problem


class OrderNotFound(Problem):
    status, code, title = 404, "order_not_found", "There is no such order"


class ProductNotFound(Problem):
    status, code, title = 404, "product_not_found", "There is no such product"


class OrderFinished(Problem):
    status, code, title = 409, "order_finished", "The order is finished"


class StockBelowReserved(Problem):
    status, code, title = 409, "stock_below_reserved", "More than that is reserved"


class UnknownSku(Problem):
    status, code, title = 422, "unknown_sku", "A line names a product that does not exist"


class MixedCurrency(Problem):
    status, code, title = 422, "mixed_currency", "A product is not sold in the order's currency"


class AmountTooLarge(Problem):
    status, code, title = 422, "amount_too_large", "The order costs more than can be charged at once"


class IdempotencyKeyMissing(Problem):
    status, code, title = 400, "idempotency_key_missing", "This request needs an Idempotency-Key"


class IdempotencyKeyInvalid(Problem):
    status, code, title = 400, "idempotency_key_invalid", "The Idempotency-Key is not valid"


class IdempotencyInFlight(Problem):
    status, code, title = 409, "idempotency_in_flight", "A request with this Idempotency-Key is in progress"


class IdempotencyMismatch(Problem):
    status, code, title = 422, "idempotency_key_reused", "The Idempotency-Key was used with another request"


class CursorInvalid(Problem):
    status, code, title = 400, "cursor_invalid", "The cursor is not valid here"


class MediaTypeUnsupported(Problem):
    status, code, title = 415, "unsupported_media_type", "The body must be JSON"


class InventoryUnavailable(Problem):
    status, code, title = 503, "inventory_unavailable", "Inventory cannot be reached"


class DatabaseAway(Problem):
    status, code, title = 503, "database_unavailable", "The database cannot be reached"


class LetterNotFound(Problem):
    status, code, title = 404, "letter_not_found", "There is no such dead letter"


class RunNotFound(Problem):
    status, code, title = 404, "run_not_found", "There is no such run"


class FaultsDisabled(Problem):
    status, code, title = 403, "faults_disabled", "Faults on purpose are switched off here"


class GroupUnknown(Problem):
    status, code, title = 422, "group_unknown", "There is no such consumer group"


class FaultsFull(Problem):
    status, code, title = 409, "faults_full", "There are too many faults in place"


class FaultsUnavailable(Problem):
    status, code, title = 503, "faults_unavailable", "The book of faults cannot be reached"


class SagaFinished(Problem):
    status, code, title = 409, "saga_finished", "The order has ended: there is nothing to push"
