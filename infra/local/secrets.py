"""The secrets of a development machine: random, made once, in files that only their owner reads."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from infra.local import paths


def _password() -> str:
    return secrets.token_urlsafe(24)


def _key() -> str:
    return secrets.token_hex(32)


def _api_key() -> str:
    """128 random bits and more; the prefix lets a scanner tell it from other keys."""
    return f"sb_{secrets.token_urlsafe(24)}"


NAMES: dict[str, Callable[[], str]] = {
    "postgres_password": _password,
    "shortener_database_password": _password,
    "redis_password": _password,
    "grafana_admin_password": _password,
    "admin_api_key": _api_key,
    "shortener_api_key": _api_key,
    "shortener_api_key_2": _api_key,
    "shortener_api_key_limited": _api_key,
    "shortener_id_key": _key,
    "visitor_salt_key": _key,
}


def ensure(folder: Path = paths.SECRETS) -> Path:
    """Makes those that are missing and keeps the rest: data that a run left behind was made with them."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, make in NAMES.items():
        _create(folder / name, make())
    return folder


def _create(path: Path, value: str) -> None:
    """Whole or not at all, and never over an existing one, even when two runs start together."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.touch(mode=0o600)
    partial.write_text(value)
    try:
        os.link(partial, path)
    except FileExistsError:
        return
    finally:
        partial.unlink()


def read(name: str, folder: Path = paths.SECRETS) -> str:
    return (folder / name).read_text().strip()
