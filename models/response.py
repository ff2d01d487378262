"""What the light alone makes of its inputs: nearly a line, with a step at either end and a bend."""

from dataclasses import dataclass

import numpy as np

from retrolux.models.model import Array

FEATURES = 4
"""Of each input x: x itself, whether it is on at all, whether it is fully on, and x (1 − x)."""


def features(inputs: Array) -> Array:
    """Return the features of inputs in [0, 1].

    A pulse that begins or ends late makes a step where pulses begin and one where they end, at full duty; an LED's own
    heat bends the line between.

    Parameters
    ----------
    inputs : ndarray, shape (n_rows, n_inputs)

    Returns
    -------
    ndarray, shape (n_rows, 4 n_inputs)
        First the inputs, then the steps at 0, the steps at 1 and the bends.
    """
    return np.hstack([inputs, inputs > 0, inputs >= 1, inputs * (1 - inputs)])


@dataclass(frozen=True, eq=False)
class Response:
    """Outputs of the light alone.

    Attributes
    ----------
    coefficients : ndarray, shape (n_outputs, 4 n_inputs)
        Of :func:`features`.
    """

    coefficients: Array

    @property
    def gains(self) -> Array:
        """Outputs by unit of each input, without steps and bends, shape (n_outputs, n_inputs)."""
        gains: Array = self.coefficients[:, : self.coefficients.shape[1] // FEATURES]
        return gains

    def predict(self, inputs: Array) -> Array:
        """Return outputs, shape (n_rows, n_outputs)."""
        return np.asarray(features(inputs) @ self.coefficients.T)

    def slopes(self, inputs: Array) -> Array:
        """Return the derivative of the outputs between the steps, shape (n_rows, n_outputs, n_inputs)."""
        n = inputs.shape[1]
        bends = self.coefficients[:, 3 * n :]
        return np.asarray(self.gains + bends * (1 - 2 * inputs)[:, None, :])
