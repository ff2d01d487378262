"""What Prometheus reads, read again by its own parser and counted by hand."""

import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from retrolux.device.clock import FakeClock
from retrolux.device.settings import InstrumentSettings
from retrolux.device.sim import make_parts, open_sim
from retrolux.device.vitals import Vitals
from retrolux.server import metrics
from retrolux.server.config import Config
from retrolux.server.http import create_app
from retrolux.server.jobs import Jobs, Reporting
from retrolux.server.laboratory import Laboratory
from retrolux.server.metrics import MEDIA_TYPE, Metrics
from retrolux.server.station import Station

Read = Callable[..., float | None]


def read(client: FlaskClient) -> Read:
    """Return what gives a sample's value by its name and labels; None where there is none."""
    answer = client.get("/metrics")
    assert (answer.status_code, answer.content_type) == (200, MEDIA_TYPE)
    samples = [s for family in text_string_to_metric_families(answer.text) for s in family.samples]

    def value(name: str, **labels: str) -> float | None:
        found = [s.value for s in samples if s.name == f"retrolux_{name}" and s.labels == labels]
        assert len(found) < 2
        return found[0] if found else None

    return value


def test_readings_faults_and_how_often_was_tried(client: FlaskClient, laboratory: Laboratory) -> None:
    assert read(client)("bus_attempted_total", means="first attempt") is None  # nothing is opened to be counted
    assert laboratory.opened is None
    for _ in range(3):
        assert client.get("/api").status_code == 200
    sensor = laboratory.instrument._sensor
    failing = iter([True, False])
    real = sensor._driver.check
    sensor._driver.check = lambda: (_ for _ in ()).throw(OSError(121, "nack")) if next(failing, False) else real()
    assert client.get("/api").status_code == 200  # by another attempt
    sensor._bus._bus.chip.present = False
    laboratory.instrument._sensor._bus._bus.present = False
    assert client.get("/api").status_code == 503
    value = read(client)
    assert value("readings_total") == 4
    assert value("measurement_seconds_count") == 4
    assert value("faults_total", type="/problems/sensor-missing") == 1
    assert value("refused_total", type="/problems/sensor-missing") == 1
    assert value("bus_succeeded_total", means="first attempt") == 3
    assert value("bus_attempted_total", means="first attempt") == 5
    assert value("bus_succeeded_total", means="retried") == 1
    assert value("answers_total", method="GET", route="/api", status="200") == 4
    assert value("answers_total", method="GET", route="/api", status="503") == 1


def test_times_by_route_and_not_by_what_is_asked(client: FlaskClient) -> None:
    for path in ("/v1/jobs/1", "/v1/jobs/2", "/nothing", "/else", "/v1/log?limit=0"):
        client.get(path)
    client.open("/v1/log", method="BREW")
    value = read(client)
    assert value("request_seconds_count", method="GET", route="/v1/jobs/<id>") == 2
    assert value("request_seconds_count", method="GET", route="none") == 2
    assert value("request_seconds_count", method="other", route="none") == 1
    assert value("request_seconds_bucket", method="GET", route="none", le="+Inf") == 2
    assert value("refused_total", type="/problems/not-found") == 4
    assert value("refused_total", type="/problems/bad-request") == 1
    assert value("refused_total", type="about:blank") == 1
    assert read(client)("request_seconds_count", method="GET", route="/metrics") == 1


def test_queues(laboratory: Laboratory, jobs: Jobs) -> None:
    counted = Metrics(laboratory, jobs)
    client = create_app(laboratory, jobs, metrics=counted).test_client()
    counted.waiting, counted.feedings = lambda: 5, lambda: 7
    seen = list[Read]()

    def work(report: Reporting) -> None:
        seen.append(read(client))

    jobs.submit("aim", {}, work)
    jobs.wait()
    (value,) = seen
    assert (value("requests_waiting"), value("watchdog_feedings_total")) == (5, 7)
    assert (value("jobs", kind="aim", state="running"), value("jobs", kind="aim", state="queued")) == (1, 0)


def test_disk_log_and_machine(client: FlaskClient, laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")  # as shutil has it
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(32e9, 0, 123456789))
    monkeypatch.setattr(metrics, "vitals", lambda: Vitals(48.3, True, None))
    laboratory.measure((0, 0, 0))
    value = read(client)
    assert value("disk_free_bytes") == 123456789
    assert value("log_bytes") == laboratory.log_path.stat().st_size
    assert (value("temperature_celsius"), value("undervoltage"), value("clock_synchronised")) == (48.3, 1, 1)
    monkeypatch.setattr(metrics, "vitals", lambda: Vitals(None, None, None))
    laboratory.instrument._clock.right = False
    value = read(client)
    assert (value("temperature_celsius"), value("undervoltage"), value("clock_synchronised")) == (None, None, 0)


def test_it_waits_for_nobody_and_says_its_format(client: FlaskClient, laboratory: Laboratory) -> None:
    with laboratory.recorder._one_at_a_time, laboratory.instrument._one_at_a_time, laboratory._opening:
        assert read(client)("readings_total") == 0
    described = client.get("/openapi.json").get_json()["paths"]["/metrics"]["get"]["responses"]["200"]
    assert described["content"] == {"text/plain": {"schema": {"type": "string"}}}


def test_two_servers_in_one_process_do_not_count_together(tmp_path: Path) -> None:
    values = list[float | None]()
    for n in (1, 2):
        with Station(Config(state=tmp_path / str(n))) as station:
            queue = Jobs(station.journal)
            client = create_app(station, queue).test_client()
            station._recorder = None
            for _ in range(n):
                client.get("/api")
            values.append(read(client)("readings_total"))
            queue.close()
    assert values == [1, 2]


def test_a_watchdog_counts_what_it_is_fed(tmp_path: Path) -> None:
    from tests.server.test_watchdog import World

    world = World()
    world.run(20)
    assert world.watchdog.feedings == len(world.fed) > 5


def test_a_bench_tells_how_often_it_was_tried() -> None:
    with open_sim(0, InstrumentSettings(), make_parts(0, FakeClock(0.0))) as instrument:
        instrument.measure((0, 0, 0))
        assert instrument.status()["recovery"] == {"attempted": {"first attempt": 1}, "succeeded": {"first attempt": 1}}
