"""What runs the Python of documents and examples: processes with the large libraries loaded."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


class Forks:
    """Processes that `programs/runs_code.py` forks; it is started for the first."""

    def __init__(self):
        self._process = None

    def run(self, code, environment, folder, outputs):
        """Run code to its end: the finished process. Its output passes through files in `outputs`."""
        if self._process is None:
            command = [sys.executable, Path(__file__).parent / "programs/runs_code.py"]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        files = [outputs / f"{name}.forked" for name in ("output", "errors")]
        for path in files:
            path.write_text("")
        wanted = {"code": code, "folder": os.fspath(folder), "environment": environment}
        wanted |= dict(zip(("output", "errors"), map(os.fspath, files), strict=True))
        self._process.stdin.write(json.dumps(wanted) + "\n")
        self._process.stdin.flush()
        status = int(self._process.stdout.readline())
        output, errors = (path.read_text() for path in files)
        for path in files:
            path.unlink()
        return subprocess.CompletedProcess(code, status, output, errors)

    def close(self):
        if self._process is not None:
            self._process.stdin.close()
            self._process.wait()
            self._process.stdout.close()


@pytest.fixture(scope="session")
def forks():
    made = Forks()
    yield made
    made.close()
