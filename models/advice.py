"""Which methods fit a set of readings, and why: each tried on parts that it has not seen."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from retrolux.models import readings, registry
from retrolux.models.dataset import Dataset
from retrolux.models.errors import BadData
from retrolux.models.method import Method
from retrolux.models.posterior import Array, Progress
from retrolux.models.progress import part
from retrolux.models.survey import Survey

FOLDS = 5
MOST = 500  # readings that methods are tried on: what they need is seen by then
OFTEN = 0.1  # share of saturated readings above which an output is left out
WALKS, STEPS = 20, 40  # straight ways through the inputs, along which predictions should be smooth
OVER = 1.5  # times what is left of the readings learnt from: more of others is over-fitting
LAGS = 3.0  # times the least scatter
ROUGH = 1.0  # noises by which neighbouring predictions jump
SIMPLEST = ("linear", "pls", "bayes", "gmm", "forest")
TINY = 1e-300


@dataclass(frozen=True, slots=True)
class Trial:
    """How one method does on readings it has not seen.

    Attributes
    ----------
    parameters : int or None
        Numbers it learns for the way forward; None for trees, which are not counted so.
    readings_per_parameter : float or None
        Numbers in the readings' outputs over these.
    forward : float
        Root mean square of what predictions of readings left out miss, over the least scatter that any method, or the
        curved surface of the survey, leaves of each output.
    learnt : float
        The same of the readings that were learnt from.
    inverse : float or None
        Root mean square error of the inputs recovered from all outputs, as a share of their ranges; None where outputs
        do not determine them.
    spread : float
        Standard error of the figure that methods are compared by.
    roughness : float
        Root mean square of how far predictions along straight ways through the inputs, a fortieth of it apart, lie from
        the middle of their neighbours, over the same scatter: 0 for a straight line.
    """

    parameters: int | None
    readings_per_parameter: float | None
    forward: float
    learnt: float
    inverse: float | None
    spread: float
    roughness: float

    def to_json(self) -> dict[str, Any]:
        """Return the figures and what they mean."""
        return asdict(self) | {"lags": self.lags, "over_fits": self.over_fits, "rough": self.rough}

    @property
    def compared_by(self) -> float:
        """The inverse's error, or the forward one where outputs do not determine the inputs."""
        return self.forward if self.inverse is None else self.inverse

    @property
    def over_fits(self) -> bool:
        """Whether it misses readings left out by much more than those it learnt from."""
        return self.forward > OVER * self.learnt

    @property
    def lags(self) -> bool:
        """Whether it leaves much more of the outputs than another method does."""
        return self.forward > LAGS

    @property
    def rough(self) -> bool:
        """Whether its predictions jump."""
        return self.roughness > ROUGH


@dataclass(frozen=True, slots=True)
class Advice:
    """What there is to know of readings, before methods are fitted to them.

    Attributes
    ----------
    survey : Survey
    left_out : mapping of str to str
        Columns that say nothing, and why.
    trials : mapping of str to Trial
    failed : mapping of str to str
        Methods that could not be tried, and why.
    best : tuple of str
        Methods whose errors are within one standard error of the least, the simplest first.
    """

    survey: Survey
    left_out: Mapping[str, str]
    trials: Mapping[str, Trial]
    failed: Mapping[str, str]
    best: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it in the form that the command line prints."""
        return {
            "survey": self.survey.to_json(),
            "left_out": dict(self.left_out),
            "models": {m: trial.to_json() for m, trial in self.trials.items()},
            "failed": dict(self.failed),
            "best": list(self.best),
        }


def advise(data: Dataset, methods: Sequence[str], *, seed: int = 0, progress: Progress | None = None) -> Advice:
    """Look at readings, and try methods on parts of them.

    Raises
    ------
    BadData
        For too few readings to leave any out, no column that varies, or an input that follows from others.
    """
    kept, left_out = _telling(data)
    _refuse_few(kept)
    readings.refuse_dependent(kept)
    survey = Survey(kept.take(~kept.saturated.any(axis=1)))
    few = readings.thinned(survey.data, MOST)
    _refuse_few(few)
    found, failed = {}, {}
    task = _Task(few, seed, determined=survey.one_to_one)
    for i, method in enumerate(methods):
        try:
            found[method] = task.tried(method, part(progress, i, len(methods)))
        except BadData as error:
            failed[method] = str(error)
    trials = _in_scatters(found, survey.scatter)
    return Advice(survey, left_out, trials, failed, _best(trials))


def _refuse_few(data: Dataset) -> None:
    if len(data) < FOLDS * 2:
        raise BadData(f"There are too few readings: {len(data)}; {FOLDS * 2} are needed.", "Collect more readings.")


def _telling(data: Dataset) -> tuple[Dataset, dict[str, str]]:
    """Return readings of the columns that vary and are seldom saturated, and why others are left out."""
    why = {}
    for i, name in enumerate(data.output_names):
        known = data.outputs[~data.saturated[:, i], i]
        if data.saturated[:, i].mean() > OFTEN:
            why[name] = f"{data.saturated[:, i].mean():.0%} of its readings are saturated"
        elif not np.ptp(known):
            why[name] = "it never varies"
    moving = [bool(np.ptp(column)) for column in data.inputs.T]
    why |= {name: "it never varies" for name, moves in zip(data.input_names, moving, strict=True) if not moves}
    if not any(moving) or len(why) - moving.count(False) == len(data.output_names):
        raise BadData("No input, or no output, varies.", "Give readings in which inputs and outputs vary.")
    return _of_inputs(data.without([n for n in why if n in data.output_names]), np.array(moving)), why


def _of_inputs(data: Dataset, kept: np.ndarray) -> Dataset:
    if kept.all():
        return data
    wide = np.broadcast_to(data.scale.low, kept.shape), np.broadcast_to(data.scale.high, kept.shape)
    scale = replace(data.scale, low=wide[0][kept], high=wide[1][kept])
    names = tuple(name for name, there in zip(data.input_names, kept, strict=True) if there)
    return replace(data, inputs=data.inputs[:, kept], input_names=names, scale=scale)


@dataclass(frozen=True, eq=False)
class _Missed:
    """What a method missed: of readings left out, forward and in the inputs, and of those learnt from.

    The inputs only where outputs determine them.
    """

    model: Method
    forward: Array
    learnt: Array
    inverse: Array | None
    bumps: Array


@dataclass(frozen=True, slots=True)
class _Task:
    data: Dataset
    seed: int
    determined: bool

    def tried(self, method: str, report: Progress) -> _Missed:
        """Return what a method misses of each fifth of the readings, and of all when it learnt from all."""
        data, names = self.data, self.data.output_names
        forward, inverse = np.empty_like(data.outputs), np.empty_like(data.inputs)
        fold = np.random.default_rng(self.seed).permutation(len(data)) % FOLDS
        for k in range(FOLDS):
            out = fold == k
            model = self._fitted(method, data.take(~out))
            forward[out] = model.predict(data.inputs[out]) - data.outputs[out]
            if self.determined:
                inverse[out] = model.recover(names, data.outputs[out], seed=self.seed).mean - data.inputs[out]
            report((k + 1) / (FOLDS + 1))
        whole = self._fitted(method, data)
        learnt = whole.predict(data.inputs) - data.outputs
        report(1.0)
        return _Missed(whole, forward, learnt, inverse if self.determined else None, self._bumps(whole))

    def _fitted(self, method: str, data: Dataset) -> Method:
        if readings.usable(data, 1).output_names != data.output_names:
            raise BadData("An output hardly varies in a part of the readings.", "Collect more readings.")
        model = registry.create(method, targets=data.output_names).fit(data, seed=self.seed)
        assert isinstance(model, Method)  # noqa: S101 - for the type checker
        return model

    def _bumps(self, model: Method) -> Array:
        """Return how far predictions along straight ways lie from the middle of their neighbours."""
        ends = np.random.default_rng(self.seed).choice(self.data.inputs, (2, WALKS))
        way = np.linspace(0, 1, STEPS + 1)[:, None, None]
        rows = ends[0] + way * (ends[1] - ends[0])
        along = model.predict(rows.reshape(-1, rows.shape[2])).reshape(STEPS + 1, WALKS, -1)
        return np.asarray(along[1:-1] - (along[2:] + along[:-2]) / 2)


def _in_scatters(found: Mapping[str, _Missed], scatter: Array) -> dict[str, Trial]:
    """Return the trials, each output in units of the least that any method, or a curved surface, leaves of it."""
    unit = np.min([scatter, *(_root(one.forward, 0) for one in found.values())], axis=0) + TINY
    return {method: _trial(one, unit) for method, one in found.items()}


def _trial(one: _Missed, unit: Array) -> Trial:
    count = one.model.parameters
    each = ((one.forward / unit) ** 2 if one.inverse is None else one.inverse**2).mean(axis=1)
    error = float(np.sqrt(each.mean()))
    return Trial(
        parameters=count,
        readings_per_parameter=None if count is None else one.forward.size / count,
        forward=float(_root(one.forward / unit)),
        learnt=float(_root(one.learnt / unit)),
        inverse=None if one.inverse is None else float(_root(one.inverse)),
        spread=float(each.std(ddof=1) / np.sqrt(len(each)) / max(2 * error, TINY)),
        roughness=float(_root(one.bumps / unit)),
    )


def _best(trials: Mapping[str, Trial]) -> tuple[str, ...]:
    if not trials:
        return ()
    least = min(trials.values(), key=lambda trial: trial.compared_by)
    near = [m for m, trial in trials.items() if trial.compared_by <= least.compared_by + least.spread]
    return tuple(sorted(near, key=lambda m: SIMPLEST.index(m) if m in SIMPLEST else len(SIMPLEST)))


def _root(values: Array, axis: int | None = None) -> Array:
    return np.asarray(np.sqrt(np.mean(values**2, axis=axis)))
