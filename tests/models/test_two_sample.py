"""The two-sample test: what it must see, and that it sees nothing where there is nothing."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression

from retrolux.models.dataset import Dataset
from retrolux.models.errors import BadData, UnknownColumn
from retrolux.models.sittings import sittings
from retrolux.models.traces import Rows, traces
from retrolux.models.two_sample import compare

NAMES = ("445nm", "515nm", "630nm")
OFFSET = np.array([628.0, 1212, 1652])
SLOPES = np.array([[37.0, 264, 28830], [304, 63452, 1129], [30177, 324, 512]])
SITTINGS, LENGTH = 5, 25
TIMES = (np.arange(SITTINGS)[:, None] * 7200.0 + np.arange(LENGTH) * 4.7).ravel()
WHERE = np.repeat(np.arange(SITTINGS), LENGTH)


def weather(rng, between: float = 600.0) -> np.ndarray:
    """Ambient counts: another level each sitting, and a walk within it."""
    walk = np.cumsum(rng.normal(0, 15, (SITTINGS, LENGTH)), axis=1) + rng.normal(0, between, (SITTINGS, 1))
    return walk.reshape(-1, 1) * [0.5, 1, 1.2]


def log(rng, ambient, *, noise=0.004, own=0.001, gain=1.0, shift=0.0, common=True) -> Dataset:
    """Readings of the same settings as ever, with noise that 445 and 515 nm share."""
    inputs = np.random.default_rng(0).integers(0, 11, (SITTINGS * LENGTH, 3)) / 10
    shared = rng.normal(size=(len(inputs), 2))[:, [0, 0, 1]] if common else rng.normal(size=(len(inputs), 3))
    lit = (OFFSET + gain * inputs @ SLOPES) * (1 + noise * shared + own * rng.normal(size=shared.shape))
    raw = np.round(lit + ambient + shift)
    return Dataset(inputs, np.minimum(raw, 65535), raw >= 65535, ("R", "G", "B"), NAMES)


Pair = Callable[[np.random.Generator], tuple[Dataset, Dataset]]


def aucs(pair: Pair, draws: int) -> list[float]:
    def once(seed):
        a, b = pair(np.random.default_rng(seed))
        return compare(a, b, TIMES, TIMES, alone=False, seed=seed).auc

    return [once(seed) for seed in range(draws)]


def mean_auc(pair: Pair, draws: int = 20) -> float:
    return float(np.mean(aucs(pair, draws)))


def under_one_sky(**second):
    """Return a pair of logs with the same ambient light, the second different in some way."""

    def pair(rng):
        ambient = weather(rng)
        return log(rng, ambient), log(rng, ambient, **second)

    return pair


class TestSittings:
    def test_ten_minutes_begin_another(self) -> None:
        (index,) = sittings([0, 599, 1198, 1798])
        assert index.tolist() == [0, 0, 0, 1]

    def test_logs_share_one_time_line(self) -> None:
        first, second = sittings([0.0, 2000], [1500, 500])
        assert first.tolist() == [0, 1]
        assert second.tolist() == [1, 0]

    @given(st.lists(st.floats(0, 20_000), min_size=1, max_size=30), st.randoms())
    def test_the_order_of_readings_does_not_matter_and_no_close_pair_is_parted(self, times, random) -> None:
        (index,) = sittings(times)
        order = list(range(len(times)))
        random.shuffle(order)
        assert sittings([times[i] for i in order])[0].tolist() == [index[i] for i in order]
        gaps = np.abs(np.subtract.outer(times, times))
        assert (index[:, None] == index)[gaps < 600].all()
        lonely = {i for i, row in enumerate(gaps) if (np.delete(row, i) >= 600).all()}
        assert all((index == index[i]).sum() == 1 for i in lonely)

    def test_a_time_that_is_none_is_refused(self) -> None:
        with pytest.raises(BadData, match="not finite"):
            sittings([0, np.nan])


class TestTraces:
    @pytest.fixture
    def rows(self) -> Rows:
        rng = np.random.default_rng(3)
        a, b = log(rng, weather(rng)), log(rng, weather(rng))
        data = Dataset(
            np.vstack([a.inputs, b.inputs]),
            np.vstack([a.outputs, b.outputs]),
            np.vstack([a.saturated, b.saturated]),
            ("R", "G", "B"),
            NAMES,
        )
        return Rows(data, np.repeat([False, True], len(a)), np.tile(TIMES, 2), np.tile(WHERE, 2))

    def test_residuals_are_those_of_another_library(self, rows: Rows) -> None:
        found, data = traces(rows), rows.data
        assert data.saturated[:, 1].any()  # 515 nm near full duty
        for channel in range(len(NAMES)):
            good = ~data.saturated[:, channel]
            dummies = np.hstack([data.inputs, np.eye(SITTINGS)[rows.sitting]])
            line = LinearRegression(fit_intercept=False).fit(dummies[good], data.outputs[good, channel])
            left = data.outputs[:, channel] - data.inputs @ line.coef_[:3]
            for block in range(rows.n_blocks):
                here = (rows.block == block) & good
                together = (rows.sitting == block // 2) & good
                np.testing.assert_allclose(found.within[here, channel], left[here] - left[here].mean(), atol=1e-6)
                assert found.offset[block, channel] == pytest.approx(left[here].mean() - left[together].mean())
        assert np.array_equal(np.isnan(found.within), data.saturated)

    def test_steps_and_bends_stay_in_their_sitting_and_log(self, rows: Rows) -> None:
        found = traces(rows)
        first = np.r_[True, np.diff(rows.block) != 0]
        last = np.roll(first, -1)
        assert np.isnan(found.step[first]).all()
        assert np.isnan(found.bend[first | last]).all()
        i = 2 * LENGTH + 7
        before, here, after = found.within[i - 1 : i + 2, 0]
        assert found.step[i, 0] == pytest.approx(here - before)
        assert found.bend[i, 0] == pytest.approx(here - (before + after) / 2)

    def test_both_logs_are_treated_alike(self, rows: Rows) -> None:
        found, swapped = traces(rows), traces(Rows(rows.data, ~rows.second, rows.times, rows.sitting))
        for name in ("within", "step", "bend", "signal"):
            np.testing.assert_allclose(getattr(found, name), getattr(swapped, name), atol=1e-8)
        np.testing.assert_allclose(found.offset.reshape(-1, 2, 3)[:, ::-1].reshape(-1, 3), swapped.offset, atol=1e-8)


class TestSeesNothing:
    def test_where_two_logs_are_of_one_process_under_one_sky(self) -> None:
        assert mean_auc(under_one_sky()) == pytest.approx(0.5, abs=0.03)

    def test_where_each_log_has_its_own_weather(self) -> None:
        """Sittings' levels 600 counts apart must neither be learnt by heart nor turn the AUC upside down."""
        found = aucs(lambda rng: (log(rng, weather(rng)), log(rng, weather(rng))), 20)
        assert np.mean(found) == pytest.approx(0.5, abs=0.04)
        assert np.std(found) < 0.1  # levels learnt by heart make it 0.2

    def test_in_a_log_and_itself(self) -> None:
        rng = np.random.default_rng(1)
        same = log(rng, weather(rng))
        found = compare(same, same, TIMES, TIMES)
        assert found.auc == 0.5
        assert set(found.by_channel.values()) == {0.5}

    def test_in_one_log_dealt_out_by_chance(self) -> None:
        def auc(seed):
            rng = np.random.default_rng(seed)
            whole, mine = log(rng, weather(rng)), rng.random(len(TIMES)) < 0.5
            return compare(whole.take(mine), whole.take(~mine), TIMES[mine], TIMES[~mine], alone=False).auc

        assert np.mean([auc(seed) for seed in range(12)]) == pytest.approx(0.5, abs=0.04)


class TestSees:
    def test_a_straight_line_with_independent_noise_and_no_drift(self) -> None:
        def pair(rng):
            return log(rng, weather(rng)), log(rng, 0.0, noise=0.01, own=0.0, common=False)

        assert mean_auc(pair, 5) > 0.8

    @pytest.mark.parametrize(
        ("difference", "least"),
        [
            ({"shift": 100.0}, 0.85),
            ({"gain": 1.02}, 0.95),
            ({"noise": 0.008}, 0.65),
            ({"noise": 0.002}, 0.6),
            ({"common": False}, 0.56),
        ],
    )
    def test_one_difference_alone(self, difference, least) -> None:
        assert mean_auc(under_one_sky(**difference), 8) > least

    def test_a_level_far_beyond_the_weather(self) -> None:
        assert mean_auc(lambda rng: (log(rng, weather(rng)), log(rng, weather(rng), shift=4000.0)), 4) > 0.85

    def test_a_level_far_beyond_the_weather_on_other_days(self) -> None:
        rng = np.random.default_rng(4)
        a, b = log(rng, weather(rng, 50)), log(rng, weather(rng, 50), shift=2000.0)
        assert compare(a, b, TIMES, TIMES + 1e6, alone=False).auc > 0.9

    def test_which_channel_it_is(self) -> None:
        rng = np.random.default_rng(5)
        ambient = weather(rng)
        a, b = log(rng, ambient), log(rng, ambient)
        odd = Dataset(b.inputs, b.outputs * [1, 1, 1.03], b.saturated, b.input_names, NAMES)
        alone = compare(a, odd, TIMES, TIMES).by_channel
        assert list(alone) == list(NAMES)
        assert alone["630nm"] > 0.9
        assert max(alone["445nm"], alone["515nm"]) < 0.7


class TestCompare:
    @pytest.fixture
    def pair(self) -> tuple[Dataset, Dataset]:
        return under_one_sky(noise=0.008)(np.random.default_rng(2))

    def test_it_repeats_and_neither_log_is_favoured(self, pair) -> None:
        a, b = pair
        found = compare(a, b, TIMES, TIMES, seed=3)
        assert found == compare(a, b, TIMES, TIMES, seed=3)
        assert compare(b, a, TIMES, TIMES, seed=3).auc == pytest.approx(found.auc, abs=0.05)

    def test_the_order_of_readings_does_not_matter(self, pair) -> None:
        a, b = pair
        order = np.random.default_rng(0).permutation(len(a))
        found = compare(a.take(order), b, TIMES[order], TIMES, alone=False)
        assert found.auc == pytest.approx(compare(a, b, TIMES, TIMES, alone=False).auc, abs=0.05)

    def test_chosen_channels_and_the_printed_form(self, pair) -> None:
        found = compare(*pair, TIMES, TIMES, ["630nm", "445nm"])
        assert list(found.by_channel) == ["630nm", "445nm"]
        printed = json.loads(json.dumps(found.to_json()))
        assert printed == {
            "auc": found.auc,
            "by_channel": found.by_channel,
            "n": {"a": len(TIMES), "b": len(TIMES)},
            "sittings": SITTINGS,
        }

    def test_only_channels_of_both_logs_by_default(self, pair) -> None:
        a, b = pair
        assert list(compare(a, b.select(["515nm"]), TIMES, TIMES).by_channel) == ["515nm"]

    def test_a_channel_that_is_always_saturated_tells_nothing(self, pair) -> None:
        a, b = (
            Dataset(d.inputs, np.full_like(d.outputs, 65535), np.ones_like(d.saturated), d.input_names, NAMES)
            for d in pair
        )
        assert compare(a, b, TIMES, TIMES).auc == 0.5

    def test_refusals(self, pair) -> None:
        a, b = pair
        with pytest.raises(BadData, match="two sittings"):
            compare(a.take(WHERE == 0), b, TIMES[WHERE == 0], TIMES)
        with pytest.raises(BadData, match="125 readings have 124 times"):
            compare(a, b, TIMES[:-1], TIMES)
        with pytest.raises(BadData, match="no channel in common"):
            compare(a.select(["445nm"]), b.select(["515nm"]), TIMES, TIMES)
        with pytest.raises(BadData, match="different inputs"):
            compare(a, Dataset(b.inputs, b.outputs, b.saturated, ("x1", "x2", "x3"), NAMES), TIMES, TIMES)
        with pytest.raises(UnknownColumn, match="700nm"):
            compare(a, b, TIMES, TIMES, ["700nm"])


class TestRealReadings:
    def test_a_line_with_one_per_cent_of_noise_is_told_from_the_instrument(self, real_data) -> None:
        """The readings of 2025-11-03 and 04, and a line of the readings before: the issue asks for 0.75."""
        records = [json.loads(line) for line in (real_data / "claude-light-2025.jsonl").read_text().splitlines()]
        data = Dataset.from_records(records).select(["445nm", "515nm", "590nm", "630nm"])
        times = np.array([r["time"] for r in records])
        later = times >= datetime(2025, 11, 3, tzinfo=UTC).timestamp()
        before, real = data.take(~later), data.take(later)
        design = np.column_stack([np.ones(len(data)), data.inputs])
        line = np.column_stack(
            [
                np.linalg.lstsq(design[~later][good], before.outputs[good, channel], rcond=None)[0]
                for channel, good in enumerate(~before.saturated.T)
            ]
        )

        def auc(seed):
            noise = 1 + 0.01 * np.random.default_rng(seed).normal(size=real.outputs.shape)
            counts = np.clip(np.round(design[later] @ line * noise), 0, 65535)
            fake = Dataset(real.inputs, counts, counts >= 65535, real.input_names, real.output_names)
            return compare(real, fake, times[later], times[later], alone=False, seed=seed).auc

        assert np.mean([auc(seed) for seed in range(5)]) > 0.85
