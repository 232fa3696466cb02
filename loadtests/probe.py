"""The smallest scenario: one path asked again and again, to try the harness on any server."""

from collections.abc import Mapping
from typing import ClassVar

from loadtests.harness import OpenUser

ANSWERED = (200, 301, 302, 307, 308)


class ProbeUser(OpenUser):
    """Needs no key and prepares nothing."""

    service = "probe"
    mix: ClassVar[Mapping[str, float]] = {"visit": 1}

    def visit(self) -> None:
        self.http.send("GET", "/link").expect(*ANSWERED)
