"""One Kafka broker in KRaft mode as an ordinary process; its jars come through Maven."""

import fcntl
import hashlib
import os
import re
import shutil
import socket
import struct
import subprocess
import tempfile
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path

from infra.local import paths
from infra.local.errors import LocalError

_JAVA_MIN = 17
_JVM_FLAGS = (
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Xshare:auto",
    "-Djava.awt.headless=true",
)
_ARCHIVE = "classes.jsa"
_ARCHIVE_TIMEOUT_S = 60
_API_VERSIONS = struct.pack(">hhih", 18, 0, 1, -1)


def java() -> str:
    home = os.environ.get("JAVA_HOME")
    program = shutil.which("java", path=f"{home}/bin") if home else None
    program = program or shutil.which("java")
    if program is None:
        raise LocalError(
            "java is missing", hint=f"run `make setup`, or install a JRE of {_JAVA_MIN} or later"
        )
    done = subprocess.run([program, "-version"], capture_output=True, text=True, check=False, timeout=30)
    found = re.search(r'version "(\d+)', done.stderr)
    if found is None or int(found[1]) < _JAVA_MIN:
        raise LocalError(
            f"{program} is older than Java {_JAVA_MIN}", hint="install a newer JRE or set JAVA_HOME"
        )
    return program


def jars() -> Path:
    """The folder with the broker's jars, named by the hash of the pom; fetched once."""
    pom = paths.INFRA / "kafka" / "pom.xml"
    folder = paths.CACHE.resolve() / f"kafka-{hashlib.sha256(pom.read_bytes()).hexdigest()[:12]}"
    if folder.exists():
        return folder
    paths.CACHE.mkdir(parents=True, exist_ok=True)
    with (paths.CACHE / ".kafka.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _fetch(pom, folder)
    return folder


def _fetch(pom: Path, folder: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise LocalError("mvn is missing", hint="run `make setup`, or install maven")
    partial = folder.with_suffix(".part")
    shutil.rmtree(partial, ignore_errors=True)
    command = [
        *(maven, "-q", "-B", "-Dstyle.color=never", "-f", str(pom), "dependency:copy-dependencies"),
        *("-DincludeScope=runtime", f"-DoutputDirectory={partial}"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    if done.returncode != 0 or not any(partial.glob("kafka_2*.jar")):
        reason = next((line for line in done.stdout.splitlines() if "ERROR" in line), done.stderr.strip())
        raise LocalError(
            f"Maven could not fetch Kafka's jars: {reason}",
            hint="check the network (a proxy or mirror goes into ~/.m2/settings.xml) and run it again",
        )
    partial.rename(folder)


def set_up() -> None:
    """Jars, and the archive of their classes, with which a broker starts in two thirds of the time."""
    archive = jars() / _ARCHIVE
    if archive.exists():
        return
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        port, controller_port = _free_port(), _free_port()
        prepare(data, port, controller_port)
        dump = f"-XX:ArchiveClassesAtExit={archive}"
        broker = subprocess.Popen(
            [*_jvm(dump), "kafka.Kafka", str(data / "server.properties")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + _ARCHIVE_TIMEOUT_S
        while not ready(port) and broker.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        broker.terminate()
        try:
            broker.wait(_ARCHIVE_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            broker.kill()
            broker.wait()
    if not archive.exists():
        archive.touch()  # empty: this Java cannot make one, and is not asked again


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def prepare(data: Path, port: int, controller_port: int, settings: Mapping[str, str] | None = None) -> None:
    """Writes the broker's settings, and formats its log folder unless that is done."""
    data.mkdir(parents=True, exist_ok=True)
    base = (paths.INFRA / "kafka" / "server.properties").read_text()
    chosen = {
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "log.dirs": str(data / "log"),
        **(settings or {}),
    }
    lines = "".join(f"{name}={value}\n" for name, value in chosen.items())
    (data / "server.properties").write_text(f"{base}\n{lines}")
    if (data / "log" / "meta.properties").exists():
        return
    shutil.rmtree(data / "log", ignore_errors=True)
    cluster = urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode().replace("-", "A")
    command = [
        *_jvm(),
        "kafka.tools.StorageTool",
        "format",
        "-t",
        cluster,
        "-c",
        str(data / "server.properties"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode != 0:
        raise LocalError(
            f"Kafka's storage could not be formatted: {(done.stderr or done.stdout).strip()[-600:]}"
        )


def command(data: Path) -> list[str]:
    return [*_jvm(), "kafka.Kafka", str(data / "server.properties")]


def _jvm(*flags: str) -> list[str]:
    logging = paths.INFRA / "kafka" / "log4j2.xml"
    folder = jars()
    # Kafka's own jars first: lookup walks the path in order, and the archive holds for this order alone.
    libs = sorted(folder.glob("*.jar"), key=lambda p: (not p.name.startswith("kafka"), p.name))
    archive = folder / _ARCHIVE
    if not flags and archive.exists() and archive.stat().st_size:
        flags = (f"-XX:SharedArchiveFile={archive}", "-Xlog:disable", "-Xlog:all=error:stderr")
    class_path = ":".join(str(p) for p in libs)
    return [java(), *_JVM_FLAGS, *flags, f"-Dlog4j2.configurationFile={logging}", "-cp", class_path]


def ready(port: int) -> bool:
    """Answers ApiVersions only once the broker is registered and takes requests."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as conn:
            conn.settimeout(2)
            conn.sendall(struct.pack(">i", len(_API_VERSIONS)) + _API_VERSIONS)
            return len(conn.recv(4)) == struct.calcsize(">i")
    except OSError:
        return False
