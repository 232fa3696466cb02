"""`GET /api/v1/ledger`: what became of every point."""

from chassis.problems import Unauthorized, problem_responses
from fastapi import APIRouter
from pydantic import BaseModel

from metrics_ingest.api.access import Caller, Ours
from metrics_ingest.problems import DatabaseAway
from metrics_ingest.usecases.ledger import ledger

router = APIRouter(tags=["accounts"])


class TenantLedgerOut(BaseModel):
    """`received = accepted + rejected`, `accepted = stored + in_flight + dead + residue`; residue is 0."""

    tenant: str
    received: int
    accepted: int
    rejected: dict[str, int]
    stored: int
    in_flight: int
    dead: dict[str, int]
    residue: int


class LedgerOut(BaseModel):
    tenants: list[TenantLedgerOut]


@router.get("/api/v1/ledger", responses=problem_responses(Unauthorized, DatabaseAway))
async def show_ledger(caller: Caller, ours: Ours) -> LedgerOut:
    """One's own account; those of all tenants for the operator's key."""
    found = await ledger(ours.db, None if caller is None else caller.id)
    return LedgerOut(
        tenants=[
            TenantLedgerOut(
                tenant=one.tenant,
                received=one.received,
                accepted=one.accepted,
                rejected=dict(one.rejected),
                stored=one.stored,
                in_flight=one.in_flight,
                dead=dict(one.dead),
                residue=one.residue,
            )
            for one in found
        ]
    )
