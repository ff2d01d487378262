#!/bin/sh
# The installer on 64-bit ARM without a board: a Debian root for arm64 is made and configured under QEMU, and install.sh is run in
# it from start to finish, twice, then taken away. No service is started: systemd is not running there.
#
#   sudo apt-get install -y debootstrap qemu-user-static && sudo sh tests/systemd/emulated.sh [FOLDER]
#
# FOLDER keeps the root (1 GB), for the next time; SUITE is Debian's, by default bookworm. The kernel is told of the emulator for
# as long as this runs, unless it knows it already.
set -eu
[ "${OWN_MOUNTS-}" = yes ] || OWN_MOUNTS=yes exec unshare --mount sh "$0" "$@"
source=$(cd "$(dirname "$0")/../.." && pwd)
folder=${1:-$(mktemp -d)}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
root=$folder/root
suite=${SUITE:-bookworm}
formats=/proc/sys/fs/binfmt_misc
began=$(date +%s)

say() { printf '\n== %s (%s s)\n' "$*" "$(($(date +%s) - began))"; }

[ -e $formats/register ] || mount -t binfmt_misc binfmt_misc $formats
if [ ! -e $formats/qemu-aarch64 ]; then
    magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
    mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
    printf '%s' ":qemu-aarch64:M::$magic:$mask:$(command -v qemu-aarch64-static):F" > $formats/register
    trap 'echo -1 > $formats/qemu-aarch64' EXIT
fi

if [ ! -e "$folder/made" ]; then
    say "Debian $suite for arm64"
    rm -rf "$root"
    # from where this machine has its own packages
    # shellcheck disable=SC2016
    mirror=$(apt-get indextargets --format '$(SITE)' 'Identifier: Packages' 'Origin: Debian' | sed -n 1p)
    debootstrap --arch=arm64 --variant=minbase --include=systemd,python3,python3-venv,ca-certificates "$suite" "$root" \
        ${mirror:+"$mirror"} > "$folder/debian.log"
    touch "$folder/made"
fi

for path in /dev /proc /sys /etc/resolv.conf /etc/hosts /etc/ssl /etc/pip.conf /etc/xdg "${HOME:-/root}/.config/pip"; do
    [ -e "$path" ] || continue
    if [ -d "$path" ]; then mkdir -p "$root$path"; else : >> "$root$path"; fi
    mount --rbind "$path" "$root$path"
done
inside() { chroot "$root" /usr/bin/env -C / PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 "$@"; }
expect() { [ "$2" = "$3" ] || { echo "$1 is '$2', and should be '$3'"; exit 1; }; }

inside rm -rf /srv/retrolux
inside mkdir -p /srv/retrolux
git -C "$source" ls-files -z | tar -C "$source" --null --files-from=- -c | inside tar -C /srv/retrolux -x
inside uname -m
inside python3 --version

install() {
    inside sh /srv/retrolux/systemd/install.sh "$@" > "$folder/install.log" 2>&1 || { tail -20 "$folder/install.log"; exit 1; }
}

inside rm -rf /opt/retrolux
for number in 1 2; do
    say "install.sh, time $number"
    install --device sim --slim --no-start
    grep -A40 "the new version's doctor" "$folder/install.log" | sed -n '1,6p'
    expect "the version in use" "$(inside readlink /opt/retrolux/venv)" "venvs/$number"
    inside /opt/retrolux/venv/bin/retrolux --version
    expect "the service" "$(inside systemctl is-enabled retrolux.service)" enabled
    expect "the owner" "$(inside stat -c %U:%a /var/lib/retrolux)" retrolux:700
done

say "what is installed computes"
inside sh -c 'cd /tmp && rm -f rgb.jsonl && /opt/retrolux/venv/bin/retrolux demo > demo.txt && tail -n 12 demo.txt'

say "install.sh --uninstall"
install --uninstall
[ ! -e "$root/opt/retrolux" ]
[ -e "$root/etc/retrolux/retrolux.toml" ]
du -shx "$root"
say "done"
