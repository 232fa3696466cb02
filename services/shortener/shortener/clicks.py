"""Clicks leave the request path through a bounded buffer, and the process as a few records a flush.

What may be lost: nothing at SIGTERM (`close` drains), the unsent buffer at SIGKILL (at most a flush
interval of clicks while Kafka answers), and what does not fit while Kafka is away: dropped, counted, never
waited for.
"""

import asyncio
from collections.abc import Iterable

import msgspec
from chassis import metrics
from chassis.kafka import Producer, Record, RecordRefused, SendFailed
from chassis.logs import get_logger

from shortener.audience import DAY_S, Audience
from shortener.events import Click, clicks_recorded
from shortener.settings import ShortenerSettings

log = get_logger(__name__)

SLICE = 256  # clicks parsed before the loop gets its turn: about half a millisecond

_BUFFERED = metrics.gauge("shortener_clicks_buffered", "Clicks that wait in this process.")
_SENT = metrics.counter("shortener_clicks_sent_total", "Clicks acknowledged by Kafka.")
_DROPPED = metrics.counter("shortener_clicks_dropped_total", "Clicks given up.", ("reason",))


class RawClick(msgspec.Struct, gc=False):
    """What the request path hands over: nothing is parsed there."""

    link_id: bytes
    tenant_id: str
    at_s: float
    agent: bytes
    referrer: bytes
    address: str
    rule: int | None


class Clicks:
    """The buffer and its flusher."""

    def __init__(self, settings: ShortenerSettings, producer: Producer, audience: Audience) -> None:
        self._settings = settings
        self._producer = producer
        self._audience = audience
        self._buffer: list[RawClick] = []
        self._unsent: list[tuple[Record, int]] = []
        self._buffer_max = settings.clicks_buffer_max
        self._flushing = asyncio.Lock()
        _BUFFERED.set_function(self.waiting)
        self._full = _DROPPED.labels("buffer_full")

    def add(self, click: RawClick) -> None:
        buffer = self._buffer
        if len(buffer) < self._buffer_max:
            buffer.append(click)
        else:
            self._full.inc()

    def waiting(self) -> int:
        return len(self._buffer) + sum(count for _, count in self._unsent)

    async def run(self) -> None:
        """Flush until cancelled."""
        while True:
            await asyncio.sleep(self._settings.clicks_flush_s)
            await self.flush()

    async def close(self) -> None:
        """Send all that waits; what Kafka does not take within `clicks_drain_s` is dropped and counted."""
        try:
            async with asyncio.timeout(self._settings.clicks_drain_s):
                while self.waiting():
                    await self.flush()
        except TimeoutError:
            log.warning("clicks.dropped", reason="shutdown", clicks=self.waiting())
            _DROPPED.labels("shutdown").inc(self.waiting())

    async def flush(self) -> None:
        """Encode what is buffered, send what is encoded; what fails is sent again."""
        async with self._flushing:
            if len(self._unsent) < self._settings.clicks_unsent_records_max:
                await self._encode()
            if self._unsent:
                await self._send()

    async def _encode(self) -> None:
        buckets: dict[int, list[Click]] = {}
        bucket_count = self._settings.clicks_buckets
        # Within a flush the same links, and often the same visitors, come again.
        link_ids: dict[bytes, str] = {}
        visitors: dict[tuple[str, bytes, int], str] = {}
        room = (
            self._settings.clicks_unsent_records_max - len(self._unsent)
        ) * self._settings.clicks_record_max
        raw = self._buffer[:room]
        for start in range(0, len(raw), SLICE):
            for click in raw[start : start + SLICE]:
                bucket = click.link_id[-1] % bucket_count
                buckets.setdefault(bucket, []).append(self._parse(click, link_ids, visitors))
            await asyncio.sleep(0)
        del self._buffer[: len(raw)]  # only now: a cancelled flush loses nothing
        for bucket, clicks in buckets.items():
            for part in _parts(clicks, self._settings.clicks_record_max):
                self._unsent.append((clicks_recorded(bucket, part), len(part)))

    def _parse(
        self, raw: RawClick, link_ids: dict[bytes, str], visitors: dict[tuple[str, bytes, int], str]
    ) -> Click:
        audience = self._audience
        agent = audience.agent(raw.agent)
        link_id = link_ids.get(raw.link_id)
        if link_id is None:
            link_id = link_ids[raw.link_id] = _uuid_text(raw.link_id)
        visitor = None
        if not agent.is_bot:
            sender = (raw.address, raw.agent, int(raw.at_s // DAY_S))
            visitor = visitors.get(sender)
            if visitor is None:
                visitor = visitors[sender] = audience.visitor(raw.address, raw.agent, raw.at_s)
        return Click(
            link_id,
            raw.tenant_id,
            int(raw.at_s * 1000),
            agent.browser,
            agent.device,
            agent.is_bot,
            audience.referrer(raw.referrer) if raw.referrer else None,
            audience.country(raw.address),
            visitor,
            raw.rule,
        )

    async def _send(self) -> None:
        sending = self._unsent
        results = await self._producer.send_many([record for record, _ in sending])
        kept = []
        for (record, count), result in zip(sending, results, strict=True):
            if not isinstance(result, SendFailed):
                _SENT.inc(count)
            elif isinstance(result, RecordRefused):
                log.error("clicks.refused", error=str(result), clicks=count)
                _DROPPED.labels("refused").inc(count)
            else:
                kept.append((record, count))
        self._unsent = kept


def _uuid_text(value: bytes) -> str:
    """Give the text form of a UUID; the library's own takes seven times as long."""
    digits = value.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _parts(clicks: list[Click], size: int) -> Iterable[list[Click]]:
    return (clicks[start : start + size] for start in range(0, len(clicks), size))
