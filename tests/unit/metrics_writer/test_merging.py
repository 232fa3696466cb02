"""Blocks that were merged unopened read as all their messages, one after the other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from metrics_ingest.domain import merging, wire
from metrics_ingest.domain.bodies import BodyMalformed

from tests.support import remote_write
from tests.support.batches import block

contents = st.lists(
    st.one_of(st.binary(max_size=300), st.binary(min_size=1, max_size=8).map(lambda part: part * 400)),
    min_size=1,
    max_size=8,
)


def longer(compressed: bytes) -> bytes:
    """The same block, its length spelt with a byte more than needed."""
    size, start = wire.varint(compressed, 0)
    spelt = bytearray(wire.put_varint(size))
    spelt[-1] |= 0x80
    return bytes(spelt) + b"\x00" + compressed[start:]


def merged(*compressed: bytes) -> bytes:
    return merging.merge([merging.read(None, one) for one in compressed])


@given(contents)
def test_a_merge_unpacks_to_its_parts_in_order(parts: list[bytes]) -> None:
    assert remote_write.unsnap(merged(*map(remote_write.snap, parts))) == b"".join(parts)


@given(contents)
def test_a_length_may_be_spelt_longer_than_need_be(parts: list[bytes]) -> None:
    compressed = [longer(remote_write.snap(part)) for part in parts]
    assert remote_write.unsnap(merged(remote_write.snap(b"first"), *compressed)) == b"first" + b"".join(parts)


def test_messages_that_were_merged_are_one_message_of_all_series() -> None:
    whole = merged(block("first", [(1, 1.0), (2, 2.0)]), block("second", [(3, 3.0)], job="a"))
    assert remote_write.read(remote_write.unsnap(whole)) == [
        ({b"__name__": b"first"}, [(1, 1.0), (2, 2.0)]),
        ({b"__name__": b"second", b"job": b"a"}, [(3, 3.0)]),
    ]


def test_a_block_alone_travels_as_it_came() -> None:
    alone = longer(remote_write.snap(b"alone"))
    assert merged(alone) is alone


@pytest.mark.parametrize(
    "value", [None, b"", b"\xff", b"\x80" * 11, b"\x05", b"\x00\x00", b"\xff" * 9 + b"\x01x"]
)
def test_what_is_no_block_is_told(value: bytes | None) -> None:
    with pytest.raises(BodyMalformed):
        merging.read(None, value)


@given(st.lists(st.integers(1, 50), max_size=30), st.integers(1, 60))
def test_groups_keep_order_and_the_limit_unless_one_stands_alone(sizes: list[int], most: int) -> None:
    blocks = [
        merging.Block(number, b"x" * size, unpacked=size * 3, start=1) for number, size in enumerate(sizes)
    ]
    groups = list(merging.groups(blocks, bytes_max=most, unpacked_bytes_max=most * 2))
    assert [one.source for group in groups for one in group] == list(range(len(sizes)))
    for group in groups:
        size = sum(len(one.compressed) for one in group)
        assert len(group) == 1 or (size <= most and size * 3 <= most * 2)
