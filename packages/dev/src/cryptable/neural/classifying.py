"""QuantClassifier: labels to targets, scores to labels and probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from cryptable_protocol import InvalidInputError, Link
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from skorch import NeuralNetBinaryClassifier, NeuralNetClassifier
from torch import nn

from cryptable.graphs.graph import FloatArray
from cryptable.graphs.integer_squares import TrainedSquares
from cryptable.graphs.trained_integers import TrainedIntegers
from cryptable.importers.reading.labels import labels_of
from cryptable.neural.base import NetClass, QuantEstimator, Rows, Target
from cryptable.neural.distilling import DEFAULT_HELD_OUT, softened, split
from cryptable.neural.teachers import lesson

ClassWeight: TypeAlias = Mapping[Any, float] | str | None


class QuantClassifier(ClassifierMixin, QuantEstimator):  # type: ignore[misc]
    """Two classes have one score, the log-odds of the second; more have one each."""

    class_weight: ClassWeight
    classes_: npt.NDArray[Any]

    def fit(self, X: Rows, y: Target) -> Self:
        """Train on rows of shape (rows, features) and labels of shape (rows,).

        Raises:
            InvalidInputError: an argument of the constructor out of its range.
            ValueError: rows or labels that scikit-learn does not take.
        """
        rows, labels = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(labels)
        self.classes_, positions = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"Classifier can't train when only one class is present: {self.classes_[0]!r}")
        self._class_weights = compute_class_weight(self._weights_by_label(), classes=self.classes_, y=labels)
        self._train(rows, positions.astype(np.float32 if self._outputs == 1 else np.int64))
        return self

    def distill(
        self,
        teacher: Any,  # noqa: ANN401
        X: Rows,
        *,
        classes: Sequence[Any] | None = None,
        held_out: float = DEFAULT_HELD_OUT,
    ) -> Self:
        """Train on a fitted model's scores of rows of shape (rows, features), which need no labels.

        `class_weight` means nothing here: what is learned is what the teacher tells.

        Args:
            teacher: a torch module that gives scores or probabilities of shape (rows, classes), or whatever has
                `predict_proba`, `decision_function` or, where labels alone are taught, `predict`.
            X: rows, as the teacher takes them.
            classes: labels, by default the teacher's `classes_`, else 0, 1, ...
            held_out: fraction of the rows that `teacher_agreement_` is of.

        Raises:
            InvalidInputError: an argument out of its range, or a teacher whose scores are not those of classes.
            NotFittedError: it is a class.
            ValueError: rows that scikit-learn does not take.
        """
        rows, told = self._rows_to_fit(X), lesson(teacher, X, classifies=True, classes=classes)
        if told.classes is None:
            raise AssertionError  # pragma: no cover
        self.classes_, self._class_weights = told.classes, np.ones(len(told.classes))
        kept, held = split(len(rows), held_out, self.random_state)
        taught = told.part(kept).scores
        self._train(rows[kept], taught.astype(np.float32), softened(taught))
        self.teacher_agreement_ = told.part(held).beside(self._scores(rows[held]))
        return self

    def _weights_by_label(self) -> Any:  # noqa: ANN401
        weight = self.class_weight
        if isinstance(weight, str) and weight != "balanced":
            raise InvalidInputError(f"class_weight is {weight!r}, expected None, 'balanced' or a weight for each label")
        return dict(weight) if isinstance(weight, Mapping) else weight

    @property
    def _outputs(self) -> int:
        return 1 if len(self.classes_) == 2 else len(self.classes_)

    @property
    def _stratified(self) -> bool:
        return True

    def _net_class(self) -> NetClass:
        return NeuralNetBinaryClassifier if self._outputs == 1 else NeuralNetClassifier

    def _criterion(self) -> nn.Module:
        weights = torch.tensor(self._class_weights, dtype=torch.float32)
        if self._outputs == 1:
            # Only the ratio of the two counts.
            return nn.BCEWithLogitsLoss(pos_weight=weights[1] / weights[0])
        return nn.CrossEntropyLoss(weight=weights)

    def trained_integers(self) -> TrainedIntegers | TrainedSquares:
        """For `cryptable.compile`: the integers that the module computes with."""
        check_is_fitted(self, "levels_")
        link = Link.SIGMOID if self._outputs == 1 else Link.SOFTMAX
        return self._graph(link, labels_of(self.classes_, type(self).__name__))

    def decision_function(self, X: Rows) -> FloatArray:
        """Scores, shape (rows,) of the second of two classes, else (rows, classes)."""
        scores = self.reference_scores(X)
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict_proba(self, X: Rows) -> FloatArray:
        """Class probabilities, shape (rows, classes)."""
        scores = self.reference_scores(X)
        if scores.shape[1] == 1:
            scores = np.concatenate([np.zeros_like(scores), scores], axis=1)
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        probabilities: FloatArray = odds / odds.sum(axis=1, keepdims=True)
        return probabilities

    def predict(self, X: Rows) -> npt.NDArray[Any]:
        """Labels, shape (rows,)."""
        scores = self.reference_scores(X)
        chosen = (scores[:, 0] > 0).astype(np.int64) if scores.shape[1] == 1 else scores.argmax(axis=1)
        labels: npt.NDArray[Any] = self.classes_[chosen]
        return labels
