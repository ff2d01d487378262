#!/bin/sh
# Install Retrolux as a service on Raspberry Pi OS or Debian (64-bit), from this checkout. Run again to upgrade: configuration,
# log and models are kept, and where the new version's doctor finds something wrong, or it does not start, the one before is back.
#
#   sudo sh systemd/install.sh [--device pi|sim|sim:N|http://…] [--slim|--full|--without-forest] [--network CIDR|none]
#       [--no-start]
#   sudo sh systemd/install.sh --rollback
#   sudo sh systemd/install.sh --uninstall [--delete-data]
#
# --slim installs the forest without what it does not use, for graphics cards above all; a machine with less than 1 GB of
# memory, or one that was installed so, does without being told, and --full overrules it.
# --network lets the service talk with these addresses, such as 192.168.1.0/24, beside the machine itself; none takes that back.
# --rollback goes back to the version before the latest upgrade. --uninstall keeps configuration, log and models, unless told.
set -eu
umask 022  # root may have a stricter one, and the service reads what is installed here

device=pi
forest=
network=
start=yes
act=install
data=keep
while [ $# -gt 0 ]; do
    case $1 in
        --device) device=${2:?--device needs a name}; shift ;;
        --slim|--full|--without-forest) forest=${1#--} ;;
        --no-start) start=no ;;
        --network) network=${2:?--network needs addresses, or none}; shift ;;
        --rollback) act=rollback ;;
        --uninstall) act=uninstall ;;
        --delete-data) data=delete ;;
        *) echo "install.sh: unknown option $1" >&2; exit 2 ;;
    esac
    shift
done
case $network in
    none|*[0-9a-fA-F]/[0-9]*|"") ;;
    *) echo "install.sh: --network needs addresses such as 192.168.1.0/24, or none; it is '$network'" >&2; exit 2 ;;
esac
if [ "$data" = delete ] && [ "$act" != uninstall ]; then
    echo "install.sh: --delete-data goes with --uninstall" >&2
    exit 2
fi

# DESTDIR puts every file below another root, for the tests; a virtual environment works only where it was made.
root=${DESTDIR:-}
source=$(cd "$(dirname "$0")/.." && pwd)
prefix=/opt/retrolux
here=$root$prefix
units=$root/etc/systemd/system
state=/var/lib/retrolux
config=/etc/retrolux/retrolux.toml

say() { echo "retrolux: $*"; }
fail() { echo "retrolux: $*" >&2; exit 1; }

if [ -z "$root" ] && [ "$(id -u)" -ne 0 ]; then
    echo "install.sh: needs root; run it with sudo" >&2
    exit 1
fi

# Versions stand side by side in venvs/1, venvs/2 …, each with the units that belong to it; venv names the one in use.

in_use() { [ ! -L "$here/venv" ] || basename "$(readlink "$here/venv")"; }

use() {  # NUMBER: in one step, for whoever looks; then its units
    ln -sfn "venvs/$1" "$here/venv.new"
    mv -fT "$here/venv.new" "$here/venv"
    [ -d "$here/venvs/$1/units" ] || return 0  # an earlier installer's
    mkdir -p "$units"
    install -m 644 "$here/venvs/$1"/units/*.service "$units"
    install -m 644 "$here/venvs/$1"/units/*.sh "$here/venvs/$1/units/README.md" "$here"
}

run() {  # by systemd, which says whether it got ready; where none is running, as in an image that is made, it starts at boot
    systemctl daemon-reload || [ "$start" = no ] || return 1
    systemctl enable retrolux.service retrolux-dark.service
    [ "$start" = yes ] || return 0
    systemctl reset-failed retrolux.service 2>/dev/null || true  # it may have failed too often to be started at once
    systemctl restart retrolux.service
}

go_back() {  # NUMBER WHY: the version before, as it was
    use "$1"
    run || say "and the version before does not start either: journalctl -u retrolux"
    fail "$2; the version before is in use again, nothing else was changed"
}

doctor() {  # NUMBER: of this version, as the service would be, while no other has the instrument
    mkdir -p "$root$state" && chown retrolux:retrolux "$root$state" && chmod 700 "$root$state"
    [ "$start" = no ] || systemctl stop retrolux.service 2>/dev/null || true
    (cd "$root$state" && setpriv --reuid retrolux --regid retrolux --groups i2c,gpio --no-new-privs \
        env "RETROLUX_CONFIG=$config" "STATE_DIRECTORY=$state" BLINKA_SKIP_DEPENDENCY_CHECK=1 HOME="$state" \
        "$prefix/venvs/$1/bin/retrolux" doctor)
}

uninstall() {
    systemctl disable --now retrolux.service retrolux-dark.service 2>/dev/null || true
    rm -rf "$here" "$units"/retrolux.service "$units"/retrolux.service.d "$units"/retrolux-dark.service \
        "$units"/retrolux-failure@.service
    systemctl daemon-reload || true
    if [ "$data" = delete ]; then
        rm -rf "$root$state" "$root/etc/retrolux"
        userdel retrolux 2>/dev/null || true
        say "gone, with configuration, log and models"
    else
        say "gone; log and models are still in $state, the configuration in $config (--delete-data)"
    fi
    exit 0
}

rollback() {
    now=$(in_use)
    before=$(find "$here/venvs" -mindepth 1 -maxdepth 1 -name '[0-9]*' ! -name "${now:-none}" -exec basename {} \; 2>/dev/null |
        sort -n | tail -n 1)
    [ -n "$before" ] || fail "there is no version before this one"
    use "$before"
    run || fail "the version before does not start: journalctl -u retrolux"
    say "the version before is in use: $("$here/venv/bin/retrolux" --version 2>/dev/null || true)"
    exit 0
}

[ "$act" = install ] || "$act"

say "Debian packages (the last two build what has no wheel: Blinka's GPIO library)"
apt-get update -q
apt-get install -y -q python3-venv i2c-tools gcc python3-dev

if command -v raspi-config >/dev/null 2>&1; then
    say "I2C on"
    raspi-config nonint do_i2c 0
fi

say "user and groups"
for group in i2c gpio; do
    getent group "$group" >/dev/null || groupadd --system "$group"
done
getent passwd retrolux >/dev/null ||
    useradd --system --user-group --no-create-home --home-dir "$state" --shell /usr/sbin/nologin retrolux

say "program in $prefix"
mkdir -p "$here/venvs"
if [ -d "$here/venv" ] && [ ! -L "$here/venv" ]; then  # where an earlier installer had it
    mv "$here/venv" "$here/venvs/0"
    ln -s venvs/0 "$here/venv"
fi
before=$(in_use)
if [ -z "$forest" ]; then
    forest=full
    set -- "$here"/venv/lib/python3*/site-packages/xgboost_cpu-*.dist-info
    memory=$(awk '/^MemTotal:/ { print $2 }' "$root/proc/meminfo" 2>/dev/null || true)
    if [ "${memory:-1048576}" -lt 1048576 ]; then
        forest=slim
        say "less than 1 GB of memory: the slim packages (--full for the others)"
    elif [ -e "$1" ]; then
        forest=slim
        say "the slim packages, as before (--full for the others)"
    fi
fi
case $forest in
    slim) extras=slim ;;
    full) extras=forest ;;
    *) extras= ;;
esac
[ "$device" != pi ] || extras=${extras:+$extras,}pi

# from nothing, so that no package of another version or kind is left in it
new=$((${before:-0} + 1))
made=$here/venvs/$new
rm -rf "$made"
pip() { "$made/bin/python" -m pip "$@"; }
make() {
    python3 -m venv "$made" &&
        pip install --quiet "$source${extras:+[$extras]}" &&
        { [ "$forest" != slim ] || pip install --quiet --no-deps "ForestDiffusion>=1.0.6"; } &&
        mkdir -p "$made/units" &&
        cp "$source"/systemd/*.service "$source/systemd/failed.sh" "$source/systemd/failure.sh" "$source/README.md" "$made/units"
}
if ! make; then
    rm -rf "$made"
    fail "the packages could not be installed; what there was is unchanged"
fi

say "configuration in /etc/retrolux"
mkdir -p "$root/etc/retrolux"
if [ ! -e "$root$config" ]; then
    printf 'device = "%s"\n' "$device" > "$root$config"
fi
say "the new version's doctor"
if ! doctor "$new"; then
    if [ -n "$before" ]; then
        rm -rf "$made"
        go_back "$before" "the new version's doctor found something wrong"
    fi
    say "something is wrong, see above; the service is installed all the same, and looks for the sensor until it answers"
fi

say "service"
others=$units/retrolux.service.d/network.conf
case $network in
    "")
        case $device in
            http*) [ -e "$others" ] || say "to reach $device the service needs its address allowed: --network ADDRESS/32" ;;
        esac
        ;;
    none) rm -f "$others" ;;
    *)
        mkdir -p "${others%/*}"
        printf '# written by install.sh --network\n[Service]\nIPAddressAllow=%s\n' "$network" > "$others"
        say "the service may talk with $network; for others to reach it, set host in $config"
        ;;
esac
use "$new"
if ! run; then
    [ -n "$before" ] || fail "the service does not start: journalctl -u retrolux"
    go_back "$before" "the new version does not start"
fi
for old in "$here"/venvs/*; do  # the one before is kept for --rollback
    case $old in
        "$here/venvs/$new"|"$here/venvs/${before:-none}") ;;
        *) rm -rf "$old" ;;
    esac
done
[ "$start" = no ] ||
    say "running; see: systemctl status retrolux, journalctl -u retrolux, curl http://127.0.0.1:8000/v1/status"
