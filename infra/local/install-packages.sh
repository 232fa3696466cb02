#!/bin/sh
# As root: installs Debian packages without their side effects. Called by bootstrap.sh with the packages' names.
set -eu
policy=/usr/sbin/policy-rc.d
clusters=/etc/postgresql-common/createcluster.conf
keep=$(mktemp -d)

known="postgresql redis-server victoria-metrics prometheus prometheus-alertmanager"

units() {
    for unit in $known; do
        if [ -e "/lib/systemd/system/$unit.service" ]; then echo "$unit"; fi
    done
}
before=$(units)

# Whatever happens: units that came with this run are disabled, and the machine's own settings come back.
restore() {
    for unit in $(units); do
        case " $(echo "$before" | tr '\n' ' ') " in
            *" $unit "*) ;;
            *) update-rc.d "$unit" disable || systemctl disable "$unit" || true ;;
        esac
    done
    rm -f "$policy"
    if [ -e "$keep/policy" ]; then cp -p "$keep/policy" "$policy"; fi
    if [ -e "$keep/clusters" ]; then cp -p "$keep/clusters" "$clusters"; fi
    rm -rf "$keep"
}
trap restore EXIT
trap 'exit 1' HUP INT TERM

# No package may start its service.
if [ -e "$policy" ]; then cp -p "$policy" "$keep/policy"; fi
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 755 "$policy"

export DEBIAN_FRONTEND=noninteractive
install() {
    apt-get install -y -q --no-install-recommends -o Dpkg::Options::=--force-confold \
        -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@"
}

# Postgres' package would make a cluster and occupy port 5432.
case " $* " in
    *" postgresql "*)
        install postgresql-common
        if [ -e "$clusters" ]; then
            cp -p "$clusters" "$keep/clusters"
            sed -i 's/^#* *create_main_cluster.*/create_main_cluster = false/' "$clusters"
        fi
        ;;
esac
install "$@"
