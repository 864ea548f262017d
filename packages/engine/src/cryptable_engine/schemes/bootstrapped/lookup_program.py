"""Circuits with lookups, evaluated node by node: sums by NumPy, bootstrappings in groups, on all threads."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
from cryptable_protocol import EncryptedTensor, InternalError, MalformedMessageError

from cryptable_engine.circuit.circuit import Circuit, Input, IntArray, Linear, Lookup, Node, Term
from cryptable_engine.errors import UnsupportedProgramError
from cryptable_engine.schemes.bootstrapped.bootstrapping.keys import BootstrappingKeys
from cryptable_engine.schemes.bootstrapped.bootstrapping.seeded_keys import Words, supports
from cryptable_engine.schemes.bootstrapped.concrete.info import expect
from cryptable_engine.schemes.bootstrapped.parameters.layout import (
    Layout,
    Reading,
    around_centres,
    offset_with_centres,
    reading_of,
)
from cryptable_engine.schemes.bootstrapped.program import BootstrappedProgram

CIRCUIT, LAYOUT = "circuit.bin", "layout.json"
_WORD_BYTES = 8
_BLOCK_BYTES, _LEAST_WIDTH = 1 << 19, 64
"""Dense columns are multiplied by this much of a source at a time, which caches hold, and by as many words at least."""
_COLUMNS = 32
"""Sparse columns that a thread takes at a time."""
_DENSE = 0.4
"""From this share of non-zero weights on, multiplying by the zeros costs less than leaving them out."""


def write_lookups(circuit: Circuit, layout: Layout, directory: Path) -> None:
    """Store a verified circuit beside its program, with the layout that it was compiled with."""
    data = circuit.to_bytes()
    (directory / CIRCUIT).write_bytes(data)
    # The beginning of a circuit can be a circuit, too.
    digest = hashlib.sha256(data).hexdigest()
    (directory / LAYOUT).write_text(json.dumps({"widths": layout.widths, "output": layout.output, "circuit": digest}))


class LookupProgram:
    """A circuit with lookups under one bootstrap key.

    Args:
        circuit: verified.
        widths: of its nodes' regions.
        output: how its output is read.
        given: dimension of the secret key that inputs are under.
        looked_up: dimension of the one that looked-up values are under: the same, but in one-level circuits.
    """

    def __init__(
        self, circuit: Circuit, widths: tuple[int, ...], output: Reading, *, given: int, looked_up: int
    ) -> None:
        self._circuit, self._widths, self._output = circuit, widths, output
        self._dimensions = _dimensions(circuit, given, looked_up)
        self._steps: list[_Step] = [self._step(index) for index in range(1, len(circuit.nodes))]
        self._last_use = {0: 0}
        for index, node in enumerate(circuit.nodes):
            for source in _sources(node):
                self._last_use[source] = index

    @classmethod
    def load(cls, program: BootstrappedProgram) -> LookupProgram:
        """What `write_lookups` stored in a trusted directory.

        Raises:
            UnsupportedProgramError: it is not there or damaged, there are several keys of a kind, or its input or
                output is under another key than lookups read.
        """
        keyset = program.keyset
        if not supports(keyset):
            raise UnsupportedProgramError("program: its lookups are not under one bootstrap key")
        (key,) = keyset.bootstrap_keys
        read = key.output_key if keyset.keyswitch_keys else key.input_key
        if program.input.key != read or program.output.key != key.output_key:
            raise UnsupportedProgramError("program: its input or output is not under the key that its lookups read")
        try:
            data = (program.directory / CIRCUIT).read_bytes()
            layout = json.loads((program.directory / LAYOUT).read_text())
            expect(
                hashlib.sha256(data).hexdigest() == layout["circuit"],
                f"{CIRCUIT} is damaged; compile the circuit again",
            )
            circuit = Circuit.from_bytes(data)
            widths, output = tuple(map(int, layout["widths"])), Reading(*map(int, layout["output"]))
        except (OSError, KeyError, TypeError, ValueError, MalformedMessageError) as error:
            raise UnsupportedProgramError(
                f"program: {CIRCUIT} or {LAYOUT} is damaged ({error}); compile the circuit again"
            ) from error
        return cls(
            circuit,
            widths,
            output,
            given=keyset.dimensions[program.input.key],
            looked_up=keyset.dimensions[key.output_key],
        )

    def evaluate(self, tensor: EncryptedTensor, keys: BootstrappingKeys) -> Words:
        """The result's ciphertexts, shape (outputs, dimension + 1), the body last.

        Raises:
            MalformedMessageError: another number of ciphertexts, or another dimension.
        """
        values = {0: tensor.ciphertexts(self._circuit.input.size, self._dimensions[0])}
        for index, step in enumerate(self._steps, 1):
            values[index] = step(values, keys)
            for source in _sources(self._circuit.nodes[index]):
                if self._last_use[source] == index and source != self._circuit.output:
                    values.pop(source, None)
        return self._read(values[self._circuit.output], self._circuit.output, self._output)

    def _read(self, words: Words, node: int, reading: Reading) -> Words:
        """A value whose upper bits are to be read, shifted to the top of its region."""
        shift = self._widths[node] - reading.bits
        return words << np.uint64(shift) if shift else words

    def _step(self, index: int) -> _Step:
        match self._circuit.nodes[index]:
            case Linear() as node:
                return self._linear(index, node)
            case Lookup() as node:
                return self._lookup(index, node)
        raise InternalError(f"node {index} is an Input, which only node 0 is")

    def _linear(self, index: int, node: Linear) -> _Step:
        nodes, unit = self._circuit.nodes, np.uint64(63 - self._widths[index])
        bodies = offset_with_centres(self._circuit, node).view(np.uint64) << unit
        products = [_Product(term, nodes[term.source].size, node.size) for term in node.terms]

        def step(values: dict[int, Words], _: BootstrappingKeys) -> Words:
            result = np.zeros((node.size, self._dimensions[index] + 1), np.uint64)
            for product in products:
                product.add_to(result, values[product.source])
            result[:, -1] += bodies
            return result

        return step

    def _lookup(self, index: int, node: Lookup) -> _Step:
        entries = around_centres(node).view(np.uint64) << np.uint64(63 - self._widths[index])

        def step(values: dict[int, Words], keys: BootstrappingKeys) -> Words:
            read = self._read(values[node.source], node.source, reading_of(node))
            result = np.empty((node.size, self._dimensions[index] + 1), np.uint64)

            group = _share(node.size, keys.group, _threads())

            def look_up(first: int) -> None:
                chosen = slice(first, first + group)
                result[chosen] = keys.look_up(read[chosen], entries[node.table_of[chosen]])

            _on_all_threads(look_up, range(0, node.size, group))
            return result

        return step


def _dimensions(circuit: Circuit, given: int, looked_up: int) -> list[int]:
    """Of the ciphertexts of each node."""
    dimensions: list[int] = []
    for node in circuit.nodes:
        match node:
            case Input():
                dimensions.append(given)
            case Lookup():
                dimensions.append(looked_up)
            case Linear():
                dimensions.append(dimensions[node.terms[0].source] if node.terms else looked_up)
    return dimensions


_Step = Callable[[dict[int, Words], BootstrappingKeys], Words]


def _sources(node: Node) -> set[int]:
    match node:
        case Linear():
            return {term.source for term in node.terms}
        case Lookup():
            return {node.source}
    return set()


class _Product:
    """A term's matrix, made ready to multiply ciphertexts by: its sparse columns, and its dense ones.

    Args:
        term: of a verified circuit.
        source_size: rows of the matrix.
        size: columns of the matrix.
    """

    def __init__(self, term: Term, source_size: int, size: int) -> None:
        self.source = term.source
        self._sparse: list[tuple[int, IntArray, Words]] = []
        self._dense: list[tuple[int, Words]] = []
        order = np.argsort(term.columns, kind="stable")
        ends = np.cumsum(np.bincount(term.columns, minlength=size))
        for column, entries in enumerate(np.split(order, ends[:-1])):
            rows, weights = term.rows[entries], term.weights[entries].view(np.uint64)
            if _is_dense(rows.size, source_size):
                all_weights = np.zeros(source_size, np.uint64)
                all_weights[rows] = weights
                self._dense.append((column, all_weights))
            elif rows.size:
                self._sparse.append((column, rows, weights))

    def add_to(self, result: Words, source: Words) -> None:
        """Add the source's ciphertexts times the matrix to those of the result."""

        def add_sparse(first: int) -> None:
            for column, rows, weights in self._sparse[first : first + _COLUMNS]:
                result[column] += np.einsum("i,ij->j", weights, source[rows])

        def add_dense(first: int) -> None:
            block = np.ascontiguousarray(source[:, first : first + width])
            for column, weights in self._dense:
                result[column, first : first + width] += np.einsum("i,ij->j", weights, block)

        _on_all_threads(add_sparse, range(0, len(self._sparse), _COLUMNS))
        if self._dense:
            width = max(_LEAST_WIDTH, _BLOCK_BYTES // _WORD_BYTES // source.shape[0])
            _on_all_threads(add_dense, range(0, source.shape[1], width))


def dense_cells_and_gathered_entries(term: Term, source_size: int, size: int) -> tuple[int, int]:
    """What multiplying by a term's matrix costs: weights of dense columns, zeros included, and those of sparse ones."""
    counts = np.bincount(term.columns, minlength=size)
    dense = np.array([_is_dense(count, source_size) for count in counts.tolist()])
    return int(dense.sum()) * source_size, int(counts[~dense].sum())


def _is_dense(entries: int, source_size: int) -> bool:
    return entries > _DENSE * source_size


def _on_all_threads(work: Callable[[int], None], items: Iterable[int]) -> None:
    pool = _pool(os.getpid())
    for _ in map(work, items) if pool is None else pool.map(work, items):
        pass


def _threads() -> int:
    """As many as OMP_NUM_THREADS says (Concrete's own programs heed it), or as there are cores."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, int(asked)) if asked.isdecimal() else usable_cores()


@cache
def _pool(_: int) -> ThreadPoolExecutor | None:
    """A process's threads."""
    count = _threads()
    return ThreadPoolExecutor(count, thread_name_prefix="evaluation") if count > 1 else None


def _share(items: int, most: int, threads: int) -> int:
    """Items that a thread takes at a time, `most` at the most, so that all threads are done at about the same time."""
    parts = threads * -(-items // (most * threads))
    return max(1, -(-items // max(1, parts)))


def usable_cores() -> int:
    """Of this machine, those that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
