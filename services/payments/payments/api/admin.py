"""For operators: the proof that all money is where the books say it is."""

from typing import Annotated, Any

from chassis.problems import Forbidden, Unauthorized, problem_responses
from fastapi import APIRouter, Depends, Request, Security
from fastapi.security import HTTPBearer
from pydantic import BaseModel, Field

from payments.usecases import proof as usecases

# Only for the OpenAPI document: the chassis reads the header itself.
_bearer = HTTPBearer(auto_error=False, description="The operator's key.", scheme_name="AdminKey")


async def _operator(request: Request, _documented: Annotated[Any, Security(_bearer)]) -> None:
    await request.app.state.admin_guard(request)


class CheckOut(BaseModel):
    name: str
    ok: bool
    detail: str = Field(description="How much was looked at, or what is wrong.")


class ProofOut(BaseModel):
    ok: bool
    checks: list[CheckOut]


router = APIRouter(
    prefix="/admin",
    tags=["operator"],
    dependencies=[Depends(_operator)],
    responses=problem_responses(Unauthorized, Forbidden),
)


@router.get("/proof", summary="Prove the ledger")
async def prove(request: Request) -> ProofOut:
    """The ledger's sums, intents and charges and refunds against it, and all of it against the bank's book.

    It may be asked for while traffic runs; operations whose end is not known yet are named and not judged.
    """
    checks = await usecases.prove(request.app.state.resources)
    return ProofOut(
        ok=all(check.ok for check in checks),
        checks=[CheckOut(name=check.name, ok=check.ok, detail=check.detail) for check in checks],
    )
