"""Every service at once: the shortener's traffic, and orders among it that move stock, money and mails."""

from collections.abc import Mapping
from typing import ClassVar

from loadtests.harness import OpenEnvironment
from loadtests.http import Http
from loadtests.orders import OrdersUser
from loadtests.shortener import TAG, ShortenerUser
from loadtests.target import Target, parse_target


class MixedUser(ShortenerUser):
    """Grows with the services; the shares are of all arrivals, and what an order sets off comes on top."""

    service = "mixed"
    mix: ClassVar[Mapping[str, float]] = {
        "redirect": 84,
        "create": 4,
        "stats": 2,
        "search": 2,
        "update": 2,
        "qr_code": 2,
        "place_order": 3,
        "complete_order": 1,
    }
    shop: ClassVar[Target]

    def __init__(self, environment: OpenEnvironment) -> None:
        super().__init__(environment)
        # A customer of the other service: its operations, on a connection of its own.
        self.customer = OrdersUser(environment)
        self.customer.http = Http(self.shop)

    @classmethod
    def prepare(cls, target: Target, environ: Mapping[str, str]) -> None:
        super().prepare(target, environ)
        cls.shop = parse_target(environ[OrdersUser.url_variable])
        OrdersUser.prepare(cls.shop, environ)

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

    def place_order(self) -> None:
        self.customer.place()

    def complete_order(self) -> None:
        self.customer.complete()

    def on_stop(self) -> None:
        self.customer.on_stop()
        super().on_stop()
