"""The same servers in containers, for machines that have a Docker engine and no server packages."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.local import kafka, paths, postgres, redis
from tests.support.eventually import eventually_sync
from tests.support.ports import free_port
from tests.support.servers import PASSWORD, START_TIMEOUT_S

IMAGES = {"postgres": "postgres:17", "redis": "redis:8", "kafka": "apache/kafka:4.3.1"}
_INNER_PORT = {"postgres": 5432, "redis": 6379, "kafka": 9092}
_READY = {"postgres": postgres.ready_by_protocol, "redis": redis.ready, "kafka": kafka.ready}


class Container:
    """The published port is chosen here and not by Docker: it must survive a restart."""

    pid = 0

    def __init__(self, kind: str, settings: Mapping[str, str] | None = None) -> None:
        from testcontainers.core.container import DockerContainer  # heavy, and rarely needed

        self.kind = kind
        self.port = free_port()
        self._made = False
        self._container = DockerContainer(IMAGES[kind]).with_bind_ports(_INNER_PORT[kind], self.port)
        getattr(self, f"_set_up_{kind}")(dict(settings or {}))

    @property
    def address(self) -> str:
        return {
            "postgres": f"postgresql://{postgres.ADMIN}:{PASSWORD}@127.0.0.1:{self.port}/postgres",
            "redis": f"redis://127.0.0.1:{self.port}/0",
            "kafka": f"127.0.0.1:{self.port}",
        }[self.kind]

    def _set_up_postgres(self, settings: dict[str, str]) -> None:
        self._container.with_env("POSTGRES_USER", postgres.ADMIN).with_env("POSTGRES_PASSWORD", PASSWORD)
        self._container.with_env("POSTGRES_DB", "postgres")
        options = {"max_connections": "200", **settings}
        self._container.with_command([w for k, v in options.items() for w in ("-c", f"{k}={v}")])

    def _set_up_redis(self, settings: dict[str, str]) -> None:
        options = {"save": "", "protected-mode": "no", **settings}
        self._container.with_command(
            ["redis-server", *(w for k, v in options.items() for w in (f"--{k}", v))]
        )

    def _set_up_kafka(self, settings: dict[str, str]) -> None:
        lines = (paths.INFRA / "kafka" / "server.properties").read_text().splitlines()
        base = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
        chosen = {
            **base,
            "listeners": "PLAINTEXT://:9092,CONTROLLER://:9093",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "controller.quorum.voters": "1@localhost:9093",
            **settings,
        }
        for name, value in chosen.items():
            self._container.with_env("KAFKA_" + name.upper().replace(".", "_"), value)

    def _docker(self) -> Any:
        return self._container.get_wrapped_container()

    def start(self) -> None:
        if self._made:
            self._docker().start()
        else:
            self._container.start()
            self._made = True
        eventually_sync(lambda: _READY[self.kind](self.port), timeout_s=START_TIMEOUT_S, interval_s=0.1)

    def stop(self) -> None:
        self._docker().stop()

    def kill(self) -> None:
        self._docker().kill()

    def pause(self) -> None:
        self._docker().pause()

    def resume(self) -> None:
        self._docker().unpause()

    def restart(self) -> None:
        self.stop()
        self.start()

    def close(self) -> None:
        if self._made:
            self._container.stop()


def postgres_container(_folder: Path, settings: Mapping[str, str] | None = None) -> Container:
    return Container("postgres", settings)


def redis_container(_folder: Path, settings: Mapping[str, str] | None = None) -> Container:
    return Container("redis", settings)


def kafka_container(_folder: Path, settings: Mapping[str, str] | None = None) -> Container:
    return Container("kafka", settings)
