"""Which of the instruments of this design is simulated: each a little different, always the same."""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrolux.device.measurement import CHANNELS, INPUTS
from retrolux.device.settings import GAINS

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Unit:
    """One instrument.

    Attributes
    ----------
    number : int
        0 is the one fitted to Claude-Light; others vary about it.
    slopes : ndarray, shape (10, 3)
        Counts per unit of duty at the reference exposure, channels × inputs.
    sun, room : ndarray, shape (10,)
        Counts of the ambient light's two parts at the reference exposure.
    gains : dict
        True ratio of each gain step to gain 128 (datasheet page 37: steps are not exact).
    clock : float
        Length of the sensor's integration time over nominal.
    pwm_frequency, pulse_jitter : float
        Of the light, in Hz and seconds (standard deviation of one pulse's length).
    sun_spread, sun_memory : float
        Relative standard deviation of the sun's part, and the seconds over which it forgets.
    dark_counts, shot : float
        Standard deviation of a dark reading in counts, and the shot noise's variance per count.
    """

    number: int
    slopes: Array
    sun: Array
    room: Array
    gains: dict[float, float]
    clock: float
    pwm_frequency: float
    pulse_jitter: float
    sun_spread: float
    sun_memory: float
    dark_counts: float
    shot: float


@cache
def _fitted() -> dict[str, Any]:
    text = files("retrolux.device.sim").joinpath("claude_light.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def make_unit(number: int) -> Unit:
    """Return the N-th unit: its LEDs' strengths within some 5 %, its gain steps and its clock within 2 %.

    Unit 0 has the fitted strengths and the nominal clock.
    """
    fitted, rng = _fitted(), np.random.default_rng([7341, number])
    table = np.array([[fitted["channels"][c][n] for n in (*INPUTS, "sun", "room")] for c in CHANNELS], dtype=float)
    vary = np.clip(rng.normal(size=5), -2, 2) * (number > 0)
    steps = 1 + 0.01 * np.clip(rng.normal(size=len(GAINS)), -2, 2)
    table *= 1 + np.array([0.03, 0.03, 0.03, 0.2, 0.2]) * vary
    table[:, :3] *= 1 + 0.01 * np.clip(rng.normal(size=(len(CHANNELS), 3)), -2, 2) * (number > 0)
    return Unit(
        number=number,
        slopes=table[:, :3],
        sun=table[:, 3],
        room=table[:, 4],
        gains={g: g / 128 * (1.0 if g == 128 else float(s)) for g, s in zip(GAINS, steps, strict=True)},
        clock=1 + 0.01 * float(np.clip(rng.normal(), -2, 2)) * (number > 0),
        pwm_frequency=fitted["pwm"]["frequency"],
        pulse_jitter=fitted["pwm"]["jitter"],
        sun_spread=fitted["sun"]["spread"],
        sun_memory=fitted["sun"]["memory"],
        dark_counts=fitted["dark"]["counts"],
        shot=fitted["dark"]["shot"],
    )
