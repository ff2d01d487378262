"""What reaches each photodiode: light, ambient light, and noise."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from retrolux.device.measurement import CHANNELS, REFERENCE
from retrolux.device.sim.ambient import Ambient
from retrolux.device.sim.pwm import Waveform
from retrolux.device.sim.spectra import heated
from retrolux.device.sim.unit import Leds, Unit

Array = NDArray[np.float64]


class Emission:
    """What the LEDs make of the time that they are on: they warm up, and their own heat changes their light.

    Parameters
    ----------
    leds : Leds
    """

    def __init__(self, leds: Leds) -> None:
        self._leds = leds
        self._curvature = leds.curvature
        self._heat = np.zeros(3)

    def counts(self, on: Array) -> Array:
        """Return counts of the ten channels at the reference exposure for LEDs on this part of a window, (3,)."""
        loss = 1 - self._leds.warm_up * self._heat
        return np.asarray((self._leds.counts * heated(on, self._curvature)) @ loss)

    def pass_time(self, seconds: float, on: Array) -> None:
        """Let the LEDs warm towards what they are driven at, or cool where it is zero."""
        keep = np.exp(-max(seconds, 0.0) / self._leds.warm_up_seconds)
        self._heat = on + (self._heat - on) * keep


class Optics:
    """Counts that an integration gathers on each photodiode.

    Parameters
    ----------
    unit : Unit
    waveform : Waveform
        The light.
    ambient : Ambient
    rng : numpy.random.Generator
        Draws shot and dark noise.
    epoch : float
        Time of the ambient light, seconds since the epoch, when the sensor's clock shows 0.
    """

    def __init__(
        self, unit: Unit, waveform: Waveform, ambient: Ambient, rng: np.random.Generator, epoch: float
    ) -> None:
        self._unit = unit
        self._waveform = waveform
        self._ambient = ambient
        self._rng = rng
        self._epoch = epoch
        self._emission = Emission(unit.leds)
        self._seen = 0.0, -1  # end of the last window, and the light's setting in it

    def flux(self, begun: float, seconds: float) -> Mapping[str, float]:
        """Return each channel's light of a window, as counts at gain 128 with both halves of its photodiodes.

        The light's waveform is the same for all channels of a window, so its noise is common to them.

        Parameters
        ----------
        begun, seconds : float
            Of the window, in seconds of the true clock.
        """
        on = self._waveform.mean_on(begun, seconds)
        last, setting = self._seen
        still_on = setting == self._waveform.settings
        self._emission.pass_time(begun - last, on if still_on else np.zeros(3))  # dark between two settings
        self._emission.pass_time(seconds / 2, on)
        steady = 1 + self._unit.leds.supply * self._rng.normal()
        mean = steady * self._emission.counts(on) + self._ambient.counts(self._epoch + begun, seconds)
        self._emission.pass_time(seconds / 2, on)
        self._seen = begun + seconds, self._waveform.settings
        return dict(zip(CHANNELS, (mean * seconds / REFERENCE.seconds).tolist(), strict=True))

    def falls(self, colour: int, when: float, edges: int) -> tuple[float, float] | None:
        """Return when a colour next goes off and when it has done so ``edges`` times more; None without pulses."""
        first = self._waveform.falls(colour, when)
        return None if first is None else (first, first + edges * self._waveform.period)

    def read_out(self, counts: float, gain: float) -> int:
        """Return a converter's count: shot noise, dark noise, rounding; never negative."""
        noise = self._unit.shot * gain / 128 * counts + self._unit.dark_counts**2
        return max(0, round(counts + self._rng.normal() * float(np.sqrt(noise))))
