"""A log under append, rotation, kill, reopening and questions, against a list."""

import contextlib
import errno
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from retrolux.device.errors import LogUnwritable
from retrolux.device.jsonl import JsonLines
from retrolux.device.log import latest_records, read_records
from retrolux.device.log_queries import count, mentioning, newest
from retrolux.device.series import Rotation
from tests.device.disks import Killed, Killer, unsynced, watched

ROTATIONS = (None, Rotation(200), Rotation(450), Rotation(every="day"), Rotation(300, "month"))
HALF_A_DAY = 43_200


class Log(RuleBasedStateMachine):
    """Two processes, as it were, each with its own rule of rotation; what was acknowledged is in a list."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "rgb.jsonl"
        self.known: list[dict[str, Any]] = []
        self.logs: list[JsonLines] = []
        self.serial, self.when = 0, 1_763_985_600.0
        self.patch = contextlib.ExitStack()
        self.patch.enter_context(unsynced())
        stride = self.patch.enter_context(pytest.MonkeyPatch.context())
        for module in ("log_index", "log_queries"):
            stride.setattr(f"retrolux.device.{module}.STRIDE", 3)

    def teardown(self) -> None:
        for log in self.logs:
            log.close()
        self.patch.close()
        shutil.rmtree(self.folder)

    def made(self, later: int) -> dict[str, Any]:
        self.serial += 1
        self.when += later * HALF_A_DAY
        return {"in": [0.5], "out": {"nir": self.serial}, "time": self.when, "run": f"r{self.serial % 3}"}

    @initialize(rules=st.tuples(st.sampled_from(ROTATIONS), st.sampled_from(ROTATIONS)))
    def begin(self, rules: tuple[Rotation | None, Rotation | None]) -> None:
        self.logs = [JsonLines(self.path, each) for each in rules]

    @rule(who=st.integers(0, 1), later=st.integers(-1, 3))
    def append(self, who: int, later: int) -> None:
        record = self.made(later)
        self.logs[who].append(record)
        self.known.append(record)

    @rule(who=st.integers(0, 1), calls=st.integers(0, 9), share=st.floats(0, 1), rotation=st.sampled_from(ROTATIONS))
    def killed_and_begun_again(self, who: int, calls: int, share: float, rotation: Rotation | None) -> None:
        tried = self.made(1)
        log, self.logs[who] = self.logs[who], None  # type: ignore[call-overload]
        ended = False
        with watched(Killer(calls, share)):
            try:
                log.append(tried)
                self.known.append(tried)
            except Killed:
                ended = True
        os.close(log._file)
        log._file = -1
        if ended:
            self.begin_again_at_any_call(calls, share, rotation)
        self.logs[who] = JsonLines(self.path, rotation)
        found = read_records(self.path)
        if ended and found != self.known:  # it was on disk, and nobody was told
            self.known.append(tried)
        assert found == self.known

    def begin_again_at_any_call(self, calls: int, share: float, rotation: Rotation | None) -> None:
        """Killed once more, while what the first kill left is mended."""
        with watched(Killer(calls // 2, share)), contextlib.suppress(Killed):
            JsonLines(self.path, rotation).close()

    @rule(who=st.integers(0, 1), taken=st.integers(0, 80), call=st.sampled_from(["write", "fdatasync", "ftruncate"]))
    def refused(self, who: int, taken: int, call: str) -> None:
        """The disk takes some of a line; of what comes then, one call fails."""
        left = [taken]

        def see(name: str, real: Any, given: tuple[Any, ...]) -> Any:
            if name == "write" and left:
                return real(given[0], given[1][: min(left.pop(), len(given[1]) - 1)])
            if name in {"write", call}:
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(*given)

        tried = self.made(0)
        with watched(see), pytest.raises(LogUnwritable):
            self.logs[who].append(tried)
        if call == "ftruncate" and read_records(self.path)[len(self.known) :] == [tried]:
            self.known.append(tried)  # all but its newline was taken, and could not be taken back

    @rule(who=st.integers(0, 1), rotation=st.sampled_from(ROTATIONS))
    def closed_and_opened(self, who: int, rotation: Rotation | None) -> None:
        self.logs[who].close()
        self.logs[who] = JsonLines(self.path, rotation)

    @rule(n=st.integers(1, 9))
    def asked_for_the_newest(self, n: int) -> None:
        assert newest(self.path, n) == self.known[-n:]
        assert latest_records(self.path, n) == self.known[-n:]

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def asked_for_a_span(self, data: st.DataObject) -> None:
        times = st.sampled_from([r["time"] for r in self.known])
        since, until = data.draw(times), data.draw(times)
        assert newest(self.path, 99, since=since, until=until) == [r for r in self.known if since <= r["time"] < until]

    @rule(run=st.sampled_from(["r0", "r1", "r2"]))
    def asked_for_a_run(self, run: str) -> None:
        assert list(mentioning(self.path, run)) == [r for r in self.known if r["run"] == run]

    @invariant()
    def is_what_was_acknowledged(self) -> None:
        if self.logs:
            assert count(self.path) == len(self.known)
            assert read_records(self.path) == self.known


TestLog = Log.TestCase
TestLog.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)


@pytest.mark.slow
def test_for_long() -> None:
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(Log, settings=settings(max_examples=600, stateful_step_count=40, deadline=None))
