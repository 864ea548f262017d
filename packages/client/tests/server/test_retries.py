"""Where an upload or an answer is lost: retries, from the same key bytes and with rows encrypted anew."""

import itertools

import grpc
import numpy as np
import pytest
from cryptable_client.errors import (
    UnavailableError,
)
from cryptable_client.keys.secret_keys import SecretKeys
from cryptable_client.server import upload
from cryptable_client.server.connection import connect

ROWS = [[22.0, 3.0], [30.0, 15.5], [0.0, -4.0]]
VALUES = [[1, 1, 1, 0, 0, 6], [1, 1, 1, 1, 1, 31], [0, 0, 0, 0, 0, 0]]


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    monkeypatch.setattr(upload, "PAUSES_SECONDS", (0.01, 0.01))


def open_echo(echo, **options):
    return connect(echo.address, model="echo", insecure=True, timeout=20, **options)


def test_a_broken_upload_is_tried_again_with_identical_bytes(echo):
    echo.break_upload_after = [1, 3 << 20]
    with open_echo(echo) as remote:
        np.testing.assert_array_equal(remote.predict(ROWS), VALUES)
    first, second, third = map(bytes, echo.uploads)
    assert len(first) >= 1
    assert len(second) >= 3 << 20
    assert third.startswith(first)
    assert third.startswith(second)


def test_a_broken_upload_goes_on_where_it_ended(echo, spec):
    """As often as it gets further."""
    size = spec.keyset.evaluation_keys_bytes
    echo.keeps_parts, echo.break_upload_after = True, list(range(1 << 20, size, 2 << 20))
    breaks = len(echo.break_upload_after)
    with open_echo(echo) as remote:
        np.testing.assert_array_equal(remote.predict(ROWS), VALUES)
    assert len(echo.starts) == breaks + 1 > len(upload.PAUSES_SECONDS) + 1
    assert echo.starts == sorted(set(echo.starts))
    assert echo.starts[0] == 0
    (whole,) = (upload for upload in echo.uploads if len(upload) == size)
    assert all(whole.startswith(upload) for upload in echo.uploads)


def test_another_run_goes_on_with_an_upload(echo, spec, tmp_path, monkeypatch):
    """From the file that keeps the evaluation keys, in a process that knows nothing of the first."""
    echo.keeps_parts, echo.break_upload_after = True, [3 << 20]
    path, saved = tmp_path / "evaluation-keys", tmp_path / "my.keys"
    with SecretKeys.generate(spec) as secret_keys:
        secret_keys.save(saved, passphrase="long enough")
        monkeypatch.setattr(upload, "PAUSES_SECONDS", ())
        with pytest.raises(UnavailableError):
            open_echo(echo, secret_keys=secret_keys, evaluation_keys=path)
    with (
        SecretKeys.load(saved, passphrase="long enough") as secret_keys,
        open_echo(echo, secret_keys=secret_keys, evaluation_keys=path) as remote,
    ):
        np.testing.assert_array_equal(remote.predict(ROWS), VALUES)
    first, second = echo.starts
    assert first == 0
    assert second >= 3 << 20
    assert path.read_bytes() in echo.keys.values()


@pytest.mark.parametrize("beyond", [0, 1, 1 << 40])
def test_a_server_that_claims_to_have_all_bytes_and_no_keys_is_sent_all(echo, spec, beyond):
    echo.claims = iter([spec.keyset.evaluation_keys_bytes + beyond])
    with open_echo(echo):
        pass
    assert echo.starts == [0]


def test_a_server_that_claims_progress_for_ever_is_given_up(echo, spec, monkeypatch):
    monkeypatch.setattr(upload, "MOST_ATTEMPTS", 7)
    echo.claims = itertools.count(1)
    echo.failures = {"UploadEvaluationKeys": [(grpc.StatusCode.UNAVAILABLE, "the connection broke")] * 1000}
    with pytest.raises(UnavailableError):
        open_echo(echo)
    assert echo.calls.count("UploadEvaluationKeys") == 8


def test_an_upload_that_keeps_breaking_is_given_up_and_never_made_anew(echo, spec):
    echo.break_upload_after = [1 << 20] * 3
    with SecretKeys.generate(spec) as secret_keys:
        with pytest.raises(UnavailableError, match="uploading evaluation keys: the connection broke"):
            open_echo(echo, secret_keys=secret_keys)
        with open_echo(echo, secret_keys=secret_keys):
            pass
    whole = bytes(echo.uploads[-1])
    assert len(echo.uploads) == 4
    assert all(whole.startswith(bytes(part)) for part in echo.uploads)


def test_keys_damaged_on_their_way_are_sent_again(echo):
    echo.failures = {"UploadEvaluationKeys": [(grpc.StatusCode.DATA_LOSS, "another digest")]}
    with open_echo(echo) as remote:
        np.testing.assert_array_equal(remote.predict(ROWS), VALUES)


def test_keys_damaged_in_the_servers_store_are_sent_again(echo):
    with open_echo(echo) as remote:
        kept = dict(echo.keys)
        echo.keys.clear()
        echo.failures = {"Infer": [(grpc.StatusCode.DATA_LOSS, "a key file is damaged")]}
        np.testing.assert_array_equal(remote.predict(ROWS), VALUES)
    assert bytes(echo.uploads[1]) in kept.values()


def test_rows_of_a_dead_worker_are_sent_again_encrypted_anew(echo):
    """The server says that a retry helps; rows already answered stand, and no seed is used twice."""
    echo.break_rows_at = [1, 0]
    with open_echo(echo) as remote:
        np.testing.assert_array_equal(remote.predict(ROWS), VALUES)
        assert remote.traffic["rows"] == 3
    assert echo.calls.count("Infer") == 3
    assert len(set(echo.seeds)) == len(echo.seeds) > 3


def test_a_worker_that_keeps_dying_is_given_up(echo):
    echo.break_rows_at = [0] * 10
    with open_echo(echo) as remote, pytest.raises(UnavailableError) as caught:
        remote.predict(ROWS)
    assert caught.value.retry_after == 0.01
    assert echo.calls.count("Infer") == 3


def test_an_unavailable_server_that_does_not_ask_for_a_retry_gets_none(echo):
    with open_echo(echo) as remote:
        echo.failures = {"Infer": [(grpc.StatusCode.UNAVAILABLE, "stopping")]}
        with pytest.raises(UnavailableError) as caught:
            remote.predict(ROWS)
    assert caught.value.retry_after is None
    assert echo.calls.count("Infer") == 1


def test_keys_that_the_server_lost_are_uploaded_again(echo):
    with open_echo(echo) as remote:
        echo.keys.clear()
        np.testing.assert_array_equal(remote.predict(ROWS), VALUES)
    first, second = echo.uploads
    assert first == second
