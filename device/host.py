"""The machine that an instrument hangs on: its clock, its disk, its supply."""

import shutil
import subprocess  # nosec B404 - asks the system's own programs
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from retrolux.device.findings import Finding, State, good, skipped

EARLIEST, LATEST = 1_735_689_600.0, 4_102_444_800.0  # 2025 and 2100: outside, a clock is not set
AN_HOUR = 3600.0
FULL, NEARLY_FULL = 50e6, 500e6  # bytes left; a reading takes about 400
SYNCHRONIZED = "run/systemd/timesync/synchronized"
ASK_TIMEDATECTL = ("timedatectl", "show", "--property=NTPSynchronized", "--value")
ASK_FIRMWARE = ("vcgencmd", "get_throttled")
NOW, SINCE_BOOT = 1 << 0, 1 << 16  # bits of get_throttled: under-voltage (raspberrypi.com, os.html#get_throttled)
PATIENCE = 3.0  # seconds that such a program is given

SUPPLY = "Use the Raspberry Pi's own supply and a short, thick cable: a dip resets the sensor and dims the light."

UNSYNCHRONISED = Finding(
    "synchronised",
    State.ODD,
    "The clock is not synchronised: times in the log may be wrong, the readings are not.",
    "sudo timedatectl set-ntp true, with a network.",
)

Run = Callable[[Sequence[str]], str | None]
"""Returns what a program prints, or None where it cannot be run or fails."""


def run_program(command: Sequence[str]) -> str | None:
    """Return what a program prints, or None where it cannot be run or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)  # noqa: S603 # nosec
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return done.stdout


def examine_host(
    state: Path, root: Path = Path("/"), now: float | None = None, run: Run = run_program
) -> list[Finding]:
    """Test the machine.

    Parameters
    ----------
    state : Path
        Folder of the measurement log; need not exist.
    root : Path
        Where the system's files are.
    now : float, optional
        What the clock shows, seconds since the epoch.
    run : callable
        Runs a program.

    Returns
    -------
    list of Finding
        ``clock``, ``synchronised``, ``disk``, ``undervoltage``.
    """
    shown = time.time() if now is None else now
    return [clock(state, shown), synchronised(root, run), disk(state), undervoltage(root, run)]


def clock(state: Path, now: float) -> Finding:
    """Return whether the clock is plausible: set at all, and not behind the files that it dated."""
    numbers = {"time": round(now, 3)}
    remedy = "Set the clock: sudo timedatectl set-ntp true, with a network."
    if not EARLIEST < now < LATEST:
        return Finding(
            "clock", State.BAD, f"The clock shows {now:.0f} seconds since 1970.", remedy, "clock wrong", numbers
        )
    text = f"The clock shows {_utc(now)}."
    newest = _newest(state)
    if newest is not None and newest > now + AN_HOUR:
        text = f"{text} The state folder was last written at {_utc(newest)}, which is later."
        return Finding("clock", State.BAD, text, remedy, "clock wrong", numbers | {"newest": newest})
    return good("clock", text, **numbers)


def _utc(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def _newest(folder: Path) -> float | None:
    """Return when a file of the folder was last written; None where there is none that one may see."""
    try:
        return max((path.stat().st_mtime for path in folder.iterdir() if path.is_file()), default=None)
    except OSError:
        return None


def synchronised(root: Path, run: Run) -> Finding:
    """Return whether the clock is kept right over the network, as far as systemd knows."""
    if (root / SYNCHRONIZED).exists():
        return good("synchronised", "The clock is synchronised over the network.")
    if not (root / "run/systemd/system").is_dir():
        return skipped("synchronised", "There is no systemd here to ask.")
    answer = (run(ASK_TIMEDATECTL) or "").strip()
    if answer not in {"yes", "no"}:
        return skipped("synchronised", "timedatectl does not say.")
    if answer == "yes":
        return good("synchronised", "The clock is synchronised over the network.")
    return UNSYNCHRONISED


def disk(state: Path) -> Finding:
    """Return whether readings can be written: a writable folder, and space."""
    folder = nearest(state)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"\n")
        return space(folder)
    except OSError as error:
        text = f"Nothing can be written to {folder}: {error.strerror or error}."
        remedy = "Choose another `state` in the configuration, or make this folder yours."
        return Finding("disk", State.BAD, text, remedy, "disk not writable", {"folder": str(folder)})


def space(folder: Path) -> Finding:
    """Return whether there is space where a folder is; nothing is written. Raises OSError."""
    free = shutil.disk_usage(folder).free
    numbers = {"folder": str(folder), "free_bytes": free}
    text = (
        f"{free / 1e9:,.1f} GB are free in {folder}." if free >= 1e9 else f"{free / 1e6:.0f} MB are free in {folder}."
    )
    if free > NEARLY_FULL:
        return good("disk", text, **numbers)
    state_of_it, fault = (State.BAD, "disk full") if free < FULL else (State.ODD, "")
    return Finding(
        "disk", state_of_it, text, "Make room, or choose another `state` in the configuration.", fault, numbers
    )


def nearest(folder: Path) -> Path:
    """Return a folder, or where it is not there the nearest above it that is."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if _is_there(path))


def _is_there(path: Path) -> bool:
    with suppress(OSError):  # a folder above that one may not enter
        return path.exists()
    return False


def undervoltage(root: Path, run: Run) -> Finding:
    """Return whether a Raspberry Pi has too little voltage now, or has had since it was started.

    The kernel's alarm (``rpi_volt`` of hwmon) tells of the last seconds, the firmware of both.
    """
    if "Raspberry Pi" not in (text_of(root / "proc/device-tree/model") or ""):
        return skipped("undervoltage", "This is no Raspberry Pi.")
    low, bits = alarm(root), _throttled(run(ASK_FIRMWARE))
    numbers = {"alarm": low, "throttled": None if bits is None else f"0x{bits:x}"}
    if low is None and bits is None:
        return skipped("undervoltage", "Neither the kernel (rpi_volt) nor vcgencmd says what the voltage is.")
    if low or (bits or 0) & NOW:
        text = "The voltage is too low now."
        return Finding("undervoltage", State.BAD, text, SUPPLY, "undervoltage", numbers)
    if (bits or 0) & SINCE_BOOT:
        return Finding(
            "undervoltage", State.ODD, "The voltage was too low at times since the start.", SUPPLY, "", numbers
        )
    since = ", nor was it since the start" if bits is not None else "; what was before is not known"
    return good("undervoltage", f"The voltage is not too low{since}.", **numbers)


def text_of(path: Path) -> str | None:
    """Return a file's text without the ends that the kernel gives it; None where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0\n ")
    except OSError:
        return None


def alarm(root: Path) -> bool | None:
    """Return whether the kernel (``rpi_volt``) found too little voltage just now; None where it does not say."""
    for name in sorted((root / "sys/class/hwmon").glob("*/name")):
        if text_of(name) == "rpi_volt":
            values = [text_of(each) for each in sorted(name.parent.glob("in*_lcrit_alarm"))]
            told = [value for value in values if value is not None]
            return any(value != "0" for value in told) if told else None
    return None


def _throttled(answer: str | None) -> int | None:
    """Return the bits of ``throttled=0x50005``; None where it is no such answer."""
    with suppress(ValueError):
        name, _, bits = (answer or "").strip().partition("=")
        return int(bits, 16) if name == "throttled" else None
    return None
