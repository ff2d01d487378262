"""Dark frames, and the ambient light that rides along with each reading."""

import json
from pathlib import Path

import numpy as np
import pytest

from retrolux.device.ambient import AmbientTracker
from retrolux.device.automatic import AUTO
from retrolux.device.bench import Bench
from retrolux.device.clock import FakeClock
from retrolux.device.designs import design
from retrolux.device.errors import BadInput
from retrolux.device.log import MeasurementLog, latest_records, read_records
from retrolux.device.measurement import CHANNELS, Exposure
from retrolux.device.recording import Recorder
from retrolux.device.settings import InstrumentSettings
from retrolux.device.sim import MORNING, Parts, Scene, make_parts, open_sim
from retrolux.device.sim.ambient import Given
from retrolux.device.sim.unit import make_unit

SUN = make_unit(0).weather.spectra[0]
LIGHT = (0.5, 0.5, 0.5)


def opened(*levels: float, sync: str | None = None) -> tuple[Bench, Parts]:
    """Return the fitted unit under so many usual mornings' light, ten minutes from one to the next."""
    times = [MORNING + 600.0 * i for i in range(len(levels))]
    parts = make_parts(0, FakeClock(1000), Scene(ambient=Given(times, [level * SUN for level in levels])))
    return open_sim(0, InstrumentSettings(sync=sync), parts), parts


def recorder(tmp_path: Path, *levels: float) -> Recorder:
    return Recorder(opened(*levels)[0], MeasurementLog(tmp_path / "log.jsonl"))


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_dark_frame_is_the_ambient_light(when: str) -> None:
    instrument, parts = opened(1.0)
    reading = instrument.measure(LIGHT, None, None, when)
    assert reading.dark is not None
    assert list(reading.dark) == list(CHANNELS)
    assert list(reading.dark.values()) == pytest.approx(SUN, rel=0.02, abs=5)
    assert reading.outputs["515nm"] > 30_000
    assert reading.inputs == LIGHT
    lit = [i for i, value in enumerate(parts.pins[1].history) if value]
    assert len(lit) == 1
    assert [pin.duty_cycle for pin in parts.pins] == [0, 0, 0]


def test_the_dark_frame_is_at_each_channels_own_exposure() -> None:
    instrument, _ = opened(1.0)
    reading = instrument.measure((1, 1, 1), None, AUTO, "after")
    assert reading.dark is not None
    for i, channel in enumerate(CHANNELS):
        own = reading.exposure_of(channel)
        assert own is not None
        expected = SUN[i] * make_unit(0).gains[own.gain] * own.seconds / 0.28078
        assert reading.dark[channel] == pytest.approx(expected, rel=0.03, abs=5), channel


@pytest.mark.parametrize("sync", ["green", None])
def test_no_dark_frame_before_an_exposure_that_is_not_known(sync: str | None) -> None:
    instrument, parts = opened(1.0, sync=sync)
    before = [len(pin.history) for pin in parts.pins]
    with pytest.raises(BadInput, match="not known before"):
        instrument.measure(LIGHT, None, None if sync else AUTO, "before")
    with pytest.raises(BadInput, match="no dark frame 'sometimes'"):
        instrument.measure(LIGHT, None, None, "sometimes")
    assert [len(pin.history) for pin in parts.pins] == before
    after = instrument.measure(LIGHT, None, None, "after")
    assert after.dark is not None
    assert after.dark["515nm"] == pytest.approx(SUN[3], rel=0.15)


def test_it_is_in_the_record(tmp_path: Path) -> None:
    logged = recorder(tmp_path, 1.0)
    logged.measure(LIGHT, None, Exposure(64), "after")
    (record,) = read_records(logged.log.path)
    assert record["dark"]["515nm"] == pytest.approx(SUN[3] / 2, rel=0.03)
    assert record["ambient"]["by"] == "dark"
    assert record["ambient"]["out"]["515nm"] == pytest.approx(SUN[3], rel=0.03)  # at the reference exposure
    assert record["ambient"]["age"] == 0


def test_nothing_is_said_while_nothing_is_known(tmp_path: Path) -> None:
    logged = recorder(tmp_path, 1.0)
    assert logged.measure(LIGHT).ambient is None
    assert "ambient" not in read_records(logged.log.path)[0]


def test_a_dark_frame_is_remembered_with_its_age_and_not_for_ever(tmp_path: Path) -> None:
    logged = recorder(tmp_path, 1.0)
    logged.measure((0, 0, 0))
    logged.instrument.wait_until(logged.instrument.time() + 60)
    later = logged.measure(LIGHT).ambient
    assert later is not None
    assert (later.by, later.age) == ("last dark", pytest.approx(60.6, abs=0.2))
    logged.instrument.wait_until(logged.instrument.time() + 3600)
    assert logged.measure(LIGHT).ambient is None


def test_estimates_follow_the_light_of_the_room(tmp_path: Path) -> None:
    """Half the sun, then, ten minutes later, one and a half: after one dark frame, all ten channels, within a tenth."""
    logged = recorder(tmp_path, 0.5, 1.5)
    settings = [s for s in design("lhs", 60, seed=2) if max(s) < 0.99]
    for setting in settings[:30]:
        logged.measure(setting)
    logged.measure(LIGHT, dark="after")
    errors = []
    for setting in settings[30:]:
        logged.instrument.wait_until(logged.instrument.time() + 15)
        reading = logged.measure(setting)
        assert reading.ambient is not None
        assert reading.ambient.by == "estimate"
        truth = (0.5 + min((reading.time - 1000) / 600, 1.0)) * SUN
        errors.append([reading.ambient.counts[c] / t - 1 for c, t in zip(CHANNELS[:8], truth[:8], strict=True)])
    assert np.sqrt(np.mean(np.square(errors), axis=0)).max() < 0.2
    assert set(reading.ambient.counts) == set(CHANNELS)


def test_another_process_goes_on_from_the_log(tmp_path: Path) -> None:
    first = recorder(tmp_path, 1.0)
    for setting in design("lhs", 12, seed=3):
        first.measure(setting)
    first.close()
    again = recorder(tmp_path, 1.0).measure(LIGHT)
    assert again.ambient is not None
    assert again.ambient.by == "estimate"


def test_other_instruments_and_broken_lines_tell_nothing(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    stranger = {"in": [0, 0, 0], "out": dict.fromkeys(CHANNELS, 9), "time": 1000.0, "device": "pi"}
    log.write_text(json.dumps(stranger) + "\n" + '{"in": [0, 0], "out": {"x": 1}, "device": "sim"}\n')
    assert Recorder(opened(1.0)[0], MeasurementLog(log)).measure(LIGHT).ambient is None


def test_the_tail_of_a_log_is_read_without_its_beginning(tmp_path: Path) -> None:
    log = tmp_path / "long.jsonl"
    rows = [{"in": [0.5, 0.5, 0.5], "out": {"515nm": i}, "time": float(i), "device": "sim"} for i in range(5000)]
    log.write_text("".join(json.dumps(row) + "\n" for row in rows) + "torn")
    found = latest_records(log, 80)
    assert [r["out"]["515nm"] for r in found] == list(range(4920, 5000))
    assert latest_records(tmp_path / "none.jsonl", 80) == []


def test_saturated_channels_are_left_out(tmp_path: Path) -> None:
    instrument, _ = opened(10.0)
    ambient = AmbientTracker().see(instrument.measure((0, 0, 0)))
    assert ambient is not None
    assert "clear" not in ambient.counts
    assert "515nm" in ambient.counts
