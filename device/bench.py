"""A light and a sensor on this machine, real or emulated."""

from collections.abc import Callable
from typing import Any

from retrolux.device.clock import Clock
from retrolux.device.identity import new_id
from retrolux.device.instrument import Instrument
from retrolux.device.light import Light
from retrolux.device.measurement import Exposure, Measurement
from retrolux.device.sensor import Sensor


class Bench(Instrument):
    """The instrument that ``sim`` and ``pi`` both are.

    Parameters
    ----------
    name : str
        As it stands in the record.
    light : Light
    sensor : Sensor
    clock : Clock
    release : callable
        Called last when the instrument is closed: gives back bus and lock.
    """

    def __init__(
        self, name: str, light: Light, sensor: Sensor, clock: Clock, release: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__(name)
        self._light = light
        self._sensor = sensor
        self._clock = clock
        self._release = release

    def _do_measure(
        self, inputs: tuple[float, ...], channels: tuple[str, ...], exposure: Exposure | None
    ) -> Measurement:
        when, began = self._clock.time(), self._clock.monotonic()
        self._light.set(inputs)
        counts = self._sensor.read(channels, exposure, relight=lambda: self._light.set(inputs))
        self._light.off()
        return Measurement(
            inputs=inputs,
            outputs=counts.outputs,
            time=when,
            device=self.name,
            id=new_id(when),
            exposure=exposure or self._sensor.exposure,
            saturated=counts.saturated,
            elapsed=round(self._clock.monotonic() - began, 6),
        )

    def _do_dark(self) -> None:
        self._light.off()

    def _do_status(self) -> dict[str, Any]:
        e = self._sensor.exposure
        return {"exposure": {"gain": e.gain, "atime": e.atime, "astep": e.astep, "seconds": round(e.seconds, 6)}}

    def _do_time(self) -> float:
        return self._clock.time()

    def _do_wait(self, seconds: float) -> None:
        self._clock.sleep(seconds)

    def _do_close(self) -> None:
        try:
            self._light.close()
        finally:
            self._release()
