"""Fixtures of the engine's tests: small circuits, random ones, and concrete-python's own client as the oracle."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from cryptable_engine import (
    Circuit,
    Convolution,
    GroupKind,
    Input,
    InputGroup,
    Linear,
    Lookup,
    Product,
    Program,
    Square,
    Term,
    compile_circuit,
)
from cryptable_engine.circuit.bounds import bounds
from cryptable_engine.circuit.circuit import IntArray
from cryptable_engine.schemes.bootstrapped.concrete.messages import _schema, read_value, value_message
from cryptable_engine.schemes.bootstrapped.concrete.native import PROGRAM_INFO, read_json
from cryptable_protocol import CiphertextType, CompileOptions, EncryptedTensor


def array(*values: int) -> IntArray:
    return np.array(values, np.int64)


def cancelling_circuit() -> Circuit:
    """Two tables whose entries are far larger than what is left of their sum, 0 .. 2: count % 3."""
    count = np.arange(8)
    code = Term.from_dense(0, np.ones((7, 2), np.int64))
    tables = np.stack([100 * count, 700 - 100 * count + count % 3])
    return Circuit(
        (
            Input((InputGroup(GroupKind.THERMOMETER, 7),)),
            Linear((code,), array(0, 0)),
            Lookup(1, tables, array(0, 1)),
            Linear((Term.from_dense(2, [[1], [1]]),), array(-700)),
        ),
        3,
        output_maximum=2,
    )


def random_rows(rng: np.random.Generator, given: Input, count: int) -> IntArray:
    """Rows that an honest encoder could make."""
    parts = []
    for group in given.groups:
        if group.kind is GroupKind.THERMOMETER:
            parts.append((np.arange(group.size) < rng.integers(0, group.size + 1, (count, 1))).astype(np.int64))
        else:
            parts.append(rng.integers(0, group.maximum + 1, (count, group.size)))
    return np.concatenate(parts, axis=1)


def all_rows(given: Input) -> IntArray:
    """Every row that an honest encoder could make."""
    rows = np.zeros((1, 0), np.int64)
    for group in given.groups:
        if group.kind is GroupKind.THERMOMETER:
            choices = np.tri(group.size + 1, group.size, -1, dtype=np.int64)
        else:
            choices = np.stack(np.meshgrid(*[np.arange(group.maximum + 1)] * group.size), -1).reshape(-1, group.size)
        rows = np.concatenate([np.repeat(rows, len(choices), 0), np.tile(choices, (len(rows), 1))], axis=1)
    return rows


def random_circuit(rng: np.random.Generator, depth: int = 3) -> Circuit:
    """A verified circuit: chains of Linear and Lookup nodes that share their sources."""
    groups = []
    for _ in range(rng.integers(1, 4)):
        if rng.random() < 0.7:
            groups.append(InputGroup(GroupKind.THERMOMETER, int(rng.integers(1, 5))))
        else:
            groups.append(InputGroup(GroupKind.RANGE, int(rng.integers(1, 3)), int(rng.integers(1, 5))))
    nodes: list[Input | Linear | Lookup] = [Input(tuple(groups))]
    unused = {0}
    for _ in range(depth):
        count = int(rng.integers(1, min(3, len(nodes)) + 1))
        sources = {int(node) for node in rng.choice(len(nodes), count)} | {len(nodes) - 1}
        linear = _random_linear(rng, nodes, sources)
        raised, highest = _raised(nodes, linear)
        width = max(1, highest.bit_length())
        unused -= sources
        if width <= 6 and rng.random() < 0.7:
            nodes.append(raised)
            count = int(rng.integers(1, 3))
            tables = rng.integers(0, 2 ** int(rng.integers(1, 5)), (count, 2**width))
            nodes.append(Lookup(len(nodes) - 1, tables, rng.integers(0, count, raised.size)))
        else:
            nodes.append(linear)
        unused.add(len(nodes) - 1)
    nodes.append(_raised(nodes, _random_linear(rng, nodes, unused))[0])
    return Circuit(tuple(nodes), len(nodes) - 1)


def _random_linear(rng: np.random.Generator, nodes: list[Input | Linear | Lookup], sources: set[int]) -> Linear:
    size = int(rng.integers(1, 4))
    terms = []
    for source in sorted(sources):
        shape = (nodes[source].size, size)
        terms.append(Term.from_dense(source, rng.integers(-3, 4, shape) * (rng.random(shape) < 0.5)))
    return Linear(tuple(terms), rng.integers(-5, 6, size))


def _raised(nodes: list[Input | Linear | Lookup], linear: Linear) -> tuple[Linear, int]:
    """`linear` with an offset that makes its lowest value 0, and its highest value then."""
    low, high = bounds(Circuit((*nodes, linear), len(nodes)))[-1]
    return Linear(linear.terms, linear.offset - low), int((high - low).max())


@dataclass(frozen=True)
class ConcreteClient:
    """concrete-python's client for a compiled program; its keys and ciphertexts in our layout."""

    program: Program

    def __post_init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import concrete.compiler as concrete
        info = concrete.Library(str(self.program.directory)).get_program_info()
        keyset = concrete.Keyset(info, None)
        client = concrete.ClientProgram.create_encrypted(info, keyset)
        object.__setattr__(self, "_concrete", concrete)
        object.__setattr__(self, "_kept", (info, keyset, client))
        object.__setattr__(self, "_circuit", client.get_client_circuit("main"))

    def for_program(self, program: Program) -> ConcreteClient:
        """With the same keys, for a program of the same keyset."""
        other = object.__new__(ConcreteClient)
        object.__setattr__(other, "program", program)
        info = self._concrete.Library(str(program.directory)).get_program_info()
        client = self._concrete.ClientProgram.create_encrypted(info, self._kept[1])
        object.__setattr__(other, "_concrete", self._concrete)
        object.__setattr__(other, "_kept", (info, self._kept[1], client))
        object.__setattr__(other, "_circuit", client.get_client_circuit("main"))
        return other

    @property
    def server_keyset_message(self) -> bytes:
        return self._kept[1].get_server_keys().serialize()

    @property
    def evaluation_keys(self) -> bytes:
        with _schema().ServerKeyset.from_bytes(self.server_keyset_message, traversal_limit_in_words=1 << 61) as keyset:
            keys = [*keyset.lweBootstrapKeys, *keyset.lweKeyswitchKeys]
            return b"".join(blob for key in keys for blob in key.payload.data)

    def input_message(self, row: IntArray) -> bytes:
        return self._circuit.prepare_input(self._concrete.Value(row.astype(np.int64)), 0).serialize()

    def encrypt(self, row: IntArray) -> EncryptedTensor:
        program = self.program
        dimension = program.keyset.dimensions[program.input.key]
        return EncryptedTensor.from_ciphertexts(read_value(self.input_message(row), program.input.size, dimension))

    def decrypt(self, tensor: EncryptedTensor) -> IntArray:
        program = self.program
        dimension = program.keyset.dimensions[program.output.key]
        gate = read_json(program.directory / PROGRAM_INFO)["circuits"][0]["outputs"][0]
        variance = gate["typeInfo"]["lweCiphertext"]["encryption"]["variance"]
        kind = CiphertextType(program.output.size, program.output.key, program.output.width, variance)
        message = value_message(tensor.ciphertexts(kind.size, dimension), kind, dimension)
        value = self._circuit.process_output(self._concrete.TransportValue.deserialize(message), 0)
        return np.asarray(value.to_py_val(), np.int64)


def shared_circuit() -> Circuit:
    """Two lookups of 2 bits summed with free terms of the same input bits: 4 + 3 bits, one integer up to 5."""
    given = Input(
        (
            InputGroup(GroupKind.THERMOMETER, 4),
            InputGroup(GroupKind.THERMOMETER, 3),
            InputGroup(GroupKind.RANGE, 1, 5),
        )
    )
    codes = np.zeros((8, 2), np.int64)
    codes[[0, 4], 0] = 2, 1
    codes[[1, 2, 3], 1] = 1
    free = array(0, 0, 3, 0, -2, 0, 1, 7)[:, None]
    tables = np.array([[0, 5, 9, 14], [12, 0, 1, 3]], np.int64)
    return Circuit(
        (
            given,
            Linear((Term.from_dense(0, codes),), array(0, 0)),
            Lookup(1, tables, array(0, 1)),
            Linear((Term.from_dense(0, free), Term.from_dense(2, [[1], [10]])), array(2)),
        ),
        3,
    )


def chain_circuit() -> Circuit:
    """Lookup, Linear, Lookup, with one Linear read by a Lookup and by a sum."""
    return Circuit(
        (
            Input((InputGroup(GroupKind.THERMOMETER, 3), InputGroup(GroupKind.RANGE, 2, 3))),
            Linear((Term.from_dense(0, [[1, 0], [1, 0], [1, 1], [0, 1], [1, 1]]),), array(0, 0)),
            Lookup(1, np.array([[3, 1, 0, 2, 2, 1, 3, 0]], np.int64), array(0, 0)),
            Linear(
                (Term.from_dense(2, [[1, 1, 0], [2, 0, 1]]), Term.from_dense(1, [[0, 1, 0], [0, 0, 0]])), array(0, 0, 0)
            ),
            Lookup(3, np.arange(32, dtype=np.int64).reshape(2, 16) % 7, array(0, 1, 0)),
            Linear(
                (Term.from_dense(4, [[1, 0], [3, 1], [0, 5]]), Term.from_dense(3, [[0, 0], [0, 1], [0, 0]])),
                array(0, 1),
            ),
        ),
        5,
    )


def gathered_circuit() -> Circuit:
    """Three lookups of 3 bits, each of few of 60 input bits: a matrix in blocks, put in order again."""
    codes = np.zeros((60, 3), np.int64)
    codes[[50, 10, 30], [0, 0, 0]] = 1, 2, 4
    codes[[7], [1]] = 5
    codes[[11, 40, 41], [2, 2, 2]] = 1, 1, 3
    return Circuit(
        (
            Input((InputGroup(GroupKind.RANGE, 60, 1),)),
            Linear((Term.from_dense(0, codes),), array(0, 1, 2)),
            Lookup(1, np.array([[3, 1, 0, 2, 2, 1, 3, 0], [5, 4, 3, 2, 1, 0, 6, 7]], np.int64), array(0, 1, 1)),
            Linear((Term.from_dense(2, [[1, 0], [2, 1], [0, 3]]),), array(0, 4)),
        ),
        3,
    )


def mirrored_circuit() -> Circuit:
    """Tables that drop 3 bits, at positions all around the torus and never near a border; and one that drops none."""
    codes = 8 * np.array([[1, 2, 0], [1, -1, 1], [0, 3, -5]], np.int64)
    tables = np.array([[0, 0, 1, 2], [5, 0, 7, 2]], np.int64)
    return Circuit(
        (
            Input((InputGroup(GroupKind.RANGE, 3, 3),)),
            Linear((Term.from_dense(0, codes),), array(-8, 1, -1)),
            Lookup(1, tables, array(0, 1, 1), 3, array(2, 20)),
            Linear((Term.from_dense(2, [[1, -1], [1, 2], [3, 0]]), Term.from_dense(0, [[0, 1]] * 3)), array(-9, 0)),
            Lookup(3, np.array([[3, 9, 1, 4]], np.int64), array(0, 0), 0, array(0)),
            Linear((Term.from_dense(4, [[1, 0], [3, 2]]), Term.from_dense(2, [[0, 1]] * 3)), array(36, 32)),
        ),
        5,
    )


def convolved_circuit() -> Circuit:
    """A padded convolution of the input with a stride, one in groups of what is looked up, and a sum of it and that."""
    given = Input((InputGroup(GroupKind.RANGE, 8, 3),))
    first = 8 * np.array([[[[1, 0, 2], [-1, 1, 0]]], [[[0, 1, 1], [2, 0, -1]]]])
    second = np.array([[[1, 2]], [[3, -1]]])
    tables = np.array([[0, 0, 1, 2], [5, 0, 7, 2]], np.int64)
    return Circuit(
        (
            given,
            Convolution(0, (1, 2, 4), first, array(8, 8, 1, -1), (1, 2), 1, (1, 2), (1, 1), (0, 1)),
            Lookup(1, tables, array(0, 0, 1, 1), 3, array(2, 20)),
            Convolution(2, (2, 2), second, array(5, 6), (1,), 2, (1,), (1,), (0,)),
            Linear(
                (
                    Term.from_dense(3, [[1, 0], [2, 1]]),
                    Term.from_dense(2, [[0, 1]] * 4),
                    Term.from_dense(0, [[1, 0]] * 8),
                ),
                array(40, 40),
            ),
        ),
        4,
    )


def linear_circuit() -> Circuit:
    """No lookup: two scores of four bits and one integer."""
    given = Input((InputGroup(GroupKind.THERMOMETER, 4), InputGroup(GroupKind.RANGE, 1, 100)))
    weights = [[5, -1], [-3, 2], [7, 0], [0, -4], [11, 3]]
    return Circuit((given, Linear((Term.from_dense(0, weights),), array(10, 5))), 1)


def products_circuit() -> Circuit:
    """Bits times sums of bits, of two outputs, summed with terms of the input."""
    forms = [[1, 0, 0, 2], [0, 2, 3, 0], [0, -1, 0, 1], [1, 1, 1, 0]]
    return Circuit(
        (
            Input((InputGroup(GroupKind.THERMOMETER, 3), InputGroup(GroupKind.RANGE, 1))),
            Linear((Term.from_dense(0, forms),), array(0, 4, 1, 0)),
            Product(1, array(2, 3), 4),
            Linear(
                (Term.from_dense(2, [[1, 0], [0, 1], [1, 0], [0, 1]]), Term.from_dense(0, [[0, 1]] * 4)), array(0, 5)
            ),
        ),
        3,
    )


def squares_circuit() -> Circuit:
    """Two scores of three squares of sums of bits and integers."""
    given = Input((InputGroup(GroupKind.THERMOMETER, 3), InputGroup(GroupKind.RANGE, 2, 9)))
    forms = [[1, 0, -2], [0, 3, 1], [2, 2, 0], [-1, 0, 4], [0, 1, -3]]
    return Circuit(
        (
            given,
            Linear((Term.from_dense(0, forms),), array(5, -7, 0)),
            Square(1, 3),
            Linear((Term.from_dense(2, [[1, -2], [-3, 1], [1, 1]]),), array(1500, 600)),
        ),
        3,
    )


OF_OTHER_SCHEMES = {"products": products_circuit, "squares": squares_circuit}
"""Which the scheme `bootstrapped` does not evaluate."""
CIRCUITS: dict[str, Callable[[], Circuit]] = {
    "shared": shared_circuit,
    "chain": chain_circuit,
    "convolved": convolved_circuit,
    "gathered": gathered_circuit,
    "linear": linear_circuit,
    "mirrored": mirrored_circuit,
    "cancelling": cancelling_circuit,
}


@pytest.fixture(scope="session", params=sorted(CIRCUITS))
def named_circuit(request: pytest.FixtureRequest) -> tuple[str, Circuit]:
    return request.param, CIRCUITS[request.param]()


@pytest.fixture(scope="session")
def named() -> Callable[[str], Circuit]:
    return lambda name: {**CIRCUITS, **OF_OTHER_SCHEMES}[name]()


@pytest.fixture(scope="session")
def shared() -> Circuit:
    return shared_circuit()


@pytest.fixture(scope="session")
def linear() -> Circuit:
    return linear_circuit()


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Program]:
    """The named circuits, compiled once, by Concrete."""
    compiled: dict[str, Program] = {}

    def get(name: str) -> Program:
        if name not in compiled:
            directory: Path = tmp_path_factory.mktemp("programs") / name
            compiled[name] = compile_circuit(CIRCUITS[name](), CompileOptions(), directory, native=True)
        return compiled[name]

    return get


@pytest.fixture(scope="session")
def concrete_clients(programs: Callable[[str], Program]) -> Callable[[str], ConcreteClient]:
    """Clients with keys for the named circuits."""
    made: dict[str, ConcreteClient] = {}

    def get(name: str) -> ConcreteClient:
        if name not in made:
            made[name] = ConcreteClient(programs(name))
        return made[name]

    return get


@pytest.fixture(scope="session")
def make_circuit() -> Callable[..., Circuit]:
    return random_circuit


@pytest.fixture(scope="session")
def make_rows() -> Callable[[np.random.Generator, Input, int], IntArray]:
    return random_rows


@pytest.fixture(scope="session")
def every_row() -> Callable[[Input], IntArray]:
    return all_rows
