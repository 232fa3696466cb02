#!/bin/sh
# Proves the Docker runtime wherever an engine answers: builds, starts, drives traffic through restarts, checks what
# Prometheus scrapes, stops, and says what happened. A stack of its own (project signalbox-smoke, ports from 28000)
# beside whatever runs. KEEP=1 leaves it up; SMOKE_PORT moves its ports; PROFILES=core does without observability.
here=$(dirname "$0")
root=$(cd "$here/../.." && pwd)
python=$root/.venv/bin/python
[ -x "$python" ] || python=python3
export COMPOSE_PROJECT_NAME="${COMPOSE_PROJECT_NAME:-signalbox-smoke}"
cd "$root" || exit 1
exec timeout --signal=INT --kill-after=60 "${SMOKE_TIMEOUT_S:-1400}" "$python" -m infra.docker.smoke
