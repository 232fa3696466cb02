"""Places: a receiver that hangs costs its own share, never another's."""

from payments.webhooks import Places


def taken(places: Places, *endpoint_ids: str) -> dict[str, int]:
    grants = places.grants(endpoint_ids)
    for endpoint_id, count in grants.items():
        for _ in range(count):
            places.take(endpoint_id)
    return grants


def test_an_endpoint_that_nobody_knows_begins_with_a_few() -> None:
    places = Places(100, 16)
    assert taken(places, "we_1", "we_2") == {"we_1": 4, "we_2": 4}
    assert taken(places, "we_1") == {}


def test_one_that_was_quick_gets_its_full_share() -> None:
    places = Places(100, 16)
    places.heard("we_1", quick=True)
    assert taken(places, "we_1") == {"we_1": 16}
    places.give_back("we_1")
    assert taken(places, "we_1") == {"we_1": 1}


def test_one_that_was_slow_gets_a_single_place_until_it_is_quick_again() -> None:
    places = Places(100, 16)
    places.heard("we_1", quick=False)
    assert taken(places, "we_1") == {"we_1": 1}
    places.give_back("we_1")
    places.heard("we_1", quick=True)
    assert taken(places, "we_1") == {"we_1": 16}


def test_all_slow_ones_together_have_at_most_half_of_the_places() -> None:
    places = Places(20, 4)
    slow = [f"we_{number:02}" for number in range(30)]
    for endpoint_id in slow:
        places.heard(endpoint_id, quick=False)
    assert len(taken(places, *slow)) == 10
    assert taken(places, *slow) == {}
    assert taken(places, "we_quick") == {"we_quick": 4}


def test_however_many_unknown_ones_come_at_once_a_quick_one_finds_a_place() -> None:
    places = Places(20, 4)
    places.heard("we_quick", quick=True)
    grants = taken(places, *(f"we_{number:02}" for number in range(50)))
    assert sum(grants.values()) == 15
    assert taken(places, "we_new") == {}
    assert taken(places, "we_quick") == {"we_quick": 4}


def test_no_more_than_the_total_is_ever_granted() -> None:
    places = Places(10, 4)
    known = [f"we_{number}" for number in range(50)]
    for endpoint_id in known:
        places.heard(endpoint_id, quick=True)
    assert sum(taken(places, *known).values()) == 10
    assert taken(places, "we_x") == {}


def test_what_was_heard_of_endpoints_long_ago_is_forgotten() -> None:
    places = Places(10, 4)
    for number in range(20_001):
        places.heard(f"we_{number}", quick=False)
    assert places.grants(["we_0"]) == {"we_0": 4}
    assert places.grants(["we_1"]) == {"we_1": 1}
