"""JSON of bounded size in memory: what it would take is estimated before it is read."""

from metrics_ingest.domain.bodies import BodyError, BodyTooLarge

VALUES_MAX = 400_000
# Objects, lists and members, as a rule.
_VALUE_BYTES = 100


class TooManyValues(BodyTooLarge):
    """413, as for any body that is larger than it looks."""

    def __init__(self) -> None:
        BodyError.__init__(self, f"the body holds more than {VALUES_MAX} values: send it in parts")
        self.limit = VALUES_MAX


def check(body: bytes) -> None:
    if _values(body) > VALUES_MAX:
        raise TooManyValues


def weight(body: bytes) -> int:
    """About how many bytes of memory it takes to read: of little but brackets, fifty times its length."""
    return min(_values(body), VALUES_MAX) * _VALUE_BYTES


def _values(body: bytes) -> int:
    """Marks within strings count as well, which errs on the safe side."""
    return body.count(b",") + body.count(b"{") + body.count(b"[")
