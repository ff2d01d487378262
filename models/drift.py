"""Whether readings have drifted away from what a model says of them."""

from dataclasses import dataclass, field

import numpy as np

from retrolux.models.posterior import Array

ALLOWED = 0.5
"""Standard deviations by which readings may be off without being minded: half of the least shift that is looked for."""
LIMIT = 12.0
"""Sum of what is beyond, in standard deviations, at which an alarm is raised."""
FARTHEST = 4.0
"""Standard deviations that a reading counts for at most: one outlier is no drift."""


@dataclass
class Drift:
    """A cumulative sum of each output's residuals, both ways (Page 1954, *Biometrika* 41, 100).

    Of ten outputs whose residuals are independent and normal an alarm is false once in about 50,000 readings (Siegmund,
    *Sequential Analysis*, 1985); a shift of one standard deviation is found after 25 readings, of two after 9.

    Attributes
    ----------
    up, down : ndarray, shape (n_outputs,)
    n : int
        Readings seen.
    """

    up: Array
    down: Array
    n: int = 0
    alarms: set[int] = field(default_factory=set)
    """Indices of the outputs that have drifted."""

    @classmethod
    def none(cls, n_outputs: int) -> "Drift":
        """Return that of no readings."""
        return cls(np.zeros(n_outputs), np.zeros(n_outputs))

    def see(self, residuals: Array) -> None:
        """Take in residuals in their standard deviations, shape (n_rows, n_outputs); NaN where nothing is known."""
        for row in np.clip(np.nan_to_num(residuals), -FARTHEST, FARTHEST):
            told = np.where(row == 0, 0.0, ALLOWED)
            self.up, self.down = np.maximum(self.up + row - told, 0), np.maximum(self.down - row - told, 0)
            self.alarms |= set(np.flatnonzero(np.maximum(self.up, self.down) > LIMIT).tolist())
            self.n += 1
