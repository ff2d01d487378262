"""The simulator's readings beside the published figures and the real readings of Claude-Light."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from retrolux.device.clock import FakeClock
from retrolux.device.designs import design
from retrolux.device.log import read_records
from retrolux.device.measurement import CHANNELS, FULL_SCALE, Exposure
from retrolux.device.settings import InstrumentSettings
from retrolux.device.sim import EFFECTS, Scene, make_parts, open_sim
from retrolux.device.sim.pwm import FULL, PwmPin, Waveform
from retrolux.device.sim.unit import Pulses, make_unit

Array = NDArray[np.float64]
REPEATED = (0.147, 0.372, 0.394)

# Least squares over all readings: offset, R, G, B (ambient uncorrected), from the data's own description.
PUBLISHED = {
    "445nm": (628, 37, 304, 30177),
    "480nm": (732, 351, 11673, 8458),
    "515nm": (1212, 264, 63452, 324),
    "555nm": (1405, 113, 9849, 223),
    "590nm": (1633, 14985, 1116, 276),
    "630nm": (1652, 28830, 1129, 512),
    "clear": (10062, 19456, 45702, 25820),
}
MAIN = {"445nm": "B", "480nm": "G", "515nm": "G", "555nm": "G", "590nm": "R", "630nm": "R"}


def readings(settings: Sequence[Sequence[float]], number: int = 0, exposure: Exposure | None = None) -> Array:
    """Return counts, settings by channels, of a unit just made."""
    chosen = InstrumentSettings(exposure) if exposure else InstrumentSettings()
    with open_sim(number, chosen, make_parts(number, FakeClock(0))) as instrument:
        return np.array([list(instrument.measure(s).outputs.values()) for s in settings], dtype=float)


def fit(inputs: Array, counts: Array) -> Array:
    """Return offset, R, G, B of each channel by least squares, saturated cells left out; shape (channels, 4)."""
    table = np.c_[np.ones(len(inputs)), inputs]
    whole = [column < FULL_SCALE for column in counts.T]
    return np.array([np.linalg.lstsq(table[w], c[w], rcond=None)[0] for w, c in zip(whole, counts.T, strict=True)])


@pytest.fixture(scope="module")
def fitted() -> Array:
    settings = np.array(design("lhs", 60, seed=1))
    return fit(settings, readings(settings.tolist()))


@pytest.fixture(scope="module")
def repeats() -> Array:
    return readings([REPEATED] * 50)


def spread(counts: Array) -> Array:
    """Return each channel's relative standard deviation in per cent."""
    return np.asarray(100 * counts.std(axis=0, ddof=1) / counts.mean(axis=0))


@pytest.mark.parametrize("channel", MAIN)
def test_main_slopes_are_those_published(fitted: Array, channel: str) -> None:
    which = 1 + "RGB".index(MAIN[channel])
    rel = 0.02 if channel in {"445nm", "515nm", "630nm"} else 0.03
    assert fitted[CHANNELS.index(channel), which] == pytest.approx(PUBLISHED[channel][which], rel=rel)


@pytest.mark.parametrize("channel", PUBLISHED)
def test_ambient_offsets_are_of_the_published_size(fitted: Array, channel: str) -> None:
    assert fitted[CHANNELS.index(channel), 0] == pytest.approx(PUBLISHED[channel][0], rel=0.35)


def test_nir_and_680nm_hardly_see_the_light(fitted: Array) -> None:
    rows = fitted[[CHANNELS.index("680nm"), CHANNELS.index("nir")]]
    assert rows[:, 1:].max() < 1500


@pytest.mark.parametrize("channel", ["445nm", "515nm", "630nm"])
def test_repeat_noise_is_between_a_third_and_one_and_a_third_per_cent(repeats: Array, channel: str) -> None:
    assert 0.3 <= spread(repeats)[CHANNELS.index(channel)] <= 1.3


def test_noise_is_common_to_a_pass_and_to_no_other() -> None:
    counts = readings([REPEATED] * 200)
    blue, green, red = (counts[:, CHANNELS.index(c)] for c in ("445nm", "515nm", "630nm"))
    assert np.corrcoef(blue, green)[0, 1] > 0.4
    assert abs(np.corrcoef(green, red)[0, 1]) < 0.3  # four standard errors of 200


def test_a_light_without_pulses_has_no_pwm_noise() -> None:
    steady, pulsed = readings([(0, 1, 0)] * 40), readings([(0, 0.5, 0)] * 40)
    green = CHANNELS.index("515nm")
    assert np.diff(steady[:, green]).std() * 5 < np.diff(pulsed[:, green]).std()


def test_a_steady_light_scatters_as_the_bursts_did() -> None:
    """Bursts of five of 515 nm: about 15 counts at G = 1, and 0 to 8 in the dark, where it follows the ambient."""
    green = CHANNELS.index("515nm")
    bright, dark = (np.diff(readings([(0, g, 0)] * 200)[:, green]).std() / np.sqrt(2) for g in (1, 0))
    assert bright == pytest.approx(15, rel=0.3)
    assert 0.5 < dark < 8


def exact(jitter: float = 0.0) -> Pulses:
    """Pulses of just the length that they are told, at 100 Hz."""
    return Pulses(100.0, np.full(3, jitter), 0.5, np.zeros(3), np.zeros(3))


def windows(pulses: Pulses, duty: float, seconds: float, n: int = 300) -> Array:
    """Return what n windows at random phases see of an output, shape (n,)."""
    pin = PwmPin()
    waveform = Waveform((pin, PwmPin(), PwmPin()), pulses, np.random.default_rng(5))
    seen = []
    for _ in range(n):
        pin.duty_cycle = round(duty * FULL)  # set anew, it begins at another phase
        seen.append(waveform.mean_on(0.0, seconds)[0])
    return np.array(seen)


@pytest.mark.parametrize("duty", [0.0, 0.05, 0.3, 0.5, 0.85, 1.0])
@pytest.mark.parametrize("seconds", [0.28078, 0.02, 0.0499])
def test_the_window_sees_the_pulse_train_that_it_covers(duty: float, seconds: float) -> None:
    """Against a pulse train sampled at 200 000 points: the same mean and spread over random phases."""
    seen = windows(exact(), duty, seconds)
    when = np.linspace(0, seconds * 100, 2000)[:, None] + np.random.default_rng(6).random(300)
    sampled = ((when % 1) < duty).mean(axis=0)
    assert seen.mean() == pytest.approx(sampled.mean(), abs=0.01)
    assert seen.std() == pytest.approx(sampled.std(), abs=0.01)
    assert ((seen >= 0) & (seen <= 1)).all()


def test_the_second_window_of_a_setting_begins_where_time_has_brought_the_pulses() -> None:
    """Two windows a whole number of periods apart see the same; two half a period apart, the opposite part."""
    pin = PwmPin()
    waveform = Waveform((pin, PwmPin(), PwmPin()), exact(), np.random.default_rng(1))
    pin.duty_cycle = FULL // 2
    first, same, other = (waveform.mean_on(when, 0.0251)[0] for when in (0.0, 0.3, 0.305))
    assert first == pytest.approx(same, abs=1e-9)
    assert first + other == pytest.approx(1.0, abs=0.01)  # 2.51 periods: they share the odd half between them


@pytest.mark.parametrize(("periods", "counts"), [(28.08, 87), (27.7, 274), (28.0, 0)])
def test_the_beat_is_as_large_as_the_periods_in_the_window_make_it(periods: float, counts: float) -> None:
    """The figures are for 63 452 counts of green at half duty (as as7341.md has them)."""
    assert 63452 * windows(exact(), 0.5, periods / 100, 4000).std() == pytest.approx(counts, rel=0.05, abs=0.5)


def test_jitter_averages_over_the_windows_pulses() -> None:
    seen = windows(exact(1e-4), 0.5, 0.28, 4000)  # 28 periods, no beat; 100 µs of 10 ms
    assert seen.std() == pytest.approx(0.01 / np.sqrt(28), rel=0.05)


def test_full_duty_lies_above_the_line_of_the_lower_duties() -> None:
    """By 0.011 R, 0.006 G, 0.004 B of input: a pulse loses some 40 to 110 µs, and at full on there is none."""
    duties = np.linspace(0.1, 0.9, 9)
    for k, (channel, step) in enumerate({"630nm": 0.0108, "515nm": 0.0062, "445nm": 0.0043}.items()):
        settings = [tuple(d if i == k else 0.0 for i in range(3)) for d in [*duties, 1.0]]
        scene = Scene(without=frozenset(EFFECTS))
        with open_sim(0, InstrumentSettings(Exposure(64)), make_parts(0, FakeClock(0), scene)) as instrument:
            counts = np.array([instrument.measure(s).outputs[channel] for s in settings], dtype=float)
        slope, offset = np.polyfit(duties, counts[:-1], 1)
        assert (counts[-1] - offset - slope) / slope == pytest.approx(step, rel=0.4), channel


def test_clear_saturates_in_bright_light_and_515nm_comes_near() -> None:
    counts = readings([(1, 1, 1)] * 5)
    assert (counts[:, CHANNELS.index("clear")] == FULL_SCALE).all()
    assert (counts[:, CHANNELS.index("515nm")] > 0.985 * FULL_SCALE).all()


def test_it_is_dark_again_after_a_reading() -> None:
    counts = readings([(0, 0, 0), (1, 1, 1), (0, 0, 0)])
    assert counts[2] == pytest.approx(counts[0], rel=0.1)
    assert (counts[2] < 11000).all()


def test_counts_are_proportional_to_gain_and_time() -> None:
    full = readings([REPEATED] * 20).mean(axis=0)
    half_gain = readings([REPEATED] * 20, exposure=Exposure(64)).mean(axis=0)
    half_time = readings([REPEATED] * 20, exposure=Exposure(128, 100, 499)).mean(axis=0)
    assert half_gain / full == pytest.approx(np.full(10, make_unit(0).gains[64]), rel=0.02)
    assert half_time / full == pytest.approx(np.full(10, 0.5), rel=0.02)


def test_the_same_unit_gives_the_same_readings() -> None:
    settings = design("lhs", 5)
    for number in (0, 4):
        np.testing.assert_array_equal(readings(settings, number), readings(settings, number))


def test_units_differ_by_a_few_per_cent() -> None:
    means = np.array([readings([(0.5, 0.5, 0.5)] * 8, number).mean(axis=0) for number in range(6)])
    bands = means[:, [CHANNELS.index(c) for c in ("445nm", "515nm", "630nm")]]
    off = np.abs(bands[1:] / bands[0] - 1)
    assert 0.005 < off.mean() < 0.05
    assert off.max() < 0.12
    assert all(np.abs(a / b - 1).max() > 0.005 for i, a in enumerate(bands) for b in bands[:i])


def test_ambient_light_drifts_but_little_over_a_minute() -> None:
    nir = readings([(0, 0, 0)] * 100)[:, CHANNELS.index("nir")]  # 100 readings take 61 s
    assert 0 < nir.std() < 0.05 * nir.mean()
    assert np.abs(np.diff(nir)).max() < 0.01 * nir.mean()  # it wanders, it does not jump


def test_real_readings_give_the_simulators_slopes(
    real_data: Path, fitted: Array, repeats: Array, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [r for r in read_records(real_data / "claude-light-2025.jsonl") if max(r["in"]) < 1]
    inputs = np.array([r["in"] for r in records])
    real = fit(inputs, np.array([[r["out"][c] for c in CHANNELS] for r in records], dtype=float))
    noise = [[r["out"][c] for c in CHANNELS] for r in records if r.get("tag") == "exp_repeat"]
    with capsys.disabled():
        print(_beside(real, fitted, spread(np.array(noise, dtype=float)), spread(repeats)))
    assert len(noise) == 50
    for channel, name in MAIN.items():
        i, j = CHANNELS.index(channel), 1 + "RGB".index(name)
        assert fitted[i, j] == pytest.approx(real[i, j], rel=0.05), channel


def _beside(real: Array, simulated: Array, real_noise: Array, simulated_noise: Array) -> str:
    form: Callable[[Array], str] = lambda row: " ".join(f"{v:7.0f}" for v in row)  # noqa: E731
    head = f"\n{'':7}{'real: offset, R, G, B':^33}{'noise %':>8}   {'simulated: offset, R, G, B':^33}{'noise %':>8}\n"
    lines = (
        f"{c:>6} {form(real[i])} {real_noise[i]:8.2f}   {form(simulated[i])} {simulated_noise[i]:8.2f}"
        for i, c in enumerate(CHANNELS)
    )
    return head + "\n".join(lines)
