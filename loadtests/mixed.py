"""Every service at once: the shortener's traffic, orders among it that move stock and money, and metrics."""

from collections.abc import Mapping
from typing import ClassVar

from loadtests.harness import OpenEnvironment
from loadtests.http import Http
from loadtests.metrics import MetricsUser
from loadtests.orders import OrdersUser
from loadtests.shortener import TAG, ShortenerUser
from loadtests.target import Target, parse_target


class MixedUser(ShortenerUser):
    """Grows with the services; the shares are of all arrivals, and what an order sets off comes on top."""

    service = "mixed"
    mix: ClassVar[Mapping[str, float]] = {
        "redirect": 82,
        "create": 4,
        "stats": 2,
        "search": 2,
        "update": 2,
        "qr_code": 2,
        "place_order": 3,
        "complete_order": 1,
        "write_points": 2,
    }
    shop: ClassVar[Target]
    meters: ClassVar[Target]

    def __init__(self, environment: OpenEnvironment) -> None:
        super().__init__(environment)
        # Callers of the other services: their operations, on connections of their own.
        self.customer = OrdersUser(environment)
        self.customer.http = Http(self.shop)
        self.sender = MetricsUser(environment)
        self.sender.http = Http(self.meters)

    @classmethod
    def prepare(cls, target: Target, environ: Mapping[str, str]) -> None:
        super().prepare(target, environ)
        cls.shop = parse_target(environ[OrdersUser.url_variable])
        OrdersUser.prepare(cls.shop, environ)
        cls.meters = parse_target(environ[MetricsUser.url_variable])
        MetricsUser.prepare(cls.meters, environ)

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

    def write_points(self) -> None:
        self.sender.remote_write()

    def on_stop(self) -> None:
        self.customer.on_stop()
        self.sender.on_stop()
        super().on_stop()
