"""What Claude-Light does for one request, written anew, on the emulated chip, bus and pins.

Per request: an LED object of the three pins, its colour; ``all_channels``, then clear and NIR; the light off, the LED
closed; the log opened to append one line. Fifty tries, a second apart. The sensor's driver is the plain one, made once.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from retrolux.device.measurement import CHANNELS
from retrolux.device.sim import Parts, load_driver

TRIES = 50
PAUSE = 1.0


class Led:
    """As ``gpiozero.RGBLED``: takes the pins when it is made, dark, and gives them back when it is closed."""

    def __init__(self, pins: Sequence[Any]) -> None:
        self._pins = pins
        self.color = (0.0, 0.0, 0.0)

    @property
    def color(self) -> tuple[float, ...]:
        return tuple(pin.value for pin in self._pins)

    @color.setter
    def color(self, duties: Sequence[float]) -> None:
        for pin, duty in zip(self._pins, duties, strict=True):
            pin.value = duty

    def close(self) -> None:
        for pin in self._pins:
            pin.close()


class ClaudeLight:
    """The program: one sensor for its life, everything else for each request."""

    def __init__(self, parts: Parts, log: Path) -> None:
        self._parts, self._log = parts, log
        self._sensor = load_driver(parts.clock).AS7341(parts.bus)

    def measure(self, red: float, green: float, blue: float) -> dict[str, Any]:
        for _ in range(TRIES - 1):
            try:
                return self._try(red, green, blue)
            except Exception:  # noqa: BLE001 - it retries whatever went wrong
                self._parts.clock.sleep(PAUSE)
        return self._try(red, green, blue)

    def _try(self, red: float, green: float, blue: float) -> dict[str, Any]:
        began = self._parts.clock.time()
        led = Led(self._parts.pins)
        led.color = (red, green, blue)
        sensor = self._sensor
        counts = [*sensor.all_channels, sensor.channel_clear, sensor.channel_nir]
        result = {"in": [red, green, blue], "out": dict(zip(CHANNELS, counts, strict=True))}
        led.color = (0.0, 0.0, 0.0)
        led.close()
        elapsed = self._parts.clock.time() - began
        with self._log.open("a", encoding="utf-8") as file:
            told = {"t0": began, "elapsed_time": elapsed, "ip": "127.0.0.1", "origin": "api"}
            file.write(json.dumps(result | told) + "\n")
        return result
