"""gmr as its own example has it: a mixture of three Gaussians of inputs and outputs, conditioned on outputs."""

import numpy as np
from gmr import GMM

from retrolux.models.dataset import Dataset
from retrolux.models.model import Array

COMPONENTS = 3


class Mixture:
    """Inputs first, then outputs; columns as they are."""

    def __init__(self, data: Dataset) -> None:
        self.n_inputs = data.inputs.shape[1]
        self.given = np.arange(self.n_inputs, self.n_inputs + data.outputs.shape[1])
        self.model = GMM(n_components=COMPONENTS, random_state=0)
        self.model.from_samples(np.hstack([data.inputs, data.outputs]))

    def answer(self, target: Array, samples: int = 500) -> tuple[Array, Array, Array]:
        """Mean, standard deviation and 90 % interval of the inputs: ``condition``, then ``sample``."""
        conditional = self.model.condition(self.given, target)
        drawn = conditional.sample(samples)
        return drawn.mean(axis=0), drawn.std(axis=0), np.quantile(drawn, [0.05, 0.95], axis=0)

    def predicted(self, targets: Array) -> Array:
        """Mean inputs of many targets, shape (n_targets, n_inputs): ``predict``, which loops over them."""
        return np.asarray(self.model.predict(self.given, targets))
