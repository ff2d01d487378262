"""``retrolux compare``, as a person or a script meets it."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.server.conftest import Outcome

Cli = Callable[..., Outcome]
SLOPES = np.array([[37.0, 264, 28830], [304, 53452, 1129], [30177, 324, 512]])
CHANNELS = ("445nm", "515nm", "630nm")


def records(seed: int, *, noise: float = 0.005, sittings: int = 3) -> list[dict]:
    """Three sittings of twenty readings of a straight line; other noise for other seeds, the same settings."""
    inputs = np.random.default_rng(0).random((20 * sittings, 3)).round(2)
    times = (np.arange(sittings)[:, None] * 3600 + np.arange(20) * 5).ravel()
    counts = (1000 + inputs @ SLOPES) * (1 + noise * np.random.default_rng(seed).normal(size=inputs.shape))
    return [
        {"in": x.tolist(), "out": dict(zip(CHANNELS, y.round().tolist(), strict=True)), "time": float(t)}
        for x, y, t in zip(inputs, counts, times, strict=True)
    ]


def write(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def real(home: Path) -> Path:
    return write(home / "real.jsonl", records(1))


@pytest.fixture
def noisy(home: Path) -> Path:
    return write(home / "noisy.jsonl", records(2, noise=0.05))


class TestCompare:
    def test_json(self, cli: Cli, real: Path, noisy: Path) -> None:
        done = cli("compare", real, noisy, "--json")
        assert done.code == 0
        assert done.json["auc"] > 0.75
        assert list(done.json["by_channel"]) == list(CHANNELS)
        assert done.json["n"] == {"a": 60, "b": 60}
        assert done.json["sittings"] == 3
        assert done.json == cli("compare", real, noisy, "--json").json

    def test_a_log_and_itself_cannot_be_told_apart(self, cli: Cli, real: Path) -> None:
        assert cli("compare", real, real, "--json").json["auc"] == 0.5

    def test_table(self, cli: Cli, real: Path, noisy: Path) -> None:
        done = cli("compare", real, noisy)
        assert done.code == 0
        assert all(name in done.out for name in (*CHANNELS, "all together"))
        assert "60 and 60 readings in 3 sittings" in done.err

    def test_chosen_channels(self, cli: Cli, real: Path, noisy: Path) -> None:
        done = cli("compare", real, noisy, "--channels", "630nm, 445nm", "--json")
        assert list(done.json["by_channel"]) == ["630nm", "445nm"]

    def test_readings_without_a_chosen_channel_are_left_out(self, cli: Cli, real: Path, home: Path) -> None:
        """Times stay with their readings: a log and itself are alike only if they do."""
        rows = records(1)
        for row in rows[5:9]:
            del row["out"]["630nm"]
        few = write(home / "few.jsonl", rows)
        assert cli("compare", few, few, "--json").json["n"] == {"a": 56, "b": 56}
        assert cli("compare", few, few, "--json").json["auc"] == 0.5
        assert cli("compare", few, real, "--channels", "445nm", "--json").json["n"] == {"a": 60, "b": 60}

    def test_logs_of_two_instruments_are_what_it_is_for(self, cli: Cli, home: Path) -> None:
        a = write(home / "a.jsonl", [row | {"device": "pi"} for row in records(1)])
        b = write(home / "b.jsonl", [row | {"device": "sim"} for row in records(2)])
        assert cli("compare", a, b, "--json").code == 0


class TestRefusals:
    def refused(self, done: Outcome, code: int, *words: str) -> None:
        (line,) = done.err.splitlines()
        assert (done.code, done.out) == (code, "")
        assert line.startswith("retrolux: ")
        assert all(word in line for word in words)

    def test_no_times(self, cli: Cli, real: Path, home: Path) -> None:
        rows = [{"in": r["in"], "out": r["out"]} for r in records(1)]
        self.refused(cli("compare", real, write(home / "b.jsonl", rows)), 1, "60 of 60", "b.jsonl", "no time")

    def test_one_sitting(self, cli: Cli, real: Path, home: Path) -> None:
        short = write(home / "short.jsonl", records(1, sittings=1))
        self.refused(cli("compare", real, short), 1, "fewer than two sittings", "ten minutes")

    def test_several_instruments_in_a_log(self, cli: Cli, real: Path, home: Path) -> None:
        rows = [row | {"device": f"sim:{i % 2}"} for i, row in enumerate(records(1))]
        self.refused(cli("compare", real, write(home / "b.jsonl", rows)), 1, "sim:0, sim:1", "a log for each")

    def test_a_channel_that_is_not_there(self, cli: Cli, real: Path, noisy: Path) -> None:
        self.refused(cli("compare", real, noisy, "--channels", "445nm,700nm"), 2, "700nm", "Choose among 445nm")

    def test_no_channel_in_common(self, cli: Cli, real: Path, home: Path) -> None:
        rows = [row | {"out": {"nir": 5}} for row in records(1)]
        self.refused(cli("compare", real, write(home / "b.jsonl", rows)), 1, "no channel in common")

    def test_a_log_that_is_not_there(self, cli: Cli, real: Path) -> None:
        self.refused(cli("compare", real, "nowhere.jsonl"), 1, "nowhere.jsonl")
