"""A body laid out like an earlier one comes to the same verdict as before an engine that never saw any."""

import asyncio

from hypothesis import example, given
from hypothesis import strategies as st
from metrics_ingest.domain.bodies import BodyError
from metrics_ingest.domain.verdict import Verdict
from metrics_ingest.usecases.judge import Judge

from tests.support.remote_write import request, series, snap
from tests.support.series_registry import NOW_MS, judge, tenant

PLAIN = request(
    [
        series([("__name__", "up"), ("job", "api"), ("i", "x" * length)], [(NOW_MS, 1.5)])
        for length in (1, 40, 200)
    ]
)
changes = st.lists(st.tuples(st.integers(0, len(PLAIN) - 1), st.integers(0, 255)), max_size=3)
LAST_SAMPLE = len(PLAIN) - 18


async def verdict_on(engine: Judge, raw: bytes) -> Verdict | str:
    try:
        return await engine.remote_write_1(tenant(), raw)
    except BodyError as error:
        return str(error)


@given(changes)
@example([(LAST_SAMPLE, 0x1A)])  # no sample any more
@example([(LAST_SAMPLE + 10, 0x7F)])  # a NaN
@example([(LAST_SAMPLE + 17, 0x7F)])  # far in the future
@example([(4, 0xFF)])  # another name
def test_whatever_changed_in_it_the_verdict_is_the_same(edits: list[tuple[int, int]]) -> None:
    body = bytearray(PLAIN)
    for place, byte in edits:
        body[place] = byte

    async def run() -> None:
        wise = judge()
        for _ in range(3):  # asked about, walked, followed
            await wise.remote_write_1(tenant(), snap(PLAIN))
        raw = snap(bytes(body))
        assert await verdict_on(wise, raw) == await verdict_on(judge(), raw)

    asyncio.run(run())
