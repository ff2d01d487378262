"""``linear``: a least-squares line for every output, and a bounded programme for the way back."""

from typing import ClassVar

from retrolux.models import answering, least_squares, many, readings
from retrolux.models.conditional import Conditional, Fit, Resampled
from retrolux.models.method import Names
from retrolux.models.model import Array, Posterior, Progress
from retrolux.models.moments import Moments
from retrolux.models.regression import Regression
from retrolux.models.setting import Setting
from retrolux.models.settling import Wish
from retrolux.models.solution import Solution
from retrolux.models.solutions import Solutions
from retrolux.models.updating import Updating


class LinearModel(Updating):
    """Outputs are linear in the inputs; inputs are those within bounds that miss the target least.

    Forward: ``y = b₀ + xB + e``, ``e ~ N(0, S)``, by least squares. Backward: see
    :class:`least_squares.Programme`. The interval is Student's t about it, with the line's leverage.
    """

    method: ClassVar[str] = "linear"
    straight: ClassVar[bool] = True
    fit_class: ClassVar[type[Fit]] = Regression

    def _conditional(self, given: Names, wanted: Names, progress: Progress | None = None) -> Conditional:
        if not given:
            return Resampled(readings.complete(self.data, wanted, 1))
        line = self._line(given, wanted)
        if progress:
            progress(1.0)
        return line

    def _prepare(self, names: Names, progress: Progress | None = None) -> None:
        self._conditional(self.input_names, names, progress)

    def _recover(self, names: Names, rows: Array, samples: int, seed: int) -> Posterior:  # noqa: ARG002 - no draws
        return self._programme(names).solve(rows)

    def _invert(
        self,
        names: Names,
        values: Array,
        samples: int,
        seed: int,
        setting: Setting | None,
    ) -> Solution:
        """Return inputs that give the target, or come nearest to it in counts."""
        posterior = self._programme(names).solve(values[None], wish=True)
        return answering.answered(Wish(self, names, values), posterior, samples, seed, setting)

    def _invert_many(
        self,
        names: Names,
        rows: Array,
        samples: int,  # noqa: ARG002 - no draws
        seed: int,  # noqa: ARG002
        setting: Setting | None,
    ) -> Solutions:
        return many.answered(self, names, rows, self._programme(names).solve(rows, wish=True), setting)

    def _possible(self, names: Names, values: Array, samples: int, seed: int) -> Array:
        line = self._line(self.input_names, names)
        return least_squares.draw_within_bounds(line, values, self._seen, samples, seed)

    prior_moves: ClassVar[bool] = False
    nearest_in_counts: ClassVar[bool] = True

    def _moves(self, names: Names, values: Array, inputs: Array) -> Array:
        return self._programme(names).derivative(values, inputs)

    def _programme(self, names: Names) -> least_squares.Programme:
        return self._once(
            ("programme", names), lambda: least_squares.Programme(self._line(self.input_names, names), self._seen)
        )

    def _line(self, given: Names, wanted: Names) -> Regression:
        fit = self._kept_fit(given, wanted)
        assert isinstance(fit, Regression)  # noqa: S101 - for the type checker
        return fit

    def _again(self, given: Names, wanted: Names) -> Regression:
        told, n = Moments.joined(self._moments(given + wanted, len(given) + self.spare)), len(given)
        rows = least_squares.few(told.n, n, len(wanted))
        return least_squares.fit_line(told, n, readings.complete(self.data, given + wanted, 0) if rows else None)
