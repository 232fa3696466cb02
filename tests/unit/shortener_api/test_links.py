"""What a change makes of a link, quota shares, ids."""

from datetime import UTC, date, datetime
from uuid import uuid4

import pytest
from shortener.domain import quota
from shortener.domain.ids import new_ids
from shortener.domain.links import Change, ChangeError, Content, Link, VisitsUsedError, apply_change

NOW = datetime(2030, 1, 1, tzinfo=UTC)
LATER = datetime(2030, 2, 1, tzinfo=UTC)


def link(**content: object) -> Link:
    return Link(
        id=uuid4(),
        tenant_id="one",
        slug="abc",
        content=Content(url="https://example.com/", **content),  # type: ignore[arg-type]
        visits_used=3,
        revision=1,
        created_at=NOW,
        updated_at=NOW,
    )


def test_what_a_change_does_not_name_stays() -> None:
    before = link(tags=("a",), status=307, since=NOW)

    assert apply_change(before, Change({"title": "t"})) == Content(
        url="https://example.com/", tags=("a",), status=307, since=NOW, title="t"
    )


def test_null_takes_a_field_back_to_its_default() -> None:
    before = link(tags=("a",), status=307, since=NOW, max_visits=9)
    named = {"tags": None, "status": None, "since": None, "max_visits": None}

    assert apply_change(before, Change(named)) == Content(url="https://example.com/")


def test_an_empty_window_is_refused() -> None:
    with pytest.raises(ChangeError):
        apply_change(link(since=LATER), Change({"until": NOW}))


def test_max_visits_may_fall_to_what_was_used_and_no_further() -> None:
    assert apply_change(link(max_visits=9), Change({"max_visits": 3})).max_visits == 3
    with pytest.raises(VisitsUsedError):
        apply_change(link(max_visits=9), Change({"max_visits": 2}))


@pytest.mark.parametrize("limit", [0, 1, 15, 16, 17, 100, 100_000_000])
def test_the_shares_of_a_quota_add_up_to_it(limit: int) -> None:
    assert sum(quota.share(limit, shard) for shard in range(quota.SHARDS)) == limit


def test_a_month_ends_with_the_year_too() -> None:
    assert quota.month_of(LATER) == date(2030, 2, 1)
    assert quota.next_month(date(2030, 12, 1)) == date(2031, 1, 1)
    assert quota.next_month(date(2030, 1, 1)) == date(2030, 2, 1)


def test_ids_of_a_batch_ascend_and_are_version_7() -> None:
    ids = new_ids(1_900_000_000_000, 10_000)

    assert ids == sorted(set(ids))
    assert {one.version for one in ids} == {7}
    assert ids[0] < new_ids(1_900_000_001_000, 1)[0]
