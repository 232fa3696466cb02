"""Customers, and what every list and object has in common, through the official SDK."""

import pytest
import stripe

from tests.contract.payments_sdk.sdk import Sdk, is_a


async def test_a_customer_is_created_read_changed_listed_and_deleted(sdk: Sdk) -> None:
    made = await sdk.customers.create(
        {
            "name": "Jenny Rosen",
            "email": "jenny@example.com",
            "phone": "+1 555 0100",
            "description": "first",
            "metadata": {"order": "6735", "colour": "red"},
            "address": {"line1": "1 Main Street", "city": "Galway", "country": "IE"},
        }
    )
    assert is_a(made, stripe.Customer)
    assert made.object == "customer"
    assert made.id.startswith("cus_")
    assert made.livemode is False
    assert made.address.city == "Galway"
    assert made.address.line2 is None

    changed = await sdk.customers.update(
        made.id, {"description": "", "metadata": {"colour": "", "size": "M"}, "email": "j@example.com"}
    )
    assert changed.description is None
    assert changed.metadata.to_dict() == {"order": "6735", "size": "M"}
    assert changed.name == "Jenny Rosen"

    assert (await sdk.customers.retrieve(made.id)).email == "j@example.com"
    assert [one.id for one in (await sdk.customers.list()).data] == [made.id]

    gone = await sdk.customers.delete(made.id)
    assert (gone.id, gone.object, gone.deleted) == (made.id, "customer", True)
    assert (await sdk.customers.retrieve(made.id)).deleted is True
    assert (await sdk.customers.list()).data == []


async def test_empty_metadata_takes_all_of_it_away(sdk: Sdk) -> None:
    made = await sdk.customers.create({"metadata": {"a": "1", "b": "2"}})

    changed = await sdk.customers.update(made.id, {"metadata": ""})

    assert changed.metadata.to_dict() == {}


async def test_auto_pagination_gives_every_customer_once_newest_first(sdk: Sdk) -> None:
    made = [(await sdk.customers.create({"name": f"n {number}"})).id for number in range(7)]

    first = await sdk.customers.list({"limit": 3})
    assert first.object == "list"
    assert first.url == "/v1/customers"
    assert first.has_more is True
    assert [one.id for one in await sdk.every(first)] == made[::-1]

    back = await sdk.customers.list({"limit": 2, "ending_before": made[0]})
    assert [one.id for one in await sdk.every(back)] == made[1:]

    last = await sdk.customers.list({"limit": 3, "starting_after": made[1]})
    assert [one.id for one in last.data] == [made[0]]
    assert last.has_more is False


async def test_lists_are_narrowed_by_time_and_email(sdk: Sdk) -> None:
    made = await sdk.customers.create({"email": "one@example.com"})
    await sdk.customers.create({"email": "two@example.com"})

    assert len((await sdk.customers.list({"created": {"gte": made.created}})).data) == 2
    assert (await sdk.customers.list({"created": {"gt": made.created + 3600}})).data == []
    assert (await sdk.customers.list({"created": {"lt": made.created}})).data == []
    assert [one.id for one in (await sdk.customers.list({"email": "one@example.com"})).data] == [made.id]


@pytest.mark.parametrize("limit", [0, 101])
async def test_a_page_has_1_to_100_objects(sdk: Sdk, limit: int) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        await sdk.customers.list({"limit": limit})

    assert caught.value.param == "limit"


async def test_a_cursor_that_does_not_exist_is_named(sdk: Sdk) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        await sdk.customers.list({"starting_after": "cus_none"})

    assert (caught.value.http_status, caught.value.code) == (400, "resource_missing")
    assert caught.value.param == "starting_after"


async def test_answers_tell_the_request_and_the_version(sdk: Sdk) -> None:
    made = await sdk.customers.create({})

    headers = made.last_response.headers
    assert headers["request-id"].startswith("req_")
    assert headers["stripe-version"] == stripe.api_version
    assert headers["idempotency-key"]
    assert headers.get("idempotent-replayed") is None
