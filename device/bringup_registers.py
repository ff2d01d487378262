"""Steps of the bring-up that look at the sensor's registers."""

from dataclasses import replace
from typing import Any

import numpy as np

from retrolux.device.bench import Bench
from retrolux.device.bringup import Outcome, Person, Step, Verdict, judged, unclear
from retrolux.device.deadlines import AUTOZERO, ENABLE, STATUS2, VALID, Frame
from retrolux.device.errors import SensorReset, SensorTimeout
from retrolux.device.looks import NIGHT
from retrolux.device.measurement import STEP, Exposure
from retrolux.device.passes import SIX

ASTATUS, DATA = 0x94, 0x95  # datasheet page 49
ON, MEASURING = 0b01, 0b11  # of ENABLE
WHITE = (1.0, 1.0, 1.0)  # no pulses: a steady light
WINDOW = Exposure(16, 99, 999)  # 278 ms: time enough to look at registers before the next frame
SHORT = Exposure(128, 0, 999)  # 2.8 ms, whose ceiling is 1000
LIGHTS = (WHITE, (1.0, 1.0, 0.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))  # of several strengths
FEW = 20  # counts that are too few to extrapolate
GAINS = (16, 32, 64, 128, 256, 512)
OVERLOAD = 2.0  # counts per step of the ceiling, by extrapolation: what the emulator assumes
WINDOWS = (4, 9, 19, 39, 79)  # atime at astep 999: 14 to 222 ms
NOTHING = "Nothing to do but to leave the instrument alone."


def _restart(driver: Any) -> None:  # noqa: ANN401 - the driver has no types
    for value in (ON, MEASURING):
        driver._write_register(ENABLE, value)


def _is_valid(driver: Any) -> bool:  # noqa: ANN401
    return bool(driver.registers(STATUS2, 1)[0] & VALID)


def _await_frame(driver: Any, seconds: float) -> float:  # noqa: ANN401
    """Ask until data are valid; return the seconds that it took. Raises SensorTimeout."""
    began = driver.clock.monotonic()
    while not _is_valid(driver):
        if driver.clock.monotonic() - began > 2 * seconds + 0.5:
            raise SensorTimeout("The sensor did not finish an integration in time.", "Switch its power off and on.")
    return float(driver.clock.monotonic() - began)


def _valid(bench: Bench, _person: Person) -> Outcome:
    """See what clears data-valid: reading STATUS2, the data alone, ASTATUS with the data, a new start."""
    with bench.held(NIGHT) as sensor, sensor.probed() as driver:
        driver.configure(WINDOW)
        driver.convert(SIX)

        def outlives(first: int, n: int) -> bool:
            _restart(driver)
            _await_frame(driver, WINDOW.seconds)
            driver.registers(first, n)
            return _is_valid(driver)

        after = {"STATUS2": outlives(STATUS2, 1), "DATA": outlives(DATA, 12), "ASTATUS": outlives(ASTATUS, 13)}
        _restart(driver)
        _await_frame(driver, WINDOW.seconds)
        _restart(driver)
        after["a new start"] = _is_valid(driver)
    clearing = [what for what, kept in after.items() if not kept] or ["nothing"]
    text = f"Data-valid is cleared by {', '.join(clearing)}. Both ways are provided for."
    return judged(
        after == {"STATUS2": True, "DATA": True, "ASTATUS": False, "a new start": False}, text, outlives=after
    )


def _latch(bench: Bench, _person: Person) -> Outcome:
    """See what the data registers show of a newer frame before ASTATUS is read."""
    with bench.held(NIGHT) as sensor, sensor.probed() as driver:
        driver.configure(WINDOW)
        dark = max(driver.convert(SIX).counts.values())
        with bench.held(WHITE):
            driver.clock.sleep(3 * (WINDOW.seconds + AUTOZERO))
            unlatched = _counts(driver.registers(DATA, 12))
            latched = _counts(driver.registers(DATA - 1, 13)[1:])
    numbers = {"dark": dark, "before": unlatched, "after": latched}
    if max(latched) < 4 * dark + 100:
        return unclear("The light is not bright enough beside the ambient light to tell.", **numbers)
    old = max(unlatched) < max(latched) / 2
    shows = "the old frame" if old else "the new frame already"
    return judged(old, f"Before ASTATUS is read, the data registers show {shows}.", **numbers)


def _counts(data: bytes) -> list[int]:
    return [int.from_bytes(data[i : i + 2], "little") for i in range(0, 12, 2)]


def _mark(bench: Bench, _person: Person) -> Outcome:
    for _ in range(20):
        bench.measure(NIGHT, None, SHORT)
    with bench.held(NIGHT) as sensor, sensor.probed() as driver:
        try:
            driver.check_mark()
        except SensorReset as error:
            return judged(False, f"After twenty readings the mark in register 0x84 is gone: {error.cause}")
    return judged(True, "The mark in register 0x84 is still there after twenty readings.")


def _dip(bench: Bench, _person: Person) -> Outcome:
    with bench.held(NIGHT) as sensor, sensor.probed() as driver:
        try:
            driver.check_mark()
        except SensorReset:
            return judged(True, "The dip was noticed: the mark was gone, and the sensor was set up anew.")
    return Outcome(
        Verdict.UNCLEAR,
        "The mark is still there: either the supply was never gone, or it is fed through SDA and SCL. "
        "Try again, and keep it off for five seconds.",
    )


def _overload(bench: Bench, _person: Person) -> Outcome:
    """Raise the gain under steady lights; what a converter would show without a ceiling, a low gain tells."""
    points = sorted(point for light in LIGHTS for point in _levels(bench, light))
    numbers = {"counts_per_step_flag_shown": [[round(e, 3), flag, shown] for e, flag, shown in points]}
    up = [e for e, flag, _ in points if flag]
    if not up:
        most = max((e for e, *_ in points), default=0.0)
        return unclear(f"Never overloaded, at up to {most:.2g} counts per step of the ceiling.", **numbers)
    below = max((e for e, flag, _ in points if not flag), default=0.0)
    shown = next(shown for e, _, shown in points if e == min(up))
    agrees = all((e > OVERLOAD) == flag for e, flag, _ in points if abs(e - OVERLOAD) > 0.1 * OVERLOAD)
    kept = f"the converter then shows {100 * shown / SHORT.ceiling:.0f} % of its ceiling"
    return judged(agrees, f"Overloaded at {min(up):.2g} counts per step, not at {below:.2g}; {kept}.", **numbers)


def _levels(bench: Bench, light: tuple[float, ...]) -> list[tuple[float, bool, int]]:
    """Return the brightest channel at each gain: counts per step by a low gain, the flag, and what is shown.

    Nothing where the light is so weak, or the ambient light so strong, that a low gain cannot tell.
    """
    with bench.held(light) as sensor, sensor.probed() as driver:
        frames = [_frame(driver, gain) for gain in GAINS]
    brightest = max(frames[0].counts, key=lambda c: frames[0].counts[c])
    shown = [frame.counts[brightest] for frame in frames]
    below = [(gain, count) for gain, count in zip(GAINS, shown, strict=True) if count < SHORT.ceiling / 2]
    if not below or below[-1][1] < FEW:
        return []
    per_gain = below[-1][1] / below[-1][0] / SHORT.ceiling
    return [(per_gain * g, f.overloaded, s) for g, f, s in zip(GAINS, frames, shown, strict=True)]


def _frame(driver: Any, gain: float) -> Frame:  # noqa: ANN401
    driver.configure(replace(SHORT, gain=gain))
    frame: Frame = driver.convert(SIX)
    return frame


def _autozero(bench: Bench, _person: Person) -> Outcome:
    """Fit the time from start to data-valid by a line over the nominal length: autozero and the sensor's clock."""
    exposures = [Exposure(1, atime, 999) for atime in WINDOWS]
    with bench.held(NIGHT) as sensor, sensor.probed() as driver:
        taken = [_seconds(driver, e) for e in exposures]
    nominal = np.array([(e.atime + 1) * (e.astep + 1) * STEP for e in exposures])
    clock, autozero = np.polyfit(nominal, np.array(taken), 1)
    off = float(np.max(np.abs(np.polyval([clock, autozero], nominal) - taken)))
    text = f"Autozero takes {1000 * autozero:.1f} ms; an integration {100 * (clock - 1):+.2f} % of its nominal time."
    agrees = abs(autozero - AUTOZERO) < 0.003 and abs(clock - 1) < 0.05
    numbers = {"autozero_seconds": round(float(autozero), 6), "clock": round(float(clock), 6)}
    return judged(bool(agrees), text, **numbers, worst_seconds=round(off, 6), seconds=[round(t, 6) for t in taken])


def _seconds(driver: Any, exposure: Exposure) -> float:  # noqa: ANN401
    """Return the mean time of three integrations, from start to data-valid."""
    driver.configure(exposure)
    driver.convert(SIX)
    total = 0.0
    for _ in range(3):
        driver.registers(ASTATUS, 13)
        _restart(driver)
        total += _await_frame(driver, exposure.seconds)
    return total / 3


REGISTER_STEPS = (
    Step("mark", "the mark in register 0x84", NOTHING, "it stays through readings", _mark),
    Step(
        "valid", "what clears data-valid", NOTHING, "reading ASTATUS, or a new start; not STATUS2 or data alone", _valid
    ),
    Step("latch", "what data registers show before ASTATUS is read", NOTHING, "the frame that was read last", _latch),
    Step(
        "autozero",
        "how long autozero takes, and how fast the sensor's clock is",
        NOTHING,
        "15 ms; within 5 %",
        _autozero,
    ),
    Step(
        "overload",
        "at how much light the analogue part is overloaded",
        NOTHING,
        "above 2 counts per step, where converters show 97 % of the ceiling",
        _overload,
    ),
)
DIP = Step(
    "dip",
    "whether a dip of the supply is noticed",
    "Pull the sensor's VIN wire off, count to five, and put it back.",
    "the mark in register 0x84 is gone",
    _dip,
)
