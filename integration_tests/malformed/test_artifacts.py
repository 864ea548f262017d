"""Malformed artifacts: a server that finds all of them beside a good one serves the good one."""

import dataclasses
import hashlib

import grpc
import numpy as np
import pytest
from cryptable_engine import Circuit, GroupKind, InputGroup
from cryptable_protocol import KeysetParameters, KeyswitchKeyParameters, MalformedMessageError
from cryptable_protocol.messages import artifact as artifact_pb
from cryptable_protocol.messages import inference as pb
from cryptable_protocol.service import InferenceStub

pytestmark = [pytest.mark.encrypted, pytest.mark.xdist_group("malformed")]  # its server takes half a minute to make

LOOKUPS = 3
"""Of the good circuit, in conftest.py."""


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


def with_tables(change):
    """`change` makes other tables of the good ones."""
    return lambda circuit: with_node(2, tables=change(circuit.nodes[2].tables))(circuit)


CIRCUITS = {
    "table entry raised": (with_tables(lambda tables: tables + 1000), "output"),
    "table entry of 2^61": (with_tables(lambda tables: tables + (1 << 61)), "node 2"),
    "table index outside": (with_node(2, table_of=np.array([0, 1, 7])), "node 2"),
    "lookup of its own value": (with_node(2, source=2), "node 2"),
    "lookup of a later node": (with_node(2, source=3), "node 2"),
    "lookup of the input": (with_node(2, source=0), "node 2"),
    "looked-up value beyond the table": (with_node(1, offset=np.full(LOOKUPS, 1)), "node 2"),
    "looked-up value negative": (with_node(1, offset=np.full(LOOKUPS, -1)), "node 2"),
    "narrower table": (with_tables(lambda tables: tables[:, :8]), "node 2"),
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
            spec,
            parameters=dataclasses.replace(
                spec.parameters,
                keyset=dataclasses.replace(spec.keyset, **{kind: (dataclasses.replace(key, **changes),)}),
            ),
        )

    return change


def with_keyset(spec, **changes):
    return dataclasses.replace(
        spec, parameters=dataclasses.replace(spec.parameters, keyset=dataclasses.replace(spec.keyset, **changes))
    )


def other_small_dimension(spec, by=1):
    large, small = spec.keyset.secret_keys
    return with_keyset(spec, secret_keys=(large, dataclasses.replace(small, dimension=small.dimension + by)))


def with_a_keyswitch_key(spec):
    return with_keyset(spec, keyswitch_keys=(KeyswitchKeyParameters(0, 0, 1, 3, 4, 1e-8),))


def without_evaluation_keys(spec):
    return dataclasses.replace(
        spec, parameters=dataclasses.replace(spec.parameters, keyset=KeysetParameters(spec.keyset.secret_keys))
    )


def other_type(which, **changes):
    def change(spec):
        changed = {which: dataclasses.replace(getattr(spec, which), **changes)}
        return dataclasses.replace(spec, parameters=dataclasses.replace(spec.parameters, **changed))

    return change


# Keys that are secure, and more exact than a circuit needs, are promises that can be kept: whoever made them.
SPECS = {
    "bootstrap key of less noise": (other_keyset("bootstrap_keys", variance=1e-40), "bootstrap keys"),
    "bootstrap key of another base": (other_keyset("bootstrap_keys", base_log=8), "bootstrap keys"),
    "keyswitch key of fewer levels": (other_keyset("keyswitch_keys", level_count=2), "keyswitch keys"),
    "keyswitch key of less noise": (other_keyset("keyswitch_keys", variance=0.0), "keyswitch keys"),
    "secret key of a smaller dimension": (lambda spec: other_small_dimension(spec, -1), "secret keys"),
    "no keyswitch key": (lambda spec: with_keyset(spec, keyswitch_keys=()), "input"),
    "no evaluation keys": (without_evaluation_keys, "bootstrap keys"),
    "input under another key": (other_type("input", key=1), "input"),
    "input of less noise": (other_type("input", variance=0.0), "input"),
    "input of another width": (other_type("input", width=5), "input"),
    "output under another key": (other_type("output", key=1), "output"),
    "output of another width": (other_type("output", width=9), "output"),
}
ONE_LEVEL_SPECS = {
    "one level: bootstrap key of less noise": (other_keyset("bootstrap_keys", variance=1e-40), "128 bits"),
    "one level: bootstrap key of another base": (other_keyset("bootstrap_keys", base_log=16), "needs less noise"),
    "one level: a keyswitch key": (with_a_keyswitch_key, "secret keys"),
    "one level: secret key of another dimension": (other_small_dimension, "input"),
    "one level: input under the large key": (other_type("input", key=0), "input"),
    "one level: input of less noise": (other_type("input", variance=1e-12), "input"),
    "one level: input of another width": (other_type("input", width=5), "input"),
    "one level: output under the small key": (other_type("output", key=1), "output"),
}


def test_a_base_that_no_answer_can_be_read_with_is_no_specification(good_one_level):
    with pytest.raises(MalformedMessageError, match="told from noise"):
        other_keyset("bootstrap_keys", base_log=9)(good_one_level.client_spec)


def weak_everywhere(artifact):
    """Spec and compile options agree on keys without noise."""
    spec = other_keyset("bootstrap_keys", variance=1e-40)(artifact.client_spec)
    options = dataclasses.replace(artifact.compile_options, keyset_entry="weak", keyset=spec.keyset)
    return dataclasses.replace(artifact, client_spec=spec, compile_options=options)


WEAK = "one level: keys of less noise in spec and options"


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


def bad_artifacts(good, good_one_level):
    """File names and bytes, and what the reason of the refusal must name."""
    for number, (what, (change, names)) in enumerate(CIRCUITS.items()):
        spec = dataclasses.replace(good.client_spec, model_name=f"circuit {number}")
        circuit = change(Circuit.from_bytes(good.circuit)).to_bytes()
        yield what, dataclasses.replace(good, client_spec=spec, circuit=circuit).to_bytes(), names
    for number, (what, (change, names)) in enumerate(SPECS.items()):
        spec = dataclasses.replace(change(good.client_spec), model_name=f"spec {number}")
        yield what, dataclasses.replace(good, client_spec=spec).to_bytes(), names
    for number, (what, (change, names)) in enumerate(ONE_LEVEL_SPECS.items()):
        spec = dataclasses.replace(change(good_one_level.client_spec), model_name=f"one level {number}")
        yield what, dataclasses.replace(good_one_level, client_spec=spec).to_bytes(), names
    weak = weak_everywhere(good_one_level)
    spec = dataclasses.replace(weak.client_spec, model_name="weak")
    yield WEAK, dataclasses.replace(weak, client_spec=spec).to_bytes(), "fewer than 128 bits of security"
    for number, (what, make) in enumerate(FILES.items()):
        spec = dataclasses.replace(good.client_spec, model_name=f"file {number}")
        yield what, make(dataclasses.replace(good, client_spec=spec)), ""


@pytest.fixture(scope="module")
def reasons(good, good_one_level, serve, events, tmp_path_factory):
    """Why each was refused, by what is wrong with it, and what the reason must name."""
    folder = tmp_path_factory.mktemp("artifacts")
    models = folder / "models"
    models.mkdir()
    good.save(models / "good.cryptable")
    good_one_level.save(models / "good-one-level.cryptable")
    names = {}
    for number, (what, data, words) in enumerate(bad_artifacts(good, good_one_level)):
        names[what] = f"bad-{number}.cryptable", words
        (models / f"bad-{number}.cryptable").write_bytes(data)
    with serve(models, folder) as (address, log), grpc.insecure_channel(address) as channel:
        served = InferenceStub(channel).ListModels(pb.ListModelsRequest()).models
        assert [model.name for model in served] == ["good", "one-level"]
        lines = events(log, "artifact refused")
    assert len(lines) == len(names)
    found = {line["file"]: line["reason"] for line in lines}
    return {what: (found[name], words) for what, (name, words) in names.items()}


@pytest.mark.parametrize("what", [*CIRCUITS, *SPECS, *ONE_LEVEL_SPECS, WEAK, *FILES])
def test_a_malformed_artifact_is_refused(reasons, what):
    reason, words = reasons[what]
    assert words in reason
    assert "Traceback" not in reason
