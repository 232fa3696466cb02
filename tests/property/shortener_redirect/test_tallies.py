"""Adding up is independent of how clicks are cut into batches."""

from hypothesis import given
from hypothesis import strategies as st
from shortener.domain.tallies import Tallies, tally
from shortener.events import Click, clicks_recorded, parse_clicks

clicks = st.lists(
    st.builds(
        Click,
        link_id=st.sampled_from([f"00000000-0000-7000-8000-00000000000{n}" for n in range(3)]),
        tenant_id=st.just("demo"),
        at=st.integers(0, 4 * 86_400_000),
        bot=st.booleans(),
        referrer=st.none() | st.sampled_from(["a.example", "b.example"]),
        visitor=st.none() | st.sampled_from(["00" * 8, "ff" * 8]),
        rule=st.none() | st.integers(0, 3),
    ),
    max_size=40,
)


def sums(totals: Tallies) -> dict[object, int]:
    counted: dict[object, int] = {}
    for name, table in (("link", totals.links), ("hour", totals.hours), ("tenant", totals.tenants)):
        for key, count in table.items():
            counted[name, key, "clicks"] = count.clicks
            counted[name, key, "bots"] = count.bot_clicks
    return counted | {("dimension", key): n for key, n in totals.dimensions.items()}


@given(clicks, st.integers(0, 40))
def test_two_batches_add_up_to_the_whole(all_clicks: list[Click], cut: int) -> None:
    whole, first, second = tally(all_clicks), tally(all_clicks[:cut]), tally(all_clicks[cut:])
    together = sums(first)
    for key, count in sums(second).items():
        together[key] = together.get(key, 0) + count
    assert together == sums(whole)
    assert whole.visitors == first.visitors | second.visitors


@given(clicks)
def test_people_and_bots_are_counted_apart_and_all(all_clicks: list[Click]) -> None:
    totals = tally(all_clicks)
    bots = sum(click.bot for click in all_clicks)
    assert sum(count.bot_clicks for count in totals.links.values()) == bots
    assert sum(count.clicks for count in totals.links.values()) == len(all_clicks) - bots
    referrers = sum(n for (_, _, dimension, _), n in totals.dimensions.items() if dimension == "referrer")
    assert referrers == len(all_clicks) - bots


@given(clicks)
def test_a_record_carries_its_clicks_unchanged(all_clicks: list[Click]) -> None:
    value = clicks_recorded(3, all_clicks).value
    assert value is not None
    assert parse_clicks(value) == all_clicks
