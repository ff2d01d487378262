"""What a validation comes to, in words: its first lines, and what somebody should look at."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from retrolux.models.readings import PAPER
from retrolux.server.figures import Figure
from retrolux.server.validation import SEEN_BY
from retrolux.server.validation_compare import pooled

REAL_REPEATS = {"445nm": 0.56, "515nm": 0.50, "630nm": 0.92}
"""Percent of scatter within blocks of ten, of Claude-Light's 50 repeats of the same setting in 2025."""

REAL_STEPS = {"R": 0.012, "G": 0.005, "B": 0.004}
"""Steps at full duty of Claude-Light's sweeps of each colour in 2025, in input units."""

MOST_SATURATED = 0.05  # of the readings, in a target's channel
MOST_DRIFT = 1.0  # percent of the reference, over a session
MOST_CURVED = 2.0  # percent of a sweep, of its largest residual
MOST_AMBIENT = 0.1  # of the reference's counts, with the light off
LEAST_COVERAGE = 0.7  # of 25 readings: below it by chance less than once in 200 where the intervals are right
MOST_MISSED = 3.0  # percent, root mean square, of answers played back

Document = Mapping[str, Any]


def summary(document: Document) -> list[str]:
    """Return what was found, a sentence each; figures are means over the sessions."""
    found = pooled([s["figures"] for s in document["sessions"]])
    lines = [_amount(document), _repeats(found), _steps(found), _recovered(found), _played(found, document)]
    return [line for line in lines if line]


def _amount(document: Document) -> str:
    sessions = document["sessions"]
    made, planned = (sum(s[key] for s in sessions) for key in ("readings", "planned"))
    planned += document["unbegun"] * (sessions[0]["planned"] if sessions else 0)
    of = f"{len(sessions)} session{'s' * (len(sessions) != 1)}"
    state = "Complete" if document["complete"] else "Not complete"
    return f"{state}: {made} of {planned} readings in {of}."


def _repeats(found: Mapping[str, Figure]) -> str | None:
    each = {c: f for c in PAPER if (f := found.get(f"repeats / {c} / within_percent"))}
    if not each:
        return None
    those = ", ".join(f"{f.value:.2f} % at {nm(c)}" for c, f in each.items())
    real = ", ".join(f"{REAL_REPEATS[c]:.2f}" for c in each)
    return f"One setting repeats to {those} (Claude-Light in 2025: {real} %)."


def _steps(found: Mapping[str, Figure]) -> str | None:
    each = {
        colour: f
        for colour in SEEN_BY
        if (f := _first(found, [f"sweeps / {colour} {c} / step" for c in SEEN_BY[colour]]))
    }
    if not each:
        return None
    those = ", ".join(f"{colour} {f.value:+.4f} ± {f.se:.4f}" for colour, f in each.items())
    real = ", ".join(f"{REAL_STEPS[colour]:.3f}" for colour in each)
    return f"Full duty lies off the line of the lower duties by {those} of the input (Claude-Light: {real})."


def _recovered(found: Mapping[str, Figure]) -> str | None:
    scores = _by_method(found, "held_out", "rmse")
    if not scores:
        return None
    best = min(scores, key=lambda m: sum(f.value**2 for f in scores[m].values()))
    errors = ", ".join(f"{name} {f.value:.4f}" for name, f in scores[best].items())
    inside = _by_method(found, "held_out", "coverage90")[best]
    held = ", ".join(f"{100 * f.value:.0f}" for f in inside.values())
    return f"Settings not seen before are recovered best by {best}: RMSE {errors}; its 90 % intervals hold {held} %."


def _played(found: Mapping[str, Figure], document: Document) -> str | None:
    place = "playback / methods / {} / {}".format
    played = [m for m in methods_of(document) if place(m, "rms_percent") in found]
    if not played:
        return None
    percent, counts = ([found[place(m, name)].value for m in played] for name in ("rms_percent", "rms_counts"))
    those = ", ".join(f"{m} {p:.2f} % or {c:.0f} counts" for m, p, c in zip(played, percent, counts, strict=True))
    return f"Answers played back miss their targets by (root mean square): {those}."


def to_look_at(document: Document) -> list[str]:
    """Return what is not as it should be, a sentence each."""
    many = len(document["sessions"]) > 1
    found = [
        f"session {s['number'] + 1}: {line}" if many else line for s in document["sessions"] for line in _concerns(s)
    ]
    return list(dict.fromkeys(found))


def _concerns(session: Document) -> Iterator[str]:
    figures = session["figures"]
    if session["readings"] < session["planned"]:
        yield f"{session['planned'] - session['readings']} readings are missing."
    yield from session["remarks"]
    if session["recoveries"]:
        yield f"the sensor was recovered on the way: {session['recoveries']}."
    yield from _light(figures)
    yield from _level(figures)
    yield from _answers(figures)


def _light(figures: Document) -> Iterator[str]:
    for colour, (own, other) in SEEN_BY.items():
        line = figures["sweeps"].get(f"{colour} {own}") or figures["sweeps"].get(f"{colour} {other}")
        if line is None:
            yield f"{colour} is not seen at {nm(own)}: check the wiring of this colour (retrolux doctor)."
        elif line["largest_residual_percent"] > MOST_CURVED:
            yield f"the sweep of {colour} lies up to {line['largest_residual_percent']:.1f} % off its straight line."


def _level(figures: Document) -> Iterator[str]:
    saturated, hours = figures["saturated"], figures["time"]["minutes"] / 60
    if saturated["any_of_the_targets"] > MOST_SATURATED * saturated["n"]:
        of = f"{saturated['any_of_the_targets']} of {saturated['n']}"
        yield f"{of} readings are saturated at {', '.join(map(nm, PAPER))}: lower the gain or the time."
    for channel in (c for c in PAPER if c in figures["drift"]):
        line = figures["drift"][channel]
        moved, doubt = ((line["counts_per_hour"][key] or 0) * hours * 100 / line["mean"] for key in ("value", "se"))
        if abs(moved) > max(MOST_DRIFT, 3 * doubt):
            yield f"the reference drifted by {moved:+.1f} ± {doubt:.1f} % at {nm(channel)} in the session."
        dark = figures["dark"].get(channel)
        if dark and dark["mean"]["value"] > MOST_AMBIENT * line["mean"]:
            yield f"ambient light gives {dark['mean']['value']:.0f} counts at {nm(channel)}: shade the instrument."


def _answers(figures: Document) -> Iterator[str]:
    for method, score in figures["held_out"].items():
        if "problem" in score:
            yield f"{method}: {score['problem']}"
        for name, share in score.get("coverage90", {}).items():
            if share["value"] < LEAST_COVERAGE:
                held = f"{100 * share['value']:.0f} % of {share['n']} readings"
                yield f"{method}: 90 % intervals of {name} hold only {held}."
    for method, missed in figures["playback"]["methods"].items():
        if missed["rms_percent"] and missed["rms_percent"]["value"] > MOST_MISSED:
            yield f"{method}: answers played back miss by {missed['rms_percent']['value']:.1f} % (root mean square)."
    yield from _unattainable(figures["playback"]["answers"])


def _unattainable(answers: Sequence[Document]) -> Iterator[str]:
    for number in sorted({a["target_number"] for a in answers}):
        asked = [a for a in answers if a["target_number"] == number]
        no = [a["method"] for a in asked if not a["attainable"]]
        if no:
            who = "any method" if len(no) == len(asked) else ", ".join(no)
            yield f"target {number + 1} ({target(asked[0]['target'])}) is not attainable on this unit, says {who}."


def target(counts: Mapping[str, float]) -> str:
    """Return a target in words: its counts in the order of the channels."""
    return ", ".join(f"{value:.0f}" for value in counts.values())


def nm(channel: str) -> str:
    """Return a channel as it is read: 515 nm."""
    return channel.replace("nm", " nm")


def methods_of(document: Document) -> list[str]:
    """Return the methods of all sessions, in their usual order."""
    return list(dict.fromkeys(m for s in document["sessions"] for m in s["methods"]))


def _by_method(found: Mapping[str, Figure], part: str, score: str) -> dict[str, dict[str, Figure]]:
    scores: dict[str, dict[str, Figure]] = {}
    for place, figure in found.items():
        match place.split(" / "):
            case [p, method, s, name] if (p, s) == (part, score):
                scores.setdefault(method, {})[name] = figure
    return scores


def _first(found: Mapping[str, Figure], places: Sequence[str]) -> Figure | None:
    return next((found[place] for place in places if place in found), None)
