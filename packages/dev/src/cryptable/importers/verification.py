"""Every import is verified on calibration data: the graph's float scores, and what they predict, against its own."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
from cryptable_protocol import Decoder, Link

from cryptable.errors import AgreementWarning, ImportMismatchError, UnsupportedModelError
from cryptable.graphs.client_side import ClientSide
from cryptable.graphs.graph import Estimator, FloatArray, ModelGraph, Rows
from cryptable.graphs.neighbors import NeighborsModel
from cryptable.graphs.pair_votes import PairVotes
from cryptable.graphs.transformed import Transformed
from cryptable.importers.feature_names import names_are_matched

_RELATIVE = 1e-4
_ABSOLUTE = 1e-5
"""Libraries that add leaves up in float32 are off by about 1e-7 of the sum, more where large leaves cancel."""


def verify_import(graph: ModelGraph, rows: FloatArray, reference: FloatArray, *, what: str) -> float:
    """Compare.

    Args:
        graph: what the importer made.
        rows: calibration data, shape (rows, features).
        reference: the estimator's own scores, shape (rows, outputs).
        what: the estimator, for the message.

    Returns:
        The largest difference.

    Raises:
        ImportMismatchError: another number of scores, or a score that differs by more than float32 sums explain.
    """
    scores = graph.scores(rows)
    if scores.shape != reference.shape:
        raise ImportMismatchError(
            f"{what} gives scores of shape {reference.shape}, the imported graph {scores.shape}; "
            "please report this model"
        )
    difference = np.abs(scores - reference)
    if isinstance(graph, NeighborsModel):
        difference[graph.ties(rows)] = 0.0  # libraries choose between equally near rows as their search happens to
    if isinstance(graph, ClientSide):
        difference[graph.undecided(graph.graph.scores(rows))] = 0.0
    allowed = _allowed(reference)
    worst = np.unravel_index(int(np.argmax(difference)), difference.shape)
    if not difference[worst] <= allowed:
        row, output = map(int, worst)
        raise ImportMismatchError(
            f"{what}: in row {row} of the calibration data, score {output} is {reference[worst]:.6g}, but the imported "
            f"graph gives {scores[worst]:.6g} (allowed difference {allowed:.2g}). Nothing was compiled; "
            "please report this model"
        )
    return float(difference[worst])


def warn_of_undecided(exact: FloatArray, reference: FloatArray, *, what: str) -> None:
    """Say in how many rows a network's own rounding is chance: an AgreementWarning, where there is one.

    Args:
        exact: scores of calibration data, shape (rows, outputs), with sums amid two levels rounded half to even.
        reference: the network's own.
        what: the network, for the message.
    """
    undecided = int((np.abs(exact - reference) > _allowed(reference)).any(axis=1).sum())
    if undecided:
        warnings.warn(
            f"{what}: in {undecided} of {len(exact)} rows of X_train a sum lies amid two levels of a quantizer, where "
            "single precision rounds by the order of its additions, so that the network itself answers otherwise on "
            "other machines and in other batches. The compiled model rounds half to even. Scales that are learned, or "
            "a bias, leave few such sums",
            AgreementWarning,
            stacklevel=2,
        )


def predictions_of(estimator: Estimator, rows: Rows) -> npt.NDArray[Any]:
    """What an estimator's users see: shape (rows,), (rows, 1), or (rows, targets)."""
    with names_are_matched():
        return np.asarray(estimator.predict(rows))


def is_column(predicted: npt.NDArray[Any]) -> bool:
    """Whether one prediction a row stands in an array of shape (rows, 1), as of a target of that shape."""
    return predicted.ndim == 2 and predicted.shape[1] == 1


def predictions_by(graph: ModelGraph, scores: FloatArray) -> npt.NDArray[Any]:
    """What scores of shape (rows, outputs) predict, by the graph's link and labels."""
    return _decoder(graph, scores.shape[1]).predictions(scores[:, 0] if scores.shape[1] == 1 else scores)


def _decoder(graph: ModelGraph, outputs: int) -> Decoder:
    """Of integers that are the scores themselves."""
    link = Link.IDENTITY if isinstance(graph, Transformed) else graph.link
    if isinstance(graph, PairVotes):  # by which integers there are none of votes, only of pairs
        outputs = graph.graph.outputs
    decoder = Decoder(link, (0,) * outputs, 1.0, (0.0,) * outputs, graph.labels)
    return graph.decoder(decoder) if isinstance(graph, Transformed) else decoder


def check_targets(graph: ModelGraph, predicted: npt.NDArray[Any], *, what: str) -> None:
    """Refuse a classifier that predicts several labels a row.

    Raises:
        UnsupportedModelError: it does.
    """
    if graph.labels is not None and predicted.ndim > 1 and not is_column(predicted):
        raise UnsupportedModelError(
            f"{what} predicts {predicted.shape[1]} labels a row: several targets are not supported; fit and compile "
            "one estimator a target, on Y[:, 0], Y[:, 1], ..."
        )


def verify_predictions(graph: ModelGraph, rows: FloatArray, predicted: npt.NDArray[Any], *, what: str) -> None:
    """Compare what the graph's scores predict with what the estimator does, away from close calls.

    Args:
        graph: what the importer made, whose scores have been verified.
        rows: calibration data, shape (rows, features).
        predicted: by the estimator, shape (rows,), (rows, 1) or (rows, targets).
        what: the estimator, for the message.

    Raises:
        ImportMismatchError: another shape, another kind of labels, or another prediction.
    """
    scores = graph.scores(rows)
    own = predictions_by(graph, scores)
    if is_column(predicted):
        predicted = predicted[:, 0]
    if own.shape != predicted.shape:
        raise _mismatch(what, f"predict gives shape {predicted.shape}, the imported graph {own.shape}")
    if graph.labels is None:
        allowed = _allowed(scores) * (graph.curve.slope if isinstance(graph, Transformed) else 1.0)
        is_off = ~_is_near(own, predicted.astype(np.float64), graph.link, allowed)
    else:
        if _kind(own) != _kind(predicted):
            raise _mismatch(what, f"predict gives labels like {predicted[0]!r}, the imported graph like {own[0]!r}")
        is_off = (own != predicted) & (_margins(graph, scores) > 2 * _allowed(scores))
    if isinstance(graph, NeighborsModel):
        is_off &= ~graph.ties(rows).reshape(len(rows), -1).any(axis=1)
    if isinstance(graph, ClientSide):
        is_off &= ~graph.undecided(graph.graph.scores(rows)).reshape(-1, *[1] * (is_off.ndim - 1))
    if is_off.any():
        row = int(np.argwhere(is_off)[0, 0])
        raise _mismatch(
            what,
            f"in row {row} of the calibration data, predict gives {predicted[row]}, the imported graph {own[row]}",
        )


def _mismatch(what: str, difference: str) -> ImportMismatchError:
    return ImportMismatchError(f"{what}: {difference}. Nothing was compiled; please report this model")


def _allowed(scores: FloatArray) -> float:
    return _ABSOLUTE + _RELATIVE * max(1.0, float(np.abs(scores).max(initial=0.0)))


def _is_near(own: FloatArray, predicted: FloatArray, link: Link, allowed: float) -> npt.NDArray[np.bool_]:
    """Where predictions of a regression differ by no more than scores may."""
    with np.errstate(over="ignore", invalid="ignore"):
        # An error of scores is relative where predictions are their exponentials.
        within = allowed * np.maximum(1.0, np.abs(predicted)) if link is Link.EXPONENTIAL else allowed
        near: npt.NDArray[np.bool_] = (np.abs(own - predicted) <= 2 * within) | (own == predicted)
    return near


def _margins(graph: ModelGraph, scores: FloatArray) -> FloatArray:
    """By how much a row's label is chosen, shape (rows,)."""
    if scores.shape[1] == 1:
        distance: FloatArray = np.abs(scores[:, 0] - _decoder(graph, 1).threshold)
        return distance
    highest = np.sort(scores, axis=1)
    margin: FloatArray = highest[:, -1] - highest[:, -2]
    return margin


def _kind(labels: npt.NDArray[Any]) -> str:
    """Of labels in an array of any dtype, objects too."""
    first = np.asarray(labels.ravel()[:1].tolist())  # as Python has it, and NumPy then sees it
    return {"u": "i"}.get(first.dtype.kind, first.dtype.kind)
