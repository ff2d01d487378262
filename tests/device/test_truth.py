"""What the simulator says of its own light, against what it shows when nothing disturbs it."""

import numpy as np
import pytest

from retrolux.device.clock import FakeClock
from retrolux.device.errors import UnknownDevice
from retrolux.device.factory import light_alone
from retrolux.device.settings import InstrumentSettings
from retrolux.device.sim import EFFECTS, Scene, make_parts, open_sim
from retrolux.device.sim.ambient import Given

DUTIES = ((0.5, 0.25, 0.125), (0.02, 0.98, 0.7), (0.0, 0.4, 1.0), (1.0, 0.0, 0.3))


@pytest.mark.parametrize("backend", ["auto", "sysfs"])
@pytest.mark.parametrize("unit", [0, 7])
def test_it_is_what_is_read_without_noise_and_ambient_light(unit: int, backend: str) -> None:
    settings = InstrumentSettings(pwm_backend=backend)
    dark = Given([0.0, 1e12], np.zeros((2, 10)))
    parts = make_parts(unit, FakeClock(0.0), Scene(ambient=dark, without=frozenset(EFFECTS), light=settings))
    true = light_alone(f"sim:{unit}", settings, DUTIES)
    with open_sim(unit, settings, parts) as instrument:
        for duty, counts in zip(DUTIES, true, strict=True):
            read = np.array(list(instrument.measure(duty).outputs.values()))
            assert read == pytest.approx(np.minimum(counts, 65535), rel=2e-4, abs=1)


@pytest.mark.parametrize("name", ["pi", "http://127.0.0.1:9"])
def test_of_a_real_light_nobody_knows(name: str) -> None:
    with pytest.raises(UnknownDevice, match="Nobody knows"):
        light_alone(name, InstrumentSettings(), DUTIES)
