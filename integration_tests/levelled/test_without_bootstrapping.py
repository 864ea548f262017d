"""Trees are trained, compiled, served and predicted where nothing of concrete-python can be imported, in any process.

`tools/levelled_elsewhere.py` does the same in environments that do not have it, with NumPy 2 and the newest Python.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parents[1]
BLOCKED = ("concrete", "mlir", "capnp")


@pytest.mark.encrypted
def test_trees_need_no_bootstrapping(tmp_path):
    log = tmp_path / "observed"
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "PYTHONPATH": str(HERE / "observer"),
        "OBSERVER_LOG": str(log),
        "OBSERVER_MODULES": ",".join(BLOCKED),
        "OBSERVER_BLOCK": "",
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", HERE / "programs" / "levelled_serves.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "10 rows predicted" in done.stdout
    assert "-m cryptable_server.processes.worker" in log.read_text()  # what evaluates was blocked as well
