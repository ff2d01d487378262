"""Points of the usual distributions, kept once they were asked for: SciPy takes a tenth of a millisecond for each."""

from functools import lru_cache

from scipy import stats


@lru_cache(maxsize=256)
def chi2(level: float, dof: int) -> float:
    """Return the point of χ² below which this part of it lies."""
    return float(stats.chi2.ppf(level, dof))


@lru_cache(maxsize=256)
def student(level: float, dof: float) -> float:
    """Return the point of Student's t below which this part of it lies."""
    return float(stats.t.ppf(level, dof))


@lru_cache(maxsize=256)
def fisher(level: float, first: float, second: float) -> float:
    """Return the point of F below which this part of it lies."""
    return float(stats.f.ppf(level, first, second))
