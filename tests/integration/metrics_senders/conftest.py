"""The service as processes, for senders that are processes themselves."""

from collections.abc import Iterator

import pytest

from tests.support.databases import Databases
from tests.support.metrics_stack import MetricsStack, running_stack
from tests.support.shared import SharedServers


@pytest.fixture(scope="module")
def stack(
    servers: SharedServers, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MetricsStack]:
    with running_stack(servers, databases, tmp_path_factory.mktemp("metrics"), receivers=1) as stack:
        yield stack
