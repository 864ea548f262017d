"""The command line: what it prints, and its exit statuses."""

import json
import pickle

import cryptable as ct
import numpy as np
import pytest
from cryptable.__main__ import main
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

X, Y = load_iris(return_X_y=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("command-line")
    (folder / "model.pickle").write_bytes(pickle.dumps(LogisticRegression(max_iter=500).fit(X, Y)))
    np.save(folder / "rows.npy", X)
    np.savetxt(folder / "rows.csv", X, delimiter=",", header="a,b,c,d", comments="")
    np.savetxt(folder / "truth.csv", Y)
    return folder


def test_compile_explain_check(folder, capsys):
    artifact = folder / "iris.cryptable"
    arguments = [str(folder / "model.pickle"), str(folder / "rows.csv"), "--name", "iris", "-o", str(artifact)]
    assert main(["compile", *arguments, "--explain", "contributions"]) == 0
    assert "iris" in capsys.readouterr().out
    assert main(["explain", str(artifact), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["model"] == "iris"
    assert set(told["contributions"]) <= {"a", "b", "c", "d"}
    assert told["contributions"]
    assert main(["explain", str(artifact)]) == 0
    checked = ["check", str(artifact), str(folder / "rows.npy"), "--truth", str(folder / "truth.csv")]
    assert main([*checked, "--encrypted-rows", "1", "--json"]) == 0
    output = capsys.readouterr().out
    report = json.loads(output[output.index("{\n") :])
    assert report["results"]["clear"]["score"] > 0.9
    assert report["results"]["encrypted"]["equal_to_clear"]
    assert report["results"]["encrypted"]["largest_contribution_difference"] == 0  # of the clear ones


def test_version_and_help(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert ct.__version__ in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["compile", "--help"])
    assert "RUNS WHATEVER CODE" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("name", ["nowhere", "rows.npy"])
def test_errors_are_one_line_and_status_1(folder, capsys, name):
    assert main(["explain", str(folder / name)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("cryptable explain: ")
    assert "Traceback" not in error


def test_files_that_hold_something_else_are_refused(folder, capsys):
    (folder / "text.csv").write_text("a,b\nc,d\n")
    (folder / "broken.pickle").write_bytes(b"\x80\x04nonsense")
    assert main(["compile", str(folder / "broken.pickle"), str(folder / "rows.npy")]) == 1
    assert "cannot be loaded" in capsys.readouterr().err
    assert main(["compile", str(folder / "model.pickle"), str(folder / "text.csv")]) == 1
    assert "expected (rows, 4)" in capsys.readouterr().err  # a table of text may be what a model takes
