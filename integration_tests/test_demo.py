"""`cryptable demo` as a user runs it: to its end, and interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.encrypted


def start_demo(folder: Path) -> subprocess.Popen[str]:
    # A home and a temporary folder of its own: whatever the demo leaves behind is found there.
    environment = {**os.environ, "HOME": str(folder), "TMPDIR": str(folder), "COLUMNS": "200"}
    environment.pop("XDG_DATA_HOME", None)
    command = [sys.executable, "-u", "-m", "cryptable", "demo", "--rows", "2"]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )


def processes_of(folder: Path) -> list[str]:
    """Command lines of the processes that were started with `folder` as their temporary folder."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if f"TMPDIR={folder}".encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except (OSError, ValueError):
            continue
    return found


def left_behind(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_demo_predicts_under_encryption_and_leaves_nothing_behind(tmp_path: Path) -> None:
    demo = start_demo(tmp_path)
    output, errors = demo.communicate(timeout=300)
    assert demo.returncode == 0, errors
    assert "All 2 decrypted scores equal the Circuit's scores in the clear, bit for bit." in output
    assert "importing them is impossible" in output
    assert not processes_of(tmp_path)
    assert not left_behind(tmp_path)


@pytest.mark.parametrize(
    ("moment", "signal_number"),
    [
        ("1. The developer", signal.SIGTERM),
        ("cryptable-server on", signal.SIGTERM),
        ("patient 0", signal.SIGINT),
    ],
)
def test_interrupted_demo_leaves_nothing_behind(tmp_path: Path, moment: str, signal_number: signal.Signals) -> None:
    demo = start_demo(tmp_path)
    assert demo.stdout is not None
    for line in demo.stdout:
        if moment in line:
            break
    else:
        pytest.fail(f"the demo never printed {moment!r}")
    demo.send_signal(signal_number)
    demo.communicate(timeout=60)
    assert demo.returncode == 128 + signal_number
    assert not processes_of(tmp_path)
    assert not left_behind(tmp_path)
