import hashlib
from pathlib import Path

import pytest
from cryptable_engine.kernel import VARIABLE
from cryptable_server.errors import KeysNotFoundError
from cryptable_server.executors.executor import Evaluated
from cryptable_server.executors.link import request
from cryptable_server.processes import worker
from cryptable_server.processes.messages import Evaluate, KeysFile


@pytest.mark.parametrize("when", ["before they are looked at", "before they are loaded"])
def test_keys_that_are_deleted_meanwhile_are_not_found(keyed, when, monkeypatch):
    """Their owner may delete them at any time: that is no error of the server's."""
    path = Path(keyed.keys.location)
    file = KeysFile("name", hashlib.sha256(path.read_bytes()).hexdigest(), str(path), 1 << 20)
    asked = Evaluate(keyed.program, file)
    if when == "before they are looked at":
        path.unlink()
    else:
        digest_of = worker._sha256
        monkeypatch.setattr(worker, "_sha256", lambda file: (digest_of(file), file.unlink())[0])
    done, _ = worker.answer(worker.Worker(key_memory_bytes=1 << 30), asked, keyed.tensor)
    assert done.error == worker._NAMES[KeysNotFoundError]
    assert "have been deleted" in done.message


@pytest.mark.encrypted
@pytest.mark.parametrize("ring", ["", "off"], ids=["kernel", "seal"])
def test_a_worker_makes_what_a_part_needs_of_keys(parted_model, ring, monkeypatch):
    """Keys that it has for one part are not there for another, where SEAL evaluates, and counted as such."""
    monkeypatch.setenv(VARIABLE, ring)
    evaluation = parted_model.evaluation()
    one = worker.Worker(key_memory_bytes=1 << 30)
    answers = [one.evaluate(request(evaluation, part), evaluation.tensor) for part in (1, 1, 0, 1, None)]
    assert [done.keys_cached for done, _ in answers] == [False, True, ring == "", True, True]
    for tensors in ((answers[2][1], answers[1][1]), (answers[4][1],)):
        assert parted_model.is_right(Evaluated(tensors, 0.0, 0.0))
