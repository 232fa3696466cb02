"""Remote write 2.0 is translated to 1.0, and says of what cannot be."""

import pytest
from metrics_ingest.domain.bodies import BodyMalformed, BodyTooLarge

from tests.support.remote_write import V2, Request2, read, snap, unsnap
from tests.support.series_registry import NOW_MS, judge, tenant

UP = (("__name__", "up"), ("job", "api"))
UP_READ = {b"__name__": b"up", b"job": b"api"}


async def test_symbols_are_written_out_and_samples_are_the_same() -> None:
    request = Request2()
    request.add(UP, [(NOW_MS, 1.5), (NOW_MS + 1, 0.0)], created_timestamp=5, exemplars=2)
    request.add(UP, [(NOW_MS + 2, -2.5)], start_timestamp=NOW_MS - 10_000)
    verdict = await judge().remote_write_2(tenant(), snap(request.encode()))
    assert (verdict.received, verdict.accepted, verdict.rejected) == (3, 3, {})
    assert read(unsnap(verdict.payloads[0].compressed)) == [
        (UP_READ, [(NOW_MS, 1.5), (NOW_MS + 1, 0.0)]),
        (UP_READ, [(NOW_MS + 2, -2.5)]),
    ]


async def test_a_series_of_one_version_is_known_to_the_other() -> None:
    from tests.support.remote_write import request as request_1
    from tests.support.remote_write import series
    from tests.support.series_registry import MemoryRegistry

    registry = MemoryRegistry()
    one = judge(registry)
    await one.remote_write_1(tenant(), snap(request_1([series(UP, [(NOW_MS, 1.0)])])))
    request = Request2()
    request.add(UP, [(NOW_MS + 1, 1.0)])
    assert (await one.remote_write_2(tenant(), snap(request.encode()))).accepted == 1
    assert registry.asked == 1


async def test_native_histograms_are_refused_with_their_reason() -> None:
    request = Request2()
    request.add([("__name__", "h")], [], histograms=3)
    request.add(UP, [(NOW_MS, 1.0)])
    verdict = await judge().remote_write_2(tenant(), snap(request.encode()))
    assert (verdict.received, verdict.accepted) == (4, 1)
    assert dict(verdict.rejected) == {"unsupported_native_histogram": 3}


async def test_a_bad_series_is_left_out() -> None:
    request = Request2()
    request.add([("job", "api")], [(NOW_MS, 1.0)])
    request.add(UP, [(NOW_MS, 1.0), (5, 2.0)])
    verdict = await judge().remote_write_2(tenant(), snap(request.encode()))
    assert dict(verdict.rejected) == {"missing_name": 1, "too_old": 1}
    assert read(unsnap(verdict.payloads[0].compressed)) == [(UP_READ, [(NOW_MS, 1.0)])]


async def test_a_symbol_that_is_not_there_is_malformed() -> None:
    message = V2["Request"](symbols=[b"", b"a"])
    message.timeseries.add(labels_refs=[1, 2], samples=[V2["Sample"](timestamp=NOW_MS)])
    with pytest.raises(BodyMalformed, match="symbol"):
        await judge().remote_write_2(tenant(), snap(message.SerializeToString()))


async def test_a_name_without_a_value_is_malformed() -> None:
    message = V2["Request"](symbols=[b"", b"a"])
    message.timeseries.add(labels_refs=[1], samples=[V2["Sample"](timestamp=NOW_MS)])
    with pytest.raises(BodyMalformed, match="no value"):
        await judge().remote_write_2(tenant(), snap(message.SerializeToString()))


async def test_the_first_symbol_is_empty() -> None:
    message = V2["Request"](symbols=[b"a"])
    with pytest.raises(BodyMalformed, match="empty one"):
        await judge().remote_write_2(tenant(), snap(message.SerializeToString()))


async def test_a_message_that_is_long_only_when_written_out_is_too_large() -> None:
    message = V2["Request"](symbols=[b"", b"__name__", b"x" * 2000])
    for _ in range(1000):
        message.timeseries.add(labels_refs=[1, 2] * 30, samples=[V2["Sample"](timestamp=NOW_MS)])
    with pytest.raises(BodyTooLarge):
        await judge().remote_write_2(tenant(unpacked_bytes_max=2**20), snap(message.SerializeToString()))


async def test_a_message_of_the_other_version_is_malformed_and_not_nothing() -> None:
    from tests.support.remote_write import request as request_1
    from tests.support.remote_write import series

    of_2 = Request2()
    of_2.add(UP, [(NOW_MS, 1.0)])
    with pytest.raises(BodyMalformed, match="version"):
        await judge().remote_write_1(tenant(), snap(of_2.encode()))
    with pytest.raises(BodyMalformed, match="version"):
        await judge().remote_write_2(tenant(), snap(request_1([series(UP, [(NOW_MS, 1.0)])])))
