"""The bounds of a consumer loop."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConsumerLimits:
    fetch_records_max: int = 2000
    fetch_bytes_max: int = 16 * 1024 * 1024
    # How long an idle fetch waits, and so the longest that a stop waits for it.
    poll_s: float = 0.2
    connect_timeout_s: float = 10.0
    commit_timeout_s: float = 10.0
    leave_timeout_s: float = 5.0
    # A batch in hand may end before its partitions are given away; the group waits this long for all members.
    drain_timeout_s: float = 20.0
    rebalance_timeout_s: float = 30.0
    session_timeout_s: float = 10.0
    heartbeat_s: float = 2.0
    poll_interval_max_s: float = 300.0
    # Offsets kept in Postgres are told to Kafka this often, and the ends of paused partitions asked for.
    mirror_every_s: float = 2.0
    mirror_timeout_s: float = 2.0
    # How soon a topic or a partition that was added is noticed.
    metadata_age_max_s: float = 30.0
    failure_pause_first_s: float = 0.2
    failure_pause_max_s: float = 5.0
    # Transient errors: tries of the whole batch in place, then the failing keys are parked.
    in_place_attempts_max: int = 3
    in_place_first_s: float = 0.05
    in_place_most_s: float = 0.5
    isolate_timeout_s: float = 30.0
    park_first_s: float = 1.0
    park_most_s: float = 60.0
    park_attempts_max: int = 60
    parked_keys_max: int = 1000
    release_keys_max: int = 16
    release_records_max: int = 500
    # One delivery by a DeliveryLoop; longer counts as a passing failure.
    deliver_timeout_s: float = 15.0
    spans_max: int = 32
