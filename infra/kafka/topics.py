"""Brings a cluster to the topics that topics.yaml declares: creates, grows, sets, and reads back."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import for_code

DECLARATION = Path(__file__).with_name("topics.yaml")
REQUEST_TIMEOUT_MS = 15_000
VERIFY_TIMEOUT_S = 20.0


class TopicError(Exception):
    """The cluster holds something that cannot become what is declared."""


@dataclass(frozen=True, slots=True)
class Topic:
    name: str
    partitions: int
    config: dict[str, str] = field(default_factory=dict)


def declared(path: Path = DECLARATION) -> list[Topic]:
    document: dict[str, Any] = yaml.safe_load(path.read_text())
    return [
        Topic(name, int(body["partitions"]), {k: str(v) for k, v in body.get("config", {}).items()})
        for name, body in document.items()
    ]


async def apply(bootstrap: str, topics: Sequence[Topic], *, replication_factor: int = 1) -> list[str]:
    """The changes that were made, as sentences; none on a second run."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=REQUEST_TIMEOUT_MS)
    await admin.start()
    try:
        changes = await _create(admin, topics, replication_factor)
        changes += await _configure(admin, topics)
        async with asyncio.timeout(VERIFY_TIMEOUT_S):
            await _verify(admin, topics)
    finally:
        await admin.close()
    return changes


async def _partitions(admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> dict[str, int]:
    found = await admin.describe_topics([topic.name for topic in topics])
    return {entry["topic"]: len(entry["partitions"]) for entry in found if entry["error_code"] == 0}


async def _create(admin: AIOKafkaAdminClient, topics: Sequence[Topic], replication_factor: int) -> list[str]:
    present = await _partitions(admin, topics)
    missing = [topic for topic in topics if topic.name not in present]
    if missing:
        new = [NewTopic(t.name, t.partitions, replication_factor, topic_configs=t.config) for t in missing]
        _raise_errors((await admin.create_topics(new)).topic_errors)
    changes = [f"created {topic.name} with {topic.partitions} partitions" for topic in missing]
    for topic in topics:
        count = present.get(topic.name, topic.partitions)
        if count > topic.partitions:
            raise TopicError(
                f"{topic.name} has {count} partitions and {topic.partitions} are declared: they never shrink"
            )
        if count < topic.partitions:
            answer = await admin.create_partitions({topic.name: NewPartitions(topic.partitions)})
            _raise_errors(answer.topic_errors)
            changes.append(f"grew {topic.name} from {count} to {topic.partitions} partitions")
    return changes


def _raise_errors(errors: Sequence[tuple[Any, ...]]) -> None:
    for name, code, *rest in errors:
        if code:
            raise TopicError(f"{name}: {for_code(code).__name__} {rest[0] if rest else ''}".strip())


async def _configure(admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> list[str]:
    present = await _config(admin, topics)
    differing = [t for t in topics if any(present[t.name].get(k) != v for k, v in t.config.items())]
    if differing:
        await admin.alter_configs([_resource(t.name, t.config) for t in differing])
    return [f"set the configuration of {topic.name}" for topic in differing]


async def _config(admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> dict[str, dict[str, str]]:
    answers = await admin.describe_configs([_resource(topic.name, None) for topic in topics])
    return {
        name: {entry[0]: entry[1] for entry in entries}
        for answer in answers
        for _code, _message, _kind, name, entries in answer.resources
    }


def _resource(name: str, config: dict[str, str] | None) -> ConfigResource:
    return ConfigResource(ConfigResourceType.TOPIC, name, config)


async def _verify(admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> None:
    """Every partition has a leader: a producer that starts now meets no LEADER_NOT_AVAILABLE."""
    while True:
        found = await admin.describe_topics([topic.name for topic in topics])
        led = {
            e["topic"]: sum(p["leader"] >= 0 for p in e["partitions"]) for e in found if e["error_code"] == 0
        }
        if all(led.get(topic.name) == topic.partitions for topic in topics):
            return
        await asyncio.sleep(0.1)


def main() -> int:
    bootstrap = sys.argv[1]
    for change in asyncio.run(apply(bootstrap, declared())):
        print(change)
    return 0


if __name__ == "__main__":
    sys.exit(main())
