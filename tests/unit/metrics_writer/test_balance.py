"""Headers become entries, and entries a ledger whose sides are equal wherever its two readers stand."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from metrics_ingest.domain import accounting, balance
from metrics_ingest.domain.accounting import Entry
from metrics_ingest.domain.balance import Line, TenantLedger

from tests.support.batches import headers


def read(told: tuple[tuple[str, bytes], ...]) -> accounting.Account:
    return accounting.read(dict(told).get)


def lines(entries: Counter[Entry], *, counted: int, written: int) -> list[Line]:
    return [Line(*entry, points, counted, written) for entry, points in entries.items()]


def test_what_a_receiver_told_is_counted_by_reason() -> None:
    account = read(headers("demo", 5, rejected={"too_old": 2}, dead={"nan": 1}))
    assert accounting.told(account, 3) == {
        Entry("demo", 3, "received"): 7,
        Entry("demo", 3, "accepted"): 5,
        Entry("demo", 3, "rejected", "too_old"): 2,
        Entry("demo", 3, "dead", "nan"): 1,
    }
    assert accounting.written(account, 3, None) == {Entry("demo", 3, "stored"): 4}
    assert accounting.written(account, 3, "store_refused") == {Entry("demo", 3, "dead", "store_refused"): 4}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tenant", b""),
        ("tenant", b"\xff"),
        ("tenant", b"a\x00b"),
        ("accepted", b"-1"),
        ("accepted", b"many"),
        ("received", b""),
        ("received", b"6"),
        ("rejected", b"["),
        ("rejected", b'{"too_old": -1}'),
        ("dead", b'{"nan": 9}'),
    ],
)
def test_headers_that_tell_nothing_are_unreadable(name: str, value: bytes) -> None:
    told = tuple((known, value if known == name else old) for known, old in headers("demo", 5))
    with pytest.raises(accounting.HeadersUnreadable):
        read(told)


requests = st.lists(
    st.tuples(st.integers(0, 50), st.integers(0, 5), st.integers(0, 3), st.booleans()),
    min_size=1,
    max_size=20,
)


@given(requests, st.data())
def test_the_ledger_balances_wherever_its_readers_stand(
    sent: list[tuple[int, int, int, bool]], data: st.DataObject
) -> None:
    counted = data.draw(st.integers(0, len(sent)))
    written = data.draw(st.integers(0, len(sent)))
    entries: Counter[Entry] = Counter()
    for offset, (good, refused, nan, is_dead) in enumerate(sent):
        account = read(headers("demo", good + nan, rejected={"too_old": refused}, dead={"nan": nan}))
        if offset < counted:
            entries += accounting.told(account, 0)
        if offset < written:
            entries += accounting.written(account, 0, "store_refused" if is_dead else None)
    for tenant in balance.draw_up(lines(entries, counted=counted, written=written)):
        assert tenant.received == tenant.accepted + sum(tenant.rejected.values())
        known = tenant.stored + tenant.in_flight + sum(tenant.dead.values()) + tenant.residue
        assert tenant.accepted == known
        assert tenant.in_flight >= 0
        assert tenant.stored >= 0
        assert tenant.residue == 0


def test_what_nobody_can_account_for_is_residue_once_both_have_read_it() -> None:
    entries = Counter(
        {Entry("a", 0, "received"): 9, Entry("a", 0, "accepted"): 9, Entry("a", 0, "stored"): 7}
    )
    assert balance.draw_up(lines(entries, counted=4, written=4)) == [
        TenantLedger("a", received=9, accepted=9, stored=7, residue=2)
    ]
    assert balance.draw_up(lines(entries, counted=4, written=3)) == [
        TenantLedger("a", received=9, accepted=9, stored=7, in_flight=2)
    ]


def test_points_that_the_writer_stored_before_they_were_counted_are_not_told_of_yet() -> None:
    entries = Counter(
        {Entry("a", 0, "received"): 5, Entry("a", 0, "accepted"): 5, Entry("a", 0, "stored"): 8}
    )
    assert balance.draw_up(lines(entries, counted=1, written=2)) == [
        TenantLedger("a", received=5, accepted=5, stored=5)
    ]


def test_partitions_add_up_and_tenants_stay_apart() -> None:
    entries = [
        Line("a", 0, "accepted", "", 3, 1, 1),
        Line("a", 0, "stored", "", 3, 1, 1),
        Line("a", 1, "accepted", "", 4, 2, 1),
        Line("b", 1, "accepted", "", 6, 2, 2),
        Line("b", 1, "dead", "nan", 6, 2, 2),
    ]
    first, second = balance.draw_up(entries)
    assert (first.tenant, first.accepted, first.stored, first.in_flight, first.residue) == ("a", 7, 3, 4, 0)
    assert (second.tenant, second.accepted, second.dead, second.residue) == ("b", 6, {"nan": 6}, 0)
