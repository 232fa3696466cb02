"""The HTTP view: what was caught, for people and tests; faults, for operators."""

from typing import Annotated, Any

from chassis.problems import Forbidden, Unauthorized, problem_responses
from fastapi import APIRouter, Query, Request, Security
from fastapi.security import HTTPBearer
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import HTTPConnection

from notifications.catcher.faults import FaultKind, Switch
from notifications.catcher.mailbox import Mailbox


class _OperatorKey(HTTPBearer):
    async def __call__(self, request: HTTPConnection) -> None:
        await request.app.state.admin_guard(request)


Operator = Security(_OperatorKey(description="The operator's key.", scheme_name="AdminKey"))

messages = APIRouter(prefix="/messages", tags=["messages"])
admin = APIRouter(
    prefix="/admin/faults",
    tags=["operator"],
    dependencies=[Operator],
    responses=problem_responses(Unauthorized, Forbidden),
)


class MessageOut(BaseModel):
    """A mail as it came in: `from` and `to` are the envelope's, names of headers in small letters."""

    id: int
    received_at: str
    sender: str = Field(alias="from")
    to: list[str]
    subject: str | None
    message_id: str | None
    headers: dict[str, str]
    text: str | None
    html: str | None


class MessagesOut(BaseModel):
    """Newest first; `kept` is how many there are in all."""

    items: list[MessageOut]
    kept: int


class FaultIn(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: FaultKind


class FaultOut(BaseModel):
    """`kind` is null while no fault is in force."""

    kind: FaultKind | None


@messages.get("", response_model=MessagesOut)
async def list_messages(
    request: Request,
    to: Annotated[str | None, Query(max_length=320, description="The address of one recipient.")] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> dict[str, Any]:
    mailbox: Mailbox = request.app.state.mailbox
    return {"items": [one.rendered() for one in mailbox.find(to, limit)], "kept": len(mailbox)}


@messages.delete("", status_code=204)
async def delete_messages(request: Request) -> None:
    """All of them."""
    mailbox: Mailbox = request.app.state.mailbox
    mailbox.clear()


@admin.post("", response_model=FaultOut)
async def set_fault(request: Request, body: FaultIn) -> dict[str, Any]:
    """In force until another is set, it is taken back or the process ends."""
    switch: Switch = request.app.state.switch
    switch.kind = body.kind
    return {"kind": switch.kind}


@admin.get("", response_model=FaultOut)
async def get_fault(request: Request) -> dict[str, Any]:
    return {"kind": request.app.state.switch.kind}


@admin.delete("", status_code=204)
async def clear_fault(request: Request) -> None:
    request.app.state.switch.kind = None
