"""buf refuses a change of protos/ that would break those who have the last release."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROTOS = Path(__file__).resolve().parents[1] / "protos"
BUF = shutil.which("buf", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
ADDITION = "message ListModelsRequest {}"


@pytest.fixture
def protos(tmp_path):
    """A copy, to be changed."""
    return shutil.copytree(PROTOS, tmp_path / "protos", ignore=shutil.ignore_patterns("vectors"))


def buf(folder, *arguments):
    assert BUF, "buf is missing: run `make setup`"
    environment = {**os.environ, "HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}
    return subprocess.run([BUF, *arguments], cwd=folder, capture_output=True, text=True, env=environment)


def change(folder, file, before, after):
    path = folder / "cryptable/v1" / file
    text = path.read_text(encoding="utf-8")
    assert text.count(before) == 1
    path.write_text(text.replace(before, after), encoding="utf-8")


def test_new_field_is_accepted(protos):
    change(protos, "inference.proto", ADDITION, ADDITION.replace("{}", "{ string added = 99; }"))
    assert buf(protos, "breaking", "--against", "baseline.binpb").returncode == 0


def test_changed_number_is_refused(protos):
    change(protos, "artifact.proto", "bytes circuit = ", "bytes circuit = 1")
    done = buf(protos, "breaking", "--against", "baseline.binpb")
    assert done.returncode != 0
    assert "circuit" in done.stdout


def test_careless_name_is_refused(protos):
    change(protos, "inference.proto", ADDITION, ADDITION.replace("{}", "{ string Added = 99; }"))
    assert "Added" in buf(protos, "lint").stdout
