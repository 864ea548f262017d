import hashlib
from pathlib import Path

import pytest
from cryptable_server.errors import KeysNotFoundError
from cryptable_server.processes import worker
from cryptable_server.processes.messages import Evaluate, KeysFile


@pytest.mark.parametrize("when", ["before they are looked at", "before they are loaded"])
def test_keys_that_are_deleted_meanwhile_are_not_found(keyed, when, monkeypatch):
    """Their owner may delete them at any time: that is no error of the server's."""
    path = Path(keyed.keys.location)
    file = KeysFile("name", hashlib.sha256(path.read_bytes()).hexdigest(), str(path), 1 << 20)
    request = Evaluate(keyed.program, file)
    if when == "before they are looked at":
        path.unlink()
    else:
        digest_of = worker._sha256
        monkeypatch.setattr(worker, "_sha256", lambda file: (digest_of(file), file.unlink())[0])
    done, _ = worker.answer(worker.Worker(key_memory_bytes=1 << 30), request, keyed.tensor)
    assert done.error == worker._NAMES[KeysNotFoundError]
    assert "have been deleted" in done.message
