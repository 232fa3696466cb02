"""Words of these tests: a customer, a card, events; each a call of the API."""

from collections.abc import Iterator
from typing import Any

import httpx

Replicas = Iterator[httpx.AsyncClient]


async def post(api: httpx.AsyncClient, path: str, key: str | None = None, **params: Any) -> httpx.Response:
    """`post(api, "/v1/customers", name="A", **{"metadata[a]": "1"})`."""
    headers = {} if key is None else {"Idempotency-Key": key}
    return await api.post(path, data=params, headers=headers)


async def made(api: httpx.AsyncClient, path: str, **params: Any) -> dict[str, Any]:
    """The object that a POST answers with 200."""
    answer = await post(api, path, **params)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def customer(api: httpx.AsyncClient, **params: Any) -> str:
    return str((await made(api, "/v1/customers", **params))["id"])


async def attached(api: httpx.AsyncClient, customer_id: str, name: str = "pm_card_visa") -> str:
    """A card of the customer's."""
    return str((await made(api, f"/v1/payment_methods/{name}/attach", customer=customer_id))["id"])


async def listed(api: httpx.AsyncClient, path: str, **params: Any) -> list[str]:
    """The ids of a page."""
    answer = await api.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["data"]]


async def told(api: httpx.AsyncClient, kind: str) -> list[dict[str, Any]]:
    """The `data` of the events of a type, newest first."""
    answer = await api.get("/v1/events", params={"type": kind, "limit": 100})
    return [event["data"] for event in answer.json()["data"]]
