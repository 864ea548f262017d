"""Rows that travel together, on a real server, under encryption: the answers, what is counted, and what is refused."""

import grpc
import numpy as np
import pytest
from cryptable_client import connect
from cryptable_client.keys.encryption import decrypt_together, encrypt_together
from cryptable_engine import interpret
from cryptable_protocol import encode_rows
from cryptable_protocol.messages import inference as pb
from cryptable_protocol.schemes.levelled.batch import LevelledBatch
from cryptable_protocol.schemes.ring_tensor import RingTensor
from cryptable_protocol.schemes.scheme import read_batch
from levelled_models import ROWS, artifact, circuit, linear_artifact
from server_process import infer_header, run_server

pytestmark = pytest.mark.encrypted
MOST_ROWS = 40


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("together")
    models = folder / "models"
    models.mkdir()
    artifact("levelled1", circuit(1), folder / "program").save(models / "1.cryptable")
    linear_artifact(folder / "linear").save(models / "linear.cryptable")
    with run_server(models, folder, "--max-rows", str(MOST_ROWS)) as running:
        yield running


@pytest.fixture
def remote(server):
    with connect(server.address, model="levelled1", insecure=True, rows_together=True) as remote:
        yield remote


def expected(remote, rows=ROWS):
    return interpret(circuit(1), encode_rows(remote.spec.features, rows))


def asked(server, remote, *rows, batch=None):
    header = infer_header(remote.spec, remote._upload.header.sha256)
    header.header.batch = (batch or remote._rows._batch).digest
    return list(server.stub.Infer(iter([header, *(pb.InferRequest(row=row) for row in rows)])))


def encrypted(remote, rows):
    encoded = encode_rows(remote.spec.features, rows)
    return encrypt_together(remote.spec, remote._rows._batch, remote.secret_keys, encoded).to_message()


def test_answers_are_those_of_rows_alone_in_fewer_bytes(server, remote):
    assert remote._rows._batch.most_rows >= 20
    assert (remote.predict(ROWS) == expected(remote)).all()
    together = remote.traffic
    assert together["rows"] == len(ROWS)
    with connect(server.address, model="levelled1", insecure=True) as alone:  # as rows to this machine travel
        assert (alone.predict(ROWS) == expected(remote)).all()
        assert alone.traffic["rows"] == len(ROWS)
        assert 10 * together["rows_sent"] < alone.traffic["rows_sent"]


def test_several_tensors_are_answered_in_order(server, remote):
    odd = ROWS[[0, 5, 11]]
    answers = asked(server, remote, encrypted(remote, ROWS), encrypted(remote, odd), encrypted(remote, ROWS[:1]))
    assert [answer.row for answer in answers] == [0, len(ROWS), len(ROWS) + 3]
    assert [answer.result.rows for answer in answers] == [len(ROWS), 3, 1]


def test_limits_count_rows(server, remote):
    with pytest.raises(grpc.RpcError, match=f"at most {MOST_ROWS} rows") as caught:
        asked(server, remote, *[encrypted(remote, ROWS)] * 3)
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("count", [0, 1 << 31, (1 << 32) - 1, None])
def test_counts_of_strangers_are_checked(server, remote, count):
    row = encrypted(remote, ROWS)
    row.rows = remote._rows._batch.most_rows + 1 if count is None else count
    with pytest.raises(grpc.RpcError, match=r"rows together, 1 to \d+ were agreed on") as caught:
        asked(server, remote, row)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_another_count_than_the_rows_is_answered_in_words_of_that_count(server, remote):
    row = encrypted(remote, ROWS)
    row.rows = 3
    assert [answer.result.rows for answer in asked(server, remote, row)] == [3]


def test_rows_together_need_the_servers_word_for_how(server, remote):
    other = LevelledBatch(remote._rows._batch.row, 2)
    with pytest.raises(grpc.RpcError, match="do not travel together in this way") as caught:
        asked(server, remote, encrypted(remote, ROWS[:2]), batch=other)
    assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    row = encrypted(remote, ROWS[:2])
    header = infer_header(remote.spec, remote._upload.header.sha256)
    with pytest.raises(grpc.RpcError, match="of 2 rows together, expected 0"):
        list(server.stub.Infer(iter([header, pb.InferRequest(row=row)])))
    with pytest.raises(grpc.RpcError, match="of 2 rows together, expected 0"):
        server.stub.InferRow(pb.InferRowRequest(header=header.header, row=row))


def test_a_call_without_streams_takes_rows_together(server, remote):
    header = infer_header(remote.spec, remote._upload.header.sha256).header
    header.batch = remote._rows._batch.digest
    answer = server.stub.InferRow(pb.InferRowRequest(header=header, row=encrypted(remote, ROWS)))
    tensor = RingTensor.from_message(answer.result)
    found = decrypt_together(remote.spec, remote._rows._batch, remote.secret_keys, tensor, len(ROWS))
    assert (remote.spec.decoder.predict(found) == remote.predict(ROWS)).all()
    with pytest.raises(grpc.RpcError, match=r"rows together, 1 to \d+ were agreed on"):
        server.stub.InferRow(pb.InferRowRequest(header=header, row=tensor_of(remote, 0)))
    way = remote._rows._batch
    if way.most_rows > MOST_ROWS:
        with pytest.raises(grpc.RpcError, match=f"at most {MOST_ROWS} rows"):
            server.stub.InferRow(pb.InferRowRequest(header=header, row=tensor_of(remote, MOST_ROWS + 1)))


def tensor_of(remote, rows):
    row = encrypted(remote, ROWS)
    row.rows = rows
    return row


def test_a_client_goes_on_with_rows_alone_where_the_server_has_changed_its_way(remote):
    remote._rows._batch = LevelledBatch(remote._rows._batch.row, 3)
    assert (remote.predict(ROWS) == expected(remote)).all()
    assert remote._rows._batch is None


def test_answers_are_packed_where_server_and_client_know_how(server, remote):
    way = remote._rows._batch
    assert way.rows_per_answer > 1
    assert (remote.predict(ROWS) == expected(remote)).all()
    told = server.stub.GetModel(pb.GetModelRequest(name="levelled1"))
    assert told.packed == way.to_bytes()
    older = read_batch(remote.spec.parameters, told.batch)  # what clients of earlier versions know
    assert not older.rows_per_answer
    packed, own = remote.traffic["rows_received"], older.of(len(ROWS)).answer_bytes
    assert 2 * packed < own
    remote._rows._batch = older
    assert (remote.predict(ROWS) == expected(remote)).all()


def test_rows_in_one_way_are_not_read_in_the_other(server, remote):
    row = encrypted(remote, ROWS)
    row.rows_per_answer = 0
    with pytest.raises(grpc.RpcError, match=r"0 rows per answer, expected \d+") as caught:
        asked(server, remote, row)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    older = read_batch(remote.spec.parameters, server.stub.GetModel(pb.GetModelRequest(name="levelled1")).batch)
    with pytest.raises(grpc.RpcError, match=r"\d+ rows per answer, expected 0"):
        asked(server, remote, encrypted(remote, ROWS), batch=older)


def test_linear_models_and_lone_rows_travel_alone(server, remote):
    assert (remote.predict(ROWS[:1]) == expected(remote, ROWS[:1])).all()
    with connect(server.address, model="linear", insecure=True, rows_together=True) as linear:
        assert linear._rows._batch is None
        assert linear.predict(np.zeros((3, 3))).shape == (3, 40)
