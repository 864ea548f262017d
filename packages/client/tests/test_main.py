import csv
import json
import subprocess
import sys
from dataclasses import replace

import grpc
import pytest
from cryptable_client.__main__ import main
from cryptable_protocol import Decoder, Link

PASSPHRASE = "correct horse battery"


@pytest.fixture(autouse=True)
def _passphrase(monkeypatch):
    monkeypatch.setenv("CRYPTABLE_PASSPHRASE", PASSPHRASE)


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("patient,dose,age\nA,3.0,22\nB,15.5,30\n")
    return path


def run(echo, command, *arguments):
    return main([command, "--address", echo.address, "--insecure", *map(str, arguments)])


def table(path):
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_models(echo, spec, capsys):
    assert run(echo, "models") == 0
    out = capsys.readouterr().out
    assert "echo" in out
    assert spec.keyset.name.hex()[:16] in out
    assert "\x1b" not in out


def test_models_for_scripts(echo, spec, capsys):
    assert run(echo, "models", "--json") == 0
    (model,) = json.loads(capsys.readouterr().out)
    assert (model["name"], model["keyset_name"]) == ("echo", spec.keyset.name.hex())


def test_predict(echo, data, tmp_path, capsys):
    out = tmp_path / "out.csv"
    assert run(echo, "predict", "--model", "echo", "--input", data, "--output", out) == 0
    assert table(out) == [
        [f"prediction_{index}" for index in range(6)],
        ["1.0", "1.0", "1.0", "0.0", "0.0", "6.0"],
        ["1.0", "1.0", "1.0", "1.0", "1.0", "31.0"],
    ]
    assert "left out" in capsys.readouterr().err
    assert not echo.keys


def test_predict_from_parquet_to_parquet(echo, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.table({"dose": [3.0, 15.5], "patient": ["A", "B"], "age": [22, 30]})
    parquet.write_table(table, tmp_path / "data.parquet")
    out = tmp_path / "out.parquet"
    assert run(echo, "predict", "--model", "echo", "--input", tmp_path / "data.parquet", "--output", out) == 0
    answers = parquet.read_table(out)
    assert answers.column_names == [f"prediction_{index}" for index in range(6)]
    assert answers.column(5).to_pylist() == [6.0, 31.0]


def test_keygen_then_predict_twice_uploads_once(echo, data, tmp_path):
    keys = tmp_path / "my.keys"
    assert run(echo, "keygen", "--model", "echo", "--output", keys) == 0
    for name in ("a.csv", "b.csv"):
        arguments = ("--model", "echo", "--keys", keys, "--input", data, "--output", tmp_path / name, "--scores")
        assert run(echo, "predict", *arguments) == 0
    assert table(tmp_path / "a.csv") == table(tmp_path / "b.csv")
    assert table(tmp_path / "a.csv")[0][0] == "score_0"
    assert len(echo.uploads) == 1
    assert (tmp_path / "my.keys.evaluation-keys").exists()


def test_keygen_does_not_overwrite_unless_told(echo, tmp_path, capsys):
    keys = tmp_path / "my.keys"
    assert run(echo, "keygen", "--model", "echo", "--output", keys) == 0
    before = keys.read_bytes()
    assert run(echo, "keygen", "--model", "echo", "--output", keys) == 3
    assert "exists" in capsys.readouterr().err
    assert keys.read_bytes() == before
    assert run(echo, "keygen", "--model", "echo", "--output", keys, "--overwrite") == 0
    assert keys.read_bytes() != before


def test_plaintext_keys_on_request(echo, data, tmp_path):
    keys = tmp_path / "my.keys"
    assert run(echo, "keygen", "--model", "echo", "--output", keys, "--insecure-plaintext") == 0
    arguments = ("--model", "echo", "--keys", keys, "--input", data, "--output", tmp_path / "out.csv")
    assert run(echo, "predict", *arguments) == 6
    assert run(echo, "predict", *arguments, "--insecure-plaintext") == 0


def test_wrong_passphrase(echo, data, tmp_path, monkeypatch, capsys):
    keys = tmp_path / "my.keys"
    (tmp_path / "pass").write_text("another passphrase\nsecond line\n")
    assert run(echo, "keygen", "--model", "echo", "--output", keys, "--passphrase-file", tmp_path / "pass") == 0
    arguments = ("--model", "echo", "--keys", keys, "--input", data, "--output", tmp_path / "out.csv")
    assert run(echo, "predict", *arguments) == 6
    assert "not the passphrase" in capsys.readouterr().err
    monkeypatch.delenv("CRYPTABLE_PASSPHRASE")
    assert run(echo, "predict", *arguments) == 3
    assert "--passphrase-file" in capsys.readouterr().err
    assert run(echo, "predict", *arguments, "--passphrase-file", tmp_path / "pass") == 0


def test_bad_data_is_refused_before_keys_are_made(echo, data, tmp_path, capsys):
    data.write_text("age,dose\n1,two\n")
    assert run(echo, "predict", "--model", "echo", "--input", data, "--output", tmp_path / "out.csv") == 3
    data.write_text("age,dose\n1,\n")
    assert run(echo, "predict", "--model", "echo", "--input", data, "--output", tmp_path / "out.csv") == 3
    assert "'dose'" in capsys.readouterr().err
    assert set(echo.calls) == {"GetModel"}
    assert not (tmp_path / "out.csv").exists()


def test_contributions_are_columns(echo, spec, data, tmp_path, capsys):
    out = tmp_path / "out.csv"
    arguments = ("--model", "echo", "--input", data, "--output", out, "--contributions")
    assert run(echo, "predict", *arguments) == 3
    assert "its developer has to compile it with" in capsys.readouterr().err
    assert set(echo.calls) == {"GetModel"}
    data.write_text("dose,age\n3.0,22\n")  # which is sent, and comes back, as 1 1 1 0 0 6
    explained = Decoder(
        Link.IDENTITY,
        (7, 0, 0, 0, 0, 0),
        0.5,
        (10.0,),
        contributions=("age", "b", "c", "d", "e"),
        contribution_base=(0,),
    )
    echo.spec = replace(spec, decoder=explained)
    assert run(echo, "predict", *arguments, "--accept-changes") == 0
    header = ["score", "base", *(f"contribution_{name}" for name in explained.contributions)]
    assert table(out) == [header, ["14.0", "10.0", "0.5", "0.5", "0.0", "0.0", "3.0"]]


def test_probabilities_of_a_regression(echo, data, tmp_path):
    arguments = ("--model", "echo", "--input", data, "--output", tmp_path / "out.csv", "--probabilities")
    assert run(echo, "predict", *arguments) == 3


def test_exit_status_of_weak_parameters(echo, spec, data, tmp_path, capsys):
    from dataclasses import replace

    echo.spec = replace(spec, parameters=replace(spec.parameters, input=replace(spec.input, variance=1e-30)))
    assert run(echo, "predict", "--model", "echo", "--input", data, "--output", tmp_path / "out.csv") == 4
    assert "input tensor: variance" in capsys.readouterr().err


def test_exit_status_of_the_server(echo, data, tmp_path, capsys):
    assert run(echo, "predict", "--model", "none", "--input", data, "--output", tmp_path / "out.csv") == 5
    assert "cryptable-client models" in capsys.readouterr().err
    echo.failures = {"ListModels": [(grpc.StatusCode.INTERNAL, "broken")]}
    assert run(echo, "models") == 5


@pytest.mark.parametrize(
    ("option", "value"),
    [("--timeout", "nan"), ("--timeout", "0"), ("--expires-days", "1e300"), ("--expires-days", "nan")],
)
def test_numbers_that_are_no_times(echo, tmp_path, capsys, option, value):
    arguments = ("--model", "echo", "--output", tmp_path / "keys", "--insecure-plaintext", option, value)
    assert run(echo, "keygen", *arguments) == 3
    assert capsys.readouterr().err.startswith("cryptable-client: ")


def test_a_passphrase_file_that_is_no_text(echo, tmp_path, capsys):
    (tmp_path / "phrase").write_bytes(b"\xff\xfe\x00")
    arguments = ("--model", "echo", "--output", tmp_path / "keys", "--passphrase-file", tmp_path / "phrase")
    assert run(echo, "keygen", *arguments) == 3
    assert "not a text in UTF-8" in capsys.readouterr().err


def test_interruption(echo, monkeypatch, capsys):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("cryptable_client.server.connection.Server.models", interrupt)
    assert run(echo, "models") == 130


def test_wrong_use_is_status_2(capsys):
    for arguments in ([], ["predict"], ["nonsense"]):
        with pytest.raises(SystemExit) as exit_:
            main(arguments)
        assert exit_.value.code == 2


@pytest.mark.parametrize("command", [[], ["models"], ["keygen"], ["predict"]])
def test_help_teaches(command, capsys):
    with pytest.raises(SystemExit) as exit_:
        main([*command, "--help"])
    assert exit_.value.code == 0
    out = capsys.readouterr().out
    assert "exit status:" in out
    assert "cryptable-client" in out


def test_module_runs_and_tells_its_version():
    done = subprocess.run(
        [sys.executable, "-m", "cryptable_client", "--version"], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.startswith("cryptable-client 0.")
