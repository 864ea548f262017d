"""A levelled model on a real server, under encryption: from an artifact to answers, with the client's keys kept."""

from dataclasses import replace

import cryptable as ct
import grpc
import numpy as np
import pytest
from cryptable_client import SecretKeys, connect, encrypt
from cryptable_engine import interpret
from cryptable_protocol import InvalidInputError, encode_rows
from cryptable_protocol.messages import inference as pb
from levelled_models import ROWS, artifact, circuit, linear, linear_artifact
from server_process import infer_header, make_artifact, run_server, tables_circuit
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import GradientBoostingClassifier

pytestmark = pytest.mark.encrypted


@pytest.fixture(scope="module")
def levels():
    """A model that answers probabilities in 32 levels."""
    X, y = load_breast_cancer(return_X_y=True)
    estimator = GradientBoostingClassifier(n_estimators=4, max_depth=2, random_state=0).fit(X, y)
    return ct.compile(estimator, X, name="levels", answer="probability", levels=32, show_progress=False)


@pytest.fixture(scope="module")
def server(tmp_path_factory, levels):
    folder = tmp_path_factory.mktemp("levelled")
    models = folder / "models"
    models.mkdir()
    for seed in (1, 2):
        artifact(f"levelled{seed}", circuit(seed), folder / f"program{seed}").save(models / f"{seed}.cryptable")
    linear_artifact(folder / "linear").save(models / "linear.cryptable")
    levels.save(models / "levels.cryptable")
    make_artifact("tables", tables_circuit(), folder / "bootstrapped").save(models / "tables.cryptable")
    with run_server(models, folder) as running:
        yield running


def expected(remote, seed):
    return interpret(circuit(seed), encode_rows(remote.spec.features, ROWS))


def test_a_linear_model_answers_beside_others_with_keys_of_its_own(server):
    rows = np.random.default_rng(4).integers(0, 16, (5, 3)).astype(np.float64)
    with connect(server.address, model="linear", insecure=True) as remote:
        assert remote.spec.parameters.slots * remote.spec.parameters.parts >= 40
        assert (remote.predict(rows) == interpret(linear(), rows.astype(np.int64))).all()
        assert 13_328 <= remote.traffic["keys_sent"] < 14_000


def test_probabilities_in_levels_come_as_from_any_model(server, levels):
    rows = load_breast_cancer().data[:20:4]
    with connect(server.address, model="levels", insecure=True) as remote:
        found = remote.predict_proba(rows)
        assert (found == levels.predict_proba(rows)).all()
        assert np.allclose(found[:, 1] * 32 % 1, 0.5)
        assert (remote.predict(rows) == levels.predict(rows)).all()
        assert remote.traffic["keys_sent"] < 950_000


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
        remote._rows._inference = replace(remote._rows._inference, secret_keys=other._secret_keys)
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
