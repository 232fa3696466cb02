"""Becomes one process of the stack: works out its command and environment, then replaces itself by it."""

import os
import resource
import sys

from infra.local import catalog, kafka, paths, postgres, prometheus, redis, services, victoriametrics
from infra.local.catalog import Process

_OPEN_FILES = 65_536


def server_command(process: Process) -> list[str]:
    data = paths.DATA / process.name
    match process.name:
        case "postgres":
            return postgres.command(data.resolve(), process.port)
        case "redis":
            return redis.command_with_file(data)
        case "kafka":
            return kafka.command(data)
        case "prometheus":
            return prometheus.command(data, process.port)
        case "victoriametrics":
            return victoriametrics.command(data, process.port)
        case _:
            return [
                alertmanager_program(),
                f"--config.file={paths.INFRA / 'alertmanager' / 'alertmanager.yml'}",
                f"--storage.path={data}",
                "--cluster.listen-address=",
                f"--web.listen-address=127.0.0.1:{process.port}",
            ]


def alertmanager_program() -> str:
    """Debian renames it."""
    import shutil

    return shutil.which("prometheus-alertmanager") or "alertmanager"


def main() -> None:
    program = catalog.program(sys.argv[1])
    process = Process(program, int(sys.argv[2]))
    environment = dict(os.environ)
    if program.module is None:
        command = server_command(process)
    else:
        command = [sys.executable, "-m", program.module]
        environment |= services.environment(process)
        (paths.DATA / "traces").mkdir(parents=True, exist_ok=True)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES if hard < 0 else min(_OPEN_FILES, hard), hard))
    # Straight to the file: thousands of lines a second through the supervisor's pipe would cost a core.
    log = os.open(paths.LOGS / f"{process.name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    os.execvpe(command[0], command, environment)  # noqa: S606  (its purpose)


if __name__ == "__main__":
    main()
