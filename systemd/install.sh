#!/bin/sh
# Install Retrolux as a service on Raspberry Pi OS or Debian (64-bit), from this checkout. Run again to upgrade:
# configuration, log and models are kept.
#
#   sudo sh systemd/install.sh [--device pi|sim|sim:N|http://…] [--slim|--full|--without-forest] [--network CIDR|none]
#       [--no-start]
#
# --network lets the service talk with these addresses, such as 192.168.1.0/24, beside the machine itself; none takes that back.
# --slim installs the forest without what it does not use, for graphics cards above all; a machine with less than 1 GB of
# memory, or one that was installed so, does without being told, and --full overrules it.
set -eu
umask 022  # root may have a stricter one, and the service reads what is installed here

device=pi
forest=
network=
start=yes
while [ $# -gt 0 ]; do
    case $1 in
        --device) device=${2:?--device needs a name}; shift ;;
        --slim|--full|--without-forest) forest=${1#--} ;;
        --network) network=${2:?--network needs addresses, or none}; shift ;;
        --no-start) start=no ;;
        *) echo "install.sh: unknown option $1" >&2; exit 2 ;;
    esac
    shift
done
case $network in
    none|*[0-9a-fA-F]/[0-9]*|"") ;;
    *) echo "install.sh: --network needs addresses such as 192.168.1.0/24, or none; it is '$network'" >&2; exit 2 ;;
esac

# DESTDIR puts every file below another root, for the tests; the virtual environment works only where it was made.
root=${DESTDIR:-}
source=$(cd "$(dirname "$0")/.." && pwd)
prefix=/opt/retrolux

say() { echo "retrolux: $*"; }

if [ -z "$root" ] && [ "$(id -u)" -ne 0 ]; then
    echo "install.sh: needs root; run it with sudo" >&2
    exit 1
fi

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
    useradd --system --user-group --no-create-home --home-dir /var/lib/retrolux --shell /usr/sbin/nologin retrolux

say "program in $prefix"
mkdir -p "$root$prefix"
[ -x "$root$prefix/venv/bin/python" ] || python3 -m venv "$root$prefix/venv"
pip() { "$root$prefix/venv/bin/python" -m pip "$@"; }

if [ -z "$forest" ]; then
    forest=full
    set -- "$root$prefix"/venv/lib/python3*/site-packages/xgboost_cpu-*.dist-info
    memory=$(awk '/^MemTotal:/ { print $2 }' "$root/proc/meminfo" 2>/dev/null || true)
    if [ "${memory:-1048576}" -lt 1048576 ]; then
        forest=slim
        say "less than 1 GB of memory: the slim packages (--full for the others)"
    elif [ -e "$1" ]; then
        forest=slim
        say "the slim packages, as before (--full for the others)"
    fi
fi
# Either XGBoost has the files of the other, so that the other has to go first.
case $forest in
    slim) extras=slim; pip uninstall -qq --yes xgboost nvidia-nccl-cu12 catboost lightgbm ;;
    full) extras=forest; pip uninstall -qq --yes xgboost-cpu ;;
    *) extras= ;;
esac
[ "$device" != pi ] || extras=${extras:+$extras,}pi
pip install --quiet --upgrade "$source${extras:+[$extras]}"
[ "$forest" != slim ] || pip install --quiet --upgrade --no-deps "ForestDiffusion>=1.0.6"
install -m 644 "$source/README.md" "$root$prefix/README.md"

say "configuration in /etc/retrolux"
mkdir -p "$root/etc/retrolux"
if [ ! -e "$root/etc/retrolux/retrolux.toml" ]; then
    printf 'device = "%s"\n' "$device" > "$root/etc/retrolux/retrolux.toml"
fi

say "service"
mkdir -p "$root/etc/systemd/system"
for unit in retrolux.service retrolux-dark.service retrolux-failure@.service; do
    install -m 644 "$source/systemd/$unit" "$root/etc/systemd/system/$unit"
done
for script in failed.sh failure.sh; do
    install -m 644 "$source/systemd/$script" "$root$prefix/$script"
done
others=$root/etc/systemd/system/retrolux.service.d/network.conf
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
        say "the service may talk with $network; for others to reach it, set host in /etc/retrolux/retrolux.toml"
        ;;
esac
systemctl daemon-reload
systemctl enable retrolux.service retrolux-dark.service
if [ "$start" = yes ]; then
    systemctl restart retrolux.service
    say "running; see: systemctl status retrolux, journalctl -u retrolux, curl http://127.0.0.1:8000/v1/status"
fi
