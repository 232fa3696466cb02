"""API keys: random, hashed, cached, refused in one way."""

import asyncio
import re

import pytest
from chassis.auth import KeyCache, admin_guard, bearer_token, hash_key, new_api_key
from chassis.problems import Forbidden, Unauthorized
from chassis.settings import ChassisSettings
from pydantic import SecretStr
from starlette.requests import Request

from tests.unit.chassis_http.support import Clock, scope_of


class Store:
    """Principals by key hash, and how often it was asked."""

    def __init__(self, **principals: str) -> None:
        self.principals = {hash_key(key): name for key, name in principals.items()}
        self.asked = 0

    async def lookup(self, digest: bytes) -> str | None:
        self.asked += 1
        await asyncio.sleep(0)
        return self.principals.get(digest)


def test_keys_have_192_random_bits_and_a_prefix_that_names_them() -> None:
    keys = {new_api_key("sb_test_") for _ in range(100)}
    assert len(keys) == 100
    for key in keys:
        assert re.fullmatch(r"sb_test_[A-Za-z0-9_-]{32}", key)


def test_only_a_hash_of_32_bytes_is_kept() -> None:
    assert len(hash_key("sb_test_x")) == 32
    assert hash_key("a") != hash_key("b")


@pytest.mark.parametrize("given", ["Bearer abc", "bearer abc", "BEARER  abc "])
def test_a_bearer_token_is_found_whatever_the_case_of_the_scheme(given: str) -> None:
    assert bearer_token({"authorization": given}) == "abc"
    assert bearer_token([(b"authorization", given.encode())]) == "abc"


@pytest.mark.parametrize(
    "given", ["", "Bearer", "Bearer ", "Basic abc", "Bearer a b", "Bearer \xe9", "x" * 999]
)
def test_any_other_header_is_refused_with_a_challenge(given: str) -> None:
    with pytest.raises(Unauthorized) as refused:
        bearer_token({"authorization": given})
    assert refused.value.headers["WWW-Authenticate"].startswith("Bearer ")


def test_no_header_is_refused_with_a_challenge() -> None:
    with pytest.raises(Unauthorized) as refused:
        bearer_token({})
    assert "error" not in refused.value.headers["WWW-Authenticate"]


async def test_a_key_is_looked_up_once_while_its_entry_lives() -> None:
    clock, store = Clock(), Store(k="tenant")
    cache = KeyCache(store.lookup, ttl_s=30, clock=clock)
    assert [await cache.get("k") for _ in range(5)] == ["tenant"] * 5
    assert store.asked == 1
    clock.now_s += 31
    assert await cache.get("k") == "tenant"
    assert store.asked == 2


async def test_a_hundred_requests_at_once_make_one_lookup() -> None:
    store = Store(k="tenant")
    cache = KeyCache(store.lookup)
    assert set(await asyncio.gather(*(cache.get("k") for _ in range(100)))) == {"tenant"}
    assert store.asked == 1


async def test_an_unknown_key_is_remembered_for_a_short_time_only() -> None:
    clock, store = Clock(), Store()
    cache = KeyCache(store.lookup, ttl_s=30, negative_ttl_s=2, clock=clock)
    for _ in range(3):
        with pytest.raises(Unauthorized):
            await cache.require("nobody")
    assert store.asked == 1
    store.principals[hash_key("nobody")] = "now somebody"
    clock.now_s += 2.1
    assert await cache.require("nobody") == "now somebody"


async def test_made_up_keys_cannot_grow_the_cache_without_bound() -> None:
    cache = KeyCache(Store().lookup, size_max=10)
    for number in range(100):
        await cache.get(f"made-up-{number}")
    assert len(cache) == 10


async def test_a_failed_lookup_reaches_every_waiter_and_is_not_cached() -> None:
    asked = 0

    async def lookup(_digest: bytes) -> str | None:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        if asked == 1:
            raise ConnectionError
        return "tenant"

    cache = KeyCache(lookup)
    outcomes = await asyncio.gather(*(cache.get("k") for _ in range(3)), return_exceptions=True)
    assert all(isinstance(outcome, ConnectionError) for outcome in outcomes)
    assert await cache.get("k") == "tenant"


async def test_a_caller_that_gives_up_does_not_take_the_lookup_from_the_others() -> None:
    go = asyncio.Event()

    async def lookup(_digest: bytes) -> str | None:
        await go.wait()
        return "tenant"

    cache = KeyCache(lookup)
    impatient, patient = asyncio.create_task(cache.get("k")), asyncio.create_task(cache.get("k"))
    await asyncio.sleep(0)
    impatient.cancel()
    go.set()
    assert await patient == "tenant"


async def test_a_revoked_key_can_be_forgotten_at_once() -> None:
    store = Store(k="tenant")
    cache = KeyCache(store.lookup)
    await cache.get("k")
    store.principals.clear()
    cache.forget(hash_key("k"))
    assert await cache.get("k") is None


def request(**headers: str) -> Request:
    return Request(scope_of("GET", "/admin", headers))


async def test_the_admin_key_opens_and_no_other() -> None:
    guard = admin_guard(ChassisSettings(admin_api_key=SecretStr("sb_admin_1")))
    await guard(request(Authorization="Bearer sb_admin_1"))
    with pytest.raises(Forbidden):
        await guard(request(Authorization="Bearer sb_admin_2"))
    with pytest.raises(Unauthorized):
        await guard(request())


async def test_without_an_admin_key_configured_nobody_is_admin() -> None:
    guard = admin_guard(ChassisSettings(admin_api_key=None))
    with pytest.raises(Forbidden):
        await guard(request(Authorization="Bearer anything"))
