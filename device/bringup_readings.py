"""Steps of the bring-up that readings are enough for, and their order."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from retrolux.device.bench import Bench
from retrolux.device.bringup import Outcome, Person, Step, Verdict, judged, unclear
from retrolux.device.bringup_registers import DIP, NOTHING, REGISTER_STEPS, WHITE
from retrolux.device.looks import NIGHT, OWN, alone, at_reference, spoken
from retrolux.device.measurement import CHANNELS, REFERENCE, Exposure
from retrolux.device.passes import SIX
from retrolux.device.settings import COLOURS
from retrolux.device.tuning import calibrate_gains, find_ratio

Array = NDArray[np.float64]

STEADY = replace(REFERENCE, gain=32)  # white at full duty stays below the ceiling, clear too
MIXED = ("415nm", "445nm", "555nm", "590nm", "630nm", "680nm")  # of both of the driver's passes
REPEATS = 5
SAME, FEW = 0.015, 15  # relative, and counts: where two ways to read a channel agree
CAPPED = Exposure(512, 34, 1006)  # 98 ms, as on pages 10 to 14
MOST_DARK = 5  # counts: at most 3, and 5 of the sixth converter
LOWER = (0.1, 0.3, 0.5, 0.7, 0.9)
SOFTWARE_STEP = (0.0108, 0.0062, 0.0043)  # Claude-Light's, in input units
STEP_SURE = 0.008  # with what an LED's own heat bends
WEAK = 1000  # counts at full duty: less does not tell so small a step
FRAMES_TO_SEE = 6  # readings, 0.6 s each


def _colours(bench: Bench, person: Person) -> Outcome:
    answers = []
    for k in range(3):
        for _ in range(FRAMES_TO_SEE):
            bench.measure(alone(k, 1.0))
        answers.append(_colour(person))
    right = [a == colour[0] for a, colour in zip(answers, COLOURS, strict=True)]
    told = ", ".join(f"{c}: {a}" for c, a in zip(COLOURS, answers, strict=True))
    return judged(all(right), f"Asked for, and seen: {told}.", answers=dict(zip(COLOURS, answers, strict=True)))


def _colour(person: Person) -> str:
    """Return what the person saw, or ``?`` where three answers are none."""
    for _ in range(3):
        answer = person.ask("Which colour did it shine in? [r, g, b, n for none, q ends]")[:1]
        if answer and answer in "rgbn":
            return answer
    return "?"


def _six(bench: Bench, _person: Person) -> Outcome:
    """Compare maps of our own with the driver's two passes, in turn, so that drift is in both."""
    rows: dict[str, list[Array]] = {"ten": [], "six": [], "mixed": []}
    for _ in range(REPEATS):
        for name, channels in (("ten", CHANNELS), ("six", SIX.channels), ("mixed", MIXED)):
            reading = bench.measure(WHITE, channels, STEADY)
            rows[name].append(np.array([reading.outputs.get(c, np.nan) for c in CHANNELS], dtype=np.float64))
    mean = {name: np.mean(each, axis=0) for name, each in rows.items()}
    if np.max(mean["ten"]) < 1000:
        return unclear("There is too little light to compare by.", counts=mean["ten"].round(1).tolist())
    wrong = [
        f"{spoken(c)} {own[i]:,.0f} in our map and {ten:,.0f} in the driver's"
        for own in (mean["six"], mean["mixed"])
        for i, (c, ten) in enumerate(zip(CHANNELS, mean["ten"], strict=True))
        if abs(own[i] - ten) > SAME * ten + FEW
    ]
    counts = {n: [None if np.isnan(v) else round(float(v), 1) for v in row] for n, row in mean.items()}
    text = f"Differs: {'; '.join(wrong)}." if wrong else "Our maps give the driver's counts, in one integration."
    return judged(not wrong, text, channels=CHANNELS, counts=counts)


def _gains(bench: Bench, _person: Person) -> Outcome:
    ratios = calibrate_gains(bench)
    off = {g: 100 * (r * 128 / g - 1) for g, r in ratios.items()}
    numbers = {"ratios": {f"{g:g}": round(r, 6) for g, r in ratios.items()}}
    if len(ratios) < 6:
        return unclear(f"Only {len(ratios)} gains could be compared: shade the sensor.", **numbers)
    worst = max(off, key=lambda g: abs(off[g]))
    text = f"{len(ratios)} gains compared; the farthest from nominal is {worst:g}, by {off[worst]:+.1f} %."
    return judged(abs(off[worst]) < 10, text, **numbers)


def _full_duty(bench: Bench, _person: Person) -> Outcome:
    """Find what full duty has above the line of the lower ones, in input units."""
    hardware = bench.status()["light"]["backend"] in {"sysfs", "pca9685"}
    wanted = (0.0, 0.0, 0.0) if hardware else SOFTWARE_STEP
    steps = [_step(bench, k) for k in range(3)]
    text = "Full duty lies above the line of lower duties by " + ", ".join(
        f"{step:.4f} ({colour})" for step, colour in zip(steps, COLOURS, strict=True)
    )
    agrees = all(abs(s - w) < STEP_SURE for s, w in zip(steps, wanted, strict=True))
    if not np.all(np.isfinite(steps)):
        return unclear("A colour gives too little light to tell by.")
    return judged(agrees, f"{text}, in duty.", steps=[round(s, 5) for s in steps], assumed=wanted)


def _step(bench: Bench, colour: int) -> float:
    duties = np.array(LOWER * REPEATS)
    slope, offset = np.polyfit(duties, [_own(bench, colour, duty) for duty in duties], 1)
    full = np.mean([_own(bench, colour, 1.0) for _ in range(REPEATS)])
    return float((full - offset - slope) / slope) if slope > WEAK else float("nan")


def _own(bench: Bench, colour: int, duty: float) -> float:
    """Read a colour in its own channel, at a gain at which full green does not saturate."""
    reading = bench.measure(alone(colour, duty), [OWN[colour]], replace(REFERENCE, gain=64))
    return at_reference(reading)[OWN[colour]]


def _pulses(bench: Bench, _person: Person) -> Outcome:
    nominal = float(bench.status()["light"]["frequency"])
    if bench.wire is not None:
        return unclear("Windows follow the pulses here ([sensor] sync), so that nothing beats.", nominal=nominal)
    ratio, beats = find_ratio(bench, nominal, REFERENCE, lambda _fraction, _what: None)
    if not beats:
        return unclear("No beat is seen: the pulses are too fast, or their jitter hides it.", nominal=nominal)
    text = f"By the sensor's clock the pulses come at {nominal * ratio:.2f} Hz, {100 * (ratio - 1):+.2f} % of nominal."
    return judged(abs(ratio - 1) < 0.045, text, nominal=nominal, ratio=ratio)


def _sync(bench: Bench, _person: Person) -> Outcome:
    if bench.wire is None:
        return Outcome(Verdict.SKIPPED, "No wire is configured ([sensor] sync).")
    duties, channel = alone(bench.wire.colour, 0.5), OWN[bench.wire.colour]
    rows = [bench.measure(duties, [channel], REFERENCE) for _ in range(4 * REPEATS)]
    windows = np.array([(row.exposure_of(channel) or REFERENCE).seconds for row in rows])
    counts = np.array([row.outputs[channel] for row in rows], dtype=np.float64)
    periods = windows * bench.wire.frequency
    odd = float(np.max(np.abs(periods - np.round(periods.mean()))))
    noise = 100 * float(counts.std(ddof=1) / max(counts.mean(), 1.0))
    text = f"Windows last {periods.mean():.3f} periods by the sensor's clock; counts scatter by {noise:.2g} %."
    agrees = odd < 0.05 * periods.mean() and counts.mean() > 100
    return judged(bool(agrees), text, windows=windows.round(6).tolist(), counts=counts.tolist())


def _cap(bench: Bench, _person: Person) -> Outcome:
    rows = [bench.measure(NIGHT, None, CAPPED).outputs for _ in range(REPEATS)]
    most = {c: max(row[c] for row in rows) for c in CHANNELS}
    brightest = max(most, key=lambda c: most[c])
    text = f"Under the cap there are at most {most[brightest]} counts ({spoken(brightest)}; gain 512, 98 ms)."
    if most[brightest] > 10 * MOST_DARK:
        return unclear(f"{text} That is light: is the cap tight?", most=most)
    return judged(most[brightest] <= MOST_DARK, text, most=most)


MAP = "as the driver's two passes, within 1.5 %"
STEPS = (
    Step(
        "colours",
        "which colour is which",
        "Look at the light. It shines in one colour, then asks.",
        "red, green, blue",
        _colours,
    ),
    *REGISTER_STEPS,
    Step(
        "six", "six channels in one integration", "Close the box. The light is white and steady meanwhile.", MAP, _six
    ),
    Step("gains", "the gain steps", "Leave the box closed; this takes two minutes.", "nominal within 10 %", _gains),
    Step(
        "full duty",
        "the step at full duty",
        "Leave the box closed.",
        "0.011, 0.006, 0.004 where software times the pulses; none where hardware does",
        _full_duty,
    ),
    Step(
        "pulses", "the frequency of the pulses", "Leave the box closed; three minutes.", "nominal within 4.5 %", _pulses
    ),
    Step("sync", "windows from edge to edge", NOTHING, "whole periods, by [sensor] sync", _sync),
    Step(
        "cap", "dark counts", "Cover the sensor with a black cap that lets nothing through.", "at most 3, one 5", _cap
    ),
    DIP,
)
"""All steps, in the order in which a person walks through them."""
