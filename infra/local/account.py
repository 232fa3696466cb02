"""Which account a server runs as: the caller's, or an unprivileged one where root is refused."""

import os
import pwd
import shutil
from pathlib import Path

from infra.local.errors import LocalError

_CANDIDATES = ("postgres", "nobody")


def is_root() -> bool:
    return os.geteuid() == 0


def unprivileged() -> pwd.struct_passwd:
    for name in _CANDIDATES:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise LocalError(
        "root runs this and no unprivileged account exists for Postgres",
        hint="add one with `useradd --system postgres`, or run make as an ordinary user",
    )


def drop_prefix() -> list[str]:
    """The words before a command that must not run as root; none for an ordinary user."""
    if not is_root():
        return []
    account = unprivileged()
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise LocalError(
            "setpriv is missing", hint="install the package util-linux, or run as an ordinary user"
        )
    return [setpriv, f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]


def own(path: Path) -> None:
    """Gives a path to the unprivileged account when root runs this."""
    if is_root():
        account = unprivileged()
        os.chown(path, account.pw_uid, account.pw_gid)


def reaches(path: Path) -> bool:
    """Whether the unprivileged account can enter every folder above `path`."""
    if not is_root():
        return True
    account = unprivileged()
    for folder in path.resolve().parents:
        try:
            stat = folder.stat()
        except FileNotFoundError:
            continue
        if stat.st_uid == account.pw_uid:
            bit = 0o100
        elif stat.st_gid == account.pw_gid:
            bit = 0o010
        else:
            bit = 0o001
        if not stat.st_mode & bit:
            return False
    return True
