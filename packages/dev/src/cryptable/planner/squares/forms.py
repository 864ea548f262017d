"""Plans quadratic forms for the scheme squares: a square for each eigenvector of each form."""

from __future__ import annotations

import numpy as np
from cryptable_protocol.schemes.scheme import SQUARES

from cryptable.errors import ConstantModelError, UnsupportedModelError
from cryptable.graphs.graph import FloatArray
from cryptable.graphs.kernels import KernelMachine
from cryptable.graphs.quadratic_forms import QuadraticForms
from cryptable.planner.planned_model import PlannedModel
from cryptable.planner.registry import Task, planner
from cryptable.planner.squares.networks import allowed_error, plan_layers
from cryptable.planner.squares.square_layers import Affine, SquareLayers

_PROBES = np.array([-3.0, -0.5, 0.25, 2.0, 7.0])
_ROUNDING = 1e-9
"""Of a probed value of the kernel's function."""
_NEGLIGIBLE = 1e-5
"""An eigenvector that adds at most this part of the greatest one's share is left out: rounding does more."""
_ROOM = 0.05
"""Of the width of where scores are positive: on both sides, so that scores at the ends are below 0 by a fifth of the
highest, which is more than rounding adds."""
_FARTHEST = 4.0
"""Where a parabola's vertex may lie, in halves of the features' ranges: its square would be large everywhere else."""


@planner(
    QuadraticForms,
    scheme=SQUARES,
    kind="a model of quadratic forms",
    cheaper="fewer features and input_bits= cost less: fewer squares, fewer and smaller moduli",
    closer="more input_bits= bring it nearer, and so does a lower tolerance=",
    tolerance=allowed_error,
)
def plan(graph: QuadraticForms, task: Task) -> PlannedModel:
    """As a network of one layer of squares."""
    box = graph.positive_box() if graph.reaches_positive else None
    if box is None:
        return plan_layers(squares_of(graph, task.rows), graph, task)
    # A row whose features are cut off at these ends has no positive score, as it had none before.
    lower, upper = box
    room = _ROOM * (upper - lower)
    seen = np.concatenate([task.rows, (lower - room)[None], (upper + room)[None]])
    # Far outliers, whose scores spread widest, would ask for little of all others.
    return plan_layers(squares_of(graph, seen), graph, task, seen=seen, least=0.0)


def _has_degree_2(machine: KernelMachine) -> bool:
    """Whether `forms_of` has forms of it, which it looks for at a price that is small beside planning tables."""
    try:
        with np.errstate(all="ignore"):
            forms_of(machine)
    except UnsupportedModelError:
        return False
    return True


@planner(
    KernelMachine,
    scheme=SQUARES,
    kind="a kernel machine of degree 2",
    cheaper="fewer features and input_bits= cost less: fewer squares, fewer and smaller moduli",
    closer="more input_bits= bring it nearer, and so does a lower tolerance=",
    tolerance=allowed_error,
    compared=_has_degree_2,
)
def plan_machine(graph: KernelMachine, task: Task) -> PlannedModel:
    """All its vectors together are one quadratic form of the features, however many there are."""
    return plan(forms_of(graph), task)


def forms_of(machine: KernelMachine) -> QuadraticForms:
    """A machine whose function of sums is a polynomial of degree 2.

    Raises:
        UnsupportedModelError: it is another function.
    """

    def at(value: float) -> float:
        return float(machine.function(np.array([value]))[0])

    constant, slope, bend = at(0.0), (at(1.0) - at(-1.0)) / 2, (at(1.0) + at(-1.0)) / 2 - at(0.0)
    expected = bend * _PROBES**2 + slope * _PROBES + constant
    size = np.abs(bend) * _PROBES**2 + np.abs(slope * _PROBES) + abs(constant)
    if machine.curvatures.any() or not (np.abs(machine.function(_PROBES) - expected) <= _ROUNDING * size).all():
        raise UnsupportedModelError(
            "scheme 'squares' evaluates kernels that are polynomials of degree 2 alone, and this one is another; fit "
            "with kernel='poly', degree=2, or leave scheme='auto'"
        )
    slopes, weights = machine.slopes, machine.weights
    forms = np.stack([bend * (slopes * column) @ slopes.T for column in weights.T])
    by_sum = slope + 2 * bend * machine.offset
    linear = slopes @ (by_sum[:, None] * weights)
    intercept = machine.base + (constant + slope * machine.offset + bend * machine.offset**2) @ weights
    features = len(machine.feature_names)
    return QuadraticForms(
        machine.feature_names, np.zeros(features), forms, linear, intercept, machine.link, machine.labels
    )


def squares_of(graph: QuadraticForms, rows: FloatArray) -> SquareLayers:
    """One layer of squares: ±(a · u + b)² for each eigenvector, u being features from -1 to 1 over calibration data.

    With M = Σ λ a aᵀ, λ (a · u)² + p a · u is λ (a · u + p / 2λ)² less a constant. Where the vertex would be far off, p
    is left over instead; what is left over of a form, r · u, is ((r · u + c)² - (r · u - c)²) / 4c.

    Args:
        graph: the forms.
        rows: calibration data, shape (rows, features).
    """
    lower, upper = rows.min(axis=0), rows.max(axis=0)
    half = np.where(upper > lower, (upper - lower) / 2, 0.0)
    around = graph.moved((lower + upper) / 2)
    first: list[FloatArray] = []
    offsets: list[float] = []
    last: list[FloatArray] = []
    base = around.intercept.copy()

    def add(output: int, direction: FloatArray, offset: float, sign: float) -> None:
        first.append(direction)
        offsets.append(offset)
        last.append(sign * np.eye(graph.outputs)[output])

    for output in range(graph.outputs):
        values, vectors = np.linalg.eigh(around.forms[output] * np.outer(half, half))
        rest = around.linear[:, output] * half
        shares = np.abs(values) * np.square(np.abs(vectors).sum(axis=0))
        kept = shares > _NEGLIGIBLE * max(shares.max(), np.abs(rest).sum())
        for value, vector in zip(values[kept], vectors.T[kept], strict=True):
            vertex = (rest @ vector) / (2 * value)
            if abs(vertex) > _FARTHEST:
                vertex = 0.0
            root = np.sqrt(abs(value))
            add(output, root * vector, root * vertex, np.sign(value))
            base[output] -= value * vertex**2
            rest = rest - 2 * value * vertex * vector
        size = float(np.abs(rest).sum())
        if size > _NEGLIGIBLE * float(shares.max(initial=0.0)):
            # With c about as large as r · u can be, both squares are as small as may be.
            root = np.sqrt(size / 4)
            add(output, root * rest / size, root, 1.0)
            add(output, root * rest / size, -root, -1.0)
    if not first:
        raise ConstantModelError("the model gives the same scores for every input: there is nothing to compute")
    matrix = np.stack(first) / np.where(half > 0, half, np.inf)
    offset = np.array(offsets) - matrix @ around.centre
    return SquareLayers((Affine(matrix, offset), Affine(np.stack(last, axis=1), base)))
