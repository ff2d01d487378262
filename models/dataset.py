"""Readings as arrays: named columns, counts at the reference exposure, saturated cells marked."""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retrolux.models.errors import BadData, UnknownColumn
from retrolux.models.gathering import Gathering
from retrolux.models.scale import Scale

_RGB = ("R", "G", "B")


@dataclass(frozen=True, eq=False)
class Dataset:
    """Columns of inputs and outputs.

    Attributes
    ----------
    inputs : ndarray, shape (n_rows, n_inputs)
        In [0, 1].
    outputs : ndarray, shape (n_rows, n_outputs)
        Counts at the reference exposure (gain 128, 280.78 ms), or whatever a table has.
    saturated : ndarray of bool, shape (n_rows, n_outputs)
        Cells at the sensor's ceiling: the true value is at least what stands there.
    input_names, output_names : tuple of str
    times : ndarray, shape (n_rows,), optional
        When each was read, seconds since the epoch; None where one does not say.
    scale : Scale
        What the inputs' 0 and 1 are in their own units, and whether outputs are counts; of an instrument by default.

    Raises
    ------
    BadData
        When shapes and names do not match, a name occurs twice, or a number is not finite.
    """

    inputs: NDArray[np.float64]
    outputs: NDArray[np.float64]
    saturated: NDArray[np.bool_]
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    times: NDArray[np.float64] | None = None
    scale: Scale = Scale.DUTIES

    def __post_init__(self) -> None:
        names = self.input_names + self.output_names
        if len(set(names)) != len(names):
            raise BadData(f"A column's name occurs twice: {', '.join(names)}.", "Give every column its own name.")
        expected = {"inputs": len(self.input_names), "outputs": len(self.output_names)}
        expected["saturated"] = expected["outputs"]
        for name, columns in expected.items():
            if getattr(self, name).shape != (len(self.inputs), columns):
                raise BadData(
                    f"{name} has shape {getattr(self, name).shape}, not ({len(self.inputs)}, {columns}).",
                    "Give one row a reading and one column a name.",
                )
        if self.times is not None and (self.times.shape != (len(self.inputs),) or not np.isfinite(self.times).all()):
            raise BadData("The times are not one finite number a reading.", "Leave these readings out.")
        if not (np.isfinite(self.inputs).all() and np.isfinite(self.outputs).all()):
            raise BadData("The readings contain a number that is not finite.", "Leave these readings out.")
        if self.inputs.size and not (self.inputs.min() >= 0 and self.inputs.max() <= 1):
            raise BadData("The readings contain an input outside [0, 1].", "Scale inputs to [0, 1].")

    @classmethod
    def from_records(
        cls,
        records: Iterable[Mapping[str, Any]],
        *,
        input_names: tuple[str, ...] | None = None,
        gain_ratios: Mapping[float, float] | None = None,
    ) -> Self:
        """Build the columns from records of the log (design: the record).

        Parameters
        ----------
        records : iterable of mapping
            ``in``, or ``duty`` where the log says what the light really did; ``out`` and, where they differ from the
            reference, ``gain``, ``atime``, ``astep``, each a number or a mapping of channel to number; ``saturated``
            names channels that the sensor flagged.
        input_names : tuple of str, optional
            R, G, B for three inputs by default, else x1 … xn.
        gain_ratios : mapping of float to float, optional
            Measured gain relative to that of nominal gain 128, for readings of several settings.

        Returns
        -------
        Dataset
            Its outputs are the channels that most records have, in the order of their first appearance; records that
            lack one of them are left out.

        Raises
        ------
        BadData
            For no reading at all, malformed readings, or readings without a common channel.
        MixedSettings
            For several settings without calibrated ratios.
        """
        gathering = Gathering()
        for record in records:
            gathering.add(record)
        return cls.from_gathering(gathering, input_names=input_names, gain_ratios=gain_ratios)

    @classmethod
    def from_gathering(
        cls,
        gathering: Gathering,
        *,
        input_names: tuple[str, ...] | None = None,
        gain_ratios: Mapping[float, float] | None = None,
    ) -> Self:
        """Build the columns of records that were gathered; see :meth:`from_records`."""
        inputs, outputs, saturated, channels, times = gathering.columns(gain_ratios)
        return cls(inputs, outputs, saturated, input_names or _default_names(inputs.shape[1]), channels, times)

    def __len__(self) -> int:
        return len(self.inputs)

    @cached_property
    def hash(self) -> str:
        """SHA-256 over names and contents, as hexadecimal digits."""
        digest = hashlib.sha256(json.dumps([self.input_names, self.output_names]).encode())
        if self.scale is not Scale.DUTIES:
            digest.update(np.concatenate([self.scale.low, self.scale.high]).tobytes())
        times = () if self.times is None else (self.times,)
        for array in (self.inputs, self.outputs, self.saturated, *times):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def take(self, rows: ArrayLike) -> Self:
        """Return the chosen readings: indices, or a boolean for each row."""
        asked = np.asarray(rows)
        i = np.flatnonzero(asked) if asked.dtype == np.bool_ else asked
        return replace(  # by NumPy's take, a fifth of the time that indexing rows needs
            self,
            inputs=self.inputs.take(i, axis=0),
            outputs=self.outputs.take(i, axis=0),
            saturated=self.saturated.take(i, axis=0),
            times=None if self.times is None else self.times[i],
        )

    @classmethod
    def stacked(cls, parts: Sequence["Dataset"]) -> "Dataset":
        """Return readings of the same columns as one, in the order of the parts; with times if all have them."""
        first = parts[0]
        times = [part.times for part in parts if part.times is not None]
        return replace(
            first,
            inputs=np.vstack([part.inputs for part in parts]),
            outputs=np.vstack([part.outputs for part in parts]),
            saturated=np.vstack([part.saturated for part in parts]),
            times=np.concatenate(times) if len(times) == len(parts) else None,
        )

    @classmethod
    def between(  # noqa: PLR0913, PLR0917 - what a table has
        cls,
        scale: Scale,
        inputs: NDArray[np.float64],
        input_names: tuple[str, ...],
        outputs: NDArray[np.float64],
        output_names: tuple[str, ...],
        saturated: NDArray[np.bool_],
    ) -> Self:
        """Return readings of inputs in their own units. Raises BadData for one outside its range."""
        _refuse_outside(scale, inputs, input_names)
        return cls(scale.scaled(inputs), outputs, saturated, input_names, output_names, None, scale)

    def rescaled(self, scale: Scale) -> Self:
        """Return the same readings between other ends of their inputs. Raises BadData for one outside them."""
        own = self.own_inputs
        _refuse_outside(scale, own, self.input_names)
        return replace(self, inputs=scale.scaled(own), scale=scale)

    @property
    def own_inputs(self) -> NDArray[np.float64]:
        """The inputs in their own units, shape (n_rows, n_inputs)."""
        return self.scale.own(self.inputs)

    def select(self, outputs: Sequence[str]) -> Self:
        """Return these outputs only, in this order. Raises UnknownColumn."""
        if tuple(outputs) == self.output_names:
            return self
        i = self.columns(outputs)
        return replace(self, outputs=self.outputs[:, i], saturated=self.saturated[:, i], output_names=tuple(outputs))

    def without(self, outputs: Collection[str]) -> Self:
        """Return all outputs but these. Raises UnknownColumn."""
        self.columns(tuple(outputs))
        return self.select([name for name in self.output_names if name not in outputs])

    def columns(self, outputs: Sequence[str]) -> list[int]:
        """Return the indices of named outputs. Raises UnknownColumn."""
        for name in outputs:
            if name not in self.output_names:
                raise UnknownColumn(
                    f"There is no output {name!r}.", f"Choose among {', '.join(self.output_names) or 'none'}."
                )
        return [self.output_names.index(name) for name in outputs]


def latest_time(data: Dataset, known: float | None = None) -> float | None:
    """Return when the latest reading was made, of these and one that is known; None where they do not say."""
    if data.times is None or not len(data):
        return known
    return max(float(data.times.max()), -np.inf if known is None else known)


def _refuse_outside(scale: Scale, inputs: NDArray[np.float64], names: tuple[str, ...]) -> None:
    outside = (inputs < scale.low) | (inputs > scale.high)
    if outside.any():
        row, i = np.argwhere(outside)[0]
        low, high = scale.ends(i)
        raise BadData(f"{names[i]} is {inputs[row, i]:g}, outside {low:g} … {high:g}.", "Give a range of every row.")


def _default_names(n: int) -> tuple[str, ...]:
    return _RGB if n == len(_RGB) else tuple(f"x{i}" for i in range(1, n + 1))
