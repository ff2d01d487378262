"""What three looks say of the three colours: each alone in its own channel, or which fault it has instead."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from retrolux.device.findings import (
    ALL_DEAD,
    ALL_STAY_ON,
    BLINDED,
    REVERSED,
    UNSEEN,
    Finding,
    State,
    good,
    skipped,
    swapped,
)
from retrolux.device.looks import DUTY, MOST_SENSITIVE, NIGHT, OWN, USUAL, Eyes, Look, spoken
from retrolux.device.measurement import CHANNELS
from retrolux.device.settings import COLOURS

Array = NDArray[np.float64]

TIMES = 10.0  # a colour's own channel sees it so many times stronger than the other colours
SEEN = 0.02  # of the usual light
VEIL = 0.05  # of the usual light, in every colour: something lies before the sensor
TRACE = 10  # counts that are no chance
WEAK = 0.15
LED_LIKE = ((("555nm", "680nm"), 1.6), (("555nm",), 2.5), (("415nm",), 5.0))
"""Of each colour: bands beside its own, and how many times as bright an LED's own band is than they, as no usual
ambient light is (daylight 0.8, 1.0, 1.9; a lamp of 2700 K 1.3, 0.7, 2.0: datasheet pages 10 to 14)."""
UNREST = 0.05  # of what is there in the dark: pulses of a light that stays on beat with the window, too
BRIGHT = 0.1  # of the usual light at full duty: less in the dark is no LED that stays on
GLIMMER = 8  # counts at the most sensitive setting; in the dark it has at most 3 to 5 (page 14)

CHECK_LED = "Check its wire, its resistor and the LED; does it light when the pin is at 3.3 V?"
CHECK_WIRES = "Exchange their wires, or their pins in [light] of the configuration."


class Judgement:
    """Judges the looks at red, green and blue.

    Parameters
    ----------
    looks : sequence of 3 Look

    Attributes
    ----------
    strengths : ndarray, shape (3, 3)
        What each colour that was asked for gives in red's, green's and blue's own channel, relative to the usual
        light of those.
    """

    def __init__(self, looks: Sequence[Look]) -> None:
        self.looks = tuple(looks)
        usual = DUTY * np.array(USUAL)
        self._usual = usual
        self.strengths: Array = np.array([[look.response(c) for c in OWN] for look in looks]) / usual
        least = [max(SEEN, 3 * look.drift / usual.min()) for look in looks]
        self._lights = self.strengths.max(axis=1) > np.array(least)
        self.stays = tuple(self._stays_on(k) for k in range(3))

    def _stays_on(self, k: int) -> bool:
        """Return whether a colour stays on: after it was lit, or all the time."""
        look, own, usual = self.looks[k], OWN[k], self._usual[k]
        if look.rise(own) > max(WEAK * usual, 3 * look.fall(own)):
            return True
        beside, times = LED_LIKE[k]
        dark = min(look.before[own], look.after[own])
        responds = abs(look.rise(own)) > SEEN * usual + look.drift + UNREST * dark
        bright = dark > BRIGHT * USUAL[k] and dark > times * max(look.before[c] for c in beside)
        return bright and not responds

    @property
    def reversed(self) -> bool:
        """Whether asking for light makes it dark."""
        return bool((np.diag(self.strengths) < -WEAK).sum() >= 2)

    @property
    def dark(self) -> bool:
        """Whether no colour gives anything, and none stays on."""
        return not self._lights.any() and not any(self.stays) and not self.blinded_by_light

    @property
    def blinded_by_light(self) -> bool:
        """Whether what is there without the light fills a channel, so that nothing can be said of the colours."""
        return any(c in look.saturated and look.rise(c) <= 0 for look in self.looks for c in OWN)

    @property
    def veiled(self) -> bool:
        """Whether each colour comes through, and very little of it."""
        own = np.diag(self.strengths)
        least = [max(TRACE, 3 * look.drift) for look in self.looks]
        seen = all(look.response(c) > n for look, c, n in zip(self.looks, OWN, least, strict=True))
        return seen and bool(own.max() < VEIL) and np.array_equal(self.strengths.argmax(axis=1), range(3))

    def lights_as(self, k: int) -> int | None:
        """Return which colour appears when one is asked for; None where none does."""
        return int(np.argmax(self.strengths[k])) if self._lights[k] else None

    def times(self, k: int) -> float:
        """Return how many times stronger a colour is in its own channel than the stronger of the others there."""
        others = max(self.strengths[j, k] for j in range(3) if j != k)
        return float(self.strengths[k, k] / max(others, 1 / self._usual[k]))

    def colour(self, k: int) -> Finding:
        """Return what is to be said of one colour."""
        name, seen = COLOURS[k], self.lights_as(k)
        if self.stays[k]:
            return skipped(name, f"{name.capitalize()} stays on, so that it cannot be tried.")
        if OWN[k] in self.looks[k].saturated and self.blinded_by_light:
            return skipped(name, f"{spoken(OWN[k])} is at its ceiling without any light, so {name} cannot be tried.")
        if seen is None:
            return self._bad(k, f"{name.capitalize()} gives no light: {self._counts(k)}.", CHECK_LED, f"{name} dead")
        if seen != k:
            return self._misplaced(k, seen)
        if self.times(k) < TIMES:
            text = f"{name.capitalize()} is not alone: {self._counts(k)}, only {self.times(k):.1f} × the others."
            remedy = "Check that no two colours' wires touch, and that it is an RGB LED with separate colours."
            return self._bad(k, text, remedy, f"{name} not alone")
        return self._alone(k)

    def _alone(self, k: int) -> Finding:
        text = f"{COLOURS[k].capitalize()} alone: {self._counts(k)}, {self.times(k):.0f} × the other colours."
        if self.strengths[k, k] < WEAK:
            share = 100 * self.strengths[k, k]
            text = f"{text} That is {share:.1f} % of what Claude-Light has."
            return Finding(
                COLOURS[k], State.ODD, text, "Is the LED near the sensor, and nothing between?", "", self._n(k)
            )
        return good(COLOURS[k], text, **self._n(k))

    def _misplaced(self, k: int, seen: int) -> Finding:
        name, other = COLOURS[k], COLOURS[seen]
        pair = self.lights_as(seen) == k
        fault = swapped(k, seen) if pair else f"{name} lights as {other}"
        there = self.looks[k].response(OWN[seen])
        text = f"Asked for {name}, {other} lights: {there:,.0f} counts at {spoken(OWN[seen])}, {self._counts(k)}."
        return self._bad(k, text, CHECK_WIRES, fault)

    def _counts(self, k: int) -> str:
        return f"{self.looks[k].response(OWN[k]):,.0f} counts at {spoken(OWN[k])}"

    def _bad(self, k: int, text: str, remedy: str, fault: str) -> Finding:
        return Finding(COLOURS[k], State.BAD, text, remedy, fault, self._n(k))

    def _n(self, k: int) -> dict[str, object]:
        counts = {c: round(self.looks[k].response(c), 1) for c in OWN}
        return {"counts": counts, "times": round(self.times(k), 2), "duty": DUTY}


def judge(eyes: Eyes, looks: Sequence[Look]) -> list[Finding]:
    """Return the findings ``view`` (light reaches the sensor), ``off`` (it goes dark), ``red``, ``green``, ``blue``."""
    judged = Judgement(looks)
    if judged.reversed:
        return [*_untried("The light is reversed."), _reversed(judged)]
    if judged.veiled:
        return [_veiled(judged), *_untried("The sensor sees too little light.", ("off", *COLOURS))]
    if judged.dark:
        return [_nothing_seen(eyes, judged), *_untried("The sensor sees no light.", ("off", *COLOURS))]
    view = good("view", "The sensor sees the light.")
    if judged.blinded_by_light and not any(judged.stays):
        view = skipped("view", "Without any light the sensor is at its ceiling already.")
    return [view, _goes_dark(judged), *(judged.colour(k) for k in range(3))]


def _untried(why: str, names: Sequence[str] = ("view", *COLOURS)) -> list[Finding]:
    return [skipped(name, why) for name in names]


def _reversed(judged: Judgement) -> Finding:
    text = "Asked for light, it goes dark, and shines when it should be dark."
    remedy = "The LED module is of the common-anode kind; one with a common cathode is needed."
    return Finding("off", State.BAD, text, remedy, REVERSED, {"strengths": judged.strengths.round(3).tolist()})


def _goes_dark(judged: Judgement) -> Finding:
    on = [k for k in range(3) if judged.stays[k]]
    if not on:
        return good("off", "The light goes dark between readings.")
    levels = {OWN[k]: round(judged.looks[k].after[OWN[k]]) for k in on}
    fault = ALL_STAY_ON if len(on) == 3 else f"{' and '.join(COLOURS[k] for k in on)} stays on"
    counts = ", ".join(f"{count:,} at {spoken(channel)}" for channel, count in levels.items())
    text = f"Switched off, {' and '.join(COLOURS[k] for k in on)} still shine{'s' * (len(on) == 1)}: {counts}."
    remedy = "Take its wire off the pin: if it shines on, it hangs on a supply line; if not, another program drives it."
    return Finding("off", State.BAD, text, remedy, fault, {"counts": levels})


def _nothing_seen(eyes: Eyes, judged: Judgement) -> Finding:
    """Tell a sensor that is covered from a light that is dead: by ambient light, or by what leaks through a cover."""
    dark = judged.looks[0].before
    if max(dark.values()) > GLIMMER:
        brightest = max(dark, key=lambda c: dark[c])
        text = f"No colour gives light; ambient light is seen ({dark[brightest]:,.0f} counts at {spoken(brightest)})."
        return _dead(text, {"dark": dark})
    night, full = (eyes.read(d, MOST_SENSITIVE) for d in (NIGHT, (1.0, 1.0, 1.0)))
    leaks = {c: full.outputs[c] - night.outputs[c] for c in OWN}
    numbers = {"dark": dict(night.outputs), "leaks": leaks}
    if all(count > GLIMMER for count in leaks.values()):
        counts = ", ".join(f"{count} at {spoken(c)}" for c, count in leaks.items())
        text = f"Next to no light comes through: {counts} with all colours full and the sensor at its most sensitive."
        return Finding("view", State.BAD, text, "Uncover the sensor, and turn it to the LED.", BLINDED, numbers)
    if max(night.outputs[c] for c in CHANNELS) > 3 * GLIMMER:
        return _dead("No colour gives light; some ambient light is seen.", numbers)
    text = "The sensor sees neither the light nor any ambient light."
    remedy = (
        "Hold a torch to the sensor and run this again: if it still sees nothing, it is covered or turned away; "
        "if it does, the LEDs are dead: check their common wire to GND."
    )
    return Finding("view", State.BAD, text, remedy, UNSEEN, numbers)


def _veiled(judged: Judgement) -> Finding:
    shares = np.diag(judged.strengths)
    each = ", ".join(f"{c} {100 * share:.2g} %" for c, share in zip(COLOURS, shares, strict=True))
    text = f"Little of the light comes through: of Claude-Light's {each}."
    remedy = "Uncover the sensor, and turn it to the LED; if it is free, the LED is too weak or too far."
    return Finding("view", State.BAD, text, remedy, BLINDED, {"shares": shares.round(5).tolist()})


def _dead(text: str, numbers: Mapping[str, object]) -> Finding:
    remedy = "Check the wire that all LEDs share (GND), the light's pins, and [light] of the configuration."
    return Finding("view", State.BAD, text, remedy, ALL_DEAD, numbers)
