"""Where fitted models are kept: one folder a method, beside the instrument's log."""

import contextlib
import fcntl
import json
import os
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retrolux.device.disk import remedy
from retrolux.models import registry
from retrolux.models.errors import ModelUnreadable
from retrolux.models.storage import read_manifest, write
from retrolux.server.errors import BadArgument, ModelChanged, ModelUnwritable, NoModel

if TYPE_CHECKING:  # to list what is saved, no method is loaded
    from retrolux.models.dataset import Dataset
    from retrolux.models.model import Model


Stamp = tuple[int, int]


class ModelStore:
    """The newest fit of each method, on disk and, once asked for, in memory.

    Parameters
    ----------
    folder : Path
        Holds one folder a method; made when the first model is saved.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._loaded: dict[str, tuple[Stamp, Model]] = {}
        self._devices: dict[str, tuple[tuple[int, ...], str]] = {}
        self._lock = threading.Lock()

    def save(self, model: "Model", device: str) -> None:
        """Keep a model in place of the method's earlier one, with the name of the instrument it describes.

        Raises
        ------
        ModelUnwritable
        """
        with self._alone():
            self._write(model, device)

    def keep(self, model: "Model") -> bool:
        """Save what the method's model has learnt since; return False, and save nothing, where it is another's turn.

        That is where the model on disk is not the one that this was: a fit, here or in another process, comes first.
        """
        with self._alone():
            stamp, loaded = self._loaded.get(model.method, (None, None))
            if loaded is not model or stamp != self.stamp(model.method):
                return False
            self._write(model, self.device(model.method))
            return True

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let nobody else, of other processes neither, replace a model meanwhile: each removes earlier files.

        Raises
        ------
        ModelUnwritable
        """
        with self._lock, self._told():
            self.folder.mkdir(parents=True, exist_ok=True)
            folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(folder, fcntl.LOCK_EX)  # let go when it is closed, also by the end of the process
                with self._undone():
                    yield
            finally:
                os.close(folder)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Raise ModelUnwritable for what the disk refuses."""
        try:
            yield
        except ModelUnwritable:
            raise
        except OSError as error:
            raise ModelUnwritable(
                f"{self.folder} cannot be written: {error.strerror or error}.", remedy(error, "folder of models")
            ) from error

    @contextmanager
    def _undone(self) -> Iterator[None]:
        """Remove the files of a model that cannot be written whole, so that a full disk is no fuller than before."""
        before = set(self.folder.rglob("*"))
        stamps = {method: self.stamp(method) for method in registry.METHODS}
        try:
            yield
        except OSError:
            for path in set(self.folder.rglob("*")) - before:
                method = path.parent.name
                if path.is_file() and self.stamp(method) == stamps.get(method):  # else the manifest names it
                    with contextlib.suppress(OSError):
                        path.unlink()
            raise

    def _write(self, model: "Model", device: str) -> None:
        model.save(self.folder / model.method)
        self._write_origin(model.method, model.data_hash, device)
        stamp = self.stamp(model.method)
        assert stamp is not None  # noqa: S101 - for the type checker: it was saved just now
        self._loaded[model.method] = (stamp, model)

    def take_in(
        self, manifest: Mapping[str, Any], files: Mapping[str, bytes], device: str, *, instead_of: str | None = None
    ) -> dict[str, Any] | None:
        """Keep a model that another process or machine has fitted; return the entry of the one it replaces.

        Parameters
        ----------
        manifest, files
            As :meth:`~retrolux.models.model.Model.packed` gives them.
        device : str
            The instrument it describes.
        instead_of : str, optional
            Hash of the readings of the model that is to be replaced. Raises ModelChanged where there is another.
        """
        method = str(manifest["method"])
        with self._alone():
            earlier = self._known(method)
            if instead_of is not None and instead_of != (earlier or {}).get("data_hash"):
                there = "there is none" if earlier is None else f"it has learnt from {earlier['data_hash'][:16]}…"
                raise ModelChanged(
                    f"The {method} model is another than the one to be replaced: {there}.", "Look at GET /v1/models."
                )
            write(self.folder / method, manifest, files)
            self._write_origin(method, str(manifest["data_hash"]), device)
        return earlier

    def _known(self, method: str) -> dict[str, Any] | None:
        """Return the entry of a method's model, None where there is none that can be read."""
        try:
            return self._entry(method)
        except (ModelUnreadable, KeyError):
            return None

    def refuse_others(self, data: "Dataset") -> None:
        """Raise BadArgument where the folder holds models of other inputs, which a fit would replace one by one."""
        own = data.input_names, data.scale.counts
        kept = [columns for method in self.methods() if (columns := self._columns(method)) is not None]
        others = {
            " ".join(names) + ("" if counts else " (a table's)") for names, counts in kept if (names, counts) != own
        }
        if others:
            raise BadArgument(
                f"{self.folder} holds models of other inputs: {', '.join(sorted(others))}.",
                "Keep these in a folder of their own: --models FOLDER.",
            )

    def _columns(self, method: str) -> tuple[tuple[str, ...], bool] | None:
        """Return a model's inputs and whether its outputs are counts; None of a damaged one, which a fit replaces."""
        try:
            manifest = read_manifest(self.folder / method)
            return tuple(manifest["inputs"]), manifest.get("counts", True)
        except (ModelUnreadable, KeyError):
            return None

    def get(self, method: str) -> "Model":
        """Return the method's model. Raises NoModel, ModelUnreadable."""
        with self._lock:
            stamp = self.stamp(method)
            if stamp is None:
                raise NoModel(
                    f"No {method} model has been fitted yet (looked in {self.folder}).",
                    "Fit one with `retrolux fit LOG`, or POST /v1/fit; or give the readings with --data LOG.",
                )
            if method not in self._loaded or self._loaded[method][0] != stamp:
                self._loaded[method] = self._read(method)
            return self._loaded[method][1]

    def _read(self, method: str) -> tuple[Stamp, "Model"]:
        """Return the model on disk; read again where another is saved meanwhile, which takes its files away."""
        while (stamp := self.stamp(method)) is not None:
            try:
                return stamp, registry.load(self.folder / method)
            except ModelUnreadable:
                if self.stamp(method) == stamp:
                    raise
        raise NoModel(f"The {method} model was removed from {self.folder}.", "Fit one: retrolux fit LOG.")

    def methods(self) -> tuple[str, ...]:
        """Return the methods that have a saved model."""
        return tuple(m for m in registry.METHODS if (self.folder / m / "manifest.json").is_file())

    def entries(self, chosen: Collection[str] = registry.METHODS) -> list[dict[str, Any]]:
        """Return what each saved model of the chosen methods knows, from its manifest alone. Raises ModelUnreadable."""
        return [self._entry(method) for method in self.methods() if method in chosen]

    def _entry(self, method: str) -> dict[str, Any]:
        manifest = read_manifest(self.folder / method)
        known = {key: manifest[key] for key in ("method", "inputs", "outputs", "n_rows", "data_hash")}
        return known | {"until": manifest.get("until"), "device": self.device(method)}

    def made(self, method: str) -> dict[str, Any]:
        """Return how the saved model was made: ``options`` and ``seed``. Raises ModelUnreadable."""
        manifest = read_manifest(self.folder / method)
        return {key: manifest[key] for key in ("options", "seed")}

    def device(self, method: str) -> str:
        """Return the instrument whose readings the method's model was fitted to, ``unknown`` if that is not kept."""
        try:
            status = self._origin(method).stat()
            stamp = (*(self.stamp(method) or ()), status.st_mtime_ns, status.st_ino)
        except OSError:
            return "unknown"
        known = self._devices.get(method)
        if known is None or known[0] != stamp:
            known = self._devices[method] = stamp, self._device(method)
        return known[1]

    def _device(self, method: str) -> str:
        try:
            origin = json.loads(self._origin(method).read_text(encoding="utf-8"))
            same = origin["data_hash"] == read_manifest(self.folder / method)["data_hash"]
            return str(origin["device"]) if same else "unknown"
        except (OSError, ValueError, KeyError):
            return "unknown"

    def _origin(self, method: str) -> Path:
        return self.folder / f"{method}.origin.json"

    def _write_origin(self, method: str, data_hash: str, device: str) -> None:
        """Replace the file in one step; it names the readings, so that it never speaks of another fit."""
        path = self._origin(method)
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps({"device": device, "data_hash": data_hash}), encoding="utf-8")
        draft.replace(path)

    def version(self, method: str) -> Stamp | None:
        """Return the :meth:`stamp` of the model that is in memory; None where none is."""
        return self._loaded[method][0] if method in self._loaded else None

    def stamp(self, method: str) -> Stamp | None:
        """Return what changes whenever the method's model is saved; None of none."""
        try:
            status = (self.folder / method / "manifest.json").stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino
