"""What kernel machines share: kernels that are functions of one sum over features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from cryptable_protocol import Labels, Link

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import FloatArray
from cryptable.graphs.kernels import KernelMachine

KERNELS = ("rbf", "sigmoid", "poly", "polynomial")


@dataclass(frozen=True)
class Kernel:
    """A kernel by name, with its parameters as scikit-learn calls them."""

    name: str
    gamma: float
    coef0: float = 1.0
    degree: float = 3.0


def read_kernel_machine(
    kernel: Kernel,
    vectors: FloatArray,
    weights: FloatArray,
    base: FloatArray,
    *,
    what: str,
    feature_names: tuple[str, ...],
    link: Link,
    labels: Labels | None,
) -> KernelMachine:
    """The sum over vectors of weight times kernel, plus a base.

    Args:
        kernel: of `KERNELS`.
        vectors: shape (vectors, features).
        weights: shape (vectors, outputs).
        base: shape (outputs,).
        what: the estimator, for the message.
        feature_names: of the columns.
        link: what scores mean.
        labels: of the classes.

    Raises:
        UnsupportedModelError: another kernel.
    """
    vectors = np.asarray(vectors.toarray() if hasattr(vectors, "toarray") else vectors, np.float64)
    gamma, coef0, degree = kernel.gamma, kernel.coef0, kernel.degree
    function: Callable[[FloatArray], FloatArray]
    slopes, curvatures, offset = gamma * vectors.T, np.zeros(vectors.shape[1]), np.full(len(vectors), coef0)
    if kernel.name == "rbf":
        function = decaying
        # gamma |x − v|² = gamma |x|² − 2 gamma x · v + gamma |v|²
        slopes, curvatures = -2 * slopes, np.full(vectors.shape[1], gamma)
        offset = gamma * np.sum(vectors**2, axis=1)
    elif kernel.name == "sigmoid":
        function = np.tanh
    elif kernel.name in ("poly", "polynomial"):
        function = _power(degree)
    else:
        raise UnsupportedModelError(
            f"{what} has the kernel {kernel.name!r}, which is not known as a function of one sum over features; "
            f"fit it with kernel={' or '.join(map(repr, KERNELS[:3]))}, or a linear model"
        )
    return KernelMachine(
        feature_names, slopes, curvatures, offset, function, np.asarray(weights, np.float64), base, link, labels
    )


def decaying(sums: FloatArray) -> FloatArray:
    """e^-s; of distances, which are 0 at least."""
    found: FloatArray = np.exp(-np.maximum(sums, 0.0))
    return found


def _power(degree: float) -> Callable[[FloatArray], FloatArray]:
    def function(sums: FloatArray) -> FloatArray:
        found: FloatArray = sums**degree
        return found

    return function
