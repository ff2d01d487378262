#!/bin/sh
# Retrolux on 64-bit ARM without a board: Debian's own Python under QEMU, the slim packages from PyPI's aarch64 wheels, some
# tests, and the errand of small_board.py within 512 MiB, which here have to hold the emulators as well.
#
#   sudo apt-get install -y qemu-user-static debootstrap && sudo sh tests/e2e/aarch64.sh [FOLDER]
#
# FOLDER keeps what has been installed (1 GB), for the next time. Nothing outside of it is changed: the emulator is known to
# the kernel only in a name space of its own (Linux 6.7 or later). proot would need none, and is ten times as slow.
set -eu
source=$(cd "$(dirname "$0")/../.." && pwd)
folder=${1:-$(mktemp -d)}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
root=$folder/root

cd "$source"

say() { printf '\n== %s (%s s)\n' "$*" "$(($(date +%s) - began))"; }
began=$(date +%s)

# What is emulated sees the machine's network settings and pip's, this checkout, and the folder where it is called.
cat > "$folder/emulated" <<END
#!/bin/sh
root=$root source=$source exec unshare --user --map-root-user --mount sh "$source/tests/e2e/emulated.sh" "\$@"
END
chmod +x "$folder/emulated"
emulated() { "$folder/emulated" "$@"; }

if [ ! -x "$root/venv/bin/retrolux" ]; then
    say "Debian's packages, unpacked and not configured: that would take the emulator longer than all the rest"
    debootstrap --download-only --arch=arm64 --variant=minbase --include=python3-venv,python3-dev,gcc,libc6-dev \
        bookworm "$folder/debian" > "$folder/debian.log"
    mkdir -p "$root"
    for package in "$folder"/debian/var/cache/apt/archives/*.deb; do dpkg-deb -x "$package" "$root"; done

    say "packages of Python: slim"
    python3 -m pip wheel -q --no-deps -w "$root/wheels" .
    emulated python3 -m venv /venv
    wheel=$(cd "$root" && echo wheels/retrolux-*.whl)
    emulated python -m pip install -q "/${wheel}[slim,pca9685]"
    emulated python -m pip install -q --no-deps 'ForestDiffusion>=1.0.6'
    emulated python -m pip install -q pytest hypothesis
fi
emulated python -c 'import platform; print(platform.machine(), "Python", platform.python_version())'
du -sh "$root/venv"

say "tests"
emulated python -m pytest -q -p no:cacheprovider tests/device/test_bus.py tests/device/test_sensor.py \
    tests/models/test_linear.py tests/models/test_pls.py tests/models/test_gmm.py tests/models/test_forest.py \
    tests/models/test_forest_library.py

say "the errand"
python3 -m tests.e2e.small_board -- "$folder/emulated" retrolux
say "done"
