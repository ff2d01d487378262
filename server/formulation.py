"""An example that is no light: a shampoo-like formulation of five ingredients, computed and not measured.

What it shows is the way of a table of any columns through fit, evaluate and invert: inputs in units of their own, fewer
outputs than inputs, and a response that bends.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

Array = NDArray[np.float64]

INGREDIENTS = {"surfactant": (5.0, 20.0), "salt": (0.0, 4.0), "polymer": (0.0, 1.5), "glycerol": (0.0, 10.0)}
INGREDIENTS |= {"acid": (0.0, 1.0)}
"""Least and largest share of each, in mass per cent."""

PROPERTIES = {"viscosity": 4.0, "pH": 0.03, "turbidity": 0.5}
"""Standard deviation of a measurement: mPa·s, pH, NTU."""

REMARK = "# A made-up formulation: computed, not measured. Mass per cent; viscosity in mPa.s, turbidity in NTU."


def properties(shares: Array) -> Array:
    """Return viscosity, pH and turbidity without noise, shape (n_rows, 3), of shares, shape (n_rows, 5)."""
    surfactant, salt, polymer, glycerol, acid = shares.T
    viscosity = 30 + 4 * surfactant + 60 * salt - 8 * salt**2 + 120 * polymer + 3 * surfactant * polymer + 2 * glycerol
    acidity = 7.5 - 2.2 * acid + 0.03 * surfactant
    turbidity = 4 + 0.5 * surfactant + 6 * salt + 2 * salt * polymer - 0.2 * glycerol
    return np.column_stack([viscosity, acidity, turbidity])


def table(n: int, seed: int) -> tuple[list[str], Array]:
    """Return the columns' names and n rows: a Latin hypercube of ingredients, and what was measured of each."""
    low, high = np.array(list(INGREDIENTS.values())).T
    shares = np.round(qmc.scale(qmc.LatinHypercube(len(low), seed=seed).random(n), low, high), 3)
    noise = np.random.default_rng(seed).normal(size=(n, len(PROPERTIES))) * list(PROPERTIES.values())
    return [*INGREDIENTS, *PROPERTIES], np.hstack([shares, properties(shares) + noise])


def lines(n: int, seed: int) -> Iterator[str]:
    """Yield the lines of the table as CSV, the remark first."""
    names, rows = table(n, seed)
    yield REMARK
    yield ",".join(names)
    for row in rows:
        yield ",".join(f"{value:.6g}" for value in row)
