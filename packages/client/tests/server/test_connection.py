from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from cryptable_client.errors import (
    NotFoundError,
    OverloadedError,
    SpecChangedError,
    TimeoutExceededError,
    UnavailableError,
    WeakParametersError,
)
from cryptable_client.keys.secret_keys import SecretKeys
from cryptable_client.server import remote_model as remote_module
from cryptable_client.server import upload
from cryptable_client.server.connection import Server, connect, list_models
from cryptable_protocol import (
    Decoder,
    InvalidInputError,
    LimitExceededError,
    Link,
    MalformedMessageError,
    limits,
    messages,
)
from cryptable_protocol.service import InferenceServicer

ROWS = [[22.0, 3.0], [30.0, 15.5], [0.0, -4.0]]
VALUES = [[1, 1, 1, 0, 0, 6], [1, 1, 1, 1, 1, 31], [0, 0, 0, 0, 0, 0]]


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    monkeypatch.setattr(upload, "PAUSES_SECONDS", (0.01, 0.01))


def open_echo(echo, **options):
    return connect(echo.address, model="echo", insecure=True, timeout=20, **options)


def test_rows_travel_there_and_back(echo):
    with open_echo(echo) as remote:
        np.testing.assert_array_equal(remote.predict(ROWS), VALUES)
        assert remote.version == "7"
        assert "echo" in repr(remote)
        assert f"<td>echo, version {remote.version}</td>" in remote._repr_html_()
        (header,) = echo.headers
        assert header.client_spec_digest == remote.spec.digest
        assert header.evaluation_keys in echo.keys
    assert "closed" in repr(remote)


def test_traffic_and_timings_add_up(echo, spec):
    with open_echo(echo) as remote:
        before = remote.traffic
        assert before["keys_sent"] > spec.keyset.evaluation_keys_bytes
        assert before["spec_received"] > 100
        remote.predict(ROWS)
        after = remote.traffic
        assert after["rows"] == 3
        for way in ("sent", "received"):
            assert after[way] == sum(after[f"{phase}_{way}"] for phase in ("spec", "keys", "rows"))
        assert 3 * 8 * 1025 * 6 < after["rows_received"] < 3 * 8 * 1025 * 6 + 300
        timings = remote.timings
        assert {"spec", "secret_keys", "evaluation_keys", "upload", "encrypt", "decrypt", "predict"} <= set(timings)
        assert timings["server_cpu"] == pytest.approx(0.75)
        assert "server_wall" not in timings  # the server said NaN
        assert all(seconds >= 0 for seconds in timings.values())


def test_many_rows_are_sent_a_window_at_a_time(echo, monkeypatch):
    monkeypatch.setattr("cryptable_client.server.inference.ROWS_UNDERWAY", 2)
    rows = np.tile(ROWS, (40, 1))
    with open_echo(echo) as remote:
        np.testing.assert_array_equal(remote.predict(rows), np.tile(VALUES, (40, 1)))


def test_no_rows_are_no_call(echo):
    with open_echo(echo) as remote:
        assert remote.predict(np.empty((0, 2))).shape == (0, 6)
    assert "Infer" not in echo.calls


def test_rows_that_do_not_fit_are_refused_before_anything_is_sent(echo):
    with open_echo(echo) as remote:
        for bad in ([[1.0, float("nan")]], [[1.0]], [1.0, 2.0], [["a", "b"]]):
            with pytest.raises(InvalidInputError):
                remote.predict(bad)
        with pytest.raises(InvalidInputError, match="no probabilities"):
            remote.predict_proba(ROWS)
    assert "Infer" not in echo.calls


def test_contributions_come_with_names_and_a_base(echo, spec):
    """Of two scores; echoed elements of the first row add up."""
    explained = Decoder(
        Link.IDENTITY,
        (2, 5, 0, 0, 0, 0),
        0.5,
        (9.0, 20.0),
        contributions=("age", "age & dose"),
        contribution_base=(2, 0),
    )
    with open_echo(echo) as remote:
        assert remote.contribution_names == ()
        with pytest.raises(InvalidInputError, match='compile it with explain="contributions"'):
            remote.contributions(ROWS)
    echo.spec = replace(spec, decoder=explained)
    with open_echo(echo) as remote:
        assert "Infer" not in echo.calls
        assert remote.contribution_names == ("age", "age & dose")
        told = remote.contributions(ROWS[:1])
        assert told.tolist() == [[[0.5, 0.0], [0.0, 3.0]]]
        scores = remote.decision_function(ROWS[:1])
        assert scores.tolist() == (told.sum(axis=2) + remote.base_values).tolist() == [[10.5, 23.0]]
        assert remote.contributions(np.empty((0, 2))).shape == (0, 2, 2)


def test_keys_of_a_connection_end_with_it(echo):
    with open_echo(echo) as remote:
        secret_keys = remote.secret_keys
        assert len(echo.keys) == 1
    assert secret_keys.closed
    assert not echo.keys
    with pytest.raises(InvalidInputError, match="closed"):
        remote.predict(ROWS)
    remote.close()


def test_own_keys_are_uploaded_once_and_live_on(echo, spec):
    with SecretKeys.generate(spec) as secret_keys:
        for _ in range(2):
            with open_echo(echo, secret_keys=secret_keys) as remote:
                np.testing.assert_array_equal(remote.predict(ROWS), VALUES)
        assert not secret_keys.closed
        assert len(echo.uploads) == 1
        assert len(echo.keys) == 1


def test_evaluation_keys_in_a_file_are_uploaded_once_across_processes(echo, spec, tmp_path):
    path = tmp_path / "evaluation-keys"
    saved = tmp_path / "my.keys"
    with SecretKeys.generate(spec) as secret_keys:
        secret_keys.save(saved, passphrase="long enough")
        with open_echo(echo, secret_keys=secret_keys, evaluation_keys=path):
            pass
    with (
        SecretKeys.load(saved, passphrase="long enough") as secret_keys,
        open_echo(echo, secret_keys=secret_keys, evaluation_keys=path) as remote,
    ):
        np.testing.assert_array_equal(remote.predict(ROWS), VALUES)
    assert len(echo.uploads) == 1
    assert path.read_bytes() in echo.keys.values()


def test_evaluation_keys_made_before_are_kept_in_the_file_too(echo, spec, tmp_path):
    path = tmp_path / "evaluation-keys"
    with SecretKeys.generate(spec) as secret_keys:
        for kept in (None, path, path):
            with open_echo(echo, secret_keys=secret_keys, evaluation_keys=kept):
                pass
    assert len(echo.uploads) == 1
    assert path.read_bytes() in echo.keys.values()


def test_bars_are_shown_when_asked_for(echo, capsys):
    with open_echo(echo, progress=True):
        pass
    shown = capsys.readouterr().err
    assert "making evaluation keys" in shown
    assert "uploading evaluation keys" in shown
    with open_echo(echo):
        pass
    assert not capsys.readouterr().err


@pytest.mark.parametrize(("is_old", "expected"), [(False, ["InferRow"] * 2), (True, ["InferRow", "Infer", "Infer"])])
def test_a_lone_row_is_a_call_of_its_own_where_the_server_has_it(echo, spec_without_lookups, is_old, expected):
    echo.spec, echo.is_old = spec_without_lookups, is_old
    with open_echo(echo) as remote:
        for number in range(2):
            np.testing.assert_array_equal(remote.predict(ROWS[number : number + 1]), VALUES[number : number + 1])
        assert remote.traffic["rows"] == 2
    assert [call for call in echo.calls if call.startswith("Infer")] == expected


def test_models_without_lookups_upload_nothing(echo, spec_without_lookups):
    echo.spec = spec_without_lookups
    with open_echo(echo) as remote:
        np.testing.assert_array_equal(remote.predict(ROWS), VALUES)
    assert set(echo.calls) == {"GetModel", "Infer"}
    assert echo.headers[0].evaluation_keys == b""


def test_weak_parameters_are_refused_before_keys(echo, spec, monkeypatch):
    from dataclasses import replace

    monkeypatch.setattr(remote_module.SecretKeys, "generate", lambda *_: pytest.fail("keys were generated"))
    echo.spec = replace(spec, parameters=replace(spec.parameters, input=replace(spec.input, variance=0.0)))
    with pytest.raises(WeakParametersError, match="input tensor: variance"):
        open_echo(echo)
    assert echo.calls == ["GetModel"]


@pytest.mark.parametrize("answer", [b"", b"nonsense", b"\x0a\x01x"])
def test_a_malformed_specification(echo, answer):
    echo.spec = answer
    with pytest.raises(MalformedMessageError, match="client spec"):
        open_echo(echo)


def test_the_specification_of_another_model(echo, spec_maker, keyset):
    class Confused(bytes):
        model_name = "echo"

    echo.spec = Confused(spec_maker(keyset, name="other").to_bytes())
    with pytest.raises(MalformedMessageError, match="asked for model 'echo', got the specification of 'other'"):
        open_echo(echo)


def test_secret_keys_of_another_keyset(echo, keyset_without_lookups):
    with SecretKeys.generate(keyset_without_lookups) as others, pytest.raises(InvalidInputError, match="keyset"):
        open_echo(echo, secret_keys=others)


def test_a_spec_that_changed_under_the_connection(echo, spec_maker, keyset):
    with open_echo(echo) as remote:
        echo.spec = spec_maker(keyset, width=6)
        with pytest.raises(SpecChangedError, match="connect again"):
            remote.predict(ROWS)


def shifted(response):
    response.row += 1
    return response


def shortened(response):
    response.result.explicit = response.result.explicit[:-8]
    return response


def without_masks(response):
    response.result.ClearField("masks")
    return response


def fewer_bodies(response):
    response.result.bodies = response.result.bodies[:-8]
    return response


def odd_bytes(response):
    response.result.bodies += b"\0"
    return response


@pytest.mark.parametrize("change", [shifted, shortened, without_masks, fewer_bodies, odd_bytes])
def test_malformed_answers_are_typed_errors(echo, spec_without_lookups, change):
    echo.spec = spec_without_lookups
    echo.change_answer = change
    with open_echo(echo) as remote, pytest.raises(MalformedMessageError):
        remote.predict(ROWS)


def test_missing_answers_are_a_typed_error(echo, spec_without_lookups):
    echo.spec = spec_without_lookups
    echo.answers_left_out = 3
    with open_echo(echo) as remote, pytest.raises(MalformedMessageError, match="answered 0 of 3"):
        remote.predict(ROWS)


def test_nothing_sent_depends_on_what_an_answer_decrypts_to(echo, spec_without_lookups):
    """Answers of garbage in the right form change neither the calls nor their number."""
    echo.spec = spec_without_lookups

    def garbage(response):
        response.result.bodies = bytes(reversed(response.result.bodies))
        return response

    def calls_with(change):
        echo.calls.clear()
        echo.change_answer = change
        with open_echo(echo) as remote:
            remote.predict(ROWS)
        return list(echo.calls)

    assert calls_with(garbage) == calls_with(lambda response: response)


def test_a_failure_while_encrypting_is_raised_as_it_is(echo, monkeypatch):
    def broken(*_):
        raise MemoryError("no room")

    monkeypatch.setattr("cryptable_client.server.inference.encrypt_in_pieces", broken)
    with open_echo(echo) as remote, pytest.raises(MemoryError, match="no room"):
        remote.predict(ROWS)


def test_no_server():
    with pytest.raises(UnavailableError, match="check the address") as caught:
        connect("127.0.0.1:9", model="m", insecure=True, timeout=5)
    assert caught.value.code == "UNAVAILABLE"


def test_tls_to_a_server_without(echo):
    with pytest.raises((UnavailableError, TimeoutExceededError)):
        connect(echo.address, model="echo", timeout=3)


def test_a_server_and_its_models(echo, spec, tmp_path):
    """What the functions take three times is said once."""
    server = Server(echo.address, insecure=True, timeout=20, pins=tmp_path)
    assert repr(server) == f"<Server {echo.address}>"
    assert not echo.calls
    assert [model.name for model in server.models()] == ["echo"]
    assert server.spec("echo") == spec
    with server.model("echo") as remote, SecretKeys.generate(spec) as secret_keys:
        np.testing.assert_array_equal(remote.predict(ROWS), VALUES)
        with server.model("echo", secret_keys=secret_keys) as other:
            np.testing.assert_array_equal(other.predict(ROWS), VALUES)
    assert len(list(tmp_path.iterdir())) == 1
    for act in (server.spec, server.model):
        with pytest.raises(NotFoundError):
            act("none")
        with pytest.raises(InvalidInputError, match="1 to 256 characters"):
            act("")


def test_list_models(echo, spec):
    (model,) = list_models(echo.address, insecure=True)
    assert (model.name, model.keyset_name) == ("echo", spec.keyset.name.hex())


class Listing(InferenceServicer):
    """Answers ListModels with what it is given."""

    def __init__(self, answer):
        self.answer = answer

    def ListModels(self, _request, _context):
        return self.answer


def test_a_list_of_models_that_would_fill_the_memory(servicer_module):
    """Two bytes an entry, which a parser makes a hundred of."""
    answer = messages.inference.ListModelsResponse()
    answer.MergeFromString(b"\x0a\x00" * (limits.MAX_MODEL_LIST_BYTES // 2))
    with servicer_module.serving(Listing(answer)) as address:
        assert len(list_models(address, insecure=True)) == limits.MAX_MODEL_LIST_BYTES // 2
        answer.models.add()
        with pytest.raises(LimitExceededError, match="list of models: 262146 bytes"):
            list_models(address, insecure=True)


def test_a_list_of_models_that_is_none():
    channel = SimpleNamespace(unary_unary=lambda *_, **__: lambda *_, **__: b"\x0a\x05")
    with pytest.raises(MalformedMessageError, match="not a ListModelsResponse"):
        remote_module.fetch_models(channel, timeout=1.0)


def test_messages_beyond_the_limit_are_not_taken_in(echo):
    echo.spec = bytes(65 << 20)
    with pytest.raises(OverloadedError, match="larger than max"):
        open_echo(echo)
