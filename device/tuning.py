"""What an instrument finds out about itself: the ratio of its two clocks, and its gain steps."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrolux.device.errors import TuningFailed
from retrolux.device.instrument import Instrument
from retrolux.device.measurement import REFERENCE, Exposure
from retrolux.device.periods import beat, of_length, periods_in, whole_periods
from retrolux.device.settings import GAINS

Array = NDArray[np.float64]

HALF, FULL = (0.0, 0.5, 0.0), (0.0, 1.0, 0.0)
CHANNEL = "515nm"
SLOWEST, FASTEST = 0.95, 1.05  # ratio of the clocks that is searched
COARSE, FINE, CHECK = 8, 20, 40  # readings at each window
SURE = 5.0  # log-likelihood by which a beat must explain the scatter better than a steady light

Report = Callable[[float, str], None]
"""Called with the fraction done, 0 … 1, and what is being done."""


@dataclass(frozen=True)
class Tuning:
    """What was found.

    Attributes
    ----------
    ratio : float
        PWM periods in a window over their nominal number; 1 where no beat was seen.
    exposure : Exposure
        The window to measure with: whole PWM periods.
    beats : bool
        Whether a beat was seen at all.
    before, after, steady : float
        Relative standard deviation of repeated readings of green: at half duty with the window as it was and with the
        new one, and at full duty, where there are no pulses, with the new one.
    gain_ratios : dict of float to float
        Gain of each step relative to that of gain 128.
    """

    ratio: float
    exposure: Exposure
    beats: bool
    before: float
    after: float
    steady: float
    gain_ratios: dict[float, float]

    def to_json(self) -> dict[str, Any]:
        """Return the tuning in the form in which it is stored."""
        return {
            "ratio": self.ratio,
            "beats": self.beats,
            "exposure": asdict(self.exposure),
            "noise": {"before": self.before, "after": self.after, "steady": self.steady},
            "gain_ratios": {f"{gain:g}": ratio for gain, ratio in self.gain_ratios.items()},
        }


@dataclass(frozen=True)
class Scatter:
    """Relative standard deviations of n readings each at some windows."""

    exposures: tuple[Exposure, ...]
    sizes: Array
    n: int


def tune(
    instrument: Instrument, frequency: float, exposure: Exposure = REFERENCE, report: Report | None = None
) -> Tuning:
    """Find the clocks' ratio by the noise of a light at half duty, and the gain steps by a steady one.

    Takes some 650 readings of one channel, four minutes of the sensor's time.

    Parameters
    ----------
    instrument : Instrument
        One whose exposure can be chosen.
    frequency : float
        Of the light's PWM, nominal, in Hz.
    exposure : Exposure
        The window to start from.

    Raises
    ------
    TuningFailed
        When green at half duty saturates, or gives no more than the dark does.
    DeviceError
    """
    say = report or (lambda _fraction, _what: None)
    say(0.0, "looking at the light")
    _refuse_bad_light(instrument, exposure)
    ratio, beats = find_ratio(instrument, frequency, exposure, say)
    best = whole_periods(exposure, frequency, ratio) if beats else exposure
    say(0.6, "measuring what it won")
    before, after = (scatter(instrument, HALF, e, CHECK) for e in (exposure, best))
    if after > before:  # nothing was won: the jitter of the pulses is all there is
        best, after = exposure, before
    steady = scatter(instrument, FULL, replace(best, gain=best.gain / 2), CHECK)  # or it might saturate
    gains = calibrate_gains(instrument, lambda fraction: say(0.7 + 0.3 * fraction, "calibrating the gain steps"))
    say(1.0, "done")
    return Tuning(ratio, best, beats, before, after, steady, gains)


def scatter(instrument: Instrument, duties: Sequence[float], exposure: Exposure, n: int) -> float:
    """Return the relative standard deviation of n readings of 515 nm, by differences of successive ones.

    So drift is no noise (von Neumann).
    """
    counts = np.array([instrument.measure(duties, [CHANNEL], exposure).outputs[CHANNEL] for _ in range(n)], float)
    return float(np.sqrt(np.mean(np.diff(counts) ** 2) / 2) / max(counts.mean(), 1.0))


def _refuse_bad_light(instrument: Instrument, exposure: Exposure) -> None:
    lit, dark = (instrument.measure(d, [CHANNEL], exposure) for d in (HALF, (0.0, 0.0, 0.0)))
    if lit.saturated:
        raise TuningFailed("Green at half duty saturates the sensor.", "Lower the gain, or shade the sensor.")
    if lit.outputs[CHANNEL] < 2 * dark.outputs[CHANNEL] + 100:
        raise TuningFailed(
            f"Green at half duty gives {lit.outputs[CHANNEL]} counts, and the dark {dark.outputs[CHANNEL]}.",
            "Check that the green LED shines on the sensor, and keep daylight off.",
        )


def find_ratio(instrument: Instrument, frequency: float, exposure: Exposure, say: Report) -> tuple[float, bool]:
    """Return the ratio of the clocks, and whether a beat was seen at all (else 1).

    Scans a period about the window, and one about a third of it, which tells which of several ratios is right.
    Raises DeviceError.
    """
    period = 1 / frequency
    long = [of_length(exposure, exposure.seconds + k * period) for k in np.linspace(-0.5, 0.5, 16)]
    third = max(exposure.seconds / 3, 2 * period)
    short = [of_length(exposure, third + k * period) for k in np.linspace(-0.5, 0.5, 8)]
    seen = [_scan(instrument, [*long, *short], COARSE, lambda f: say(0.3 * f, "scanning the window"))]
    ratio, gained = most_likely(seen, frequency, np.linspace(SLOWEST, FASTEST, 4001))
    if gained < SURE:
        return 1.0, False
    whole = round(periods_in(exposure, frequency, ratio))
    near = [of_length(exposure, (whole + k) / (frequency * ratio)) for k in np.linspace(-0.12, 0.12, 9)]
    seen.append(_scan(instrument, near, FINE, lambda f: say(0.3 + 0.3 * f, "scanning about whole periods")))
    width = 0.3 / whole
    return most_likely(seen, frequency, np.linspace(ratio - width, ratio + width, 4001))[0], True


def _scan(instrument: Instrument, windows: Sequence[Exposure], n: int, done: Callable[[float], None]) -> Scatter:
    sizes = []
    for i, window in enumerate(windows):
        sizes.append(scatter(instrument, HALF, window, n))
        done((i + 1) / len(windows))
    return Scatter(tuple(windows), np.array(sizes), n)


def most_likely(seen: Sequence[Scatter], frequency: float, ratios: Array) -> tuple[float, float]:
    """Return the ratio under which the scatter is most likely, and the log-likelihood that it wins.

    Of a window of n periods, the beat's part is :func:`~retrolux.device.periods.beat` / n of the mean. The rest is
    searched along with it: most of it is jitter, whose mean over n pulses falls with the root of n. It wins over a
    rest alone, with no beat.
    """
    windows = [e for s in seen for e in s.exposures]
    nominal = np.array([periods_in(e, frequency) for e in windows])
    sizes = np.concatenate([s.sizes for s in seen]) ** 2
    weight = np.concatenate([np.full(len(s.sizes), (s.n - 1) / 3) for s in seen])  # differences overlap: 2/3 of n - 1
    periods = nominal * ratios[:, None]
    beats = (beat(periods, HALF[1]) / HALF[1] / periods) ** 2
    rests = np.geomspace(1e-5, 1e-2, 40)[:, None] ** 2 * nominal.max() / nominal

    def likelihood(variances: Array) -> Array:
        return np.asarray(-(weight * (np.log(variances) + sizes / variances)).sum(axis=-1))

    with_beat = np.array([likelihood(beats + rest) for rest in rests])
    without = max(float(likelihood(rest)) for rest in rests)
    best = np.unravel_index(np.argmax(with_beat), with_beat.shape)
    return float(ratios[best[1]]), float(with_beat[best] - without)


def calibrate_gains(
    instrument: Instrument, done: Callable[[float], None] = lambda _fraction: None
) -> dict[float, float]:
    """Return each gain relative to gain 128, by steady green read at neighbouring gains in turn.

    At each pair the brightest of four channels is used that does not saturate at the higher gain. A pair for which
    there is none, in much ambient light, ends the chain on its side.
    """
    ratios = {128.0: 1.0}
    middle = GAINS.index(128)
    pairs = [(i + 1, i) for i in reversed(range(middle))], [(i, i + 1) for i in range(middle, len(GAINS) - 1)]
    total, made = len(GAINS) - 1, 0
    for chain in pairs:
        for known, new in chain:
            step = _gain_step(instrument, GAINS[known], GAINS[new])
            made += 1
            done(made / total)
            if step is None:
                break
            ratios[GAINS[new]] = ratios[GAINS[known]] * step
    return dict(sorted(ratios.items()))


def _gain_step(instrument: Instrument, known: float, new: float, n: int = 6) -> float | None:
    """Return the gain of one step over another's; None where every channel saturates or none sees enough."""
    high, low = max(known, new), min(known, new)
    window = replace(REFERENCE, gain=high)
    look = instrument.measure(FULL, [CHANNEL, "480nm", "555nm", "680nm"], window)
    fit = {c: v for c, v in look.outputs.items() if c not in look.saturated and v < 0.9 * window.ceiling}
    if not fit or max(fit.values()) < 100:
        return None
    channel = max(fit, key=lambda c: fit[c])

    def read(gain: float) -> int:
        return instrument.measure(FULL, [channel], replace(window, gain=gain)).outputs[channel]

    rounds = [(read(high), read(low), read(low), read(high)) for _ in range(n)]  # in mirrored order: drift cancels
    step = sum(a + d for a, _, _, d in rounds) / sum(b + c for _, b, c, _ in rounds)
    return step if new == high else 1 / step
