"""Simulated hours of a server alone: ``python -m tests.e2e.soak --hours 24``.

Readings are asked for over the HTTP application every ten seconds of the instrument's own time, which passes at once.
One in a hundred meets a fault at a bus transaction chosen by chance; once an hour the sensor is taken away for one to
five minutes, and comes back as after its supply was cut. Once a minute the server is asked how it does. It prints one
line of JSON. It is a process of its own, so that its memory is nobody else's.
"""

import argparse
import gc
import hashlib
import json
import logging
import os
import tempfile
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from retrolux.device.bench import Bench
from retrolux.device.clock import FakeClock
from retrolux.device.log import each_record
from retrolux.device.series import closed_files
from retrolux.device.settings import InstrumentSettings
from retrolux.device.sim import MORNING, OVERHEAD, Scene, make_parts, open_sim
from retrolux.device.sim.faults import Fault, FaultyBus
from retrolux.server import station as station_module
from retrolux.server.config import Config, Log
from retrolux.server.http import create_app
from retrolux.server.jobs import Jobs
from retrolux.server.lines import Logfmt
from retrolux.server.station import Station

EVERY = 10.0  # seconds from one reading to the next
FAULTY = 0.01  # of the readings
HOUR, MINUTE = 3600.0, 60.0
TRANSACTIONS = 105  # of a reading of ten channels
ROTATED = 500_000  # bytes of a file of the log
FAULTS = list(Fault)


@dataclass
class Tally:
    """What became of the readings."""

    asked: int = 0
    made: int = 0
    outage: int = 0
    refused_in_outage: int = 0
    struck: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    first_after: list[int] = field(default_factory=list)


class Soak:
    """A server on a faulty bus, and who asks it.

    Parameters
    ----------
    folder : Path
        Of its log.
    seed : int
        Of faults, settings and outages.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.rng, self.clock, self.tally = np.random.default_rng([17, seed]), FakeClock(MORNING), Tally()
        made = make_parts(0, self.clock, Scene(seed=seed))
        self.bus = FaultyBus(made.chip, self.clock, self.rng, OVERHEAD)
        parts = replace(made, bus=self.bus)

        def opened(_name: str, settings: InstrumentSettings) -> Bench:
            return open_sim(0, settings, parts)

        station_module.open_instrument = opened  # type: ignore[assignment]
        self.station = Station(Config(state=folder, log=Log(rotate_bytes=ROTATED)))
        self.jobs = Jobs(self.station.journal)
        self.client = create_app(self.station, self.jobs).test_client()
        self.acknowledged, self._sum = 0, hashlib.sha256()  # of identifiers: a list of them would be growth of its own
        self._gone = False
        self._after = False

    def run(self, seconds: float) -> None:
        """Let time pass."""
        until = self.clock.monotonic() + seconds
        while self.clock.monotonic() < until:
            began = self.clock.monotonic()
            self._outage(began)
            self._reading()
            if began % MINUTE < EVERY:
                self._how_it_does()
            self.clock.sleep(EVERY - (self.clock.monotonic() - began))

    def _outage(self, now: float) -> None:
        """Take the sensor away in the middle of each hour, and bring it back."""
        if now % HOUR < EVERY:
            self._lasts = self.rng.uniform(1, 5) * MINUTE
        gone = HOUR / 2 <= now % HOUR < HOUR / 2 + self._lasts
        if gone != self._gone:
            self._gone, self._after = gone, not gone
            self.bus.present = not gone
            self.bus.chip.power_loss()

    def _reading(self) -> None:
        tally, faulty = self.tally, not self._gone and self.rng.random() < FAULTY
        if faulty:
            self.bus.arm(FAULTS[self.rng.integers(len(FAULTS))], int(self.rng.integers(TRANSACTIONS)))
        inputs = dict(zip("RGB", self.rng.random(3).round(4).tolist(), strict=True))
        answer = self.client.post("/v1/measure", json={"inputs": inputs})
        tally.struck += faulty and self.bus.disarm()
        made = answer.status_code == 200
        if made:
            self.acknowledged += 1
            self._sum.update(answer.get_json()["id"].encode())
        if self._gone:
            tally.outage += 1
            tally.refused_in_outage += answer.get_json().get("type") == "/problems/sensor-missing"
            return
        if self._after:
            tally.first_after.append(answer.status_code)
            self._after = False
        tally.asked += 1
        tally.made += made
        if not made:
            tally.errors[answer.get_json()["type"]] += 1

    def logged(self) -> bool:
        """Return whether the log holds what was acknowledged, all of it, in its order, and nothing else."""
        found = hashlib.sha256()
        for record in each_record(self.station.log_path):
            found.update(record["id"].encode())
        return found.digest() == self._sum.digest()

    def _how_it_does(self) -> None:
        wanted = {"/healthz": 200, "/readyz": 503 if self._gone else 200, "/metrics": 200, "/v1/status": 200}
        for path, status in wanted.items():
            answer = self.client.get(path)
            if answer.status_code != status:
                raise AssertionError(f"{path}: {answer.status_code} {answer.text}")
        if self.client.get("/v1/log?limit=5").get_json()["total"] != self.acknowledged:
            raise AssertionError("the log does not hold what was acknowledged")


def resident() -> int:
    """Return this process's resident memory in bytes."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def soak(folder: Path, hours: float, warm_up: float, seed: int) -> dict[str, Any]:
    """Return what came of so many simulated hours, after some that are not counted for memory and files."""
    one, began = Soak(folder, seed), time.process_time()
    with one.station, closing(one.jobs):
        one.run(warm_up * HOUR)
        memory, files, most = resident(), open_files(), open_files()
        grown = []
        for _ in range(round(hours - warm_up)):
            one.run(HOUR)
            most = max(most, open_files())
            grown.append(resident() - memory)
        figures = {"memory_growth_bytes": grown[-1], "memory_growth_by_hour": grown, "open_files": [files, most]}
        return figures | _figures(one, hours, time.process_time() - began)


def _figures(one: Soak, hours: float, seconds: float) -> dict[str, Any]:
    tally, path = one.tally, one.station.log_path
    instrument = one.station.opened
    return {
        "hours": hours,
        "readings": tally.asked,
        "made": tally.made,
        "availability": tally.made / tally.asked,
        "errors": dict(tally.errors),
        "faults_struck": tally.struck,
        "in_outages": tally.outage,
        "refused_in_outages": tally.refused_in_outage,
        "first_after_outages": tally.first_after,
        "log_is_what_was_acknowledged": one.logged(),
        "log_files": len(closed_files(path)) + 1,
        "means": {} if instrument is None else instrument.status()["recovery"]["succeeded"],
        "processor_seconds": round(seconds, 1),
    }


def main() -> None:
    """Soak, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=24)
    parser.add_argument("--warm-up", type=float, default=2)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with Path(os.devnull).open("w", encoding="ascii") as nowhere, tempfile.TemporaryDirectory() as folder:
        handler = logging.StreamHandler(nowhere)  # the lines of the journal are made, too
        handler.setFormatter(Logfmt())
        logging.getLogger().addHandler(handler)
        logging.getLogger("retrolux").setLevel(logging.INFO)
        print(json.dumps(soak(Path(folder), asked.hours, asked.warm_up, asked.seed)))


if __name__ == "__main__":
    main()
