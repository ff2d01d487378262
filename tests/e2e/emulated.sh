#!/bin/sh
# Run a command of another root folder, $root, whose programs are for aarch64; aarch64.sh calls this in new name spaces.
set -eu
: "${root:?}" "${source:?}"
magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
printf '%s' ":aarch64:M::$magic:$mask:$(command -v qemu-aarch64-static):F" > /proc/sys/fs/binfmt_misc/register

for path in /dev /proc /sys /etc/resolv.conf /etc/hosts /etc/ssl /etc/pip.conf /etc/xdg "${HOME:-/root}/.config/pip" \
    "$source" "$PWD"; do
    [ -e "$path" ] || continue
    if [ -d "$path" ]; then
        mkdir -p "$root$path"
    else
        mkdir -p "$root${path%/*}"
        [ -e "$root$path" ] || : > "$root$path"
    fi
    mount --rbind "$path" "$root$path"
done
exec chroot "$root" /usr/bin/env -C "$PWD" PATH=/venv/bin:/usr/bin:/bin LC_ALL=C.UTF-8 "$@"
