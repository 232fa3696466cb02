"""Keys in every form that senders have for them."""

import base64

import pytest
from chassis.auth import KeyCache, hash_key
from chassis.problems import Forbidden, Unauthorized
from metrics_ingest.domain.tenants import Tenant
from metrics_ingest.receivers.auth import DATADOG_HEADER, INFLUX_TOKEN, Access, key_of

KEY = "sb_test_of_a_tenant"
ADMIN = "sb_test_of_the_operator"


def basic(text: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(text.encode()).decode()}


def access() -> Access:
    async def lookup(digest: bytes) -> Tenant | None:
        return Tenant(id="acme", name="Acme") if digest == hash_key(KEY) else None

    return Access(KeyCache(lookup), hash_key(ADMIN))


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {KEY}"},
        {"authorization": f"bearer  {KEY} "},
        basic(f"anyone:{KEY}"),
        basic(f":{KEY}"),
    ],
)
@pytest.mark.parametrize("own", ["", INFLUX_TOKEN, DATADOG_HEADER])
def test_bearer_and_basic_open_every_route(headers: dict[str, str], own: str) -> None:
    assert key_of(headers, own) == KEY


def test_influx_and_datadog_have_a_form_of_their_own_on_their_routes_alone() -> None:
    token, header = {"authorization": f"Token {KEY}"}, {DATADOG_HEADER: KEY}

    assert key_of(token, INFLUX_TOKEN) == KEY
    assert key_of(header, DATADOG_HEADER) == KEY
    for headers, own in ((token, ""), (token, DATADOG_HEADER), (header, ""), (header, INFLUX_TOKEN)):
        with pytest.raises(Unauthorized):
            key_of(headers, own)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer two words"},
        {"authorization": "Bearer " + "x" * 257},
        {"authorization": "Bearer k\u00e9y"},
        {"authorization": "Basic !!!"},
        {"authorization": "Basic " + base64.b64encode(b"\xff\xfe").decode()},
        basic("no colon"),
        basic("user:"),
        {"authorization": f"Digest {KEY}"},
    ],
)
def test_what_cannot_be_a_key_is_none(headers: dict[str, str]) -> None:
    with pytest.raises(Unauthorized) as refused:
        key_of(headers)

    assert "Basic" in refused.value.headers["WWW-Authenticate"]


async def test_a_key_is_its_tenants() -> None:
    assert (await access().tenant({"authorization": f"Bearer {KEY}"})).id == "acme"


async def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(Unauthorized):
        await access().tenant({"authorization": "Bearer sb_test_of_nobody"})


async def test_the_operator_is_nobodys_tenant() -> None:
    headers = {"authorization": f"Bearer {ADMIN}"}

    assert await access().tenant_or_admin(headers) is None
    with pytest.raises(Forbidden):
        await access().tenant(headers)
