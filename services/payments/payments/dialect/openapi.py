"""The OpenAPI document of the dialect, made from the declared routes."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from payments.dialect.expand import Noun
from payments.dialect.params import Field, object_schema
from payments.dialect.routes import Route
from payments.dialect.table import fields_of

_ERROR: Final = {
    "title": "Error",
    "description": "Stripe's envelope.",
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["type", "message"],
            "properties": {
                "type": {
                    "type": "string",
                    "enum": ["api_error", "card_error", "idempotency_error", "invalid_request_error"],
                },
                "message": {"type": "string"},
                "code": {"type": "string", "examples": ["resource_missing"]},
                "decline_code": {"type": "string", "examples": ["insufficient_funds"]},
                "doc_url": {"type": "string"},
                "param": {"type": "string", "examples": ["metadata[order]"]},
            },
        }
    },
}
# Status -> its name among the document's responses, and what it means.
_REFUSALS: Final = {
    "400": ("InvalidRequest", "A parameter, a key or a state does not allow this"),
    "401": ("Unauthorized", "No valid secret key"),
    "402": ("CardDeclined", "The card was declined"),
    "404": ("ResourceMissing", "There is no such object"),
    "409": ("KeyInUse", "A request with this Idempotency-Key is in progress"),
    "413": ("BodyTooLarge", "The body is too large"),
    "429": ("RateLimited", "Too many requests"),
    "500": ("ApiError", "Something of ours failed"),
    "503": ("Unavailable", "Not taken just now; the same key may try again"),
}
_OF_POSTS: Final = {"402", "409", "413"}
_SECURITY: Final[list[dict[str, list[str]]]] = [{"SecretKey": []}, {"SecretKeyAsUser": []}]
_IDEMPOTENCY_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "One effect and one answer, however often this request is sent.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}
_HEADERS: Final = {
    "Request-Id": {"description": "Names this request in our logs.", "schema": {"type": "string"}},
    "Stripe-Version": {"schema": {"type": "string"}},
}


def describe(document: dict[str, Any], routes: Iterable[Route], nouns: Mapping[str, Noun]) -> None:
    """Adds the routes to the framework's document."""
    components = document.setdefault("components", {})
    components.setdefault("schemas", {})["StripeError"] = _ERROR
    components.setdefault("responses", {}).update({name: _refusal(text) for name, text in _REFUSALS.values()})
    components.setdefault("securitySchemes", {}).update(
        SecretKey={"type": "http", "scheme": "bearer", "description": "A secret key, `sk_test_...`."},
        SecretKeyAsUser={"type": "http", "scheme": "basic", "description": "The key as user, no password."},
    )
    paths = document.setdefault("paths", {})
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, nouns)


def _operation(route: Route, nouns: Mapping[str, Noun]) -> dict[str, Any]:
    fields = fields_of(route)
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", route.path)
    ]
    operation: dict[str, Any] = {
        "tags": [route.path.split("/")[2]],
        "summary": route.summary,
        "operationId": _operation_id(route),
        "parameters": parameters,
    }
    if route.method == "POST":
        parameters.append(_IDEMPOTENCY_KEY)
        operation["requestBody"] = _body(fields)
    else:
        parameters += [_query(name, field) for name, field in fields.items()]
    noun = nouns.get(route.noun)
    if noun is not None and noun.fields:
        prefix = "data." if route.list else ""
        operation["description"] = "May be expanded: " + ", ".join(
            f"`{prefix}{path}`" for path in noun.fields
        )
    operation["responses"] = {"200": _answer(route)} | {
        status: {"$ref": f"#/components/responses/{name}"}
        for status, (name, _) in _REFUSALS.items()
        if route.method == "POST" or status not in _OF_POSTS
    }
    operation["security"] = _SECURITY
    return operation


def _operation_id(route: Route) -> str:
    words = re.findall(r"[a-z0-9_]+", route.path.removeprefix("/v1/"))
    return "_".join([route.method.lower(), *words])


def _body(fields: Mapping[str, Field]) -> dict[str, Any]:
    schema = object_schema(fields)
    nested = {
        name: {"style": "deepObject", "explode": True}
        for name, shape in schema["properties"].items()
        if shape.get("type") in {"object", "array"} or "anyOf" in shape
    }
    content: dict[str, Any] = {"schema": schema}
    if nested:
        content["encoding"] = nested
    return {
        "required": bool(schema.get("required")),
        "content": {"application/x-www-form-urlencoded": content},
    }


def _query(name: str, field: Field) -> dict[str, Any]:
    shape = field.schema()
    query: dict[str, Any] = {"name": name, "in": "query", "required": field.required, "schema": shape}
    if shape.get("type") in {"object", "array"} or "anyOf" in shape:
        query |= {"style": "deepObject", "explode": True}
    return query


def _answer(route: Route) -> dict[str, Any]:
    noun = route.noun.replace("_", " ") or "object"
    schema: dict[str, Any] = {"type": "object", "required": ["object"]}
    if route.list:
        schema = {
            "type": "object",
            "required": ["object", "url", "has_more", "data"],
            "properties": {
                "object": {"const": "list"},
                "url": {"type": "string"},
                "has_more": {"type": "boolean"},
                "data": {"type": "array", "items": schema},
            },
        }
    described = f"A page of {noun}s" if route.list else f"The {noun}"
    return {
        "description": described,
        "headers": _HEADERS,
        "content": {"application/json": {"schema": schema}},
    }


def _refusal(text: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/StripeError"}
    return {"description": text, "content": {"application/json": {"schema": schema}}}
