"""Prometheus remote write, 1.0 and 2.0: `/api/v1/write`."""

import asyncio
from collections.abc import Mapping

import cramjam

from metrics_ingest.domain.tenants import Tenant
from metrics_ingest.domain.verdict import Verdict
from metrics_ingest.receivers.messages import Answer, Request
from metrics_ingest.receivers.taking import INLINE_BYTES_MAX, reasons
from metrics_ingest.resources import Resources

PROTOCOL = "remote_write"
MEDIA_TYPE = "application/x-protobuf"
WRITE_1 = "prometheus.WriteRequest"
WRITE_2 = "io.prometheus.write.v2.Request"
_FRAMED_MAGIC = b"\xff\x06\x00\x00sNaPpY"
_NAMED_MAX = 10


async def receive(res: Resources, tenant: Tenant, request: Request) -> Answer:
    """204 when every sample was accepted, else 400: what was accepted of it is durable all the same.

    A sender takes 400 as final, and everything that was refused would be refused again.
    """
    message = _message(request.headers.get("content-type", ""))
    if message is None:
        return failure(request, 415, f"content type must be {MEDIA_TYPE} with proto={WRITE_1} or {WRITE_2}")
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding in {"", "snappy"} and not request.body.startswith(_FRAMED_MAGIC):
        return await _judge(res, tenant, message, request.body)
    async with res.unpacking.unpacked(request.body, encoding, tenant.unpacked_bytes_max) as plain:
        block = await asyncio.to_thread(_snap, plain) if len(plain) > INLINE_BYTES_MAX else _snap(plain)
    return await _judge(res, tenant, message, block)


async def _judge(res: Resources, tenant: Tenant, message: str, block: bytes) -> Answer:
    judge = res.judge.remote_write_2 if message == WRITE_2 else res.judge.remote_write_1
    found = await judge(tenant, block)
    # Metadata alone is no points: there is nothing to account for.
    if found.received:
        await res.accepting.accept(tenant, found, PROTOCOL)
    written = _written(found.accepted)
    if not found.rejected:
        return Answer(204, headers=written)
    return _text(400, _told(found), written)


def failure(_request: Request, status: int, message: str) -> Answer:
    return _text(status, message, _written(0))


def _message(content_type: str) -> str | None:
    """Which of the two the body is; none of them is None. Senders of 1.0 need not say it."""
    media_type, *parameters = (part.strip() for part in content_type.split(";"))
    if media_type.lower() not in {"", MEDIA_TYPE}:
        return None
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "proto":
            value = value.strip().strip('"')
            return value if value in {WRITE_1, WRITE_2} else None
    return WRITE_1


def _told(found: Verdict) -> str:
    named = "; ".join(f"series {index}: {reason}" for index, reason in found.items[:_NAMED_MAX])
    return f"accepted {found.accepted} of {found.received} samples; refused: {reasons(found)}: {named}"


def _written(samples: int) -> dict[str, str]:
    """Without these a sender of 2.0 takes us for a receiver that knows only 1.0."""
    return {
        "x-prometheus-remote-write-samples-written": str(samples),
        "x-prometheus-remote-write-histograms-written": "0",
        "x-prometheus-remote-write-exemplars-written": "0",
    }


def _text(status: int, message: str, headers: Mapping[str, str]) -> Answer:
    return Answer(status, f"{message}\n".encode(), {"content-type": "text/plain; charset=utf-8", **headers})


def _snap(plain: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(plain))
