"""Malformed keys, ciphertexts, streams and artifacts against one real server, which answers a good request after each.

CONCRETE.md's list of what crashes the native code is here in the form that the wire gives it: a client sends raw words
whose place the keyset's parameters fix, so a missing key, a wrong dimension or another circuit's keys are a wrong
length, a wrong keyset name or wrong words. A good request is made by the real client, and its answer is the circuit's.
"""

import dataclasses
import hashlib
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass

import grpc
import numpy as np
import pytest
from cryptable_client import SecretKeys, decrypt, encrypt, write_evaluation_keys
from cryptable_engine import Circuit, GroupKind, Input, InputGroup, Linear, Lookup, Term, compile_circuit, interpret
from cryptable_protocol import (
    ClientSpec,
    CompileOptions,
    Decoder,
    EncryptedTensor,
    EvaluationKeysHeader,
    KeysetParameters,
    Link,
    ModelArtifact,
    Provenance,
    ThermometerEncoder,
    encode_rows,
    limits,
)
from cryptable_protocol.messages import artifact as artifact_pb
from cryptable_protocol.messages import inference as pb
from cryptable_protocol.messages import keys as keys_pb
from cryptable_protocol.messages import tensor as tensor_pb
from cryptable_protocol.service import SERVICE_NAME, InferenceStub

pytestmark = pytest.mark.encrypted

Status = grpc.StatusCode
LOOKUPS = 3
EDGES = (1.0, 2.0, 3.0)


# A small model, and everything about it that can be wrong


def good_circuit():
    """Two thermometers of 3 bits, packed into codes of 4 bits, looked up, summed."""
    pack = np.zeros((6, LOOKUPS), np.int64)
    pack[:3], pack[3:] = 1, 4
    tables = np.random.default_rng(2).integers(0, 4, (LOOKUPS, 16))
    return Circuit(
        (
            Input((InputGroup(GroupKind.THERMOMETER, 3), InputGroup(GroupKind.THERMOMETER, 3))),
            Linear((Term.from_dense(0, pack),), np.zeros(LOOKUPS, np.int64)),
            Lookup(1, tables, np.arange(LOOKUPS)),
            Linear((Term.from_dense(2, np.ones((LOOKUPS, 1), np.int64)),), np.zeros(1, np.int64)),
        ),
        3,
    )


def compiled_artifact(name, directory, p_error):
    circuit, options = good_circuit(), CompileOptions(p_error)
    program = compile_circuit(circuit, options, directory)
    features = tuple(ThermometerEncoder(column, EDGES) for column in ("a", "b"))
    decoder = Decoder(Link.IDENTITY, (0,), 1.0, (0.0,))
    spec = ClientSpec(name, features, program.keyset, program.input, program.output, decoder, p_error)
    return ModelArtifact("1", Provenance("by hand", (), ""), spec, circuit.to_bytes(), options)


def with_node(index, **changes):
    def change(circuit):
        nodes = list(circuit.nodes)
        nodes[index] = dataclasses.replace(nodes[index], **changes)
        return dataclasses.replace(circuit, nodes=tuple(nodes))

    return change


def with_term(index, **changes):
    def change(circuit):
        term = dataclasses.replace(circuit.nodes[index].terms[0], **changes)
        return with_node(index, terms=(term,))(circuit)

    return change


TABLES = good_circuit().nodes[2].tables
CIRCUITS = {
    "table entry raised": (with_node(2, tables=TABLES + 1000), "output"),
    "table entry of 2^61": (with_node(2, tables=TABLES + (1 << 61)), "node 2"),
    "table index outside": (with_node(2, table_of=np.array([0, 1, 7])), "node 2"),
    "lookup of its own value": (with_node(2, source=2), "node 2"),
    "lookup of a later node": (with_node(2, source=3), "node 2"),
    "lookup of the input": (with_node(2, source=0), "node 2"),
    "looked-up value beyond the table": (with_node(1, offset=np.full(LOOKUPS, 1)), "node 2"),
    "looked-up value negative": (with_node(1, offset=np.full(LOOKUPS, -1)), "node 2"),
    "narrower table": (with_node(2, tables=TABLES[:, :8]), "node 2"),
    "row outside": (with_term(1, rows=np.full(18, 6)), "node 1"),
    "column outside": (with_term(3, columns=np.full(3, 1)), "node 3"),
    "weight beyond limits": (with_term(3, weights=np.full(3, 1 << 60)), "node 3"),
    "weight zero": (with_term(3, weights=np.zeros(3, np.int64)), "node 3"),
    "offset beyond limits": (with_node(3, offset=np.array([1 << 62])), "node 3"),
    "output is a lookup": (lambda circuit: dataclasses.replace(circuit, output=2), "output"),
    "output is missing": (lambda circuit: dataclasses.replace(circuit, output=9), "output"),
    "input of another size": (with_node(0, groups=(InputGroup(GroupKind.THERMOMETER, 6),)), "input"),
    "a million inputs": (with_node(0, groups=(InputGroup(GroupKind.RANGE, 1 << 20, 1),)), "node 0"),
    "two inputs": (
        lambda circuit: dataclasses.replace(circuit, nodes=(*circuit.nodes[:3], circuit.nodes[0])),
        "node 3",
    ),
    "a node that nothing reads": (lambda circuit: Circuit((*circuit.nodes, circuit.nodes[1]), 3), "node"),
}


def other_keyset(kind, **changes):
    def change(spec):
        (key,) = getattr(spec.keyset, kind)
        return dataclasses.replace(
            spec, keyset=dataclasses.replace(spec.keyset, **{kind: (dataclasses.replace(key, **changes),)})
        )

    return change


def other_small_dimension(spec):
    large, small = spec.keyset.secret_keys
    keys = (large, dataclasses.replace(small, dimension=small.dimension + 1))
    return dataclasses.replace(spec, keyset=dataclasses.replace(spec.keyset, secret_keys=keys))


def without_evaluation_keys(spec):
    return dataclasses.replace(spec, keyset=KeysetParameters(spec.keyset.secret_keys))


def other_type(which, **changes):
    def change(spec):
        return dataclasses.replace(spec, **{which: dataclasses.replace(getattr(spec, which), **changes)})

    return change


SPECS = {
    "bootstrap key of less noise": (other_keyset("bootstrap_keys", variance=1e-40), "bootstrap keys"),
    "bootstrap key of another base": (other_keyset("bootstrap_keys", base_log=22), "bootstrap keys"),
    "bootstrap key of more levels": (other_keyset("bootstrap_keys", level_count=2), "bootstrap keys"),
    "keyswitch key of more levels": (other_keyset("keyswitch_keys", level_count=6), "keyswitch keys"),
    "keyswitch key of less noise": (other_keyset("keyswitch_keys", variance=0.0), "keyswitch keys"),
    "secret key of another dimension": (other_small_dimension, "secret keys"),
    "no evaluation keys": (without_evaluation_keys, "bootstrap keys"),
    "input under another key": (other_type("input", key=1), "input"),
    "input of less noise": (other_type("input", variance=0.0), "input"),
    "input of another width": (other_type("input", width=5), "input"),
    "output under another key": (other_type("output", key=1), "output"),
    "output of another width": (other_type("output", width=9), "output"),
}


def flipped_bit(good):
    data = bytearray(good.to_bytes())
    data[len(data) // 3] ^= 4
    return bytes(data)


def resealed(good, **changes):
    """The file of a message that ModelArtifact would not write, with the digest that it has."""
    file = artifact_pb.ArtifactFile.FromString(good.to_bytes())
    message = artifact_pb.ModelArtifact.FromString(file.artifact)
    for field, value in changes.items():
        setattr(message, field, value)
    file.artifact = message.SerializeToString(deterministic=True)
    file.sha256 = hashlib.sha256(file.artifact).digest()
    return file.SerializeToString(deterministic=True)


FILES = {
    "empty file": lambda good: b"",
    "text": lambda good: b"not an artifact",
    "half a file": lambda good: good.to_bytes()[:-1000],
    "trailing bytes": lambda good: good.to_bytes() + b"x",
    "a flipped bit": flipped_bit,
    "spec in place of the artifact": lambda good: good.client_spec.to_bytes(),
    "MLIR in place of the circuit": lambda good: resealed(good, circuit=b"func.func @main() { llvm.call @_exit() }"),
    "empty circuit": lambda good: resealed(good, circuit=b""),
    "half a circuit": lambda good: resealed(good, circuit=good.circuit[:-40]),
    "half a spec": lambda good: resealed(good, client_spec=good.client_spec.to_bytes()[:-20]),
    "another name than its spec's": lambda good: resealed(good, model_name="other"),
}


def bad_artifacts(good):
    """File names and bytes, and what the reason of the refusal must name."""
    for number, (what, (change, names)) in enumerate(CIRCUITS.items()):
        spec = dataclasses.replace(good.client_spec, model_name=f"circuit {number}")
        circuit = change(good_circuit()).to_bytes()
        yield what, dataclasses.replace(good, client_spec=spec, circuit=circuit).to_bytes(), names
    for number, (what, (change, names)) in enumerate(SPECS.items()):
        spec = dataclasses.replace(change(good.client_spec), model_name=f"spec {number}")
        yield what, dataclasses.replace(good, client_spec=spec).to_bytes(), names
    for number, (what, make) in enumerate(FILES.items()):
        spec = dataclasses.replace(good.client_spec, model_name=f"file {number}")
        yield what, make(dataclasses.replace(good, client_spec=spec)), ""


# One server for all of it


@dataclass
class Party:
    """A server process, and a client with keys."""

    stub: InferenceStub
    channel: grpc.Channel
    process: subprocess.Popen
    log: object
    spec: ClientSpec
    other: ClientSpec
    secret_keys: SecretKeys
    keys: bytes
    """The evaluation keys' bytes."""
    sha256: bytes
    other_sha256: bytes
    names: dict

    def good_request(self):
        """Encrypt, evaluate, decrypt; the answer is what the circuit says."""
        table = np.random.default_rng().uniform(0, 4, (1, 2))
        (row,) = encode_rows(self.spec.features, table)
        tensor = encrypt(self.spec, self.secret_keys, row)
        requests = [self.infer_header(), pb.InferRequest(row=tensor.to_message())]
        (answer,) = self.stub.Infer(iter(requests), timeout=60)
        decrypted = decrypt(self.spec, self.secret_keys, EncryptedTensor.from_message(answer.result))
        return decrypted.tolist() == interpret(good_circuit(), row[None])[0].tolist()

    def infer_header(self, **changes):
        fields = {"model_name": self.spec.model_name, "client_spec_digest": self.spec.digest}
        return pb.InferRequest(header=pb.InferHeader(**{**fields, "evaluation_keys": self.sha256, **changes}))

    def row(self, **changes):
        """A well-formed row, but for `changes`."""
        fields = {"seed": os.urandom(16), "bodies": os.urandom(8 * self.spec.input.size)}
        if "explicit" in changes:
            del fields["seed"]
        return pb.InferRequest(row=tensor_pb.EncryptedTensor(**{**fields, **changes}))

    def upload(self, data, **changes):
        """The messages of an upload of `data`, whose header has `changes`."""
        fields = {"keyset_name": self.spec.keyset.name, "size": len(data), "sha256": hashlib.sha256(data).digest()}
        yield pb.UploadEvaluationKeysRequest(header=keys_pb.EvaluationKeysHeader(**{**fields, **changes}))
        for offset in range(0, len(data), limits.CHUNK_BYTES):
            yield chunk(offset, data[offset : offset + limits.CHUNK_BYTES])

    @property
    def dimension(self):
        return self.spec.keyset.dimensions[self.spec.input.key]


def chunk(offset, data):
    return pb.UploadEvaluationKeysRequest(chunk=keys_pb.EvaluationKeysChunk(offset=offset, data=data))


def evaluation_keys(secret_keys):
    file = io.BytesIO()
    header = write_evaluation_keys(secret_keys, file)
    assert isinstance(header, EvaluationKeysHeader)
    return file.getvalue()


@pytest.fixture(scope="module")
def party(tmp_path_factory):
    folder = tmp_path_factory.mktemp("malformed")
    models = folder / "models"
    models.mkdir()
    good = compiled_artifact("good", folder / "good", 2.0**-40)
    other = compiled_artifact("other", folder / "other", 2.0**-60)
    good.save(models / "good.cryptable")
    other.save(models / "other.cryptable")
    names = {}
    for number, (what, data, reason) in enumerate(bad_artifacts(good)):
        names[what] = f"bad-{number}.cryptable", reason
        (models / f"bad-{number}.cryptable").write_bytes(data)

    command = [sys.executable, "-m", "cryptable_server", "serve", "--models", models, "--keys", folder / "keys"]
    command += ["--insecure", "--address", "127.0.0.1:0"]
    log = folder / "log"
    with log.open("wb") as errors:
        process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        ready = process.stdout.readline()
        assert ready.startswith("cryptable-server ready on"), log.read_text()
        spec = good.client_spec
        with grpc.insecure_channel(ready.split()[-1]) as channel, SecretKeys.generate(spec) as secret_keys:
            stub, keys = InferenceStub(channel), evaluation_keys(secret_keys)
            made = Party(stub, channel, process, log, spec, other.client_spec, secret_keys, keys, b"", b"", names)
            made.sha256 = stub.UploadEvaluationKeys(made.upload(keys)).sha256
            foreign = os.urandom(other.client_spec.keyset.evaluation_keys_bytes)
            messages = made.upload(foreign, keyset_name=other.client_spec.keyset.name)
            made.other_sha256 = stub.UploadEvaluationKeys(messages).sha256
            yield made
        process.terminate()
        assert process.wait(60) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def workers(party):
    """Process ids of the workers that came up: a malformed request must not cost one."""
    return lambda: [line["pid"] for line in events(party, "worker up")]


def events(party, event):
    lines = [json.loads(line) for line in party.log.read_text().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == event]


def status_of(call, *arguments):
    """Of a call that must be refused."""

    def answer():
        result = call(*arguments, timeout=60)
        return list(result) if isinstance(result, grpc.Call) else result

    with pytest.raises(grpc.RpcError) as caught:
        answer()
    return caught.value.code()


def test_the_good_request_is_good(party):
    assert party.good_request()


# Ciphertexts

ROWS = {
    "no bodies": lambda p: p.row(bodies=b""),
    "one body too few": lambda p: p.row(bodies=bytes(8 * p.spec.input.size - 8)),
    "one body too many": lambda p: p.row(bodies=bytes(8 * p.spec.input.size + 8)),
    "one byte too few": lambda p: p.row(bodies=bytes(8 * p.spec.input.size - 1)),
    "one byte too many": lambda p: p.row(bodies=bytes(8 * p.spec.input.size + 1)),
    "a megabyte of bodies": lambda p: p.row(bodies=bytes(1 << 20)),
    "more bodies than any tensor has": lambda p: p.row(bodies=bytes(8 * limits.MAX_VECTOR_SIZE + 8)),
    "seed of 15 bytes": lambda p: p.row(seed=bytes(15)),
    "seed of 17 bytes": lambda p: p.row(seed=bytes(17)),
    "seed of no bytes": lambda p: p.row(seed=b""),
    "neither seed nor masks": lambda p: pb.InferRequest(row=tensor_pb.EncryptedTensor(bodies=p.row().row.bodies)),
    "explicit masks": lambda p: p.row(explicit=bytes(8 * p.spec.input.size * p.dimension)),
    "explicit masks, too few": lambda p: p.row(explicit=bytes(8)),
    "explicit masks, no words": lambda p: p.row(explicit=bytes(13)),
    "explicit masks, none": lambda p: p.row(explicit=b""),
    "an empty tensor": lambda p: pb.InferRequest(row=tensor_pb.EncryptedTensor()),
    "an empty message": lambda p: pb.InferRequest(),
    "a second header": lambda p: p.infer_header(),
    "Concrete's own form of a ciphertext": lambda p: p.row(bodies=bytes(24 * p.spec.input.size)),
    "the other model's keys as a row": lambda p: p.row(bodies=p.keys[: 1 << 16]),
}


@pytest.mark.parametrize("what", ROWS)
def test_a_malformed_row_is_refused(party, workers, what):
    before = workers()
    answers = party.stub.Infer(iter([party.infer_header(), party.row(), ROWS[what](party)]), timeout=60)
    assert next(answers).row == 0
    with pytest.raises(grpc.RpcError) as caught:
        next(answers)
    assert caught.value.code() == Status.INVALID_ARGUMENT, caught.value.details()
    assert party.good_request()
    assert workers() == before


def test_a_row_beyond_the_message_limit(party):
    requests = [party.infer_header(), party.row(bodies=bytes(16 << 20))]
    assert status_of(party.stub.Infer, iter(requests)) == Status.RESOURCE_EXHAUSTED
    assert party.good_request()


def test_well_formed_nonsense_is_computed_on(party, workers):
    """Words cannot be told from ciphertexts: the answer is nonsense, and the worker unharmed."""
    before = workers()
    extremes = [bytes(8 * party.spec.input.size), b"\xff" * 8 * party.spec.input.size]
    rows = [party.row(seed=seed, bodies=bodies) for bodies in extremes for seed in (bytes(16), b"\xff" * 16)]
    assert len(list(party.stub.Infer(iter([party.infer_header(), *rows]), timeout=60))) == len(rows)
    assert party.good_request()
    assert workers() == before


# Headers and digests of Infer

HEADERS = {
    "nothing at all": (lambda p: [], Status.INVALID_ARGUMENT),
    "a row first": (lambda p: [p.row()], Status.INVALID_ARGUMENT),
    "an empty message first": (lambda p: [pb.InferRequest()], Status.INVALID_ARGUMENT),
    "an empty header": (lambda p: [pb.InferRequest(header=pb.InferHeader())], Status.NOT_FOUND),
    "another model's name": (lambda p: [p.infer_header(model_name="none")], Status.NOT_FOUND),
    "a name of a megabyte": (lambda p: [p.infer_header(model_name="x" * (1 << 20))], Status.NOT_FOUND),
    "a refused artifact's name": (lambda p: [p.infer_header(model_name="circuit 0")], Status.NOT_FOUND),
    "no digest": (lambda p: [p.infer_header(client_spec_digest=b"")], Status.INVALID_ARGUMENT),
    "a digest cut short": (lambda p: [p.infer_header(client_spec_digest=p.spec.digest[:31])], Status.INVALID_ARGUMENT),
    "a digest too long": (lambda p: [p.infer_header(client_spec_digest=bytes(33))], Status.INVALID_ARGUMENT),
    "another digest": (lambda p: [p.infer_header(client_spec_digest=bytes(32))], Status.FAILED_PRECONDITION),
    "the other model's digest": (
        lambda p: [p.infer_header(client_spec_digest=p.other.digest)],
        Status.FAILED_PRECONDITION,
    ),
    "no keys": (lambda p: [p.infer_header(evaluation_keys=b"")], Status.FAILED_PRECONDITION),
    "unknown keys": (lambda p: [p.infer_header(evaluation_keys=bytes(32))], Status.NOT_FOUND),
    "keys' digest cut short": (lambda p: [p.infer_header(evaluation_keys=p.sha256[:8])], Status.INVALID_ARGUMENT),
    "a path as keys": (lambda p: [p.infer_header(evaluation_keys=b"../../../etc/passwd")], Status.INVALID_ARGUMENT),
    "keys of another circuit": (
        lambda p: [p.infer_header(evaluation_keys=p.other_sha256)],
        Status.FAILED_PRECONDITION,
    ),
    "these keys with the other model": (
        lambda p: [p.infer_header(model_name="other", client_spec_digest=p.other.digest)],
        Status.FAILED_PRECONDITION,
    ),
    "header twice": (lambda p: [p.infer_header(), p.infer_header()], Status.INVALID_ARGUMENT),
}


@pytest.mark.parametrize("what", HEADERS)
def test_a_malformed_header_is_refused(party, workers, what):
    before = workers()
    make, status = HEADERS[what]
    assert status_of(party.stub.Infer, iter(make(party))) == status
    assert party.good_request()
    assert workers() == before


# Evaluation keys

CAPNP_LIST_BOMB = bytes.fromhex(
    "00000000050000000000000000000300090000000f0000000000000000000000000000000000000000000000fcffff7f00000000"
)
"""52 bytes that made Concrete's own reader hang for minutes and take gigabytes."""


def split(p):
    """The bootstrap key's and the keyswitch key's bytes."""
    keyset = p.spec.keyset
    cut = sum(map(keyset.bootstrap_key_bytes, keyset.bootstrap_keys))
    return p.keys[:cut], p.keys[cut:]


def reordered(p):
    header, first, second, *rest = p.upload(p.keys)
    return [header, second, first, *rest]


def overlapping(p):
    header, *chunks = p.upload(p.keys)
    return [header, *chunks[:3], chunk(chunks[3].chunk.offset - 8, chunks[3].chunk.data), *chunks[4:]]


def with_gap(p):
    header, *chunks = p.upload(p.keys)
    return [header, *chunks[:3], *chunks[4:]]


def with_chunk(position, message):
    def make(p):
        messages = list(p.upload(p.keys))
        messages.insert(position, message(p))
        return messages

    return make


def with_oversized_chunk(p):
    header, *_ = p.upload(p.keys)
    return [header, chunk(0, p.keys[: limits.CHUNK_BYTES + 8])]


UPLOADS = {
    "nothing at all": (lambda p: [], Status.INVALID_ARGUMENT),
    "a header alone": (lambda p: list(p.upload(p.keys))[:1], Status.INVALID_ARGUMENT),
    "a chunk first": (lambda p: list(p.upload(p.keys))[1:], Status.INVALID_ARGUMENT),
    "an empty header": (
        lambda p: [pb.UploadEvaluationKeysRequest(header=keys_pb.EvaluationKeysHeader())],
        Status.INVALID_ARGUMENT,
    ),
    "header twice": (with_chunk(1, lambda p: next(p.upload(p.keys))), Status.INVALID_ARGUMENT),
    "an empty message": (with_chunk(5, lambda p: pb.UploadEvaluationKeysRequest()), Status.INVALID_ARGUMENT),
    "an empty chunk": (with_chunk(1, lambda p: chunk(0, b"")), Status.INVALID_ARGUMENT),
    "a chunk twice": (with_chunk(2, lambda p: list(p.upload(p.keys))[1]), Status.INVALID_ARGUMENT),
    "a chunk beyond the end": (with_chunk(1 << 20, lambda p: chunk(len(p.keys), bytes(8))), Status.INVALID_ARGUMENT),
    "a chunk at 2^64 - 8": (with_chunk(1, lambda p: chunk((1 << 64) - 8, bytes(8))), Status.INVALID_ARGUMENT),
    "reordered chunks": (reordered, Status.INVALID_ARGUMENT),
    "overlapping chunks": (overlapping, Status.INVALID_ARGUMENT),
    "a gap": (with_gap, Status.INVALID_ARGUMENT),
    "an oversized chunk": (with_oversized_chunk, Status.INVALID_ARGUMENT),
    "truncated": (lambda p: list(p.upload(p.keys))[:-1], Status.INVALID_ARGUMENT),
    "wrong sha256": (lambda p: p.upload(p.keys, sha256=bytes(32)), Status.DATA_LOSS),
    "sha256 cut short": (lambda p: p.upload(p.keys, sha256=bytes(31)), Status.INVALID_ARGUMENT),
    "changed on the way": (
        lambda p: p.upload(bytes(8) + p.keys[8:], sha256=p.sha256),
        Status.DATA_LOSS,
    ),
    "keyset that no model uses": (lambda p: p.upload(p.keys, keyset_name=bytes(32)), Status.FAILED_PRECONDITION),
    "keyset name cut short": (lambda p: p.upload(p.keys, keyset_name=b"x"), Status.INVALID_ARGUMENT),
    "the other circuit's keyset name": (
        lambda p: p.upload(p.keys, keyset_name=p.other.keyset.name),
        Status.INVALID_ARGUMENT,
    ),
    "a refused artifact's keyset": (
        lambda p: p.upload(p.keys, keyset_name=SPECS["bootstrap key of less noise"][0](p.spec).keyset.name),
        Status.FAILED_PRECONDITION,
    ),
    "size 0": (lambda p: p.upload(p.keys, size=0), Status.INVALID_ARGUMENT),
    "size 2^63": (lambda p: p.upload(p.keys, size=1 << 63), Status.INVALID_ARGUMENT),
    "size one word less": (lambda p: p.upload(p.keys, size=len(p.keys) - 8), Status.INVALID_ARGUMENT),
    "one word less": (lambda p: p.upload(p.keys[:-8]), Status.INVALID_ARGUMENT),
    "one word more": (lambda p: p.upload(p.keys + bytes(8)), Status.INVALID_ARGUMENT),
    "no whole words": (lambda p: p.upload(p.keys[:-3]), Status.INVALID_ARGUMENT),
    "no bootstrap key": (lambda p: p.upload(split(p)[1]), Status.INVALID_ARGUMENT),
    "no keyswitch key": (lambda p: p.upload(split(p)[0]), Status.INVALID_ARGUMENT),
    "half a bootstrap key": (
        lambda p: p.upload(split(p)[0][: len(split(p)[0]) // 2] + split(p)[1]),
        Status.INVALID_ARGUMENT,
    ),
    "half a keyswitch key": (
        lambda p: p.upload(split(p)[0] + split(p)[1][: len(split(p)[1]) // 2]),
        Status.INVALID_ARGUMENT,
    ),
    "bootstrap key twice": (lambda p: p.upload(split(p)[0] * 2), Status.INVALID_ARGUMENT),
    "Cap'n Proto list bomb": (lambda p: p.upload(CAPNP_LIST_BOMB), Status.INVALID_ARGUMENT),
}


@pytest.mark.parametrize("what", UPLOADS)
def test_malformed_keys_are_refused(party, workers, what):
    before = workers()
    make, status = UPLOADS[what]
    messages = list(make(party))
    assert status_of(party.stub.UploadEvaluationKeys, iter(messages)) == status
    assert stored_digests(party) == {party.sha256.hex(), party.other_sha256.hex()}
    assert party.good_request()
    assert workers() == before


def stored_digests(party):
    return {path.name.partition(".")[0] for path in (party.log.parent / "keys").glob("*/*") if path.is_file()}


WELL_FORMED_KEYS = {
    "random": lambda p: os.urandom(len(p.keys)),
    "zeros": lambda p: bytes(len(p.keys)),
    "ones": lambda p: b"\xff" * len(p.keys),
    "another user's": lambda p: evaluation_keys(SecretKeys.generate(p.spec)),
    "keyswitch key first": lambda p: split(p)[1] + split(p)[0],
    "Cap'n Proto list bomb, filled up": lambda p: CAPNP_LIST_BOMB + bytes(len(p.keys) - len(CAPNP_LIST_BOMB)),
}


@pytest.mark.parametrize("what", WELL_FORMED_KEYS)
def test_keys_of_wrong_words_harm_nobody_else(party, workers, what):
    """Words cannot be told from keys: their owner's answers are nonsense, and nobody else's."""
    before = workers()
    sha256 = party.stub.UploadEvaluationKeys(party.upload(WELL_FORMED_KEYS[what](party))).sha256
    requests = [party.infer_header(evaluation_keys=sha256), party.row()]
    assert len(list(party.stub.Infer(iter(requests), timeout=60))) == 1
    assert party.good_request()
    party.stub.DeleteEvaluationKeys(pb.DeleteEvaluationKeysRequest(sha256=sha256))
    assert status_of(party.stub.Infer, iter(requests)) == Status.NOT_FOUND
    assert party.good_request()
    assert workers() == before


# Bytes that are no message

RAW = {
    "garbage": b"\xff" * 9,
    "a length beyond the end": b"\x0a\xff\xff\xff\xff\x0f",
    "a tag without a value": b"\x0a",
    "a wire type that there is not": b"\x0f\x00",
    "an endless varint": b"\x08" + b"\x80" * 20,
    "an unclosed group": b"\x0b" * 200,
}


@pytest.mark.parametrize("what", RAW)
def test_bytes_that_are_no_message_are_refused(party, what):
    for method in ("ListModels", "GetModel", "GetEvaluationKeys", "DeleteEvaluationKeys"):
        assert status_of(party.channel.unary_unary(f"/{SERVICE_NAME}/{method}"), RAW[what]) == Status.INVALID_ARGUMENT
    for kind, method in (("stream_unary", "UploadEvaluationKeys"), ("stream_stream", "Infer")):
        call = getattr(party.channel, kind)(f"/{SERVICE_NAME}/{method}")
        assert status_of(call, iter([RAW[what]])) == Status.INVALID_ARGUMENT
    assert party.good_request()


def test_bytes_that_are_no_message_after_good_ones(party):
    call = party.channel.stream_stream(f"/{SERVICE_NAME}/Infer")
    messages = [party.infer_header().SerializeToString(), party.row().SerializeToString(), RAW["garbage"]]
    answers = call(iter(messages), timeout=60)
    next(answers)
    with pytest.raises(grpc.RpcError) as caught:
        next(answers)
    assert caught.value.code() == Status.INVALID_ARGUMENT
    assert party.good_request()


# Artifacts: the server was started with all of them in its directory


@pytest.mark.parametrize("what", [*CIRCUITS, *SPECS, *FILES])
def test_a_malformed_artifact_is_refused(party, what):
    name, words = party.names[what]
    (line,) = (line for line in events(party, "artifact refused") if line["file"] == name)
    assert words in line["reason"]
    assert "Traceback" not in line["reason"]


def test_only_the_good_artifacts_are_served(party):
    served = party.stub.ListModels(pb.ListModelsRequest()).models
    assert [model.name for model in served] == ["good", "other"]
    assert len(events(party, "artifact refused")) == len(CIRCUITS) + len(SPECS) + len(FILES)
    assert party.good_request()


def test_the_server_has_no_internal_errors_to_tell(party):
    """Every refusal above was meant: none was an exception that nobody expected, and no worker died."""
    log = party.log.read_text()
    assert "INTERNAL" not in log
    assert "traceback" not in log
    assert "worker died" not in log
    assert len(events(party, "worker up")) == 1
