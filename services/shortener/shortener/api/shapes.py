"""From links and reports to the JSON that clients get."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

import msgspec
from chassis.once import Answer
from chassis.problems import Problem
from fastapi import Request, Response

from shortener.domain.links import Link
from shortener.schemas import LinkOut, ReportOut, ReportReceipt
from shortener.usecases.bulk import YIELD_EVERY, Outcome, problem_member
from shortener.usecases.reports import Report

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"


def link_out(link: Link, base_url: str) -> LinkOut:
    content = link.content
    return LinkOut.model_construct(
        id=link.id,
        slug=link.slug,
        short_url=short_url(link, base_url),
        url=content.url,
        status=content.status,
        since=content.since,
        until=content.until,
        max_visits=content.max_visits,
        visits_used=link.visits_used,
        tags=list(content.tags),
        rules=content.rules,
        utm=content.utm,
        title=content.title,
        state=link.state,
        state_reason=link.state_reason,
        version=link.version,
        created_at=link.created_at,
        updated_at=link.updated_at,
    )


def short_url(link: Link, base_url: str) -> str:
    return f"{base_url}/{quote(link.slug)}"


def link_json(link: Link, base_url: str) -> bytes:
    return link_out(link, base_url).model_dump_json().encode()


def etag(link: Link) -> str:
    return f'"{link.version}"'


def link_response(link: Link, base_url: str, status: int = 200) -> Response:
    return Response(link_json(link, base_url), status, {"ETag": etag(link)}, JSON)


def created(link: Link, base_url: str) -> Answer:
    return Answer(201, link_json(link, base_url), {"ETag": etag(link), "Location": f"/v1/links/{link.id}"})


def report_out(report: Report) -> ReportOut:
    return ReportOut.model_validate(report, from_attributes=True)


def outcome_json(outcome: Outcome, base_url: str, **place: int) -> bytes:
    """One row of a bulk or an import: its place, and the link or the problem."""
    head = msgspec.json.encode(place)[:-1]
    if isinstance(outcome, Problem):
        return head + b',"problem":' + msgspec.json.encode(problem_member(outcome)) + b"}"
    return head + b',"link":' + link_json(outcome, base_url) + b"}"


async def bulk_answer(outcomes: Sequence[Outcome], base_url: str) -> Answer:
    rows = []
    for index, outcome in enumerate(outcomes):
        if index % YIELD_EVERY == 0:
            await asyncio.sleep(0)
        rows.append(outcome_json(outcome, base_url, index=index))
    return Answer(200, b'{"items":[' + b",".join(rows) + b"]}")


def answer_response(answer: Answer, media_type: str = JSON) -> Response:
    """A stored answer goes out byte for byte; a header tells that it was given before."""
    headers = dict(answer.headers)
    if answer.replayed:
        headers["Idempotent-Replayed"] = "true"
    return Response(answer.body, answer.status, headers, media_type)


def base_url_of(request: Request) -> str:
    base: Any = request.app.state.settings.public_base_url
    return str(base).rstrip("/")


def links_lines(links: Sequence[Link], base_url: str) -> bytes:
    return b"".join(link_json(link, base_url) + b"\n" for link in links)


def problem_line(problem: Problem) -> bytes:
    """The last line of an import that broke off."""
    return msgspec.json.encode({"problem": problem_member(problem)}) + b"\n"


def received(report: Report) -> Answer:
    receipt = ReportReceipt(id=report.id, slug=report.slug, state=report.state, created_at=report.created_at)
    return Answer(201, receipt.model_dump_json().encode())
