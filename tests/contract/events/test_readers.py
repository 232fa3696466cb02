"""Every consumer's own model reads what the schemas show, today and tomorrow, and knows every type."""

from collections.abc import Collection, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from chassis.dlq import RESOLVED_TOPIC
from chassis.kafka import Handlers, Incoming, Message
from chassis.retry import Poison
from inventory import consumers as inventory
from inventory.domain.reservations import Confirm, Release, Reserve
from notifications import events as notifications
from orders import consumers as orders
from orders.domain import facts
from orders.letters import read_resolved
from shortener.consumers import read as read_clicks
from shortener.events import CLICKS_RECORDED

from tests.support import event_schemas


@dataclass(frozen=True)
class Reader:
    group: str
    types: Mapping[str, type[msgspec.Struct]]
    ignore: Collection[str] = ()

    @property
    def handlers(self) -> Handlers:
        return Handlers(consumer=self.group, types=self.types, ignore=self.ignore)


READERS = {
    "inventory": Reader("inventory", inventory.TYPES),
    "orders": Reader("orders", orders.TYPES),
    "notifications": Reader("notifications", notifications.TOLD, notifications.UNTOLD),
}
# What may stand on each topic: a reader of the topic meets all of it.
ON_TOPIC = {
    "inventory": [name for name in event_schemas.names() if name.startswith("orders.stock-")],
    "orders": [name for name in event_schemas.names() if name.startswith(("inventory.", "payments."))],
    "notifications": [name for name in event_schemas.names() if name.startswith("orders.order-")],
}


def message_of(event_type: str, data: Any) -> Message:
    return Message(
        topic="any",
        partition=0,
        offset=0,
        key=b"k",
        value=msgspec.json.encode(data),
        headers=(("ce_id", b"1"), ("ce_type", event_type.encode())),
    )


def read(reader: Reader, event_type: str, data: Any) -> Incoming:
    incoming = reader.handlers.read(message_of(event_type, data))
    assert incoming is not None
    return incoming


def examples(event_type: str) -> list[dict[str, Any]]:
    return list(event_schemas.schema_of(event_type)["examples"])


def bare(data: Any, schema: event_schemas.Schema) -> Any:
    """The data with nothing in it that is not required."""
    if isinstance(data, dict) and "properties" in schema:
        return {name: bare(data[name], schema["properties"][name]) for name in schema["required"]}
    if isinstance(data, list) and "items" in schema:
        return [bare(item, schema["items"]) for item in data]
    return data


def grown(data: Any) -> Any:
    """The data with a field more wherever there are fields."""
    if isinstance(data, dict):
        return {name: grown(value) for name, value in data.items()} | {"of_tomorrow": {"x": [1]}}
    if isinstance(data, list):
        return [grown(item) for item in data]
    return deepcopy(data)


READ = [(group, name) for group, reader in READERS.items() for name in reader.types]


@pytest.mark.parametrize(("group", "name"), READ)
def test_a_reader_reads_what_its_writers_schema_shows(group: str, name: str) -> None:
    for example in examples(name):
        incoming = read(READERS[group], name, example)
        assert isinstance(incoming.event, READERS[group].types[name])


@pytest.mark.parametrize(("group", "name"), READ)
def test_a_reader_passes_over_fields_of_tomorrow(group: str, name: str) -> None:
    for example in examples(name):
        tomorrow = grown(example)
        if "metadata" in tomorrow:
            tomorrow["metadata"]["of_tomorrow"] = "text, as the schema says"
        assert read(READERS[group], name, tomorrow).event == read(READERS[group], name, example).event


@pytest.mark.parametrize(("group", "name"), READ)
def test_a_reader_asks_for_nothing_that_is_not_promised(group: str, name: str) -> None:
    for example in examples(name):
        read(READERS[group], name, bare(example, event_schemas.schema_of(name)))


@pytest.mark.parametrize("group", READERS)
def test_a_reader_knows_every_type_of_its_topics(group: str) -> None:
    reader = READERS[group]
    assert sorted({*reader.types, *reader.ignore}) == sorted(ON_TOPIC[group])


@pytest.mark.parametrize("group", READERS)
def test_a_type_or_version_of_tomorrow_goes_to_the_dead_letters(group: str) -> None:
    name = next(iter(READERS[group].types))
    with pytest.raises(Poison):
        READERS[group].handlers.read(message_of(name.replace(".v1", ".v2"), examples(name)[0]))


# --- what they make of it


def test_inventory_makes_a_command_of_what_orders_ask() -> None:
    made = {
        name: inventory.command_of(read(READERS["inventory"], name, examples(name)[0]))
        for name in inventory.TYPES
    }
    kinds = {name: type(command) for name, command in made.items()}
    assert kinds == {
        "orders.stock-reservation-requested.v1": Reserve,
        "orders.stock-confirmation-requested.v1": Confirm,
        "orders.stock-release-requested.v1": Release,
    }
    for name, command in made.items():
        example = examples(name)[0]
        assert (command.order_id, command.request_id) == (example["order_id"], example["request_id"])


def test_orders_make_facts_of_what_inventory_and_payments_tell() -> None:
    changes = {}
    for name in orders.TYPES:
        for number, example in enumerate(examples(name)):
            changes[name, number] = orders.fact_of(read(READERS["orders"], name, example))
    assert all(changes.values())
    made = {type(change.fact) for change in changes.values() if change is not None}
    assert made == {
        facts.StockReserved,
        facts.StockRefused,
        facts.StockConfirmed,
        facts.StockReleased,
        facts.ReservationExpired,
        facts.PaymentAuthorised,
        facts.PaymentDeclined,
        facts.Refunded,
    }


def test_notifications_know_whom_to_tell_and_of_what() -> None:
    for name in notifications.TOLD:
        (example,) = examples(name)
        told = read(READERS["notifications"], name, example).event
        assert (told.order_id, told.customer_id) == (example["order_id"], example["customer_id"])
        assert told.status == example["status"]


def test_the_index_of_dead_letters_reads_what_groups_tell() -> None:
    for example in examples(RESOLVED_TOPIC):
        resolved = read_resolved(message_of(RESOLVED_TOPIC, grown(example)))
        assert {
            "group": resolved.group,
            **resolved.origin._asdict(),
            "redrives": resolved.redrives,
        } == example


def test_the_shortener_reads_its_own_clicks() -> None:
    for example in examples(CLICKS_RECORDED):
        clicks = read_clicks(message_of(CLICKS_RECORDED, example))
        assert [click.link_id for click in clicks] == [click["link_id"] for click in example["clicks"]]
