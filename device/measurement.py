"""One reading: what went in, what came out, and the settings that give it meaning."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

INPUTS = ("R", "G", "B")
"""Names of the light's three duties, in the order of the record's ``in``."""

CHANNELS = ("415nm", "445nm", "480nm", "515nm", "555nm", "590nm", "630nm", "680nm", "clear", "nir")
"""The ten channels of the AS7341, in the order of Claude-Light's answer."""

FULL_SCALE = 65535
"""Largest count of a channel (AS7341 datasheet page 32)."""

STEP = 2.78e-6
"""Seconds of one step of the integration time, nominal (AS7341 datasheet page 32)."""

UNSYNCHRONISED = "unsynchronised"
"""What a record says under ``clock`` where its time is of a clock that nobody who knows the time has set."""

RECORD_VERSION = 1
DUTY_DECIMALS = 7  # of the record: finer than any backend's step but the kernel's 20 ns in 10 ms


@dataclass(frozen=True, slots=True)
class Exposure:
    """Sensor settings: gain, and the two numbers that make the integration time.

    Attributes
    ----------
    gain : float
        0.5, 1, 2, 4 … 512.
    atime, astep : int
        Integration time is (atime + 1)(astep + 1) · 2.78 µs (datasheet page 32).
    """

    gain: float = 128
    atime: int = 100
    astep: int = 999

    @property
    def seconds(self) -> float:
        """Nominal integration time in seconds."""
        return (self.atime + 1) * (self.astep + 1) * STEP

    @property
    def ceiling(self) -> int:
        """Largest count at this setting: min(65535, (atime + 1)(astep + 1))."""
        return min(FULL_SCALE, (self.atime + 1) * (self.astep + 1))


REFERENCE = Exposure()
"""The driver's defaults, in whose counts models work: gain 128, 280.78 ms."""


def exposure_in(record: Mapping[str, Any], channel: str) -> Exposure:
    """Return a channel's exposure in a record; one that does not say, as a Claude-Light's, is of the reference.

    Raises KeyError where a record says some of its settings and not all.
    """
    if "gain" not in record:
        return REFERENCE
    values = (record[name] for name in ("gain", "atime", "astep"))
    return Exposure(*(value[channel] if isinstance(value, Mapping) else value for value in values))


def duty_in(record: Mapping[str, Any]) -> tuple[float, ...]:
    """Return the duties that the light really had in a record, or those asked for where it does not say.

    Raises KeyError, TypeError or ValueError where the record has none.
    """
    return tuple(float(value) for value in record.get("duty") or record["in"])


@dataclass(frozen=True, slots=True)
class Ambient:
    """What is known of the ambient light of a reading.

    Attributes
    ----------
    counts : mapping of str to float
        Counts of the channels at the reference exposure, by nominal gains.
    by : str
        ``dark``: measured in a dark frame of this reading; ``estimate``: what the light does not explain in this
        and the latest readings; ``last dark``: of an earlier dark frame.
    age : float
        Seconds since what it rests on was measured.
    """

    counts: Mapping[str, float]
    by: str
    age: float


@dataclass(frozen=True, slots=True)
class Measurement:
    """A reading as it was made, never altered afterwards.

    Attributes
    ----------
    inputs : tuple of float
        The light's duties R, G, B in [0, 1] that were asked for.
    outputs : mapping of str to int
        Raw counts, 0 … 65535, of the channels that were read.
    time : float
        Seconds since the epoch, UTC, when the reading began.
    device : str
        What produced it: ``sim``, ``sim:3``, ``pi``, ``http://host``.
    id : str
        Unique and sortable by time (ULID).
    exposure : Exposure or None
        The sensor's settings; None where an older record does not say.
    exposures : mapping of str to Exposure
        Those of the channels that were read at others.
    dark : mapping of str to int, optional
        Raw counts with the light off, immediately before or after, each channel at the same exposure.
    ambient : Ambient, optional
        The ambient light meanwhile, where something is known of it.
    saturated : tuple of str
        Channels at their ceiling.
    elapsed : float
        Seconds that the measurement took.
    duty : tuple of float, optional
        The duties that were really set: the nearest that the light's backend has.
    clock : str, optional
        ``unsynchronised`` where ``time`` is of a clock that nobody who knows the time had set.

    Examples
    --------
    A record (see :meth:`to_record`)::

        {"in": [0.47, 0.23, 0.52], "out": {"415nm": 1245, …, "nir": 4099}, "time": 1763870458.21,
         "v": 1, "id": "01JDC…", "device": "sim", "gain": 128, "atime": 100, "astep": 999,
         "saturated": [], "elapsed": 0.561, "duty": [0.47, 0.2300038, 0.52]}
    """

    inputs: tuple[float, ...]
    outputs: Mapping[str, int]
    time: float
    device: str
    id: str
    exposure: Exposure | None
    saturated: tuple[str, ...]
    elapsed: float
    exposures: Mapping[str, Exposure] = field(default_factory=dict)
    dark: Mapping[str, int] | None = None
    ambient: "Ambient | None" = None
    duty: tuple[float, ...] | None = None
    clock: str | None = None

    def to_record(self) -> dict[str, Any]:
        """Return the log's form of this reading, ready for ``json.dumps``."""
        record: dict[str, Any] = {"in": list(self.inputs), "out": dict(self.outputs), "time": self.time}
        record |= {"v": RECORD_VERSION, "id": self.id, "device": self.device}
        if self.exposure is not None:
            record |= {name: self._setting(name) for name in ("gain", "atime", "astep")}
        record |= {"saturated": list(self.saturated), "elapsed": self.elapsed}
        if self.duty is not None:
            record["duty"] = [round(value, DUTY_DECIMALS) for value in self.duty]
        if self.dark is not None:
            record["dark"] = dict(self.dark)
        if self.ambient is not None:
            record["ambient"] = {"out": dict(self.ambient.counts), "by": self.ambient.by, "age": self.ambient.age}
        if self.clock is not None:
            record["clock"] = self.clock
        return record

    def exposure_of(self, channel: str) -> Exposure | None:
        """Return the exposure that a channel was read at."""
        return self.exposures.get(channel, self.exposure)

    def _setting(self, name: str) -> Any:  # noqa: ANN401 - a number, or one for each channel
        """Return gain, atime or astep: one number, or one for each channel where they differ."""
        each = {c: getattr(self.exposures.get(c, self.exposure), name) for c in self.outputs}
        return each if len(set(each.values())) > 1 else next(iter(each.values()), getattr(self.exposure, name))
