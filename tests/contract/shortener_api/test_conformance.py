"""Generated requests, valid and not: every answer is one that the OpenAPI document declares."""

from typing import Any

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.checks import CHECKS

from tests.integration.shortener_api.served import ADMIN_KEY, document
from tests.support.threaded import Threaded

schema = schemathesis.openapi.from_dict(document())

WANTED: list[Any] = [
    CHECKS.get_one(name)
    for name in (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    )
]
REJECTS = CHECKS.get_one("negative_data_rejection")
# Their rows are judged one by one, so a bad row is no bad request.
BY_ROW = ("/v1/links/bulk", "/v1/links/import")


@schemathesis.serializer("application/x-ndjson")
def as_lines(_context: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


@schema.parametrize()
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_every_answer_is_declared(
    case: Case[Any], threaded_api: Threaded, tenant_headers: dict[str, str]
) -> None:
    headers = dict(tenant_headers)
    if case.path.startswith("/v1/admin"):
        headers["Authorization"] = f"Bearer {ADMIN_KEY}"
    strict = case.method in {"POST", "PATCH"} and case.path not in BY_ROW
    checks = [*WANTED, REJECTS] if strict else WANTED
    case.call_and_validate(base_url=threaded_api.url, headers=headers, checks=checks, timeout=30)
