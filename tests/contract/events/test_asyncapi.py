"""The AsyncAPI document is sound, and tells what topics.yaml, a broker and the services' code say."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import jsonschema
import pytest
import yaml
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from chassis import dlq
from chassis.dlq import DeadLetter
from chassis.kafka.delivery import ATTEMPTS, ERROR
from chassis.kafka.group import GroupLoop
from chassis.postgres import Pool
from chassis.records import ORIGIN, Message, cloudevent_headers, origin_headers
from chassis.retry import Kind, Poison
from inventory.consumers import commands_consumer
from inventory.settings import InventorySettings
from metrics_ingest import consumers as metrics_ingest
from metrics_ingest.domain.tenants import Tenant
from metrics_ingest.domain.verdict import Verdict
from metrics_ingest.domain.writer_bounds import WriterBounds
from metrics_ingest.settings import MetricsSettings
from metrics_ingest.usecases import accept
from notifications import consumers as notifications
from notifications.settings import NotificationsSettings
from orders import letters
from orders.consumers import orders_consumer
from orders.settings import OrdersSettings
from pydantic import SecretStr
from shortener.consumers import clicks_consumer
from shortener.settings import ShortenerSettings

from infra.kafka import topics
from infra.local.paths import ROOT
from tests.support import event_schemas, remote_write

FOLDER = ROOT / "docs/reference"
SHAPE = json.loads(Path(__file__).with_name("asyncapi-3.0.json").read_text())
Document = dict[str, Any]


@pytest.fixture(scope="module")
def document() -> Document:
    return dict(yaml.safe_load((FOLDER / "asyncapi.yaml").read_text()))


def references(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        for name, value in node.items():
            if name == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolved(document: Document, reference: str) -> Any:
    file, _, place = reference.partition("#")
    if file.endswith(".proto"):
        return (FOLDER / file).read_text()
    node: Any = json.loads((FOLDER / file).read_text()) if file else document
    for step in place.strip("/").split("/") if place else ():
        node = node[step.replace("~1", "/").replace("~0", "~")]
    return node


def last(reference: str) -> str:
    return reference.rpartition("/")[2]


def receives(document: Document) -> dict[str, set[str]]:
    """Consumer group -> the topics that it reads."""
    found: dict[str, set[str]] = {}
    for operation in document["operations"].values():
        if operation["action"] == "receive":
            (group,) = operation["bindings"]["kafka"]["groupId"]["enum"]
            found.setdefault(group, set()).add(last(operation["channel"]["$ref"]))
    return found


# --- by itself


def test_it_has_the_shape_of_an_asyncapi_document(document: Document) -> None:
    jsonschema.Draft202012Validator.check_schema(SHAPE)
    jsonschema.Draft202012Validator(SHAPE).validate(document)


def test_every_reference_leads_somewhere(document: Document) -> None:
    found = list(references(document))
    assert found
    for reference in found:
        assert resolved(document, reference) is not None, reference


def test_an_operation_names_its_actor_and_the_messages_of_its_channel(document: Document) -> None:
    for name, operation in document["operations"].items():
        channel = last(operation["channel"]["$ref"])
        assert name.endswith(f".{operation['action']}s.{channel}")
        of_channel = {
            f"#/channels/{channel}/messages/{message}"
            for message in document["channels"][channel]["messages"]
        }
        assert {message["$ref"] for message in operation["messages"]} <= of_channel
        if operation["action"] == "receive":
            assert operation["bindings"]["kafka"]["groupId"]["enum"] == [name.split(".receives.")[0]]


def test_what_can_be_sent_can_be_read_and_the_other_way_round(document: Document) -> None:
    sent = {
        last(operation["channel"]["$ref"])
        for operation in document["operations"].values()
        if operation["action"] == "send"
    }
    assert sent == document["channels"].keys()
    # Told to whoever will want to know: nobody reads it yet.
    assert sent - set().union(*receives(document).values()) == {"shortener.link-changed.v1"}


# --- and events/


def test_every_event_has_its_message_and_every_message_its_schema(document: Document) -> None:
    messages = document["components"]["messages"]
    with_schema = {name: message["payload"] for name, message in messages.items() if "payload" in message}
    binary = {name for name, payload in with_schema.items() if "protobuf" in payload["schemaFormat"]}
    assert binary == {accept.EVENT_TYPE}
    assert with_schema.keys() - binary == set(event_schemas.names())
    for name, payload in with_schema.items():
        assert messages[name]["title"] == name
        assert payload["schema"] == {"$ref": f"events/{name}.{'proto' if name in binary else 'json'}"}
    on_channels = {
        last(message["$ref"])
        for channel in document["channels"].values()
        for message in channel["messages"].values()
    }
    assert on_channels == messages.keys()


# --- and topics.yaml, and a broker


def test_its_channels_are_the_declared_topics(document: Document) -> None:
    declared = {topic.name: (topic.partitions, topic.config) for topic in topics.declared()}
    told = {}
    for name, channel in document["channels"].items():
        kafka = channel["bindings"]["kafka"]
        assert name == channel["address"] == kafka["topic"]
        config = {key: str(value) for key, value in kafka["topicConfiguration"].items()}
        told[name] = (kafka["partitions"], config)
    assert told == declared


def test_topics_are_named_as_the_rules_say(document: Document) -> None:
    rule = re.compile(r"[a-z-]+\.[a-z-]+\.v\d+(\.dlq)?|[a-z-]+(\.[a-z-]+)?\.retry\.(\d+[smh]|redrive)")
    assert [name for name in document["channels"] if not rule.fullmatch(name)] == []


def test_a_letter_fits_into_its_topic_and_back(document: Document) -> None:
    """1 MiB of value, and headers: an event's own, and those that tell of its death."""
    for name, channel in document["channels"].items():
        bytes_max = channel["bindings"]["kafka"]["topicConfiguration"]["max.message.bytes"]
        assert bytes_max >= 1024 * 1024
        if ".dlq" in name or ".retry." in name:
            assert bytes_max >= 1024 * 1024 + 256 * 1024


async def test_a_broker_has_what_it_tells(document: Document, kafka_bootstrap: str) -> None:
    await topics.apply(kafka_bootstrap, topics.declared())
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    try:
        names = list(document["channels"])
        described = await admin.describe_topics(names)
        answers = await admin.describe_configs(
            [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        )
    finally:
        await admin.close()
    partitions = {entry["topic"]: len(entry["partitions"]) for entry in described}
    configs = {
        resource[3]: {entry[0]: entry[1] for entry in resource[4]}
        for answer in answers
        for resource in answer.resources
    }
    for name, channel in document["channels"].items():
        kafka = channel["bindings"]["kafka"]
        assert partitions[name] == kafka["partitions"]
        wanted = {key: str(value) for key, value in kafka["topicConfiguration"].items()}
        assert wanted.items() <= configs[name].items(), name


# --- and the code


def test_groups_read_what_it_tells(document: Document) -> None:
    nothing = cast("Pool", None)
    loops: dict[str, GroupLoop] = {
        "inventory": commands_consumer(InventorySettings(), nothing),
        "orders": orders_consumer(OrdersSettings(), nothing),
        "notifications": notifications.orders_consumer(
            cast("Any", SimpleNamespace(settings=NotificationsSettings(), db=nothing)), None
        ),
        "shortener.clicks": clicks_consumer(
            ShortenerSettings(shortener_id_key=SecretStr("x" * 32), visitor_salt_key=SecretStr("x" * 32)),
            nothing,
        ),
    }
    loops |= {
        "metrics-writer": metrics_ingest.writer(
            MetricsSettings(), nothing, cast("Any", None), WriterBounds()
        ),
        "metrics-ledger": metrics_ingest.ledger_consumer(MetricsSettings(), nothing, WriterBounds()),
    }
    told = receives(document)
    of_index = told.pop(letters.GROUP)
    assert told == {group: set(loop._topics) for group, loop in loops.items()}
    assert {loop._group for loop in loops.values()} == loops.keys()
    assert of_index == {name for name in document["channels"] if re.search(letters.TOPICS, name)}


def test_what_can_be_redriven_is_what_the_code_redrives(document: Document) -> None:
    settings = OrdersSettings()
    redriven = {name for name in document["channels"] if name.endswith(".retry.redrive")}
    assert redriven == {dlq.redrive_topic(group) for group in settings.redrivable}
    assert set(settings.fault_groups) <= set(settings.redrivable)


def test_every_topic_with_a_reader_has_a_place_for_its_dead_letters(document: Document) -> None:
    read = {name for names in receives(document).values() for name in names if re.search(r"\.v\d+$", name)}
    assert {name for name in document["channels"] if name.endswith(".dlq")} == {
        f"{name}.dlq" for name in read
    }


def headers_of(document: Document, trait: str) -> tuple[set[str], set[str]]:
    """Those that are always there, and all that may be."""
    schema = document["components"]["messageTraits"][trait]["headers"]
    return set(schema["required"]), set(schema["properties"])


MESSAGE = Message("a.b-changed.v1", 0, 7, b"k", b"{}", (("traceparent", b"00"),))


def test_headers_are_those_that_the_code_writes(document: Document) -> None:
    event = dict(cloudevent_headers(event_id="1", source="/a", event_type="a.b.v1"))
    whole = dict(
        cloudevent_headers(
            event_id="1", source="/a", event_type="a.b.v1", subject="s", sequence=1, traceparent="00"
        )
    )
    assert headers_of(document, "cloud-event") == (set(event), set(whole))

    points = next(accept._records("1", Tenant(id="a", name="A"), Verdict(), "json"))
    assert headers_of(document, "points") == ({name for name, _ in points.headers},) * 2

    dead = dlq.record_of(DeadLetter(MESSAGE, Poison("no"), Kind.POISON, 1), "inventory")
    required, known = headers_of(document, "dead-letter")
    assert required == {name for name, _ in dead.headers} - {"traceparent"}
    assert known == required | {"dlq-redrives"}

    back = dlq.redrive_record("inventory", MESSAGE.origin, key=b"k", value=b"{}", headers=(), redrives=1)
    assert headers_of(document, "redriven") == ({name for name, _ in back.headers},) * 2

    postponed = {name for name, _ in origin_headers(MESSAGE)} - {"traceparent"} | {ATTEMPTS, ERROR}
    required, known = headers_of(document, "postponed")
    assert known == postponed
    assert {*ORIGIN, ATTEMPTS} == required


def test_the_message_of_a_batch_is_the_one_that_stores_read(document: Document) -> None:
    """Name and number of every field, as the protobuf library has them of Prometheus' own definition."""
    payload = document["components"]["messages"][accept.EVENT_TYPE]["payload"]
    text = resolved(document, payload["schema"]["$ref"])
    messages = re.findall(r"message (\w+) \{(.*?)\n\}", text, re.DOTALL)
    assert [name for name, _ in messages] == ["WriteRequest", "TimeSeries", "Label", "Sample"]
    for message, body in messages:
        known = {field.name: field.number for field in remote_write.V1[message].DESCRIPTOR.fields}
        told = {name: int(number) for name, number in re.findall(r"(\w+) = (\d+);", body)}
        assert told
        assert told.items() <= known.items()
