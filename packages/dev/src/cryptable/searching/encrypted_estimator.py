"""Meta-estimators: fit any supported estimator and predict with the model that is compiled from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal, Protocol, Self, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from cryptable_engine import interpret
from cryptable_protocol import InvalidInputError, encode_rows
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, RegressorMixin, clone
from sklearn.utils import Tags, column_or_1d, get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from cryptable.compiled.compiled_model import CompiledModel
from cryptable.compiling.build import build
from cryptable.compiling.plan import plan
from cryptable.compiling.settings import CompileSettings
from cryptable.errors import ConstantModelError
from cryptable.graphs.graph import Estimator, FloatArray, Rows
from cryptable.planner.planned_model import PlannedModel
from cryptable.planner.settings import DEFAULT_BINS, Scheme
from cryptable.planner.thresholds.grid import Edges

Target: TypeAlias = Any
FitParameter: TypeAlias = Any
State: TypeAlias = dict[str, Any]
Method = TypeVar("Method", bound=Callable[..., FloatArray])
_MODES = ("clear", "simulate", "encrypted")


class _HasEstimator(Protocol):
    estimator: Estimator


def _offers(method: str) -> Callable[[Method], Method]:
    """A method is there where the estimator inside has it, fitted or not."""

    def check(self: _HasEstimator) -> bool:
        inner = getattr(self, "estimator_", self.estimator)
        getattr(inner, method)  # an AttributeError says which estimator lacks it
        return True

    decorator: Callable[[Method], Method] = available_if(check)
    return decorator


class _EncryptedEstimator(MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]
    """What classifier and regressor share: fit, plan, and predict with the plan.

    Fitting plans the circuit only; crypto parameters and keys are made when a prediction first needs them.
    """

    def __init__(
        self,
        estimator: Estimator,
        *,
        mode: str = "clear",
        tolerance: float | None = None,
        table_bits: int | None = None,
        input_bits: int | None = None,
        bits: int | Literal["auto"] | None = None,
        edges: Edges = "model",
        bins: int = DEFAULT_BINS,
        p_error: float | None = None,
        scheme: Scheme = "auto",
        hide_weights: bool | None = None,
    ) -> None:
        self.estimator = estimator
        self.mode = mode
        self.tolerance = tolerance
        self.table_bits = table_bits
        self.input_bits = input_bits
        self.bits = bits
        self.edges = edges
        self.bins = bins
        self.p_error = p_error
        self.scheme = scheme
        self.hide_weights = hide_weights

    def _fit(self, X: Rows, y: Target, parameters: dict[str, FitParameter]) -> None:
        """Fit a clone of the estimator, and plan it."""
        if self.mode not in _MODES:
            raise InvalidInputError(f"mode is {self.mode!r}, expected one of {', '.join(map(repr, _MODES))}")
        self._compiled: CompiledModel | None = None
        self.estimator_ = clone(self.estimator).fit(X, y, **parameters)
        rows = X if hasattr(X, "columns") else np.asarray(X, np.float64)
        self._constant: FloatArray | None = None
        self._plan: PlannedModel | None = None
        try:
            self._plan = plan(self.estimator_, rows, self._settings())
        except ConstantModelError:
            self._constant = rows[:1]

    def _settings(self) -> CompileSettings:
        return CompileSettings(
            tolerance=self.tolerance,
            table_bits=self.table_bits,
            input_bits=self.input_bits,
            bits=self.bits,
            edges=self.edges,
            bins=self.bins,
            p_error=self.p_error,
            scheme=self.scheme,
            hide_weights=self.hide_weights,
        )

    @property
    def compiled_(self) -> CompiledModel:
        """The compiled model, to explain, check or save; compiled when it is first asked for.

        Raises:
            ConstantModelError: the estimator gives the same scores for every input.
        """
        check_is_fitted(self, "estimator_")
        if self._plan is None:
            raise ConstantModelError(
                f"the fitted {type(self.estimator_).__name__} gives the same scores for every input: there is nothing "
                "to compute under encryption"
            )
        if self._compiled is None:
            self._compiled = build(self._plan, self.estimator_, self._settings())
        return self._compiled

    def _decoded(self, method: str, X: Rows) -> npt.NDArray[Any]:
        check_is_fitted(self, "estimator_")
        self._check_rows(X)
        if self._plan is None:
            answer = np.asarray(getattr(self.estimator_, method)(self._constant))
            return np.repeat(answer, len(X), axis=0)
        if self.mode == "clear":
            values = interpret(self._plan.circuit, encode_rows(self._plan.features, X))
            return np.asarray(getattr(self._plan.decoder, method)(values))
        return np.asarray(getattr(self.compiled_, method)(X, mode=self.mode))

    def _read_training_data(self, X: Rows, y: Target, *, y_numeric: bool) -> tuple[Rows, Target]:
        """As scikit-learn checks them; frames stay frames."""
        if _holds_more_than_numbers(X):
            validate_data(self, X, y, reset=True, skip_check_array=True)
            return X, column_or_1d(y, warn=True)
        array, target = validate_data(self, X, y, reset=True, y_numeric=y_numeric)
        return X if hasattr(X, "columns") else array, target

    def _check_rows(self, X: Rows) -> None:
        if _holds_more_than_numbers(X):
            validate_data(self, X, reset=False, skip_check_array=True)
        else:
            validate_data(self, X, reset=False)

    def __getstate__(self) -> State:
        """Everything but keys and the compiled program, which are made anew when needed."""
        state: State = dict(super().__getstate__())
        if "_compiled" in state:
            state["_compiled"] = None
        return state

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        tags.input_tags.allow_nan = False
        tags.target_tags.required = True
        return tags


def _holds_more_than_numbers(X: Rows) -> bool:
    """Whether some columns of a frame are for the steps of a pipeline to turn into numbers."""
    if not hasattr(X, "columns"):
        return False
    return any(getattr(dtype, "kind", "O") not in "buif" for dtype in X.dtypes)


class EncryptedClassifier(ClassifierMixin, _EncryptedEstimator):  # type: ignore[misc]
    """Fits a classifier and predicts with the model compiled from it, so that scores are those of the encrypted model.

    Args:
        estimator: of any supported class, or a Pipeline that ends with one; a clone is fitted.
        mode: "clear", "simulate" or "encrypted", as `CompiledModel.predict` takes it.
        tolerance: as for `cryptable.compile`, as are all that follow.
        table_bits: width of the lookups, where there are some.
        input_bits: most bits of a feature that is sent as a number.
        bits: of a network, kept before a lookup.
        p_error: probability that one lookup fails, or of the scheme levelled, an answer.
        scheme: how ciphertexts are evaluated.
        hide_weights: whether answers of linear and additive models tell nothing of weights.

    Attributes:
        estimator_: the fitted clone.
        compiled_: the `CompiledModel`.
        classes_: labels, shape (classes,).
    """

    def fit(self, X: Rows, y: Target, **fit_params: FitParameter) -> Self:
        """Fit the estimator on rows of shape (rows, features) and labels of shape (rows,), and plan its circuit.

        Raises:
            UnsupportedModelError: the estimator cannot be compiled.
            ValueError: rows or labels that scikit-learn does not take.
        """
        rows, labels = self._read_training_data(X, y, y_numeric=False)
        check_classification_targets(labels)
        self._fit(rows, labels, fit_params)
        self.classes_ = np.asarray(self.estimator_.classes_)
        return self

    def predict(self, X: Rows) -> npt.NDArray[Any]:
        """Labels, shape (rows,)."""
        predicted = self._decoded("predict", X).reshape(-1)  # CatBoost's are a column
        labels = None if self._plan is None else self._plan.decoder.labels
        if labels is None:
            return predicted
        position = {label: index for index, label in enumerate(labels)}
        return np.asarray(self.classes_[[position[label] for label in predicted.tolist()]])

    @_offers("predict_proba")
    def predict_proba(self, X: Rows) -> FloatArray:
        """Class probabilities, shape (rows, classes)."""
        probabilities: FloatArray = self._decoded("predict_proba", X)
        total = probabilities.sum(axis=1, keepdims=True)
        # Trees' class probabilities are rounded one by one, and so add up to about 1.
        return np.divide(probabilities, total, out=np.full_like(probabilities, 1 / self.classes_.size), where=total > 0)

    @_offers("decision_function")
    def decision_function(self, X: Rows) -> FloatArray:
        """Scores before the link, shape (rows,) or (rows, classes)."""
        return self._decoded("decision_function", X)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        if inner.classifier_tags is not None:
            tags.classifier_tags = replace(inner.classifier_tags, multi_label=False)
        return tags


class EncryptedRegressor(RegressorMixin, _EncryptedEstimator):  # type: ignore[misc]
    """Fits a regressor and predicts with the model compiled from it; the arguments are those of `EncryptedClassifier`.

    Attributes:
        estimator_: the fitted clone.
        compiled_: the `CompiledModel`.
    """

    def fit(self, X: Rows, y: Target, **fit_params: FitParameter) -> Self:
        """Fit the estimator on rows of shape (rows, features) and targets of shape (rows,), and plan its circuit.

        Raises:
            UnsupportedModelError: the estimator cannot be compiled.
            ValueError: rows or targets that scikit-learn does not take.
        """
        rows, targets = self._read_training_data(X, y, y_numeric=True)
        self._fit(rows, targets, fit_params)
        return self

    def predict(self, X: Rows) -> FloatArray:
        """Predictions, shape (rows,)."""
        return self._decoded("predict", X)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        if inner.regressor_tags is not None:
            tags.regressor_tags = inner.regressor_tags
        return tags


__all__ = ["EncryptedClassifier", "EncryptedRegressor"]
