"""`python -m notifications.catcher`: SMTP in, HTTP out, one process."""

from chassis import server
from chassis.health import Health

from notifications.catcher.app import create_catcher
from notifications.catcher.settings import CatcherSettings


def main() -> None:
    settings = CatcherSettings()
    health = Health()
    server.serve(create_catcher(settings, health), settings, health=health)


if __name__ == "__main__":
    main()
