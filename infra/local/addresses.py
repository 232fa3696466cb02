"""The addresses and keys that `make env` prints, alike on both runtimes."""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet

from infra.local import services
from infra.local.postgres import ADMIN

_SERVERS_WITH_PAGES = ("victoriametrics", "prometheus", "alertmanager", "grafana", "tempo")


def of(started: AbstractSet[str], ports: Mapping[str, int], secret: Callable[[str], str]) -> dict[str, str]:
    """Only of what was started. `ports` go by their variables' names; DATABASE_URL is an administrator's."""
    found: dict[str, str] = {}
    for service in services.ALL:
        if service.program in started and service.public:
            word = service.word or service.name
            found[f"{word.upper()}_URL"] = _url(word, ports)
            found |= {name.upper(): secret(name) for name in service.seed_secrets}
            found |= {"ADMIN_API_KEY": secret("admin_api_key")}
    found |= {f"{name.upper()}_URL": _url(name, ports) for name in _SERVERS_WITH_PAGES if name in started}
    if "metrics-ingest" in started:
        found["STATSD_ADDR"] = f"127.0.0.1:{ports['STATSD_PORT']}"
    if "kafka" in started:
        found["KAFKA_BOOTSTRAP"] = f"127.0.0.1:{ports['KAFKA_PORT']}"
    if "redis" in started:
        found["REDIS_URL"] = f"redis://:{secret('redis_password')}@127.0.0.1:{ports['REDIS_PORT']}/0"
    if "postgres" in started:
        who = f"{ADMIN}:{secret('postgres_password')}"
        found["DATABASE_URL"] = f"postgresql://{who}@127.0.0.1:{ports['POSTGRES_PORT']}/postgres"
    return found


def _url(name: str, ports: Mapping[str, int]) -> str:
    return f"http://127.0.0.1:{ports[f'{name.upper()}_PORT']}"
