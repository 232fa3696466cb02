"""The official SDK on a wire, blocking and asynchronous, its retries on."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest
import stripe
from payments.settings import PaymentsSettings

from tests.integration.payments_dialect.notes import with_notes
from tests.support.payments import Served, async_sdk, key_of, listening, sdk

# The SDK hands text to httpx as `data`.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture
def url(settings: PaymentsSettings, served: Served) -> Iterator[str]:
    """A second process; the first made the table."""
    del served
    with listening(settings, make=with_notes) as url:
        yield url


def test_the_blocking_client_reads_objects_and_headers(url: str) -> None:
    client = sdk(url)
    answer = client.raw_request(
        "post", "/v1/notes", text="a", metadata={"a": "1"}, tags=["x", "y"], loud=True
    )
    note = client.deserialize(answer, api_mode="V1")

    assert (note["object"], note["metadata"]["a"]) == ("note", "1")
    assert note.last_response is not None
    assert (note.last_response.request_id or "").startswith("req_")
    assert note.last_response.idempotency_key


async def test_the_asynchronous_client_too(url: str) -> None:
    async with async_sdk(url) as client:
        answers = await asyncio.gather(
            *(client.raw_request_async("post", "/v1/quick_notes", text=str(n)) for n in range(20))
        )
    assert {answer.code for answer in answers} == {200}


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"nothing": "1"}, stripe.InvalidRequestError),
        ({"fail": "decline"}, stripe.CardError),
        ({"fail": "bug"}, stripe.APIError),
    ],
)
def test_refusals_are_the_sdks_own_errors(
    url: str, params: dict[str, str], error: type[stripe.StripeError]
) -> None:
    with pytest.raises(error) as caught:
        sdk(url).raw_request("post", "/v1/notes", **params)
    assert caught.value.request_id is not None
    assert caught.value.user_message


def test_an_unknown_key_is_an_authentication_error(url: str) -> None:
    with pytest.raises(stripe.AuthenticationError, match="Invalid API Key provided: sk_test_"):
        sdk(url, "nobody").raw_request("get", "/v1/notes")


def test_above_the_rate_the_sdk_says_so(url: str) -> None:
    client = sdk(url, "small")

    def burst() -> None:
        for _ in range(20):
            client.raw_request("get", "/v1/notes")

    with pytest.raises(stripe.RateLimitError):
        burst()


def test_a_mismatch_is_an_idempotency_error(url: str) -> None:
    client = sdk(url)
    client.raw_request("post", "/v1/notes", idempotency_key="k", text="a")
    with pytest.raises(stripe.IdempotencyError):
        client.raw_request("post", "/v1/notes", idempotency_key="k", text="b")


async def test_the_sdk_tries_again_while_its_key_is_in_use(url: str) -> None:
    async with async_sdk(url, max_network_retries=8) as client:
        sends = [
            client.raw_request_async("post", "/v1/notes", idempotency_key="k", fail="slow") for _ in range(2)
        ]
        first, second = await asyncio.gather(*sends)

    assert first.data == second.data


def test_basic_auth_works_on_a_wire(url: str) -> None:
    answer = httpx.get(f"{url}/v1/notes", auth=(key_of("one"), ""), timeout=30)
    assert answer.status_code == 200
