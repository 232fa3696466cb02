"""Signatures of webhooks from one secret: Stripe's header and the three of Standard Webhooks.

`whsec_<base64>`: Stripe's scheme keys the HMAC with the whole text, the standard with the bytes that the
base64 stands for. While an old secret overlaps, each header holds the signatures of both.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Final

PREFIX: Final = "whsec_"
SECRET_BYTES: Final = 32


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def headers(*, secrets_: Sequence[str], message_id: str, at: int, body: bytes) -> dict[str, str]:
    """`at`: Unix seconds of this attempt. Receivers refuse a signature that is minutes old."""
    text = f"{at}.".encode() + body
    stripe = [_digest(secret.encode(), text).hex() for secret in secrets_]
    standard = [
        base64.b64encode(_digest(_key(secret), f"{message_id}.".encode() + text)).decode()
        for secret in secrets_
    ]
    return {
        "Stripe-Signature": ",".join([f"t={at}", *(f"v1={signature}" for signature in stripe)]),
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in standard),
    }


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix(PREFIX))


def _digest(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, hashlib.sha256)
