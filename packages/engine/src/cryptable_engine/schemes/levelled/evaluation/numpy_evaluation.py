"""NumpyEvaluation: a plan evaluated by numpy.fft, wherever there is no kernel, and as its oracle."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
from cryptable_protocol.schemes.levelled.batch import RowsTogether

from cryptable_engine.schemes.levelled.evaluation.expansion import expand, switch_all, transform
from cryptable_engine.schemes.levelled.evaluation.fine_levels import expand_finely, fine_levels
from cryptable_engine.schemes.levelled.evaluation.products import Products
from cryptable_engine.schemes.levelled.evaluation.rotations import Rotations
from cryptable_engine.schemes.levelled.evaluation.server_keys import ServerKeys
from cryptable_engine.schemes.levelled.evaluation.transforms import (
    HALF,
    ComplexArray,
    FloatArray,
    fold,
    unfold,
)
from cryptable_engine.schemes.levelled.evaluation.workspace import Workspace
from cryptable_engine.schemes.levelled.plans.plan import Plan


class NumpyEvaluation:
    """Evaluates one plan. Thread-safe: each thread has a workspace of its own."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._products = Products(plan)
        self._rotations = None if plan.turns is None else Rotations(plan.turns)
        self._own = threading.local()

    def ciphertext(self, polynomials: FloatArray, keys: ServerKeys) -> FloatArray:
        """The answer's ciphertext, not hidden, shape (2, N), on the torus.

        Args:
            polynomials: of the row, expanded ones first: shape (count, 2, N), mask and body, on the torus.
            keys: of the client.
        """
        space = self._space()
        layout = self._plan.layout
        folded = fold(polynomials)
        held = self._products.held
        for index, (run, ciphertext) in enumerate(zip(layout.runs, folded, strict=False)):
            first = run.first if held is None else held.first[index]
            leaves = space.leaves[first : first + run.count]
            leaves[0] = ciphertext
            expand(run, keys, leaves, space, but_last=held is not None)
        placed = space.leaves[len(layout.leaf_bits) if held is None else held.count :]
        np.copyto(placed, folded[len(layout.runs) :])
        if held is not None:
            transform(placed)
        return self._answer(space, keys)

    def together(self, polynomial: FloatArray, parameters: RowsTogether, keys: ServerKeys) -> Iterator[FloatArray]:
        """For each of several rows, as `ciphertext`: one polynomial of shape (2, N) is expanded for all.

        The plan is of a row without places, and not streamed.
        """
        space, run = self._space(), parameters.run
        leaves = self._leaves_of(run.count)
        nodes = expand_finely(run, polynomial, keys.fine_rows)
        leaves[: len(nodes)] = fold(nodes)
        expand(run, keys, leaves, space, begun=fine_levels(run))
        for row in np.split(leaves, parameters.rows):
            np.copyto(space.leaves, row)
            yield self._answer(space, keys)

    def _leaves_of(self, count: int) -> ComplexArray:
        """Memory for leaves of rows together, of this thread: at most 64 MiB, kept since getting it takes long."""
        held: ComplexArray | None = getattr(self._own, "leaves", None)
        if held is None or len(held) < count:
            held = self._own.leaves = np.empty((count, 2, HALF), np.complex128)
        return held[:count]

    def _answer(self, space: Workspace, keys: ServerKeys) -> FloatArray:
        """From expanded leaves, and places."""
        if self._products.held is None:
            switch_all(self._plan, keys, space)
        answer: ComplexArray = self._products.evaluate(space, keys)
        if self._rotations is not None:
            answer += self._rotations.evaluate(space, keys)
        return unfold(answer)

    def _space(self) -> Workspace:
        space: Workspace | None = getattr(self._own, "space", None)
        if space is None:
            space = self._own.space = Workspace(self._plan, self._products.places)
        return space
