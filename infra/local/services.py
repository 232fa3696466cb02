"""What each service is given on top of what all are given: its servers, secrets, addresses and choices."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from infra.local import paths, secrets, settings
from infra.local.catalog import Process
from infra.local.errors import LocalError


@dataclass(frozen=True, slots=True)
class Service:
    """`name` is that of its package, its database and its role."""

    name: str
    word: str = ""  # in the names of its port and of its lines in `make env`, where that is not its name
    secrets: tuple[str, ...] = ()
    # Secrets that it knows under another name: its variable, and the secret.
    secrets_as: Mapping[str, str] = field(default_factory=dict)
    # What only `python -m <name>.seed` reads; a service without any has no seed. Callers' keys are printed by
    # `make env`, those of our own services are not.
    seed_secrets: tuple[str, ...] = ()
    peer_secrets: tuple[str, ...] = ()
    public: bool = True  # `make env` tells its address
    database: bool = True
    redis: bool = True
    kafka: bool = True
    # Values may name ports: {BANK_PORT}.
    variables: Mapping[str, str] = field(default_factory=dict)
    # Handed on where the environment or .env has them.
    optional: tuple[str, ...] = ()

    @property
    def program(self) -> str:
        """The one that answers HTTP."""
        return self.name.replace("_", "-")


# Receivers of a developer's own machine; everything else that is private stays refused.
_LOOPBACK = "127.0.0.1,localhost,::1"
# The API of orders may make consumers fail on purpose: the way to see parking, dead letters and redrive.
_FAULTS = {"FAULTS_ENABLED": "true"}

SHORTENER = Service(
    "shortener",
    secrets=("admin_api_key", "shortener_id_key", "visitor_salt_key"),
    seed_secrets=("shortener_api_key", "shortener_api_key_2", "shortener_api_key_limited"),
    peer_secrets=("shortener_api_key_notifications",),
    variables={"PUBLIC_BASE_URL": "http://127.0.0.1:{SHORTENER_PORT}", **_FAULTS},
    optional=("GEOIP_DATABASE",),
)
PAYMENTS = Service(
    "payments",
    secrets=("admin_api_key", "bank_api_key"),
    seed_secrets=("payments_api_key", "payments_api_key_2"),
    peer_secrets=("payments_api_key_orders",),
    variables={
        "PUBLIC_BASE_URL": "http://127.0.0.1:{PAYMENTS_PORT}",
        "BANK_URL": "http://127.0.0.1:{BANK_PORT}",
        "WEBHOOK_ALLOWED_HOSTS": _LOOPBACK,
    },
)
BANK = Service("bank", secrets=("admin_api_key", "bank_api_key"), redis=False, kafka=False)
ORDERS = Service(
    "orders",
    secrets=("admin_api_key", "inventory_api_key"),
    secrets_as={"STRIPE_API_KEY": "payments_api_key_orders"},
    seed_secrets=("orders_api_key", "orders_api_key_2"),
    variables={
        "INVENTORY_URL": "http://127.0.0.1:{INVENTORY_PORT}",
        "STRIPE_API_BASE": "http://127.0.0.1:{PAYMENTS_PORT}",
        "WEBHOOK_ALLOWED_HOSTS": _LOOPBACK,
        **_FAULTS,
    },
)
INVENTORY = Service("inventory", secrets=("inventory_api_key",), public=False, variables=_FAULTS)
NOTIFICATIONS = Service(
    "notifications",
    secrets_as={
        "SHORTENER_API_KEY": "shortener_api_key_notifications",
        "WEBHOOK_SECRET": "notifications_webhook_secret",
    },
    variables={
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": "{SMTP_PORT}",
        "MAIL_FROM": "orders@signalbox.example",
        "CUSTOMER_EMAIL_DOMAIN": "customers.example.com",
        "SHORTENER_URL": "http://127.0.0.1:{SHORTENER_PORT}",
        "TRACKING_URL": "https://tracking.example.com/orders/{{order_id}}",
        "WEBHOOK_ALLOWED_HOSTS": _LOOPBACK,
        **_FAULTS,
    },
)
METRICS_INGEST = Service(
    "metrics_ingest",
    word="metrics",
    secrets=("admin_api_key",),
    # The third is the stack's own: its Prometheus writes here (infra/prometheus).
    seed_secrets=("metrics_api_key", "metrics_api_key_2", "metrics_api_key_stack"),
    variables={
        "VICTORIAMETRICS_URL": "http://127.0.0.1:{VICTORIAMETRICS_PORT}",
        "STATSD_HOST": "127.0.0.1",
        "STATSD_PORT": "{STATSD_PORT}",
        "STATSD_TENANT": "demo",
        # Of the C library: what one large body took goes back to the system at once, and is not kept.
        "MALLOC_MMAP_THRESHOLD_": "262144",
    },
)
# Somebody else's mail server: a program of notifications' package that shares nothing else with it.
MAILCATCHER = Service(
    "mailcatcher",
    secrets=("admin_api_key",),
    database=False,
    redis=False,
    kafka=False,
    variables={"SMTP_PORT": "{SMTP_PORT}"},
)

ALL = (SHORTENER, PAYMENTS, BANK, ORDERS, INVENTORY, NOTIFICATIONS, MAILCATCHER, METRICS_INGEST)
WITH_DATABASE = tuple(service for service in ALL if service.database)


def of_package(name: str) -> Service:
    for found in ALL:
        if found.name == name:
            return found
    raise LocalError(f"{name} is not declared in infra/local/services.py")


def environment(process: Process) -> dict[str, str]:
    """Of a running process, as docker-compose.yml gives it."""
    service = of_package(process.program.package)
    chosen = common_environment(service) | {
        "SERVICE_NAME": process.program.name,
        "HTTP_HOST": "127.0.0.1",
        "HTTP_PORT": str(process.port),
        "TRACE_FILE": str(paths.DATA / "traces" / f"{process.name}.jsonl"),
    }
    if process.program.shares_socket:
        chosen["HTTP_PUBLIC_FD"] = "0"
    return chosen


def common_environment(service: Service) -> dict[str, str]:
    """Of everything that runs the service's code, its migrations and its seed too."""
    ports = settings.ports()
    chosen = {
        "ENVIRONMENT": "local",
        "LOG_LEVEL": settings.variable("LOG_LEVEL") or "info",
        "ACCESS_LOG": settings.variable("ACCESS_LOG") or "sampled",
        "DATABASE_POOL_MAX": settings.variable("DATABASE_POOL_MAX") or "10",
        "TRACE_SAMPLE_RATIO": settings.variable("TRACE_SAMPLE_RATIO") or "0.01",
    }
    if service.database:
        where = f"127.0.0.1:{ports['POSTGRES_PORT']}/{service.name}"
        chosen["DATABASE_URL"] = f"postgresql://{service.name}@{where}"
        chosen["DATABASE_PASSWORD"] = secrets.read(f"{service.name}_database_password")
    if service.redis:
        chosen["REDIS_URL"] = f"redis://127.0.0.1:{ports['REDIS_PORT']}/0"
        chosen["REDIS_PASSWORD"] = secrets.read("redis_password")
    if service.kafka:
        chosen["KAFKA_BOOTSTRAP"] = f"127.0.0.1:{ports['KAFKA_PORT']}"
    chosen |= {name: value.format_map(ports) for name, value in service.variables.items()}
    chosen |= {name: value for name in service.optional if (value := settings.variable(name))}
    chosen |= {name: secrets.read(secret) for name, secret in service.secrets_as.items()}
    return chosen | secrets_of(service.secrets)


def seed_environment(service: Service) -> dict[str, str]:
    return common_environment(service) | secrets_of((*service.seed_secrets, *service.peer_secrets))


def secrets_of(names: tuple[str, ...]) -> dict[str, str]:
    return {name.upper(): secrets.read(name) for name in names}
