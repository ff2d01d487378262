"""ForestDiffusion with nothing but its defaults: inputs as columns, outputs as covariates."""

from typing import Any

import numpy as np
from ForestDiffusion import ForestDiffusionModel

from retrolux.models.dataset import Dataset
from retrolux.models.model import Array


def fitted(data: Dataset) -> Any:
    """A flow of 50 levels, 100 copies of each reading, 100 trees of depth 7; a worker process a core."""
    return ForestDiffusionModel(data.inputs.copy(), X_covs=data.outputs.copy())


def drawn(model: Any, targets: Array, n: int) -> Array:
    """Draw n inputs of each target, shape (n_targets, n, n_inputs)."""
    given = np.repeat(targets, n, axis=0)
    return np.asarray(model.generate(batch_size=len(given), X_covs=given)).reshape(len(targets), n, -1)
