"""The unmodified Adafruit driver on the emulated chip, and the chip at its registers."""

import base64
import hashlib
import importlib.metadata
import struct
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import adafruit_as7341
import numpy as np
import pytest

from retrolux.device.clock import FakeClock
from retrolux.device.measurement import CHANNELS, FULL_SCALE, Exposure
from retrolux.device.settings import GAINS
from retrolux.device.sim import Parts, load_driver, make_parts
from retrolux.device.sim.unit import Unit, make_unit

LOW, HIGH = CHANNELS[:4], CHANNELS[4:8]
SIX = bytes.fromhex("00 00 00 00 03 21 00 04 50 00 04 00 10 02 30 00 00 50 00 06")  # as7341.md: one integration
BAND_OF_ADC = ("445nm", "515nm", "590nm", "630nm", "clear", "nir")  # F2, F4, F6, F7, clear, NIR
DUTIES = np.array([0.3, 0.4, 0.5])
ENABLE, CFG6, ASTATUS, STATUS2 = 0x80, 0xAF, 0x94, 0xA3


@pytest.fixture
def module(parts: Parts) -> ModuleType:
    return load_driver(parts.clock)


@pytest.fixture
def driver(module: ModuleType, parts: Parts) -> Any:
    return module.AS7341(parts.bus)


def shine(parts: Parts, duties: np.ndarray = DUTIES) -> None:
    for pin, duty in zip(parts.pins, duties, strict=True):
        pin.duty_cycle = round(float(duty) * FULL_SCALE)


def expected(duties: np.ndarray = DUTIES, unit: Unit | None = None) -> dict[str, float]:
    """Light times responsivity plus a usual morning's ambient light, by hand."""
    unit = unit or make_unit(0)
    return dict(zip(CHANNELS, unit.leds.counts @ duties + unit.weather.spectra[0], strict=True))


def tolerance(counts: float) -> float:
    """Five standard deviations: 1.5 % of the light and 15 % of an ambient of about 1500 counts are generous."""
    return 0.03 * counts + 700


def registers(parts: Parts, *writes: tuple[int, int]) -> None:
    for register, value in writes:
        parts.bus.writeto(0x39, bytes([register, value]))


def read(parts: Parts, register: int, n: int = 1) -> bytes:
    buffer = bytearray(n)
    parts.bus.writeto_then_readfrom(0x39, bytes([register]), buffer)
    return bytes(buffer)


def convert_with(parts: Parts, ram: bytes) -> tuple[int, ...]:
    """Load a map into the multiplexer, integrate once, return the six converters' counts."""
    registers(parts, (ENABLE, 0x01), (CFG6, 2 << 3))
    parts.bus.writeto(0x39, bytes([0x00]) + ram)
    registers(parts, (ENABLE, 0x11))
    parts.clock.sleep(0.01)
    registers(parts, (ENABLE, 0x03))
    parts.clock.sleep(0.4)
    return struct.unpack("<6H", read(parts, ASTATUS, 13)[1:])


# The file is the registry's, and others' copy is left alone.


def test_the_driver_is_the_registrys_file(module: ModuleType) -> None:
    files = importlib.metadata.files("adafruit-circuitpython-as7341") or []
    entry = next(f for f in files if f.name == "adafruit_as7341.py")
    assert entry.hash is not None
    assert entry.hash.mode == "sha256"
    digest = hashlib.sha256(Path(str(entry.locate())).read_bytes()).digest()
    assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == entry.hash.value
    assert module.__file__ is not None
    assert Path(module.__file__).samefile(str(entry.locate()))


def test_only_our_copy_waits_by_our_clock(module: ModuleType, parts: Parts) -> None:
    assert adafruit_as7341.sleep is time.sleep
    assert adafruit_as7341.monotonic is time.monotonic
    assert (module.sleep, module.monotonic) == (parts.clock.sleep, parts.clock.monotonic)
    assert module.AS7341 is not adafruit_as7341.AS7341


def test_only_clock_functions_were_rebound(module: ModuleType) -> None:
    code = {name for name, value in vars(adafruit_as7341.AS7341).items() if callable(value)}
    ours = vars(module.AS7341)
    assert all(ours[name].__code__.co_code == getattr(adafruit_as7341.AS7341, name).__code__.co_code for name in code)


# The driver reads the chip.


def test_the_driver_initialises_to_its_defaults(driver: Any) -> None:
    assert (driver.atime, driver.astep, driver.gain) == (100, 999, GAINS.index(128))


@pytest.mark.parametrize("clears", [True, False])
def test_all_channels_read_the_light(driver: Any, parts: Parts, clears: bool) -> None:
    parts.chip.valid_clears_on_read = clears
    shine(parts)
    counts = dict(zip(LOW + HIGH, driver.all_channels, strict=True))
    for band, want in expected().items():
        if band in counts:
            assert counts[band] == pytest.approx(want, abs=tolerance(want)), band


@pytest.mark.parametrize("clears", [True, False])
def test_clear_and_nir_read_the_light(driver: Any, parts: Parts, clears: bool) -> None:
    parts.chip.valid_clears_on_read = clears
    shine(parts)
    _ = driver.all_channels
    assert driver.channel_clear == pytest.approx(expected()["clear"], abs=tolerance(expected()["clear"]))
    assert driver.channel_nir == pytest.approx(expected()["nir"], abs=tolerance(expected()["nir"]))


def test_single_channels_read_the_light(driver: Any, parts: Parts) -> None:
    shine(parts)
    for band in LOW + HIGH:
        want = expected()[band]
        assert getattr(driver, f"channel_{band}") == pytest.approx(want, abs=tolerance(want)), band


def test_two_passes_take_as_long_as_on_the_bench(driver: Any, parts: Parts) -> None:
    began = parts.clock.monotonic()
    _ = driver.all_channels
    assert parts.clock.monotonic() - began == pytest.approx(0.619, abs=0.02)  # as7341.md


def test_a_frame_that_runs_is_what_the_driver_hands_out_again(driver: Any, parts: Parts) -> None:
    """The driver's defect that our wrapping removes: a single channel is stale after a change of light."""
    shine(parts, np.zeros(3))
    before = driver.channel_445nm
    shine(parts, np.array([0.0, 0.0, 1.0]))
    assert driver.channel_445nm == before


def test_the_led_registers_are_behind_their_bank(driver: Any, parts: Parts) -> None:
    driver.led_current = 20
    driver.led = True
    assert (driver.led_current, driver.led) == (20, True)
    ram = read(parts, 0x00, 20)
    registers(parts, (0xA9, 0x00))
    assert read(parts, 0x74) == b"\0"  # RAM, not the LED's register
    registers(parts, (0xA9, 0x10))
    assert read(parts, 0x74) == bytes([0x80 | 8])
    assert len(ram) == 20


def test_the_driver_gives_up_on_a_missing_or_foreign_chip(module: ModuleType, parts: Parts) -> None:
    parts.chip.registers[0x92] = 0x24 ^ 0xFF
    with pytest.raises(RuntimeError, match="Failed to find"):
        module.AS7341(parts.bus)
    parts.bus.present = False
    with pytest.raises(ValueError, match="No I2C device"):
        module.AS7341(parts.bus)
    assert parts.bus.try_lock()  # it was given back


# The chip at its registers.


def test_identity_register(parts: Parts) -> None:
    assert read(parts, 0x92)[0] >> 2 == 0b001001


def test_the_address_counts_up(parts: Parts) -> None:
    parts.bus.writeto(0x39, bytes([0xCA, 0xE7, 0x03]))
    assert read(parts, 0xCA) + read(parts, 0xCB) == read(parts, 0xCA, 2) == bytes([0xE7, 0x03])


def test_another_address_does_not_answer(parts: Parts) -> None:
    with pytest.raises(OSError, match="Remote I/O error"):
        parts.bus.writeto(0x38, b"")


def test_the_multiplexer_command_ends_by_itself_and_takes_time(parts: Parts) -> None:
    registers(parts, (CFG6, 2 << 3), (ENABLE, 0x11))
    parts.chip.stuck_smux = True
    parts.clock.sleep(1)
    assert read(parts, ENABLE)[0] == 0x11
    parts.chip.stuck_smux = False
    assert read(parts, ENABLE)[0] == 0x01


def test_the_map_of_six_bands_in_one_integration(driver: Any, parts: Parts) -> None:
    shine(parts)
    for band, count in zip(BAND_OF_ADC, convert_with(parts, SIX), strict=True):
        assert count == pytest.approx(expected()[band], abs=tolerance(expected()[band])), band


@pytest.mark.parametrize(("address", "adc"), [(0x0C, 0), (0x0D, 1), (0x0E, 2), (0x0A, 3), (0x11, 4)])
def test_a_half_that_is_not_connected_halves_the_count(driver: Any, parts: Parts, address: int, adc: int) -> None:
    shine(parts)
    whole = convert_with(parts, SIX)
    miswired = bytearray(SIX)
    miswired[address] = 0
    counts = convert_with(parts, bytes(miswired))
    assert counts[adc] / whole[adc] == pytest.approx(0.5, abs=0.04)
    others = [i for i in range(6) if i != adc]
    assert [counts[i] for i in others] == pytest.approx([whole[i] for i in others], rel=0.1)


def test_nothing_connected_reads_dark(driver: Any, parts: Parts) -> None:
    shine(parts)
    assert max(convert_with(parts, bytes(20))) <= 5


@pytest.mark.parametrize(("atime", "astep"), [(100, 999), (29, 599), (0, 65534), (255, 1)])
def test_an_integration_takes_autozero_and_its_time(driver: Any, parts: Parts, atime: int, astep: int) -> None:
    driver.atime, driver.astep = atime, astep
    registers(parts, (ENABLE, 0x01), (ENABLE, 0x03))
    began = parts.clock.monotonic()
    while not read(parts, STATUS2)[0] & 0x40:
        parts.clock.sleep(0.0001)
    took = parts.clock.monotonic() - began
    assert took == pytest.approx(0.015 + (atime + 1) * (astep + 1) * 2.78e-6, abs=0.001)


def test_whether_valid_clears_on_read_is_a_choice(driver: Any, parts: Parts) -> None:
    for clears in (True, False):
        parts.chip.valid_clears_on_read = clears
        convert_with(parts, SIX)
        assert bool(read(parts, STATUS2)[0] & 0x40) is not clears


def test_reading_the_status_latches_the_frame(driver: Any, parts: Parts) -> None:
    shine(parts)
    frame = convert_with(parts, SIX)
    shine(parts, np.zeros(3))
    parts.clock.sleep(1.0)
    assert struct.unpack("<6H", read(parts, ASTATUS + 1, 12)) == frame
    assert struct.unpack("<B6H", read(parts, ASTATUS, 13))[1:] != frame


def test_a_stuck_integration_never_gets_valid(driver: Any, parts: Parts) -> None:
    parts.chip.stuck_data = True
    registers(parts, (ENABLE, 0x01), (ENABLE, 0x03))
    parts.clock.sleep(5)
    assert not read(parts, STATUS2)[0] & 0x40


@pytest.mark.parametrize(("gain", "saturates"), [(512, True), (1, False)])
def test_saturation_is_flagged_in_both_registers(driver: Any, parts: Parts, gain: float, saturates: bool) -> None:
    driver.gain = GAINS.index(gain)
    shine(parts, np.array([1.0, 1.0, 1.0]))
    counts = convert_with(parts, SIX)
    assert (max(counts) == FULL_SCALE) is saturates
    assert bool(read(parts, STATUS2)[0] & 0x10) is saturates
    status = read(parts, ASTATUS)[0]
    assert (bool(status & 0x80), status & 0x0F) == (saturates, GAINS.index(gain))


def test_a_short_integration_has_a_low_ceiling(driver: Any, parts: Parts) -> None:
    driver.atime, driver.astep, driver.gain = 9, 99, GAINS.index(512)
    shine(parts, np.array([1.0, 1.0, 1.0]))
    assert max(convert_with(parts, SIX)) == Exposure(512, 9, 99).ceiling == 1000


@pytest.mark.parametrize("gain", GAINS[2:8])
def test_counts_follow_gain_within_its_steps_tolerance(driver: Any, parts: Parts, gain: float) -> None:
    shine(parts)
    reference = convert_with(parts, SIX)
    driver.gain = GAINS.index(gain)
    counts = convert_with(parts, SIX)
    assert counts[1] / reference[1] == pytest.approx(gain / 128, rel=0.05)


def test_a_units_gain_steps_are_its_own() -> None:
    ratios = [make_unit(n).gains[64] for n in range(6)]
    assert len(set(ratios)) > 3  # two that are clipped may be equal
    assert all(1 / 2.1 < ratio < 1 / 1.8 for ratio in ratios)  # page 37
    assert {make_unit(n).gains[128] for n in range(6)} == {1.0}


@pytest.mark.parametrize("number", [1, 7])
def test_other_units_oscillators_are_a_little_off(number: int) -> None:
    parts = make_parts(number, FakeClock())
    load_driver(parts.clock).AS7341(parts.bus)
    assert parts.chip.integration != pytest.approx(Exposure().seconds, rel=1e-4)
    assert parts.chip.integration == pytest.approx(Exposure().seconds, rel=0.031)
