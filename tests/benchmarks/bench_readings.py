"""How long readings take by a clock on the wall, on the simulator in real time, beside the plain driver.

Not part of the default tests, for no test asserts the machine's speed: ``pytest tests/benchmarks/bench_readings.py``.
"Over ideal" is a reading's mean time over its integrations and their autozeros of 15 ms.
"""

from collections.abc import Callable
from typing import Any

import pytest

from retrolux.device.clock import RealClock
from retrolux.device.measurement import CHANNELS, REFERENCE, Exposure
from retrolux.device.passes import SIX, passes_for
from retrolux.device.settings import GAINS, InstrumentSettings
from retrolux.device.sim import load_driver, make_parts, open_sim
from tests.device.trials import Trials

AUTOZERO = 0.015
ROUNDS = 5
DUTIES = (0.3, 0.2, 0.4)
COUNTS_OF_CHANNELS = {"ten": CHANNELS, "six": SIX.channels, "one": ("515nm",)}
EXPOSURES = {
    "default": REFERENCE,
    "50 ms": Exposure(128, 29, 599),
    "10 ms": Exposure(512, 9, 359),
    "1 s": Exposure(32, 100, 3560),
}


@pytest.mark.parametrize("exposure", EXPOSURES)
@pytest.mark.parametrize("channels", COUNTS_OF_CHANNELS)
def test_retrolux(benchmark: Any, channels: str, exposure: str) -> None:
    wanted = COUNTS_OF_CHANNELS[channels]
    with open_sim(0, InstrumentSettings(EXPOSURES[exposure], real_time=True)) as instrument:
        over = timed(
            benchmark, lambda: instrument.measure(DUTIES, wanted), EXPOSURES[exposure], len(passes_for(wanted))
        )
    if exposure == "default":
        assert over <= 1.08


@pytest.mark.parametrize("exposure", ["default", "50 ms", "10 ms"])
def test_the_plain_driver(benchmark: Any, exposure: str) -> None:
    """Eight bands by ``all_channels``, which leaves clear and NIR out; above a second of data it always fails."""
    parts = make_parts(0, RealClock())
    driver = load_driver(parts.clock).AS7341(parts.bus)
    chosen = EXPOSURES[exposure]
    driver.atime, driver.astep, driver.gain = chosen.atime, chosen.astep, GAINS.index(chosen.gain)

    def all_channels() -> object:
        driver._low_channels_configured = driver._high_channels_configured = False  # or it hands out old frames
        return driver.all_channels

    timed(benchmark, all_channels, chosen, 2)


def timed(benchmark: Any, act: Callable[[], object], exposure: Exposure, passes: int) -> float:
    benchmark.group = f"{exposure.seconds * 1000:.0f} ms"
    benchmark.pedantic(act, rounds=ROUNDS, warmup_rounds=1)
    over: float = benchmark.stats.stats.mean / (passes * (exposure.seconds + AUTOZERO))
    benchmark.extra_info["over ideal"] = round(over, 3)
    print(f"\n{benchmark.name}: {over:.3f} of ideal")
    return over


@pytest.mark.parametrize("seconds", ["10 ms", "default"])
def test_until_the_light_is_dark(benchmark: Any, seconds: str) -> None:
    """From giving up on a sensor that was unplugged until the light is dark, by the wall clock: at most 100 ms."""
    trials = Trials(seed=0, exposure=EXPOSURES[seconds], clock=RealClock())
    trials.bus.present = False
    benchmark.group = "given up, 100 ms of pauses included"
    benchmark.pedantic(trials.reading, rounds=ROUNDS)
    row = trials.rows["no fault"]
    assert row.errors["SensorMissing"] == ROUNDS
    benchmark.extra_info["dark after, ms"] = round(row.dark_after * 1000, 3)
    print(f"\ndark {row.dark_after * 1000:.2f} ms after giving up, at worst")
    assert row.dark_after < 0.1
