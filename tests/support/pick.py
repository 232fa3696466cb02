"""Where a test server comes from: local programs where they are installed, else containers."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from infra.local import kafka, postgres
from infra.local.errors import LocalError
from tests.support import containers, servers
from tests.support.servers import Handle


class Maker(Protocol):
    def __call__(self, folder: Path, settings: Mapping[str, str] | None = None, /) -> Handle: ...


def _have_redis() -> None:
    if shutil.which("redis-server") is None:
        raise LocalError("redis-server is missing")


def _have_kafka() -> None:
    kafka.java()
    kafka.jars()


def _choose(check: Callable[[], object], local: Maker, container: Maker) -> Maker:
    try:
        check()
    except LocalError as error:
        if shutil.which("docker") is None:
            raise AssertionError(f"{error}; {error.hint}; and there is no Docker engine either") from error
        return container
    return local


def postgres_maker() -> Maker:
    return _choose(postgres.bin_dir, servers.Postgres, containers.postgres_container)


def redis_maker() -> Maker:
    return _choose(_have_redis, servers.Redis, containers.redis_container)


def kafka_maker() -> Maker:
    return _choose(_have_kafka, servers.Kafka, containers.kafka_container)
