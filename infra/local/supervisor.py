"""The process supervisor: its generated configuration, and its XML-RPC interface over a Unix socket."""

import hashlib
import http.client
import os
import socket
import sys
import tempfile
import xmlrpc.client
from pathlib import Path
from typing import Any

from infra.local import account, catalog, paths, settings
from infra.local.catalog import Process, Program

CONFIG = paths.SUPERVISOR / "supervisord.conf"
PIDFILE = paths.SUPERVISOR / "supervisord.pid"
LOG = paths.LOGS / "supervisord.log"
MARK = "SIGNALBOX_RUN"
_SOCKET_PATH_MAX = 100  # the kernel's limit is 108 bytes
_RPC_TIMEOUT_S = 60.0
# What supervisord calls a process that runs or is about to.
LIVE = ("RUNNING", "STARTING", "BACKOFF")


class SupervisorError(Exception):
    """The supervisor refused a request."""


def socket_path() -> Path:
    path = paths.SUPERVISOR / "supervisor.sock"
    if len(str(path)) <= _SOCKET_PATH_MAX:
        return path
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"signalbox-{os.geteuid()}-{digest}.sock"


def write_config() -> None:
    for folder in (paths.SUPERVISOR, paths.LOGS, paths.DATA, paths.TARGETS):
        folder.mkdir(parents=True, exist_ok=True)
    sections = [_daemon(), _janitor(), *(_program(p) for p in catalog.PROGRAMS)]
    CONFIG.write_text("\n".join(sections))
    CONFIG.chmod(0o600)


def _escape(value: object) -> str:
    return str(value).replace("%", "%%")


def _daemon() -> str:
    # Silences the warning about root: every program drops or keeps its account knowingly.
    user = "user=root\n" if account.is_root() else ""
    return f"""\
[unix_http_server]
file={_escape(socket_path())}
chmod=0600

[supervisord]
{user}logfile={_escape(LOG)}
logfile_maxbytes=5MB
logfile_backups=1
pidfile={_escape(PIDFILE)}
childlogdir={_escape(paths.LOGS)}
directory={_escape(paths.ROOT)}
strip_ansi=false

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""


def _janitor() -> str:
    return f"""\
[eventlistener:janitor]
command={_escape(sys.executable)} -m infra.local.janitor
events=TICK_60
autorestart=true
stderr_logfile=NONE
"""


def _program(program: Program) -> str:
    """Nothing starts by itself: `up` starts in the order of readiness. What dies is started again."""
    public = settings.ports()[program.port_variable]
    kind = "fcgi-program" if program.shares_socket else "program"
    # The supervisor holds the public socket, so a replica that restarts loses no connection.
    shared = f"socket=tcp://127.0.0.1:{public}\nsocket_backlog=4096\n" if program.shares_socket else ""
    return f"""\
[{kind}:{program.name}]
{shared}command={_escape(sys.executable)} -m infra.local.launch {program.name} %(process_num)d
process_name={program.name}-%(process_num)d
numprocs={program.replicas_max}
numprocs_start=1
directory={_escape(paths.ROOT)}
autostart=false
autorestart=true
startsecs=1
startretries=100000
stopsignal={program.stop_signal}
stopwaitsecs={program.stop_wait_s}
killasgroup=true
stdout_logfile=NONE
stderr_logfile=NONE
"""


class _Connection(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_RPC_TIMEOUT_S)
        self.sock.connect(str(socket_path()))


class _Transport(xmlrpc.client.Transport):
    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        return _Connection(host if isinstance(host, str) else host[0])


def call(method: str, *arguments: Any) -> Any:
    """A method of supervisord's API, without its namespace. OSError when no supervisor runs."""
    proxy = xmlrpc.client.ServerProxy("http://localhost/RPC2", transport=_Transport(), allow_none=True)
    with proxy:
        try:
            return getattr(proxy.supervisor, method)(*arguments)
        except xmlrpc.client.Fault as fault:
            raise SupervisorError(fault.faultString) from None


def alive() -> bool:
    try:
        return bool(call("getState")["statename"] == "RUNNING")
    except (OSError, http.client.HTTPException):
        return False


def states() -> dict[str, dict[str, Any]]:
    """What supervisord says of each replica, by `group:name`; empty when it does not run."""
    try:
        infos = call("getAllProcessInfo")
    except (OSError, http.client.HTTPException):
        return {}
    return {f"{info['group']}:{info['name']}": info for info in infos if info["group"] != "janitor"}


def start(process: Process) -> None:
    try:
        call("startProcess", process.supervised_name, False)
    except SupervisorError as error:
        if "ALREADY_STARTED" not in str(error):
            raise


def stop(process: Process) -> None:
    try:
        call("stopProcess", process.supervised_name, True)
    except SupervisorError as error:
        if "NOT_RUNNING" not in str(error):
            raise
