"""What the factory needs to know to open an instrument."""

from dataclasses import dataclass
from pathlib import Path

from retrolux.device.errors import BadInput
from retrolux.device.measurement import REFERENCE, Exposure

GAINS = (0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
"""The sensor's gain steps (AS7341 datasheet page 37)."""

COLOURS = ("red", "green", "blue")
RESERVED_ASTEP = 65535
LAST_PIN = 27  # BCM number, on the header of 40 pins
A_DAY = 86400  # seconds
BACKENDS = ("auto", "blinka", "gpiozero", "sysfs", "pca9685")
"""What drives the light: Blinka's or gpiozero's pins (``auto``: Blinka's, else gpiozero's), the kernel's hardware PWM,
or a PCA9685 on the I2C bus."""

SLOWEST_PCA9685, FASTEST_PCA9685 = 24, 1526  # Hz (NXP PCA9685 rev. 4, page 1)


@dataclass(frozen=True, slots=True)
class InstrumentSettings:
    """Settings of all instruments; each takes what concerns it.

    Attributes
    ----------
    exposure : Exposure
        Gain and integration time of the sensor (sim, pi).
    red, green, blue : int
        BCM numbers of the light's PWM pins (pi); the default is Claude-Light's wiring.
    pca9685_address : int
        Of the light's controller on the I2C bus, 0x40 … 0x7f (pi).
    pca9685_channels : tuple of 3 int
        Its outputs for red, green and blue, 0 … 15 (pi).
    pwm_frequency : float
        In Hz (pi, sim).
    pwm_backend : str
        What drives the light, of :data:`BACKENDS` (pi, sim).
    sync : str, optional
        The colour, ``red``, ``green`` or ``blue``, whose pin is wired to the sensor's GPIO pin too: the sensor then
        integrates from edge to edge of its pulses (pi, sim).
    real_time : bool
        Whether the simulator takes as long as the sensor would (sim).
    timeout : float
        Seconds to wait for the other side (remote).
    seed : int
        Of noise and weather (sim).
    begins : float, optional
        When its time begins, seconds since the epoch, with whatever weather there may have been then; by default
        now, with a usual morning's (sim).
    ambient_log : Path, optional
        A log of readings of ten channels whose ambient light it is to have, instead of its own weather (sim).
    fault : str, optional
        A defect that it is to have, such as ``red and green swapped`` (sim).
    pins_file : Path, optional
        Holds the duties of its light, and outlives the process (sim).
    hang_file : Path, optional
        As long as this file is there, no call of its bus returns (sim).
    """

    exposure: Exposure = REFERENCE
    red: int = 19
    green: int = 13
    blue: int = 12
    pca9685_address: int = 0x40
    pca9685_channels: tuple[int, int, int] = (0, 1, 2)
    pwm_frequency: float = 100
    pwm_backend: str = "auto"
    sync: str | None = None
    real_time: bool = False
    timeout: float = 30
    seed: int = 0
    begins: float | None = None
    ambient_log: Path | None = None
    fault: str | None = None
    pins_file: Path | None = None
    hang_file: Path | None = None

    def __post_init__(self) -> None:
        check_exposure(self.exposure)
        _check_light(self.pins, self.pwm_backend)
        _check_controller(self.pca9685_address, self.pca9685_channels)
        _check_sync(self.sync)
        _check_within("pwm_frequency", self.pwm_frequency, 10_000)
        if self.pwm_backend == "pca9685" and not SLOWEST_PCA9685 <= self.pwm_frequency <= FASTEST_PCA9685:
            raise BadInput(
                f"pwm_frequency is {self.pwm_frequency:g} Hz, which a PCA9685 cannot make.",
                f"Give {SLOWEST_PCA9685} to {FASTEST_PCA9685} Hz.",
            )
        _check_within("timeout", self.timeout, A_DAY)

    @property
    def pins(self) -> tuple[int, int, int]:
        """BCM numbers of red, green and blue."""
        return (self.red, self.green, self.blue)


def _check_sync(colour: str | None) -> None:
    if colour is not None and colour not in COLOURS:
        raise BadInput(f"There is no colour {colour!r} to be synchronised with.", f"Choose {', '.join(COLOURS)}.")


def check_exposure(exposure: Exposure) -> None:
    """Raise BadInput where the sensor has no such gain or time (datasheet pages 32 and 37)."""
    if isinstance(exposure.gain, bool) or exposure.gain not in GAINS:
        raise BadInput(f"There is no gain {exposure.gain!r}.", f"The gains are {', '.join(f'{g:g}' for g in GAINS)}.")
    if not _is_whole(exposure.atime, 255) or not _is_whole(exposure.astep, RESERVED_ASTEP - 1):
        raise BadInput(
            f"atime {exposure.atime!r} or astep {exposure.astep!r} is out of range.",
            "They are whole: atime 0 to 255, astep 0 to 65534.",
        )
    if exposure.atime == exposure.astep == 0:
        raise BadInput("atime and astep are both 0, which the sensor forbids.", "Make one of them at least 1.")


def _check_light(pins: tuple[int, ...], backend: str) -> None:
    if backend not in BACKENDS:
        raise BadInput(f"There is no PWM backend {backend!r}.", f"The backends are {', '.join(BACKENDS)}.")
    if not all(_is_whole(pin, LAST_PIN) for pin in pins):
        raise BadInput(f"Not each of {pins} is a pin.", f"Give BCM numbers from 0 to {LAST_PIN}.")
    if len(set(pins)) < len(pins):
        raise BadInput(f"The light's pins {pins} are not three.", "Give each colour a pin of its own.")


def _check_controller(address: int, channels: tuple[int, ...]) -> None:
    if not _is_whole(address, 0x7F) or address < 0x40:
        raise BadInput(f"A PCA9685 cannot have the address {address!r}.", "Give one from 0x40 to 0x7f.")
    if len(channels) != len(COLOURS) or not all(_is_whole(c, 15) for c in channels) or len(set(channels)) < 3:
        raise BadInput(f"{channels} are not three outputs of a PCA9685.", "Give three different ones from 0 to 15.")


def _check_within(name: str, value: float, largest: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= largest:
        raise BadInput(f"{name} is {value!r}.", f"Give a number above 0, and of at most {largest}.")


def _is_whole(value: object, largest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= largest
