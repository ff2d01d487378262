"""Ambient light: when the sun is up, how it wanders, and what a log tells of it."""

from datetime import UTC, datetime

import numpy as np
import pytest

from retrolux.device.clock import FakeClock
from retrolux.device.designs import design
from retrolux.device.errors import LogUnreadable
from retrolux.device.measurement import CHANNELS
from retrolux.device.settings import InstrumentSettings
from retrolux.device.sim import MORNING, Scene, make_parts, open_sim
from retrolux.device.sim.ambient import Given, Sky
from retrolux.device.sim.given import ambient_of
from retrolux.device.sim.sun import daylight, sine_of_elevation
from retrolux.device.sim.unit import make_unit

SUN = CHANNELS.index("680nm")


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("when", "elevation"),
    [
        ("2025-11-03 11:49", -0.8),  # sunrise and sunset of Pittsburgh: its rim, lifted by refraction
        ("2025-11-03 22:14", -0.8),
        ("2025-11-03 17:03", 34.5),  # noon: 90° − 40.4° − declination of −15.1°
        ("2025-06-21 17:22", 73.0),  # midsummer's noon: 90° − 40.4° + 23.4°
    ],
)
def test_the_sun_stands_where_the_almanac_says(when: str, elevation: float) -> None:
    assert np.degrees(np.arcsin(sine_of_elevation(at(when)))) == pytest.approx(elevation, abs=1.2)


def test_the_night_is_dark() -> None:
    assert daylight(at("2025-11-03 04:00")) == 0
    sky = Sky(make_unit(0).weather, np.random.default_rng(0))
    assert sky.counts(at("2025-11-03 04:00"), 0.28).max() == 0
    assert sky.counts(at("2025-11-03 16:00"), 0.28).min() > 0


def noons(n: int) -> np.ndarray:
    sky = Sky(make_unit(0).weather, np.random.default_rng(3))
    return np.array([sky.counts(at("2025-11-03 17:00") + 86400 * i, 0.28)[SUN] for i in range(n)])


def test_days_differ_as_much_as_the_fit_says() -> None:
    weather = make_unit(0).weather
    logs = np.log(noons(400))
    typical = np.hypot(weather.spread, weather.cloud)  # clouds add, now more and now less
    assert typical * 0.85 < logs.std() < typical * 1.8


def test_daylight_wanders_smoothly_within_a_burst() -> None:
    """Real bursts of four seconds scatter by 0.1 % of the daylight (median)."""
    sky = Sky(make_unit(0).weather, np.random.default_rng(5))
    sizes = []
    for i in range(200):
        begun = at("2025-11-03 17:00") + 86400 * i
        counts = np.array([sky.counts(begun + 0.8 * k, 0.28)[SUN] for k in range(5)])
        sizes.append(counts.std(ddof=1) / counts.mean())
    assert 0.0005 < np.median(sizes) < 0.002


def test_what_is_given_lies_straight_between_its_times() -> None:
    given = Given([0.0, 10.0], [[0.0] * 10, [100.0] * 10])
    assert given.counts(2.0, 1.0) == pytest.approx(np.full(10, 25.0))
    assert given.counts(99.0, 0.28) == pytest.approx(np.full(10, 100.0))


def test_a_log_tells_the_ambient_light_that_was_there() -> None:
    """Against the truth, which only a simulation has: lamp and sun change within the sitting."""
    unit = make_unit(0)
    sun, _, lamp = unit.weather.spectra
    times = MORNING + np.array([0.0, 30.0, 30.1, 70.0])
    truth = Given(times.tolist(), [0.8 * sun, sun, sun + lamp, 1.4 * sun + lamp])
    parts = make_parts(0, FakeClock(MORNING), Scene(ambient=truth))
    with open_sim(0, InstrumentSettings(), parts) as instrument:
        rows = [instrument.measure(s).to_record() for s in design("lhs", 100, seed=4)]
    found = ambient_of(rows, unit)
    wrong = np.array([found.counts(r["time"], 0.28) - truth.counts(r["time"] + 0.3, 0.28) for r in rows])
    spread = np.sqrt((wrong**2).mean(axis=0))
    changes = (1.4 * sun + lamp - 0.8 * sun) / np.sqrt(12)
    for channel in ("415nm", "445nm", "590nm", "630nm", "680nm", "nir"):
        i = CHANNELS.index(channel)
        assert spread[i] < 0.25 * changes[i], channel
    assert abs(wrong.mean(axis=0)[CHANNELS.index("515nm")]) < 40  # of 1000


def test_a_log_without_times_or_channels_is_refused() -> None:
    with pytest.raises(LogUnreadable, match="no time"):
        ambient_of([{"in": [0, 0, 0], "out": {}}], make_unit(0))
    with pytest.raises(LogUnreadable, match="lacks one of the ten"):
        ambient_of([{"in": [0, 0, 0], "out": {"415nm": 1}, "time": 1.0}], make_unit(0))
