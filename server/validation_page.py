"""The report as a page that a person reads: the verdict first, then a table for each part."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from retrolux.server.validation_compare import GROUPS
from retrolux.server.validation_verdict import nm, target

Document = Mapping[str, Any]
SHOWN = 25  # differences between sessions that a page lists at most


def page(document: Document) -> str:
    """Return the report in Markdown."""
    lines = [*_head(document), *_protocol(document["protocol"])]
    for session in document["sessions"]:
        if len(document["sessions"]) > 1:
            lines += [f"# Session {session['number'] + 1}, {session['started']}", ""]
        lines += [line for part in _PARTS for line in part(session)]
    for between in document["between_sessions"]:
        lines += _between(between)
    return "\n".join([*lines, *_again()])


def title(document: Document) -> str:
    """Return what the report is of; a simulated instrument is named as such."""
    what = "SIMULATED instrument " if document["simulated"] else ""
    return f"Validation of {what}{document['device']}, {document['started'][:10]}"


def _head(document: Document) -> Iterator[str]:
    yield f"# {title(document)}"
    yield ""
    yield from (f"- {line}" for line in document["verdict"]["summary"])
    yield ""
    concerns = document["verdict"]["to_look_at"]
    yield "To look at:" if concerns else "Nothing stands out."
    yield ""
    if concerns:
        yield from (f"- {line}" for line in concerns)
        yield ""


def _protocol(protocol: Document) -> Iterator[str]:
    yield f"Protocol {protocol['version']}, order `{protocol['order']}`, seed {protocol['seed']}."
    yield "Counts are at the reference exposure, gain 128 and 280.78 ms; ± is one standard error; n counts readings."
    yield ""


def _table(heading: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    body = list(rows)
    yield f"## {heading}"
    yield ""
    if not body:
        yield "Not enough readings."
    else:
        yield f"| {' | '.join(columns)} |"
        yield f"|{'---|' * len(columns)}"
        yield from (f"| {' | '.join(map(str, row))} |" for row in body)
    yield ""


def _conditions(session: Document) -> Iterator[str]:
    host, versions = session["host"], session["versions"]
    rows: list[tuple[str, object]] = [
        ("from, to", f"{session['started']}, {session['ended']}"),
        ("readings", f"{session['readings']} of {session['planned']}"),
        ("interrupted and gone on with", f"{session['resumed']} times"),
        ("host", ", ".join(str(v) for v in host.values() if v)),
        ("versions", ", ".join(f"{k} {v}" for k, v in versions.items())),
        ("settings", _flat(session["settings"]) or "the other side's"),
        ("light", _flat(session["light"]) or "unknown"),
        ("tuning", _flat(session["tuning"]) or "none"),
    ]
    if session["recoveries"] is not None:
        rows.append(("recoveries", _flat(session["recoveries"]) or session["recoveries"]))
    yield from _table("Conditions", ("", ""), rows)


def _flat(values: Any) -> str:  # noqa: ANN401 - JSON values
    """Return a mapping on one line."""
    if not isinstance(values, Mapping):
        return ""
    return ", ".join(f"{k} ({_flat(v)})" if isinstance(v, Mapping) else f"{k} {v}" for k, v in values.items())


def _repeats(session: Document) -> Iterator[str]:
    rows = [
        (
            nm(channel),
            pm(f["mean"], ".0f"),
            f"{f['within']:.1f}",
            pm(f["within_percent"], ".2f"),
            f"{f['between']:.1f}",
            f"{f['between_percent']:.2f}",
            f["mean"]["n"],
        )
        for channel, f in session["figures"]["repeats"].items()
    ]
    columns = ("channel", "counts", "sd within blocks", "in %", "sd between blocks", "in %", "n")
    yield from _table("Repeats of one setting", columns, rows)


def _drift(session: Document) -> Iterator[str]:
    rows = [
        (
            nm(channel),
            f"{f['mean']:.0f}",
            pm(f["counts_per_hour"], "+.0f"),
            _number(f["percent_per_hour"], "+.1f"),
            _number(f["span_percent"], ".2f"),
            f["counts_per_hour"]["n"],
        )
        for channel, f in session["figures"]["drift"].items()
    ]
    columns = ("channel", "counts", "counts per hour", "% per hour", "largest − smallest, %", "n")
    yield from _table("Drift of the reference reading", columns, rows)


def _sweeps(session: Document) -> Iterator[str]:
    rows = [
        (
            nm(place.replace(" ", " at ")),
            pm(f["slope"], ".0f"),
            f"{f['offset']:.0f}",
            f"{f['r2']:.6f}",
            f"{f['largest_residual']:.0f}",
            f"{f['largest_residual_percent']:.2f}",
            pm(f["step"], "+.4f") if f["step"] else "saturated",
            f["n"],
            f["saturated"],
        )
        for place, f in session["figures"]["sweeps"].items()
    ]
    columns = (
        "sweep",
        "counts per duty",
        "offset",
        "R²",
        "largest residual",
        "in %",
        "step at full duty",
        "n",
        "saturated",
    )
    yield from _table("Sweeps of each colour", columns, rows)


def _response(session: Document) -> Iterator[str]:
    rows = [
        (
            nm(channel),
            pm(f["offset"], ".0f"),
            *(pm(s, ".0f") for s in f["slopes"].values()),
            f"{f['scatter']:.0f}",
            f["n"],
        )
        for channel, f in session["figures"]["response"].items()
    ]
    columns = ("channel", "ambient light", "R", "G", "B", "scatter", "n")
    yield from _table("Response: counts that each colour adds at full duty, from the hypercube", columns, rows)


def _dark(session: Document) -> Iterator[str]:
    saturated = session["figures"]["saturated"]
    dark = session["figures"]["dark"]
    rows = [
        (
            nm(channel),
            pm(dark[channel]["mean"], ".1f") if channel in dark else "–",
            f"{dark[channel]['sd']:.1f}" if channel in dark else "–",
            dark[channel]["mean"]["n"] if channel in dark else 0,
            f"{count} of {saturated['n']}",
        )
        for channel, count in saturated["readings"].items()
    ]
    yield from _table("Dark level and saturation", ("channel", "counts, light off", "sd", "n", "saturated"), rows)


def _held_out(session: Document) -> Iterator[str]:
    rows = [
        (method, *(pm(f, ".4f") for f in s["rmse"].values()), _shares(s), s["n_learnt"], s["n_held_out"])
        for method, s in session["figures"]["held_out"].items()
        if "problem" not in s
    ]
    columns = ("method", "RMSE R", "RMSE G", "RMSE B", "in the 90 % interval, %", "n learnt", "n held out")
    yield from _table("Inputs recovered from 445, 515 and 630 nm, held-out readings", columns, rows)


def _shares(score: Document) -> str:
    return ", ".join(f"{100 * f['value']:.0f}" for f in score["coverage90"].values())


def _playback(session: Document) -> Iterator[str]:
    played = session["figures"]["playback"]
    methods = [
        (
            method,
            pm(f["rms_counts"], ".0f"),
            pm(f["rms_percent"], ".2f"),
            _number(f["noise_percent"], ".2f"),
            _number(f["largest_percent"], ".2f"),
            f"{f['attainable']} of {f['targets']}",
        )
        for method, f in played["methods"].items()
    ]
    columns = ("method", "root mean square error, counts", "in %", "noise alone, %", "largest, %", "attainable targets")
    yield from _table("Answers played back", columns, methods)
    if played["answers"]:
        yield from _table(
            "Each answer: error in counts (in %)", _channels(played["answers"]), map(_answer, played["answers"])
        )


def _channels(answers: Sequence[Document]) -> tuple[str, ...]:
    return ("target", "method", "inputs", *(nm(c) for c in answers[0]["target"]), "n")


def _answer(answer: Document) -> tuple[object, ...]:
    errors = [answer["error"].get(c) for c in answer["target"]]
    cells = [f"{pm(e['counts'], '+.0f')} ({_number(e['percent'], '+.2f')})" if e else "saturated" for e in errors]
    asked = f"{answer['target_number'] + 1}: {target(answer['target'])}" + (
        "" if answer["attainable"] else ", not attainable"
    )
    return (asked, answer["method"], ", ".join(f"{v:.4f}" for v in answer["inputs"]), *cells, answer["n"])


def _time(session: Document) -> Iterator[str]:
    f = session["figures"]["time"]
    row = (pm(f["seconds_per_reading"], ".3f"), f"{f['median']:.3f}", f"{f['longest']:.3f}", f"{f['minutes']:.1f}")
    yield from _table("Time", ("seconds per reading", "median", "longest", "minutes in all"), [row])


def _between(between: Document) -> Iterator[str]:
    first, later = (n + 1 for n in between["sessions"])
    every = between["differences"]
    exceeding = [d for d in every if d["exceeds"]]
    yield from _table(f"Session {later} against session {first}", DIFFERENCE, map(difference, exceeding[:SHOWN]))
    yield from tally(every)
    yield ""


DIFFERENCE = ("figure", "A", "B", "B − A", "p")


def difference(found: Document) -> tuple[str, ...]:
    """Return a difference as a row of a table, its numbers to two digits of their uncertainty."""
    values, se = (found[key] for key in ("a", "b", "difference")), found["se"]
    places = max(0, 1 - math.floor(math.log10(se))) if se > 0 else 6
    a, b, change = (f"{value:.{places}f}" for value in values)
    sign = "+" if found["difference"] > 0 else ""
    return (found["figure"].replace(" / ", " "), a, b, f"{sign}{change} ± {se:.{places}f}", f"{found['p']:.0e}")


def tally(differences: Sequence[Document]) -> list[str]:
    """Return how many figures differ, those of the instrument and those of the light around it."""
    lines = []
    for name in GROUPS:
        group = [d for d in differences if d["of"] == name]
        exceeding = sum(d["exceeds"] for d in group)
        lines.append(f"Of the {name}: {exceeding} of {len(group)} figures differ by more than their uncertainty.")
    return lines


def pm(figure: Document | None, form: str) -> str:
    """Return a figure with its standard error; a dash where there is none."""
    if figure is None:
        return "–"
    value = format(figure["value"], form)
    return value if figure["se"] is None else f"{value} ± {format(figure['se'], form.lstrip('+'))}"


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _again() -> list[str]:
    return [
        "---",
        "",
        "The readings are in `readings.jsonl`, the conditions in `conditions.json`.",
        "The same report from them: `retrolux validate --report FOLDER`.",
        "Beside another: `retrolux validate --compare FOLDER OTHER`.",
        "",
    ]


_PARTS = (_conditions, _repeats, _drift, _sweeps, _response, _dark, _held_out, _playback, _time)
