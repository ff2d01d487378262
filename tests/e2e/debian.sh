#!/bin/sh
# The test suite under another Debian than this machine's, with that Debian's own Python: trixie has 3.13.
#
#   sudo apt-get install -y debootstrap && sudo SUITE=trixie sh tests/e2e/debian.sh [FOLDER] [ARGUMENTS OF PYTEST]
#
# FOLDER keeps what has been installed (2.5 GB), for the next time. Nothing outside of it is changed.
set -eu
[ "${OWN_MOUNTS-}" = yes ] || OWN_MOUNTS=yes exec unshare --mount sh "$0" "$@"
source=$(cd "$(dirname "$0")/../.." && pwd)
folder=${1:-$(mktemp -d)}
[ $# -eq 0 ] || shift
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
root=$folder/root
suite=${SUITE:-trixie}
began=$(date +%s)

say() { printf '\n== %s (%s s)\n' "$*" "$(($(date +%s) - began))"; }

if [ ! -e "$folder/made" ]; then
    say "Debian $suite"
    rm -rf "$root"
    # from where this machine has its own packages
    # shellcheck disable=SC2016
    mirror=$(apt-get indextargets --format '$(SITE)' 'Identifier: Packages' 'Origin: Debian' | sed -n 1p)
    packages=python3,python3-venv,python3-dev,gcc,libc6-dev,libgomp1,systemd,curl,git,shellcheck,ca-certificates,procps,fiu-utils
    debootstrap --variant=minbase --include="$packages" "$suite" "$root" ${mirror:+"$mirror"} > "$folder/debian.log"
    touch "$folder/made"
fi

# what is seen in there: the machine's network, its certificates and its settings of pip, with the folders that these name
for path in /dev /proc /sys /etc/resolv.conf /etc/hosts /etc/ssl /etc/pip.conf /etc/xdg "${HOME:-/root}/.config/pip" \
    $(python3 -m pip config list 2>/dev/null | grep -o "/[^' ]*" | sed 's#^//##; s#/simple/*$##' | sort -u); do
    { [ -e "$path" ] && [ "$path" != / ]; } || continue
    if [ -d "$path" ]; then mkdir -p "$root$path"; else mkdir -p "$root${path%/*}"; : >> "$root$path"; fi
    mount --rbind "$path" "$root$path"
done
inside() { chroot "$root" /usr/bin/env -C /retrolux PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 CI=true "$@"; }

say "packages of Python"
mkdir -p "$root/retrolux"
git -C "$source" ls-files -z | tar -C "$source" --null --files-from=- -c | tar -C "$root/retrolux" -x
inside python3 --version
[ -d "$root/retrolux/.venv" ] || inside python3 -m venv .venv
inside .venv/bin/pip install -q '.[forest,dev]'

say "tests"
inside .venv/bin/pytest -q -n auto --dist worksteal "$@"
say "done"
