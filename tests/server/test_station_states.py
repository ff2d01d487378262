"""A station through any order of readings, failures of its disk, jobs and restarts."""

import errno
import os
import shutil
import tempfile
import threading
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from retrolux.device.errors import DeviceError
from retrolux.device.log import read_records
from retrolux.server import journal
from retrolux.server.config import Config, Log, Simulator
from retrolux.server.jobs import Jobs, Reporting
from retrolux.server.station import Station

DUTIES = st.tuples(*3 * [st.floats(0, 1)])
BAD = st.sampled_from([(2.0, 0.0, 0.0), (float("nan"), 0.0, 0.0), (0.0, 0.0), (0.0, 0.0, 0.0, 0.0)])


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


class Life(RuleBasedStateMachine):
    """What was acknowledged, and which jobs should be called what, beside a station that lives through it."""

    @initialize(rotate=st.sampled_from([0, 900]))
    def begin(self, rotate: int) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="retrolux-states-"))
        self.pins = self.folder / "pins"
        self.config = Config(state=self.folder, log=Log(rotate_bytes=rotate), simulator=Simulator(pins=self.pins))
        self.acknowledged: list[str] = []
        self.ended: dict[str, str] = {}
        self.interrupted: set[str] = set()
        self.process = 0
        self.patches = [
            mock.patch.object(journal, "this_process", self._name),
            mock.patch.object(journal, "runs", lambda by: by == str(self.process)),
        ]
        for patch in self.patches:
            patch.start()
        self.open_before = open_files()
        self._start()

    def _name(self) -> str:
        return str(self.process)

    def _start(self) -> None:
        self.process += 1
        self.station = Station(self.config)
        self.jobs = Jobs(self.station.journal)

    def _end(self) -> None:
        self.jobs.stop()
        self.station.close()
        self.jobs.close()
        for _, thread in list(self.jobs._lines.values()):
            thread.join()
        assert open_files() == self.open_before

    @rule(duties=DUTIES)
    def measure(self, duties: tuple[float, ...]) -> None:
        self.acknowledged.append(self.station.measure(duties, ["515nm"]).id)

    @rule(duties=BAD)
    def refuse(self, duties: tuple[float, ...]) -> None:
        with pytest.raises((DeviceError, ValueError)):
            self.station.measure(duties)

    @rule(number=st.sampled_from([errno.EIO, errno.ENOSPC]))
    def fail(self, number: int) -> None:
        """The disk does not take a line."""
        _ = self.station.recorder
        broken = mock.patch.object(os, "fdatasync", side_effect=OSError(number, os.strerror(number)))
        with broken, pytest.raises(DeviceError):
            self.station.measure((0.5, 0.5, 0.5), ["515nm"])

    @rule(fails=st.booleans())
    def work(self, fails: bool) -> None:
        """A job that measures, to its end or until it fails."""

        def job(report: Reporting) -> dict[str, Any]:
            self.acknowledged.append(self.station.measure((0.1, 0.2, 0.3), ["515nm"]).id)
            report(0.5)
            if fails:
                raise ValueError("failed")
            return {}

        state = self.jobs.submit("aim", {}, job)
        self.jobs.wait()
        self.ended[state.id] = "failed" if fails else "finished"

    @rule()
    def interrupt(self) -> None:
        """The process ends while a job is under way and another waits."""
        begun, ending = threading.Event(), threading.Event()

        def job(report: Reporting) -> None:
            self.acknowledged.append(self.station.measure((0.9, 0, 0), ["515nm"]).id)
            begun.set()
            ending.wait(30)
            report(0.5)

        states = [self.jobs.submit("aim", {}, job) for _ in range(2)]
        assert begun.wait(30)
        self.jobs.stop()
        ending.set()
        self.interrupted |= {state.id for state in states}
        self.restart()

    @rule()
    def restart(self) -> None:
        self._end()
        self._start()

    @precondition(lambda self: self.ended)
    @rule(data=st.data())
    def ask(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(sorted(self.ended)))
        assert self.jobs.get(job).state == self.ended[job]

    @invariant()
    def every_reading_is_there_once(self) -> None:
        if hasattr(self, "station") and self.station.log_path.exists():
            assert [record["id"] for record in read_records(self.station.log_path)] == self.acknowledged

    @invariant()
    def the_light_is_dark(self) -> None:
        if hasattr(self, "pins") and self.pins.exists():
            assert set(map(float, self.pins.read_text().split(","))) == {0.0}

    @invariant()
    def what_was_interrupted_is_named(self) -> None:
        if hasattr(self, "jobs"):
            found = {state.id: state.state for state in self.jobs.every()}
            assert all(found[job] == "interrupted" for job in self.interrupted)
            assert set(found) - self.interrupted <= set(self.ended)

    def teardown(self) -> None:
        if hasattr(self, "station"):
            self._end()
            for patch in self.patches:
                patch.stop()
            shutil.rmtree(self.folder)


QUIET = [HealthCheck.too_slow, HealthCheck.filter_too_much]
TestLife = Life.TestCase
TestLife.settings = settings(max_examples=12, stateful_step_count=12, deadline=None, suppress_health_check=QUIET)


class Longer(Life):
    """The same, of more lives, and longer ones."""


TestLonger = pytest.mark.study(Longer.TestCase)
TestLonger.settings = settings(max_examples=500, stateful_step_count=50, deadline=None, suppress_health_check=QUIET)
