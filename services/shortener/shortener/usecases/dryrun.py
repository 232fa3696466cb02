"""What the redirect would do for a visitor that is made up, and why."""

from dataclasses import dataclass
from http import HTTPStatus
from uuid import UUID

from shortener.domain import routes, rules
from shortener.domain.links import Link
from shortener.domain.rules import Facts
from shortener.usecases.links import get_link
from shortener.usecases.resources import Resources, Tenant


@dataclass(frozen=True, slots=True)
class Preview:
    status: int
    url: str | None
    rule: int | None
    reason: str


async def preview_redirect(resources: Resources, tenant: Tenant, link_id: UUID, facts: Facts) -> Preview:
    """Counts no visit. Raises LinkNotFound."""
    return preview(await get_link(resources, tenant, link_id), facts)


def preview(link: Link, facts: Facts) -> Preview:
    """The redirect's own functions decide, so that the two cannot differ."""
    content = link.content
    guard = routes.Guard(
        state=link.state.value,
        status=content.status,
        since=content.since.timestamp() if content.since is not None else None,
        until=content.until.timestamp() if content.until is not None else None,
        max_visits=content.max_visits,
    )
    status = routes.verdict(guard, facts.now.timestamp())
    if status == HTTPStatus.NOT_FOUND:
        return Preview(status, None, None, "not yet valid")
    if status == HTTPStatus.GONE:
        state = "expired" if link.state.value == "active" else link.state.value.replace("_", " ")
        return Preview(status, None, None, state)
    if content.max_visits is not None and link.visits_used >= content.max_visits:
        return Preview(HTTPStatus.GONE, None, None, "used up")
    choice = rules.evaluate(rules.parse_rules(content.rules or []), facts)
    url = routes.with_utm(choice.url or content.url, content.utm)
    return Preview(status, url, choice.rule_index, choice.reason)
