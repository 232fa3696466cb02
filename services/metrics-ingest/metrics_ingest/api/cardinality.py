"""`GET /api/v1/cardinality`: a tenant's series and what is left of its budgets."""

from chassis.problems import Forbidden, Unauthorized, problem_responses
from fastapi import APIRouter
from pydantic import BaseModel

from metrics_ingest.api.access import CallingTenant, Ours
from metrics_ingest.problems import DatabaseAway
from metrics_ingest.usecases.cardinality import cardinality

router = APIRouter(tags=["accounts"])


class NameCount(BaseModel):
    name: str
    series: int


class CardinalityOut(BaseModel):
    """`series_left` may still begin now: the smaller rest of both budgets."""

    tenant: str
    active_series: int
    active_series_max: int
    new_series_this_hour: int
    new_series_per_h: int
    series_left: int
    top_names: list[NameCount]


@router.get("/api/v1/cardinality", responses=problem_responses(Unauthorized, Forbidden, DatabaseAway))
async def show_cardinality(tenant: CallingTenant, ours: Ours) -> CardinalityOut:
    """Active series, new ones of this hour, both limits, and the names with the most series."""
    found = await cardinality(ours.db, tenant, names_max=ours.settings.cardinality_names_max)
    return CardinalityOut(
        tenant=found.tenant,
        active_series=found.active_series,
        active_series_max=found.active_series_max,
        new_series_this_hour=found.new_series_this_hour,
        new_series_per_h=found.new_series_per_h,
        series_left=found.series_left,
        top_names=[NameCount(name=name, series=series) for name, series in found.top_names],
    )
