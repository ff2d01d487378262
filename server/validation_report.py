"""The report of a validation's folder: one document, made from its log and its conditions alone."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from retrolux.device.log import read_records
from retrolux.models import registry
from retrolux.models.model import Model
from retrolux.server import conditions
from retrolux.server.conditions import is_simulated, utc
from retrolux.server.errors import BadReport
from retrolux.server.protocol import Protocol
from retrolux.server.validation import SessionReadings, figures
from retrolux.server.validation_compare import GROUPS, compare
from retrolux.server.validation_page import page
from retrolux.server.validation_run import LOG
from retrolux.server.validation_verdict import summary, to_look_at

SCHEMA = 1
KIND = "retrolux validation"
Models = Mapping[tuple[int, str], Model]


def make_report(folder: Path, models: Models | None = None) -> dict[str, Any]:
    """Return the report of a folder; the same log gives the same report.

    Parameters
    ----------
    models : mapping, optional
        Methods that were fitted to the readings already, by session and method; others are fitted here.

    Returns
    -------
    dict
        ``device``, ``simulated``, ``protocol``, ``complete``, ``started`` and ``ended`` (UTC), ``sessions`` with their
        conditions and figures, ``between_sessions`` (each later one compared with the first) and ``verdict``.

    Raises
    ------
    BadReport
        When the folder holds no validation, or none of its readings has been made.
    LogUnreadable
    """
    stored = conditions.read(folder)
    if stored is None:
        raise BadReport(f"{folder} holds no validation.", "Name the folder that `retrolux validate` wrote.")
    records = read_records(folder / LOG)
    if not records:
        raise BadReport(f"{folder / LOG} holds no reading.", "Validate again.")
    device, protocol = _device(records, stored["device"]), _protocol(stored["protocol"])
    begun = [(n, stored, [r for r in records if r.get("session") == n]) for n, stored in enumerate(stored["sessions"])]
    sessions = [_session(*one, protocol, models or {}) for one in begun if one[2]]
    unbegun = len(stored["plan"]) - len(sessions)
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "kind": KIND,
        "device": device,
        "simulated": is_simulated(device),
        "protocol": stored["protocol"],
        "complete": unbegun == 0 and all(s["ended"] for s in stored["sessions"]),
        "unbegun": unbegun,
        "started": utc(records[0]["time"]),
        "ended": utc(records[-1]["time"] + records[-1].get("elapsed", 0)),
        "sessions": sessions,
        "between_sessions": _between(sessions),
    }
    return document | {"verdict": {"summary": summary(document), "to_look_at": to_look_at(document)}}


def _device(records: Sequence[Mapping[str, Any]], begun: str) -> str:
    """Return the one instrument that made all readings. Raises BadReport."""
    found = sorted({str(r.get("device", begun)) for r in records})
    if len(found) > 1:
        raise BadReport(f"The validation holds readings of {', '.join(found)}.", "Validate each into its own folder.")
    return found[0]


def _protocol(stored: Mapping[str, Any]) -> Protocol:
    """Return the protocol that a folder was measured by. Raises BadReport for one of another Retrolux."""
    fields = {k: _frozen(v) for k, v in stored.items() if k != "order"}
    try:
        return Protocol(**fields)
    except TypeError as error:
        raise BadReport(
            f"The folder follows protocol {stored.get('version')}, unknown here.", "Use the Retrolux that wrote it."
        ) from error


def _frozen(value: Any) -> Any:  # noqa: ANN401 - JSON values
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _session(
    number: int, stored: Mapping[str, Any], records: Sequence[Mapping[str, Any]], protocol: Protocol, models: Models
) -> dict[str, Any]:
    known = {float(gain): ratio for gain, ratio in (stored["gain_ratios"] or {}).items()} or None
    readings = SessionReadings.of(records, known)

    def fitted(method: str) -> Model:
        ready = models.get((number, method))
        return ready or registry.create(method).fit(readings.learnt(), seed=protocol.seed)

    made = {
        "number": number,
        "readings": len(records),
        "planned": protocol.count(stored["methods"]),
        "started": utc(records[0]["time"]),
        "ended": utc(records[-1]["time"] + records[-1].get("elapsed", 0)),
        "figures": figures(readings, stored["methods"], protocol.seed, fitted),
    }
    return {**stored, **made}


def _between(sessions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what each later session has that the first has not."""
    return [
        {
            "sessions": [sessions[0]["number"], later["number"]],
            "differences": [d.to_json() for d in compare([sessions[0]["figures"]], [later["figures"]])],
        }
        for later in sessions[1:]
    ]


def write_report(folder: Path, models: Models | None = None) -> dict[str, Any]:
    """Make the report and write it as ``report.json`` and ``report.md``. Raises as :func:`make_report`, and OSError."""
    document = make_report(folder, models)
    conditions.write(folder, "report.json", json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    conditions.write(folder, "report.md", page(document))
    return document


def read_report(folder: Path) -> dict[str, Any]:
    """Return a folder's ``report.json``. Raises BadReport."""
    path = folder / "report.json"
    if not path.is_file():
        raise BadReport(f"{folder} holds no report.json.", "Name the folder that retrolux validate wrote.")
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        kind, schema = document["kind"], document["schema"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadReport(
            f"{path} is no validation's report.",
            "Make it anew from the log: retrolux validate --report FOLDER.",
        ) from error
    if (kind, schema) != (KIND, SCHEMA):
        raise BadReport(
            f"{path} is a {kind!r} of schema {schema!r}, not {SCHEMA}.",
            "Make it anew from the log: retrolux validate --report FOLDER.",
        )
    return document


def compare_reports(a: Path, b: Path) -> dict[str, Any]:
    """Return two folders' reports side by side.

    Returns
    -------
    dict
        ``a`` and ``b`` (device, start, protocol), ``remarks`` on what makes them hard to compare, ``exceeding``: how
        many figures of the instrument and of its surroundings differ by more than chance, and ``differences``.

    Raises
    ------
    BadReport
    """
    first, second = read_report(a), read_report(b)
    found = compare(*([s["figures"] for s in d["sessions"]] for d in (first, second)))
    return {
        "a": _origin(first),
        "b": _origin(second),
        "remarks": _remarks(first, second),
        "exceeding": {group: sum(d.exceeds for d in found if d.of == group) for group in GROUPS},
        "differences": [d.to_json() for d in found],
    }


def _origin(document: Mapping[str, Any]) -> dict[str, Any]:
    keys = ("device", "simulated", "started", "complete")
    return {k: document[k] for k in keys} | {
        "protocol": document["protocol"]["version"],
        "sessions": len(document["sessions"]),
    }


def _remarks(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    remarks = []
    if a["protocol"] != b["protocol"]:
        remarks.append("The two followed different protocols: their figures may differ for that alone.")
    if a["simulated"] != b["simulated"]:
        remarks.append("One of the two is simulated.")
    exposures = [{json.dumps((s["settings"] or {}).get("exposure")) for s in d["sessions"]} for d in (a, b)]
    if exposures[0] != exposures[1]:
        remarks.append("The two were measured at different exposures.")
    return remarks + [f"{name} is not complete." for name, d in (("A", a), ("B", b)) if not d["complete"]]
