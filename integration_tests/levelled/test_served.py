"""A levelled model on a real server, under encryption: from an artifact to answers, with the client's keys kept."""

import grpc
import numpy as np
import pytest
from cryptable_client import SecretKeys, connect, encrypt
from cryptable_engine import (
    Circuit,
    GroupKind,
    Input,
    InputGroup,
    Linear,
    Product,
    Term,
    compile_circuit,
    interpret,
)
from cryptable_protocol import (
    AffineEncoder,
    ClientSpec,
    CompileOptions,
    Decoder,
    InvalidInputError,
    Link,
    ModelArtifact,
    Provenance,
    ThermometerEncoder,
    encode_rows,
)
from cryptable_protocol.messages import inference as pb
from server_process import infer_header, make_artifact, run_server, tables_circuit

pytestmark = pytest.mark.encrypted

OPTIONS = CompileOptions(p_error=2.0**-128, scheme="levelled")
EDGES = (1.0, 2.0, 3.0)


def circuit(seed):
    """Two thermometers of three bits, four products of depth two, two scores."""
    rng = np.random.default_rng(seed)
    source = Input((InputGroup(GroupKind.THERMOMETER, 3), InputGroup(GroupKind.THERMOMETER, 3)))
    inner = Linear((Term.from_dense(0, rng.integers(-4, 5, (6, 4))),), rng.integers(0, 4, 4))
    outer = Linear(
        (Term.from_dense(0, rng.integers(-4, 5, (6, 4))), Term.from_dense(2, np.eye(4, dtype=np.int64))),
        rng.integers(0, 4, 4),
    )
    total = Linear(
        (Term.from_dense(0, rng.integers(-4, 5, (6, 2))), Term.from_dense(4, [[1, 0], [0, 1], [1, 0], [0, 1]])),
        np.array([60, 60]),
    )
    return Circuit((source, inner, Product(1, np.array([0, 4]), 4), outer, Product(3, np.array([1, 5]), 4), total), 5)


def artifact(name, made, folder):
    program = compile_circuit(made, OPTIONS, folder)
    spec = ClientSpec(
        name,
        tuple(ThermometerEncoder(column, EDGES) for column in "ab"),
        program.parameters,
        Decoder(Link.IDENTITY, (0, 0), 1.0, (0.0, 0.0)),
    )
    return ModelArtifact("1", Provenance("by hand", (), ""), spec, made.to_bytes(), OPTIONS)


def linear():
    """Three integers of four bits, and forty scores: an answer of several parts."""
    weights = np.random.default_rng(3).integers(-9, 10, (3, 40))
    offset = -np.minimum(weights, 0).sum(axis=0) * 15
    given = Input((InputGroup(GroupKind.RANGE, 1, 15),) * 3)
    return Circuit((given, Linear((Term.from_dense(0, weights),), offset)), 1)


def linear_artifact(folder):
    program = compile_circuit(linear(), OPTIONS, folder)
    features = tuple(AffineEncoder(column, 0.0, 1.0, 16) for column in "abc")
    spec = ClientSpec("linear", features, program.parameters, Decoder(Link.IDENTITY, (0,) * 40, 1.0, (0.0,) * 40))
    return ModelArtifact("1", Provenance("by hand", (), ""), spec, linear().to_bytes(), OPTIONS)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("levelled")
    models = folder / "models"
    models.mkdir()
    for seed in (1, 2):
        artifact(f"levelled{seed}", circuit(seed), folder / f"program{seed}").save(models / f"{seed}.cryptable")
    linear_artifact(folder / "linear").save(models / "linear.cryptable")
    make_artifact("tables", tables_circuit(), folder / "bootstrapped").save(models / "tables.cryptable")
    with run_server(models, folder) as running:
        yield running


ROWS = np.array([[a, b] for a in (0.5, 1.5, 2.5, 3.5) for b in (0.0, 1.0, 2.0, 3.0)])


def expected(remote, seed):
    return interpret(circuit(seed), encode_rows(remote.spec.features, ROWS))


def test_a_linear_model_answers_beside_others_with_keys_of_its_own(server):
    rows = np.random.default_rng(4).integers(0, 16, (5, 3)).astype(np.float64)
    with connect(server.address, model="linear", insecure=True) as remote:
        assert remote.spec.parameters.slots * remote.spec.parameters.parts >= 40
        assert (remote.predict(rows) == interpret(linear(), rows.astype(np.int64))).all()
        assert 13_328 <= remote.traffic["keys_sent"] < 14_000


def test_every_row_is_what_the_interpreter_says(server):
    with connect(server.address, model="levelled1", insecure=True) as remote:
        assert remote.spec.scheme == "levelled"
        assert (remote.predict(ROWS) == expected(remote, 1)).all()
        assert remote.traffic["keys_sent"] < 950_000


def test_one_set_of_keys_serves_every_levelled_model_and_no_other(server, tmp_path):
    with connect(server.address, model="levelled1", insecure=True) as remote:
        spec = remote.spec
    with SecretKeys.generate(spec) as keys:
        keys.save(tmp_path / "keys", passphrase="long enough")
    with SecretKeys.load(tmp_path / "keys", passphrase="long enough") as keys:
        for seed in (1, 2):
            with connect(server.address, model=f"levelled{seed}", insecure=True, secret_keys=keys) as remote:
                assert (remote.predict(ROWS) == expected(remote, seed)).all()
        with pytest.raises(InvalidInputError, match="keyset"):
            connect(server.address, model="tables", insecure=True, secret_keys=keys)


def test_another_clients_keys_give_nonsense_in_the_declared_range(server):
    """Evaluation keys of one secret, rows under another: an answer like any other, which is no model's."""
    with (
        connect(server.address, model="levelled1", insecure=True) as remote,
        connect(server.address, model="levelled1", insecure=True) as other,
    ):
        remote.predict(ROWS[:1])
        other.predict(ROWS[:1])
        remote._secret_keys, other._secret_keys = other._secret_keys, remote._secret_keys
        found = remote.predict(ROWS)
        assert found.min() >= 0
        assert found.max() <= remote.spec.parameters.maximum
        assert (found != expected(remote, 1)).any()


def test_a_row_of_another_scheme_is_refused(server):
    with (
        connect(server.address, model="tables", insecure=True) as tables,
        connect(server.address, model="levelled1", insecure=True) as levelled,
    ):
        levelled.predict(ROWS[:1])
        with SecretKeys.generate(tables.spec) as keys:
            row = encrypt(tables.spec, keys, np.zeros(6, np.int64))
        header = infer_header(levelled.spec, levelled._upload.header.sha256)
        with pytest.raises(grpc.RpcError, match="another scheme") as caught:
            list(server.stub.Infer(iter([header, pb.InferRequest(row=row.to_message())])))
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
