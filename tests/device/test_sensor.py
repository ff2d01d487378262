"""What the wrapping adds to the driver: ends to its waits, saturation, settings changed at rest, no needless pass."""

from collections.abc import Callable

import pytest

from retrolux.device.errors import SensorMissing, SensorTimeout
from retrolux.device.measurement import CHANNELS, REFERENCE, Exposure
from retrolux.device.sensor import Sensor
from retrolux.device.sim import Parts, load_driver

ENABLE, ATIME, CFG1, ASTEP = 0x80, 0x81, 0xAA, 0xCA
MEASURE = 1 << 1
CLEAR_AT = slice(9, 11)  # of the 13 bytes from ASTATUS: the fifth converter
LONG = Exposure(1, 100, 9999)  # 2.8 s, which the driver's own deadline of a second never allows


def open_sensor(parts: Parts, exposure: Exposure = REFERENCE) -> Sensor:
    return Sensor(load_driver(parts.clock), parts.bus, parts.clock, exposure)


def seconds(parts: Parts, act: Callable[[], object]) -> float:
    began = parts.clock.monotonic()
    act()
    return parts.clock.monotonic() - began


def edit_frames(parts: Parts, monkeypatch: pytest.MonkeyPatch, edit: Callable[[int, bytearray], None]) -> None:
    """Let a test write into each frame, by its number from 0, as the chip finishes it."""
    real, numbers = parts.chip._integrate, iter(range(1000))

    def integrate(begun: float) -> None:
        real(begun)
        frame = bytearray(parts.chip._frame)
        edit(next(numbers), frame)
        parts.chip._frame = bytes(frame)

    monkeypatch.setattr(parts.chip, "_integrate", integrate)


def test_an_integration_of_seconds_is_waited_for(parts: Parts) -> None:
    parts.pins[2].duty_cycle = 65535
    sensor = open_sensor(parts, LONG)
    took = seconds(parts, lambda: sensor.read(("445nm",)))
    assert took == pytest.approx(0.015 + LONG.seconds, rel=0.05)  # the unit's oscillator is not exact
    # a 128th of the gain and ten times the time of the reference; the gain's step is not exact
    assert sensor.read(("445nm",)).outputs["445nm"] == pytest.approx((30201 + 613) * 10 / 128, rel=0.05)


@pytest.mark.parametrize("exposure", [Exposure(128, 29, 599), REFERENCE, LONG])
def test_an_endless_integration_is_given_up_in_proportion(parts: Parts, exposure: Exposure) -> None:
    sensor = open_sensor(parts, exposure)
    parts.chip.stuck_data = True
    began = parts.clock.monotonic()
    with pytest.raises(SensorTimeout, match="did not finish an integration") as failed:
        sensor.read(CHANNELS)
    assert 4 * exposure.seconds < parts.clock.monotonic() - began < 4 * (1.25 * exposure.seconds + 0.2)
    assert "i2cdetect -y 1" in failed.value.remedy


def test_an_endless_multiplexer_command_is_given_up_at_once(parts: Parts) -> None:
    sensor = open_sensor(parts)
    parts.chip.stuck_smux = True
    began = parts.clock.monotonic()
    with pytest.raises(SensorTimeout, match="multiplexer's command"):
        sensor.read(CHANNELS)
    assert parts.clock.monotonic() - began < 0.8


@pytest.mark.parametrize(
    ("channels", "passes"),
    [
        (("415nm", "515nm"), 1),
        (("630nm",), 1),
        (("clear", "nir"), 1),
        (("445nm", "clear"), 1),
        (("515nm", "555nm"), 1),
        (("415nm", "680nm", "nir"), 1),
        (CHANNELS, 2),
    ],
    ids=str,
)
def test_only_the_passes_that_are_asked_for_are_made(parts: Parts, channels: tuple[str, ...], passes: int) -> None:
    sensor = open_sensor(parts)
    took = seconds(parts, lambda: sensor.read(channels))
    assert took == pytest.approx(passes * (0.015 + REFERENCE.seconds), rel=0.1)


def test_a_channel_at_a_low_ceiling_is_saturated(parts: Parts) -> None:
    for pin in parts.pins:
        pin.duty_cycle = 65535
    counts = open_sensor(parts, Exposure(512, 9, 99)).read(CHANNELS)
    assert max(counts.outputs.values()) == 1000  # (9 + 1)(99 + 1), datasheet page 32
    assert {"515nm", "clear"} <= set(counts.saturated)
    # one that is overloaded stops short of it, and is flagged all the same
    assert set(counts.saturated) == {c for c, count in counts.outputs.items() if count >= 900}


def test_saturation_that_only_the_chips_flag_tells_names_the_brightest(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Analogue saturation (page 46): the converters stop short of their ceiling."""

    def flag(_number: int, frame: bytearray) -> None:
        frame[0] |= 1 << 7

    sensor = open_sensor(parts)
    edit_frames(parts, monkeypatch, flag)
    parts.pins[1].duty_cycle = 60000  # 515 nm is brighter than clear there
    assert sensor.read(("415nm", "445nm", "480nm", "515nm")).saturated == ("515nm",)


@pytest.mark.parametrize(("count", "saturated"), [(17_999, ("555nm",)), (16_300, ("555nm",)), (16_100, ("nir",))])
def test_overload_names_all_that_it_may_have_stopped(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, count: int, saturated: tuple[str, ...]
) -> None:
    """The flag is of a pass; a converter is stopped within a tenth of its ceiling, here 18 000."""

    def overload(_number: int, frame: bytearray) -> None:
        frame[1:3] = count.to_bytes(2, "little")
        frame[11:13] = (16_150).to_bytes(2, "little")
        parts.chip.registers[0xA3] |= 1 << 3

    sensor = open_sensor(parts, Exposure(128, 29, 599))
    edit_frames(parts, monkeypatch, overload)
    assert sensor.read(("555nm", "590nm", "630nm", "nir")).saturated == saturated


@pytest.mark.parametrize(("full", "saturated"), [(0, ()), (1, ("clear",))])
def test_the_flag_of_clear_is_of_the_pass_that_its_count_is_of(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, full: int, saturated: tuple[str, ...]
) -> None:
    def saturate(number: int, frame: bytearray) -> None:
        if number == full:
            frame[0] |= 1 << 7
            frame[CLEAR_AT] = b"\xff\xff"

    sensor = open_sensor(parts)
    edit_frames(parts, monkeypatch, saturate)
    counts = sensor.read(CHANNELS)
    assert counts.saturated == saturated
    assert (counts.outputs["clear"] == 65535) is bool(saturated)


def test_settings_are_changed_while_the_sensor_rests(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Changed while it measures, they may give an invalid frame (page 28); a crash may have left it measuring."""
    written: list[tuple[int, bool]] = []
    real = parts.chip.write

    def spy(register: int, value: int) -> None:
        written.append((register, bool(parts.chip.registers[ENABLE] & MEASURE)))
        real(register, value)

    parts.chip.write(ENABLE, 0x03)
    monkeypatch.setattr(parts.chip, "write", spy)
    open_sensor(parts, Exposure(64, 29, 599))
    last = {register: measuring for register, measuring in written if register in {ATIME, ASTEP, CFG1}}
    assert last == {ATIME: False, ASTEP: False, CFG1: False}
    registers = parts.chip.registers
    assert (registers[ATIME], int.from_bytes(registers[ASTEP : ASTEP + 2], "little"), registers[CFG1]) == (29, 599, 7)


def test_a_reading_is_of_the_light_that_it_was_asked_under(parts: Parts) -> None:
    sensor = open_sensor(parts)
    for duty in (0, 65535, 0, 65535):
        parts.pins[2].duty_cycle = duty
        assert sensor.read(("445nm",)).outputs["445nm"] == pytest.approx(613 + 30201 * duty / 65535, abs=400)
        assert sensor.read(("clear",)).outputs["clear"] == pytest.approx(8192 + 27341 * duty / 65535, rel=0.25)


def test_a_frame_that_outlives_the_restart_is_not_taken_for_the_new_one(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The datasheet says neither that reading clears data-valid nor that starting does."""
    real, status2 = parts.chip.write, 0xA3

    def keep(register: int, value: int) -> None:
        flags = parts.chip.registers[status2]
        real(register, value)
        parts.chip.registers[status2] = flags

    parts.chip.valid_clears_on_read = False
    monkeypatch.setattr(parts.chip, "write", keep)
    sensor = open_sensor(parts)
    for duty in (0, 65535, 0, 65535):
        parts.pins[2].duty_cycle = duty
        assert sensor.read(("445nm",)).outputs["445nm"] == pytest.approx(613 + 30201 * duty / 65535, abs=400)


class TestAnAbsentSensor:
    @pytest.mark.parametrize(
        ("others", "words"),
        [((), "Nothing else does."), ((0x29,), "Others do: 0x29."), ((0x40, 0x29), "Others do: 0x29, 0x40.")],
    )
    def test_the_error_says_what_answers_instead(self, parts: Parts, others: tuple[int, ...], words: str) -> None:
        parts.bus.present = False
        parts.bus.others = dict.fromkeys(others, parts.chip)
        with pytest.raises(SensorMissing) as failed:
            open_sensor(parts)
        assert failed.value.cause == f"No sensor answers at address 0x39 of the I2C bus. {words}"
        assert failed.value.others == tuple(sorted(others))
        assert parts.bus.try_lock()  # it was given back

    @pytest.mark.parametrize("error", [OSError(5, "I/O"), NotImplementedError(), RuntimeError("no lock")])
    def test_a_scan_that_fails_says_nothing(
        self, parts: Parts, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        def scan() -> list[int]:
            assert not parts.bus.try_lock()  # it is held meanwhile
            raise error

        parts.bus.present = False
        monkeypatch.setattr(parts.bus, "scan", scan)
        with pytest.raises(SensorMissing) as failed:
            open_sensor(parts)
        assert failed.value.cause == "No sensor answers at address 0x39 of the I2C bus."
        assert failed.value.others is None
