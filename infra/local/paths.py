"""Where things stand: the checkout, and the one ignored folder that holds all run-time state."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INFRA = ROOT / "infra"
RUN = ROOT / ".run"
DATA = RUN / "data"
LOGS = RUN / "log"
SECRETS = RUN / "secrets"
CACHE = RUN / "cache"
DOCKER = RUN / "docker"
TARGETS = RUN / "prometheus" / "targets"
SUPERVISOR = RUN / "supervisor"
OUT = ROOT / "out"
