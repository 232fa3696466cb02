"""Where an account wants its events sent: endpoints and their secrets."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from chassis.logs import get_logger
from chassis.postgres import Connection
from chassis.weburls import Allowed, UrlRefused

from payments.dialect import lists
from payments.dialect.calls import Answer, Call
from payments.dialect.errors import InvalidRequest, ResourceMissing
from payments.dialect.metadata import merged_metadata
from payments.domain import signing
from payments.domain.ids import new_id
from payments.domain.webhook_endpoints import Endpoint, receiver, render, render_with_secret
from payments.resources import Resources
from payments.settings import PaymentsSettings
from payments.store import webhook_endpoints as store
from payments.usecases import once

NOUN: Final = "webhook endpoint"
URL: Final = "/v1/webhook_endpoints"
_log = get_logger(__name__)


def allowed_hosts(settings: PaymentsSettings) -> Allowed:
    """What the guard lets through although it is not public."""
    return Allowed.of(settings.webhook_allowed_hosts.split(","))


async def create(res: Resources, call: Call) -> Answer:
    """Raises InvalidRequest for a URL that is refused, and when the account has its most."""
    params = call.params
    endpoint = Endpoint(
        id=new_id("we"),
        account_id=call.account.id,
        url=_checked(res, params["url"]),
        enabled_events=_distinct(params["enabled_events"]),
        description=params.get("description"),
        metadata=merged_metadata({}, params.get("metadata")),
        api_version=params.get("api_version"),
        status="enabled",
        secret=signing.new_secret(),
        old_secret=None,
        old_secret_until=None,
        created_at=res.clock.now(),
    )

    async def work(conn: Connection) -> dict[str, Any]:
        await store.lock_account(conn, call.account.id)
        most = res.settings.webhook_endpoints_max
        if await store.count(conn, call.account.id) >= most:
            raise InvalidRequest(f"You have reached the maximum of {most} test webhook endpoints.")
        await store.insert(conn, endpoint)
        return render_with_secret(endpoint)

    return await once.in_transaction(res, call, work)


async def retrieve(res: Resources, call: Call) -> dict[str, Any]:
    async with res.db.acquire() as conn:
        return render(_found(await store.fetch(conn, call.account.id, call.id), call))


async def list_all(res: Resources, call: Call) -> dict[str, Any]:
    page = lists.page_of(call)
    account = call.account.id
    async with res.db.acquire() as conn:

        async def exists(endpoint_id: str) -> bool:
            return await store.fetch(conn, account, endpoint_id) is not None

        await lists.check_cursor(page, NOUN, exists)
        if page.backwards:
            rows = await store.page_back(conn, account, page.above, page.fetch)
        else:
            rows = await store.page(conn, account, page.below, page.fetch)
    return lists.rendered_page(URL, rows, page, render)


async def update(res: Resources, call: Call) -> Answer:
    """What is on its way goes where the endpoint is when it is tried next."""
    params = call.params
    url = _checked(res, params["url"]) if "url" in params else None

    async def work(conn: Connection) -> dict[str, Any]:
        held = _found(await store.lock(conn, call.account.id, call.id), call)
        disabled = params.get("disabled", held.status == "disabled")
        changed = replace(
            held,
            url=url or held.url,
            enabled_events=_distinct(params.get("enabled_events", held.enabled_events)),
            description=params.get("description", held.description),
            metadata=merged_metadata(held.metadata, params["metadata"])
            if "metadata" in params
            else held.metadata,
            status="disabled" if disabled else "enabled",
        )
        await store.update(conn, changed)
        return render(changed)

    return await once.in_transaction(res, call, work)


async def delete(res: Resources, call: Call) -> dict[str, Any]:
    async with res.db.acquire() as conn, conn.transaction():
        if not await store.delete(conn, call.account.id, call.id, res.clock.now()):
            raise ResourceMissing(NOUN, call.id)
    return {"id": call.id, "object": "webhook_endpoint", "deleted": True}


async def rotate_secret(res: Resources, call: Call) -> Answer:
    """A new secret; the one before signs beside it for `expires_in` seconds more, if any."""
    overlap = timedelta(seconds=call.params.get("expires_in", 0))
    now = res.clock.now()

    async def work(conn: Connection) -> dict[str, Any]:
        held = _found(await store.lock(conn, call.account.id, call.id), call)
        rotated = replace(
            held,
            secret=signing.new_secret(),
            old_secret=held.secret if overlap else None,
            old_secret_until=now + overlap if overlap else None,
        )
        await store.rotate(conn, rotated)
        _log.info("webhook_endpoint.secret_rotated", endpoint=held.id, overlap_s=overlap.total_seconds())
        return render_with_secret(rotated)

    return await once.in_transaction(res, call, work)


def _found(endpoint: Endpoint | None, call: Call) -> Endpoint:
    if endpoint is None:
        raise ResourceMissing(NOUN, call.id)
    return endpoint


def _checked(res: Resources, url: str) -> str:
    """The URL as it was sent, once it is known to be one that we would dial."""
    try:
        receiver(url, allowed_hosts(res.settings))
    except UrlRefused as error:
        raise InvalidRequest(f"Invalid URL: {error.detail}", "url", "url_invalid") from error
    return url


def _distinct(names: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
