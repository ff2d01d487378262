"""``gp``: a Gaussian process from outputs to inputs, beside the paper's methods for comparison."""

import warnings
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from scipy import stats
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, DotProduct, Kernel, WhiteKernel

from retrolux.models import readings, storage
from retrolux.models.conditional import TAIL, Conditional, Fit, Resampled
from retrolux.models.method import Method, Names
from retrolux.models.model import Array, Posterior, Progress

MOST = 300
"""Readings it learns from, drawn evenly: its work grows with their third power."""


class GpModel(Method):
    """Inputs are a straight line and a smooth function of the outputs, both Gaussian processes, and noise.

    The length of the smooth part, the sizes and the noise are those of the greatest marginal likelihood (Rasmussen &
    Williams, *Gaussian Processes for Machine Learning*, 2006, section 5.4). The way forward is one of the same kind.
    """

    method: ClassVar[str] = "gp"
    smooth: ClassVar[bool] = False  # there is a slope, but nothing tells it
    fit_class: ClassVar[type[Fit]]

    @property
    def parameters(self) -> None:
        """None: it keeps readings instead."""

    def _conditional(self, given: Names, wanted: Names, progress: Progress | None = None) -> Conditional:  # noqa: ARG002
        if not given:
            return Resampled(readings.complete(self.data, wanted, 1))
        fit = self._kept(given, wanted, lambda: self._learn_process(given, wanted))
        assert isinstance(fit, Process)  # noqa: S101 - for the type checker
        return fit

    def _learn_process(self, given: Names, wanted: Names) -> "Process":
        table = readings.complete(self.data, given + wanted, len(self.input_names) + self.spare)
        rows = table[readings.spread(len(table), MOST)]
        return Process.learn(rows[:, : len(given)], rows[:, len(given) :], self.seed)


@dataclass(frozen=True, eq=False)
class Process(Conditional, Fit):
    """Wanted columns given others.

    Attributes
    ----------
    given, wanted : ndarray, shape (n_rows, n_columns)
        The readings.
    theta : ndarray
        Logarithms of the kernel's parameters.
    """

    given: Array
    wanted: Array
    theta: Array

    @classmethod
    def learn(cls, given: Array, wanted: Array, seed: int) -> Self:
        """Find the kernel of the greatest marginal likelihood."""
        with warnings.catch_warnings():  # a parameter at its bound is an answer: that part of the kernel is not needed
            warnings.simplefilter("ignore", ConvergenceWarning)
            found = _regressor(given, wanted, _kernel(), seed, "fmin_l_bfgs_b")
        return cls(given, wanted, np.asarray(found.kernel_.theta))

    def mean(self, given: Array) -> Array:
        """Return the expected columns for each row."""
        return self.posterior(given, samples=0, seed=0).mean

    def posterior(self, given: Array, *, samples: int, seed: int) -> Posterior:  # noqa: ARG002 - in closed form
        """Return the process's normal distribution, with the noise of a reading, for each row."""
        regressor = _regressor(self.given, self.wanted, _kernel().clone_with_theta(self.theta), 0, None)
        mean, std = regressor.predict(_standard(given, self.given), return_std=True)
        unit, middle = _unit(self.wanted), self.wanted.mean(axis=0)
        mean, std = (np.asarray(a, dtype=np.float64).reshape(len(given), -1) for a in (mean, std))
        half = stats.norm.ppf(1 - TAIL) * std * unit
        return Posterior(middle + mean * unit, std * unit, middle + mean * unit - half, middle + mean * unit + half)

    def draw(self, given: Array, *, seed: int) -> Array:
        """Return one draw for each row."""
        found = self.posterior(given, samples=0, seed=0)
        return np.asarray(found.mean + found.std * np.random.default_rng(seed).standard_normal(found.mean.shape))

    def to_files(self) -> dict[str, bytes]:
        """Return one npz file."""
        return {"process.npz": storage.pack({"given": self.given, "wanted": self.wanted, "theta": self.theta})}

    @classmethod
    def from_files(cls, files: dict[str, bytes]) -> Self:
        """Rebuild the process. Raises ModelUnreadable, KeyError."""
        return cls(**storage.unpack(files["process.npz"]))


GpModel.fit_class = Process


def _kernel() -> Kernel:
    line = ConstantKernel(1.0, (1e-4, 1e4)) * DotProduct(1.0, (1e-3, 1e3))
    smooth = ConstantKernel(0.01, (1e-6, 1e2)) * RBF(3.0, (0.5, 1e2))
    return line + smooth + WhiteKernel(1e-4, (1e-10, 1.0))


def _regressor(
    given: Array, wanted: Array, kernel: Kernel, seed: int, optimizer: str | None
) -> GaussianProcessRegressor:
    regressor = GaussianProcessRegressor(kernel, optimizer=optimizer, alpha=1e-10, random_state=seed)
    return regressor.fit(_standard(given, given), (wanted - wanted.mean(axis=0)) / _unit(wanted))


def _standard(rows: Array, known: Array) -> Array:
    return np.asarray((rows - known.mean(axis=0)) / _unit(known))


def _unit(columns: Array) -> Array:
    spread: Array = columns.std(axis=0)
    return np.where(spread > 0, spread, 1.0)
