"""The expected failures of inventory, each with its status and code.

Problem
+-- StockNotFound 404 stock_not_found              +-- KeyMissing 400 idempotency_key_missing
+-- StockBelowReserved 409 stock_below_reserved    +-- KeyInvalid 400 idempotency_key_invalid
+-- DatabaseAway 503 database_unavailable          +-- KeyInFlight 409 idempotency_in_flight
                                                   +-- KeyReused 422 idempotency_key_reused
"""

from chassis.problems import Problem


class StockNotFound(Problem):
    status, code, title = 404, "stock_not_found", "There is no stock of this SKU"


class StockBelowReserved(Problem):
    status, code, title = 409, "stock_below_reserved", "More than that is reserved"


class KeyMissing(Problem):
    status, code, title = 400, "idempotency_key_missing", "An Idempotency-Key is needed"


class KeyInvalid(Problem):
    status, code, title = 400, "idempotency_key_invalid", "The Idempotency-Key is not valid"


class KeyInFlight(Problem):
    status, code, title = 409, "idempotency_in_flight", "A request with this Idempotency-Key is in progress"


class KeyReused(Problem):
    status, code, title = 422, "idempotency_key_reused", "The Idempotency-Key was used with another request"


class DatabaseAway(Problem):
    status, code, title = 503, "database_unavailable", "The stock cannot be read or changed now"
