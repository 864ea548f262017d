"""What a fitted model teaches: its scores of rows, and the labels that they are of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from cryptable_protocol import InvalidInputError
from sklearn.base import is_classifier

from cryptable.errors import NotFittedError
from cryptable.graphs.graph import FloatArray
from cryptable.graphs.teacher_agreement import TeacherAgreement

_LEAST = 1e-6
"""Of a probability: how sure a teacher may be, when its log-odds are learned."""
_SUM = 1e-3


@dataclass(frozen=True, eq=False)
class Lesson:
    """Of some rows.

    Attributes:
        scores: shape (rows, outputs), one output of two classes; of labels alone, log-odds of an unlikely mistake.
        classes: labels, shape (classes,); None of a regression.
        are_labels: whether the teacher gave labels alone.
    """

    scores: FloatArray
    classes: npt.NDArray[Any] | None
    are_labels: bool = False

    def part(self, rows: npt.NDArray[np.int64]) -> Lesson:
        """Of these rows alone."""
        return replace(self, scores=self.scores[rows])

    def labels(self) -> npt.NDArray[np.int64]:
        """Of a classifier: places of the labels, shape (rows,)."""
        return places(self.scores)

    def beside(self, scores: FloatArray) -> TeacherAgreement:
        """How a network's scores of these rows agree, shape (rows, outputs)."""
        labels = None if self.classes is None else float(np.mean(places(scores) == self.labels()))
        rms = None
        if not self.are_labels:
            own, its = (_centred(each, self.classes) for each in (self.scores, scores))
            spread = own.std(axis=0)
            if self.classes is not None:  # classes are compared with one another, so their scores have one unit
                spread = np.full_like(spread, float(spread.max()))
            difference = (its - own) / np.where(spread > 0, spread, 1.0)
            rms = float(np.sqrt(np.square(difference).mean(axis=0).max()))
        return TeacherAgreement(len(scores), labels, rms)


def _centred(scores: FloatArray, classes: npt.NDArray[Any] | None) -> FloatArray:
    """Without what all classes' scores have in common."""
    shared = classes is not None and scores.shape[1] > 1
    return scores - scores.mean(axis=1, keepdims=True) if shared else scores


def places(scores: FloatArray) -> npt.NDArray[np.int64]:
    """Of the labels that scores of shape (rows, outputs) have."""
    found = scores.argmax(axis=1) if scores.shape[1] > 1 else scores[:, 0] > 0
    return found.astype(np.int64)


def lesson(teacher: Any, X: Any, *, classifies: bool, classes: Any = None) -> Lesson:  # noqa: ANN401
    """Ask a teacher.

    Args:
        teacher: fitted: a torch module, or whatever has predict_proba, decision_function or predict.
        X: rows, as the teacher takes them.
        classifies: whether the scores are to be of classes.
        classes: labels of a teacher that has no classes_; by default 0, 1, ...

    Raises:
        InvalidInputError: an object that predicts nothing, or scores that do not fit.
        NotFittedError: a class.
    """
    if isinstance(teacher, type):
        raise NotFittedError(f"teacher is the class {teacher.__name__}: give a fitted instance of it")
    if isinstance(teacher, torch.nn.Module):
        return _fitting(_of_module(teacher, X), classes, classifies=classifies)
    name = type(teacher).__name__
    own = getattr(teacher, "classes_", classes) if classes is None else classes
    if _is_of_skorch(teacher):
        X = np.asarray(X, np.float32)
    if not classifies:
        if not hasattr(teacher, "predict"):
            raise InvalidInputError(f"teacher is {name}, which has no predict; give a fitted model or a torch module")
        predicted = np.asarray(teacher.predict(X), np.float64)
        return Lesson(predicted.reshape(len(predicted), -1), None)
    if hasattr(teacher, "predict_proba"):
        return _fitting(np.asarray(teacher.predict_proba(X), np.float64), own, classifies=True)
    if hasattr(teacher, "decision_function"):
        margins = np.asarray(teacher.decision_function(X), np.float64)
        margins = margins.reshape(len(margins), -1)
        if own is None or margins.shape[1] == (1 if len(own) == 2 else len(own)):
            return _fitting(margins, own, classifies=True, are_margins=True)
    if not hasattr(teacher, "predict") or not is_classifier(teacher):
        raise InvalidInputError(
            f"teacher is {name}, which has neither predict_proba nor decision_function and is no classifier; give a "
            "fitted classifier or a torch module"
        )
    return _of_labels(np.asarray(teacher.predict(X)), own)


def _of_module(module: torch.nn.Module, X: Any) -> FloatArray:  # noqa: ANN401
    """In evaluation mode, which it is not left in; shape (rows, outputs)."""
    parameter = next((each for each in module.parameters() if each.is_floating_point()), None)
    dtype = torch.float32 if parameter is None else parameter.dtype
    training = [each for each in module.modules() if each.training]
    module.eval()
    try:
        with torch.no_grad():
            found = module(torch.as_tensor(np.asarray(X, np.float64)).to(dtype))
    finally:
        for each in training:
            each.training = True
    if not isinstance(found, torch.Tensor) or found.shape[:1] != (len(X),):
        raise InvalidInputError(
            f"teacher {type(module).__name__} gives {type(found).__name__} for {len(X)} rows, expected a tensor of "
            "shape (rows, scores)"
        )
    return np.asarray(found.double().numpy(), np.float64).reshape(len(X), -1)


def _fitting(scores: FloatArray, classes: Any, *, classifies: bool, are_margins: bool = False) -> Lesson:  # noqa: ANN401
    """Scores of a classifier as log-odds: probabilities are told by their sums."""
    if not np.isfinite(scores).all():
        raise InvalidInputError("the teacher's scores are not finite for some rows; leave these out of X")
    if not classifies:
        return Lesson(scores, None)
    if not are_margins:
        scores = _log_odds(scores)
    count = max(2, scores.shape[1])
    named = np.arange(count) if classes is None else np.asarray(classes)
    if named.shape != (count,):
        raise InvalidInputError(
            f"the teacher gives {scores.shape[1]} score(s) a row, and there are {len(named)} labels; expected {count}"
        )
    return Lesson(scores, named)


def _log_odds(scores: FloatArray) -> FloatArray:
    """Of probabilities; other scores are log-odds as they are."""
    inside = bool((scores >= 0).all() and (scores <= 1 + _SUM).all())
    if scores.shape[1] > 1 and inside and bool((np.abs(scores.sum(axis=1) - 1) <= _SUM).all()):
        logarithms: FloatArray = np.log(np.maximum(scores, _LEAST))
        return logarithms[:, 1:] - logarithms[:, :1] if scores.shape[1] == 2 else logarithms
    if scores.shape[1] == 1 and inside:
        likely = np.clip(scores, _LEAST, 1 - _LEAST)
        return np.asarray(np.log(likely) - np.log1p(-likely), np.float64)
    return scores[:, 1:] - scores[:, :1] if scores.shape[1] == 2 else scores


def _of_labels(labels: npt.NDArray[Any], classes: Any) -> Lesson:  # noqa: ANN401
    known = np.unique(labels) if classes is None else np.asarray(classes)
    if not np.isin(labels, known).all() or len(known) < 2:
        raise InvalidInputError(f"the teacher's labels are {np.unique(labels).tolist()[:5]}, expected two of {known}")
    sure = -np.log(_LEAST)
    is_it = labels[:, None] == known
    scores = np.where(is_it, 0.0, -sure) if len(known) > 2 else np.where(is_it[:, 1:], sure, -sure)
    return Lesson(scores, known, are_labels=True)


def _is_of_skorch(teacher: object) -> bool:
    """Whose modules take single precision, as they train."""
    return any(each.__module__.partition(".")[0] == "skorch" for each in type(teacher).__mro__)
