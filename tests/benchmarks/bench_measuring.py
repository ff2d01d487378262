"""One reading of ten channels, logged: Retrolux beside what Claude-Light does, on the same emulated bus.

Seconds are of the emulated clock, in which each transaction takes what it takes on a Pi; processor time is real.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import process_time
from typing import Any

import pytest

from retrolux.device.clock import FakeClock
from retrolux.device.log import MeasurementLog
from retrolux.device.recording import Recorder
from retrolux.device.settings import InstrumentSettings
from retrolux.device.sim import MORNING, OVERHEAD, Parts, Scene, make_parts, open_sim
from retrolux.device.sim.bus import EmulatedBus
from tests.benchmarks.conftest import Record
from tests.benchmarks.peers.claude_light import ClaudeLight
from tests.benchmarks.timing import side_by_side

READINGS = 20
DUTIES = (0.3, 0.2, 0.4)
SETTINGS = InstrumentSettings(pwm_backend="gpiozero")  # Claude-Light's library


class CountingBus(EmulatedBus):
    """The emulated bus, counting its transactions."""

    transactions = 0

    def _transact(self, address: int, n_bytes: int) -> Any:
        self.transactions += 1
        return super()._transact(address, n_bytes)


class Station:
    """One instrument on emulated hardware of its own, alike for both."""

    def __init__(self, opened: Callable[[Parts], Callable[[], object]]) -> None:
        made = make_parts(0, FakeClock(MORNING), Scene(light=SETTINGS))
        self.bus = CountingBus(made.chip, made.clock, OVERHEAD)
        self.parts = replace(made, bus=self.bus)
        self.read = opened(self.parts)
        self.read()  # the first sets registers that stay
        self.before = self.parts.clock.monotonic(), self.bus.transactions
        self.busy = 0.0
        self.done = 0

    def reading(self) -> None:
        began = process_time()
        self.read()
        self.busy += process_time() - began
        self.done += 1

    @property
    def costs(self) -> tuple[float, float, float]:
        """Seconds of the sensor's time, transactions, and seconds of processor time, of a reading."""
        seconds, transactions = self.parts.clock.monotonic() - self.before[0], self.bus.transactions - self.before[1]
        return seconds / self.done, transactions / self.done, self.busy / self.done


@pytest.mark.gate
def test_a_reading(benchmark: Any, record: Record, tmp_path: Path) -> None:
    def retrolux(parts: Parts) -> Callable[[], object]:
        recorder = Recorder(open_sim(0, SETTINGS, parts), MeasurementLog(tmp_path / "ours.jsonl"))
        return lambda: recorder.measure(DUTIES)

    def claude_light(parts: Parts) -> Callable[[], object]:
        program = ClaudeLight(parts, tmp_path / "peer.jsonl")
        return lambda: program.measure(*DUTIES)

    ours, peer = Station(retrolux), Station(claude_light)
    side_by_side(benchmark, ours.reading, peer.reading, rounds=READINGS)
    whats = ("sensor time of a reading", "bus transactions of a reading", "processor time of a reading")
    units = ("s", "", "s")
    keys = ("measure-sensor", "measure-transactions", "measure-processor")
    for key, what, unit, mine, other in zip(keys, whats, units, ours.costs, peer.costs, strict=True):
        remark = "the emulator's own included" if key == "measure-processor" else ""
        values = {"ours": mine, "peer": other, "beside": "Claude-Light's calls", "remark": remark}
        record(key, f"measuring, {what}", unit, **values)
    lines = [len((tmp_path / name).read_text(encoding="utf-8").splitlines()) for name in ("ours.jsonl", "peer.jsonl")]
    assert lines == [READINGS + 2, READINGS + 2]  # each reading was made and logged, the first and the warm one too
