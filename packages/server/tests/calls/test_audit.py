import json
import os
from pathlib import Path

import pytest
from cryptable_server.calls import audit, refusal_budget
from cryptable_server.calls.audit import AuditLog
from cryptable_server.errors import ConfigurationError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "audit.jsonl"


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_lines_are_appended_to_what_is_there(path):
    for number in range(2):
        log = AuditLog(path)
        log.record(who="token:alice", what="DeleteEvaluationKeys", outcome="OK", keys="ab", number=number)
        log.close()
    assert [line["number"] for line in lines(path)] == [0, 1]
    assert lines(path)[0]["who"] == "token:alice"
    assert lines(path)[0]["time"].endswith("Z")
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_rotated_file_is_made_anew(path):
    log = AuditLog(path)
    log.record(who="a", what="x", outcome="OK")
    path.rename(path.with_suffix(".1"))
    log.record(who="b", what="x", outcome="OK")
    log.close()
    assert [line["who"] for line in lines(path.with_suffix(".1"))] == ["a"]
    assert [line["who"] for line in lines(path)] == ["b"]


def test_without_a_path_nothing_is_written(path):
    AuditLog(None).record(who="a", what="x", outcome="OK")


def test_a_file_that_cannot_be_written_is_named_at_the_start(tmp_path):
    with pytest.raises(ConfigurationError, match="--audit-log"):
        AuditLog(tmp_path)


def test_a_full_disk_loses_a_line_and_says_so(caplog):
    log = AuditLog(Path("/dev/full"))
    log.record(who="a", what="x", outcome="OK")
    log.close()
    (lost,) = caplog.records
    assert lost.getMessage() == "audit line lost"
    assert lost.facts["line"]["who"] == "a"


def test_half_a_line_does_not_spoil_the_next(path, monkeypatch):
    log, write = AuditLog(path), os.write

    def half(descriptor, data):
        if len(data) > 30:
            return write(descriptor, data[:30])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(audit.os, "write", half)
    log.record(who="a", what="x", outcome="OK")
    monkeypatch.setattr(audit.os, "write", write)
    log.record(who="b", what="x", outcome="OK")
    log.close()
    torn, whole = path.read_text().splitlines()[0], path.read_text().splitlines()[-1]
    assert not torn.endswith("}")
    assert json.loads(whole)["who"] == "b"


def test_strangers_fill_no_disk(path, monkeypatch):
    monkeypatch.setattr(refusal_budget, "_A_SECOND", 0.0)
    log = AuditLog(path)
    for _ in range(150):
        log.record(who="unknown", what="ListModels", outcome="UNAUTHENTICATED")
    log.record(who="token:a", what="DeleteEvaluationKeys", outcome="OK")
    log.record(who="token:b", what="DeleteEvaluationKeys", outcome="OK")
    log.close()
    assert len(lines(path)) == 102
    assert [line.get("refusals_left_out") for line in lines(path)[-2:]] == [50, None]
