"""/v1/links/{id}/stats and /v1/stats: how many came, when, and from where."""

from datetime import datetime, timedelta
from typing import Annotated, Final, Literal

from chassis.problems import ValidationFailed, problem_responses
from fastapi import APIRouter, Depends, Query, Request

from shortener.api.access import CallingTenant
from shortener.api.parameters import ALWAYS, LinkId
from shortener.problems import LinkNotFound
from shortener.schemas import ClickPoint, ClickValue, Instant, LinkClicks, LinkStatsOut, TenantStatsOut
from shortener.usecases import stats as usecases
from shortener.usecases.resources import now
from shortener.usecases.stats import Span, Stats

router = APIRouter(prefix="/v1", tags=["statistics"])

DEFAULT_DAYS: Final = 30
DAYS_MAX: Final = {"hour": 31, "day": 400}


def _span(
    since: Annotated[Instant | None, Query(description="From here on; 30 days before `until`.")] = None,
    until: Annotated[Instant | None, Query(description="Up to, and without; now.")] = None,
    step: Annotated[
        Literal["hour", "day"],
        Query(description="Of the series; at most 31 days by the hour, 400 by the day."),
    ] = "day",
) -> Span:
    until = until or now()
    since = since or _before(until, timedelta(days=DEFAULT_DAYS))
    if not since < until:
        raise _refused("since", "`since` lies before `until`.")
    if until - since > timedelta(days=DAYS_MAX[step]):
        raise _refused("since", f"At most {DAYS_MAX[step]} days with this step.")
    return Span(since, until, step)


def _before(moment: datetime, period: timedelta) -> datetime:
    try:
        return moment - period
    except OverflowError:
        raise _refused("until", "Too early.") from None


def _refused(name: str, detail: str) -> ValidationFailed:
    return ValidationFailed("1 value is not valid.", errors=[{"pointer": f"/query/{name}", "detail": detail}])


@router.get(
    "/links/{link_id}/stats",
    summary="Get the clicks of a link",
    responses=problem_responses(*ALWAYS, LinkNotFound),
)
async def link_stats(
    request: Request, tenant: CallingTenant, link_id: LinkId, span: Annotated[Span, Depends(_span)]
) -> LinkStatsOut:
    """`clicks` are people, `bot_clicks` bots. A visitor is counted once a day: days are not joined."""
    stats = await usecases.link_stats(request.app.state.resources, tenant, link_id, span)
    return LinkStatsOut(
        since=span.since,
        until=span.until,
        clicks=stats.clicks,
        bot_clicks=stats.bot_clicks,
        unique_visitors=stats.unique_visitors,
        series=[ClickPoint(**row) for row in stats.series],
        referrers=_values(stats, "referrer"),
        countries=_values(stats, "country"),
        browsers=_values(stats, "browser"),
        devices=_values(stats, "device"),
        rules=_values(stats, "rule"),
    )


@router.get("/stats", summary="Get the clicks of all links", responses=problem_responses(*ALWAYS))
async def tenant_stats(
    request: Request, tenant: CallingTenant, span: Annotated[Span, Depends(_span)]
) -> TenantStatsOut:
    """`links` are the most clicked ones, with their clicks of all time."""
    stats = await usecases.tenant_stats(request.app.state.resources, tenant, span)
    return TenantStatsOut(
        since=span.since,
        until=span.until,
        clicks=stats.clicks,
        bot_clicks=stats.bot_clicks,
        series=[ClickPoint(**row) for row in stats.series],
        links=[LinkClicks(**row) for row in stats.links],
    )


def _values(stats: Stats, dimension: str) -> list[ClickValue]:
    return [
        ClickValue(value=row["value"], clicks=row["clicks"])
        for row in stats.dimensions
        if row["dimension"] == dimension
    ]
