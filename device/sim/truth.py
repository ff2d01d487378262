"""What a simulated light is, apart from what a reading of it shows."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from retrolux.device.clock import FakeClock
from retrolux.device.settings import InstrumentSettings
from retrolux.device.sim.lights import make_light
from retrolux.device.sim.spectra import heated
from retrolux.device.sim.unit import make_unit

Array = NDArray[np.float64]


def true_light(number: int, settings: InstrumentSettings, duties: Sequence[Sequence[float]]) -> Array:
    """Return the counts that unit N's light alone makes, without noise, ceiling and ambient light.

    At the reference exposure, as this unit's sensor times it; of cold LEDs, of which warm ones lack a ten-thousandth.

    Parameters
    ----------
    duties : sequence of sequences of 3 float
        In [0, 1].

    Returns
    -------
    ndarray, shape (n, 10)
    """
    unit = make_unit(number)
    light = make_light(unit, settings, settings.pwm_frequency or unit.pulses.frequency, FakeClock(0.0))
    pulses = replace(light.pulses, frequency=light.outputs[0].frequency)
    on = np.array([pulses.on(np.asarray(row, dtype=np.float64)) for row in duties]).reshape(-1, 1, 3)
    return np.asarray((unit.leds.counts * heated(on, unit.leds.curvature)).sum(axis=2) * unit.clock)
