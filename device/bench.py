"""A light and a sensor on this machine, real or emulated."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from retrolux.device.automatic import AUTO, Automatic, read_automatically
from retrolux.device.clock import Clock
from retrolux.device.deadlines import Sync
from retrolux.device.errors import LightError
from retrolux.device.identity import new_id
from retrolux.device.instrument import Instrument
from retrolux.device.lights.light import Light
from retrolux.device.measurement import UNSYNCHRONISED, Exposure, Measurement
from retrolux.device.periods import periods_in, whole_periods
from retrolux.device.sensor import Counts, Sensor
from retrolux.device.settings import COLOURS, InstrumentSettings

SHORTEST_PULSE = 0.005  # of a period: shorter ones may not be there, in software's steps of a hundredth
MOST_EDGES = 255


@dataclass(frozen=True)
class Wire:
    """A wire from one of the light's pins to the sensor's GPIO pin.

    Attributes
    ----------
    colour : int
        0, 1 or 2: red, green or blue.
    frequency : float
        Of the pulses, in Hz.
    """

    colour: int
    frequency: float

    def sync(self, inputs: tuple[float, ...], exposure: Exposure) -> Sync | None:
        """Return how to integrate from edge to edge; None where this colour's duty gives no edges to speak of."""
        if not SHORTEST_PULSE <= inputs[self.colour] <= 1 - SHORTEST_PULSE:
            return None
        whole = whole_periods(exposure, self.frequency)
        edges = min(max(round(periods_in(whole, self.frequency)), 1), MOST_EDGES)
        return Sync(edges, (edges + 1) / self.frequency)


def wire_of(settings: InstrumentSettings, frequency: float) -> Wire | None:
    """Return the wire that the settings name, of a light whose pulses have this frequency in Hz."""
    return None if settings.sync is None else Wire(COLOURS.index(settings.sync), frequency)


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
    wire : Wire, optional
        Which of the light's pins the sensor hears, too.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - its parts
        self,
        name: str,
        light: Light,
        sensor: Sensor,
        clock: Clock,
        release: Callable[[], None] = lambda: None,
        wire: Wire | None = None,
    ) -> None:
        super().__init__(name, clock.heartbeat)
        self._wire = wire
        self._light = light
        self._sensor = sensor
        self._clock = clock
        self._release = release

    @property
    def sensor(self) -> Sensor:
        """The sensor, for who looks behind the readings; whoever reads it so is alone with the instrument."""
        return self._sensor

    @property
    def wire(self) -> Wire | None:
        """Which of the light's pins the sensor hears, too."""
        return self._wire

    @contextmanager
    def held(self, inputs: tuple[float, ...]) -> Iterator[Sensor]:
        """Hold the light at these duties for who looks at the sensor's registers; dark afterwards, in any case.

        Raises
        ------
        BadInput, InstrumentClosed
            Before anything moves.
        LightError
        """
        duties = self.checked_inputs(inputs)
        with self._one_at_a_time:
            self._refuse_if_closed()
            try:
                self._light.set(duties)
                yield self._sensor
            finally:
                self._light.off()

    def _do_measure(
        self, inputs: tuple[float, ...], channels: tuple[str, ...], exposure: Exposure | Automatic | None
    ) -> Measurement:
        right = self._clock.synchronised()
        when, began = self._clock.time(), self._clock.monotonic()
        duty = self._light.set(inputs)
        asked = exposure if isinstance(exposure, Exposure) else self._sensor.exposure
        read = partial(self._read, inputs)
        counts = read_automatically(read, channels, asked) if exposure == AUTO else read(channels, asked)
        self._light.off()
        made = set(counts.exposures.values())
        usual = made.pop() if len(made) == 1 else asked
        return Measurement(
            inputs=inputs,
            outputs=counts.outputs,
            time=when,
            device=self.name,
            id=new_id(when),
            exposure=usual,
            exposures={c: e for c, e in counts.exposures.items() if e != usual},
            saturated=counts.saturated,
            elapsed=round(self._clock.monotonic() - began, 6),
            duty=duty,
            clock=UNSYNCHRONISED if right is False else None,
        )

    def _knows_exposure(self, exposure: Exposure | Automatic | None) -> bool:
        return self._wire is None and super()._knows_exposure(exposure)  # edges end a window when they come

    def _read(self, inputs: tuple[float, ...], channels: tuple[str, ...], exposure: Exposure) -> Counts:
        """Read the sensor; once more where the light's controller lost its settings meanwhile."""
        sync = self._wire.sync(inputs, exposure) if self._wire else None

        def relight() -> None:
            self._light.set(inputs)

        for _ in range(2):
            counts = self._sensor.read(channels, exposure, relight, sync)
            if self._light.holds():
                return counts
            relight()
        raise LightError(
            "The light's controller lost its settings during the reading, twice.",
            "Check its supply: a dip resets it.",
        )

    def _do_answer(self) -> None:
        self._sensor.answer()

    def _do_dark(self) -> None:
        self._light.off()

    def _do_status(self) -> dict[str, Any]:
        e = self._sensor.exposure
        light = {name: getattr(self._light, name) for name in ("backend", "levels", "frequency")}
        means = self._sensor.recovery
        recovery = {"attempted": dict(means.attempted), "succeeded": dict(means.succeeded)}
        return {"exposure": asdict(e) | {"seconds": round(e.seconds, 6)}, "light": light, "recovery": recovery}

    def _do_time(self) -> float:
        return self._clock.time()

    def _do_synchronised(self) -> bool | None:
        return self._clock.synchronised()

    def _do_wait(self, seconds: float) -> None:
        self._clock.sleep(seconds)

    def _do_close(self) -> None:
        try:
            self._light.close()
        finally:
            self._release()
