"""hummingbird's way to ONNX, and from ONNX to NumPy: what people do before they compile. Loading it loads no ONNX."""

from __future__ import annotations

import copy
import functools
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from cryptable_protocol import InvalidInputError

from cryptable.errors import ImportMismatchError, UnsupportedModelError
from cryptable.graphs.graph import Estimator, FloatArray, Rows

if TYPE_CHECKING:
    import onnx

_OPSET = 17
_EXAMPLE_ROWS = 5
_CLOSE = 1e-3
"""Of the range of probabilities or predictions: hummingbird computes in single precision."""


def convert_with_hummingbird(estimator: Estimator, X: Rows) -> onnx.ModelProto:
    """A fitted estimator as an ONNX model, by `hummingbird.ml.convert`, with what that needs today.

    `multi_class` of LogisticRegression, without which it is converted wrongly, is put back on a copy, and torch exports
    by the exporter that hummingbird knows. What comes out is compared with the estimator on X.

    Args:
        estimator: fitted, of a class that hummingbird converts.
        X: rows, shape (rows, features).

    Returns:
        The model, which `cryptable.compile` takes.

    Raises:
        InvalidInputError: hummingbird is not installed (`cryptable[hummingbird]`).
        UnsupportedModelError: hummingbird cannot convert it.
        ImportMismatchError: it has converted it wrongly, as it does where XGBoost has a `base_score` of its own.
    """
    given = np.asarray(X, np.float32)
    if given.ndim != 2 or not len(given):
        raise InvalidInputError(f"X has shape {given.shape}, expected (rows, features) with at least one row")
    name = type(estimator).__name__
    with warnings.catch_warnings(), _known_exporter():
        warnings.simplefilter("ignore")  # of hummingbird's imports, and of torch's exporter
        try:
            import hummingbird.ml  # type: ignore[import-untyped]
        except ImportError as error:
            raise InvalidInputError(
                f"hummingbird cannot be imported ({error}): install cryptable[hummingbird]"
            ) from error
        example = np.resize(given, (_EXAMPLE_ROWS, given.shape[1]))
        try:
            container = hummingbird.ml.convert(
                _restored(estimator), "onnx", example, extra_config={"onnx_target_opset": _OPSET}
            )
        except Exception as error:  # whatever hummingbird and torch raise
            raise UnsupportedModelError(
                f"hummingbird cannot convert this {name}: {error}; compile the estimator itself, if "
                "cryptable.supported_estimators() has it"
            ) from error
        method = "predict_proba" if hasattr(estimator, "predict_proba") else "predict"
        found = np.asarray(getattr(container, method)(given))
        expected = np.asarray(getattr(estimator, method)(X))
    _check(name, found.reshape(len(given), -1), expected.reshape(len(given), -1))
    model: onnx.ModelProto = container.model
    return model


def numpy_forward(model: onnx.ModelProto) -> Callable[[Rows], FloatArray]:
    """What an ONNX model computes, in NumPy, up to its scores: a softmax, sigmoid or argmax at the end is the client's.

    Args:
        model: of one input, of fixed axes but for the rows.

    Returns:
        A function of rows, shape (rows, ...), that gives scores before the link, shape (rows, scores): what the
        compiled model is compared with.

    Raises:
        InvalidInputError, UnsupportedModelError: as `cryptable.compile`.
    """
    from cryptable.importers.networks.reading import read_model
    from cryptable.importers.networks.trees.as_estimator import read_trees

    axes = [axis.dim_value for axis in model.graph.input[0].type.tensor_type.shape.dim]
    trees = read_trees(model, np.zeros((2, axes[1])), None) if len(axes) == len(("rows", "features")) else None
    if trees is not None:
        return trees.reference_scores
    return read_model(model, name=model.graph.name or "network").reference_scores


def _restored(estimator: Estimator) -> Estimator:
    """A copy with what hummingbird reads, and scikit-learn has dropped."""
    restored = copy.deepcopy(estimator)
    steps = [step for _, step in restored.steps] if hasattr(restored, "steps") else [restored]
    for step in steps:
        if type(step).__name__ == "LogisticRegression" and len(step.classes_) > 2:
            step.multi_class = "multinomial"
    return restored


@contextmanager
def _known_exporter() -> Iterator[None]:
    """Here, `torch.onnx.export` is the exporter that hummingbird was written for."""
    import torch

    export = torch.onnx.export

    @functools.wraps(export)
    def exporting(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401
        return export(*arguments, **{"dynamo": False, **options})

    torch.onnx.export = exporting
    try:
        yield
    finally:
        torch.onnx.export = export


def _check(name: str, found: FloatArray, expected: FloatArray) -> None:
    if expected.dtype.kind not in "fiub":
        return  # labels that are text: hummingbird gives the numbers of classes
    off = float(np.abs(found.astype(np.float64) - expected).max()) if found.shape == expected.shape else np.inf
    if not off <= _CLOSE * max(1.0, float(np.abs(expected).max())):
        raise ImportMismatchError(
            f"what hummingbird made of this {name} differs by {off:.3g} from what it predicts itself on X; it loses "
            "base_score of XGBoost, for one. Compile the estimator itself, or, for XGBoost, fit with base_score=0.5"
        )
