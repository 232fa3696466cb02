"""What must be on disk before a server starts, and inside the servers before a service starts."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from infra.local import (
    account,
    catalog,
    kafka,
    launch,
    paths,
    postgres,
    prometheus,
    redis,
    secrets,
    services,
    settings,
)
from infra.local.catalog import Process
from infra.local.errors import LocalError
from infra.local.progress import say, step
from infra.local.services import Service

_DISK_MIN_BYTES = 500 * 1024 * 1024
_TASK_TIMEOUT_S = 120


def place_postgres() -> None:
    """Decides once where its data stands, and says so where that is not the usual folder."""
    data = paths.DATA / "postgres"
    data.parent.mkdir(parents=True, exist_ok=True)
    _reachable(data)


def servers(processes: Sequence[Process]) -> None:
    """Data folders and settings of the servers among `processes`, side by side: each takes a second."""
    _check_disk()
    secrets.ensure()
    todo = [process for process in processes if process.program.module is None]
    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(_prepare, process) for process in todo]:
            done.result()


def _check_disk() -> None:
    paths.RUN.mkdir(mode=0o755, exist_ok=True)
    free = shutil.disk_usage(paths.RUN).free
    if free < _DISK_MIN_BYTES:
        raise LocalError(
            f"only {free // 2**20} MB of disk are free under {paths.RUN}",
            hint="free at least 500 MB (`make clean` removes this stack's data)",
        )


def _prepare(process: Process) -> None:
    data = paths.DATA / process.name
    data.parent.mkdir(parents=True, exist_ok=True)
    match process.name:
        case "postgres":
            place_postgres()
            postgres.prepare(data.resolve(), password=secrets.read("postgres_password"))
        case "redis":
            redis.prepare(data, process.port, secrets.read("redis_password"))
        case "kafka":
            kafka.prepare(data, process.port, settings.ports()["KAFKA_CONTROLLER_PORT"])
        case _:
            data.mkdir(exist_ok=True)
            _require_program(process)
    if process.name == "prometheus":
        prometheus.configure(settings.ports()["METRICS_PORT"])


def _require_program(process: Process) -> None:
    program = launch.server_command(process)[0]
    if shutil.which(program) is None:
        raise LocalError(f"{process.name} is not installed", hint="run `make setup`")


def outside_folder() -> Path:
    """Where Postgres' data goes when its account cannot enter the checkout, as under /root."""
    digest = hashlib.sha256(str(paths.ROOT).encode()).hexdigest()[:12]
    return Path("/var/tmp") / f"signalbox-{digest}"  # noqa: S108  (its owner is checked)


def _reachable(data: Path) -> None:
    if data.is_symlink() or data.exists() or account.reaches(data):
        if data.is_symlink():
            data.resolve().parent.mkdir(mode=0o755, exist_ok=True)
        return
    folder = outside_folder()
    folder.mkdir(mode=0o755, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        raise LocalError(f"{folder} belongs to somebody else", hint="remove it, or move the checkout")
    user = account.unprivileged().pw_name
    say(f"  {user} cannot enter {paths.ROOT}: Postgres' data goes to {folder}")
    data.symlink_to(folder / "postgres")


def contents() -> None:
    """Databases, migrations, topics and accounts, as declared; nothing is done twice."""
    with step("databases, migrations, topics, accounts"), ThreadPoolExecutor() as pool:
        todo = [pool.submit(_topics)]
        _databases()
        todo += [pool.submit(_migrate_and_seed, service) for service in services.WITH_DATABASE]
        for done in todo:
            done.result()


def _topics() -> None:
    port = settings.ports()["KAFKA_PORT"]
    _run("topics", ["-m", "infra.kafka.topics", f"127.0.0.1:{port}"], {})


def _databases() -> None:
    environment = {
        "DATABASE_URL": f"postgresql://{postgres.ADMIN}@127.0.0.1:{settings.ports()['POSTGRES_PORT']}/postgres",
        "SECRETS_DIR": str(paths.SECRETS),
    }
    roles = [service.name for service in services.WITH_DATABASE]
    _run("databases", ["-m", "infra.postgres.databases", *roles], environment)


def _migrate_and_seed(service: Service) -> None:
    environment = services.common_environment(service)
    _run(f"migrations of {service.name}", ["-m", "chassis.migrate", service.name], environment)
    if service.seed_secrets:
        environment = services.seed_environment(service)
        _run(f"accounts of {service.name}", ["-m", f"{service.name}.seed"], environment)


def _run(what: str, words: list[str], environment: dict[str, str]) -> None:
    log = paths.LOGS / f"prepare-{what.replace(' ', '-')}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as out:
        done = subprocess.run(
            [sys.executable, *words],
            cwd=paths.ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            check=False,
            timeout=_TASK_TIMEOUT_S,
        )
    if done.returncode != 0:
        lines = log.read_text().strip().splitlines()
        raise LocalError(
            f"{what} failed: {lines[-1] if lines else done.returncode}", hint=f"its output: {log}"
        )


def write_targets(processes: Sequence[Process]) -> None:
    """Prometheus' file-based discovery: one file a process that exists, whether it answers or not."""
    alertmanagers = paths.TARGETS.parent / "alertmanagers"
    for folder in (paths.TARGETS, alertmanagers):
        folder.mkdir(parents=True, exist_ok=True)
    wanted = {f"{p.name}.json": p for p in processes if p.program.ready_path}
    for stale in paths.TARGETS.glob("*.json"):
        if stale.name not in wanted:
            stale.unlink()
    for name, process in wanted.items():
        labels = {"job": process.program.name, "instance": process.name}
        _write_target(paths.TARGETS / name, process, labels)
        if process.program is catalog.ALERTMANAGER:
            _write_target(alertmanagers / name, process, {})


def _write_target(path: Path, process: Process, labels: dict[str, str]) -> None:
    text = json.dumps([{"targets": [f"127.0.0.1:{process.port}"], "labels": labels}])
    if path.exists() and path.read_text() == text:
        return
    partial = path.with_suffix(".part")
    partial.write_text(text)
    partial.rename(path)
