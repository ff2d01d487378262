"""``pls``: partial least squares, straight from outputs to inputs."""

from typing import ClassVar

from retrolux.models import partial_least_squares, readings
from retrolux.models.conditional import Conditional, Fit, Resampled
from retrolux.models.method import Names
from retrolux.models.model import Progress
from retrolux.models.regression import Regression
from retrolux.models.updating import Updating

FEW = 100
"""Readings below which the parts left out in turn are of equal size; more keep each the part that they are of."""


class PlsModel(Updating):
    """Inputs are regressed on the outputs of the target, one regression for each set of them, kept once made.

    Columns that see mostly ambient light enter with the weights that cancel it. The number of components is chosen by
    cross-validation, and the interval is Student's t about the cross-validated residuals. An answer beyond the bounds
    is clipped. The way forward is a regression of outputs on inputs by the same method.
    """

    method: ClassVar[str] = "pls"
    straight: ClassVar[bool] = True
    fit_class: ClassVar[type[Fit]] = Regression
    n_folds: ClassVar[int] = partial_least_squares.FOLDS

    def _conditional(self, given: Names, wanted: Names, progress: Progress | None = None) -> Conditional:
        if not given:
            return Resampled(readings.complete(self.data, wanted, 1))
        fit = self._kept(given, wanted, lambda: self._fit_line(given, wanted, progress))
        assert isinstance(fit, Regression)  # noqa: S101 - for the type checker
        return fit

    def _again(self, given: Names, wanted: Names) -> Regression:
        return self._fit_line(given, wanted, None)

    def _fit_line(self, given: Names, wanted: Names, progress: Progress | None) -> Regression:
        parts, n = self._moments(given + wanted, len(self.input_names) + self.spare), len(given)
        if sum(part.n for part in parts) >= max(FEW, 2 * len(wanted)) and len(parts) > 1:
            return partial_least_squares.fit_folds(parts, n, progress=progress)
        table = readings.complete(self.data, given + wanted, 0)
        return partial_least_squares.fit_line(table[:, :n], table[:, n:], seed=self.seed, progress=progress)[0]
