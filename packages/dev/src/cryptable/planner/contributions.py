"""Circuits that answer contributions beside scores, where sums are free: each score is the sum of its contributions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from cryptable_engine.circuit.bounds import bounds
from cryptable_engine.circuit.circuit import Circuit, Linear, Term

from cryptable.graphs.contributions import Contributions
from cryptable.graphs.graph import FloatArray, IntArray
from cryptable.planner.output_maximum import with_output_maximum
from cryptable.planner.planned_model import PlannedModel


@dataclass(frozen=True, eq=False)
class Part:
    """What one feature adds: step * (its elements of the input) @ weights + constant, to within the error.

    `weights` has shape (elements, scores), none of them where nothing is sent for the feature; `constant` and `error`
    have shape (scores,), in the scores' unit.
    """

    name: str
    weights: IntArray
    constant: FloatArray
    error: FloatArray


def tell_parts(planned: PlannedModel, parts: Sequence[Part], told: Contributions) -> PlannedModel:
    """A planned sum of the input's elements, whose contributions are answered too.

    Args:
        planned: its circuit is one Linear on the input.
        parts: of features, in the order of the input; those without a name in `told` add nothing.
        told: names, and the base of scores.
    """
    scores, names = planned.decoder.scores, told.names
    group_of = {name: group for group, name in enumerate(names)}
    entries: list[tuple[int, int, int]] = []
    constant, error = np.zeros((2, scores, len(names)))
    first = 0
    for part in parts:
        size, group = len(part.weights), group_of.get(part.name)
        if group is not None:
            constant[:, group] += part.constant
            error[:, group] += part.error
            for element, score in zip(*np.nonzero(part.weights), strict=True):
                weight = int(part.weights[element, score])
                entries.append((first + int(element), int(score) * len(names) + group, weight))
        first += size
    rows, columns, weights = np.array(sorted(entries), np.int64).reshape(-1, 3).T.copy()
    wide = Linear((Term(0, rows, columns, weights),), np.zeros(scores * len(names), np.int64))
    low = bounds(Circuit((planned.circuit.input, wide), 1))[1].low
    circuit = Circuit((planned.circuit.input, replace(wide, offset=-low)), 1)
    return add_scores(planned, circuit, offset=low, constant=constant, error=error, told=told)


def add_scores(
    planned: PlannedModel,
    circuit: Circuit,
    *,
    offset: IntArray,
    constant: FloatArray,
    error: FloatArray,
    told: Contributions,
    maximum: int | None = None,
) -> PlannedModel:
    """Put scores before the contributions that a circuit computes: their sums, exactly.

    Contributions are rounded to whole steps, their constants too: what that leaves goes to the base. Scores stay what
    they are without contributions.

    Args:
        planned: whose encoders and decoder are those of the scores.
        circuit: its outputs are contributions, score by score, none of them negative.
        offset: of the decoder, for each of these.
        constant: that step * (value + offset) lacks of each contribution, shape (scores, names).
        error: of what is then told, shape (scores, names).
        told: their names, and the base of scores.
        maximum: of the highest score's integer, where it is known better than from bounds.
    """
    scores, names, step = planned.decoder.scores, len(told.names), planned.decoder.step
    output = circuit.nodes[circuit.output]
    if not isinstance(output, Linear):
        raise TypeError(f"the output is a {type(output).__name__}")
    terms = tuple(_with_sums(term, scores, names) for term in output.terms)
    sums = output.offset.reshape(scores, names).sum(axis=1)
    nodes = (*circuit.nodes[: circuit.output], Linear(terms, np.concatenate([sums, output.offset])))
    wide = Circuit(nodes, circuit.output)
    whole = np.rint(constant / step)
    offsets = offset.reshape(scores, names) + whole.astype(np.int64)
    rest = constant - step * whole
    return replace(
        planned,
        circuit=wide if maximum is None else with_output_maximum(wide, maximum),
        decoder=replace(
            planned.decoder,
            offset=(*planned.decoder.offset, *offsets.reshape(-1).tolist()),
            contributions=told.names,
            contribution_base=tuple((np.array(planned.decoder.offset) - offsets.sum(axis=1)).tolist()),
        ),
        contributions=told,
        contribution_error=float(max((error + np.abs(rest)).max(), np.abs(rest.sum(axis=1)).max())),
    )


def _with_sums(term: Term, scores: int, names: int) -> Term:
    """Entries of a score's column are those of its contributions, added up."""
    total: dict[tuple[int, int], int] = {}
    for row, column, weight in zip(term.rows.tolist(), term.columns.tolist(), term.weights.tolist(), strict=True):
        total[row, column + scores] = weight
        total[row, column // names] = total.get((row, column // names), 0) + weight
    entries = sorted((row, column, weight) for (row, column), weight in total.items() if weight)
    rows, columns, weights = np.array(entries, np.int64).reshape(-1, 3).T.copy()
    return Term(term.source, rows, columns, weights)
