"""Each class of error that the official SDK knows, raised by the answer that it stands for."""

from collections.abc import Awaitable, Callable

import pytest
import stripe

from tests.contract.payments_sdk.sdk import Sdk


async def test_a_key_that_nobody_has_is_an_authentication_error(make_sdk: Callable[..., Sdk]) -> None:
    sdk = make_sdk("sk_test_nobody_has_this_one")

    with pytest.raises(stripe.AuthenticationError) as caught:
        await sdk.customers.list()

    assert caught.value.http_status == 401
    assert "nobody_has_this" not in str(caught.value)
    assert caught.value.request_id
    assert caught.value.request_id.startswith("req_")


async def test_a_key_with_other_parameters_is_an_idempotency_error(sdk: Sdk) -> None:
    await sdk.customers.create({"name": "one"}, {"idempotency_key": "same"})

    with pytest.raises(stripe.IdempotencyError) as caught:
        await sdk.customers.create({"name": "two"}, {"idempotency_key": "same"})

    assert caught.value.http_status == 400


async def test_a_key_with_the_same_parameters_is_the_same_answer(sdk: Sdk) -> None:
    first = await sdk.customers.create({"name": "one"}, {"idempotency_key": "same"})

    again = await sdk.customers.create({"name": "one"}, {"idempotency_key": "same"})

    assert again.id == first.id
    assert again.last_response.body == first.last_response.body
    assert again.last_response.headers["idempotent-replayed"] == "true"
    assert again.last_response.headers["original-request"] == first.last_response.request_id
    assert again.last_response.request_id != first.last_response.request_id
    assert len((await sdk.customers.list()).data) == 1


async def test_an_unknown_parameter_is_named(sdk: Sdk) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        await sdk.customers.create({"colour": "red"})

    error = caught.value
    assert (error.http_status, error.code, error.param) == (400, "parameter_unknown", "colour")
    assert error.user_message == "Received unknown parameter: colour"


async def test_a_missing_parameter_is_named(sdk: Sdk) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        await sdk.payment_intents.create({"amount": 100})

    assert (caught.value.code, caught.value.param) == ("parameter_missing", "currency")
    assert caught.value.user_message == "Missing required param: currency."


async def test_another_accounts_object_does_not_exist(sdk: Sdk, other_sdk: Sdk) -> None:
    theirs = await other_sdk.customers.create({})

    with pytest.raises(stripe.InvalidRequestError) as caught:
        await sdk.customers.retrieve(theirs.id)

    assert (caught.value.http_status, caught.value.code, caught.value.param) == (
        404,
        "resource_missing",
        "id",
    )
    assert caught.value.user_message == f"No such customer: '{theirs.id}'"


async def test_above_the_rate_is_a_rate_limit_error(
    make_sdk: Callable[..., Sdk], make_account: Callable[..., Awaitable[str]]
) -> None:
    sdk = make_sdk(await make_account(rate_per_s=0.001, burst=2))

    await sdk.customers.list()
    await sdk.customers.list()

    with pytest.raises(stripe.RateLimitError) as caught:
        await sdk.customers.list()

    assert caught.value.http_status == 429
    assert caught.value.error is not None
    assert caught.value.error.code == "rate_limit"
