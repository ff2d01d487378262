"""What the server counts and times, for Prometheus.

By ``prometheus_client``: pure Python, no dependencies, 15 ms to import. Its registry is one of this server's own, so
that two servers in one process, as tests have, do not count together.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from retrolux.device import host, series
from retrolux.device.errors import DeviceError
from retrolux.device.vitals import vitals
from retrolux.server.jobs import Jobs
from retrolux.server.station import Station

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
ANSWERED = (0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)  # seconds; a question takes 20 ms, a reading 630
MEASURED = (0.1, 0.2, 0.4, 0.6, 0.7, 0.8, 1, 1.5, 2, 5, 10, 30, 60)  # seconds; recovering from a fault takes 1.5

disable_created_metrics()  # type: ignore[no-untyped-call]  # when each label was first seen, which doubles the text and nobody asks


class Metrics:
    """What is known of one server since it began.

    Parameters
    ----------
    station : Station
        Is made to tell of each measurement.
    jobs : Jobs

    Attributes
    ----------
    waiting : callable
        Returns how many requests wait for a thread.
    feedings : callable
        Returns how often the watchdog was fed.
    """

    def __init__(self, station: Station, jobs: Jobs) -> None:
        self.waiting: Callable[[], int] = lambda: 0
        self.feedings: Callable[[], int] = lambda: 0
        self.registry = CollectorRegistry()
        self._requests = Histogram(
            "retrolux_request_seconds",
            "From a request's turn to its answer, by route.",
            ("method", "route"),
            buckets=ANSWERED,
            registry=self.registry,
        )
        self._answers = self._counter("retrolux_answers", "Answers by route and status.", "method", "route", "status")
        self._refused = self._counter("retrolux_refused", "Requests answered with a problem, by its type.", "type")
        self._measuring = Histogram(
            "retrolux_measurement_seconds",
            "Seconds of a reading, with its wait for the one before.",
            buckets=MEASURED,
            registry=self.registry,
        )
        self._readings = Counter("retrolux_readings", "Readings made and on disk.", registry=self.registry)
        self._faults = self._counter("retrolux_faults", "Measurements that ended in an error, by its type.", "type")
        self.registry.register(_Figures(station, jobs, self))
        ProcessCollector(registry=self.registry)
        station.measuring = self.measuring

    def _counter(self, name: str, says: str, *labels: str) -> Counter:
        return Counter(name, says, labels, registry=self.registry)

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Time and count the measurement that is made within."""
        began = time.perf_counter()
        try:
            yield
        except DeviceError as error:
            self._faults.labels(error.type).inc()
            raise
        self._measuring.observe(time.perf_counter() - began)
        self._readings.inc()

    def answered(self, method: str, route: str, status: int, seconds: float, refused: str | None) -> None:
        """Count an answer; ``refused`` is the type of its problem, if it is one."""
        self._requests.labels(method, route).observe(seconds)
        self._answers.labels(method, route, status).inc()
        if refused is not None:
            self._refused.labels(refused).inc()

    def text(self) -> bytes:
        """Return all of it in Prometheus' text format, version 0.0.4."""
        return generate_latest(self.registry)


class _Figures:
    """What is looked up when it is asked for, and waits for nobody."""

    def __init__(self, station: Station, jobs: Jobs, metrics: Metrics) -> None:
        self._station, self._jobs, self._metrics = station, jobs, metrics

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "retrolux_requests_waiting", "Requests that wait for a thread.", self._metrics.waiting()
        )
        yield CounterMetricFamily(
            "retrolux_watchdog_feedings", "Signs of life sent to systemd.", self._metrics.feedings()
        )
        yield self._of_jobs()
        yield from self._of_the_sensor()
        yield from self._of_the_log()
        yield from self._of_the_machine()

    def _of_jobs(self) -> Metric:
        family = GaugeMetricFamily("retrolux_jobs", "Jobs queued and running.", labels=("kind", "state"))
        for (kind, state), n in sorted(self._jobs.standing().items()):
            family.add_metric((kind, state), n)
        return family

    def _of_the_sensor(self) -> Iterator[Metric]:
        instrument = self._station.opened
        recovery = {} if instrument is None else instrument.status().get("recovery", {})
        for what, told in (("attempted", "Attempts at a reading"), ("succeeded", "Readings made")):
            family = CounterMetricFamily(f"retrolux_bus_{what}", f"{told}, by the means before.", labels=("means",))
            for means, n in recovery.get(what, {}).items():
                family.add_metric((means,), n)
            yield family

    def _of_the_log(self) -> Iterator[Metric]:
        path = self._station.log_path
        yield GaugeMetricFamily("retrolux_log_bytes", "Bytes of all the log's files.", series.size(path))
        with suppress(OSError):
            free = shutil.disk_usage(host.nearest(path.parent)).free
            yield GaugeMetricFamily("retrolux_disk_free_bytes", "Bytes left where the log is.", free)

    def _of_the_machine(self) -> Iterator[Metric]:
        """Yield what the machine tells; what it does not is left out."""
        found = vitals()
        figures = {
            "retrolux_temperature_celsius": ("Of the processor.", found.temperature),
            "retrolux_undervoltage": ("Whether the supply's voltage is too low now.", found.undervoltage),
            "retrolux_clock_synchronised": ("Whether readings are dated right.", self._station.synchronised()),
        }
        for name, (says, value) in figures.items():
            if value is not None:
                yield GaugeMetricFamily(name, says, float(value))
