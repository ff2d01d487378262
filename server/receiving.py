"""Models that are sent to the server: looked at whole, tried beside the saved ones, and only then put in place."""

import tempfile
import threading
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, StrictInt, StrictStr, ValidationError

from retrolux.models import archive, registry
from retrolux.models.errors import BadArchive, MissingLibrary, OtherVersions, UnknownMethod
from retrolux.models.storage import write
from retrolux.server.errors import BadArgument, OtherInstrument
from retrolux.server.minds import Mind
from retrolux.server.store import ModelStore

LARGEST_MODEL = 20_000_000
"""Bytes, packed or not. A forest of 5,000 readings has 4.4 million, and as many of the light alone; one of the paper's
preset, with its deep trees at fifty levels, has hundreds and is no model for a Raspberry Pi."""

MANIFEST_ROOM = 1_000_000
"""Bytes of these that the manifest and the zip itself may take."""

_trying = threading.Lock()  # one at a time: each takes a process


class Manifest(BaseModel):
    """What has to stand in a manifest, so that whoever lists the models can read it."""

    model_config = ConfigDict(extra="allow", strict=True)

    method: StrictStr
    inputs: list[StrictStr] = Field(min_length=1)
    outputs: list[StrictStr] = Field(min_length=1)
    n_rows: Annotated[StrictInt, Field(ge=1)]
    data_hash: StrictStr = Field(pattern="^[0-9a-f]{64}$")
    counts: bool = True
    libraries: dict[str, StrictStr]
    seed: StrictInt
    until: FiniteFloat | None = None


class Receiver:
    """Takes models in for one instrument.

    Parameters
    ----------
    store : ModelStore
    mind : Mind
        Tries them.
    device : str
        Name of the server's instrument.
    inputs : sequence of str
        Its inputs.
    """

    def __init__(self, store: ModelStore, mind: Mind, device: str, inputs: Sequence[str]) -> None:
        self._store, self._mind, self._device, self._inputs = store, mind, device, list(inputs)

    def take(
        self, method: str, content: bytes, device: str, *, anyway: bool = False, instead_of: str | None = None
    ) -> dict[str, Any]:
        """Keep a model in place of the method's earlier one; return its entry, what it replaced, and warnings.

        Parameters
        ----------
        content : bytes
            A zip, as :mod:`retrolux.models.archive` makes it.
        device : str
            The instrument whose readings it was fitted to.
        anyway : bool
            Take it also where that is another instrument than the server's.
        instead_of : str, optional
            See :meth:`ModelStore.keep`.

        Raises
        ------
        BadArchive, BadArgument, OtherInstrument, OtherVersions, MissingLibrary, UnknownMethod, ModelChanged
        ProcessEnded
            When the process that tries it ends.
        """
        if method not in registry.METHODS:
            raise UnknownMethod(f"There is no method {method[:40]!r}.", f"Choose among {', '.join(registry.METHODS)}.")
        manifest, files = archive.unpack(content, LARGEST_MODEL)
        told = _told(manifest)
        self._refuse_strangers(method, told, device, anyway=anyway)
        warnings = differences(told.libraries)
        self._try(method, manifest, files)
        replaced = self._store.take_in(manifest, files, device, instead_of=instead_of)
        (entry,) = self._store.entries([method])
        return entry | {"replaced": replaced, "warnings": warnings}

    def _refuse_strangers(self, method: str, told: Manifest, device: str, *, anyway: bool) -> None:
        if told.method != method:
            raise BadArgument(f"The model is {told.method[:40]}, and the address says {method}.", "Send it to its own.")
        if told.inputs != self._inputs or not told.counts:
            what = " ".join(told.inputs)[:100] + ("" if told.counts else " (a table's)")
            raise BadArgument(
                f"The model's inputs are {what}, and the instrument's {' '.join(self._inputs)}.",
                "Push a model that was fitted to readings of an instrument like this.",
            )
        if device != self._device and not anyway:
            raise OtherInstrument(
                f"The model was fitted to readings of {device[:100]}, and the instrument here is {self._device}.",
                "Fit one to this instrument's own log; or push it with --anyway, over HTTP anyway=true.",
            )
        if method not in registry.available():
            raise MissingLibrary(f"The libraries of {method} are not installed here.", "pip install '.[forest]' there.")

    def _try(self, method: str, manifest: dict[str, Any], files: archive.Files) -> None:
        """Let another process load the model and answer one question by it. Raises BadArchive, ProcessEnded."""
        self._store.folder.mkdir(parents=True, exist_ok=True)
        with _trying, tempfile.TemporaryDirectory(prefix=".pushed-", dir=self._store.folder) as folder:
            write(Path(folder), manifest, files)
            self._mind.trial({"model": method, "folder": folder})


def _told(manifest: dict[str, Any]) -> Manifest:
    try:
        return Manifest.model_validate(manifest)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise BadArchive(f"The manifest's {where[:100]} is wrong: {first['msg']}.", "Fit the model again.") from error


def differences(libraries: dict[str, str]) -> list[str]:
    """Return, in words, which libraries differ a little from those here. Raises OtherVersions where they do much."""
    found = [(name, theirs, _here(name)) for name, theirs in sorted(libraries.items())]
    for name, theirs, ours in found:
        if ours is not None and theirs.split(".")[0] != ours.split(".")[0]:
            raise OtherVersions(
                f"The model was fitted with {name[:40]} {theirs[:40]}, and here is {ours}.",
                f"Install {name[:40]} of the same major version on both sides, and fit the model again.",
            )
    return [f"It was fitted with {n} {t[:40]}, and here is {o}." for n, t, o in found if o is not None and t != o]


def _here(name: str) -> str | None:
    """Return the version of a library; XGBoost without its part for graphics cards is the same library."""
    for each in (name, f"{name}-cpu", name.removesuffix("-cpu")):
        try:
            return version(each)
        except (PackageNotFoundError, ValueError):
            continue
    return None
