#!/bin/sh
# Installs what is missing, and only that, on Debian or Ubuntu; says first what and why. Parts: python, servers.
# No system service is started, none that comes with a package is left enabled, no database cluster is made.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(dirname -- "$(dirname -- "$here")")
cd "$root"
venv=$root/.venv
log=$root/.run/log/setup.log
disk_min_mb=1500
umask 022

say() { printf '%s\n' "$*" >&2; }

fail() {
    printf 'error: %s\n  next: %s\n' "$1" "$2" >&2
    exit 1
}

# step WHAT HINT COMMAND...: runs it with a dot every two seconds; its output goes to the log, its end to the user.
step() {
    what=$1
    hint=$2
    shift 2
    printf '  %s ' "$what" >&2
    started=$(date +%s)
    {
        echo "== $what"
        date
    } >>"$log"
    from=$(wc -l <"$log")
    "$@" >>"$log" 2>&1 </dev/null &
    child=$!
    while kill -0 "$child" 2>/dev/null; do
        sleep 0.2
        now=$(date +%s)
        [ $(((now - started) % 2)) -eq 1 ] || [ "$now" = "${dotted:-}" ] || {
            [ "$now" = "$started" ] || printf '.' >&2
            dotted=$now
        }
    done
    if wait "$child"; then
        say "done in $(($(date +%s) - started)) s"
    else
        say "failed"
        tail -n +"$((from + 1))" "$log" | tail -n 15 | sed 's/^/    /' >&2
        fail "$what failed" "$hint (the whole output: $log)"
    fi
}

require_disk() {
    free_mb=$(df -Pm "$root" | awk 'NR == 2 { print $4 }')
    [ "$free_mb" -ge "$disk_min_mb" ] ||
        fail "only $free_mb MB of disk are free under $root" "free at least $disk_min_mb MB"
}

# --- What is missing

# python_of: the newest interpreter that the project supports.
python_of() {
    for name in python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3; do
        if command -v "$name" >/dev/null 2>&1 &&
            "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
}

java_fits() {
    version=$(java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p')
    [ "${version:-0}" -ge 17 ]
}

have() { command -v "$1" >/dev/null 2>&1; }

have_postgres() {
    have initdb && return
    for program in /usr/lib/postgresql/*/bin/initdb; do [ -x "$program" ] && return; done
    return 1
}

venv_works() { [ -x "$venv/bin/uv" ] && "$venv/bin/python" -S -c '' 2>/dev/null; }

# Lines of "package|why".
missing_python() {
    venv_works && return
    found=$(python_of)
    if [ -z "$found" ]; then
        echo "$(first_available python3-venv python3.14-venv python3.13-venv python3.12-venv python3.11-venv)|Python 3.11 or later"
    elif ! "$found" -c 'import ensurepip, venv' 2>/dev/null; then
        echo "$("$found" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')|a virtual environment for Python"
    fi
}

missing_servers() {
    have_postgres || echo "postgresql|PostgreSQL, the system of record"
    have redis-server || echo "redis-server|Redis, caches and rate limits"
    java_fits || echo "$(first_available openjdk-17-jre-headless openjdk-21-jre-headless openjdk-17-jre-headless)|Java for Kafka"
    [ -d "$(jars)" ] || have mvn || echo "maven|Maven, which fetches Kafka's jars"
    have victoria-metrics || echo "victoria-metrics|VictoriaMetrics, the store of metrics"
    have prometheus || echo "prometheus|Prometheus, metrics and rules"
    have prometheus-alertmanager || have alertmanager || echo "prometheus-alertmanager|Alertmanager"
}

# first_available DEFAULT PACKAGE...: the first that can be installed; the default where no lists are read yet.
first_available() {
    default=$1
    shift
    for package in "$@"; do
        if apt-cache policy "$package" 2>/dev/null | grep -q 'Candidate: [^(]'; then
            echo "$package"
            return
        fi
    done
    echo "$default"
}

# --- Packages

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

install_packages() {
    wanted=$1
    names=$(printf '%s\n' "$wanted" | cut -d'|' -f1 | tr '\n' ' ')
    say "these are missing and will be installed from your distribution's packages:"
    printf '%s\n' "$wanted" | awk -F'|' '{ printf "  %-28s %s\n", $1, $2 }' >&2
    have apt-get || fail "this machine has no apt-get" "install by hand: $names (or use Docker: make demo RUNTIME=docker)"
    if [ "$(id -u)" != 0 ]; then
        have sudo || fail "root is needed to install packages, and there is no sudo" "as root: apt-get install -y $names"
        say "  (through sudo, which may ask for your password)"
        sudo -v || fail "sudo refused" "as root: apt-get install -y $names"
    fi
    step "reading the package lists" "check the network and /etc/apt/sources.list" as_root apt-get update -q
    # The choice of versions may be better with fresh lists.
    wanted=$(all_missing)
    names=$(printf '%s\n' "$wanted" | cut -d'|' -f1 | tr '\n' ' ')
    # shellcheck disable=SC2086  # a list of words
    step "installing packages" "run it again; if it repeats: apt-get install -y $names" \
        as_root sh "$here/install-packages.sh" $names
}

all_missing() {
    missing_python
    case " $parts " in *" servers "*) missing_servers ;; esac
}

# --- Python

stamp_of_venv() {
    cat requirements/dev.txt pyproject.toml | sha256sum | cut -c1-16
    "$venv/bin/python" -V 2>&1
    echo "$root"
}

make_venv() {
    python=$(python_of)
    rm -rf "$venv"
    "$python" -m venv "$venv"
    # uv itself at its locked hash, by pip; everything else by uv.
    awk '/^uv==/ { on = 1 } on { print } on && !/\\$/ { exit }' requirements/dev.txt >"$root/.run/uv.txt"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$root/.run/uv.txt"
}

install_python_packages() {
    # uv brings its own list of authorities; behind a company's proxy only the machine's own list is right.
    authorities=/etc/ssl/certs/ca-certificates.crt
    if [ -z "${SSL_CERT_FILE:-}" ] && [ -r "$authorities" ]; then
        SSL_CERT_FILE=$authorities
        export SSL_CERT_FILE
    fi
    "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --require-hashes -r requirements/dev.txt
    "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --no-deps --no-build-isolation -e .
}

set_up_python() {
    if ! venv_works; then
        step "making a virtual environment in .venv" "check the network, then run it again" make_venv
    fi
    if [ "$(cat "$venv/.signalbox" 2>/dev/null)" != "$(stamp_of_venv)" ]; then
        step "installing locked Python packages" "check the network, then run it again" install_python_packages
        stamp_of_venv >"$venv/.signalbox"
    fi
}

# --- Kafka

jars() { echo "$root/.run/cache/kafka-$(sha256sum infra/kafka/pom.xml | cut -c1-12)"; }

set_up_kafka() {
    [ -d "$(jars)" ] || step "fetching Kafka's jars (about 60 MB)" "check the network, then run it again" \
        "$venv/bin/python" -c 'from infra.local import kafka; kafka.jars()'
    [ -e "$(jars)/classes.jsa" ] || step "archiving Kafka's classes, to start it faster" "run it again" \
        "$venv/bin/python" -c 'from infra.local import kafka; kafka.set_up()'
}

parts=$*
mkdir -p "$root/.run/log" 2>/dev/null || fail "$root cannot be written" "make it yours: chown -R $(id -un) $root"
packages=$(all_missing)
if [ -n "$packages" ] || ! venv_works; then require_disk; fi
[ -z "$packages" ] || install_packages "$packages"
set_up_python
case " $parts " in *" servers "*) set_up_kafka ;; esac
