"""OnnxNetwork: a float network as an ONNX graph of one input and one output, with what its scores mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from cryptable_protocol import InvalidInputError, Labels, Link
from cryptable_protocol.encoding.links import sigmoid
from cryptable_protocol.encoding.rows import columns_of_input, join_inputs
from onnx.reference import ReferenceEvaluator

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import FloatArray, Rows
from cryptable.importers.networks.qonnx import has_quantizers, not_of_sums
from cryptable.importers.networks.reference import custom_operators, naming_failures
from cryptable.importers.networks.several_inputs import InputPart
from cryptable.importers.networks.ties import Ties, heard, tidied

_CHUNK_ROWS = 256


@dataclass(frozen=True, eq=False)
class OnnxNetwork:
    """A network in ONNX, its tail (softmax, sigmoid, ...) cut off into `link`.

    Predictions are those of `onnx.reference` on the graph. `input_shape` is that of one row, without the batch axis;
    `parts` are the several inputs that it was made of, where there were some; `ties` say how quantizers round sums amid
    two levels.
    """

    model: onnx.ModelProto
    input_name: str
    input_shape: tuple[int, ...]
    input_dtype: np.dtype[Any]
    output_name: str
    link: Link
    labels: Labels | None
    name: str = "network"
    parts: tuple[InputPart, ...] = ()
    ties: Ties = field(default_factory=Ties)

    @property
    def features(self) -> int:
        """Numbers of one row."""
        return int(np.prod(self.input_shape))

    @property
    def columns(self) -> list[str]:
        """Names of a row's numbers where there are several inputs, else none."""
        return [each for part in self.parts for each in columns_of_input(part.name, part.size)]

    @property
    def opsets(self) -> dict[str, int]:
        """Version of each domain of operators."""
        return {each.domain: each.version for each in self.model.opset_import}

    @cached_property
    def _evaluator(self) -> ReferenceEvaluator:
        with naming_failures(self.name):
            return ReferenceEvaluator(self.model, new_ops=custom_operators or None)

    def rows(self, X: Rows) -> FloatArray:
        """Rows in the network's own shape or flattened, or of each input, as doubles of shape (rows, features).

        Raises:
            InvalidInputError: another shape, no rows, or numbers that are not finite.
        """
        if self.parts and isinstance(X, Mapping):  # columns are inputs of one number a row
            X = {name: np.asarray(values).reshape(len(values), -1) for name, values in X.items()}
        several = join_inputs(X)
        if several is not None:
            names, X = several
            own = self.columns
            if names is not None and own:
                if sorted(names) != sorted(own):
                    parts = ", ".join(f"{part.name!r} of shape (rows, {part.size})" for part in self.parts)
                    raise InvalidInputError(f"rows have the inputs' columns {names[:5]}, expected {parts}")
                X = X[:, [names.index(name) for name in own]]
        try:
            rows = np.asarray(X, np.float64)
        except (TypeError, ValueError) as error:
            raise InvalidInputError(f"rows must be numbers, shape (rows, {self.features}): {error}") from error
        if rows.ndim < 2 or not len(rows) or int(np.prod(rows.shape[1:])) != self.features:
            shape = ", ".join(map(str, self.input_shape))
            raise InvalidInputError(
                f"rows have shape {rows.shape}, expected (rows, {shape})"
                + ("" if len(self.input_shape) == 1 else f" or (rows, {self.features})")
                + " with at least one row"
            )
        flat: FloatArray = rows.reshape(len(rows), self.features)
        if not np.isfinite(flat).all():
            raise InvalidInputError("rows hold NaN or infinite numbers: impute them, and train on the imputed data")
        return flat

    def reference_scores(self, X: Rows) -> FloatArray:
        """The network's own scores before the link, shape (rows, outputs).

        Raises:
            UnsupportedModelError: it gives another number of rows than it takes, or cannot be evaluated.
        """
        return self._evaluated(self.rows(X))

    def listened_to(self, rows: FloatArray) -> OnnxNetwork:
        """The same, with ties as it decides them itself on calibration data, shape (rows, features)."""
        if not has_quantizers(self.model):
            return self
        return replace(self, ties=heard(not_of_sums(self.model.graph), lambda: self._evaluated(rows)))

    def exact_scores(self, X: Rows) -> FloatArray:
        """As `reference_scores`, but with sums of integers amid two levels of a quantizer rounded as `ties` say.

        Single precision rounds some by chance: as its additions are ordered, which differs by the batch and machine.
        """
        with tidied(self.ties):
            return self._evaluated(self.rows(X))

    def check_rows_stay_apart(self, rows: FloatArray) -> None:
        """Raises UnsupportedModelError where a row's scores depend on the rows that are evaluated with it."""
        together = self._evaluated(rows, checks=False)
        if not np.array_equal(together, self._evaluated(rows, checks=False), equal_nan=True):
            return  # some node draws at random, as a dropout in training: reading the nodes names it
        if has_quantizers(self.model):  # which may round sums amid two levels otherwise for a row alone
            with tidied(Ties()):
                together = self._evaluated(rows, checks=False)
                alone = np.concatenate([self._evaluated(row[None], checks=False) for row in rows])
        else:
            alone = np.concatenate([self._evaluated(row[None], checks=False) for row in rows])
        close = 1e-3 * max(1e-6, float(np.abs(together).max(initial=0.0)))
        if together.shape == alone.shape and not np.allclose(together, alone, rtol=0, atol=close, equal_nan=True):
            raise UnsupportedModelError(
                f"{self.name} mixes rows: what it gives for one depends on the others, as with a mean over all axes, a "
                "stack along the first one, or a batch normalization in training. The first axis must stay the rows"
            )

    @cached_property
    def outputs(self) -> int:
        """Scores of a row."""
        return self._evaluated(np.zeros((1, self.features)), checks=False).shape[1]

    def _evaluated(self, rows: FloatArray, *, checks: bool = True) -> FloatArray:
        found = []
        for step in self._batches(len(rows)):
            shape = (len(rows[step]), *self.input_shape)
            batch = rows[step].reshape(shape).astype(self.input_dtype)
            with np.errstate(all="ignore"), naming_failures(self.name):
                (scores,) = self._evaluator.run([self.output_name], {self.input_name: batch})
            if checks and np.shape(scores)[:1] != (len(batch),):
                raise UnsupportedModelError(
                    f"{self.name} gives scores of shape {np.shape(scores)} for {len(batch)} rows: the first axis must "
                    "stay the rows. It mixes them, as a mean over all axes or a stack along the first one does"
                )
            count = len(batch) if np.shape(scores)[:1] == (len(batch),) else 1
            found.append(np.asarray(scores, np.float64).reshape(count, -1))
        return np.concatenate(found)

    def _batches(self, count: int) -> list[slice]:
        first = next(each for each in self.model.graph.input if each.name == self.input_name)
        fixed = first.type.tensor_type.shape.dim[0].dim_value
        step = 1 if fixed == 1 else _CHUNK_ROWS
        return [slice(start, min(start + step, count)) for start in range(0, count, step)]

    def decision_function(self, X: Rows) -> FloatArray:
        """Scores before the link: shape (rows,) where there is one a row, else (rows, outputs)."""
        scores = self.reference_scores(X)
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict(self, X: Rows) -> npt.NDArray[Any]:
        """Labels, or a regression's predictions."""
        scores = self.reference_scores(X)
        if self.labels is None:
            scores = sigmoid(scores) if self.link is Link.LOGISTIC else scores
            return scores[:, 0] if scores.shape[1] == 1 else scores
        labels = np.asarray(self.labels)
        chosen = (scores[:, 0] > 0).astype(np.int64) if scores.shape[1] == 1 else scores.argmax(axis=1)
        found: npt.NDArray[Any] = labels[chosen]
        return found


def check_labels(labels: Labels | None, outputs: int) -> None:
    """Raises UnsupportedModelError where labels do not fit the number of scores."""
    if labels is not None and len(labels) != max(2, outputs):
        raise UnsupportedModelError(
            f"labels= has {len(labels)} labels, but the network gives {outputs} score(s) a row; "
            f"expected {max(2, outputs)}"
        )
    if labels is not None and len(kinds := {type(label).__name__ for label in labels}) > 1:
        raise UnsupportedModelError(f"labels= are of several kinds, {', '.join(sorted(kinds))}; make them one")
