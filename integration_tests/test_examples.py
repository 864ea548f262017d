"""Every example runs to its end, with `--fast`; each checks its own answers."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/__main__.py"))


@pytest.mark.encrypted
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda folder: folder.name)
def test_example_runs(example, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", f"examples.{example.name}", "--fast"],
        cwd=ROOT,
        env={**os.environ, "HOME": str(tmp_path), "TMPDIR": str(tmp_path), "XDG_CONFIG_HOME": ""},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert len(done.stdout.splitlines()) >= 2
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix == ".cryptable"]


def test_every_example_is_listed():
    listed = re.findall(r"^\| \[`(\w+)`\]", (ROOT / "examples/README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == [folder.name for folder in EXAMPLES]
