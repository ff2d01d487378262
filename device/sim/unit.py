"""Which of the instruments of this design is simulated: each a little different, always the same."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from retrolux.device.measurement import CHANNELS, INPUTS
from retrolux.device.settings import GAINS
from retrolux.device.sim.spectra import overlap, passband_shares, sensitivity

Array = NDArray[np.float64]
AMBIENT = ("sun", "sky", "lamp")


@dataclass(frozen=True)
class Leds:
    """The light's three LEDs as the sensor sees them.

    Attributes
    ----------
    counts : ndarray, shape (10, 3)
        Counts of each channel at full duty and the reference exposure.
    peaks, widths : ndarray, shape (3,)
        Of the spectra, in nm; widths at half maximum.
    shares : ndarray, shape (10, 3)
        Part of the counts that comes through the channel's passband.
    heating, shift : ndarray, shape (3,)
        What its own heat does to an LED at full duty: relative change of its light (droop, where negative), and of
        its peak in nm.
    supply : float
        Relative standard deviation of all three together from window to window: what the current does.
    warm_up, warm_up_seconds : float
        Relative loss of light in the first seconds, and how long it takes.
    """

    counts: Array
    peaks: Array
    widths: Array
    shares: Array
    heating: Array
    shift: Array
    supply: float
    warm_up: float
    warm_up_seconds: float

    @property
    def curvature(self) -> Array:
        """Relative change of each channel's counts by the LED's heat at full duty, shape (10, 3)."""
        return self.heating + self.shift * sensitivity(self.peaks, self.widths, self.shares)

    def varied(self, strengths: Array, cells: Array, shifts: Array) -> Self:
        """Return LEDs of other strengths (3,), cells (10, 3) and peaks moved by nm (3,), as another unit has them."""
        moved = overlap(self.peaks + shifts, self.widths) / np.maximum(overlap(self.peaks, self.widths), 1e-300)
        seen = 1 + self.shares * (moved - 1)
        return replace(self, counts=self.counts * strengths * cells * seen, peaks=self.peaks + shifts)


def on_with_late_pulses(duty: Array, begun: Array, ended: Array) -> Array:
    """Return the fraction of a period in which outputs are on whose pulses and periods are late, both in periods."""
    return np.where((duty > 0) & (duty < 1), np.clip((duty + begun) / (1 + ended), 0, 1), duty)


@dataclass(frozen=True)
class Pulses:
    """What a PWM output makes of the duty that it is told.

    Attributes
    ----------
    frequency : float
        In Hz.
    jitter : ndarray, shape (3,)
        Standard deviation of one pulse's length, seconds.
    common : float
        Share of the jitter's variance that the three outputs have in common.
    begun_late, ended_late : ndarray, shape (3,)
        Seconds by which a pulse is longer than told, and by which a whole period is: the duty d becomes
        (d + begun_late f) / (1 + ended_late f). At 0 and 1 there are no pulses, and the duty is exact.
    """

    frequency: float
    jitter: Array
    common: float
    begun_late: Array
    ended_late: Array

    def on(self, duty: Array) -> Array:
        """Return the fraction of a period in which each output is on, shape (3,)."""
        f = self.frequency
        return on_with_late_pulses(duty, self.begun_late * f, self.ended_late * f)


@dataclass(frozen=True)
class Weather:
    """Ambient light: its spectra and how it wanders.

    Attributes
    ----------
    spectra : ndarray, shape (3, 10)
        Counts at the reference exposure of a usual daytime's sun, of the sky's other colour, and of the room's lamp.
    spread, memory : float
        Standard deviation of the logarithm of the sun's strength, and the seconds over which it forgets.
    tint : float
        Standard deviation of the sky's share, relative to the sun's strength.
    cloud, cloud_spread, cloud_memory : float
        Typical relative unrest within minutes, the spread of its logarithm, and the seconds over which it turns.
    lamp_share, lamp_seconds : float
        How often the lamp is on by day, and for how long.
    """

    spectra: Array
    spread: float
    memory: float
    tint: float
    cloud: float
    cloud_spread: float
    cloud_memory: float
    lamp_share: float
    lamp_seconds: float


@dataclass(frozen=True)
class Unit:
    """One instrument.

    Attributes
    ----------
    number : int
        0 is the one fitted to Claude-Light; others vary about it.
    leds : Leds
    pulses : Pulses
    weather : Weather
    gains : dict
        True ratio of each gain step to gain 128 (datasheet page 37: steps are not exact).
    clock : float
        Length of the sensor's integration time over nominal.
    pwm_clock : float
        Of a PWM controller's oscillator, over nominal.
    dark_counts, shot : float
        Standard deviation of a dark reading in counts, and the shot noise's variance per count.
    """

    number: int
    leds: Leds
    pulses: Pulses
    weather: Weather
    gains: dict[float, float]
    clock: float
    dark_counts: float
    shot: float
    pwm_clock: float = 1.0


@cache
def fitted() -> Mapping[str, Any]:
    """Return the numbers fitted to Claude-Light, with their provenance."""
    text = files("retrolux.device.sim").joinpath("claude_light.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def make_unit(number: int, numbers: Mapping[str, Any] | None = None) -> Unit:
    """Return the N-th unit.

    Its LEDs' strengths vary by 3 % and their peaks by 1 nm, each cell by 1 %, ambient light by 20 %, gain steps by
    1 %, the sensor's clock by 1.5 %, a PWM controller's by 1 %, jitter by 20 % (standard deviations, cut at two of
    them). Unit 0 has the fitted numbers and nominal clocks.

    Parameters
    ----------
    numbers : mapping, optional
        Other numbers than those of the package, of the same form.
    """
    numbers = numbers or fitted()
    draw = _Draws(number)
    leds = _leds(numbers).varied(draw.about(0.03, 3), draw.about(0.01, (len(CHANNELS), 3)), draw.about(1.0, 3) - 1)
    weather = _weather(numbers)
    steps = np.clip(draw.rng.normal(size=len(GAINS)), -2, 2)  # also of unit 0: no sensor's are exact
    return Unit(
        number=number,
        leds=leds,
        pulses=_pulses(numbers, draw.about(0.2, 3)),
        weather=replace(weather, spectra=weather.spectra * draw.about(0.2, (len(AMBIENT), 1))),
        gains={g: g / 128 * (1.0 if g == 128 else 1 + 0.01 * float(s)) for g, s in zip(GAINS, steps, strict=True)},
        clock=float(draw.about(0.015, 1)[0]) * numbers["sensor"]["clock"],
        dark_counts=numbers["sensor"]["dark_counts"],
        shot=numbers["sensor"]["shot"],
        pwm_clock=float(draw.about(0.01, 1)[0]),
    )


class _Draws:
    """Factors about one; exactly one for unit 0."""

    def __init__(self, number: int) -> None:
        self.rng = np.random.default_rng([7341, number])
        self._varies = number > 0

    def about(self, spread: float, shape: int | tuple[int, ...]) -> Array:
        return np.asarray(1 + spread * self._varies * np.clip(self.rng.normal(size=shape), -2, 2))


def _leds(numbers: Mapping[str, Any]) -> Leds:
    leds, counts = numbers["leds"], np.array([[numbers["channels"][c][k] for k in INPUTS] for c in CHANNELS], float)
    column = {name: np.array([leds[k][name] for k in INPUTS]) for name in ("peak", "width", "heating", "shift")}
    responsivity = np.array([numbers["channels"][c]["responsivity"] for c in CHANNELS])
    return Leds(
        counts=counts,
        peaks=column["peak"],
        widths=column["width"],
        shares=passband_shares(counts, column["peak"], column["width"], responsivity),
        heating=column["heating"],
        shift=column["shift"],
        supply=leds["supply"],
        warm_up=leds["warm_up"]["loss"],
        warm_up_seconds=leds["warm_up"]["seconds"],
    )


def _pulses(numbers: Mapping[str, Any], jitter: Array) -> Pulses:
    pwm = numbers["pwm"]
    column = {n: np.array([pwm[n][k] for k in INPUTS]) for n in ("jitter", "begun_late", "ended_late")}
    return Pulses(
        pwm["frequency"], column["jitter"] * jitter, pwm["common"], column["begun_late"], column["ended_late"]
    )


def _weather(numbers: Mapping[str, Any]) -> Weather:
    spectra = np.array([[numbers["channels"][c][a] for c in CHANNELS] for a in AMBIENT], float)
    return Weather(spectra, **numbers["weather"])
