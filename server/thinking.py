"""What is asked of models, answered as JSON: in the server's other process, or where somebody has no other."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from retrolux.models.dataset import Dataset
from retrolux.models.model import Model
from retrolux.models.registry import METHODS
from retrolux.server import many
from retrolux.server.answers import path, predict, refuse_of_a_table, sample
from retrolux.server.config import Config
from retrolux.server.errors import ProcessEnded
from retrolux.server.fitting import fit_and_save, method_options
from retrolux.server.laboratory import Laboratory
from retrolux.server.shooting import Aim
from retrolux.server.shots import Loop
from retrolux.server.trial import tried
from retrolux.server.updating import Keeper

Asked = Mapping[str, Any]
Report = Callable[[float], None]


class Thinking:
    """Models and the log of a station whose instrument another has.

    Parameters
    ----------
    config, log_path, models
        As of :class:`~retrolux.server.station.Station`.
    """

    def __init__(self, config: Config, log_path: Path, models: Path) -> None:
        self._told = threading.local()
        self._lab = Laboratory(config, log_path, models, clock=lambda: getattr(self._told, "now", None) or time.time())
        self._keeper = Keeper(self._lab, learns=config.serve.learn)
        # one asker a method: its model learns, or fits for new columns, before it answers
        self._asking = {method: threading.Lock() for method in METHODS}
        self._loops: dict[str, Loop] = {}
        self._questions: dict[str, Callable[[Asked], dict[str, Any]]] = {
            "load": self._load,
            "invert": self._invert,
            "many": self._many,
            "predict": self._predict,
            "sample": self._sample,
            "begin": self._begin,
            "see": self._see,
            "settle": self._settle,
            "trial": lambda asked: tried(Path(asked["folder"])),
        }

    @classmethod
    def of(cls, setup: Asked) -> Self:
        """Return that of a station's ``config``, ``log`` and ``models``, as JSON values."""
        return cls(Config.model_validate(setup["config"]), Path(setup["log"]), Path(setup["models"]))

    def answer(self, question: str, asked: Asked, now: float, report: Report) -> bytes:
        """Return the answer as the JSON that a client gets.

        Parameters
        ----------
        question : str
            ``invert``, ``many``, ``predict``, ``sample``; ``load``, which answers nothing; ``begin``, ``see`` and
            ``settle`` of an aim; ``trial`` of a model that was sent; ``fit``.
        asked : mapping
            JSON values; ``model`` is the method that is asked.
        now : float
            The instrument's time, seconds since the epoch.
        report : callable
            Called with the fraction of a fit that is done.

        Raises
        ------
        ModelError, ServerError, DeviceError
        """
        self._told.now = now
        if question == "fit":
            found = self._fit(asked, report)
        else:
            with self._asking[asked["model"]]:
                found = self._questions[question](asked)
        return json.dumps(found, allow_nan=False).encode()

    def known(self, method: str) -> dict[str, Any] | None:
        """Return what the method's model knows, see :meth:`Keeper.told`, and which save it began with (``version``).

        None where none was asked.
        """
        version = self._lab.store.version(method)
        return None if version is None else self._keeper.told(method) | {"version": list(version)}

    def close(self) -> None:
        """Save what models have learnt, but of one that is being asked: the log has it, and it is learnt again."""
        for method, asking in self._asking.items():
            if asking.acquire(blocking=False):
                try:
                    self._keeper.save(method)
                finally:
                    asking.release()

    def _model(self, asked: Asked) -> Model:
        return self._keeper.up_to_date(asked["model"])

    def _load(self, asked: Asked) -> dict[str, Any]:
        self._lab.model(asked["model"])
        return {}

    def _invert(self, asked: Asked) -> dict[str, Any]:
        lab, model, net = self._lab, self._model(asked), asked["net"]
        refuse_of_a_table(model, net=net, played=asked.get("played", False))
        solution = lab.invert(model, asked["target"], net=net, samples=asked["samples"])
        told = lab.sensitivity(model, solution, net=net) if asked["sensitivity"] else {}
        if known := asked["path"]:
            told |= path(model, asked["target"], known["inputs"], known["outputs"])
        document = solution.to_json()
        document["warnings"] += self._warnings(asked)
        known = self._keeper.told(asked["model"])
        return document | told | {"n_rows": known["n_rows"], "until": known["until"]}

    def _many(self, asked: Asked) -> dict[str, Any]:
        targets = many.rectangular(asked["names"], asked["targets"])
        lab, model, net = self._lab, self._model(asked), asked["net"]
        refuse_of_a_table(model, net=net, played=False)
        found = lab.invert_many(model, asked["names"], targets, net=net, samples=asked["samples"])
        return many.document(found) | {"warnings": self._warnings(asked)}

    def _warnings(self, asked: Asked) -> list[str]:
        stale = self._keeper.told(asked["model"])["stale"]
        return self._lab.strangers(asked["model"]) + ([] if stale is None else [stale])

    def _predict(self, asked: Asked) -> dict[str, Any]:
        return predict(self._model(asked), asked["inputs"])

    def _sample(self, asked: Asked) -> dict[str, Any]:
        return sample(self._model(asked), asked["n"], asked["given"], asked["seed"])

    def _begin(self, asked: Asked) -> dict[str, Any]:
        aim = Aim(asked["target"], asked["shots"], asked["anyway"], asked["seed"])
        model = self._model(asked)
        # one that learns from this aim's readings meanwhile would count them twice
        loop = Loop(self._lab, model.copy() if model.updates else model, aim)
        self._loops = {asked["run"]: loop}  # one aim at a time: an earlier one has ended
        return loop.begin(asked["run"]).to_json()

    def _see(self, asked: Asked) -> dict[str, Any]:
        return self._loop(asked).see(asked["record"], asked["seconds"]).to_json()

    def _settle(self, asked: Asked) -> dict[str, Any]:
        return self._loop(asked).settle()

    def _loop(self, asked: Asked) -> Loop:
        if asked["run"] not in self._loops:
            raise ProcessEnded("The process that computed this aim has ended.", "Aim again.")
        return self._loops[asked["run"]]

    def _fit(self, asked: Asked, report: Report) -> dict[str, Any]:
        data, device = self._lab.own_dataset()
        if asked.get("again"):
            return self._fit_again(data, device, asked["models"], report)
        options = method_options(asked["preset"]) if asked["preset"] else None
        return fit_and_save(self._lab, data, device, asked["models"], asked["seed"], report, options)

    def _fit_again(self, data: Dataset, device: str, methods: list[str], report: Report) -> dict[str, Any]:
        """Fit a saved model anew as it was made; see ``fit`` of :meth:`answer`."""
        (method,) = methods
        made = self._lab.store.made(method)
        return fit_and_save(self._lab, data, device, methods, made["seed"], report, {method: made["options"]})
