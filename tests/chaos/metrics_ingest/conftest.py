"""Two receivers and a writer on a broker and a store of their own: started once, healed after every test."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.databases import Databases
from tests.support.metrics_stack import MetricsStack, running_stack
from tests.support.shared import SharedServers


@pytest.fixture(scope="package")
def shared_stack(
    servers: SharedServers, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MetricsStack]:
    with running_stack(servers, databases, tmp_path_factory.mktemp("metrics")) as stack:
        yield stack


@pytest.fixture
async def stack(shared_stack: MetricsStack) -> AsyncIterator[MetricsStack]:
    yield shared_stack
    await shared_stack.heal()
