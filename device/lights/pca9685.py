"""The light on a PCA9685, a controller of sixteen PWM outputs on the I2C bus (NXP PCA9685 rev. 4)."""

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, TypeVar

from retrolux.device.errors import LightError
from retrolux.device.lights.light import Light

Result = TypeVar("Result")

STEPS = 4096  # of a period (page 15)
FULL = 65535  # what the driver takes for always on; it drops the lowest four bits of what is less
CLOCK = 25e6  # Hz, of its oscillator, nominal (page 1)
SLEEP, AUTO_INCREMENT = 1 << 4, 1 << 5  # bits of MODE1 (page 14)
ATTEMPTS = 4  # the last one on a bus opened anew
CHECK_BOARD = (
    "Check the PCA9685's wiring (VCC to 3V3, GND, SDA on pin 3, SCL on pin 5), its address in [light] of the "
    "configuration, and that `i2cdetect -y 1` shows it."
)


def made_frequency(frequency: float) -> float:
    """Return the frequency that the controller makes of one in Hz that it is asked for, by its nominal clock.

    Its prescaler is a whole number (page 25), so at 1300 Hz it makes 1221.
    """
    return CLOCK / STEPS / int(CLOCK / STEPS / frequency + 0.5)


class Pca9685Light(Light):
    """A light on three outputs of a PCA9685.

    A fault on the bus is tried again three times, at last on a bus opened anew. A controller that has lost its
    settings, as after a dip of its supply, is dark; it is set up anew when the light is next set.

    Parameters
    ----------
    driver : module
        ``adafruit_pca9685``, or a copy of it with a clock of its own.
    bus : object
        With the interface of ``busio.I2C``, and ``reopen``.
    address : int
    channels : sequence of 3 int
        0 … 15: red, green, blue.
    frequency : float
        In Hz, 24 … 1526.

    Raises
    ------
    LightError
        When no controller answers.
    """

    backend = "pca9685"
    levels = STEPS + 1

    def __init__(
        self,
        driver: ModuleType,
        bus: Any,  # noqa: ANN401 - as the libraries have it
        address: int,
        channels: Sequence[int],
        frequency: float,
    ) -> None:
        super().__init__(channels, made_frequency(frequency))
        self._driver, self._bus, self._address = driver, bus, address
        self._asked = frequency
        self._chip: Any = self._persist(self._set_up)

    def set(self, duties: Sequence[float]) -> tuple[float, ...]:
        """See :meth:`Light.set`; sets the controller up anew where it has lost its settings."""
        if not self.holds():
            self._chip = self._persist(self._set_up)
        return super().set(duties)

    def holds(self) -> bool:
        """See :meth:`Light.holds`: whether the controller is awake as it was set up."""
        mode = self._persist(lambda: int(self._chip.mode1_reg))
        return mode & (SLEEP | AUTO_INCREMENT) == AUTO_INCREMENT

    def _drive(self, output: int, duty: float) -> float:
        step = round(duty * STEPS)
        level = FULL if step == STEPS else step * (FULL + 1) // STEPS

        def write() -> None:
            self._chip.channels[output].duty_cycle = level

        self._persist(write)
        return step / STEPS

    def _let_go(self, output: int) -> None:
        self._drive(output, 0.0)

    def _set_up(self) -> Any:  # noqa: ANN401
        """Wake the controller, with its outputs as they are, and choose the frequency."""
        chip = self._driver.PCA9685(self._bus, address=self._address)
        chip.frequency = self._asked  # also lets addresses count up, which its outputs' four registers need
        return chip

    def _persist(self, act: Callable[[], Result]) -> Result:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                if attempt == ATTEMPTS:
                    self._bus.reopen()
                return act()
            except (OSError, ValueError) as error:  # the driver's probe makes a ValueError of no answer
                last = error
        raise LightError(f"The PCA9685 at 0x{self._address:02x} does not answer: {_why(last)}.", CHECK_BOARD) from last


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error).rstrip(".")
