"""The secrets of one checkout, for both runtimes: made once, a file each, readable by their owner alone."""

import os
import secrets
from base64 import b64encode
from collections.abc import Callable

from infra.local import paths


def _password() -> str:
    return secrets.token_urlsafe(24)


def _api_key() -> str:
    # The prefix tells people and secret scanners what it is; 192 random bits follow.
    return f"sb_test_{secrets.token_urlsafe(24)}"


def _payments_key() -> str:
    # The form that Stripe's clients know: a test-mode secret key.
    return f"sk_test_{secrets.token_urlsafe(24)}"


def _webhook_secret() -> str:
    # The form of Standard Webhooks: base64 behind a prefix.
    return f"whsec_{b64encode(secrets.token_bytes(32)).decode()}"


def _key() -> str:
    return secrets.token_hex(32)


_MAKERS: dict[str, Callable[[], str]] = {
    "postgres_password": _password,
    "shortener_database_password": _password,
    "payments_database_password": _password,
    "bank_database_password": _password,
    "orders_database_password": _password,
    "inventory_database_password": _password,
    "notifications_database_password": _password,
    "metrics_ingest_database_password": _password,
    "redis_password": _password,
    "grafana_admin_password": _password,
    "admin_api_key": _api_key,
    "shortener_api_key": _api_key,
    "shortener_api_key_2": _api_key,
    "shortener_api_key_limited": _api_key,
    "shortener_id_key": _key,
    "visitor_salt_key": _key,
    "payments_api_key": _payments_key,
    "payments_api_key_2": _payments_key,
    "payments_api_key_orders": _payments_key,
    "bank_api_key": _api_key,
    "orders_api_key": _api_key,
    "orders_api_key_2": _api_key,
    "inventory_api_key": _api_key,
    "metrics_api_key": _api_key,
    "metrics_api_key_2": _api_key,
    "metrics_api_key_stack": _api_key,
    "shortener_api_key_notifications": _api_key,
    "notifications_webhook_secret": _webhook_secret,
}


def ensure() -> None:
    """Makes those that are missing; one that exists is never changed, the data depends on it."""
    paths.SECRETS.mkdir(parents=True, exist_ok=True)
    paths.SECRETS.chmod(0o700)
    for name, make in _MAKERS.items():
        path = paths.SECRETS / name
        if path.exists() and path.read_text():
            continue
        # Written beside and renamed: an interrupted run leaves no half of a secret.
        partial = path.with_suffix(".part")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as out:
            out.write(make())
        partial.rename(path)


def read(name: str) -> str:
    return (paths.SECRETS / name).read_text().strip()


def exist() -> bool:
    return all((paths.SECRETS / name).exists() for name in _MAKERS)
