"""Which pins of which Raspberry Pi a hardware PWM reaches, and which of them share a channel."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from retrolux.device.errors import LightError
from retrolux.device.settings import COLOURS

MODEL = Path("/proc/device-tree/model")

TWO_CHANNELS = {12: 0, 13: 1, 18: 0, 19: 1}
"""Channel of each pin on the boards before the Pi 5 (BCM2835 to BCM2711, ARM Peripherals: GPIO alternate functions)."""

RP1 = {12: 0, 13: 1, 14: 2, 15: 3, 18: 2, 19: 3}
"""Channel of each pin on boards with the RP1 (RP1 Peripherals: GPIO function select, PWM0)."""

WITH_RP1 = ("Raspberry Pi 5", "Raspberry Pi Compute Module 5", "Raspberry Pi 500")
OTHERWISE = 'Set backend = "pca9685" and wire the light to such a board, or backend = "blinka" for pulses by software.'


def board_model(path: Path = MODEL) -> str:
    """Return what this board calls itself, such as ``Raspberry Pi 5 Model B Rev 1.0``; empty where it does not say."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0\n ")
    except OSError:
        return ""


def hardware_channels(model: str, pins: Sequence[int]) -> tuple[int, ...]:
    """Return the PWM channel of each of the light's pins.

    Parameters
    ----------
    model : str
        As :func:`board_model` has it.
    pins : sequence of int
        BCM numbers: red, green, blue.

    Raises
    ------
    LightError
        Where this wiring cannot work on this board; the cause says why.
    """
    if not model.startswith("Raspberry Pi"):
        raise LightError(f"{model or 'This machine'} is no Raspberry Pi, whose PWM channels are known.", OTHERWISE)
    table = RP1 if model.startswith(WITH_RP1) else TWO_CHANNELS
    channels = tuple(_channel(model, table, pin) for pin in pins)
    for i, (colour, channel) in enumerate(zip(COLOURS, channels, strict=True)):
        if channel in channels[:i]:
            first = channels.index(channel)
            raise LightError(
                f"{COLOURS[first]} on GPIO {pins[first]} and {colour} on GPIO {pins[i]} share PWM channel {channel} "
                f"of a {model}, so one could not be set without the other.",
                _remedy(table),
            )
    return channels


def _channel(model: str, table: Mapping[int, int], pin: int) -> int:
    if pin not in table:
        have = ", ".join(map(str, table))
        raise LightError(f"GPIO {pin} of a {model} has no hardware PWM.", f"Those that have one: GPIO {have}.")
    return table[pin]


def _remedy(table: Mapping[int, int]) -> str:
    if table is TWO_CHANNELS:
        return f"This board has two channels for three colours. {OTHERWISE}"
    return "Take pins of three channels, such as GPIO 19, 13 and 12."
