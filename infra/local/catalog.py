"""What runs: the programs of the stack, their ports, what they need, and the names of their replicas."""

from collections.abc import Iterator
from dataclasses import dataclass

from infra.local import settings
from infra.local.errors import LocalError

REPLICAS_MAX = 8


@dataclass(frozen=True, slots=True)
class Program:
    name: str
    port_variable: str
    module: str | None = None  # of a service; a server has none
    service: str = ""  # what it is given (infra/local/services.py), where that is not its package's
    replicas_max: int = 1
    # The public address of all replicas is `port_variable`, held by the supervisor; replica N listens on +N.
    shares_socket: bool = False
    stop_signal: str = "TERM"
    stop_wait_s: int = 20
    ready_path: str | None = None
    ready_timeout_s: float = 120.0

    @property
    def package(self) -> str:
        """Of a service: the database, the role and the migrations carry its name."""
        return self.service or (self.module or "").partition(".")[0]

    def port(self, number: int = 1) -> int:
        base = settings.ports()[self.port_variable]
        return base + number if self.shares_socket else base + number - 1


@dataclass(frozen=True, slots=True)
class Process:
    """One replica of a program."""

    program: Program
    number: int = 1

    @property
    def name(self) -> str:
        return self.program.name if self.number == 1 else f"{self.program.name}-{self.number}"

    @property
    def port(self) -> int:
        return self.program.port(self.number)

    @property
    def supervised_name(self) -> str:
        return f"{self.program.name}:{self.program.name}-{self.number}"


POSTGRES = Program("postgres", "POSTGRES_PORT", stop_signal="INT", stop_wait_s=30)
REDIS = Program("redis", "REDIS_PORT")
KAFKA = Program("kafka", "KAFKA_PORT", stop_wait_s=30)
PROMETHEUS = Program("prometheus", "PROMETHEUS_PORT", ready_path="/-/ready")
VICTORIAMETRICS = Program("victoriametrics", "VICTORIAMETRICS_PORT", stop_wait_s=30, ready_path="/health")
ALERTMANAGER = Program("alertmanager", "ALERTMANAGER_PORT", ready_path="/-/ready")


def _api(name: str, port_variable: str, package: str) -> Program:
    return Program(
        name,
        port_variable,
        module=f"{package}.main",
        replicas_max=REPLICAS_MAX,
        shares_socket=True,
        ready_path="/readyz",
    )


def _worker(name: str, port_variable: str, package: str) -> Program:
    return Program(
        name,
        port_variable,
        module=f"{package}.worker",
        replicas_max=REPLICAS_MAX,
        stop_wait_s=30,
        ready_path="/readyz",
    )


SHORTENER = _api("shortener", "SHORTENER_PORT", "shortener")
SHORTENER_WORKER = _worker("shortener-worker", "SHORTENER_WORKER_PORT", "shortener")
PAYMENTS = _api("payments", "PAYMENTS_PORT", "payments")
PAYMENTS_WORKER = _worker("payments-worker", "PAYMENTS_WORKER_PORT", "payments")
INVENTORY = _api("inventory", "INVENTORY_PORT", "inventory")
INVENTORY_WORKER = _worker("inventory-worker", "INVENTORY_WORKER_PORT", "inventory")
ORDERS = _api("orders", "ORDERS_PORT", "orders")
ORDERS_WORKER = _worker("orders-worker", "ORDERS_WORKER_PORT", "orders")
NOTIFICATIONS_WORKER = _worker("notifications-worker", "NOTIFICATIONS_WORKER_PORT", "notifications")
METRICS_INGEST = _api("metrics-ingest", "METRICS_PORT", "metrics_ingest")
METRICS_WRITER = _worker("metrics-writer", "METRICS_WRITER_PORT", "metrics_ingest")
# One process each, standing for others' systems: the bank's book has one writer, mails lie in memory.
BANK = Program("bank", "BANK_PORT", module="bank.main", ready_path="/readyz")
MAILCATCHER = Program(
    "mailcatcher",
    "MAILCATCHER_PORT",
    module="notifications.catcher",
    service="mailcatcher",
    ready_path="/readyz",
)

SERVERS = (POSTGRES, REDIS, KAFKA, VICTORIAMETRICS, PROMETHEUS, ALERTMANAGER)
# A program calls only those of earlier layers: they start before it and stop after it.
LAYERS = (
    (BANK, MAILCATCHER),
    (
        *(SHORTENER, SHORTENER_WORKER, PAYMENTS, PAYMENTS_WORKER, INVENTORY, INVENTORY_WORKER),
        *(METRICS_INGEST, METRICS_WRITER),
    ),
    (ORDERS, ORDERS_WORKER, NOTIFICATIONS_WORKER),
)
SERVICES = tuple(program for layer in LAYERS for program in layer)
PROGRAMS = (*SERVERS, *SERVICES)
SCALABLE = tuple(program for program in PROGRAMS if program.replicas_max > 1)


def program(name: str) -> Program:
    for found in PROGRAMS:
        if found.name == name:
            return found
    raise LocalError(f"there is no service {name}", hint=f"one of: {' '.join(p.name for p in PROGRAMS)}")


def processes() -> Iterator[Process]:
    for each in PROGRAMS:
        yield from (Process(each, number) for number in range(1, each.replicas_max + 1))


def process(name: str) -> Process | None:
    """A replica called by its own name, such as shortener-2; a scalable program's bare name is all of it."""
    return next(
        (p for p in processes() if p.name == name and (p.number > 1 or p.program.replicas_max == 1)), None
    )
