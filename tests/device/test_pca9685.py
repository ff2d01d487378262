"""A light on a PCA9685: its unmodified driver on the emulated bus, and what happens when the bus or the chip fails."""

import sys
from collections.abc import Callable

import adafruit_pca9685
import numpy as np
import pytest

from retrolux.device.clock import FakeClock
from retrolux.device.errors import LightError, SensorMissing
from retrolux.device.lights.pca9685 import made_frequency
from retrolux.device.pi import open_pi
from retrolux.device.settings import InstrumentSettings
from retrolux.device.sim import Parts, Scene, load_driver, make_parts, open_sim
from retrolux.device.sim.faults import Fault, FaultyBus
from retrolux.device.sim.pca9685 import Pca9685
from tests.device.raspberry_pi import become_raspberry_pi

SETTINGS = InstrumentSettings(pwm_backend="pca9685")
HALF = (0.5, 0.5, 0.5)


def parts_of(settings: InstrumentSettings = SETTINGS) -> Parts:
    return make_parts(0, FakeClock(0), Scene(light=settings))


def chip_of(parts: Parts) -> Pca9685:
    assert isinstance(parts.light.hardware, Pca9685)
    return parts.light.hardware


def on(parts: Parts) -> list[float]:
    return [pin.fraction for pin in parts.pins]


def test_the_driver_is_the_registry_s_own() -> None:
    parts = parts_of()
    driver = load_driver(parts.clock, "adafruit_pca9685")
    assert driver.__file__ == adafruit_pca9685.__file__
    chip = driver.PCA9685(parts.bus)
    chip.frequency = 1000
    chip.channels[5].duty_cycle = 0x7FFF
    assert chip.frequency == pytest.approx(1017.25, abs=0.01)  # 25 MHz / 4096 / 6
    assert chip.channels[5].duty_cycle == 0x7FF0
    assert chip_of(parts).outputs[5].fraction == 2047 / 4096
    assert [o.fraction for i, o in enumerate(chip_of(parts).outputs) if i != 5] == [0] * 15


@pytest.mark.parametrize(("asked", "made"), [(100, 100.06), (24, 24.02), (1526, 1525.88), (1300, 1220.70)])
def test_the_prescaler_is_whole(asked: float, made: float) -> None:
    assert made_frequency(asked) == pytest.approx(made, abs=0.01)
    settings = InstrumentSettings(pwm_backend="pca9685", pwm_frequency=asked)
    parts = make_parts(0, FakeClock(0), Scene(light=settings, frequency=asked))
    with open_sim(0, settings, parts) as instrument:
        assert instrument.status()["light"]["frequency"] == pytest.approx(made, abs=0.01)
    assert parts.pins[0].frequency == pytest.approx(made, abs=0.01)


def test_address_and_outputs_are_those_of_the_settings() -> None:
    settings = InstrumentSettings(pwm_backend="pca9685", pca9685_address=0x55, pca9685_channels=(15, 0, 7))
    parts = parts_of(settings)
    assert parts.bus.scan() == [0x39, 0x55]
    with open_sim(0, settings, parts) as instrument:
        assert instrument.measure((0, 0, 1), ["445nm"]).outputs["445nm"] > 25000
    assert [max(o.fractions) for o in chip_of(parts).outputs] == [0] * 7 + [1] + [0] * 8


def test_it_shares_the_bus_with_the_sensor_on_a_pi(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    parts = parts_of()
    chip = chip_of(parts)
    raspberry = become_raspberry_pi(parts, monkeypatch, tmp_path)  # type: ignore[arg-type]
    chip.write(0x00, 0x21)  # a crash left it awake and shining
    for register, value in zip(range(0x06, 0x0A), (0, 0x10, 0, 0), strict=True):
        chip.write(register, value)
    assert on(parts) == [1, 0, 0]
    parts.bus.present = False
    with pytest.raises(SensorMissing):
        open_pi(SETTINGS)
    assert on(parts) == [0, 0, 0]
    assert raspberry.log == ["bus in the light", "bus back"]
    parts.bus.present = True
    with open_pi(SETTINGS) as instrument:
        assert instrument.measure(HALF).duty == HALF
    assert raspberry.log[-1] == "bus back"


def test_its_library_is_an_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    become_raspberry_pi(parts_of(), monkeypatch, tmp_path)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "adafruit_pca9685", None)
    with pytest.raises(LightError, match="not installed") as failed:
        open_pi(SETTINGS)
    assert "pca9685" in failed.value.remedy


def test_a_board_that_is_not_there_is_an_error_in_words() -> None:
    parts = parts_of()
    parts.bus.others.clear()
    with pytest.raises(LightError, match="The PCA9685 at 0x40 does not answer") as failed:
        open_sim(0, SETTINGS, parts)
    assert "i2cdetect" in failed.value.remedy


def test_a_dip_of_the_supply_leaves_it_dark_and_the_next_reading_right() -> None:
    parts = parts_of()
    with open_sim(0, SETTINGS, parts) as instrument:
        before = instrument.measure(HALF).outputs
        chip_of(parts).power_loss()
        after = instrument.measure(HALF).outputs
    assert parts.pins[0].frequency == pytest.approx(100.06, abs=0.01)
    assert list(after.values()) == pytest.approx(list(before.values()), rel=0.02, abs=5)


def during(parts: Parts, act: Callable[[], object], times: int) -> None:
    """Do something in the middle of the next integrations."""
    optics, left = parts.chip._optics, [times]
    real = optics.flux

    def flux(begun: float, seconds: float) -> object:
        if left[0]:
            left[0] -= 1
            act()
        return real(begun, seconds)

    optics.flux = flux  # type: ignore[assignment, method-assign]


def test_a_dip_in_the_middle_of_a_reading_makes_it_be_read_again() -> None:
    parts = parts_of()
    with open_sim(0, SETTINGS, parts) as instrument:
        before = instrument.measure(HALF).outputs
        during(parts, chip_of(parts).power_loss, 1)
        again = instrument.measure(HALF).outputs
        assert list(again.values()) == pytest.approx(list(before.values()), rel=0.02, abs=5)
        during(parts, chip_of(parts).power_loss, 10**6)
        with pytest.raises(LightError, match="lost its settings during the reading, twice"):
            instrument.measure(HALF)
    assert on(parts) == [0, 0, 0]


@pytest.mark.parametrize("fault", [Fault.NACK, Fault.TIMEOUT, Fault.STUCK])
def test_faults_of_the_bus_at_any_transaction_are_outlived(fault: Fault) -> None:
    made = parts_of()
    clock = made.clock
    bus = FaultyBus(made.chip, clock, np.random.default_rng(3))
    bus.others = made.bus.others
    parts = Parts(made.pins, made.chip, bus, clock, made.light)
    instrument = open_sim(0, SETTINGS, parts)
    right = instrument.measure((0.5, 0.25, 0.125), ["515nm"]).outputs["515nm"]
    start = bus.transactions
    instrument.measure((0.5, 0.25, 0.125), ["515nm"])
    for after in range(bus.transactions - start):
        bus.arm(fault, after)
        assert instrument.measure((0.5, 0.25, 0.125), ["515nm"]).outputs["515nm"] == pytest.approx(right, rel=0.02)
        assert on(parts) == [0, 0, 0]
        bus.disarm()


def test_a_dead_bus_is_said_to_leave_the_light_as_it_was() -> None:
    parts = parts_of()
    instrument = open_sim(0, SETTINGS, parts)
    during(parts, parts.bus.others.clear, 1)
    with pytest.raises(LightError, match="The light cannot be made dark: The PCA9685 at 0x40 does not answer"):
        instrument.measure(HALF)
    parts.bus.others[0x40] = chip_of(parts)
    instrument.dark()
    assert on(parts) == [0, 0, 0]
