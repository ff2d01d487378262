"""What learning curves are of: a simulated instrument, whose truth is known, or a log, by all that it holds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from retrolux.device import designs, optimal
from retrolux.device.factory import light_alone, open_instrument
from retrolux.device.measurement import CHANNELS
from retrolux.device.settings import InstrumentSettings
from retrolux.models.dataset import Dataset
from retrolux.models.errors import UnknownColumn
from retrolux.models.learning_curve import Light
from retrolux.models.model import Array
from retrolux.models.readings import usual_targets
from retrolux.models.state_space import StateSpace, in_order
from retrolux.server.active import ACTIVE, Chosen
from retrolux.server.errors import BadArgument

OF_SIMULATOR = ("lhs", "sobol", "d-optimal", ACTIVE)
OF_LOG = ("random", "d-optimal")
Rows = NDArray[np.int64]

NESTED = ("sobol", "d-optimal", ACTIVE)
"""Designs whose first readings are the same design, shorter."""


class Source(Protocol):
    """Where readings come from, and what is true of them."""

    @property
    def designs(self) -> tuple[str, ...]:
        """Names of the designs that it can be read by, the plainest first."""

    @property
    def targets(self) -> tuple[str, ...]:
        """Outputs of the targets that are asked."""

    def readings(self, design: str, sizes: Sequence[int], seed: int) -> Iterator[Dataset]:
        """Yield the readings of a design of each size, the smallest first."""

    @property
    def truth(self) -> Light:
        """Returns what the light alone makes of inputs in the targets, without noise."""

    def check(self, most: int) -> None:
        """Raise where there are no such targets, or not so many readings. Moves nothing."""


@dataclass(frozen=True)
class Simulated:
    """A simulated instrument, opened anew for each run, each seed with noise and weather of its own.

    Attributes
    ----------
    device : str
        ``sim`` or ``sim:N``. Anything else raises UnknownDevice when its light is asked for.
    settings : InstrumentSettings
    targets : tuple of str
    """

    device: str
    settings: InstrumentSettings
    targets: tuple[str, ...]
    designs: tuple[str, ...] = OF_SIMULATOR

    @property
    def truth(self) -> Light:
        """See :class:`Source`."""
        return self.light

    def light(self, inputs: Array) -> Array:
        """Return what the light alone makes of inputs, shape (n_rows, n_inputs), in the targets."""
        every = light_alone(self.device, self.settings, inputs.tolist())
        return np.asarray(every[:, [CHANNELS.index(name) for name in self.targets]])

    def check(self, most: int) -> None:  # noqa: ARG002 - there are always more
        """See :class:`Source`. Raises UnknownColumn, UnknownDevice."""
        if unknown := [name for name in self.targets if name not in CHANNELS]:
            raise UnknownColumn(f"There is no channel {unknown[0]!r}.", f"Choose among {', '.join(CHANNELS)}.")
        light_alone(self.device, self.settings, [])

    def readings(self, design: str, sizes: Sequence[int], seed: int) -> Iterator[Dataset]:
        """See :class:`Source`."""
        if design in NESTED:
            whole = Dataset.from_records(self._run(design, sizes[-1], seed))
            yield from (whole.take(np.arange(n)) for n in sizes)
        else:
            yield from (Dataset.from_records(self._run(design, n, seed)) for n in sizes)

    def _run(self, design: str, n: int, seed: int) -> list[dict[str, Any]]:
        settings = replace(self.settings, seed=seed)
        with open_instrument(self.device, settings) as instrument:
            if design != ACTIVE:
                return [instrument.measure(p).to_record() for p in designs.design(design, n, seed)]
            records, chosen = list[dict[str, Any]](), Chosen(settings.exposure, seed, targets=self.targets)
            for _ in range(n):
                records.append(instrument.measure(chosen.next().inputs).to_record())
                chosen.see(records[-1])
            return records


@dataclass(frozen=True)
class Logged:
    """A log's readings, of which each design takes some; what is true of them is what all of them tell.

    There is no active design among them: it asks for settings, and in the moment's ambient light.

    Attributes
    ----------
    data : Dataset
    targets : tuple of str
    """

    data: Dataset
    targets: tuple[str, ...]
    designs: tuple[str, ...] = OF_LOG

    @classmethod
    def of(cls, data: Dataset, targets: Sequence[str] = ()) -> "Logged":
        """Return the source for targets that were asked for, or the usual ones."""
        return cls(data, tuple(targets) or usual_targets(data))

    @cached_property
    def _response(self) -> StateSpace:
        return StateSpace.learn(self.data).of(self.targets)

    @property
    def truth(self) -> Light:
        """See :class:`Source`. Without the log, which may be long."""
        return self._response.response.predict

    def light(self, inputs: Array) -> Array:
        """Return what the light alone makes of inputs, shape (n_rows, n_inputs), in the targets."""
        return self.truth(inputs)

    def check(self, most: int) -> None:
        """See :class:`Source`. Raises UnknownColumn, BadArgument."""
        self.data.columns(self.targets)
        if most > len(self.data):
            raise BadArgument(f"The log holds {len(self.data)} readings, fewer than {most}.", "Ask for fewer.")

    def readings(self, design: str, sizes: Sequence[int], seed: int) -> Iterator[Dataset]:
        """See :class:`Source`."""
        rng = np.random.default_rng(seed)
        order = self._drawn(design, sizes[-1], rng)
        yield from (in_order(self.data.take(order[:n])) for n in sizes)

    def _drawn(self, design: str, n: int, rng: np.random.Generator) -> Rows:
        if design == "random":
            return rng.permutation(len(self.data))[:n]
        return np.array(optimal.chosen(self.data.inputs, n, rng, once=True))
