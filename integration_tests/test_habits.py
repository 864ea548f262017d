"""What the three command lines have in common: versions, modules, help with exit statuses, doctors, plain output."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cryptable_protocol
import pytest

PROGRAMS = {"cryptable": "cryptable", "cryptable-client": "cryptable_client", "cryptable-server": "cryptable_server"}
EVERY_PROGRAM = pytest.mark.parametrize("program", PROGRAMS)


def run(*command, status=0, **environment):
    done = subprocess.run(
        command, capture_output=True, text=True, stdin=subprocess.DEVNULL, env={**os.environ, **environment}
    )
    assert done.returncode == status, done.stderr
    return done.stdout


def script(program):
    return str(Path(sys.executable).with_name(program))


@EVERY_PROGRAM
def test_version_of_script_and_module(program):
    expected = f"{program} {cryptable_protocol.__version__}\n"
    assert run(script(program), "--version") == expected
    assert run(sys.executable, "-m", PROGRAMS[program], "--version") == expected


@EVERY_PROGRAM
def test_help_tells_exit_statuses(program):
    serve = ["serve"] if program == "cryptable-server" else []
    told = run(script(program), *serve, "--help")
    statuses = [line.split()[0] for line in told.partition("exit status:\n")[2].splitlines() if line.startswith("  ")]
    assert {"0", "1", "2"} <= set(statuses)


@EVERY_PROGRAM
def test_wrong_use_is_status_2(program):
    assert run(script(program), "no-such-command", status=2) == ""


@pytest.mark.encrypted
@EVERY_PROGRAM
def test_doctor_for_scripts(program, tmp_path):
    told = run(
        script(program), "doctor", "--json", HOME=str(tmp_path), XDG_CONFIG_HOME="", XDG_DATA_HOME="", COLUMNS="60"
    )
    findings = {finding["what"]: finding for finding in json.loads(told)}
    assert not [finding for finding in findings.values() if finding["severity"] == "bad"]
    assert cryptable_protocol.__version__ in findings["Cryptable"]["found"]
    assert list(tmp_path.iterdir()) == []


def test_doctor_of_the_client_says_what_is_wrong_with_the_way(tmp_path):
    command = [script("cryptable-client"), "doctor", "--address", "localhost:1", "--insecure", "--timeout", "5"]
    told = run(*command, status=1, HOME=str(tmp_path))
    (line,) = [line for line in told.splitlines() if line.startswith("bad")]
    assert "refused" in line
    assert "\x1b" not in told


def test_tokens_for_scripts(tmp_path):
    file = ["--file", str(tmp_path / "tokens.json")]
    secret = run(script("cryptable-server"), "tokens", "new", *file, "alice", "--roles", "evaluate")
    (token,) = json.loads(run(script("cryptable-server"), "tokens", "list", *file, "--json"))
    assert (token["principal"], token["roles"]) == ("alice", ["evaluate"])
    assert token["identity"] in secret


def test_keys_for_scripts(tmp_path):
    assert json.loads(run(script("cryptable-client"), "keys", "list", "--key-directory", str(tmp_path), "--json")) == []
