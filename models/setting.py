"""Under which ambient light a target of the light alone is meant."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from retrolux.models.ambient import Ambient
from retrolux.models.posterior import Array, Posterior
from retrolux.models.state_space import StateSpace


@dataclass(frozen=True, eq=False)
class Setting:
    """What a method of the light alone is told when the light is not alone.

    Attributes
    ----------
    ambient : Ambient
        Of all the method's outputs.
    shifts : callable
        Returns by how much uncertain ambient light moves the inputs, covariance, (n_inputs, n_inputs).
    world : StateSpace
        The light's response and scatter, as the readings tell them.
    """

    ambient: Ambient
    shifts: Callable[[Ambient], Array]
    world: StateSpace

    def widened(self, posterior: Posterior, names: Sequence[str]) -> Posterior:
        """Return a posterior from these outputs with the ambient light's uncertainty in it."""
        return posterior.widened(self.shifts(self.ambient.of(names))[None])
