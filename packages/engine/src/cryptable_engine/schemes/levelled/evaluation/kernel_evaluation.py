"""KernelEvaluation: a plan evaluated by the kernel, a few calls a row, each without Python's lock."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from cryptable_kernel import PAIR, STAYS, SWITCHED, ExpansionKeys, Forms, Kernel, Ring, aligned
from cryptable_protocol import InternalError
from cryptable_protocol.schemes.levelled.batch import RowsTogether
from cryptable_protocol.schemes.levelled.keyset import RING_SIZE, UNIVERSAL
from cryptable_protocol.schemes.levelled.layout import Run

from cryptable_engine.circuit.circuit import IntArray
from cryptable_engine.circuit.turning_tree import TurningTree
from cryptable_engine.schemes.levelled.evaluation.fine_levels import expand_finely, fine_levels
from cryptable_engine.schemes.levelled.evaluation.hiding import encryption_of_zero
from cryptable_engine.schemes.levelled.evaluation.product_memory import CHUNK, chunks, places_of
from cryptable_engine.schemes.levelled.evaluation.reads import Reads
from cryptable_engine.schemes.levelled.evaluation.server_keys import ServerKeys
from cryptable_engine.schemes.levelled.evaluation.transforms import FloatArray, centre
from cryptable_engine.schemes.levelled.plans.plan import Plan
from cryptable_engine.schemes.levelled.plans.turns import NO_BIT, Turns, body_gadget, turned
from cryptable_engine.schemes.threads import on_all_threads, thread_count

_AT_ONCE = 64
"""Polynomials that are copied to memory that the kernel reads."""
_WORTH_A_THREAD = 128
"""Leaves: some milliseconds. Two threads that shared 84 took a quarter more of CPU than one."""


@cache
def ring_of(kernel: Kernel) -> Ring:
    """The scheme's ring: one for all models and keys."""
    return Ring(kernel, RING_SIZE)


@dataclass(frozen=True)
class _Workspace:
    """As `Workspace`, of ciphertexts and pairs of shape (2, N)."""

    leaves: FloatArray
    switched: FloatArray
    ready: FloatArray
    products: FloatArray
    tables: FloatArray
    answer: FloatArray
    scratches: list[FloatArray]
    """One for each thread that computes."""

    @property
    def scratch(self) -> FloatArray:
        """Of what one thread alone does."""
        return self.scratches[0]


class KernelEvaluation:
    """Evaluates one plan as `NumpyEvaluation` does. Thread-safe, likewise; the lock is free while it computes.

    A row is shared among the process's threads: subtrees of leaves, and products of equal depth. Where selectors are
    made ready for products at hand, and where tables are turned, one thread does all but the leaves.
    """

    def __init__(self, plan: Plan, ring: Ring) -> None:
        self._plan, self._ring = plan, ring
        forms, layout = plan.forms, plan.layout
        self._threads = min(thread_count(), 1 + len(layout.leaf_bits) // _WORTH_A_THREAD)
        # One thread writes one product after the other, so that each may stand where its own form was the last to read.
        # Several are at products of equal depth at once.
        is_shared = self._threads > 1 and not plan.is_streamed
        self._place, self._places = places_of(forms, max(1, forms.products) if is_shared else 1, in_any_order=is_shared)
        self._begin = plan.selector * layout.gadget.levels
        self._becomes = np.full(len(layout.leaf_bits), STAYS if plan.is_streamed else PAIR)
        for used in () if plan.is_streamed else plan.switched_leaves:
            self._becomes[used.start : used.stop] = SWITCHED
        self._forms = _forms(plan, ring, self._place)
        self._turns = None if plan.turns is None else _Turning(plan.turns, ring)
        self._own = threading.local()

    def ciphertext(self, polynomials: FloatArray, keys: ServerKeys) -> FloatArray:
        """The answer's ciphertext, not hidden, shape (2, N), on the torus.

        Args:
            polynomials: of the row, expanded ones first: shape (count, 2, N), mask and body, on the torus.
            keys: of the client, made ready for this ring.
        """
        space, layout = self._space(), self._plan.layout
        leaves = len(layout.leaf_bits)
        for run, ciphertext in zip(layout.runs, polynomials, strict=False):
            self._expand(run, ciphertext, keys, space)
        space.leaves[leaves:] = polynomials[len(layout.runs) :]
        self._ring.pairs(space.leaves[leaves:], space.scratch)
        return self._answer(space, keys)

    def together(self, polynomial: FloatArray, parameters: RowsTogether, keys: ServerKeys) -> Iterator[FloatArray]:
        """For each of several rows, as `ciphertext`: one polynomial of shape (2, N) is expanded for all.

        The plan is of a row without places, and not streamed.
        """
        space, run = self._space(), parameters.run
        leaves = self._leaves_of(run.count)
        nodes, levels = expand_finely(run, polynomial, keys.fine_rows), fine_levels(run)
        leaves[: len(nodes)] = nodes
        own, stay, none = _expansion(keys), np.full(run.count, STAYS), space.switched[:0]
        for tree in range(len(nodes)):
            self._ring.expand(leaves, run.depth, run.shift, own, stay, none, space.scratch, below=(tree, levels))
        for row in np.split(leaves, parameters.rows):
            np.copyto(space.leaves, row)
            self._make_ready(space, keys)
            yield self._answer(space, keys)

    def _leaves_of(self, count: int) -> FloatArray:
        """Memory for leaves of rows together, of this thread: at most 64 MiB, kept since getting it takes long."""
        held: FloatArray | None = getattr(self._own, "leaves", None)
        if held is None or len(held) < count:
            held = self._own.leaves = aligned(count, 2, RING_SIZE)
        return held[:count]

    def _make_ready(self, space: _Workspace, keys: ServerKeys) -> None:
        """Leaves that stayed ciphertexts."""
        ring, done = self._ring, 0
        for used in self._plan.switched_leaves:
            ring.pairs(space.leaves[done : used.start], space.scratch)
            done = used.stop
            part, switched = space.leaves[used.start : done], space.switched[used.start : done]
            ring.switch_leaves(part, UNIVERSAL.switch, keys.switch, switched, space.scratch)
        ring.pairs(space.leaves[done:], space.scratch)

    def _answer(self, space: _Workspace, keys: ServerKeys) -> FloatArray:
        """From leaves and places that are ready."""
        plan, ring = self._plan, self._ring
        self._multiply(space, keys)
        root = plan.forms.root
        ring.forms(self._forms, root, root + 1, space.leaves, space.products, space.answer, space.scratch)
        answer: FloatArray = space.answer[0].copy()
        if self._turns is not None:
            answer += self._turns.evaluate(space, keys)
        return answer

    def _expand(self, run: Run, ciphertext: FloatArray, keys: ServerKeys, space: _Workspace) -> None:
        """All leaves of a run, each made ready as soon as it is there."""
        ring, own = self._ring, _expansion(keys)
        leaves, becomes, switched = (
            array[run.first : run.first + run.count] for array in (space.leaves, self._becomes, space.switched)
        )
        leaves[0] = ciphertext
        levels = min(run.depth, self._threads.bit_length()) if self._threads > 1 else 0
        top = leaves[: 1 << levels]
        if levels:
            ring.expand(top, levels, run.shift, own, np.full(len(top), STAYS), switched[:0], space.scratch)

        def below(thread: int) -> None:
            for tree in range(thread, len(top), self._threads):
                scratch = space.scratches[thread]
                ring.expand(leaves, run.depth, run.shift, own, becomes, switched, scratch, below=(tree, levels))

        on_all_threads(below, range(self._threads))

    def _multiply(self, space: _Workspace, keys: ServerKeys) -> None:
        plan = self._plan
        if not plan.is_streamed:
            for step in plan.forms.steps if self._threads > 1 else (range(plan.forms.products),):
                self._multiply_step(step, space)
            return
        levels = plan.layout.gadget.levels
        for chunk in chunks(plan.forms):
            at_hand, index = np.unique(plan.selector[chunk.start : chunk.stop], return_inverse=True)
            count = len(at_hand) * levels
            ready, switched = space.ready[:count], space.switched[:count]
            np.take(
                space.leaves, (at_hand[:, None] * levels + np.arange(levels)).ravel(), axis=0, out=ready, mode="clip"
            )
            self._ring.switch_leaves(ready, UNIVERSAL.switch, keys.switch, switched, space.scratch)
            self._multiply_some(chunk, space, switched, ready, index.ravel() * levels)

    def _multiply_step(self, step: range, space: _Workspace) -> None:
        """Products whose forms read none of them, if several threads compute."""
        share = -(-len(step) // self._threads)

        def some(thread: int) -> None:
            products = step[thread * share : (thread + 1) * share]
            begin = self._begin[products.start : products.stop]
            self._multiply_some(products, space, space.switched, space.leaves, begin, thread)

        on_all_threads(some, range(self._threads))

    def _multiply_some(
        self,
        products: range,
        space: _Workspace,
        switched: FloatArray,
        rows: FloatArray,
        begin: IntArray,
        thread: int = 0,
    ) -> None:
        self._ring.products(
            self._forms,
            products.start,
            products.stop,
            space.leaves,
            space.products,
            gadget=self._plan.layout.gadget,
            switched=switched,
            rows=rows,
            begin=begin,
            place=self._place[products.start : products.stop],
            scratch=space.scratches[thread],
        )

    def _space(self) -> _Workspace:
        space: _Workspace | None = getattr(self._own, "space", None)
        if space is None:
            plan, layout = self._plan, self._plan.layout
            at_hand = CHUNK * layout.gadget.levels
            turns = plan.turns
            space = self._own.space = _Workspace(
                leaves=aligned(len(layout.leaf_bits) + layout.placed_polynomials, 2, RING_SIZE),
                switched=aligned(at_hand if plan.is_streamed else layout.selector_leaves, 2, RING_SIZE),
                ready=aligned(at_hand if plan.is_streamed else 0, 2, RING_SIZE),
                products=aligned(self._places, 2, RING_SIZE),
                tables=aligned(0 if turns is None else turns.neurons, 2, RING_SIZE),
                answer=aligned(1, 2, RING_SIZE),
                scratches=[self._ring.scratch() for _ in range(self._threads)],
            )
        return space


def _expansion(keys: ServerKeys) -> ExpansionKeys:
    if keys.expansion is None:
        raise InternalError("keys that no ciphertext is expanded with, and that were let through")
    return keys.expansion


class _Turning:
    """The tables of a plan, turned by encrypted bits and added up, as `Rotations` does."""

    def __init__(self, turns: Turns, ring: Ring) -> None:
        self._turns, self._ring = turns, ring
        levels, neurons, begun = turns.gadget.levels, turns.neurons, turns.begun
        self._gadgets = (turns.gadget, body_gadget(turns.gadget))
        # A table with its first turn, or signs, is a form of selectors' leaves: weights are digits known beforehand.
        # One without reads nothing.
        reads = np.arange(begun.forms * levels + 1)
        spectra = aligned(begun.forms * levels, RING_SIZE)
        for start in range(0, begun.forms, _AT_ONCE):
            digits = begun.digits(turns.gadget, slice(start, start + _AT_ONCE)).transpose(1, 0, 2)
            spectra[start * levels : (start + _AT_ONCE) * levels] = _transforms(ring, digits.reshape(-1, RING_SIZE))
        none = np.empty(0, np.int64)
        self._begin = Forms(
            RING_SIZE,
            term_first=np.zeros(neurons + 1, np.int64),
            term_place=none,
            term_sign=none,
            read_first=levels * np.searchsorted(begun.table, np.arange(neurons + 1)),
            read_source=((turns.selector[begun.bit] * levels)[:, None] + np.arange(levels)).ravel(),
            weight_first=np.zeros(len(reads), np.int64),
            weight_at=none,
            weight=none,
            constant=turns.tables,
            spectra=spectra,
        )

    def evaluate(self, space: _Workspace, keys: ServerKeys) -> FloatArray:
        """The sum of the turned tables, shape (2, N); those that trees alone turn begin with an encryption of zero."""
        turns = self._turns
        self._ring.forms(self._begin, 0, turns.neurons, space.leaves, space.products[:0], space.tables, space.scratch)
        for neuron in np.flatnonzero(turns.first == NO_BIT).tolist():
            space.tables[neuron] += encryption_of_zero(keys)
            centre(space.tables[neuron], np.empty_like(space.tables[neuron]))
        for bit in np.flatnonzero(turns.own.any(axis=1)).tolist():
            chosen = np.flatnonzero(turns.own[bit])
            self._turn(int(turns.selector[bit]), space.tables, chosen, turns.powers[bit, chosen], space)
        for tree, asked in zip(turns.trees, turns.asked, strict=True):
            for start in range(0, len(tree.neurons), CHUNK):
                together = tree.neurons[start : start + CHUNK]
                space.tables[together] = self._led(tree, asked, 0, together, space)
        total = space.tables[:1]
        for table in space.tables[1:]:
            np.add(total[0], table, out=total[0])
        centre(total, np.empty_like(total))
        for bit in np.flatnonzero(turns.common).tolist():
            self._turn(int(turns.selector[bit]), total, np.zeros(1, np.int64), turns.powers[bit, :1], space)
        answer: FloatArray = total[0]
        return answer

    def _led(self, tree: TurningTree, asked: IntArray, node: int, neurons: IntArray, space: _Workspace) -> FloatArray:
        """As `Rotations` has it: tables as the leaf of a subtree turns them that a row leads to, (neurons, 2, N)."""
        if not tree.moves[node]:
            powers = tree.exponents[tree.leaf[node], neurons] * self._turns.stride
            tables = space.tables[neurons].reshape(-1, RING_SIZE)
            return turned(tables, np.repeat(powers, 2)).reshape(-1, 2, RING_SIZE)
        low = self._led(tree, asked, node + 1, neurons, space)
        difference = self._led(tree, asked, int(tree.high[node]), neurons, space) - low
        centre(difference, np.empty_like(difference))
        # X^-N is -1: a turn by it adds the bit times -2 times what is turned.
        half = aligned(len(neurons), 2, RING_SIZE)
        np.multiply(difference, -0.5, out=half)
        self._turn(int(asked[node]), half, np.arange(len(neurons)), np.full(len(neurons), RING_SIZE), space)
        low += half + 0.5 * difference
        centre(low, np.empty_like(low))
        return low

    def _turn(self, selector: int, tables: FloatArray, chosen: IntArray, powers: IntArray, space: _Workspace) -> None:
        masks, bodies = self._gadgets
        first, together = selector * masks.levels, masks.levels // bodies.levels
        self._ring.turn(
            tables,
            chosen,
            powers,
            gadgets=self._gadgets,
            mask_rows=list(space.switched[first : first + masks.levels]),
            body_rows=list(space.leaves[first + together - 1 : first + masks.levels : together]),
            scratch=space.scratch,
        )


def _forms(plan: Plan, ring: Ring, place: IntArray) -> Forms:
    reads, forms = Reads(plan), plan.forms
    return Forms(
        RING_SIZE,
        term_first=forms.term_first,
        term_place=place[forms.term_product],
        term_sign=forms.term_sign,
        read_first=reads.first,
        read_source=reads.source,
        weight_first=reads.weight_first,
        weight_at=reads.weight_at,
        weight=reads.weight,
        constant=plan.constant,
        spectra=_transforms(ring, reads.polynomials(0, reads.ready)),
        folded=len(plan.layout.leaf_bits) if plan.is_streamed else 0,
    )


def _transforms(ring: Ring, polynomials: FloatArray) -> FloatArray:
    found, some = aligned(*polynomials.shape), aligned(_AT_ONCE, RING_SIZE)
    for first in range(0, len(found), _AT_ONCE):
        part = found[first : first + _AT_ONCE]
        some[: len(part)] = polynomials[first : first + _AT_ONCE]
        ring.transform(some[: len(part)], part)
    return found
