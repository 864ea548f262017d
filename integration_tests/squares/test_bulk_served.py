"""Rows in bulk on a real server, under encryption: where they are many, of several clients, and refused."""

import json
import os
import signal
import subprocess
import sys
import time

import cryptable as ct
import grpc
import numpy as np
import pytest
from cryptable.neural import QuantNeuralNetClassifier
from cryptable_client import connect
from cryptable_client.__main__ import main
from cryptable_client.files.tables import write_table
from cryptable_client.server.remote_model import RemoteModel
from cryptable_engine import compile_circuit, verify
from cryptable_engine.circuit.bounds import highest_output
from cryptable_engine.schemes.squares.bulk.choice import least_modulus, parameters_of
from cryptable_protocol import CompileOptions, CryptableError, InvalidInputError, limits
from cryptable_protocol.findings import installed_version
from cryptable_protocol.messages import inference as pb
from cryptable_protocol.messages import tensor as tensor_pb
from cryptable_server.processes.entry_points import bulk_program
from server_process import infer_header, run_server
from sklearn.ensemble import RandomForestClassifier

pytestmark = pytest.mark.encrypted
RANDOM = np.random.default_rng(0)
ROWS = RANDOM.normal(size=(300, 3))
MANY = RANDOM.normal(size=(8200, 3))
"""A tensor, and a few rows more."""


@pytest.fixture(scope="module")
def model():
    forest = RandomForestClassifier(4, max_depth=3, max_leaf_nodes=4, random_state=0)
    forest.fit(ROWS, ROWS[:, 0] + ROWS[:, 1] * ROWS[:, 2] > 0)
    return ct.compile(forest, ROWS, scheme="levelled", name="trees", show_progress=False)


@pytest.fixture(scope="module")
def squares():
    classifier = QuantNeuralNetClassifier(
        (4,), activation="square", input_bits=2, weight_bits=2, output_weight_bits=3, max_epochs=1, random_state=0
    )
    return classifier.fit(ROWS, ROWS[:, 0] > 0)


@pytest.fixture(scope="module")
def network(squares):
    return ct.compile(squares, ROWS, name="network", show_progress=False)


@pytest.fixture(scope="module")
def flooded(squares):
    return ct.compile(squares, ROWS, name="flooded", flooding_bits=8, show_progress=False)


@pytest.fixture(scope="module")
def wide():
    """A network of so many inputs that a tensor is longer than a message."""
    rows = RANDOM.normal(size=(60, 1300))
    classifier = QuantNeuralNetClassifier(
        (2,), activation="square", input_bits=2, weight_bits=2, output_weight_bits=3, max_epochs=1, random_state=0
    )
    return ct.compile(classifier.fit(rows, rows[:, 0] > 0), rows, name="wide", show_progress=False)


@pytest.fixture(scope="module")
def points():
    """Trees whose clients send points, which no server chooses for so few thresholds: its program is there before."""
    forest = RandomForestClassifier(3, max_depth=2, random_state=1).fit(ROWS, ROWS[:, 0] * ROWS[:, 1] > 0)
    return ct.compile(forest, ROWS, scheme="levelled", name="points", show_progress=False)


def program_of_points(model, directory):
    """Of degree 2, where a server looks for a program of rows in bulk that it made before."""
    circuit, engine = model.circuit, installed_version("cryptable-engine")
    maximum = highest_output(circuit, verify(circuit))
    parameters = parameters_of(circuit, maximum, 2, least_modulus(maximum, 8192), 2, 2.0**-128)
    name = f"{model.artifact.digest.hex()}-{engine}-{installed_version('concrete-python') or 'none'}"
    options = CompileOptions(scheme="squares", p_error=2.0**-128)
    compile_circuit(circuit, options, bulk_program(str(directory / name)), promised=parameters)
    return parameters


@pytest.fixture(scope="module")
def server(model, network, flooded, wide, points, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bulk")
    (folder / "models").mkdir()
    for each in (model, network, flooded, wide, points):
        each.save(folder / "models" / f"{each.artifact.model_name}.cryptable")
    (folder / "programs").mkdir(mode=0o700)
    program_of_points(points, folder / "programs")
    with run_server(folder / "models", folder, "--bulk") as running:
        yield running


@pytest.fixture
def remote(server):
    with connect(server.address, model="trees", insecure=True) as made:
        yield made


def test_many_rows_are_evaluated_in_bulk_and_the_rest_one_by_one(remote, model):
    few = remote.predict_proba(MANY[:2])
    assert remote._bulk._way is None
    np.testing.assert_array_equal(few, model.predict_proba(MANY[:2]))
    sent = remote.traffic["rows_sent"]
    np.testing.assert_array_equal(remote.predict_proba(MANY), model.predict_proba(MANY))
    assert remote._bulk.rows_of(len(MANY)) == 8192
    parameters = remote._bulk._spec.parameters
    alone = 8 * remote.spec.parameters.row_message_bytes
    assert 0 < remote.traffic["rows_sent"] - sent - parameters.row_bytes - alone < 2000
    assert remote.traffic["rows"] == 2 + len(MANY)


def test_a_network_takes_many_rows_at_once_too(server, network):
    rows = MANY[:1000]
    with connect(server.address, model="network", insecure=True) as remote:
        parameters = remote._bulk._spec.parameters
        assert remote._bulk._spec.least_rows <= len(rows)
        np.testing.assert_array_equal(remote.predict_proba(rows), network.predict_proba(rows))
        assert 0 < remote.traffic["rows_sent"] - parameters.row_bytes < 2000
        np.testing.assert_array_equal(remote.predict(rows[:2]), network.predict(rows[:2]))


def test_thermometers_travel_as_points(server, points):
    with connect(server.address, model="points", insecure=True) as remote:
        bulk = remote._bulk._spec
        assert (bulk.parameters.degree, sum(bulk.parameters.thermometers)) == (2, bulk.parameters.inputs)
        assert bulk.parameters.columns < bulk.parameters.inputs
        rows = MANY[: max(bulk.least_rows, 1000)]
        np.testing.assert_array_equal(remote.predict_proba(rows), points.predict_proba(rows))
        assert 0 < remote.traffic["rows_sent"] - bulk.parameters.row_bytes < 2000


def test_a_tensor_longer_than_a_message_is_evaluated_from_a_file(server):
    """Of zeros, since what is sent takes a client's time: the answer is one to the constants of the network."""
    with connect(server.address, model="wide", insecure=True) as remote:
        bulk = remote._bulk
        bulk._ready()
        parameters = bulk._spec.parameters
        assert limits.MAX_MESSAGE_BYTES < parameters.row_bytes < 2 * limits.MAX_MESSAGE_BYTES
        files = server.keys.parent / "programs" / "rows"
        sizes = []

        def requests():
            yield infer_header(bulk._spec.spec, bulk._upload.header.sha256)
            for start in range(0, parameters.row_bytes, limits.CHUNK_BYTES):
                piece = bytes(min(limits.CHUNK_BYTES, parameters.row_bytes - start))
                tensor = tensor_pb.EncryptedTensor(polynomials=piece)
                if not start:
                    tensor.seed = bytes(16)
                yield pb.InferRequest(row=tensor)
                sizes.append(sum(path.stat().st_size for path in files.glob("*/*")))

        (answer,) = server.stub.Infer(requests())
        parameters.check_output(answer.result)
        assert max(sizes) > limits.MAX_MESSAGE_BYTES // 2
        assert [path.name for path in files.glob("*/*")] == ["lock"]


def test_a_network_whose_answers_are_flooded_has_no_second_way(server, flooded):
    with connect(server.address, model="flooded", insecure=True) as remote:
        assert remote._bulk is None
        np.testing.assert_array_equal(remote.predict_proba(ROWS[:2]), flooded.predict_proba(ROWS[:2]))


@pytest.mark.parametrize("megabytes", [0, 2000, 300], ids=["any", "enough", "too little"])
def test_a_worker_that_has_too_little_memory_for_a_tensor_gets_none(model, tmp_path, megabytes):
    model.save(tmp_path / "trees.cryptable")
    command = [sys.executable, "-m", "cryptable_server.processes.preparation", str(tmp_path / "trees.cryptable")]
    command += [
        model.artifact.digest.hex(),
        str(tmp_path / "program"),
        str(os.getpid()),
        "60",
        f"bulk={megabytes}000000",
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    told = json.loads(done.stdout)
    assert told["prepared"]
    assert bool(told["bulk"]) == (megabytes != 300)


def test_whoever_wants_no_bulk_has_rows_one_by_one(server, model):
    with connect(server.address, model="trees", insecure=True, bulk=False) as remote:
        assert remote._bulk is None
        np.testing.assert_array_equal(remote.predict(ROWS[:3]), model.predict(ROWS[:3]))


def test_two_principals_and_a_killed_worker(server, model):
    wanted = model.predict(MANY[:500])
    for _ in range(2):
        with connect(server.address, model="trees", insecure=True) as remote:
            remote._bulk._spec = type(remote._bulk._spec)(remote._bulk._spec.spec, remote._bulk._spec.parameters, 1)
            np.testing.assert_array_equal(remote.predict(MANY[:500]), wanted)
            os.kill(server.workers()[-1], signal.SIGKILL)
            for _ in range(3):  # a tensor that was under way may be refused once
                try:
                    found = remote.predict(MANY[:500])
                except CryptableError:
                    continue
                break
            np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    ("pieces", "why"),
    [
        (lambda whole: [whole[:-1]], "a piece of"),
        (lambda whole: [whole[: 1 << 20]], "a tensor ends after"),
        (lambda whole: [whole[: 1 << 20], whole[: 1 << 20]], "a piece of"),
        (lambda whole: [whole[: 1 << 20], b""], "a piece of"),
        (lambda whole: [b"\xff" * (1 << 20), whole[1 << 20 :]], "expected residues"),
    ],
    ids=["short", "broken off", "long", "empty", "no residues"],
)
def test_pieces_that_are_no_tensor_are_refused(server, remote, pieces, why):
    bulk = remote._bulk
    bulk._ready()
    header = infer_header(bulk._spec.spec, bulk._upload.header.sha256)
    size = bulk._spec.parameters.row_bytes
    assert 1 << 20 < size < 2 << 20
    tensors = [tensor_pb.EncryptedTensor(polynomials=piece) for piece in pieces(bytes(size))]
    tensors[0].seed = bytes(16)
    with pytest.raises(grpc.RpcError, match=why) as caught:
        list(server.stub.Infer(iter([header, *(pb.InferRequest(row=tensor) for tensor in tensors)])))
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_a_tensor_of_zeros_is_answered_and_a_row_of_it_is_no_row_of_the_model(server, remote):
    bulk = remote._bulk
    bulk._ready()
    parameters, header = bulk._spec.parameters, infer_header(bulk._spec.spec, bulk._upload.header.sha256)
    first = tensor_pb.EncryptedTensor(polynomials=bytes(1 << 20), seed=bytes(16))
    rest = tensor_pb.EncryptedTensor(polynomials=bytes(parameters.row_bytes - (1 << 20)))
    requests = [header, pb.InferRequest(row=first), pb.InferRequest(row=rest)]
    (answer,) = server.stub.Infer(iter(requests))
    parameters.check_output(answer.result)
    with pytest.raises(grpc.RpcError, match="polynomials of") as caught:
        server.stub.InferRow(pb.InferRowRequest(header=header.header, row=first))
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def arguments(server, source, target, kept):
    told = ["predict", "--address", server.address, "--insecure", "--model", "trees", "--input", str(source)]
    return [*told, "--output", str(target), "--resume", str(kept), "--rows-at-once", "3"]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_command_that_was_stopped_goes_on_with_the_rows_that_are_left(server, model, tmp_path, monkeypatch, ending):
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    source, target, kept = tmp_path / f"rows.{ending}", tmp_path / f"answers.{ending}", tmp_path / "kept"
    write_table(str(source), ["x0", "x1", "x2"], ROWS[:7].tolist())
    evaluate, asked = RemoteModel.evaluate, []

    def stopped(self, encoded, spec):
        asked.append(len(encoded))
        if len(asked) == 2:
            raise InvalidInputError("stopped")
        return evaluate(self, encoded, spec)

    monkeypatch.setattr(RemoteModel, "evaluate", stopped)
    assert main(arguments(server, source, target, kept)) != 0
    assert (target.exists(), kept.exists()) == (False, True)
    assert main(arguments(server, source, target, kept)) == 0
    assert asked == [3, 3, 3, 1]
    assert not kept.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [target.name, source.name]
    header, *found = read_lines(target)
    assert header == "prediction"
    assert found == model.predict(ROWS[:7]).tolist()


def read_lines(path):
    """Header and answers of a table of one column of booleans."""
    if path.suffix == ".csv":
        header, *found = path.read_text().split()
        return [header, *(each == "True" for each in found)]
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(path)
    return [*table.column_names, *table.column(0).to_pylist()]


def test_a_killed_command_goes_on(server, model, tmp_path):
    source, target, kept = tmp_path / "rows.csv", tmp_path / "answers.csv", tmp_path / "kept"
    write_table(str(source), ["x0", "x1", "x2"], ROWS.tolist())
    told = arguments(server, source, target, kept)
    with subprocess.Popen([sys.executable, "-m", "cryptable_client", *told], cwd=tmp_path) as running:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and not (kept.exists() and kept.stat().st_size > 500):
            time.sleep(0.005)
        running.kill()
    assert not target.exists()
    with connect(server.address, model="trees", insecure=True) as remote:
        parts = [ROWS[start : start + 3] for start in range(0, len(ROWS), 3)]
        found = np.concatenate(list(remote.predict_chunks(parts, resume=kept)))
        assert remote.traffic["rows"] < len(ROWS)  # the same file, read by the other way to ask
    np.testing.assert_array_equal(found, model.predict(ROWS))
    assert main(told) == 0
    assert read_lines(target)[1:] == found.tolist()
