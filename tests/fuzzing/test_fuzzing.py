"""The fuzzer's targets on a few inputs; ``python -m tests.fuzzing`` tries a million."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzzing.targets import TARGETS, seeds

DEEP = [b"[" * 100_000, b'{"a":' * 50_000, b"a=" + b"[" * 50_000, b"a" + b".a" * 40_000 + b"=1", b"1" * 50_000]
ODD = [
    b"", b"\0", b"\xff", b"{}", b"null", b'{"in": [1e999]}', b'{"until": "x", "created": 1}', b'state = "\\u0000"',
    b'state = "~nobody-of-that-name/x"', b'log = "~nobody-of-that-name"', b"log = 2026-01-01", b"port = 1",
    b"[calibration]\ngain_ratios = { nan = 1.0 }", b"[serve]\nidle = nan", b"[sensor]\ngain = inf",
    b"[simulator]\nbegins = inf", b'{"honesty": 1}', b'{"fits": [[["R"], ["G"]]]}', b'{"options": {"targets": 7}}',
    b'{"light": {}}', b'{"inputs": [], "outputs": {}}', b'{"n_rows": 1e400}',
]  # fmt: skip


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("data", DEEP + ODD, ids=lambda data: repr(data[:20]))
def test_what_was_made_to_break_it_does_not(name: str, data: bytes) -> None:
    TARGETS[name](data)


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_is_read_ends_in_an_error_of_ours_or_well(name: str, data: st.DataObject) -> None:
    whole = bytearray(data.draw(st.sampled_from(seeds(name))))
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=4)):
        whole[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    TARGETS[name](bytes(whole))


@pytest.mark.study
@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=100_000, deadline=1000)
@given(whole=st.data())
def test_many_more(name: str, whole: st.DataObject) -> None:
    TARGETS[name](whole.draw(st.binary(max_size=300)))
