"""Retries: the first soon, then ever later, for three days."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from payments.domain.deliveries import Attempt, Schedule, delivery_id, event_of
from payments.settings import PaymentsSettings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SETTINGS = PaymentsSettings()
SCHEDULE = Schedule(first_s=SETTINGS.webhook_retry_first_s, pause_max_s=SETTINGS.webhook_retry_pause_max_s)
GIVE_UP = NOW + timedelta(seconds=SETTINGS.webhook_give_up_s)


def times(attempt_s: float = 0.0) -> list[datetime]:
    """When each attempt begins, if every one fails after `attempt_s`."""
    begun, at, tries = [], NOW, 0
    while True:
        begun.append(at)
        tries += 1
        following = SCHEDULE.next_attempt_at(tries, at + timedelta(seconds=attempt_s), GIVE_UP)
        if following is None:
            return begun
        at = following


def test_the_first_retry_of_a_receiver_that_hangs_comes_within_15_s() -> None:
    for _ in range(100):
        first, second, *_ = times(SETTINGS.webhook_timeout_s)
        assert timedelta(seconds=10) < second - first <= timedelta(seconds=15)


def test_retries_go_on_for_three_days_and_then_end() -> None:
    begun = times()
    assert begun[-1] == GIVE_UP == NOW + timedelta(days=3)
    assert 15 <= len(begun) <= 40


def test_pauses_grow_up_to_half_a_day() -> None:
    begun = times()
    pauses = [(after - before).total_seconds() for before, after in pairwise(begun)]
    assert pauses[5] > 8 * pauses[0]
    assert max(pauses) <= 12 * 3600


def test_receivers_that_failed_together_are_not_tried_together() -> None:
    assert len({times()[3] for _ in range(50)}) > 40


def test_an_attempt_after_the_deadline_is_the_last() -> None:
    assert SCHEDULE.next_attempt_at(1, GIVE_UP, GIVE_UP) is None


def attempt(status: int | None, error: str | None = None) -> Attempt:
    return Attempt(number=1, started_at=NOW, duration_ms=1, status=status, error=error)


def test_only_a_2xx_is_a_delivery() -> None:
    assert [status for status in range(100, 600) if attempt(status).delivered] == list(range(200, 300))
    assert not attempt(None, "timeout").delivered


def test_an_outcome_is_one_of_a_few_words() -> None:
    words = [attempt(200), attempt(302), attempt(500), attempt(410), attempt(None, "timeout")]
    assert [one.outcome for one in words] == ["delivered", "refused", "refused", "gone", "timeout"]


def test_the_id_of_a_delivery_names_its_event() -> None:
    name = delivery_id("evt_0000000000000000000001", "we_0000000000000000000002")
    assert event_of(name) == "evt_0000000000000000000001"
    for other in ("evt_1", "whd_1", "whd__1", "whd_", ""):
        assert event_of(other) is None
