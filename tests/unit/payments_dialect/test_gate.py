"""Keys in headers, and what a refusal shows of them."""

import base64

import pytest
from payments.dialect.errors import Unauthorized
from payments.dialect.gate import masked, secret_key

KEY = "sk_test_0123456789abcdefghij"


@pytest.mark.parametrize(
    "header",
    [
        f"Bearer {KEY}",
        f"BEARER {KEY} ",
        "Basic " + base64.b64encode(f"{KEY}:".encode()).decode(),
        "Basic " + base64.b64encode(f"{KEY}:pass:word".encode()).decode(),
    ],
)
def test_a_key_is_found(header: str) -> None:
    assert secret_key(header.encode()) == KEY


@pytest.mark.parametrize("header", [None, b"", b"Bearer", b"Basic", b"Basic Og==", b"Token x", KEY.encode()])
def test_no_key_is_told_as_such(header: bytes | None) -> None:
    with pytest.raises(Unauthorized, match="You did not provide an API key"):
        secret_key(header)


def test_a_publishable_key_is_told_apart() -> None:
    with pytest.raises(Unauthorized) as caught:
        secret_key(b"Bearer pk_test_123")
    assert caught.value.code == "secret_key_required"


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        (KEY, "sk_test_****************ghij"),
        ("sk_live_" + "x" * 100, "sk_live_" + "*" * 24 + "xxxx"),
        ("sk_test_abc", "sk_test_********"),
        ("hunter2", "********"),
        ("", "********"),
        ("x" * 20 + "\xff\xff\xff\xff", "*" * 20 + "\\xff" * 4),
    ],
)
def test_a_masked_key_hides_at_least_eight_characters(key: str, shown: str) -> None:
    assert masked(key) == shown
