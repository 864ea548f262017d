"""The scheme `clear` of tests reaches no server that was not started by a test's own entry point."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import clear_entry_points
import pytest
from cryptable_protocol import CompileOptions
from cryptable_protocol.schemes.scheme import BOOTSTRAPPED
from cryptable_server.settings.config import declared_settings

KNOWN = """
from cryptable_engine.schemes.scheme import all_schemes
from cryptable_protocol.schemes import scheme
scheme._discover()
print(*sorted({*all_schemes(), *scheme._KINDS}))
"""


def disguised(artifact):
    """As one of the scheme bootstrapped, which a clear specification looks like to whoever knows no other."""
    spec = dataclasses.replace(artifact.client_spec, parameters=artifact.client_spec.parameters.message)
    return dataclasses.replace(
        artifact, model_version="2", client_spec=spec, compile_options=CompileOptions(spec.p_error)
    )


@pytest.mark.encrypted
def test_an_ordinary_server_refuses_what_is_in_the_clear(encrypted, artifacts, tmp_path):
    encrypted.artifacts["linear"].save(tmp_path / "encrypted.cryptable")
    for name, artifact in artifacts.items():
        artifact.save(tmp_path / f"{name}.cryptable")
        other = disguised(artifact)
        assert other.client_spec.scheme == BOOTSTRAPPED
        other.save(tmp_path / f"disguised-{name}.cryptable")
    with encrypted.start(models=tmp_path) as server:
        refused = {line["file"]: line["reason"] for line in server.events("artifact refused")}
        served = [line["file"] for line in server.events("model ready")]
    assert served == ["encrypted.cryptable"]
    assert set(refused) == {f"{name}{kind}.cryptable" for name in ("", "disguised-") for kind in artifacts}
    for name in artifacts:
        assert "compiled for scheme 'clear'" in refused[f"{name}.cryptable"]
        assert "compile the model again" in refused[f"disguised-{name}.cryptable"]


@pytest.mark.parametrize(
    "code", [KNOWN, "import cryptable_server.processes.worker, cryptable_server.lifecycle.server" + KNOWN]
)
def test_no_path_or_variable_makes_a_process_know_it(code, monkeypatch):
    """Not even the folders of its modules on the path."""
    monkeypatch.setenv("PYTHONPATH", ":".join([*clear_entry_points.SUPPORT, str(clear_entry_points.HERE.parent)]))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert BOOTSTRAPPED in done.stdout
    assert "clear" not in done.stdout


def test_no_setting_names_another_process():
    names = [declared.name for _, declared in declared_settings()]
    assert names
    assert not [name for name in names if "entry" in name or "command" in name or "scheme" in name]
