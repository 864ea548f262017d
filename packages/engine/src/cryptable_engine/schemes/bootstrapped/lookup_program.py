"""Circuits with lookups, evaluated node by node: sums by NumPy, bootstrappings in groups, on all threads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from cryptable_protocol import EncryptedTensor, InternalError, MalformedMessageError

from cryptable_engine.circuit.circuit import Circuit, Linear, Lookup, Node
from cryptable_engine.circuit.convolution import Convolution
from cryptable_engine.errors import UnsupportedProgramError
from cryptable_engine.schemes.bootstrapped.bootstrapping.keys import BootstrappingKeys
from cryptable_engine.schemes.bootstrapped.bootstrapping.seeded_keys import Words, supports
from cryptable_engine.schemes.bootstrapped.concrete.info import expect
from cryptable_engine.schemes.bootstrapped.parameters.assignment import Assignment, one_of_a_kind
from cryptable_engine.schemes.bootstrapped.parameters.layout import (
    Layout,
    Reading,
    around_centres,
    offset_with_centres,
    reading_of,
)
from cryptable_engine.schemes.bootstrapped.program import BootstrappedProgram
from cryptable_engine.schemes.bootstrapped.sums import ConvolvedWindows, TermProduct
from cryptable_engine.schemes.threads import on_all_threads, share, thread_count

CIRCUIT, LAYOUT = "circuit.bin", "layout.json"


def write_lookups(circuit: Circuit, layout: Layout, directory: Path) -> None:
    """Store a verified circuit beside its program, with the layout that it was compiled with."""
    data = circuit.to_bytes()
    (directory / CIRCUIT).write_bytes(data)
    # The beginning of a circuit can be a circuit, too.
    digest = hashlib.sha256(data).hexdigest()
    (directory / LAYOUT).write_text(json.dumps({"widths": layout.widths, "output": layout.output, "circuit": digest}))


class LookupProgram:
    """A circuit with lookups.

    Args:
        circuit: verified.
        widths: of its nodes' regions.
        output: how its output is read.
        assignment: which keys its values and lookups have.
        dimensions: of secret keys, by id.
    """

    def __init__(
        self,
        circuit: Circuit,
        widths: tuple[int, ...],
        output: Reading,
        assignment: Assignment,
        dimensions: Mapping[int, int],
    ) -> None:
        self._circuit, self._widths, self._output, self._assignment = circuit, widths, output, assignment
        self._dimensions = [dimensions[under] for under in assignment.under]
        self._steps: list[_Step] = [self._step(index) for index in range(1, len(circuit.nodes))]
        self._last_use = {0: 0}
        for index, node in enumerate(circuit.nodes):
            for source in _sources(node):
                self._last_use[source] = index

    @classmethod
    def load(cls, program: BootstrappedProgram) -> LookupProgram:
        """What `write_lookups` stored in a trusted directory.

        Raises:
            UnsupportedProgramError: it is not there or damaged, there are several keys of a kind of which nobody knows
                which lookup has which, or its input or output is under another key than lookups read.
        """
        keyset = program.keyset
        if program.assignment is None and not supports(keyset):
            raise UnsupportedProgramError("program: its lookups are not under one bootstrap key")
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
        assignment = program.assignment or one_of_a_kind(circuit, keyset)
        _check(circuit, assignment, program)
        return cls(circuit, widths, output, assignment, keyset.dimensions)

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
            case Convolution() as node:
                return self._convolution(index, node)
            case Lookup() as node:
                return self._lookup(index, node)
        raise InternalError(f"node {index} is an Input, which only node 0 is")

    def _linear(self, index: int, node: Linear) -> _Step:
        nodes, unit = self._circuit.nodes, np.uint64(63 - self._widths[index])
        bodies = offset_with_centres(self._circuit, node).view(np.uint64) << unit
        products = [TermProduct(term, nodes[term.source].size, node.size) for term in node.terms]

        def step(values: dict[int, Words], _: BootstrappingKeys) -> Words:
            result = np.zeros((node.size, self._dimensions[index] + 1), np.uint64)
            for product in products:
                product.add_to(result, values[product.source])
            result[:, -1] += bodies
            return result

        return step

    def _convolution(self, index: int, node: Convolution) -> _Step:
        unit = np.uint64(63 - self._widths[index])
        bodies = offset_with_centres(self._circuit, node).view(np.uint64) << unit
        windows = ConvolvedWindows(node)

        def step(values: dict[int, Words], _: BootstrappingKeys) -> Words:
            result = np.empty((node.size, self._dimensions[index] + 1), np.uint64)
            source = values[node.source]
            on_all_threads(lambda place: windows.write(result, source, place), range(windows.places))
            result[:, -1] += bodies
            return result

        return step

    def _lookup(self, index: int, node: Lookup) -> _Step:
        entries = around_centres(node).view(np.uint64) << np.uint64(63 - self._widths[index])
        its = self._assignment.lookups[index]

        def step(values: dict[int, Words], keys: BootstrappingKeys) -> Words:
            read = self._read(values[node.source], node.source, reading_of(node))
            result = np.empty((node.size, self._dimensions[index] + 1), np.uint64)

            group = share(node.size, keys.group, thread_count())

            def look_up(first: int) -> None:
                chosen = slice(first, first + group)
                result[chosen] = keys.look_up(read[chosen], entries[node.table_of[chosen]], its)

            on_all_threads(look_up, range(0, node.size, group))
            return result

        return step


def _check(circuit: Circuit, assignment: Assignment, program: BootstrappedProgram) -> None:
    """Whether an assignment is one of this circuit and its program's keys: it may be read from a file."""
    under, keys = assignment.under, {key.id: key for key in program.keyset.bootstrap_keys}
    expect(len(under) == len(circuit.nodes), "its keys are those of another circuit; compile it again")
    expect(
        (under[0], under[circuit.output]) == (program.input.key, program.output.key),
        "its input or output is not under the key that its lookups read",
    )
    leads = {(switch.input_key, switch.output_key) for switch in program.keyset.keyswitch_keys}
    leads |= {(key.input_key, key.input_key) for key in keys.values()}
    for index, node in enumerate(circuit.nodes):
        if isinstance(node, Lookup):
            its = assignment.lookups.get(index)
            key = keys.get(its.bootstrap_key) if its is not None and its.under == under[node.source] else None
            fits = key is not None and key.output_key == under[index] and (under[node.source], key.input_key) in leads
        else:
            fits = all(under[source] == under[index] for source in _sources(node))
        expect(fits, f"node {index} has no keys that fit; compile the circuit again")


_Step = Callable[[dict[int, Words], BootstrappingKeys], Words]


def _sources(node: Node) -> set[int]:
    match node:
        case Linear():
            return {term.source for term in node.terms}
        case Convolution() | Lookup():
            return {node.source}
    return set()
