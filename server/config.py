"""The configuration: one TOML file, every entry optional, every mistake named.

The file is the one that ``--config`` names, else ``$RETROLUX_CONFIG``, else the first that exists of
``./retrolux.toml``, ``~/.config/retrolux/retrolux.toml`` and ``/etc/retrolux/retrolux.toml``.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, field_validator
from pydantic_core import ErrorDetails

from retrolux.device.measurement import Exposure
from retrolux.device.series import EVERY, Rotation
from retrolux.device.settings import BACKENDS, InstrumentSettings
from retrolux.server.errors import BadConfiguration
from retrolux.server.places import find_config

LARGEST = 100_000  # bytes of the file
LONGEST = 1_000  # of a line: names in names without end take tomllib a time that grows with their square


def default_state(env: Mapping[str, str] = os.environ) -> Path:
    """Return systemd's ``$STATE_DIRECTORY``, else ``$XDG_STATE_HOME/retrolux``, else ``~/.local/state/retrolux``."""
    if env.get("STATE_DIRECTORY"):
        return Path(env["STATE_DIRECTORY"].split(":")[0])
    return Path(env.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "retrolux"


class Section(BaseModel):
    """A table of the file; an entry it does not know is a mistake, not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Sensor(Section):
    """``[sensor]``: gain 0.5 … 512; integration time is (atime + 1)(astep + 1) · 2.78 µs.

    ``sync`` is the colour whose pin is wired to the sensor's GPIO pin too.
    """

    gain: FiniteFloat = 128
    atime: int = Field(100, ge=0, le=255)
    astep: int = Field(999, ge=0, le=65534)
    sync: str | None = Field(None, pattern="^(red|green|blue)$")


class Light(Section):
    """``[light]``: BCM pin numbers, PWM frequency in Hz, and which backend drives it.

    ``address`` and ``channels`` (red, green, blue) are of a PCA9685, which has no pins.
    """

    red: int = Field(19, ge=0, le=27)
    green: int = Field(13, ge=0, le=27)
    blue: int = Field(12, ge=0, le=27)
    frequency: FiniteFloat = Field(100, gt=0, le=10_000)
    backend: str = Field("auto", pattern=f"^({'|'.join(BACKENDS)})$")
    address: int = Field(0x40, ge=0x40, le=0x7F)
    channels: tuple[int, int, int] = (0, 1, 2)


class Remote(Section):
    """``[remote]``: seconds to wait for the other side."""

    timeout: FiniteFloat = Field(30, gt=0)


class Simulator(Section):
    """``[simulator]``: seed of noise and weather, when its time begins (epoch), whose ambient light, and which defect.

    ``fault`` is one of those that ``retrolux doctor`` finds, such as ``red and green swapped``. With ``real_time`` it
    takes as long as the sensor would. ``pins`` is a file that holds the light's duties and outlives the process; while
    there is a file ``hang``, no call of its bus returns: both are for trying what a crash or a hang leads to.
    """

    seed: int = Field(0, ge=0, le=2**32 - 1)
    begins: FiniteFloat | None = None
    ambient_log: Path | None = None
    fault: str | None = None
    real_time: bool = False
    pins: Path | None = None
    hang: Path | None = None


class Serve(Section):
    """``[serve]``: where the HTTP server listens.

    ``names`` are further names by which browsers and other clients may call it, such as ``light.example.edu``. ``idle``
    is after how many minutes without a question to a model the process that answers them is let go; ``learn`` whether
    saved models learn what is logged after their fit.
    """

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    idle: FiniteFloat = Field(10, gt=0)
    learn: bool = True
    names: tuple[str, ...] = ()


class Calibration(Section):
    """``[calibration]``: measured gain ratios to gain 128, such as ``gain_ratios = { "64" = 0.503 }``."""

    gain_ratios: dict[Annotated[FiniteFloat, Field(gt=0)], Annotated[FiniteFloat, Field(gt=0)]] | None = None


class Log(Section):
    """``[log]``: the measurement log, and when a new file of it is begun; ``log = "PATH"`` names it alone.

    ``path`` is taken from ``state``. ``rotate_bytes`` is the size of a file, 0 for any; ``rotate_every`` a ``day`` or
    ``month`` (UTC).
    """

    path: Path = Path("rgb.jsonl")
    rotate_bytes: int = Field(64 * 2**20, ge=0)
    rotate_every: str | None = Field(None, pattern=f"^({'|'.join(EVERY)})$")

    @property
    def rotation(self) -> Rotation:
        """What the device room needs of this table."""
        return Rotation(self.rotate_bytes or None, self.rotate_every)

    @field_validator("path")
    @classmethod
    def _at_home(cls, path: Path) -> Path:
        return _path(path)


class Config(Section):
    """The whole file.

    Attributes
    ----------
    device : str
        ``sim``, ``sim:N``, ``pi`` or ``http://…``.
    state : Path
        Folder of the log, the models and the journal.
    log : Log
        The measurement log; also a path alone.
    """

    device: str = "sim"
    state: Path = Field(default_factory=default_state)
    log: Log = Log()
    sensor: Sensor = Sensor()
    light: Light = Light()
    remote: Remote = Remote()
    simulator: Simulator = Simulator()
    serve: Serve = Serve()
    calibration: Calibration = Calibration()

    @field_validator("state")
    @classmethod
    def _at_home(cls, path: Path) -> Path:
        return _path(path)

    @field_validator("log", mode="before")
    @classmethod
    def _named(cls, log: object) -> object:
        return {"path": log} if isinstance(log, str | Path) else log

    @property
    def log_path(self) -> Path:
        """Where the measurement log is."""
        return self.state / self.log.path

    @property
    def instrument_settings(self) -> InstrumentSettings:
        """What the device room needs of this file."""
        return InstrumentSettings(
            exposure=Exposure(self.sensor.gain, self.sensor.atime, self.sensor.astep),
            red=self.light.red,
            green=self.light.green,
            blue=self.light.blue,
            pca9685_address=self.light.address,
            pca9685_channels=self.light.channels,
            pwm_frequency=self.light.frequency,
            pwm_backend=self.light.backend,
            sync=self.sensor.sync,
            timeout=self.remote.timeout,
            seed=self.simulator.seed,
            begins=self.simulator.begins,
            ambient_log=self.simulator.ambient_log,
            fault=self.simulator.fault,
            real_time=self.simulator.real_time,
            pins_file=self.simulator.pins,
            hang_file=self.simulator.hang,
        )


def load_config(named: Path | None = None) -> Config:
    """Read the configuration.

    Raises
    ------
    BadConfiguration
        When the file is absent, no TOML, or has an unknown or wrong entry; the cause names file and entry.
    """
    path = find_config(named)
    if path is None:
        return Config()
    try:
        return Config.model_validate(_table(path))
    except ValidationError as error:
        first = error.errors()[0]
        entry = ".".join(str(part) for part in first["loc"])
        raise BadConfiguration(
            f"{path}: {entry}: {_in_words(first)}.", "Correct that entry; README.md lists all."
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise BadConfiguration(f"{path} cannot be read: {error}.", "Name a readable TOML file.") from error


def _table(path: Path) -> dict[str, Any]:
    """Return a file's entries. Raises OSError, ValueError, RecursionError."""
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"it is larger than {LARGEST} bytes")
    if any(len(line) > LONGEST for line in content.split(b"\n")):
        raise ValueError(f"a line of it is longer than {LONGEST} bytes")
    return tomllib.loads(content.decode().replace("\r\n", "\n"))


def _path(path: Path) -> Path:
    """Return a path with the home folder in it. Raises ValueError for what names no file."""
    if "\0" in str(path):
        raise ValueError("a path has no null character")
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ValueError(f"there is no home folder {path.parts[0]}") from error


def _in_words(error: ErrorDetails) -> str:
    if error["type"] == "extra_forbidden":
        return "there is no such entry"
    if error["type"] == "string_pattern_mismatch":
        names = error["ctx"]["pattern"].strip("^()$").split("|")
        return f"{error['input']!r} is not one of {', '.join(names)}"
    return error["msg"]
