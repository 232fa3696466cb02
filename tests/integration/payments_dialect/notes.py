"""A noun of the tests: routes of every shape on a table of its own, so that the dialect is tested alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from asyncpg import Record
from chassis.health import Health
from chassis.postgres import Connection
from fastapi import FastAPI
from payments.app import create
from payments.dialect.calls import Answer, Call, Kept
from payments.dialect.errors import CardDeclined, ResourceMissing
from payments.dialect.expand import Noun
from payments.dialect.lists import check_cursor, page_of, rendered_page
from payments.dialect.metadata import merged_metadata
from payments.dialect.params import (
    Boolean,
    Choice,
    Hash,
    Id,
    Integer,
    ListOf,
    Metadata,
    Text,
    TimeRange,
)
from payments.dialect.routes import Route
from payments.domain.ids import new_id
from payments.resources import Resources
from payments.settings import PaymentsSettings
from payments.usecases import once

TABLE = """
    CREATE TABLE IF NOT EXISTS notes (
        id text COLLATE "C" PRIMARY KEY,
        account_id text NOT NULL,
        text text,
        parent text,
        metadata jsonb NOT NULL,
        created_at timestamptz NOT NULL
    )
"""


@dataclass(frozen=True)
class Note:
    id: str
    account_id: str
    text: str | None
    parent: str | None
    metadata: Mapping[str, str]
    created_at: datetime


def render(note: Note) -> dict[str, Any]:
    return {
        "id": note.id,
        "object": "note",
        "created": int(note.created_at.timestamp()),
        "livemode": False,
        "metadata": dict(note.metadata),
        "parent": note.parent,
        "links": {"parent": note.parent},
        "text": note.text,
    }


async def _fetch(conn: Connection, account_id: str, ids: Sequence[str]) -> list[Note]:
    rows = await conn.fetch("SELECT * FROM notes WHERE account_id = $1 AND id = ANY($2)", account_id, ids)
    return [Note(**row) for row in rows]


async def _get(conn: Connection, call: Call, note_id: str, param: str = "id") -> Note:
    found = await _fetch(conn, call.account.id, [note_id])
    if not found:
        raise ResourceMissing("note", note_id, param)
    return found[0]


async def _insert(conn: Connection, note: Note) -> None:
    await conn.execute(
        "INSERT INTO notes VALUES ($1, $2, $3, $4, $5, $6)",
        note.id,
        note.account_id,
        note.text,
        note.parent,
        note.metadata,
        note.created_at,
    )


def _new(res: Resources, call: Call) -> Note:
    params = call.params
    metadata = merged_metadata({}, params.get("metadata", {}))
    return Note(
        new_id("note"),
        call.account.id,
        params.get("text"),
        params.get("parent"),
        metadata,
        res.clock.now(),
    )


async def create_note(res: Resources, call: Call) -> Answer:
    """In a transaction; `fail` picks a way to fail after the row was written."""

    async def work(conn: Connection) -> dict[str, Any]:
        note = _new(res, call)
        if note.parent is not None:
            await _get(conn, call, note.parent, "parent")
        await _insert(conn, note)
        match call.params.get("fail"):
            case "decline":
                raise CardDeclined("card_declined", "lost_card", "Your card was declined.", charge="ch_1")
            case "bug":
                raise KeyError("nobody foresaw this")
            case "slow":
                await conn.execute("SELECT pg_sleep(0.5)")
        return render(note)

    return await once.in_transaction(res, call, work)


async def create_quickly(res: Resources, call: Call) -> Answer:
    note = _new(res, call)

    async def statement(conn: Connection, kept: Kept) -> Record | None:
        return await conn.fetchrow(
            """
            WITH known AS (
                SELECT fingerprint, state, response_status, response_headers, response_body
                FROM idempotency_keys
                WHERE scope = $1 AND key = $2
            ), claimed AS (
                INSERT INTO idempotency_keys (
                    scope, key, fingerprint, state, locked_by, locked_until,
                    response_status, response_headers, response_body, created_at
                )
                SELECT $1, $2, $3, 'finished', '', $4, $5, $6, $7, $4
                WHERE $2::text IS NOT NULL AND NOT EXISTS (SELECT FROM known)
                ON CONFLICT DO NOTHING
                RETURNING true
            ), created AS (
                INSERT INTO notes
                SELECT $8, $9, $10, $11, $12, $4
                WHERE $2::text IS NULL OR EXISTS (SELECT FROM claimed)
                RETURNING true
            )
            SELECT EXISTS (SELECT FROM created) AS created, known.fingerprint, known.state,
                   known.response_status, known.response_headers, known.response_body
            FROM (SELECT) AS one LEFT JOIN known ON true
            """,
            kept.scope,
            kept.key,
            kept.fingerprint,
            kept.at,
            kept.status,
            kept.headers,
            kept.body,
            note.id,
            note.account_id,
            note.text,
            note.parent,
            note.metadata,
        )

    return await once.in_statement(res, call, render(note), note.created_at, statement)


async def update_note(res: Resources, call: Call) -> Answer:
    async def work(conn: Connection) -> dict[str, Any]:
        note = await _get(conn, call, call.id)
        if "metadata" in call.params:
            note = replace(note, metadata=merged_metadata(note.metadata, call.params["metadata"]))
        if "text" in call.params:
            note = replace(note, text=call.params["text"])
        await conn.execute(
            "UPDATE notes SET text = $2, metadata = $3 WHERE id = $1", note.id, note.text, note.metadata
        )
        return render(note)

    return await once.in_transaction(res, call, work)


async def get_note(res: Resources, call: Call) -> dict[str, Any]:
    async with res.db.acquire() as conn:
        return render(await _get(conn, call, call.id))


async def delete_note(res: Resources, call: Call) -> dict[str, Any]:
    async with res.db.acquire() as conn:
        note = await _get(conn, call, call.id)
        await conn.execute("DELETE FROM notes WHERE id = $1", note.id)
    return {"id": note.id, "object": "note", "deleted": True}


async def list_notes(res: Resources, call: Call) -> dict[str, Any]:
    page = page_of(call)
    order = "ASC" if page.backwards else "DESC"
    async with res.db.acquire() as conn:

        async def exists(note_id: str) -> bool:
            return bool(await _fetch(conn, call.account.id, [note_id]))

        await check_cursor(page, "note", exists)
        rows = await conn.fetch(
            f"""
            SELECT * FROM notes
            WHERE account_id = $1 AND id < $2 AND id > $3 AND created_at >= $4 AND created_at < $5
            ORDER BY id {order} LIMIT $6
            """,  # noqa: S608 one of two words
            call.account.id,
            page.below,
            page.above,
            page.since,
            page.until,
            page.fetch,
        )
    return rendered_page("/v1/notes", [Note(**row) for row in rows], page, render)


PARAMS = {
    "text": Text(max=100, nullable=True),
    "parent": Id("note"),
    "metadata": Metadata(),
    "fail": Choice("decline", "bug", "slow"),
    "count": Integer(1, 9),
    "loud": Boolean(),
    "tags": ListOf(Text(), 5),
    "card": Hash({"number": Text(required=True), "exp_month": Integer(1, 12)}),
}
ROUTES = (
    Route("POST", "/v1/notes", create_note, params=PARAMS, noun="note"),
    Route("POST", "/v1/quick_notes", create_quickly, params=PARAMS, noun="note"),
    Route("POST", "/v1/exact_notes", create_note, params={"text": Text(required=True)}, noun="note"),
    Route("GET", "/v1/notes", list_notes, params={"created": TimeRange()}, noun="note", list=True),
    Route("GET", "/v1/notes/{id}", get_note, noun="note"),
    Route("POST", "/v1/notes/{id}", update_note, params=PARAMS, noun="note"),
    Route("DELETE", "/v1/notes/{id}", delete_note),
)


async def _load(conn: Connection, account_id: str, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    return {note.id: render(note) for note in await _fetch(conn, account_id, ids)}


NOUNS = {"note": Noun("note", "note", _load, {"parent": "note", "links.parent": "note"})}


def with_notes(settings: PaymentsSettings, health: Health) -> FastAPI:
    return create(settings, health, routes=ROUTES, nouns=NOUNS)
