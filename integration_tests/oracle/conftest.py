"""Circuits, and concrete-python's own client for them: the oracle that our client is held against."""

import importlib.util
import json
import warnings
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace

import capnp
import numpy as np
import pytest
from cryptable_client.keys.secret_keys import SecretKeys
from cryptable_engine import Circuit, GroupKind, Input, InputGroup, Linear, Lookup, Term, compile_circuit, to_mlir
from cryptable_engine.schemes.bootstrapped.concrete.messages import _schema, read_value, value_message
from cryptable_engine.schemes.bootstrapped.parameters.formulas import MAX_GLWE_DIMENSION, bootstrap_variance
from cryptable_protocol import (
    AffineEncoder,
    CiphertextType,
    ClientSpec,
    CompileOptions,
    Decoder,
    EncryptedTensor,
    Link,
)
from cryptable_protocol.schemes.bootstrapped.parameters import BootstrappedParameters

ROOT = Path(__file__).resolve().parents[2]
NO_LIMIT = 1 << 61

keyset_schema = capnp.load(str(Path(__file__).with_name("keyset.capnp")))


def lookup_circuit(width, count, *, summed, seed=0):
    """`count` random tables of `width` bits, each over bits of its own, summed or returned one by one."""
    rng = np.random.default_rng(seed)
    codes = np.zeros((width * count, count), np.int64)
    for table in range(count):
        codes[table * width : (table + 1) * width, table] = 1 << np.arange(width)
    tables = rng.integers(0, 8, (count, 1 << width))
    outputs = np.ones((count, 1), np.int64) if summed else np.eye(count, dtype=np.int64)
    return Circuit(
        (
            Input((InputGroup(GroupKind.RANGE, width * count, 1),)),
            Linear((Term.from_dense(0, codes),), np.zeros(count, np.int64)),
            Lookup(1, tables, np.arange(count)),
            Linear((Term.from_dense(2, outputs),), np.zeros(outputs.shape[1], np.int64)),
        ),
        3,
    )


def chain_circuit():
    """A lookup of 2 bits whose results are looked up again in 5 bits: keys of several kinds."""
    rng = np.random.default_rng(1)
    codes, sums = np.zeros((8, 4), np.int64), np.array([[1, 0], [4, 1], [2, 4], [0, 2]])
    for table in range(4):
        codes[2 * table : 2 * table + 2, table] = 1, 2
    return Circuit(
        (
            Input((InputGroup(GroupKind.RANGE, 8, 1),)),
            Linear((Term.from_dense(0, codes),), np.zeros(4, np.int64)),
            Lookup(1, rng.integers(0, 4, (4, 4)), np.arange(4)),
            Linear((Term.from_dense(2, sums),), np.zeros(2, np.int64)),
            Lookup(3, rng.integers(0, 16, (2, 32)), np.arange(2)),
            Linear((Term.from_dense(4, np.eye(2, dtype=np.int64)),), np.zeros(2, np.int64)),
        ),
        5,
    )


def linear_circuit():
    weights = np.random.default_rng(2).integers(0, 9, (6, 3))
    return Circuit(
        (
            Input((InputGroup(GroupKind.THERMOMETER, 4), InputGroup(GroupKind.RANGE, 2, 100))),
            Linear((Term.from_dense(0, weights),), np.array([3, 0, 1])),
        ),
        1,
    )


CIRCUITS = {
    "linear": linear_circuit,
    "one table of 2 bits": lambda: lookup_circuit(2, 1, summed=False),
    "3 tables of 3 bits": lambda: lookup_circuit(3, 3, summed=False),
    "20 tables of 4 bits, summed": lambda: lookup_circuit(4, 20, summed=True),
    "table of 6 bits": lambda: lookup_circuit(6, 1, summed=False),
    "chain": chain_circuit,
    "one level, 20 tables of 4 bits, summed": lambda: lookup_circuit(4, 20, summed=True),
    "one level, 3 tables of 2 bits": lambda: lookup_circuit(2, 3, summed=False),
    "one level, 2 tables of 5 bits": lambda: lookup_circuit(5, 2, summed=False),
}
ONE_LEVEL = "one level"


def random_rows(circuit, count, seed=3):
    rng = np.random.default_rng(seed)
    parts = []
    for group in circuit.input.groups:
        if group.kind is GroupKind.THERMOMETER:
            parts.append((np.arange(group.size) < rng.integers(0, group.size + 1, (count, 1))).astype(np.int64))
        else:
            parts.append(rng.integers(0, group.maximum + 1, (count, group.size)))
    return np.concatenate(parts, axis=1)


def concrete():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import concrete.compiler as module
    return module


def concretes_secret_keys(secret_keys):
    """A Keyset with the secret keys of our handle, and no evaluation keys."""
    infos = [
        {"id": key.id, "params": {"lweDimension": key.dimension, "integerPrecision": 64, "keyType": "binary"}}
        for key in secret_keys.keyset.secret_keys
    ]
    keys = [
        {"info": info, "payload": {"data": [secret_keys._key_material()[info["id"]].astype("<u8").tobytes()]}}
        for info in infos
    ]
    empty = {"lweBootstrapKeys": [], "lweKeyswitchKeys": [], "packingKeyswitchKeys": []}
    message = keyset_schema.Keyset.new_message(server=empty, client={"lweSecretKeys": keys})
    return concrete().Keyset.deserialize(message.to_bytes())


def our_secret_keys(keys, keyset):
    """Our handle on the secret keys of a Keyset of Concrete's."""
    with keyset_schema.Keyset.from_bytes(keys.serialize(), traversal_limit_in_words=NO_LIMIT) as message:
        bits = {
            key.info.id: np.frombuffer(b"".join(key.payload.data), "<u8").astype(np.uint8)
            for key in message.client.lweSecretKeys
        }
    return SecretKeys._adopt(keyset, bits)


def concretes_evaluation_keys(keys):
    """Each bootstrap and keyswitch key's compression and bytes, as Concrete made them."""
    message = keys.get_server_keys().serialize()
    with _schema().ServerKeyset.from_bytes(message, traversal_limit_in_words=NO_LIMIT) as keyset:
        return [
            [(key.info.compression, b"".join(key.payload.data)) for key in kind]
            for kind in (keyset.lweBootstrapKeys, keyset.lweKeyswitchKeys)
        ]


def one_level_info(native, program):
    """What Concrete would say of a one-level program, from what it says of the circuit that it has compiled itself."""
    info = json.loads(concrete().Library(str(native.directory)).get_program_info().serialize())
    dimensions, keyset = program.keyset.dimensions, info["keyset"]
    for key in keyset["lweSecretKeys"]:
        key["params"]["lweDimension"] = dimensions[key["id"]]
    (key,), (ours,) = keyset["lweBootstrapKeys"], program.keyset.bootstrap_keys
    assert (key["id"], key["inputId"], key["outputId"]) == (ours.id, ours.input_key, ours.output_key)
    key["params"] |= {
        "levelCount": ours.level_count,
        "baseLog": ours.base_log,
        "glweDimension": ours.glwe_dimension,
        "polynomialSize": ours.polynomial_size,
        "inputLweDimension": dimensions[ours.input_key],
        "variance": ours.variance,
    }
    keyset["lweKeyswitchKeys"] = []
    (circuit,) = info["circuits"]
    lookup_noise = bootstrap_variance(ours, dimensions[ours.input_key])
    for (gate,), kind in ((circuit["inputs"], program.input), (circuit["outputs"], program.output)):
        words = {"dimensions": [kind.size, dimensions[kind.key] + 1]}
        gate["rawInfo"]["shape"] = words
        described = gate["typeInfo"]["lweCiphertext"]
        described["concreteShape"] = words
        described["encoding"]["integer"]["width"] = kind.width
        described["encryption"] |= {
            "keyId": kind.key,
            "lweDimension": dimensions[kind.key],
            "variance": kind.variance or lookup_noise,
        }
    return concrete().ProgramInfo.deserialize(json.dumps(info).encode())


class Oracle:
    """A compiled circuit, its specification, and what concrete-python's own client makes of it."""

    def __init__(self, circuit, program, *, native=None):
        self.circuit = circuit
        self.program = program
        self.native = native

    @cached_property
    def spec(self):
        """As the developer's package would write it."""
        program, levels = self.program, 1 << min(self.program.input.width, 24)
        return ClientSpec(
            model_name="oracle",
            features=tuple(AffineEncoder(f"x{i}", 0.0, 1.0, levels) for i in range(program.input.size)),
            parameters=BootstrappedParameters(program.keyset, program.input, program.output, program.p_error),
            decoder=Decoder(Link.IDENTITY, (0,) * program.output.size, 1.0, (0.0,) * program.output.size),
        )

    @cached_property
    def echo_spec(self):
        """The same, with an output of the input's type: ciphertexts are decrypted as they were encrypted."""
        program = self.program
        output = replace(program.input, variance=0.0)
        return replace(
            self.spec,
            parameters=replace(self.spec.parameters, output=output),
            decoder=Decoder(Link.IDENTITY, (0,) * output.size, 1.0, (0.0,) * output.size),
        )

    @cached_property
    def program_info(self):
        if self.native is not None:
            return one_level_info(self.native, self.program)
        return concrete().Library(str(self.program.directory)).get_program_info()

    @cached_property
    def echo_info(self):
        """Concrete's description of a circuit that returns what it is given."""
        info = json.loads(self.program_info.serialize())
        info["circuits"][0]["outputs"] = info["circuits"][0]["inputs"]
        return concrete().ProgramInfo.deserialize(json.dumps(info).encode())

    def concrete_keys(self, *, secret_seed=0, encryption_seed=0):
        """A Keyset of Concrete's making; seeds of 0 are drawn."""
        parts = [part for seed in (secret_seed, encryption_seed) for part in divmod(seed, 1 << 64)]
        return concrete().Keyset(self.program_info, None, *parts)

    @cached_property
    def kept_concrete_keys(self):
        """A Keyset of Concrete's making, for all tests that do not mind that others have it: it takes seconds."""
        return self.concrete_keys()

    def concrete_keys_of(self, secret_keys):
        """A Keyset with the secret keys of our handle, and no evaluation keys."""
        return concretes_secret_keys(secret_keys)

    def our_keys_of(self, keys):
        """Our handle on the secret keys of a Keyset of Concrete's."""
        return our_secret_keys(keys, self.program.keyset)

    def evaluation_keys(self, keys):
        """Each bootstrap and keyswitch key's bytes, as Concrete made them."""
        return concretes_evaluation_keys(keys)

    def concrete_encrypts(self, keys, values):
        """One row encrypted by Concrete's client, as our tensor."""
        client = concrete().ClientProgram.create_encrypted(self.program_info, keys).get_client_circuit("main")
        message = client.prepare_input(concrete().Value(np.asarray(values, np.int64)), 0).serialize()
        program = self.program
        dimension = program.keyset.dimensions[program.input.key]
        return EncryptedTensor.from_ciphertexts(read_value(message, program.input.size, dimension))

    def concrete_decrypts(self, keys, tensor, *, echo):
        """Our tensor decrypted by Concrete's client: a result, or an input where `echo`."""
        info = self.echo_info if echo else self.program_info
        gate = json.loads(info.serialize())["circuits"][0]["outputs"][0]["typeInfo"]["lweCiphertext"]
        kind = self.program.input if echo else self.program.output
        kind = CiphertextType(kind.size, kind.key, kind.width, gate["encryption"]["variance"])
        dimension = self.program.keyset.dimensions[kind.key]
        message = value_message(tensor.ciphertexts(kind.size, dimension), kind, dimension)
        client = concrete().ClientProgram.create_encrypted(info, keys).get_client_circuit("main")
        value = client.process_output(concrete().TransportValue.deserialize(message), 0)
        return np.asarray(value.to_py_val(), np.int64).reshape(-1)


@pytest.fixture(scope="session")
def bridge():
    """Keys across."""
    return SimpleNamespace(
        concrete=concrete(),
        concretes_secret_keys=concretes_secret_keys,
        our_secret_keys=our_secret_keys,
        concretes_evaluation_keys=concretes_evaluation_keys,
    )


@pytest.fixture(scope="session")
def oracle(tmp_path_factory):
    """Compiled circuits by name, each compiled once."""
    made = {}

    def get(name):
        if name not in made:
            circuit = CIRCUITS[name]()
            folder = tmp_path_factory.mktemp("oracle")
            native = compile_circuit(circuit, CompileOptions(), folder / "native", native=True)
            if name.startswith(ONE_LEVEL):
                program = compile_circuit(circuit, CompileOptions(), folder / "program", catalogue=True)
                made[name] = Oracle(circuit, program, native=native)
            else:
                made[name] = Oracle(circuit, native)
        return made[name]

    return get


@pytest.fixture(scope="session")
def uncompressed_oracle(tmp_path_factory):
    """A circuit whose keys Concrete makes without seeds, so that their masks can be seen."""
    module = concrete()
    circuit = CIRCUITS["one table of 2 bits"]()
    directory = tmp_path_factory.mktemp("uncompressed")
    options = module.CompilationOptions(module.Backend.CPU)
    options.set_p_error(2.0**-40)
    options.set_global_p_error(1.0)
    options.set_security_level(128)
    options.set_optimizer_strategy(module.OptimizerStrategy.DAG_MULTI)
    ranges = module.RangeRestriction()
    for dimension in range(1, MAX_GLWE_DIMENSION + 1):
        ranges.add_available_glwe_dimension(dimension)
    options.set_range_restriction(ranges)
    compiler = module.Compiler(
        str(directory), module.lookup_runtime_lib(), generate_shared_lib=True, generate_program_info=True
    )
    info = compiler.compile(to_mlir(circuit), options).get_program_info()
    seeded = compile_circuit(circuit, CompileOptions(), directory / "seeded", native=True)
    result = Oracle(circuit, seeded)
    result.__dict__["program_info"] = info
    return result


@pytest.fixture(scope="session")
def noise():
    """The client's own test helper that decrypts keys with plain integer arithmetic."""
    path = ROOT / "packages/client/tests/noise.py"
    spec = importlib.util.spec_from_file_location("client_noise", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def rows():
    return random_rows
