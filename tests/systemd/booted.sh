#!/bin/sh
# The service under a systemd of its own: a Debian root is booted in a container, the installer is run in it as on a board, and
# the tests marked `booted` stop, hang and kill what it has started.
#
#   sudo apt-get install -y debootstrap systemd-container && sudo sh tests/systemd/booted.sh [FOLDER]
#
# FOLDER keeps the root (1 GB), for the next time. PYTHON is what runs the tests, python3 by default; SUITE is Debian's, by
# default bookworm (systemd 252). What follows FOLDER is given to pytest.
set -eu
source=$(cd "$(dirname "$0")/../.." && pwd)
folder=${1:-$(mktemp -d)}
[ $# -eq 0 ] || shift
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
root=$folder/root
suite=${SUITE:-bookworm}
began=$(date +%s)

say() { printf '\n== %s (%s s)\n' "$*" "$(($(date +%s) - began))"; }

if [ ! -e "$folder/made" ]; then
    say "Debian $suite"
    rm -rf "$root"
    # from where this machine has its own packages
    # shellcheck disable=SC2016
    mirror=$(apt-get indextargets --format '$(SITE)' 'Identifier: Packages' 'Origin: Debian' | sed -n 1p)
    debootstrap --variant=minbase --include=systemd,dbus,python3,python3-venv,ca-certificates "$suite" "$root" \
        ${mirror:+"$mirror"} > "$folder/debian.log"
    touch "$folder/made"
fi

# the container sees the machine's network, its certificates and its settings of pip, with the folders that these name
binds=
for path in /etc/hosts /etc/ssl /etc/pip.conf /etc/xdg "$HOME/.config/pip" \
    $(python3 -m pip config list 2>/dev/null | grep -o "/[^' ]*" | sed 's#^//##; s#/simple/*$##' | sort -u); do
    [ ! -e "$path" ] || [ "$path" = / ] || binds="$binds --bind-ro=$path"
done

inside() { nsenter --target "$leader" --mount --uts --ipc --net --pid -- "$@"; }

boot() {
    # these folders have no spaces
    # shellcheck disable=SC2086
    systemd-nspawn --quiet --boot --directory="$root" --machine="retrolux-$$" --register=no --keep-unit \
        --resolv-conf=copy-host --console=pipe $binds > "$folder/boot.log" 2>&1 < /dev/null &
    container=$!
    until leader=$(pgrep -P "$container") && inside test -S /run/systemd/private 2> /dev/null; do
        kill -0 "$container" || { cat "$folder/boot.log"; exit 1; }
        sleep 0.2
    done
    inside systemctl is-system-running --wait || true
}

halt() {
    inside systemctl poweroff || kill "$container"
    wait "$container" || true
}

trap halt EXIT

say "boot"
boot
inside systemctl --version | sed -n 1p

say "install.sh, as on a board"
inside mkdir -p /srv/retrolux
git -C "$source" ls-files -z | tar -C "$source" --null --files-from=- -c | inside tar -C /srv/retrolux -x
inside sh /srv/retrolux/systemd/install.sh --device sim --slim --no-start > "$folder/install.log" 2>&1 ||
    { tail -20 "$folder/install.log"; exit 1; }

say "boot again, with a light that was left on"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
state=/var/lib/retrolux
inside sh -c "install -d -o retrolux -g retrolux $state && rm -f $state/* && echo 1,1,1 > $state/pins"
inside sh -c 'cat > /etc/retrolux/retrolux.toml' <<END
device = "sim"
[serve]
port = $port
[simulator]
real_time = true
pins = "$state/pins"
hang = "$state/hang"
END
halt
boot

say "tests"
cd "$source"
RETROLUX_BOOTED=$leader RETROLUX_PORT=$port "${PYTHON:-python3}" -m pytest -m booted -p no:cacheprovider -q -s \
    tests/systemd/test_booted.py tests/systemd/test_installed.py "$@"
say "done"
