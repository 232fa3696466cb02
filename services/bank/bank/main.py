"""`python -m bank.main`: the processor, one process."""

from chassis import server
from chassis.health import Health

from bank.app import create_bank, with_faults
from bank.settings import BankSettings


def main() -> None:
    settings = BankSettings()  # type: ignore[call-arg]  # from the environment
    health = Health()
    server.serve(with_faults(create_bank(settings, health)), settings, health=health)


if __name__ == "__main__":
    main()
