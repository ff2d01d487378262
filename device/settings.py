"""What the factory needs to know to open an instrument."""

from dataclasses import dataclass

from retrolux.device.errors import BadInput
from retrolux.device.measurement import REFERENCE, Exposure

GAINS = (0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
"""The sensor's gain steps (AS7341 datasheet page 37)."""

RESERVED_ASTEP = 65535
BACKENDS = ("auto", "blinka", "gpiozero")
"""Which library drives the light's pins; ``auto`` takes Blinka, else gpiozero."""


@dataclass(frozen=True, slots=True)
class InstrumentSettings:
    """Settings of all instruments; each takes what concerns it.

    Attributes
    ----------
    exposure : Exposure
        Gain and integration time of the sensor (sim, pi).
    red, green, blue : int
        BCM numbers of the light's PWM pins (pi); the default is Claude-Light's wiring.
    pwm_frequency : float
        In Hz (pi).
    pwm_backend : str
        ``auto``, ``blinka`` or ``gpiozero`` (pi).
    real_time : bool
        Whether the simulator takes as long as the sensor would (sim).
    timeout : float
        Seconds to wait for the other side (remote).
    """

    exposure: Exposure = REFERENCE
    red: int = 19
    green: int = 13
    blue: int = 12
    pwm_frequency: float = 100
    pwm_backend: str = "auto"
    real_time: bool = False
    timeout: float = 30

    def __post_init__(self) -> None:
        _check(self.exposure)
        _check_light((self.red, self.green, self.blue), self.pwm_backend)


def _check(exposure: Exposure) -> None:
    if exposure.gain not in GAINS:
        raise BadInput(f"There is no gain {exposure.gain:g}.", f"The gains are {', '.join(f'{g:g}' for g in GAINS)}.")
    if not 0 <= exposure.atime <= 255 or not 0 <= exposure.astep < RESERVED_ASTEP:
        raise BadInput(
            f"atime {exposure.atime} or astep {exposure.astep} is out of range.", "atime 0 to 255, astep 0 to 65534."
        )
    if exposure.atime == exposure.astep == 0:
        raise BadInput("atime and astep are both 0, which the sensor forbids.", "Make one of them at least 1.")


def _check_light(pins: tuple[int, ...], backend: str) -> None:
    if backend not in BACKENDS:
        raise BadInput(f"There is no PWM backend {backend!r}.", f"The backends are {', '.join(BACKENDS)}.")
    if len(set(pins)) < len(pins):
        raise BadInput(f"The light's pins {pins} are not three.", "Give each colour a pin of its own.")
