"""The ingestion routes in the OpenAPI document: the front answers them before the framework sees them."""

from typing import Any

_TEXT = {"text/plain": {"schema": {"type": "string"}}}
_BINARY = {"application/x-protobuf": {"schema": {"type": "string", "format": "binary"}}}
_POINT = {
    "type": "object",
    "required": ["name", "value"],
    "properties": {
        "name": {"type": "string"},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "type": {"enum": ["gauge", "counter", "histogram"], "default": "gauge"},
        "value": {
            "oneOf": [
                {"type": "number"},
                {"enum": ["NaN", "+Inf", "-Inf"]},
                {
                    "type": "object",
                    "required": ["count", "sum", "buckets"],
                    "properties": {
                        "count": {"type": "integer"},
                        "sum": {"type": "number"},
                        "buckets": {
                            "type": "array",
                            "description": "Cumulative, bounds ascending.",
                            "items": {
                                "type": "object",
                                "required": ["le", "count"],
                                "properties": {
                                    "le": {"type": ["number", "string"]},
                                    "count": {"type": "integer"},
                                },
                            },
                        },
                    },
                },
            ]
        },
        "timestamp_ms": {"type": "integer", "description": "Now, where it is absent."},
    },
}
_POINTS = {
    "application/json": {
        "schema": {
            "type": "object",
            "required": ["points"],
            "properties": {"points": {"type": "array", "items": _POINT}},
        }
    }
}
_TOLD = {
    "type": "object",
    "required": ["accepted", "rejected", "batch_id", "position"],
    "properties": {
        "accepted": {"type": "integer"},
        "rejected": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["index", "reason"],
                "properties": {"index": {"type": "integer"}, "reason": {"type": "string"}},
            },
        },
        "batch_id": {"type": "string"},
        "position": {"type": "string", "description": "For `min_position` of a query."},
    },
}
_FAILURES = {
    "400": "Refused, as a whole or in part: what was accepted of it is durable",
    "401": "No such key",
    "413": "Larger than the tenant may send, as it is or unpacked",
    "415": "Unknown type or encoding",
    "429": "The tenant's points a second are used up",
    "503": "Nothing can be made durable just now",
}
# Path: what it is, the body, the status and body of success.
_ROUTES: dict[str, tuple[str, dict[str, Any], str, dict[str, Any]]] = {
    "/api/v1/points": ("JSON points", _POINTS, "202", {"application/json": {"schema": _TOLD}}),
    "/api/v1/write": ("Prometheus remote write 1.0 and 2.0", _BINARY, "204", {}),
    "/api/v1/import/prometheus": ("Prometheus text and OpenMetrics", _TEXT, "204", {}),
    "/v1/metrics": ("OTLP metrics, protobuf or JSON", _BINARY, "200", _BINARY),
    "/write": ("Influx line protocol, version 1", _TEXT, "204", {}),
    "/api/v2/write": ("Influx line protocol, version 2", _TEXT, "204", {}),
    "/api/v2/series": ("Datadog series", {"application/json": {}}, "202", {"application/json": {}}),
}


def describe(document: dict[str, Any]) -> None:
    for path, (summary, body, status, answer) in _ROUTES.items():
        success: dict[str, Any] = {"description": "Durable: the broker has acknowledged every record"}
        if answer:
            success["content"] = answer
        document["paths"][path] = {
            "post": {
                "tags": ["ingestion"],
                "summary": summary,
                "operationId": "post" + path.replace("/", "_"),
                "security": [{"ApiKey": []}],
                "requestBody": {"required": True, "content": body},
                "responses": {
                    status: success,
                    **{code: {"description": told} for code, told in _FAILURES.items()},
                },
            }
        }
