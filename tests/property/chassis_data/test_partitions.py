"""Our partition of a key is the one that every other Kafka client would choose."""

from aiokafka.partitioner import DefaultPartitioner
from chassis.kafka.partition import partition_of
from hypothesis import given
from hypothesis import strategies as st


@given(st.binary(max_size=64), st.integers(1, 100))
def test_a_key_goes_where_the_reference_client_puts_it(key: bytes, partitions: int) -> None:
    everything = list(range(partitions))
    assert partition_of(key, partitions) == DefaultPartitioner()(key, everything, everything)
