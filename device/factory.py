"""The one place where an instrument is chosen, by its name."""

import re

from retrolux.device.errors import UnknownDevice
from retrolux.device.instrument import Instrument
from retrolux.device.settings import InstrumentSettings


def open_instrument(name: str, settings: InstrumentSettings | None = None) -> Instrument:
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
    if simulated := re.fullmatch(r"sim(?::(\d{1,9}))?", name, flags=re.ASCII):
        from retrolux.device.sim import open_sim  # noqa: PLC0415 - only where it is asked for

        return open_sim(int(simulated[1] or 0), settings)
    if name == "pi":
        from retrolux.device.pi import open_pi  # noqa: PLC0415

        return open_pi(settings)
    if re.match(r"https?://[^/\s]", name):
        from retrolux.device.remote import Remote  # noqa: PLC0415

        return Remote(name, settings.timeout)
    raise UnknownDevice(f"There is no device {name!r}.", "The devices are sim, sim:N, pi and http://….")
