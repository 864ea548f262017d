"""The benchmark of networks of squares runs, and what it measures is exact."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "tools/bench/squares.py"


@pytest.mark.encrypted
def test_the_benchmark_runs():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", SCRIPT, "--rows", "1", "--epochs", "1", "--hidden", "4"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 of 1 encrypted rows exact" in done.stdout
