"""Real servers for every test that asks; none, and no socket, for unit and property tests.

A server comes from the environment (TEST_POSTGRES_DSN, TEST_REDIS_URL, TEST_KAFKA_BOOTSTRAP), else from the
programs on this machine, else from a container.
"""

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import settings as hypothesis_settings
from pytest_socket import disable_socket, enable_socket

from infra.kafka import topics
from infra.local.paths import ROOT
from tests.support import pick
from tests.support.databases import Databases, run_apart
from tests.support.servers import Handle
from tests.support.shared import SharedServers

NO_SOCKETS = (ROOT / "tests" / "unit", ROOT / "tests" / "property")
RUN = pytest.StashKey[SharedServers]()

# Speed for servers whose data dies with the run. A kill -9 loses nothing by it: only a power cut would.
FAST_POSTGRES = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "on",
    "max_connections": "300",
}


def pytest_configure(config: pytest.Config) -> None:
    # Correctness is tested here, not speed: a busy machine must not fail an example for its time.
    hypothesis_settings.register_profile("signalbox", deadline=None)
    hypothesis_settings.load_profile("signalbox")
    is_worker = hasattr(config, "workerinput")
    config.stash[RUN] = SharedServers.of_this_run() if is_worker else SharedServers.of_new_run()


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput") and RUN in config.stash:
        config.stash[RUN].close()


def pytest_runtest_setup(item: pytest.Item) -> None:
    # The event loop's own wake-up pair is a Unix socket: those stay allowed.
    if any(item.path.is_relative_to(folder) for folder in NO_SOCKETS):
        disable_socket(allow_unix_socket=True)


def pytest_runtest_teardown() -> None:
    enable_socket()


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> SharedServers:
    return pytestconfig.stash[RUN]


# --- Postgres


@pytest.fixture(scope="session")
def databases(servers: SharedServers) -> Databases:
    """The shared Postgres as a maker of databases."""
    dsn = os.environ.get("TEST_POSTGRES_DSN")
    if dsn is None:
        dsn = servers.address("postgres", lambda folder: pick.postgres_maker()(folder, FAST_POSTGRES))
    return Databases(dsn, servers.folder)


@pytest.fixture
def postgres_dsn(databases: Databases) -> Iterator[str]:
    """An empty database of this test's own."""
    dsn = databases.create()
    yield dsn
    databases.drop(dsn)


@pytest.fixture(scope="module")
def module_postgres_dsn(databases: Databases) -> Iterator[str]:
    """An empty database that the tests of one module share."""
    dsn = databases.create()
    yield dsn
    databases.drop(dsn)


@contextmanager
def _migrating(databases: Databases) -> Iterator[Callable[[str], str]]:
    made: list[str] = []

    def make(package: str) -> str:
        made.append(databases.migrated(package))
        return made[-1]

    yield make
    for dsn in made:
        databases.drop(dsn)


@pytest.fixture
def migrated_dsn(databases: Databases) -> Iterator[Callable[[str], str]]:
    """`migrated_dsn("shortener")`: a database of this test's own with that package's migrations applied."""
    with _migrating(databases) as make:
        yield make


@pytest.fixture(scope="module")
def module_migrated_dsn(databases: Databases) -> Iterator[Callable[[str], str]]:
    """The same for the tests of a module, each of which empties it."""
    with _migrating(databases) as make:
        yield make


# --- Redis


@pytest.fixture(scope="session")
def _redis_of_worker(servers: SharedServers) -> str:
    # One a worker: FLUSHALL and tracking messages reach every client of a server, whatever database it uses.
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    return os.environ.get("TEST_REDIS_URL") or servers.address(f"redis-{worker}", pick.redis_maker())


@pytest.fixture
def redis_url(_redis_of_worker: str) -> str:
    """An empty Redis that no other test uses at the same time."""
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    with Redis.from_url(_redis_of_worker, retry=Retry(NoBackoff(), 0), socket_timeout=5) as client:
        client.flushall()
    return _redis_of_worker


# --- Kafka


@pytest.fixture(scope="session")
def kafka_bootstrap(servers: SharedServers) -> str:
    """The shared broker. Topics and groups outlive a test: use `make_topic` and a group of your own."""
    return os.environ.get("TEST_KAFKA_BOOTSTRAP") or servers.address("kafka", pick.kafka_maker())


@pytest.fixture
def make_topic(kafka_bootstrap: str) -> Callable[..., str]:
    """`make_topic(partitions=3)`: a new topic under a unique name, every partition with its leader."""

    def make(*, partitions: int = 1, prefix: str = "test", config: dict[str, str] | None = None) -> str:
        topic = topics.Topic(f"{prefix}.{uuid.uuid4().hex[:12]}", partitions, config or {})
        run_apart(topics.apply(kafka_bootstrap, [topic]))
        return topic.name

    return make


# --- Servers of one test's own: stop, kill, pause and restart them


@pytest.fixture
def own_postgres(servers: SharedServers) -> Iterator[Handle]:
    handle = pick.postgres_maker()(servers.own_folder("postgres"), FAST_POSTGRES)
    handle.start()
    yield handle
    handle.close()


@pytest.fixture
def own_redis(servers: SharedServers) -> Iterator[Handle]:
    handle = pick.redis_maker()(servers.own_folder("redis"))
    handle.start()
    yield handle
    handle.close()


@pytest.fixture
def own_kafka(servers: SharedServers) -> Iterator[Handle]:
    handle = pick.kafka_maker()(servers.own_folder("kafka"))
    handle.start()
    yield handle
    handle.close()
