"""The paper's two straight methods, by scikit-learn and SciPy."""

import numpy as np
from scipy.optimize import minimize
from sklearn.cross_decomposition import PLSRegression
from sklearn.linear_model import LinearRegression

from retrolux.models.dataset import Dataset
from retrolux.models.model import Array


class Programme:
    """Outputs by linear regression; inputs by a bounded nonlinear programme, SLSQP from the middle."""

    def __init__(self, data: Dataset) -> None:
        self.model = LinearRegression().fit(data.inputs, data.outputs)
        self.n_inputs = data.inputs.shape[1]

    def answer(self, target: Array) -> Array:
        """The inputs in [0, 1] whose predicted outputs are off by least, in parts of the target."""

        def missed(inputs: Array) -> float:
            return float((((self.model.predict(inputs[None])[0] - target) / target) ** 2).sum())

        start, bounds = np.full(self.n_inputs, 0.5), [(0, 1)] * self.n_inputs
        return np.asarray(minimize(missed, start, bounds=bounds, method="SLSQP").x)


class Backward:
    """Inputs of outputs by partial least squares, as many components as there are inputs."""

    def __init__(self, data: Dataset) -> None:
        self.model = PLSRegression(n_components=min(data.inputs.shape[1], data.outputs.shape[1]))
        self.model.fit(data.outputs, data.inputs)

    def answer(self, target: Array) -> Array:
        """The inputs of one target."""
        return np.asarray(self.model.predict(target[None])[0])

    def predicted(self, targets: Array) -> Array:
        """The inputs of many, shape (n_targets, n_inputs)."""
        return np.asarray(self.model.predict(targets))
