"""For operators, through orders: the proof that nothing was lost and nothing sold twice."""

from chassis.problems import Unauthorized, problem_responses
from fastapi import APIRouter, Request

from inventory.api.access import Caller
from inventory.problems import DatabaseAway
from inventory.schemas import CheckOut, ReconcileOut
from inventory.usecases import reconcile as usecases

router = APIRouter(
    prefix="/v1/admin",
    tags=["operator"],
    dependencies=[Caller],
    responses=problem_responses(Unauthorized, DatabaseAway),
)


@router.get("/reconcile")
async def reconcile(request: Request) -> ReconcileOut:
    """The shelf against its movements and its reservations, in one snapshot: true while traffic runs."""
    checks = await usecases.reconcile(request.app.state.resources)
    return ReconcileOut(
        ok=all(check.ok for check in checks),
        checks=[CheckOut(name=check.name, ok=check.ok, detail=check.detail) for check in checks],
    )
