"""The shortener's expected failures, each with its status and code.

Problem
+-- LinkNotFound 404 link_not_found          +-- IdempotencyInFlight 409 idempotency_in_flight
+-- ReportNotFound 404 report_not_found      +-- IdempotencyMismatch 422 idempotency_key_reused
+-- SlugTaken 409 slug_taken                 +-- IdempotencyKeyInvalid 400 idempotency_key_invalid
+-- SlugConfusable 409 slug_confusable       +-- CursorInvalid 400 cursor_invalid
+-- LinkTakenDown 409 link_taken_down        +-- HeaderInvalid 400 header_invalid
+-- VisitsUsed 409 visits_used               +-- QuotaExceeded 429 quota_exceeded
+-- ReportResolved 409 report_resolved       +-- DatabaseAway 503 database_unavailable
+-- VersionMismatch 412 version_mismatch     +-- BulkTooLong 422 bulk_too_long
+-- BulkRefused 422 bulk_refused             +-- BulkConflict 409 bulk_conflict
+-- LinkGone 410 link_gone
"""

from chassis.problems import Problem


class LinkNotFound(Problem):
    status, code, title = 404, "link_not_found", "There is no such link"


class ReportNotFound(Problem):
    status, code, title = 404, "report_not_found", "There is no such report"


class SlugTaken(Problem):
    status, code, title = 409, "slug_taken", "The slug is taken"


class SlugConfusable(Problem):
    status, code, title = 409, "slug_confusable", "The slug looks like one that is taken"


class LinkTakenDown(Problem):
    status, code, title = 409, "link_taken_down", "The link was taken down by the operator"


class VisitsUsed(Problem):
    status, code, title = 409, "visits_used", "More visits were already used"


class ReportResolved(Problem):
    status, code, title = 409, "report_resolved", "The report is already resolved"


class VersionMismatch(Problem):
    status, code, title = 412, "version_mismatch", "The link was changed in the meantime"


class IdempotencyInFlight(Problem):
    status, code, title = 409, "idempotency_in_flight", "A request with this Idempotency-Key is in progress"


class IdempotencyMismatch(Problem):
    status, code, title = 422, "idempotency_key_reused", "The Idempotency-Key was used with another request"


class IdempotencyKeyInvalid(Problem):
    status, code, title = 400, "idempotency_key_invalid", "The Idempotency-Key is not valid"


class CursorInvalid(Problem):
    status, code, title = 400, "cursor_invalid", "The cursor is not valid here"


class HeaderInvalid(Problem):
    status, code, title = 400, "header_invalid", "A header is not valid"


class QuotaExceeded(Problem):
    status, code, title = 429, "quota_exceeded", "The monthly quota of links is used up"


class BulkTooLong(Problem):
    status, code, title = 422, "bulk_too_long", "Too many links in one request"


class BulkRefused(Problem):
    status, code, title = 422, "bulk_refused", "No link was created: some rows are not valid"


class BulkConflict(Problem):
    status, code, title = 409, "bulk_conflict", "No link was created: some slugs are taken"


class DatabaseAway(Problem):
    status, code, title = 503, "database_unavailable", "The database cannot be reached"


class LinkGone(Problem):
    status, code, title = 410, "link_gone", "The link has expired, is used up or was switched off"
