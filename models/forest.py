"""``forest``: ForestDiffusion's flow about a line."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, ClassVar

from retrolux.models import derivatives, forest_library, forward, priors, readings
from retrolux.models.conditional import Conditional, Fit
from retrolux.models.flow_settings import FlowSettings, chosen
from retrolux.models.line_and_flow import FlowGiven
from retrolux.models.method import Method, Names
from retrolux.models.model import Array, Progress


class ForestModel(Method):
    """The distribution of inputs given outputs, and the reverse, as a flow learnt by boosted trees about a line.

    One fit for each pattern of columns, kept once made. Trees alone would have to build a slope out of steps; the line
    spares them that, and they learn what it does not say: the shape of the scatter and the bends.

    Parameters
    ----------
    targets : sequence of str, optional
        See :class:`Method`.
    settings : FlowSettings or mapping, optional
        Size of the flow; ``{"preset": "paper"}`` is the paper's, see
        :data:`~retrolux.models.flow_settings.PRESETS`.
    """

    method: ClassVar[str] = "forest"
    fit_class: ClassVar[type[Fit]] = FlowGiven
    libraries: ClassVar[Names] = ("ForestDiffusion", forest_library.distribution())
    spare: ClassVar[int] = 7
    calibrates: ClassVar[bool] = False  # readings it learnt from say nothing: trees know them; it has folds of its own
    smooth: ClassVar[bool] = False
    moves_of: ClassVar[str] = derivatives.LINE

    def __init__(
        self,
        *,
        targets: tuple[str, ...] | None = None,
        settings: FlowSettings | Mapping[str, Any] | None = None,
        prior: str = priors.DESIGN,
    ) -> None:
        super().__init__(targets=targets, prior=prior)
        self.settings = chosen(settings)

    def _options(self) -> dict[str, Any]:
        return super()._options() | {"settings": asdict(self.settings)}

    @property
    def parameters(self) -> None:
        """None: trees have none that could be compared."""

    def _bends(self, names: Names) -> bool:  # noqa: ARG002 - trees may bend anywhere
        return True

    def _conditional(self, given: Names, wanted: Names, progress: Progress | None = None) -> Conditional:
        fit = self._kept(given, wanted, lambda: self._learn_flow(given, wanted, progress))
        assert isinstance(fit, FlowGiven)  # noqa: S101 - for the type checker
        return fit

    def _learn_flow(self, given: Names, wanted: Names, progress: Progress | None) -> FlowGiven:
        table = readings.complete(self.data, given + wanted, len(self.input_names) + self.spare)
        x, y = table[:, : len(given)], table[:, len(given) :]
        inside = (y > 0) & (y < 1) if wanted == self.input_names else None
        return FlowGiven.learn(x, y, self.settings, seed=self.seed, inside=inside, progress=progress)

    def _outlook(self, names: Names) -> Callable[[Array], Array]:
        """Return a smooth surface through some hundred forward predictions."""
        return forward.surface(super()._outlook(names), len(self.input_names))
