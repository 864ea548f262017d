"""Features of a kernel before a linear model: together they are a kernel machine on what the step reads."""

from __future__ import annotations

import numpy as np

from cryptable.graphs.graph import FloatArray, LinearModel
from cryptable.graphs.kernels import KernelMachine
from cryptable.importers.pipelines.products import Follow, Steps, linear_behind, named_after
from cryptable.importers.pipelines.rebase_kernels import rebase_kernels
from cryptable.importers.pipelines.registry import apply_steps, fitted, preprocessor
from cryptable.importers.pipelines.shapes import Column
from cryptable.importers.pipelines.stage import Stage, Step
from cryptable.importers.reading.kernels import Kernel, read_kernel_machine

_CLASSES = ("Nystroem", "RBFSampler")


@preprocessor("sklearn.kernel_approximation.Nystroem", "sklearn.kernel_approximation.RBFSampler")
def read_alone(step: Step, stage: Stage) -> tuple[Column, ...]:
    """Where no linear model follows: each feature is a function of all columns."""
    raise stage.refusal(
        f"the features that {type(step).__name__} makes can be compiled where a linear model follows, and where "
        "X_train has numbers alone; let one follow (SGDOneClassSVM, LinearSVC, Ridge), or fit trees without the step"
    )


def makes_kernel_features(steps: Steps) -> bool:
    """Whether a step does: others need not be looked into."""
    return any(_is_kernel(step) for _, step in steps)


def read_kernel_features(steps: Steps, stage: Stage, follow: Follow) -> KernelMachine | None:
    """The graph of a pipeline in which a linear model follows features of a kernel.

    Args:
        steps: all but the model.
        stage: before the first step.
        follow: reads what comes after the step.

    Returns:
        None where what follows is not linear in the features.

    Raises:
        UnsupportedModelError: another kernel, a column before it that is no affine function of raw ones, or a later
            step that cannot be read.
    """
    place = next(place for place, (_, step) in enumerate(steps) if _is_kernel(step))
    _, step = steps[place]
    before = apply_steps(steps[:place], stage)
    graph = linear_behind(steps, place, stage, before, follow)
    if graph is None:
        return None
    names = tuple(f"x{index}" for index in range(len(before.columns)))
    machine = _of_cosines if type(step).__name__ == "RBFSampler" else _of_vectors
    return rebase_kernels(machine(step, graph, names), named_after(steps[place], before))


def _of_vectors(step: Step, graph: LinearModel, names: tuple[str, ...]) -> KernelMachine:
    """Kernels with the rows that Nystroem has kept, times what it makes them orthonormal by."""
    vectors = fitted(step, "components_", type(step).__name__)
    gamma = 1.0 / vectors.shape[1] if step.gamma is None else float(step.gamma)
    coef0 = 1.0 if step.coef0 is None else float(step.coef0)
    degree = 3.0 if step.degree is None else float(step.degree)
    return read_kernel_machine(
        Kernel(step.kernel if isinstance(step.kernel, str) else "of a function", gamma, coef0, degree),
        vectors,
        step.normalization_.T @ graph.coefficients,
        graph.intercept,
        what=type(step).__name__,
        feature_names=names,
        link=graph.link,
        labels=graph.labels,
    )


def _of_cosines(step: Step, graph: LinearModel, names: tuple[str, ...]) -> KernelMachine:
    """Random Fourier features: cos(x @ weights + offset), times sqrt(2 / features)."""
    slopes = np.asarray(fitted(step, "random_weights_", type(step).__name__), np.float64)
    scale = float(np.sqrt(2.0 / slopes.shape[1]))
    return KernelMachine(
        names,
        slopes,
        np.zeros(slopes.shape[0]),
        np.asarray(step.random_offset_, np.float64),
        _cosine,
        scale * graph.coefficients,
        graph.intercept,
        graph.link,
        graph.labels,
    )


def _cosine(sums: FloatArray) -> FloatArray:
    found: FloatArray = np.cos(sums)
    return found


def _is_kernel(step: Step) -> bool:
    classes = type(step).__mro__
    return any(each.__module__.startswith("sklearn.") and each.__name__ in _CLASSES for each in classes)
