"""For operators: orders that have not ended, those that are stuck above all, and the push by hand."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from chassis.problems import problem_responses
from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field

from orders.api import cursors
from orders.api.access import Operator
from orders.api.parameters import ADMIN, Cursor, PageLimit
from orders.domain.saga import Reason, State
from orders.problems import CursorInvalid, OrderNotFound, SagaFinished
from orders.usecases import push as usecases


class SagaOut(BaseModel):
    order_id: str
    tenant_id: str
    state: State
    version: int
    attempts: int = Field(description="Of the step in hand: commands sent, or calls made.")
    cancelling: bool
    reason: Reason | None = Field(description="Why it goes back, when it does.")
    payment_intent_id: str | None
    refund_id: str | None
    entered_at: datetime = Field(description="When it came into this state.")
    due_at: datetime | None = Field(description="When it goes on by itself; null when people decide.")
    give_up_at: datetime
    stuck_since: datetime | None
    last_error: str | None
    created_at: datetime
    updated_at: datetime


class SagaPage(BaseModel):
    items: list[SagaOut]
    next_cursor: str | None


router = APIRouter(prefix="/v1/admin/sagas", tags=["operator"], dependencies=[Operator])


@router.get("", summary="List live sagas", responses=problem_responses(*ADMIN, CursorInvalid))
async def list_sagas(
    request: Request,
    *,
    stuck: Annotated[
        bool, Query(description="Only those that wait for people, or are in one state for long.")
    ] = False,
    limit: PageLimit = 50,
    cursor: Cursor = None,
) -> SagaPage:
    """The oldest orders first."""
    bound_to = ("sagas", str(stuck))
    after = cursors.decode(cursor, *bound_to)
    rows, following = await usecases.list_live(
        request.app.state.resources, after=after or "", limit=limit, stuck=stuck
    )
    return SagaPage(items=[_saga_out(row) for row in rows], next_cursor=cursors.encode(following, *bound_to))


@router.post(
    "/{order_id}/push",
    summary="Push a saga",
    responses=problem_responses(*ADMIN, OrderNotFound, SagaFinished),
)
async def push_saga(
    request: Request, order_id: Annotated[str, Path(description="The order's `id`.")]
) -> SagaOut:
    """Its next step is taken now, under the same idempotency key; only a refund that failed begins anew."""
    return _saga_out(await usecases.push(request.app.state.resources, order_id))


def _saga_out(row: Mapping[str, Any]) -> SagaOut:
    return SagaOut(**{name: row[name] for name in SagaOut.model_fields})
