"""Defects of a simulated instrument, so that one can see what ``retrolux doctor`` says of each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from retrolux.device.errors import BadInput
from retrolux.device.settings import COLOURS
from retrolux.device.sim.ambient import Ambient
from retrolux.device.sim.bus import EmulatedBus
from retrolux.device.sim.pwm import EmulatedOutput, Output
from retrolux.device.sim.unit import Unit

Array = NDArray[np.float64]
Outputs = Sequence[Output]

COVER = 1e-4  # of the light that black tape lets through
LAMP = 50.0  # times a usual day's sun: a lamp beside the sensor
ELSEWHERE = 0x29


@dataclass(frozen=True)
class Defect:
    """What a defect alters.

    Attributes
    ----------
    wires : callable
        Given the light's outputs, returns what red, green and blue LED hang on.
    bus : callable
        Alters the bus.
    let_through : float
        Part of all light that reaches the sensor.
    lamp : float
        Ambient light beside the weather's, in suns of a usual day.
    """

    wires: Callable[[Outputs], Outputs] = lambda outputs: outputs
    bus: Callable[[EmulatedBus], None] = lambda _bus: None
    let_through: float = 1.0
    lamp: float = 0.0

    def on_unit(self, unit: Unit) -> Unit:
        """Return the unit as its sensor sees it."""
        return replace(unit, leds=replace(unit.leds, counts=unit.leds.counts * self.let_through))

    def on_ambient(self, ambient: Ambient, unit: Unit) -> Ambient:
        """Return the ambient light as the sensor sees it."""
        return _Altered(ambient, self.let_through, self.lamp * unit.weather.spectra[0])


class _Altered(Ambient):
    def __init__(self, ambient: Ambient, factor: float, more: Array) -> None:
        self._ambient, self._factor, self._more = ambient, factor, more

    def counts(self, begun: float, seconds: float) -> Array:
        return np.asarray(self._factor * self._ambient.counts(begun, seconds) + self._more)


def _swap(one: int, other: int) -> Defect:
    order = [0, 1, 2]
    order[one], order[other] = other, one
    return Defect(wires=lambda outputs: [outputs[i] for i in order])


def _hang_on(duty: float, *colours: int) -> Defect:
    constant = EmulatedOutput()
    constant.tell(duty)

    def wires(outputs: Outputs) -> Outputs:
        return [_AtPulsesOf(outputs[i], constant) if i in colours else outputs[i] for i in range(3)]

    return Defect(wires=wires)


@dataclass(frozen=True)
class _AtPulsesOf(Output):
    """An LED on a supply line: its duty never changes; phase and frequency are the light's."""

    output: Output
    line: Output

    @property
    def fraction(self) -> float:
        return self.line.fraction

    @property
    def changes(self) -> int:
        return self.output.changes

    @property
    def frequency(self) -> float:
        return self.output.frequency


def _unplug(bus: EmulatedBus) -> None:
    bus.present = False


def _move(bus: EmulatedBus) -> None:
    bus.address = ELSEWHERE


DEFECTS: dict[str, Defect] = {
    "sensor absent": Defect(bus=_unplug),
    "wrong address": Defect(bus=_move),
    **{f"{COLOURS[i]} and {COLOURS[j]} swapped": _swap(i, j) for i, j in combinations(range(3), 2)},
    **{f"{colour} dead": _hang_on(0.0, i) for i, colour in enumerate(COLOURS)},
    "all colours dead": _hang_on(0.0, 0, 1, 2),
    **{f"{colour} stays on": _hang_on(1.0, i) for i, colour in enumerate(COLOURS)},
    "all colours stay on": _hang_on(1.0, 0, 1, 2),
    "sensor blinded": Defect(let_through=COVER),
    "ambient too bright": Defect(lamp=LAMP),
}
"""By the name that stands in the configuration, and by which ``retrolux doctor`` calls it."""


def defect(name: str | None) -> Defect:
    """Return a defect by its name; none alters nothing. Raises BadInput."""
    if name is None:
        return Defect()
    if name not in DEFECTS:
        raise BadInput(f"There is no simulated fault {name!r}.", f"The faults are: {', '.join(DEFECTS)}.")
    return DEFECTS[name]
