"""`python -m payments.main`: the HTTP process."""

from chassis import server
from chassis.health import Health

from payments.app import create
from payments.settings import PaymentsSettings


def main() -> None:
    settings = PaymentsSettings()
    health = Health()
    server.serve(create(settings, health), settings, health=health)


if __name__ == "__main__":
    main()
