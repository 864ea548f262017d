"""Circuits that our own compiler does not write, signed, of tensors, of several keys: the client's primitives on them.

Our circuits are unsigned vectors (docs/decisions/0004-unsigned-circuits.md). The scheme knows more, and an error in the
scheme's own terms would show here: each circuit's keys and inputs are made by both sides, Concrete evaluates, and both
sides decrypt.
"""

import io
import json
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pytest
from cryptable_client import SecretKeys, write_evaluation_keys
from cryptable_client.schemes.bootstrapped import lwe
from cryptable_client.schemes.bootstrapped.encryption import encrypt_words
from cryptable_engine.schemes.bootstrapped.concrete.info import _keyset
from cryptable_engine.schemes.bootstrapped.concrete.messages import _schema, keyset_message
from cryptable_protocol import MaskStream

pytestmark = pytest.mark.encrypted

RNG = np.random.default_rng(11)
SIGNED_TABLE = RNG.integers(-16, 16, 16)
UNSIGNED_TABLE = RNG.integers(0, 8, 16)
PERMUTATION = RNG.permutation(4)
WIDE_TABLE = RNG.integers(-8, 8, 16)
SMALL_TABLE = RNG.integers(0, 4, 8)
PARITIES = np.arange(16) % 2
SIGNED_MATRIX = np.array([[1, -2], [-3, 4], [5, 0]])
MATRIX = np.array([[1, 2], [1, 0], [2, 1]])
KERNEL = np.array([[1, -1], [2, 0]])


def looked_up(table, values):
    """Index of a signed lookup: the two's complement of the value."""
    return table[np.asarray(values) % table.size]


def convolved(image):
    windows = np.lib.stride_tricks.sliding_window_view(image[0, 0], (2, 2))
    return (np.einsum("ijkl,kl->ij", windows, KERNEL) + 3)[None, None]


def table(values):
    return f"arith.constant dense<{np.asarray(values).tolist()}> : tensor<{'x'.join(map(str, np.shape(values)))}xi64>"


CONV = "strides = dense<1> : tensor<2xi64>, dilations = dense<1> : tensor<2xi64>, padding = dense<0> : tensor<4xi64>"


@dataclass(frozen=True)
class Example:
    """A function in MLIR, what it computes, and values to compute on: inclusive ranges, one an argument."""

    text: str
    compute: object
    ranges: tuple


def function(arguments, results, *lines):
    names = ", ".join(f"%x{index}: {kind}" for index, kind in enumerate(arguments))
    returned = ", ".join(f"%y{index}" for index in range(len(results)))
    body = "\n".join(f"    {line}" for line in lines)
    kinds = ", ".join(results)
    return f"module {{ func.func @main({names}) -> ({kinds}) {{\n{body}\n    return {returned} : {kinds}\n }} }}\n"


VECTOR, MATRICES = "tensor<4x!FHE.esint<4>>", "tensor<2x3x!FHE.{}<{}>>"
EXAMPLES = {
    "signed table": Example(
        function(
            [VECTOR],
            ["tensor<4x!FHE.esint<5>>"],
            f"%t = {table(SIGNED_TABLE)}",
            f'%y0 = "FHELinalg.apply_lookup_table"(%x0, %t) : ({VECTOR}, tensor<16xi64>) -> tensor<4x!FHE.esint<5>>',
        ),
        lambda x: (looked_up(SIGNED_TABLE, x),),
        ((-8, 7),),
    ),
    "signed matrices": Example(
        function(
            [MATRICES.format("esint", 9)],
            ["tensor<2x2x!FHE.esint<9>>"],
            f"%w = arith.constant dense<{SIGNED_MATRIX.tolist()}> : tensor<3x2xi10>",
            '%y0 = "FHELinalg.matmul_eint_int"(%x0, %w) : '
            f"({MATRICES.format('esint', 9)}, tensor<3x2xi10>) -> tensor<2x2x!FHE.esint<9>>",
        ),
        lambda x: (x @ SIGNED_MATRIX,),
        ((-25, 25),),
    ),
    "unsigned matrices and a table": Example(
        function(
            [MATRICES.format("eint", 4)],
            ["tensor<2x2x!FHE.eint<3>>"],
            f"%w = arith.constant dense<{MATRIX.tolist()}> : tensor<3x2xi5>",
            f"%t = {table(UNSIGNED_TABLE)}",
            '%0 = "FHELinalg.matmul_eint_int"(%x0, %w) : '
            f"({MATRICES.format('eint', 4)}, tensor<3x2xi5>) -> tensor<2x2x!FHE.eint<4>>",
            '%y0 = "FHELinalg.apply_lookup_table"(%0, %t) : '
            "(tensor<2x2x!FHE.eint<4>>, tensor<16xi64>) -> tensor<2x2x!FHE.eint<3>>",
        ),
        lambda x: (looked_up(UNSIGNED_TABLE, x @ MATRIX),),
        ((0, 3),),
    ),
    "convolution of a signed image": Example(
        function(
            ["tensor<1x1x4x4x!FHE.esint<6>>"],
            ["tensor<1x1x3x3x!FHE.esint<6>>"],
            f"%w = arith.constant dense<{KERNEL[None, None].tolist()}> : tensor<1x1x2x2xi7>",
            "%b = arith.constant dense<[3]> : tensor<1xi7>",
            f'%y0 = "FHELinalg.conv2d"(%x0, %w, %b) {{{CONV}}} : (tensor<1x1x4x4x!FHE.esint<6>>, '
            "tensor<1x1x2x2xi7>, tensor<1xi7>) -> tensor<1x1x3x3x!FHE.esint<6>>",
        ),
        lambda x: (convolved(x),),
        ((-6, 6),),
    ),
    "two inputs with keys of their own": Example(
        function(
            ["tensor<2x!FHE.eint<2>>", "tensor<3x!FHE.esint<4>>"],
            ["tensor<2x!FHE.eint<2>>", "tensor<3x!FHE.esint<4>>"],
            f"%s = {table(PERMUTATION)}",
            f"%t = {table(WIDE_TABLE)}",
            '%y0 = "FHELinalg.apply_lookup_table"(%x0, %s) : '
            "(tensor<2x!FHE.eint<2>>, tensor<4xi64>) -> tensor<2x!FHE.eint<2>>",
            '%y1 = "FHELinalg.apply_lookup_table"(%x1, %t) : '
            "(tensor<3x!FHE.esint<4>>, tensor<16xi64>) -> tensor<3x!FHE.esint<4>>",
        ),
        lambda x, y: (looked_up(PERMUTATION, x), looked_up(WIDE_TABLE, y)),
        ((0, 3), (-8, 7)),
    ),
    "two scalars, two bootstrap and three keyswitch keys": Example(
        function(
            ["!FHE.eint<3>", "!FHE.esint<4>"],
            ["!FHE.eint<3>"],
            f"%s = {table(SMALL_TABLE)}",
            f"%t = {table(PARITIES)}",
            '%0 = "FHE.apply_lookup_table"(%x0, %s) : (!FHE.eint<3>, tensor<8xi64>) -> !FHE.eint<3>',
            '%1 = "FHE.apply_lookup_table"(%x1, %t) : (!FHE.esint<4>, tensor<16xi64>) -> !FHE.eint<3>',
            '%y0 = "FHE.add_eint"(%0, %1) : (!FHE.eint<3>, !FHE.eint<3>) -> !FHE.eint<3>',
        ),
        lambda x, y: (looked_up(SMALL_TABLE, x) + looked_up(PARITIES, y),),
        ((0, 7), (-8, 7)),
    ),
}


class Gate:
    """An input or output, as Concrete describes it."""

    def __init__(self, description):
        self.type_info = description["typeInfo"]
        facts = self.type_info["lweCiphertext"]
        self.key, self.variance = facts["encryption"]["keyId"], facts["encryption"]["variance"]
        self.dimension, self.shape = facts["encryption"]["lweDimension"], tuple(facts["abstractShape"]["dimensions"])
        self.full_shape = facts["concreteShape"]
        self.width, self.signed = facts["encoding"]["integer"]["width"], facts["encoding"]["integer"]["isSigned"]

    def we_encrypt(self, secret_keys, values):
        words = lwe.encode(np.asarray(values, np.int64).reshape(-1), self.width)
        tensor = encrypt_words(secret_keys._key_material()[self.key], words, self.variance)
        data = tensor.ciphertexts(words.size, self.dimension).astype("<u8").tobytes()
        return (
            _schema()
            .Value.new_message(
                payload={"data": [data]},
                rawInfo={"shape": self.full_shape, "integerPrecision": 64, "isSigned": False},
                typeInfo=self.type_info,
            )
            .to_bytes()
        )

    def we_decrypt(self, secret_keys, message):
        with _schema().Value.from_bytes(message) as value:
            assert list(value.rawInfo.shape.dimensions) == self.full_shape["dimensions"]
            words = np.frombuffer(b"".join(value.payload.data), "<u8").reshape(-1, self.dimension + 1)
        values = lwe.decode(lwe.phases(words, secret_keys._key_material()[self.key]), self.width)
        if self.signed:
            values = np.where(values >> self.width, values - (2 << self.width), values)
        return values.reshape(self.shape)


class Compiled:
    """An Example, compiled by Concrete, with keys of both sides."""

    def __init__(self, example, directory, bridge, *, seeded=True):
        self.example, self.bridge, self.concrete = example, bridge, bridge.concrete
        options = self.concrete.CompilationOptions(self.concrete.Backend.CPU)
        options.set_p_error(2.0**-40)
        options.set_global_p_error(1.0)
        options.set_security_level(128)
        options.set_optimizer_strategy(self.concrete.OptimizerStrategy.DAG_MULTI)
        options.set_compress_evaluation_keys(seeded)
        options.set_compress_input_ciphertexts(False)
        compiler = self.concrete.Compiler(
            str(directory), self.concrete.lookup_runtime_lib(), generate_shared_lib=True, generate_program_info=True
        )
        self.info = compiler.compile(example.text, options).get_program_info()
        self.library = self.concrete.Library(str(directory))
        description = json.loads(self.info.serialize())
        (circuit,) = description["circuits"]
        self.inputs, self.outputs = ([Gate(gate) for gate in circuit[way]] for way in ("inputs", "outputs"))
        for kind in ("lweBootstrapKeys", "lweKeyswitchKeys"):
            for key in description["keyset"][kind]:
                assert key["compression"] == ("seed" if seeded else "none")
                key["compression"] = "seed"
        self.keyset = _keyset(description["keyset"])

    @cached_property
    def server(self):
        return self.concrete.ServerProgram(self.library, False)

    @cached_property
    def ours(self):
        """Our secret keys, Concrete's Keyset with the same, and evaluation keys of our making."""
        secret_keys = SecretKeys.generate(self.keyset)
        data = io.BytesIO()
        if self.keyset.evaluation_keys_bytes:
            write_evaluation_keys(secret_keys, data)
        message = keyset_message(self.keyset, memoryview(data.getvalue()))
        evaluation_keys = self.concrete.ServerKeyset.deserialize(message)
        return secret_keys, self.bridge.concretes_secret_keys(secret_keys), evaluation_keys

    @cached_property
    def theirs(self):
        """The same, all of Concrete's making."""
        keys = self.concrete.Keyset(self.info, None)
        return self.bridge.our_secret_keys(keys, self.keyset), keys, keys.get_server_keys()

    def client(self, keys):
        return self.concrete.ClientProgram.create_encrypted(self.info, keys).get_client_circuit("main")

    def evaluate(self, messages, evaluation_keys):
        values = [self.concrete.TransportValue.deserialize(message) for message in messages]
        return [value.serialize() for value in self.server.get_server_circuit("main").call(values, evaluation_keys)]

    def random_values(self, rng):
        return [
            rng.integers(low, high + 1, gate.shape)
            for gate, (low, high) in zip(self.inputs, self.example.ranges, strict=True)
        ]


@pytest.fixture(scope="module")
def compiled(bridge, tmp_path_factory):
    made = {}

    def get(name, *, seeded=True):
        if (name, seeded) not in made:
            directory = tmp_path_factory.mktemp("mlir")
            made[name, seeded] = Compiled(EXAMPLES[name], directory, bridge, seeded=seeded)
        return made[name, seeded]

    return get


def concrete_value(case, values):
    return case.concrete.Value(np.asarray(values, np.int64)) if np.ndim(values) else case.concrete.Value(int(values))


def crosses(case, keys, *, who_encrypts, rows=2):
    """Values encrypted by one side; Concrete's results decrypted by both, and equal to what is to be computed."""
    secret_keys, concretes_keys, evaluation_keys = keys
    client, rng = case.client(concretes_keys), np.random.default_rng()
    for _ in range(rows):
        values = case.random_values(rng)
        if who_encrypts == "we":
            messages = [gate.we_encrypt(secret_keys, value) for gate, value in zip(case.inputs, values, strict=True)]
        else:
            messages = [
                client.prepare_input(concrete_value(case, value), index).serialize()
                for index, value in enumerate(values)
            ]
        results = case.evaluate(messages, evaluation_keys)
        for index, (gate, result, expected) in enumerate(
            zip(case.outputs, results, case.example.compute(*values), strict=True)
        ):
            np.testing.assert_array_equal(gate.we_decrypt(secret_keys, result), expected)
            theirs = client.process_output(case.concrete.TransportValue.deserialize(result), index).to_py_val()
            np.testing.assert_array_equal(np.asarray(theirs, np.int64).reshape(gate.shape), expected)


KEYS_LIKE_ANOTHERS = {"unsigned matrices and a table", "two inputs with keys of their own"}
"""Their keysets tell nothing of Concrete's keys that those of a table, and of two scalars, do not."""


@pytest.mark.parametrize("who_encrypts", ["we", "concrete"])
@pytest.mark.parametrize(
    ("name", "whose_keys"),
    [
        (name, whose)
        for name in EXAMPLES
        for whose in ("ours", "theirs")
        if whose == "ours" or name not in KEYS_LIKE_ANOTHERS
    ],
)
def test_both_directions(compiled, name, whose_keys, who_encrypts):
    case = compiled(name)
    crosses(case, getattr(case, whose_keys), who_encrypts=who_encrypts)


def test_the_examples_are_what_they_are_called(compiled):
    cases = {name: compiled(name) for name in EXAMPLES}
    gates = [gate for case in cases.values() for gate in (*case.inputs, *case.outputs)]
    assert {gate.signed for gate in gates} == {False, True}
    assert {len(gate.shape) for gate in gates} == {0, 1, 2, 4}
    several = [case for case in cases.values() if len(case.keyset.bootstrap_keys) > 1]
    assert len(several) == 2
    assert all(len({gate.key for gate in case.inputs}) == 2 for case in several)
    assert max(len(case.keyset.keyswitch_keys) for case in several) == 3
    assert any(key.glwe_dimension > 1 for case in several for key in case.keyset.bootstrap_keys)


def unseeded(keyset, data):
    """Our keys with their masks written out, as a ServerKeyset message of keys that are not compressed."""
    message = _schema().ServerKeyset.from_bytes(keyset_message(keyset, data), traversal_limit_in_words=1 << 61)
    with message as seeded:
        written = seeded.as_builder()
    for key, parameters in zip(written.lweBootstrapKeys, keyset.bootstrap_keys, strict=True):
        rows, (k, size) = keyset.bootstrap_key_rows(parameters), (parameters.glwe_dimension, parameters.polynomial_size)
        _write_masks(key, rows, k * size, size)
    for key, parameters in zip(written.lweKeyswitchKeys, keyset.keyswitch_keys, strict=True):
        _write_masks(key, keyset.keyswitch_key_rows(parameters), keyset.dimensions[parameters.output_key], 1)
    return written.to_bytes()


def _write_masks(key, rows, masks, bodies):
    data = b"".join(key.payload.data)
    words = np.empty((rows, masks + bodies), "<u8")
    words[:, :masks] = MaskStream(data[:16]).words(0, rows * masks).reshape(rows, masks)
    words[:, masks:] = np.frombuffer(data, "<u8", rows * bodies, 16).reshape(rows, bodies)
    key.info.compression = "none"
    key.payload.data = [words.tobytes()]


def test_keys_that_are_not_compressed(compiled):
    """Ours with their masks written out, and Concrete's; in programs compiled for the one kind and the other."""
    seeded, plain = compiled("signed table"), compiled("signed table", seeded=False)
    secret_keys, concretes_keys, _ = seeded.ours
    assert seeded.keyset == plain.keyset
    data = io.BytesIO()
    write_evaluation_keys(secret_keys, data)
    written = seeded.concrete.ServerKeyset.deserialize(unseeded(seeded.keyset, memoryview(data.getvalue())))
    for case in (seeded, plain):
        crosses(case, (secret_keys, concretes_keys, written), who_encrypts="we", rows=1)
    kinds = plain.bridge.concretes_evaluation_keys(plain.theirs[1])
    assert {compression for kind in kinds for compression, _ in kind} == {"none"}
    for who_encrypts in ("we", "concrete"):
        crosses(plain, plain.theirs, who_encrypts=who_encrypts, rows=1)


def test_concretes_compressed_inputs(compiled, bridge, tmp_path):
    """A ciphertext is a seed, whose mask stream we expand, and a body."""
    case = compiled("signed table")
    description = json.loads(case.info.serialize())
    (gate,) = description["circuits"][0]["inputs"]
    gate["typeInfo"]["lweCiphertext"]["compression"] = "seed"
    gate["typeInfo"]["lweCiphertext"]["concreteShape"]["dimensions"][-1] = 3
    gate["rawInfo"]["shape"]["dimensions"][-1] = 3
    info = bridge.concrete.ProgramInfo.deserialize(json.dumps(description).encode())
    secret_keys, concretes_keys, _ = case.ours
    client = bridge.concrete.ClientProgram.create_encrypted(info, concretes_keys).get_client_circuit("main")
    values = np.array([-8, 7, 0, -1])
    message = client.prepare_input(bridge.concrete.Value(values), 0).serialize()
    with _schema().Value.from_bytes(message) as value:
        words = np.frombuffer(b"".join(value.payload.data), "<u8").reshape(4, 3)
    (source,) = case.inputs
    masks = np.stack([MaskStream(row[:2].tobytes()).words(0, source.dimension) for row in words])
    key = secret_keys._key_material()[source.key]
    phases = words[:, 2] - lwe.inner_products(masks, key)
    decoded = lwe.decode(phases, source.width)
    np.testing.assert_array_equal(np.where(decoded >> source.width, decoded - (2 << source.width), decoded), values)
