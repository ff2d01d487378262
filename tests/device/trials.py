"""Readings under faults, each judged by a twin that knows the right number.

The light of the twin is a scene of its own for each reading: ten counts drawn at random, without noise. So a number
from another reading, another pass, another gain or time, or a half-written map is not the right one.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from retrolux.device.bench import Bench
from retrolux.device.clock import Clock, FakeClock
from retrolux.device.errors import SensorMissing, SensorReset, SensorTimeout
from retrolux.device.measurement import CHANNELS, REFERENCE, Exposure, Measurement
from retrolux.device.sensor import Counts, Sensor
from retrolux.device.settings import InstrumentSettings
from retrolux.device.sim import Parts, make_parts, open_sim
from retrolux.device.sim.chip import Chip
from retrolux.device.sim.faults import Fault, FaultyBus
from retrolux.device.sim.pwm import FULL, PwmPin
from retrolux.device.sim.unit import make_unit

DUTIES = (0.5, 0.25, 0.125)
TYPED = (SensorMissing, SensorTimeout, SensorReset)


class Scenes:
    """Optics without noise: counts at gain 128, both halves, of a window that began under the present scene.

    Half of each is ambient light; the other half is there while the pins are as they were set.
    """

    def __init__(self, clock: Clock, rng: np.random.Generator, pins: Sequence[PwmPin]) -> None:
        self._clock, self._rng, self._pins = clock, rng, pins
        self._since, self.now = clock.monotonic(), self._draw()
        self._before = self.now

    def change(self) -> None:
        self._since, self._before, self.now = self._clock.monotonic(), self.now, self._draw()

    def _draw(self) -> dict[str, float]:
        return dict(zip(CHANNELS, self._rng.uniform(200, 60_000, len(CHANNELS)).tolist(), strict=True))

    def flux(self, when: float, seconds: float) -> Mapping[str, float]:
        scene = self.now if when >= self._since else self._before
        lit = tuple(pin.duty_cycle for pin in self._pins) == tuple(round(duty * FULL) for duty in DUTIES)
        share = seconds / REFERENCE.seconds * (1.0 if lit else 0.5)
        return {c: counts * share for c, counts in scene.items()}

    def read_out(self, counts: float, gain: float) -> int:
        return round(counts)


@dataclass
class Row:
    """What became of the readings under one kind of fault."""

    readings: int = 0
    right: int = 0
    wrong: int = 0
    slowest: float = 0.0  # seconds of a reading, or until it was given up
    dark_after: float = 0.0  # seconds from giving up until the light is dark, at worst
    errors: Counter[str] = field(default_factory=Counter)  # by the name of their type


class Timed:
    """The sensor, with the moment noted at which it answers or gives up."""

    def __init__(self, sensor: Sensor, clock: Clock) -> None:
        self.sensor, self._clock, self.ended = sensor, clock, 0.0

    @property
    def exposure(self) -> Exposure:
        return self.sensor.exposure

    def read(self, *wanted: Any, **named: Any) -> Counts:
        try:
            return self.sensor.read(*wanted, **named)
        finally:
            self.ended = self._clock.monotonic()


class Trials:
    """An instrument on a bus that can be faulty, and the tally of what happened."""

    def __init__(self, seed: int, exposure: Exposure = REFERENCE, clock: Clock | None = None) -> None:
        self.rng = np.random.default_rng([9, seed])
        self.clock = clock or FakeClock(0.0)
        self.unit, made = make_unit(0), make_parts(0, self.clock)
        self.scenes = Scenes(self.clock, self.rng, made.pins)
        chip = Chip(self.unit, self.scenes, self.clock)  # type: ignore[arg-type]
        self.bus = FaultyBus(chip, self.clock, self.rng)
        self.parts: Parts = replace(made, chip=chip, bus=self.bus)
        self.instrument: Bench = open_sim(0, InstrumentSettings(exposure), self.parts)
        self.sensor = self.instrument._sensor
        self._timed = Timed(self.sensor, self.clock)
        self.instrument._sensor = self._timed  # type: ignore[assignment]
        self.rows: dict[str, Row] = defaultdict(Row)

    def transactions(self, channels: Sequence[str] = CHANNELS) -> int:
        """How many a reading without a fault has."""
        before = self.bus.transactions
        self.reading("no fault", channels)
        return self.bus.transactions - before

    def struck(self, fault: Fault, after: int, channels: Sequence[str] = CHANNELS) -> None:
        """Make one reading under one fault, which is no fault where the reading has fewer transactions."""
        self.bus.arm(fault, after)
        self.reading(fault.value, channels)

    def reading(self, kind: str = "no fault", channels: Sequence[str] = CHANNELS) -> None:
        """Make a reading of a new scene and tally how it ended."""
        self.scenes.change()
        began = self.clock.monotonic()
        try:
            outcome: Measurement | Exception = self.instrument.measure(DUTIES, channels)
        except TYPED as error:
            outcome = error
        assert [pin.duty_cycle for pin in self.parts.pins] == [0, 0, 0]
        row = self.rows[kind if self.bus.disarm() else "no fault"]
        row.dark_after = max(row.dark_after, self.clock.monotonic() - self._timed.ended)
        row.slowest = max(row.slowest, self._timed.ended - began)
        self._tally(row, outcome)

    def _tally(self, row: Row, outcome: Measurement | Exception) -> None:
        row.readings += 1
        if isinstance(outcome, Exception):
            row.errors[type(outcome).__name__] += 1
        elif self.is_right(outcome):
            row.right += 1
        else:
            row.wrong += 1

    def is_right(self, reading: Measurement) -> bool:
        """Whether each count is the scene's, to the rounding of half a count."""
        assert reading.exposure is not None
        e = reading.exposure
        factor = self.unit.gains[e.gain] * e.seconds * self.unit.clock / REFERENCE.seconds
        wanted = {c: min(self.scenes.now[c] * factor, e.ceiling) for c in reading.outputs}
        return all(abs(count - wanted[c]) <= 0.51 for c, count in reading.outputs.items())

    def table(self) -> str:
        """The tally as a table in Markdown."""
        lines = ["| fault | readings | right | typed error | wrong | slowest | light dark after |", "|---" * 7 + "|"]
        for kind, r in self.rows.items():
            errors = ", ".join(f"{n} {name}" for name, n in r.errors.items()) or "0"
            seconds = f"{r.slowest:.2f} s | {r.dark_after * 1000:.1f} ms"
            lines.append(f"| {kind} | {r.readings} | {r.right} | {errors} | {r.wrong} | {seconds} |")
        return "\n".join(lines)


def unplug(trials: Trials) -> None:
    trials.bus.present = False


def jam(trials: Trials) -> None:
    trials.bus.arm(Fault.STUCK, 30)
    trials.bus.deinit = lambda: None  # type: ignore[method-assign]


def hang(trials: Trials) -> None:
    trials.bus._started_or_stopped = lambda: None  # type: ignore[method-assign]
    trials.parts.chip.stuck_data = True


def starve(trials: Trials) -> None:
    """Lose power whenever an integration starts."""
    real = trials.parts.chip.write

    def write(register: int, value: int) -> None:
        real(register, value)
        if register == 0x80 and value & 0x02:
            trials.parts.chip.power_loss()

    trials.parts.chip.write = write  # type: ignore[method-assign]


LASTING = {
    "unplugged for good": (unplug, SensorMissing),
    "stuck bus, also when reopened": (jam, SensorMissing),
    "never ready, for good": (hang, SensorTimeout),
    "brown-out at each start": (starve, SensorTimeout),
}


def lasting(kind: str, exposure: Exposure, readings: int) -> Row:
    """What becomes of readings under a fault that does not go away."""
    trials = Trials(seed=7, exposure=exposure)
    LASTING[kind][0](trials)
    for _ in range(readings):
        trials.reading(kind)
    return trials.rows[kind]
