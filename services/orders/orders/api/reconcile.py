"""For operators: the proof that every order, its money and its stock agree."""

from chassis.problems import problem_responses
from chassis.resilience import deadline
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from orders.api.access import Operator
from orders.api.parameters import ADMIN
from orders.reconcile import books_of
from orders.resources import Resources
from orders.usecases import reconcile as usecases


class CheckOut(BaseModel):
    name: str
    ok: bool
    detail: str = Field(description="How much was looked at, or what is wrong.")


class ReconcileOut(BaseModel):
    ok: bool
    checks: list[CheckOut]


router = APIRouter(prefix="/v1/admin", tags=["operator"], dependencies=[Operator])


@router.get("/reconcile", summary="Reconcile", responses=problem_responses(*ADMIN))
async def reconcile(request: Request) -> ReconcileOut:
    """Orders against themselves, what payments charged, and what inventory sold; true while traffic runs."""
    res: Resources = request.app.state.resources
    timeout_s = deadline.time_left(res.settings.reconcile_timeout_s)
    async with books_of(res.settings, res.db, timeout_s=timeout_s) as books:
        checks = await usecases.reconcile(books, timeout_s=timeout_s)
    return ReconcileOut(
        ok=all(check.ok for check in checks),
        checks=[CheckOut(name=check.name, ok=check.ok, detail=check.detail) for check in checks],
    )
