"""What a survey of readings found, in words."""

from collections.abc import Iterator, Sequence

from retrolux.models.advice import Advice
from retrolux.models.survey import FOLDED, HOLE, SEEN, Straightness, Survey

DRIFTING = 0.3
"""Correlation of one reading's rest with the next one's, above which something wanders."""

VAGUE = 0.9
"""Share of an output that a line has to explain before it is called one."""


def findings(advice: Advice) -> Iterator[str]:
    """Yield a sentence or two on each thing that was looked at."""
    survey = advice.survey
    yield f"{len(survey.data)} readings of {', '.join(survey.data.input_names)} and {_listed(survey)}."
    for name, why in advice.left_out.items():
        yield f"{name} is left out: {why}."
    yield from _straightness(survey)
    yield _directions(survey)
    yield from _gaps(survey)
    yield from _repeats(survey)
    if survey.drift is not None and survey.drift > DRIFTING:
        yield (
            f"What is left of one reading is like what is left of the next (correlation {survey.drift:.2f}): "
            "something wanders, as ambient light does. Methods that follow it (`aim`, `bayes`) gain by that."
        )


def _listed(survey: Survey) -> str:
    return ", ".join(survey.data.output_names)


def _straightness(survey: Survey) -> Iterator[str]:
    bent = [one for one in survey.straightness if one.bent]
    if all(one.p is None for one in survey.straightness):
        yield "Too few readings to tell whether outputs bend."
    elif not bent:
        yield from _lines([one for one in survey.straightness if one.explained >= VAGUE])
        yield from _noisy([one for one in survey.straightness if one.explained < VAGUE])
    for one in bent:
        yield (
            f"{one.output} bends: a straight line explains {_percent(one.explained)} of it and is off by "
            f"{_percent(one.bend)} of its range (p = {one.p:.1g})."
        )


def _lines(straight: Sequence[Straightness]) -> Iterator[str]:
    """Say what is linear, by the output of which a line explains least."""
    if straight:
        worst = min(straight, key=lambda one: one.explained)
        others = f", and more of {', '.join(one.output for one in straight if one is not worst)}"
        more = others if len(straight) > 1 else ""
        yield f"Linear: a straight line explains {_percent(worst.explained)} of {worst.output}{more}."


def _noisy(vague: Sequence[Straightness]) -> Iterator[str]:
    """Say of which outputs a line leaves much without their bending."""
    if vague:
        shares = ", ".join(f"{_percent(one.explained)} of {one.output}" for one in vague)
        yield f"No bend is seen, but a straight line explains {shares}: the rest is noise, or what no input tells."


def _directions(survey: Survey) -> str:
    n = len(survey.data.input_names)
    if survey.free:
        return (
            f"Not one-to-one: outputs tell {survey.rank} of {n} directions of the inputs, and leave "
            f"{', '.join(survey.free)} open at least in part. A target has many answers: see `solutions`."
        )
    if survey.folded >= FOLDED:
        return (
            f"Not one-to-one: the derivative changes its sign; {_percent(survey.folded)} of the readings lie on the "
            "other side of the fold. A target has several answers: gmm and forest can give them, a line cannot."
        )
    told = "the input" if n == 1 else f"all {n} inputs"
    return (
        f"One-to-one: outputs tell {told}, and move by at least {survey.sharpness:.0f} times their scatter "
        f"along each direction (more than {SEEN:.0f} standard errors)."
    )


def _gaps(survey: Survey) -> Iterator[str]:
    ratio, middle = survey.gap
    where = ", ".join(f"{n} {x:.3g}" for n, x in zip(survey.data.input_names, middle.tolist(), strict=True))
    if ratio > HOLE:
        yield f"A gap, {ratio:.1f} times the widest of a Latin hypercube of as many, about {where}: measure there."
    else:
        yield f"No gap: the widest is {ratio:.1f} times that of a Latin hypercube of as many readings."


def _repeats(survey: Survey) -> Iterator[str]:
    settings, copies = survey.repeats
    if copies:
        yield f"{copies} readings are copies of others to the last digit: nothing new, which looks like certainty."
    if settings - copies > 0:
        yield f"{settings - copies} readings repeat a setting: they tell the scatter alone."


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %" if share < 0.999 else f"{100 * share:.2f} %"
