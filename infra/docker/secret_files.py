"""Secrets as containers can read them: copies of .run/secrets, and the files made from them."""

import hashlib
from pathlib import Path

from infra.docker.engine import PROJECT
from infra.local import paths

FOLDER = paths.DOCKER / PROJECT / "secrets"


def write(source: Path, folder: Path) -> None:
    """A container's user does not own these files, so all may read them; only the owner enters their folder.

    A bind mount of one file does not pass through the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    for secret in sorted(source.iterdir()):
        if secret.is_file():
            _write(folder / secret.name, secret.read_text())
    _write(folder / "redis_acl", redis_acl((source / "redis_password").read_text().strip()))


def redis_acl(password: str) -> str:
    """One user, its password as a hash: the file says nothing that opens the server."""
    return f"user default on #{hashlib.sha256(password.encode()).hexdigest()} ~* &* +@all\n"


def _write(path: Path, text: str) -> None:
    """Whole or not at all, and only once: volumes were made with these, whatever becomes of .run/secrets."""
    if path.exists():
        return
    partial = path.with_name(f".{path.name}.part")
    partial.write_text(text)
    partial.chmod(0o644)
    partial.rename(path)
