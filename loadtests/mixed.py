"""Every service at once: the shortener's traffic with management, search and QR codes among it."""

from collections.abc import Mapping
from typing import ClassVar

from loadtests.shortener import TAG, ShortenerUser


class MixedUser(ShortenerUser):
    """Grows with the services; the shares are of all arrivals."""

    service = "mixed"
    mix: ClassVar[Mapping[str, float]] = {
        "redirect": 88,
        "create": 4,
        "stats": 2,
        "search": 2,
        "update": 2,
        "qr_code": 2,
    }

    def search(self) -> None:
        self.http.send("GET", f"/v1/links?tag={TAG}&limit=20", headers=self.authorization).expect(200)

    def update(self) -> None:
        link_id = self.links[self.popularity.draw(self.random)][0]
        document = {"tags": [TAG, f"shelf-{self.random.randrange(100)}"]}
        headers = self.authorization
        self.http.send("PATCH", f"/v1/links/{link_id}", document=document, headers=headers).expect(200)

    def qr_code(self) -> None:
        link_id = self.links[self.popularity.draw(self.random)][0]
        self.http.send("GET", f"/v1/links/{link_id}/qr", headers=self.authorization).expect(200)
