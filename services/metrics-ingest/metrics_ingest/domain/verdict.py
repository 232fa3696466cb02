"""What became of a request: every point of it is accepted, or refused with a reason."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

INVALID_NAME = "invalid_name"
EMPTY_LABEL_NAME = "empty_label_name"
DUPLICATE_LABEL = "duplicate_label"
MISSING_NAME = "missing_name"
TOO_MANY_LABELS = "too_many_labels"
NAME_TOO_LONG = "name_too_long"
LABEL_NAME_TOO_LONG = "label_name_too_long"
LABEL_VALUE_TOO_LONG = "label_value_too_long"
RESERVED_LABEL = "reserved_label"
TOO_OLD = "too_old"
TOO_FAR_IN_FUTURE = "too_far_in_future"
INVALID_TIMESTAMP = "invalid_timestamp"
INVALID_VALUE = "invalid_value"
INVALID_HISTOGRAM = "invalid_histogram"
INVALID_UTF8 = "invalid_utf8"
NO_SAMPLES = "no_samples"
UNSUPPORTED_NATIVE_HISTOGRAM = "unsupported_native_histogram"
UNSUPPORTED_TEMPORALITY = "unsupported_temporality"
ACTIVE_SERIES_LIMIT = "active_series_limit"
NEW_SERIES_LIMIT = "new_series_limit"
MALFORMED = "malformed"

# What was accepted and yet will not be stored.
NAN = "nan"


@dataclass(frozen=True, slots=True)
class Payload:
    """One record for the log: a snappy block of a remote write 1.0 `WriteRequest`.

    `accepted` counts the sender's points in it, `samples` those of the message; `dead` the sender's points
    that the store is known to drop.
    """

    compressed: bytes
    accepted: int
    samples: int
    dead: Mapping[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Verdict:
    """`received` is `accepted` and the sum of `rejected`; the payloads' counts add up to `accepted`.

    `items` are refusals by index in the request: of slow protocols every one (their requests are small), of
    remote write the first ones, by index of the series.
    """

    received: int = 0
    accepted: int = 0
    samples: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    items: list[tuple[int, str]] = field(default_factory=list)
    dead: Counter[str] = field(default_factory=Counter)
    payloads: list[Payload] = field(default_factory=list)
