"""Plans labels of linear models, for the registry: digits of inputs turn a table for each comparison."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from cryptable_engine import GroupKind, InputGroup
from cryptable_protocol.schemes.scheme import LEVELLED

from cryptable.errors import ConstantModelError
from cryptable.graphs.graph import IntArray, LinearModel
from cryptable.planner.levelled.labels.answers import Turned, circuit_of, positions_of, too_coarse
from cryptable.planner.levelled.labels.question import question_of
from cryptable.planner.levelled.one_layer.exponents import rounded_exponents, shares_of
from cryptable.planner.levelled.one_layer.hidden_layer import HiddenLayer
from cryptable.planner.levelled.one_layer.input_digits import encoded, input_digits
from cryptable.planner.planned_model import PlannedModel
from cryptable.planner.registry import Task, planner

_FEWEST_DIGITS, _MOST_DIGITS = 4, 12
_COARSER = 1.05
"""What a position stands for, once more, where rounding has led beyond a table's ends."""


@planner(
    LinearModel,
    scheme=LEVELLED,
    kind="a linear model",
    cheaper="fewer features, and fewer input_bits=, cost less in proportion",
    closer="more rows of X_train, if those are few, bring it nearer",
    answers="label",
)
def plan(graph: LinearModel, task: Task) -> PlannedModel:
    """Sums over digits, each a number of positions; no input leads beyond a table's ends."""
    question = question_of(graph, task.settings, task.reference)
    pairs = np.array(question.comparisons)
    first, second = graph.coefficients[:, pairs[:, 0]], graph.coefficients[:, pairs[:, 1]]
    alone = question.scores == 1
    slopes = first if alone else first - second
    offset = graph.intercept[pairs[:, 0]] - (0.0 if alone else graph.intercept[pairs[:, 1]])
    answers = question.wins.shape[1]
    layer = HiddenLayer(
        slopes,
        np.zeros(len(slopes)),
        offset,
        np.sign,
        np.zeros((len(slopes), answers)),
        question.wins.astype(np.float64),
        np.zeros(answers),
    )
    span = np.abs(slopes) * np.ptp(task.rows, axis=0)[:, None]
    if not span.any():
        raise ConstantModelError("the model has the same label for every row of X_train: there is nothing to compute")
    room = positions_of(question)
    largest = float((span.max(axis=0) / np.maximum(span.sum(axis=0), 1e-300)).max())
    count = task.settings.input_bits or max(
        _FEWEST_DIGITS, min(_MOST_DIGITS, math.ceil(math.log2(max(2.0, 2 * room * largest))))
    )
    digits = input_digits(layer, graph.feature_names, task.rows, count)
    low = digits.offset + np.minimum(digits.sums, 0).sum(axis=0)
    high = digits.offset + np.maximum(digits.sums, 0).sum(axis=0)
    borders, skipped = question.borders if alone else np.zeros(1), 0
    if question.levels is not None:
        skipped = int((borders <= low[0]).sum())
        borders = borders[skipped : borders.size - int((borders > high[0]).sum())]
    if not borders.size:
        raise ConstantModelError("the model has the same level for every input: there is nothing to compute")
    offset, low, high = (each - borders[0] for each in (digits.offset, low, high))
    rises = borders - borders[0]
    bits = encoded(digits, task.rows).astype(np.float64)
    # Rounding leads no farther than half a position a bit, as a rule: what is left of the table is shared out.
    unit = np.maximum(np.abs(low - rises[-1]), np.abs(high)) / max(1, room - 2 - digits.bits / 2)
    while True:
        turns = rounded_exponents(digits.sums / unit, shares_of(bits), 0.5, keep_common=False)
        error = ((offset + bits @ digits.sums) / unit - bits @ turns).mean(axis=0)
        # Half a position, on average: the table's first one stands for scores from its first border on.
        start = np.floor(error).astype(np.int64)
        risen = np.rint(rises / unit[:, None]).astype(np.int64)
        beyond = is_beyond(start, turns, risen, room)
        if not beyond.any():
            break
        unit = np.where(beyond, unit * _COARSER, unit)
    wanted, reached = task.settings.tolerance, float(unit.max()) * (1 + digits.bits / 2)
    if wanted is not None and reached > wanted:
        raise too_coarse(wanted, reached)
    groups = tuple(InputGroup(GroupKind.RANGE, encoder.size) for encoder in digits.encoders if encoder.size)
    always = np.where(low > 0, 1, np.where(high < 0, -1, 0))
    circuit = circuit_of(question, Turned(start, turns, (), risen).decided(always), groups)
    return PlannedModel(circuit, digits.encoders, question.decoder(skipped), None, scheme="levelled", **question.told)


def is_beyond(start: IntArray, turns: IntArray, risen: IntArray, positions: int) -> npt.NDArray[np.bool_]:
    """Of each comparison, whether some bits lead beyond the ends of its table, where signs are others.

    Args:
        start: shape (comparisons,).
        turns: exponents of each bit, shape (bits, comparisons).
        risen: positions at which tables rise, shape (comparisons, rises).
        positions: of a table.
    """
    lowest = start + np.minimum(turns, 0).sum(axis=0)
    highest = start + np.maximum(turns, 0).sum(axis=0)
    found: npt.NDArray[np.bool_] = (risen.max(axis=1) - lowest > positions) | (highest >= positions)
    return found
