"""`python -m orders.main`: the HTTP process."""

from chassis import server
from chassis.health import Health

from orders.app import create
from orders.settings import OrdersSettings


def main() -> None:
    settings = OrdersSettings()
    health = Health()
    server.serve(create(settings, health), settings, health=health)


if __name__ == "__main__":
    main()
