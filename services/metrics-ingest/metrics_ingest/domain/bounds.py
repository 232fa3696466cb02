"""What the engine may take of time, memory and the future, whoever sends."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    future_limit_s: int = 600
    # A record's snappy block; the topic allows half as much again.
    record_bytes_max: int = 2**20
    # Of all requests at work at once; a larger one works alone.
    unpacked_at_once_bytes_max: int = 64 * 2**20
    # Series between two looks at the event loop: what one request may hold up the others by.
    slice_series: int = 2048
    slice_unknown_series: int = 128
    # Refusals that a verdict lists one by one, where the protocol's answer only gives examples.
    examples_max: int = 100
    # A series counts as active for so long after its last point, as in the store's own count.
    series_idle_s: int = 3600
    # Of all tenants together, in this process's memory.
    known_series_max: int = 1_000_000
    # New series of one request that are registered at a time.
    admit_series: int = 1000
    # Rows of one statement of the registry.
    registry_page: int = 5000
    # How long a request waits for others of its tenant that ask Postgres, and for memory that others hold.
    registry_wait_s: float = 5.0
    memory_wait_s: float = 10.0
    memory_waiting_max: int = 64
    # Between two accounts of what was seen; every so many of them idle series are taken out.
    registry_turn_s: float = 10.0
    expire_turns: int = 6
    # For so long a refusal for lack of budget is repeated without asking again.
    refusals_stand_s: float = 1.0
    # Label sets that were refused, remembered so that the same bomb again costs a look-up each.
    refused_forms_max: int = 20_000
    # Of label sets, of one tenant, and of all: above it those of the tenant that was quiet longest go.
    known_bytes_max: int = 32 * 2**20
    known_bytes_max_of_all: int = 256 * 2**20
    # Outlines of bodies that may come again with other samples, of all tenants.
    layouts_bytes_max: int = 8 * 2**20
    # Of one remote write request; what is larger has next to nothing in each.
    request_series_max: int = 250_000
