"""``gmm``: a Gaussian mixture of inputs and outputs together, asked by conditioning."""

from typing import ClassVar

import numpy as np

from retrolux.models import mixture_density, readings
from retrolux.models.conditional import Fit
from retrolux.models.method import Names
from retrolux.models.mixture import Mixture, MixtureGiven
from retrolux.models.model import Array, Progress
from retrolux.models.moments import Moments
from retrolux.models.novelty import Ranked
from retrolux.models.updating import Updating


class GmmModel(Updating):
    """One joint distribution of inputs and outputs; any columns given, it says what is known of the others.

    Saturated readings are left out column by column: a question is answered by the mixture of all columns that are
    complete in the readings where the question's own columns are, so that a channel which often saturates costs only
    the questions that name it.
    """

    method: ClassVar[str] = "gmm"
    fit_class: ClassVar[type[Fit]] = Mixture
    libraries: ClassVar[Names] = ("gmr",)

    def _conditional(self, given: Names, wanted: Names, progress: Progress | None = None) -> MixtureGiven:
        return self._once(("given", given, wanted), lambda: self._made(given, wanted, progress))

    def _made(self, given: Names, wanted: Names, progress: Progress | None) -> MixtureGiven:
        columns = self._joint_columns(given + wanted)
        minimum = max(len(given), len(self.input_names)) + self.spare
        fit = self._kept((), columns, lambda: self._learn_mixture(columns, minimum, progress))
        assert isinstance(fit, Mixture)  # noqa: S101 - for the type checker
        return fit.given([columns.index(name) for name in given], [columns.index(name) for name in wanted])

    def _joint_columns(self, asked: Names) -> Names:
        named = [name for name in asked if name in self.output_names]
        cells, counts = self._readings_told.patterns()
        rows = ~cells[:, [self.output_names.index(name) for name in named]].any(axis=1)
        whole = tuple(np.array(self.output_names)[~cells[rows].any(axis=0)].tolist())
        joint = self.input_names + whole
        if counts[rows].sum() >= 2 * len(joint):
            return joint
        return self.input_names + tuple(name for name in self.output_names if name in named)

    def _again(self, given: Names, wanted: Names) -> Mixture:  # noqa: ARG002 - one mixture serves for all
        return self._learn_mixture(wanted, len(self.input_names) + self.spare, None)

    def _learn_mixture(self, columns: Names, minimum: int, progress: Progress | None) -> Mixture:
        told, former = Moments.joined(self._moments(columns, minimum)), self._former.get(((), columns))
        if isinstance(former, Mixture) and len(former.priors) == 1:
            return Mixture.single(told)
        table = readings.complete(self.data, columns, 0)
        if isinstance(former, Mixture):
            return former.again(table)
        found = Mixture.learn(table, seed=self.seed, progress=progress)
        return Mixture.single(told) if len(found.priors) == 1 else found

    def _likelihood(self, names: Names, rows: Array) -> Ranked:
        """Return how unlikely the mixture holds these outputs."""
        given = self._conditional(self.input_names, names)
        return mixture_density.density(given.mixture, given.wanted.tolist(), rows)

    @property
    def parameters(self) -> int:
        """Shares, means and covariances of all components, in inputs and outputs."""
        mixture = self._conditional(self.input_names, self._groups()[0]).mixture
        k, d = len(mixture.priors), len(self.input_names) + len(self.output_names)
        return int(k - 1 + k * d + k * d * (d + 1) // 2)

    def _bends(self, names: Names) -> bool:
        """Return whether there are several components: one is a straight line."""
        return len(self._conditional(names, self.input_names).mixture.priors) > 1
