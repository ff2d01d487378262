"""The one place where an instrument is chosen, by its name."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from retrolux.device.errors import LightError, UnknownDevice
from retrolux.device.lights.pin_file import DARK, PinFile
from retrolux.device.settings import InstrumentSettings

if TYPE_CHECKING:  # who makes a light dark loads nothing that takes long
    import numpy as np
    from numpy.typing import NDArray

    from retrolux.device.instrument import Instrument


def open_instrument(name: str, settings: InstrumentSettings | None = None) -> "Instrument":
    """Open an instrument.

    Parameters
    ----------
    name : str
        ``sim``, ``sim:N`` (the N-th other unit), ``pi``, or the ``http://`` address of a Retrolux or a Claude-Light.
    settings : InstrumentSettings, optional
        The defaults where not given.

    Raises
    ------
    UnknownDevice
        When it is none of these; there is never a silent fallback to the simulator.
    DeviceError
        When the instrument cannot be opened.
    """
    settings = settings or InstrumentSettings()
    number = _simulated(name)
    if number is not None:
        from retrolux.device.sim import open_sim  # noqa: PLC0415 - only where it is asked for

        return open_sim(number, settings)
    if name == "pi":
        from retrolux.device.pi import open_pi  # noqa: PLC0415

        return open_pi(settings)
    if _is_remote(name):
        from retrolux.device.remote import Remote  # noqa: PLC0415

        return Remote(name, settings.timeout)
    raise _unknown(name)


def make_dark(name: str, settings: InstrumentSettings, *, anyway: bool = False) -> str:
    """Make an instrument's light dark without opening the instrument, and return what was done, in words.

    Parameters
    ----------
    anyway : bool
        Also while another process owns it.

    Raises
    ------
    UnknownDevice
    InstrumentBusy
        When another process owns it.
    DeviceError
        When it cannot be made dark.
    """
    if _simulated(name) is not None:
        return _dark_pins(name, settings)
    if name == "pi":
        from retrolux.device.pi import make_pi_dark  # noqa: PLC0415 - only where it is asked for

        return f"pi: red, green and blue are at 0 (by {make_pi_dark(settings, anyway=anyway)})"
    if _is_remote(name):
        return "another's instrument: it makes its light dark itself after each reading"
    raise _unknown(name)


def _dark_pins(name: str, settings: InstrumentSettings) -> str:
    if settings.pins_file is None:
        return f"{name}: its light ends with its process"
    try:
        PinFile(settings.pins_file).write(DARK)
    except OSError as error:
        raise LightError(
            f"{settings.pins_file} cannot be written: {error.strerror}.", "Correct pins in [simulator]."
        ) from error
    return f"{name}: red, green and blue are at 0 (in {settings.pins_file})"


def light_alone(name: str, settings: InstrumentSettings, duties: Sequence[Sequence[float]]) -> "NDArray[np.float64]":
    """Return what a simulator knows and no real instrument: what its light alone makes of duties, without noise.

    In counts of the ten channels at the reference exposure, shape (n, 10).

    Raises
    ------
    UnknownDevice
        When it is no simulator.
    """
    number = _simulated(name)
    if number is None:
        raise UnknownDevice(f"Nobody knows what the light of {name!r} truly is.", "Choose --device sim or sim:N.")
    from retrolux.device.sim.truth import true_light  # noqa: PLC0415 - only where it is asked for

    return true_light(number, settings, duties)


def _unknown(name: str) -> UnknownDevice:
    return UnknownDevice(f"There is no device {name!r}.", "The devices are sim, sim:N, pi and http://….")


def _is_remote(name: str) -> bool:
    return re.match(r"https?://[^/\s]", name) is not None


def _simulated(name: str) -> int | None:
    """Return the number of the simulated unit of this name; None where it is another instrument."""
    found = re.fullmatch(r"sim(?::(\d{1,9}))?", name, flags=re.ASCII)
    return int(found[1] or 0) if found else None
