"""One API process, its worker and the bank for all of these tests; an account of its own for each."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from tests.contract.payments_sdk.receiver import Receiver
from tests.contract.payments_sdk.sdk import Sdk
from tests.support.databases import Databases, run_apart
from tests.support.payments_stack import PaymentsStack
from tests.support.shared import SharedServers

FOLDER = Path(__file__).parent
# The SDK's own httpx client gives its body by a name that httpx no longer likes.
SDK_AND_HTTPX = "ignore:Use 'content=.*:DeprecationWarning"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(FOLDER):
            item.add_marker(pytest.mark.filterwarnings(SDK_AND_HTTPX))


@pytest.fixture(scope="package")
def stack(servers: SharedServers, databases: Databases, _redis_of_worker: str) -> Iterator[PaymentsStack]:
    payments_dsn, bank_dsn = databases.migrated("payments"), databases.migrated("bank")
    folder = servers.own_folder("payments-sdk")
    folder.mkdir(parents=True, exist_ok=True)
    stack = PaymentsStack(folder, payments_dsn=payments_dsn, bank_dsn=bank_dsn, redis_url=_redis_of_worker)
    try:
        run_apart(stack.up(apis=1))
        yield stack
    finally:
        run_apart(stack.close())
        databases.drop(payments_dsn)
        databases.drop(bank_dsn)


@pytest.fixture
def payments_url(stack: PaymentsStack) -> str:
    return stack.apis[0].url


@pytest.fixture
def make_account(stack: PaymentsStack) -> Callable[..., Awaitable[str]]:
    """`await make_account(rate_per_s=1)`: its secret key."""
    return stack.account


@pytest.fixture
async def api_key(stack: PaymentsStack) -> str:
    return await stack.account()


@pytest.fixture(params=["sync", "async"])
async def make_sdk(request: pytest.FixtureRequest, payments_url: str) -> AsyncIterator[Callable[..., Sdk]]:
    """`make_sdk(key)`: the SDK's client of this run's kind."""
    made: list[Sdk] = []

    def make(api_key: str, *, url: str = payments_url) -> Sdk:
        made.append(Sdk(url, api_key, is_async=request.param == "async"))
        return made[-1]

    yield make
    for sdk in made:
        await sdk.close()


@pytest.fixture
def sdk(make_sdk: Callable[..., Sdk], api_key: str) -> Sdk:
    return make_sdk(api_key)


@pytest.fixture
async def other_sdk(make_sdk: Callable[..., Sdk], stack: PaymentsStack) -> Sdk:
    """Of another account."""
    return make_sdk(await stack.account())


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()
