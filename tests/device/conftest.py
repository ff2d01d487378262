"""The device room's fixtures: one rig for each instrument, with the emulated hardware that is behind it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from retrolux.device.clock import FakeClock
from retrolux.device.factory import open_instrument
from retrolux.device.instrument import Instrument
from retrolux.device.settings import InstrumentSettings
from retrolux.device.sim import Parts, Scene, make_parts, open_sim
from tests.device.loopback import claude_light, retrolux, serving
from tests.device.raspberry_pi import Raspberry, become_raspberry_pi

EPOCH = 1_763_870_458.0
KINDS = (
    "sim",
    "sim:3",
    "pi with pwmio",
    "pi with gpiozero",
    "pi with sysfs",
    "pi with pca9685",
    "a remote Claude-Light",
    "a remote Retrolux",
)


@dataclass(frozen=True)
class Rig:
    """An opened instrument, and the hardware at its end, be it behind HTTP."""

    kind: str
    instrument: Instrument
    parts: Parts

    @property
    def remote(self) -> bool:
        return "remote" in self.kind

    @property
    def duties(self) -> tuple[float, ...]:
        return tuple(pin.fraction for pin in self.parts.pins)

    @property
    def brightest(self) -> tuple[float, ...]:
        """The largest duty that each pin ever had."""
        return tuple(max(pin.fractions) for pin in self.parts.pins)

    @property
    def moves(self) -> tuple[int, ...]:
        """How often each pin was set."""
        return tuple(pin.changes for pin in self.parts.pins)


@pytest.fixture
def parts() -> Parts:
    """Unit 0's hardware."""
    return make_parts(0, FakeClock(EPOCH))


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loopback is reached directly, whatever the machine's settings are."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def raspberry(parts: Parts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Raspberry:
    """This machine as a Raspberry Pi with Blinka's PWM."""
    return become_raspberry_pi(parts, monkeypatch, tmp_path)


@pytest.fixture
def raspberry_without_pwmio(parts: Parts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Raspberry:
    """This machine as a Raspberry Pi for which Blinka has no PWM."""
    return become_raspberry_pi(parts, monkeypatch, tmp_path, pwmio=False)


@pytest.fixture
def open_rig(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[str], Rig]]:
    """Open a rig of a kind; all are closed at the end."""
    with ExitStack() as stack:

        def opened(kind: str) -> Rig:
            backend = {"pi with sysfs": "sysfs", "pi with pca9685": "pca9685"}.get(kind, "auto")
            settings = InstrumentSettings(timeout=10, pwm_backend=backend)
            scene = Scene(light=settings)
            hardware = make_parts(3 if kind == "sim:3" else 0, FakeClock(EPOCH), scene)
            return Rig(kind, stack.enter_context(_instrument(kind, hardware, settings)), hardware)

        def _instrument(kind: str, hardware: Parts, settings: InstrumentSettings) -> Instrument:
            if kind.startswith("sim"):
                return open_sim(3 if kind == "sim:3" else 0, settings, hardware)
            if kind.startswith("pi"):
                become_raspberry_pi(hardware, monkeypatch, tmp_path, pwmio=kind != "pi with gpiozero")
                return open_instrument("pi", settings)
            behind = stack.enter_context(open_sim(0, settings, hardware))
            acting = claude_light if kind.endswith("Claude-Light") else retrolux
            address, _ = stack.enter_context(serving(acting(behind)))
            return open_instrument(address, settings)

        yield opened


@pytest.fixture(params=KINDS)
def rig(request: pytest.FixtureRequest, open_rig: Callable[[str], Rig]) -> Rig:
    """Every instrument in turn."""
    return open_rig(request.param)
