"""The protocol of ``retrolux validate``: fixed, balanced, and the same whatever is installed."""

from collections import Counter

import numpy as np

from retrolux.device.measurement import INPUTS
from retrolux.models.registry import METHODS
from retrolux.server.protocol import PROTOCOL, Protocol

ORDER = "b18c207e268b3569"  # of version 1: another order is another version


def test_the_order_is_that_of_its_version() -> None:
    """A library that draws other numbers from the same seed would change the protocol unseen."""
    assert (PROTOCOL.version, PROTOCOL.to_json()["order"]) == ("1", ORDER)


def test_what_a_session_measures() -> None:
    opening = PROTOCOL.opening()
    parts = Counter(step.part for step in opening)
    assert parts == {"hypercube": 100, "repeat": 50, "sweep": 45, "dark": 12, "reference": 22}
    assert Counter(s.tags["colour"] for s in opening if s.part == "sweep") == dict.fromkeys(INPUTS, 15)
    assert Counter(s.tags["held_out"] for s in opening if s.part == "hypercube") == {True: 25, False: 75}
    assert all(0 <= x <= 1 for s in opening for x in s.inputs or ())
    assert {s.inputs for s in opening if s.part == "dark"} == {(0.0, 0.0, 0.0)}


def test_a_sweep_has_one_colour_and_three_readings_at_full_duty() -> None:
    green = [s.inputs for s in PROTOCOL.opening() if s.tags.get("colour") == "G"]
    assert all(inputs is not None and inputs[0] == inputs[2] == 0 for inputs in green)
    assert sorted(inputs[1] for inputs in green if inputs)[-4:] == [0.95, 1, 1, 1]
    order = [inputs[1] for inputs in green if inputs]
    assert order != sorted(order)


def test_a_reference_stands_first_last_and_after_each_ten() -> None:
    parts = [s.part for s in PROTOCOL.opening()]
    assert parts[0] == parts[-1] == "reference"
    gaps = np.diff([i for i, part in enumerate(parts) if part == "reference"]) - 1
    assert set(gaps[:-1]) == {10}
    assert 0 < gaps[-1] <= 10


def test_repeats_come_in_blocks_spread_over_the_session() -> None:
    steps = PROTOCOL.opening()
    places = {b: [s.i for s in steps if s.tags.get("block") == b] for b in range(5)}
    assert all(len(block) == 10 and max(block) - min(block) <= 10 for block in places.values())
    assert max(map(min, places.values())) - min(map(min, places.values())) > len(steps) / 2


def test_numbers_do_not_depend_on_the_methods_that_are_installed() -> None:
    few, every = PROTOCOL.playing(["linear", "gmm"]), PROTOCOL.playing(METHODS)
    assert {(s.i, s.part, str(s.tags)) for s in few} < {(s.i, s.part, str(s.tags)) for s in every}
    assert Counter(s.tags["method"] for s in few if s.part == "playback") == {"linear": 24, "gmm": 24}
    numbers = [s.i for s in PROTOCOL.opening() + every]
    assert numbers == list(range(PROTOCOL.count(METHODS)))


def test_targets_are_named_and_hold_the_papers_question() -> None:
    assert PROTOCOL.target(0) == {"445nm": 2.0**14, "515nm": 2.0**14, "630nm": 2.0**14}
    assert len(set(PROTOCOL.targets)) == len(PROTOCOL.targets) == 8


def test_any_change_is_seen_in_the_order() -> None:
    others = [Protocol(seed=1), Protocol(dark=13), Protocol(reference=(0.5, 0.5, 0.4))]
    orders = {p.to_json()["order"] for p in others}
    assert len(orders | {ORDER}) == 4
