"""One thing that the reconcile looked at."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """`detail` says how much was looked at, or what is wrong."""

    name: str
    ok: bool
    detail: str
