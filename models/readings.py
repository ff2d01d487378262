"""Which readings and columns a model can learn from."""

import hashlib
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from retrolux.models import storage
from retrolux.models.dataset import Dataset
from retrolux.models.errors import BadData
from retrolux.models.model import Array
from retrolux.models.scale import Scale

PAPER = ("445nm", "515nm", "630nm")
"""The targets of the paper, for which ``fit`` prepares when the readings have them."""

DEPENDENT = 1e-6
"""Least over greatest singular value of the inputs from which on one of them says nothing new."""

MOST = 5000
"""Readings that a model learns from; of more, what is learnt errs by less than a fiftieth of the noise already."""


SOME = 50
"""Readings that are put in their places one by one; more are sorted with the others."""


def thinned(data: Dataset, most: int = MOST) -> Dataset:
    """Return at most so many readings, spread evenly over their times, or over the log where they have none."""
    if len(data) <= most:
        return data
    order = np.arange(len(data)) if data.times is None else np.argsort(data.times, kind="stable")
    return data.take(order[spread(len(data), most)])


def spread(n: int, most: int) -> NDArray[np.intp]:
    """Return at most so many of n rows in their order, one by chance of each of as many equal stretches.

    Every k-th would see one half only of readings that alternate.
    """
    if n <= most:
        return np.arange(n)
    edges = np.linspace(0, n, most + 1)
    return (edges[:-1] + np.random.default_rng(0).random(most) * np.diff(edges)).astype(np.intp)


def usable(data: Dataset, minimum: int) -> Dataset:
    """Return what a model can learn from, its rows in an order that does not depend on theirs.

    An output without variation, or with fewer unsaturated readings than the minimum, is left out.

    Raises
    ------
    BadData
        For too few readings, an input that never varies, or no output left.
    """
    if len(data) < minimum:
        raise BadData(f"The log has too few readings: {len(data)}; {minimum} are needed.", "Collect more readings.")
    for name, column in zip(data.input_names, data.own_inputs.T, strict=True):
        if np.ptp(column) == 0:
            raise BadData(f"Input {name} is {column[0]:g} in every reading.", f"Add readings that vary {name}.")
    refuse_dependent(data)
    kept = [name for i, name in enumerate(data.output_names) if _varies(data, i, minimum)]
    if not kept:
        raise BadData("No output varies over enough unsaturated readings.", "Lower the gain or check the sensor.")
    return ordered(data.select(kept))


def ordered(data: Dataset) -> Dataset:
    """Return readings in an order that does not depend on theirs."""
    return data.take(np.lexsort(np.hstack([data.outputs, data.inputs]).T))


def merged(known: Dataset, new: Dataset) -> Dataset:
    """Return readings that are :func:`ordered` and further ones in the order of them all, as sorting anew would."""
    if len(new) > SOME:
        return ordered(Dataset.stacked([known, new]))
    new = ordered(new)
    places = [_place(known, *row) for row in zip(new.inputs, new.outputs, strict=True)]
    return replace(
        known,
        inputs=np.insert(known.inputs, places, new.inputs, axis=0),
        outputs=np.insert(known.outputs, places, new.outputs, axis=0),
        saturated=np.insert(known.saturated, places, new.saturated, axis=0),
        times=None if known.times is None or new.times is None else np.insert(known.times, places, new.times),
    )


def _place(known: Dataset, inputs: Array, outputs: Array) -> int:
    """Return before which of ordered readings a further one comes: behind those that are the same."""
    low, high = 0, len(known)
    for table, row in ((known.inputs, inputs), (known.outputs, outputs)):
        for i in reversed(range(len(row))):  # as numpy.lexsort has it, the last column counts most
            part = table[low:high, i]
            low, high = (low + int(part.searchsorted(row[i], side)) for side in ("left", "right"))
    return high


def alike(data: Dataset, known: Dataset, outputs: tuple[str, ...]) -> Dataset:
    """Return further readings with the outputs of a model. Raises UnknownColumn, BadData where they are others."""
    if data.input_names != known.input_names or not data.scale.alike(known.scale):
        raise BadData(
            f"The readings' inputs are {', '.join(data.input_names)}, or are measured otherwise than the model's "
            f"{', '.join(known.input_names)}.",
            "Fit a model of their own.",
        )
    times = data.times if known.times is not None else None
    if known.times is not None and times is None:
        raise BadData("The model's readings have times, and these have none.", "Give the time of each.")
    return replace(data.select(outputs), times=times, scale=known.scale)


def chained(known: str, data: Dataset) -> str:
    """Return the hash of readings, by its hexadecimal digits, and of further ones, as one."""
    return hashlib.sha256((known + data.hash).encode()).hexdigest()


def refuse_dependent(data: Dataset) -> None:
    """Raise BadData where one input follows from others, as shares that add up to 1 do: nothing tells them apart."""
    standard = (data.inputs - data.inputs.mean(axis=0)) / data.inputs.std(axis=0)
    _, sizes, axes = np.linalg.svd(standard, full_matrices=False)
    if sizes[-1] > DEPENDENT * sizes[0]:
        return
    names = [name for name, share in zip(data.input_names, np.abs(axes[-1]), strict=True) if share > DEPENDENT**0.5]
    raise BadData(
        f"In every reading one of the inputs {', '.join(names)} follows from the others.",
        "Add readings that vary them apart, or leave one of them out.",
    )


def groups(data: Dataset) -> list[tuple[str, ...]]:
    """Return the outputs in groups that are saturated in the same readings, the least saturated first."""
    return grouped(data.output_names, data.saturated, np.ones(len(data), dtype=np.intp))


def grouped(names: tuple[str, ...], cells: NDArray[np.bool_], counts: NDArray[np.intp]) -> list[tuple[str, ...]]:
    """Return outputs in groups that are saturated together.

    Parameters
    ----------
    names : tuple of str
    cells : ndarray of bool, shape (n_patterns, n_outputs)
    counts : ndarray of int, shape (n_patterns,)
        In how many readings.
    """
    found: dict[bytes, list[str]] = {}
    for i in np.argsort(counts @ cells, kind="stable"):
        found.setdefault(cells[:, i].tobytes(), []).append(names[i])
    return [tuple(name for name in names if name in group) for group in found.values()]


def patterns(saturated: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
    """Return the patterns of saturated cells that occur, shape (n_patterns, n_outputs), and each reading's own."""
    if not saturated.any():
        return saturated[:1], np.zeros(len(saturated), dtype=np.intp)
    packed = np.packbits(saturated, axis=1)
    width = -(-packed.shape[1] // 8) * 8
    padded = np.ascontiguousarray(np.pad(packed, ((0, 0), (0, width - packed.shape[1]))))
    words = padded.view(np.uint64)  # which sort faster than bytes
    keys = words.ravel() if width == 8 else words.view(np.dtype((np.void, width))).ravel()
    _, first, which = np.unique(keys, return_index=True, return_inverse=True)
    return saturated[first], which


def usual_targets(data: Dataset) -> tuple[str, ...]:
    """Return the outputs that targets are thought to name: those of the paper, else the least saturated."""
    return PAPER if set(PAPER) <= set(data.output_names) else groups(data)[0]


def complete(data: Dataset, names: tuple[str, ...], minimum: int) -> Array:
    """Return named columns, inputs or outputs, of the readings in which none of them is saturated. Raises BadData."""
    outputs = data.columns([name for name in names if name not in data.input_names])
    rows = ~data.saturated[:, outputs].any(axis=1)
    refuse_few(int(rows.sum()), names, minimum)
    table = np.hstack([data.inputs, data.outputs])
    every = data.input_names + data.output_names
    return table[rows][:, [every.index(name) for name in names]]


def refuse_few(n: int, names: tuple[str, ...], minimum: int) -> None:
    """Raise BadData where too few readings are unsaturated in named columns."""
    if n < minimum:
        raise BadData(
            f"{n} readings are unsaturated in {', '.join(names)} together; {minimum} are needed.",
            "Leave an output out, or collect readings at a lower gain.",
        )


def _varies(data: Dataset, column: int, minimum: int) -> bool:
    values = data.outputs[~data.saturated[:, column], column]
    return len(values) >= minimum and bool(np.ptp(values) > 0)


def pack(data: Dataset) -> bytes:
    """Return readings in NumPy's npz format, their names apart."""
    more = {} if data.times is None else {"times": data.times}
    if data.scale is not Scale.DUTIES:
        more |= {"low": data.scale.low, "high": data.scale.high, "counts": np.array(data.scale.counts)}
    return storage.pack({"inputs": data.inputs, "outputs": data.outputs, "saturated": data.saturated, **more})


def unpack(content: bytes, input_names: tuple[str, ...], output_names: tuple[str, ...]) -> Dataset:
    """Return the readings of :func:`pack`. Raises ModelUnreadable, BadData."""
    arrays = storage.unpack(content)
    columns = arrays["inputs"], arrays["outputs"], arrays["saturated"]
    scale = Scale(arrays["low"], arrays["high"], bool(arrays["counts"])) if "low" in arrays else Scale.DUTIES
    return Dataset(*columns, input_names, output_names, arrays.get("times"), scale)
