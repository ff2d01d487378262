"""A self-test of an opened instrument, in plain words."""

from collections.abc import Callable, Iterable
from functools import partial

from retrolux.device.bench import Bench
from retrolux.device.colours import Judgement, judge
from retrolux.device.errors import DeviceError
from retrolux.device.expected_noise import Pulses
from retrolux.device.findings import BLINDED, Finding, State, from_error, good, skipped
from retrolux.device.instrument import Instrument
from retrolux.device.levels import dark_level, elapsed, pulsed_noise, saturation, steady_noise
from retrolux.device.looks import DUTY, Eyes, look_at_colours
from retrolux.device.measurement import Exposure

READ = ("view", "off", "red", "green", "blue", "dark", "saturation", "noise", "steadiness", "elapsed")
"""The checks that readings are made for, in their order."""

CHECKS = ("sensor", *READ, "recovery")
"""All of a self-test's checks."""

Report = Callable[[float, str], None]
"""Called with the fraction done, 0 … 1, and what is being done."""


def examine(instrument: Instrument, ratio: float | None = None, report: Report | None = None) -> list[Finding]:
    """Test an instrument; the light is dark afterwards, in any case.

    Some forty readings, a quarter of a minute. What an instrument behind HTTP does not let one see is
    skipped, with a word on why.

    Parameters
    ----------
    instrument : Instrument
    ratio : float, optional
        Of the light's clock and the sensor's, where tuning found it.

    Returns
    -------
    list of Finding
        One for each of :data:`CHECKS`, in their order; an error that ends the test is a finding, too.
    """
    say = report or (lambda _fraction, _what: None)
    try:
        found = _Examination(instrument, ratio, say).run()
    finally:
        gone_dark = _make_dark(instrument)
    return _in_order([*gone_dark, *found])


def not_opened(error: DeviceError) -> list[Finding]:
    """Return the findings of an instrument that could not be opened."""
    rest = [skipped(name, "The instrument was not opened.") for name in CHECKS[1:]]
    return [from_error("sensor", error), *rest]


def _make_dark(instrument: Instrument) -> list[Finding]:
    try:
        instrument.dark()
    except DeviceError as error:
        return [from_error("off", error)]
    return []


def _in_order(found: Iterable[Finding]) -> list[Finding]:
    first: dict[str, Finding] = {}
    for finding in found:
        first.setdefault(finding.name, finding)
    return [first[name] for name in CHECKS]


class _Examination:
    def __init__(self, instrument: Instrument, ratio: float | None, say: Report) -> None:
        self._instrument, self._ratio, self._say = instrument, ratio, say
        self._eyes = Eyes(instrument)
        self._found: list[Finding] = []

    def run(self) -> list[Finding]:
        acts = (self._look, self._own_exposure, self._repeat)
        for fraction, (act, what) in enumerate(zip(acts, ("colours", "exposure", "noise"), strict=True)):
            self._say(fraction / len(acts), what)
            try:
                act()
            except DeviceError as error:
                self._found.append(from_error(self._next(), error))
                break
        why = "A reading failed before." if self._failed else "Not before the colours are right."
        rest = [skipped(name, why) for name in READ if name not in self._names]
        self._say(1.0, "done")
        return [*self._found, self._identity(), *rest, self._recovery()]

    @property
    def _failed(self) -> bool:
        return any("error" in f.numbers for f in self._found)

    @property
    def _names(self) -> set[str]:
        return {f.name for f in self._found}

    def _next(self) -> str:
        """Return the check that an error ends; of an instrument behind HTTP, whether it is there at all."""
        if not self._found and not isinstance(self._instrument, Bench):
            return "sensor"
        return next((name for name in READ if name not in self._names), READ[-1])

    def _look(self) -> None:
        looks = look_at_colours(self._eyes)
        judged = Judgement(looks)
        self._found += judge(self._eyes, looks)
        covered = any(BLINDED in f.fault for f in self._found)
        dark = skipped("dark", "Nothing reaches the sensor.") if covered else dark_level(looks, judged.stays)
        self._found.append(dark)

    def _own_exposure(self) -> None:
        reading = self._eyes.read((DUTY, DUTY, DUTY))
        self._found += [saturation(reading), self._time_of(reading.exposure, partial(elapsed, reading))]

    def _time_of(self, exposure: Exposure | None, judged: Callable[[], Finding]) -> Finding:
        if exposure is None or self._kind == "claude-light":
            return skipped("elapsed", "The instrument does not say how long its readings take.")
        return judged()

    def _repeat(self) -> None:
        well = {f.name for f in self._found if f.state in {State.GOOD, State.ODD}}
        own = self._instrument.status().get("exposure")
        exposure = Exposure(own["gain"], own["atime"], own["astep"]) if own else None
        if "green" in well:
            self._found.append(pulsed_noise(self._eyes, self._pulses, exposure))
        if "red" in well:
            self._found.append(steady_noise(self._eyes, exposure))

    @property
    def _pulses(self) -> Pulses:
        light = self._instrument.status().get("light", {})
        return Pulses(light.get("frequency", 100.0), light.get("backend"), self._ratio)

    @property
    def _kind(self) -> str | None:
        kind: str | None = self._instrument.status().get("kind")
        return kind

    def _identity(self) -> Finding:
        if isinstance(self._instrument, Bench):
            when = "answered when it was opened, " if self._failed else "answers "
            return good("sensor", f"An AS7341 {when}at address 0x39 of the I2C bus.", address=0x39)
        if self._eyes.readings and self._kind in {"retrolux", "claude-light"}:
            told = {
                "retrolux": "A Retrolux answers; its bus is not in reach, and it logs these readings as all others.",
                "claude-light": "A Claude-Light answers; its bus is not in reach.",
            }
            return good("sensor", told[self._kind], kind=self._kind)
        return skipped("sensor", "The sensor's bus is not in reach.")

    def _recovery(self) -> Finding:
        """Return how often a reading needed more than one attempt."""
        if not isinstance(self._instrument, Bench):
            return skipped("recovery", "The other side does not say how often it had to try again.")
        by_rung = dict(self._instrument.sensor.recovery.succeeded)
        usual, total = by_rung.get("first attempt", 0), sum(by_rung.values())
        if usual == total:
            return good("recovery", f"Each of {total} readings came at the first attempt.", **by_rung)
        how = ", ".join(f"{name}: {n}" for name, n in by_rung.items() if name != "first attempt")
        text = f"Of {total} readings, {total - usual} needed more than one attempt ({how})."
        remedy = "Look for a loose wire, long I2C wires, or a supply that dips."
        return Finding("recovery", State.ODD, text, remedy, "", by_rung)
