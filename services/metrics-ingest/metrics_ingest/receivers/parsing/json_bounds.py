"""JSON of bounded size in memory: what it would take is estimated before it is read."""

from metrics_ingest.domain.bodies import BodyError, BodyTooLarge

# Objects, lists and members: a hundred bytes each, as a rule.
VALUES_MAX = 400_000


class TooManyValues(BodyTooLarge):
    """413, as for any body that is larger than it looks."""

    def __init__(self) -> None:
        BodyError.__init__(self, f"the body holds more than {VALUES_MAX} values: send it in parts")
        self.limit = VALUES_MAX


def check(body: bytes) -> None:
    """Marks within strings count as well, which errs on the safe side."""
    if body.count(b",") + body.count(b"{") + body.count(b"[") > VALUES_MAX:
        raise TooManyValues
