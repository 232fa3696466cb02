"""/api/v1/rollups: which metrics a tenant wants summed up in windows of five minutes and of an hour."""

from typing import Annotated, Final

from chassis.problems import Forbidden, Unauthorized, ValidationFailed, problem_responses
from fastapi import APIRouter
from pydantic import AfterValidator, BaseModel, Field

from metrics_ingest.api.access import CallingTenant, Ours
from metrics_ingest.domain import rollups
from metrics_ingest.problems import DatabaseAway
from metrics_ingest.usecases import rollups as usecases

# Of a request; a tenant's own limit is the setting's.
_METRICS_MAX: Final = 1000


def _metric(name: str) -> str:
    if not rollups.is_metric(name):
        raise ValueError(
            f"must be a metric's name of letters, digits and _, at most {rollups.METRIC_BYTES_MAX}"
        )
    return name


class RollupsIn(BaseModel):
    metrics: Annotated[list[Annotated[str, AfterValidator(_metric)]], Field(max_length=_METRICS_MAX)]


class RollupsOut(BaseModel):
    metrics: list[str]
    series: list[str] = Field(description="What each metric becomes; read them by `last_over_time`.")


router = APIRouter(
    prefix="/api/v1/rollups",
    tags=["rollups"],
    responses=problem_responses(Unauthorized, Forbidden, DatabaseAway),
)


@router.get("", summary="List the metrics that are rolled up")
async def get_rollups(tenant: CallingTenant, ours: Ours) -> RollupsOut:
    return _shown(await usecases.declared(ours.db, tenant))


@router.put(
    "",
    summary="Declare the metrics that are rolled up",
    responses=problem_responses(ValidationFailed),
)
async def put_rollups(tenant: CallingTenant, ours: Ours, body: RollupsIn) -> RollupsOut:
    """These and no others; rollups that are no longer declared stay as they are."""
    count_max = ours.settings.rollups_per_tenant_max
    if len(set(body.metrics)) > count_max:
        raise ValidationFailed(f"At most {count_max} metrics of a tenant are rolled up.")
    return _shown(await usecases.declare(ours.db, tenant, body.metrics))


def _shown(metrics: list[str]) -> RollupsOut:
    series = [
        rollups.name_of("<name>", aggregate, window)
        for window in rollups.WINDOWS
        for aggregate in rollups.AGGREGATES
    ]
    return RollupsOut(metrics=metrics, series=series)
