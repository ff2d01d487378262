"""From records to columns."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrolux.models.dataset import Dataset
from retrolux.models.errors import BadData, MixedSettings, UnknownColumn


def record(inputs=(0.1, 0.2, 0.3), out=None, **more):
    return {"in": list(inputs), "out": out or {"445nm": 1000, "515nm": 2000}, **more}


def test_columns_keep_the_order_of_the_first_record():
    data = Dataset.from_records([record(out={"b": 1, "a": 2}), record(out={"a": 3, "b": 4})])
    assert data.output_names == ("b", "a")
    assert data.outputs.tolist() == [[1, 2], [4, 3]]
    assert data.input_names == ("R", "G", "B")


def test_a_channel_that_half_of_the_readings_lack_is_dropped():
    data = Dataset.from_records([record(out={"a": 1, "b": 2}), record(out={"b": 4})])
    assert data.output_names == ("b",)
    assert data.outputs.tolist() == [[2], [4]]


def test_a_reading_that_lacks_a_usual_channel_is_left_out():
    whole = [record(out={"a": i, "b": 2 * i}) for i in range(3)]
    data = Dataset.from_records([*whole, record(out={"a": 9})])
    assert data.output_names == ("a", "b")
    assert data.outputs[:, 0].tolist() == [0, 1, 2]


def test_inputs_of_another_number_are_numbered():
    assert Dataset.from_records([record((0.5, 0.5))]).input_names == ("x1", "x2")
    assert Dataset.from_records([record((0.5,))], input_names=("power",)).input_names == ("power",)


def test_one_setting_is_converted_by_the_nominal_gain_and_time():
    # half the gain, a quarter of the reference's 101 000 steps: counts times eight
    data = Dataset.from_records([record(gain=64, atime=24, astep=1009)])
    assert data.outputs[0] == pytest.approx([8000, 16000])


def test_records_without_settings_are_at_the_reference():
    mixed = [record(), record(gain=128, atime=100, astep=999)]
    assert Dataset.from_records(mixed).outputs.tolist() == [[1000, 2000]] * 2


def test_several_settings_need_measured_ratios():
    records = [record(gain=64), record(gain=128)]
    with pytest.raises(MixedSettings, match="gain 64"):
        Dataset.from_records(records)
    data = Dataset.from_records(records, gain_ratios={64.0: 0.503})
    assert data.outputs[:, 0] == pytest.approx([1000 / 0.503, 1000])


def test_a_gain_without_a_ratio_among_several_is_refused():
    with pytest.raises(MixedSettings, match="32 has no calibrated ratio"):
        Dataset.from_records([record(gain=64), record(gain=32)], gain_ratios={64.0: 0.5})


def test_settings_may_differ_by_channel():
    data = Dataset.from_records([record(gain={"445nm": 64, "515nm": 128})], gain_ratios={64: 0.5})
    assert data.outputs[0] == pytest.approx([2000, 2000])


def test_saturation_is_at_the_ceiling_of_the_integration_time():
    short = {"atime": 9, "astep": 999}  # ceiling 10 000
    data = Dataset.from_records([record(out={"a": 9999, "b": 10000}, **short)])
    assert data.saturated.tolist() == [[False, True]]
    long = Dataset.from_records([record(out={"a": 65534, "b": 65535})])
    assert long.saturated.tolist() == [[False, True]]


def test_a_flagged_channel_is_saturated_below_the_ceiling():
    assert Dataset.from_records([record(saturated=["515nm"])]).saturated.tolist() == [[False, True]]


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([], "no readings"),
        ([record(), record((0.1, 0.2))], "different numbers of inputs"),
        ([record((0.1, float("nan"), 0.2))], "no finite number"),
        ([record(out={"a": float("inf")})], "no finite number"),
        ([record(out={"a": True})], "no finite number"),
        ([record(duty=0.5)], "no duties"),
        ([record(saturated=5)], "no saturated channels"),
        ([record(gain=[1])], "gain that is no number"),
        ([record(gain={"445nm": [1], "515nm": 128})], "gain that is no number"),
        ([record((0.1, 1.2, 0.2))], "outside"),
        ([{"in": [0.1]}], "lacks"),
        ([{"out": {"a": 1}, "in": []}], "lacks"),
        ([record(out={"a": 1}), record(out={"b": 1})], "no channels in common"),
        ([record(gain="high")], "no number"),
        ([record(gain=0)], "impossible"),
        ([record((0.1,), out={"x1": 5})], "twice"),
    ],
)
def test_malformed_readings_are_refused(records, words):
    with pytest.raises(BadData, match=words):
        Dataset.from_records(records)


def test_shapes_must_match_the_names():
    with pytest.raises(BadData, match="shape"):
        Dataset(np.zeros((2, 1)), np.zeros((3, 1)), np.zeros((3, 1), dtype=bool), ("x",), ("y",))


def test_the_hash_sees_contents_and_names():
    one = Dataset.from_records([record(), record((0.2, 0.2, 0.2))])
    same = Dataset.from_records([record(), record((0.2, 0.2, 0.2))])
    assert one.hash == same.hash
    assert one.hash != one.take([1, 0]).hash
    assert one.hash != one.select(("515nm", "445nm")).hash
    assert one.hash != Dataset.from_records([record(saturated=["445nm"]), record((0.2, 0.2, 0.2))]).hash


def test_rows_and_outputs_are_chosen():
    data = Dataset.from_records([record(), record((0.4, 0.5, 0.6))])
    assert data.take([False, True]).inputs.tolist() == [[0.4, 0.5, 0.6]]
    assert data.select(("515nm",)).outputs.tolist() == [[2000], [2000]]
    assert data.without({"515nm"}).output_names == ("445nm",)
    for ask in (data.select, data.without):
        with pytest.raises(UnknownColumn, match="999nm"):
            ask(["999nm"])


@given(gain=st.sampled_from([0.5, 1, 64, 512]), atime=st.integers(0, 255), astep=st.integers(0, 65534))
def test_the_conversion_is_proportional_to_gain_and_time(gain, atime, astep):
    data = Dataset.from_records([record(gain=gain, atime=atime, astep=astep)])
    assert data.outputs[0, 0] * gain * (atime + 1) * (astep + 1) == pytest.approx(1000 * 128 * 101 * 1000)


def test_times_alone_may_be_mixed_for_the_sensor_counts_them() -> None:
    mixed = [record(), record(astep=1999)]
    assert Dataset.from_records(mixed).outputs[:, 0] == pytest.approx([1000, 500], rel=1e-3)


def test_the_inputs_are_what_the_light_did_where_the_log_says_it() -> None:
    rows = [{"in": [0.293, 0, 1], "out": {"a": 1}, "duty": [0.29, 0, 1]}, {"in": [0.1, 0.2, 0.3], "out": {"a": 2}}]
    assert Dataset.from_records(rows).inputs.tolist() == [[0.29, 0, 1], [0.1, 0.2, 0.3]]
    with pytest.raises(BadData, match="different numbers of inputs"):
        Dataset.from_records([{**rows[0], "duty": [0.29]}, rows[1]])


def test_times_that_were_rounded_keep_the_order_of_the_log():
    """Else whoever sorts the readings and then puts them in order of time learns of another ambient light."""
    records = [{"in": [0, 0, 1 - i / 10], "out": {"nir": 5 - i}, "time": 100 + i // 3} for i in range(6)]
    data = Dataset.from_records(records)
    shuffled = data.take(np.argsort(data.outputs[:, 0]))
    back = shuffled.take(np.argsort(shuffled.times, kind="stable"))
    np.testing.assert_array_equal(back.outputs[:, 0], [5, 4, 3, 2, 1, 0])
    np.testing.assert_allclose(data.times, [100, 100, 100, 101, 101, 101], atol=0.0021)
