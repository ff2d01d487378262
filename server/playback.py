"""Play an answer back: measure its inputs some times and compare with what was wanted."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from retrolux.server.errors import BadArgument
from retrolux.server.readings import mean_counts
from retrolux.server.station import Station

LONGEST = 900
"""Seconds of integration that playbacks may take together: so long nobody else can measure undisturbed."""


def play_back(
    station: Station,
    inputs: Mapping[str, float],
    target: Mapping[str, float],
    playbacks: int,
    report: Callable[[int], None] = lambda _done: None,
) -> dict[str, Any]:
    """Measure inputs some times and compare the mean with a target.

    Parameters
    ----------
    report : callable
        Called with the number of playbacks done, after each.

    Returns
    -------
    dict
        ``measured``: mean counts of each channel; ``error_percent``: 100 (measured − target) / target for each
        channel of the target (None where the target is 0); both at the reference exposure.

    Raises
    ------
    BadArgument
        When the instrument has other inputs, or it would take too long.
    DeviceError
    """
    names = station.instrument.inputs
    if set(inputs) != set(names):
        raise BadArgument(
            f"{station.config.device} has the inputs {', '.join(names)}.",
            f"Play back answers of models of these inputs, not {', '.join(inputs)}.",
        )
    if playbacks * station.settings.exposure.seconds > LONGEST:
        raise BadArgument(
            f"{playbacks} playbacks of {station.settings.exposure.seconds:.3g} s each take more than {LONGEST} s.",
            "Ask for fewer, or shorten the exposure in [sensor].",
        )
    duties, readings = [inputs[name] for name in names], []
    with station.activity.doing("measuring") as say:
        for done in range(1, playbacks + 1):
            say(f"measuring {done} of {playbacks}")
            readings.append(station.measure(duties, origin="playback"))
            report(done)
    measured = mean_counts(readings, station.gain_ratios)
    return {"measured": measured, "error_percent": error_percent(target, measured)}


def error_percent(target: Mapping[str, float], measured: Mapping[str, float]) -> dict[str, float | None]:
    """Return 100 (measured − target) / target of each channel that was measured; None of a target that is next to 0."""
    shares = {c: (measured[c] - t) / t if t else math.inf for c, t in target.items() if c in measured}
    return {c: 100 * share if math.isfinite(100 * share) else None for c, share in shares.items()}
