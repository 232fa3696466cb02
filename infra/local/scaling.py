"""More or fewer processes of one program, and new ones in place of old without a gap."""

from infra.local import catalog, daemon, prepare, replicas, starting, supervisor
from infra.local.catalog import Process
from infra.local.errors import LocalError
from infra.local.progress import step


def scale(service: str, count: str) -> None:
    daemon.require()
    program = catalog.program(service)
    if program.replicas_max == 1:
        names = " ".join(p.name for p in catalog.SCALABLE)
        raise LocalError(f"{service} cannot be scaled", hint=f"SERVICE= one of: {names}")
    if not count.isdecimal() or not 1 <= int(count) <= program.replicas_max:
        raise LocalError(
            f"N={count or '?'} is not a number from 1 to {program.replicas_max}", hint="N=3, say"
        )
    before = len(replicas.wanted(program))
    replicas.remember(program, int(count))
    # Fewer: out of discovery first, so that nobody is alarmed about one that was asked to leave.
    prepare.write_targets(replicas.all_wanted())
    for number in range(before, int(count), -1):
        with step(f"stopping {Process(program, number).name}"):
            supervisor.stop(Process(program, number))
    starting.start(replicas.wanted(program))


def restart(service: str) -> None:
    """One replica after the other, each ready before the next goes."""
    daemon.require()
    if not service:
        raise LocalError("which one?", hint="make restart SERVICE=shortener")
    for process in replicas.named(service):
        with step(f"stopping {process.name}"):
            supervisor.stop(process)
        starting.start([process])
