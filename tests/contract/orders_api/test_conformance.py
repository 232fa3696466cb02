"""Generated requests, valid and not: every answer is one that the OpenAPI document declares."""

from typing import Any

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.checks import CHECKS

from tests.support.orders import ADMIN_KEY, document, key_of
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


@schema.parametrize()
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_every_answer_is_declared(case: Case[Any], threaded_api: Threaded) -> None:
    is_operators = case.path.startswith(("/v1/admin/", "/v1/dead-letters"))
    headers = {"Authorization": f"Bearer {ADMIN_KEY if is_operators else key_of('one')}"}
    checks = [*WANTED, REJECTS] if case.method in {"POST", "PUT"} else WANTED
    case.call_and_validate(base_url=threaded_api.url, headers=headers, checks=checks, timeout=60)
