import subprocess
import sys

import pytest
from cryptable_engine import self_check
from cryptable_protocol.findings import from_json

pytestmark = pytest.mark.encrypted


def test_this_machine_is_fit_and_native_code_stays_out_of_the_process():
    program = (
        "import sys; from cryptable_engine.self_check import check_machine, to_json; print(to_json(check_machine())); "
        "assert not any(name.startswith('concrete') for name in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    found = {finding.what: finding for finding in from_json(done.stdout)}
    assert not [finding for finding in found.values() if finding.severity == "bad"]
    assert "compiles" in found["compiling"].found
    assert "evaluated" in found["scheme levelled"].found
    assert "evaluated" in found["scheme bootstrapped"].found


def test_nothing_but_compiling_by_concrete_needs_a_linker(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert self_check._looks_up().severity == "good"
    assert self_check._multiplies_bits().severity == "good"


def test_machine_without_a_linker(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    linker = self_check._linker()
    assert (linker.severity, "binutils" in linker.advice) == ("bad", True)
    compiling = self_check._compiles_and_evaluates()
    assert compiling.severity == "bad"
    assert "fails" in compiling.found


@pytest.mark.parametrize(
    ("name", "content", "number"), [("cpu.max", "150000 100000", 1.5), ("cpu.max", "max 100000", None)]
)
def test_limits_of_a_container(monkeypatch, tmp_path, name, content, number):
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup" / name).write_text(content)
    monkeypatch.setattr(self_check, "Path", lambda path: tmp_path / path.removeprefix("/"))
    assert self_check._cgroup_number(name) == number
