"""Levels, noise and times of an instrument's readings, each against what is expected of it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from retrolux.device.deadlines import AUTOZERO
from retrolux.device.expected_noise import Pulses, beat_noise, jitter_noise, most_by_chance, other_noise
from retrolux.device.findings import FROZEN, TOO_BRIGHT, Finding, State, good, skipped
from retrolux.device.looks import DUTY, NIGHT, OWN, Eyes, Look, alone, spoken
from retrolux.device.measurement import CHANNELS, REFERENCE, Exposure, Measurement
from retrolux.device.passes import passes_for

Array = NDArray[np.float64]

BRIGHT, BLINDING = 0.3, 0.5  # of the ceiling at the reference exposure, in a colour's own channel
REPEATS = 12
SLOW, QUICK = 1.15, 0.9  # of a reading's integrations and autozeros
OVERHEAD = 0.06  # seconds of the bus for each pass, at 100 kHz
SHADE = "Shade the instrument, or close its box."
BANDS = CHANNELS[:8]


def dark_level(looks: Sequence[Look], staying: Sequence[bool]) -> Finding:
    """Return the finding ``dark``: how much ambient light there is; colours that stay on are not counted."""
    levels = {c: max(look.before[c] for look in looks) for c, on in zip(OWN, staying, strict=True) if not on}
    if not levels:
        return skipped("dark", "The light stays on, so that there is no dark to be seen.")
    numbers = {"counts": {c: round(v, 1) for c, v in levels.items()}}
    shares = ", ".join(f"{v:,.0f} at {spoken(c)}" for c, v in levels.items())
    share = max(levels.values()) / REFERENCE.ceiling
    text = f"With the light off: {shares}; {100 * share:.0f} % of the ceiling at most."
    if share > BRIGHT:
        state = State.BAD if share > BLINDING else State.ODD
        return Finding("dark", state, f"Too much ambient light. {text}", SHADE, TOO_BRIGHT, numbers)
    return good("dark", text, **numbers)


def saturation(reading: Measurement) -> Finding:
    """Return the finding ``saturation``, of all colours at half duty and the instrument's own exposure."""
    full = [c for c in reading.saturated if c in BANDS]
    e = reading.exposure or REFERENCE
    numbers = {"saturated": list(reading.saturated), "gain": e.gain, "seconds": round(e.seconds, 6)}
    settings = f"all colours at {DUTY:g}, gain {e.gain:g}, {1000 * e.seconds:.0f} ms"
    if full:
        text = f"At their ceiling: {', '.join(spoken(c) for c in full)} ({settings})."
        return Finding(
            "saturation", State.ODD, text, "Lower the gain in [sensor], or measure with --auto.", "", numbers
        )
    rest = ", ".join(reading.saturated)
    also = f"; {rest} is, as others of this kind have it" if rest else ""
    return good("saturation", f"No band is at its ceiling ({settings}){also}.", **numbers)


def elapsed(reading: Measurement) -> Finding:
    """Return the finding ``elapsed``: the time of a reading against its integrations and their autozeros."""
    passes = len(passes_for(tuple(reading.outputs)))
    one = AUTOZERO + (reading.exposure or REFERENCE).seconds
    numbers = {"seconds": round(reading.elapsed, 4), "passes": passes, "integrations": round(passes * one, 4)}
    text = f"A reading took {1000 * reading.elapsed:.0f} ms; its integrations take {1000 * passes * one:.0f} ms."
    if reading.elapsed > SLOW * passes * one + passes * OVERHEAD:
        remedy = "Is the machine busy, or the bus slower than 100 kHz?"
        return Finding("elapsed", State.ODD, f"Slow. {text}", remedy, "", numbers)
    if reading.elapsed < QUICK * passes * one:
        remedy = "The sensor's clock is far off: `retrolux doctor --bring-up` measures it."
        return Finding("elapsed", State.ODD, f"Too quick. {text}", remedy, "", numbers)
    return good("elapsed", text, **numbers)


def pulsed_noise(eyes: Eyes, pulses: Pulses, exposure: Exposure | None) -> Finding:
    """Return the finding ``noise``: repeats of 515 nm at half duty of green, against beat and jitter and the rest.

    Raises DeviceError.
    """
    rows, dark = _repeats(eyes, alone(1, DUTY), OWN[1], exposure)
    if rows is None:
        return skipped("noise", f"{spoken(OWN[1])} is at its ceiling.")
    used = rows[0].exposure or REFERENCE
    light = _mean(rows, OWN[1]) - dark
    beats, jitters = (f(pulses, used, DUTY) for f in (beat_noise, jitter_noise))
    rest = other_noise(used, light, dark)
    expected = float(np.sqrt((beats**2 + jitters**2) * light**2 + rest**2))
    parts = {"beat": beats, "jitter": jitters, "rest": rest / max(light, 1.0)}
    return _judged("noise", rows, OWN[1], expected, light, parts, pulses)


def steady_noise(eyes: Eyes, exposure: Exposure | None) -> Finding:
    """Return the finding ``steadiness``: repeats of 630 nm at full duty of red, where there are no pulses.

    Raises DeviceError.
    """
    rows, dark = _repeats(eyes, alone(0, 1.0), OWN[0], exposure)
    if rows is None:
        return skipped("steadiness", f"{spoken(OWN[0])} is at its ceiling.")
    light = _mean(rows, OWN[0]) - dark
    expected = other_noise(rows[0].exposure or REFERENCE, light, dark)
    return _judged("steadiness", rows, OWN[0], expected, light, {"rest": expected / max(light, 1.0)}, None)


def _repeats(
    eyes: Eyes, duties: tuple[float, ...], channel: str, exposure: Exposure | None
) -> tuple[list[Measurement] | None, float]:
    """Return repeats of one channel and its dark level, at a gain at which it does not saturate; None without one."""
    first = eyes.read(duties, exposure, [channel])
    while channel in first.saturated:
        if exposure is None or eyes.fixed or exposure.gain <= 0.5:
            return None, 0.0
        exposure = replace(exposure, gain=exposure.gain / 2)
        first = eyes.read(duties, exposure, [channel])
    rows = [first, *(eyes.read(duties, exposure, [channel]) for _ in range(REPEATS - 1))]
    return rows, float(eyes.read(NIGHT, exposure, [channel]).outputs[channel])


def _mean(rows: Sequence[Measurement], channel: str) -> float:
    return float(np.mean([row.outputs[channel] for row in rows]))


def scatter(rows: Sequence[Measurement], channel: str) -> float:
    """Return the standard deviation of readings in counts, by successive differences, so that drift is no noise.

    Where edges ended the windows, each count is taken to the first one's length.
    """
    lengths = np.array([(row.exposure or REFERENCE).seconds for row in rows])
    counts = np.array([row.outputs[channel] for row in rows], dtype=np.float64) * lengths[0] / lengths
    return float(np.sqrt(np.mean(np.diff(counts) ** 2) / 2))


def _judged(  # noqa: PLR0913, PLR0917 - what the sentence says
    name: str,
    rows: Sequence[Measurement],
    channel: str,
    expected: float,
    light: float,
    parts: Mapping[str, float],
    pulses: Pulses | None,
) -> Finding:
    size = scatter(rows, channel)
    share, most = (100 * v / max(light, 1.0) for v in (size, expected * most_by_chance(len(rows))))
    numbers = {"counts": round(_mean(rows, channel), 1), "scatter_percent": round(share, 4), "readings": len(rows)}
    numbers |= {"at_most_percent": round(most, 4)} | {f"{k}_percent": round(100 * v, 4) for k, v in parts.items()}
    what = f"{'half' if pulses else 'full'} duty, {len(rows)} readings"
    if size == 0 and light > 1000:
        text = (
            f"{spoken(channel)} repeats exactly, {rows[0].outputs[channel]:,} counts ({what}): no light is so steady."
        )
        return Finding(
            name, State.BAD, text, "The sensor hands out old readings: switch it off and on.", FROZEN, numbers
        )
    text = f"{spoken(channel)} scatters by {share:.3g} % ({what}); up to {most:.2g} % is expected."
    if share > most:
        remedy = "Look for a lamp that flickers, a loose wire, or a supply that does."
        return Finding(name, State.ODD, f"Noisy. {text}", remedy, "", numbers)
    beats = pulses is not None and pulses.ratio is None and parts["beat"] > parts["jitter"]
    advice = " `retrolux tune` can lower it." if beats else ""
    return good(name, text + advice, **numbers)
