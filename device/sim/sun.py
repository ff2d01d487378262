"""How high the sun stands over Claude-Light's window, Pittsburgh."""

import math

LATITUDE, LONGITUDE = 40.44, -79.94  # degrees
RISEN = 0.15  # sine of the elevation from which on the day is bright; above, clouds matter and the height does not
_J2000 = 946_728_000.0  # epoch seconds of 2000-01-01 12:00 UTC
_DAY = 86_400.0


def sine_of_elevation(when: float) -> float:
    """Return the sine of the sun's elevation at a time in seconds since the epoch, to about a degree.

    Low-precision formulae of the Astronomical Almanac: mean longitude, equation of centre, obliquity.
    """
    days = (when - _J2000) / _DAY
    anomaly = math.radians(357.528 + 0.9856003 * days)
    longitude = math.radians(280.460 + 0.9856474 * days + 1.915 * math.sin(anomaly) + 0.020 * math.sin(2 * anomaly))
    obliquity = math.radians(23.439)
    declination = math.asin(math.sin(obliquity) * math.sin(longitude))
    ascension = math.atan2(math.cos(obliquity) * math.sin(longitude), math.cos(longitude))
    sidereal = math.radians((18.697374558 + 24.06570982441908 * days) % 24 * 15 + LONGITUDE)
    hour = sidereal - ascension
    latitude = math.radians(LATITUDE)
    return math.sin(latitude) * math.sin(declination) + math.cos(latitude) * math.cos(declination) * math.cos(hour)


def daylight(when: float) -> float:
    """Return the share of a bright day's light at a time, 0 … 1; the readings show no more than dusk and dawn."""
    return min(max(sine_of_elevation(when), 0.0) / RISEN, 1.0)
