"""`python -m inventory.main`: the HTTP process."""

from chassis import server
from chassis.health import Health

from inventory.app import create
from inventory.settings import InventorySettings


def main() -> None:
    settings = InventorySettings()
    health = Health()
    server.serve(create(settings, health), settings, health=health)


if __name__ == "__main__":
    main()
