"""Random circuits by our kernel, by Concrete's functions and by the interpreter: results have to be the same integers.

    python tools/bench/random_circuits.py                      200 circuits, three rows each
    python tools/bench/random_circuits.py --circuits 40 --compiled 10 --seed 7

Circuits are of sums alone, and of one, two and three levels of lookups of one to five bits, whose tables, weights and
inputs are drawn; lookups read the level before and what came earlier. Nothing is approximate. Each is compiled onto a
keyset of the catalogue, and its rows are encrypted once and evaluated by every engine under the same keys; of the
first `--compiled`, one row also by the program that Concrete itself compiles, with keys that it chooses. A sum is
evaluated by NumPy, and by Concrete only where that compiles it. Exit status 1: a result differs.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from cryptable_client import SecretKeys, decrypt, encrypt, write_evaluation_keys
from cryptable_client.schemes.scheme import read_tensor
from cryptable_engine import (
    Circuit,
    CompilationError,
    Evaluator,
    GroupKind,
    Input,
    InputGroup,
    Linear,
    Lookup,
    Program,
    Term,
    compile_circuit,
    interpret,
)
from cryptable_engine.circuit.bounds import bounds
from cryptable_engine.kernel import kernel_state
from cryptable_engine.schemes.bootstrapped.bootstrapping.keys import VARIABLE
from cryptable_protocol import AffineEncoder, ClientSpec, CompileOptions, Decoder, Link, ThermometerEncoder
from cryptable_protocol.messages import tensor as pb

MOST_BITS = 5
ENGINES = {"kernel": "auto", "concrete": "concrete"}
Nodes = list[Input | Linear | Lookup]
Integers = npt.NDArray[np.int64]


def random_circuit(rng: np.random.Generator, levels: int) -> Circuit:
    """One that the verifier accepts, of so many levels of lookups."""
    while True:
        nodes: Nodes = [Input(tuple(_group(rng) for _ in range(rng.integers(1, 4))))]
        for _ in range(levels):
            linear, highest = _sums(rng, nodes, int(rng.integers(1, 5)), weight=3)
            width = max(1, highest.bit_length())
            if width > MOST_BITS:
                break
            nodes.append(linear)
            count = int(rng.integers(1, 4))
            tables = rng.integers(0, 2 ** int(rng.integers(1, 4)), (count, 1 << width))
            nodes.append(Lookup(len(nodes) - 1, tables, rng.integers(0, count, linear.size)))
        else:
            nodes.append(_sums(rng, nodes, int(rng.integers(1, 4)), weight=9 if levels == 0 else 3)[0])
            return Circuit(tuple(nodes), len(nodes) - 1)


def _group(rng: np.random.Generator) -> InputGroup:
    if rng.random() < 0.5:
        return InputGroup(GroupKind.THERMOMETER, int(rng.integers(1, 5)))
    return InputGroup(GroupKind.RANGE, int(rng.integers(1, 3)), int(rng.integers(1, 5)))


def _sums(rng: np.random.Generator, nodes: Nodes, size: int, weight: int) -> tuple[Linear, int]:
    """Of the last lookups, or inputs, and at times of others; the least is 0. With the greatest."""
    sources = [at for at, node in enumerate(nodes) if not isinstance(node, Linear)]
    chosen = {sources[-1], *(at for at in sources[:-1] if rng.random() < 0.3)}
    terms = []
    for source in sorted(chosen):
        shape = (nodes[source].size, size)
        weights = rng.integers(-weight, weight + 1, shape) * (rng.random(shape) < 0.5)
        weights[rng.integers(shape[0]), :] = 1  # something is read
        terms.append(Term.from_dense(source, weights))
    plain = Linear(tuple(terms), np.zeros(size, np.int64))
    low, high = bounds(Circuit((*nodes, plain), len(nodes)))[-1]
    return Linear(plain.terms, -low), int((high - low).max())


def random_rows(rng: np.random.Generator, given: Input, count: int) -> Integers:
    """As honest encoders make them."""
    parts: list[Integers] = []
    for group in given.groups:
        if group.kind is GroupKind.THERMOMETER:
            parts.append((np.arange(group.size) < rng.integers(0, group.size + 1, (count, 1))).astype(np.int64))
        else:
            parts.append(rng.integers(0, group.maximum + 1, (count, group.size)))
    return np.concatenate(parts, axis=1)


@dataclass(frozen=True)
class Compiled:
    """A circuit with its rows, and what it was compiled to."""

    circuit: Circuit
    rows: Integers
    program: Program


def compiled(circuit: Circuit, rows: Integers, directory: Path) -> Compiled | None:
    """Onto a keyset of the catalogue where one costs little more; None where nothing is exact enough."""
    try:
        return Compiled(circuit, rows, compile_circuit(circuit, CompileOptions(), directory, catalogue=True))
    except CompilationError:
        return None


class Client:
    """Secret keys of one keyset, and the evaluation keys."""

    def __init__(self, program: Program) -> None:
        self._keys = SecretKeys.generate(_spec(program))
        file = io.BytesIO()
        if program.parameters.keyset.evaluation_keys_bytes:
            write_evaluation_keys(self._keys, file)
        self.evaluation_keys = file.getvalue()

    def encrypt(self, program: Program, row: Integers) -> bytes:
        """A row as it travels."""
        data: bytes = encrypt(_spec(program), self._keys, row).to_bytes()
        return data

    def decrypt(self, program: Program, answer: bytes) -> Integers:
        """Integers of an answer."""
        spec = _spec(program)
        values: Integers = decrypt(spec, self._keys, read_tensor(spec, pb.EncryptedTensor.FromString(answer)))
        return values


def _spec(program: Program) -> ClientSpec:
    """With a program's parameters; rows are given as integers, so its encoders only have to be as many."""
    parameters = program.parameters
    maximum = 2**parameters.input_bits - 1
    names = (f"x{index}" for index in range(parameters.inputs))
    features = tuple(
        AffineEncoder(name, 0.0, 1.0, maximum) if maximum > 1 else ThermometerEncoder(name, (0.0,)) for name in names
    )
    decoder = Decoder(Link.IDENTITY, (0,) * parameters.outputs, 1.0, (0.0,) * parameters.outputs)
    return ClientSpec(model_name="random", features=features, parameters=parameters, decoder=decoder)


@contextmanager
def lookups_by(engine: str) -> Iterator[None]:
    """What keys that are loaded meanwhile are made ready for."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = ENGINES[engine]
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before


def main() -> int:
    """Compile all, then evaluate them keyset by keyset."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--circuits", type=int, default=200)
    parser.add_argument("--rows", type=int, default=3, help="of each circuit")
    parser.add_argument("--compiled", type=int, default=20, help="circuits that Concrete compiles, too")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng, wrong, counts = np.random.default_rng(arguments.seed), 0, Counter[str]()
    by_keyset: dict[bytes, list[Compiled]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        kinds: Counter[int] = Counter()
        drawn = 0
        while kinds.total() < arguments.circuits:
            levels, drawn = kinds.total() % 4, drawn + 1
            circuit = random_circuit(rng, levels)
            rows = random_rows(rng, circuit.input, arguments.rows)
            found = compiled(circuit, rows, Path(temporary) / f"{drawn}")
            if found is None:
                continue
            if kinds.total() < arguments.compiled:
                wrong += compiled_by_concrete(found, Path(temporary) / f"{drawn}-concrete", counts)
            kinds[levels] += 1
            by_keyset.setdefault(found.program.parameters.keyset.name, []).append(found)
        print(f"{kinds.total()} circuits of {drawn} drawn, on {len(by_keyset)} keysets", file=sys.stderr, flush=True)
        for circuits in by_keyset.values():
            wrong += evaluated(circuits, counts)
    parts = ", ".join(f"{kinds[each]} of {each} levels" for each in sorted(kinds))
    print(f"{kinds.total()} circuits: {parts}; kernel: {kernel_state().path}")
    for name, count in counts.items():
        print(f"{name}: {count}")
    print(f"results that differ: {wrong}")
    return 1 if wrong else 0


def evaluated(circuits: list[Compiled], counts: Counter[str]) -> int:
    """Circuits of one keyset, by each engine; how many results differ from the interpreter's."""
    client, wrong = Client(circuits[0].program), 0
    sent = [[client.encrypt(each.program, row) for row in each.rows] for each in circuits]
    for engine in ENGINES if circuits[0].circuit.lookups else ["kernel"]:
        with lookups_by(engine):
            keys = Evaluator(circuits[0].program).load_keys(client.evaluation_keys)
        for each, rows in zip(circuits, sent, strict=True):
            evaluator = Evaluator(each.program)
            for row, expected in zip(rows, interpret(each.circuit, each.rows), strict=True):
                result = client.decrypt(each.program, evaluator.evaluate_row(row, keys))
                wrong += _differs(result, expected, engine, each.circuit)
                counts[f"rows by {engine if each.circuit.lookups else 'numpy'}"] += 1
                counts[f"lookups by {engine}"] += each.circuit.lookups
        del keys
    return wrong


def compiled_by_concrete(given: Compiled, directory: Path, counts: Counter[str]) -> int:
    """One row by the program that Concrete compiles; 1 where it differs."""
    program = compile_circuit(given.circuit, CompileOptions(), directory, native=True)
    client, evaluator = Client(program), Evaluator(program, native=True)
    row = given.rows[0]
    answer = evaluator.evaluate_row(client.encrypt(program, row), evaluator.load_keys(client.evaluation_keys))
    counts["rows by Concrete's programs"] += 1
    return _differs(client.decrypt(program, answer), interpret(given.circuit, row[None])[0], "program", given.circuit)


def _differs(result: Integers, expected: Integers, engine: str, circuit: Circuit) -> int:
    if np.array_equal(result, expected):
        return 0
    print(f"{engine}: {result.tolist()}, expected {expected.tolist()}: {circuit.to_bytes().hex()}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
