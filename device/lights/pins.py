"""The light on the Pi's own pins, through Blinka or gpiozero."""

from typing import Any

from retrolux.device.lights.light import Light

FULL = 65535  # duty cycle of a PWM output that is always on, as pwmio counts
HUNDRED = 100  # gpiozero's steps: its lgpio pins take whole per cent, and cut off what is between (pins/lgpio.py)
INTO_THE_STEP = 0.25  # of a step above its number, so that nothing is lost when it is cut off


class PwmioLight(Light):
    """A light of three ``pwmio.PWMOut`` (duty cycle 0 … 65535), red, green, blue."""

    backend = "blinka"
    levels = FULL + 1

    def _drive(self, output: Any, duty: float) -> float:  # noqa: ANN401
        output.duty_cycle = level = round(duty * FULL)
        return level / FULL

    def _let_go(self, output: Any) -> None:  # noqa: ANN401
        output.deinit()


class GpiozeroLight(Light):
    """A light of three ``gpiozero.PWMLED`` (value 0 … 1), red, green, blue."""

    backend = "gpiozero"
    levels = HUNDRED + 1

    def _drive(self, output: Any, duty: float) -> float:  # noqa: ANN401
        level = round(duty * HUNDRED)
        output.value = (level + INTO_THE_STEP * (0 < level < HUNDRED)) / HUNDRED
        return float(output.value)  # other pins than lgpio's keep more of it

    def _let_go(self, output: Any) -> None:  # noqa: ANN401
        output.close()
