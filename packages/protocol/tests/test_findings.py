import socket

import pytest
from cryptable_protocol import findings
from cryptable_protocol.findings import (
    Finding,
    exit_status,
    folder_finding,
    from_json,
    package_findings,
    port_finding,
    python_finding,
    to_json,
    to_lines,
)

GOOD, WARNING, BAD = (
    Finding("linker", "there"),
    Finding("cores", "few", "warning", "add some"),
    Finding("Python", "2.7", "bad", "install another"),
)


def test_only_what_is_bad_fails():
    assert exit_status([GOOD, WARNING]) == 0
    assert exit_status([GOOD, BAD]) == 1


def test_json_comes_back():
    assert from_json(to_json([GOOD, WARNING, BAD])) == [GOOD, WARNING, BAD]


def test_lines_say_what_to_do():
    assert to_lines([GOOD, BAD]) == [
        "good     linker  there",
        "bad      Python  2.7",
        "                 → install another",
    ]


def test_python_of_now_and_of_no_time():
    assert python_finding((3, 10), None).severity == "good"
    old = python_finding((3, 0), (3, 1))
    assert (old.severity, "Python 3.0 to 3.1" in old.advice) == ("bad", True)


def test_packages_of_different_versions(monkeypatch):
    versions = {"a": "1.0", "b": "1.1", "numpy": "2.0"}
    monkeypatch.setattr(findings, "installed_version", versions.get)
    assert package_findings(["numpy", "absent"], ours=["a"]) == [
        Finding("Cryptable", "a 1.0"),
        Finding("libraries", "numpy 2.0"),
    ]
    assert package_findings([], ours=["a", "b"])[0].severity == "bad"
    assert "c missing" in package_findings([], ours=["a", "c"])[0].found


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_port(host):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"{host}:{taken.getsockname()[1]}"
        assert port_finding(address).severity == "warning"
    assert port_finding(address).severity == "good"
    assert port_finding("localhost:http").severity == "warning"


def test_folder(tmp_path):
    assert folder_finding("keys", tmp_path / "to" / "be" / "made").severity == "good"
    (tmp_path / "file").write_text("")
    assert folder_finding("keys", tmp_path / "file" / "below").severity == "bad"
