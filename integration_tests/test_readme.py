"""Runs the Python of every README, top to bottom, each in a fresh process and an empty folder."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
READMES = [ROOT / "README.md", *sorted(ROOT.glob("packages/*/README.md"))]
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def python_of(text: str) -> str:
    """The fenced Python blocks of a Markdown text, as one program that keeps the text's line numbers."""
    lines = [""] * (text.count("\n") + 1)
    for block in FENCE.finditer(text):
        if block[1] == "python":
            first = text.count("\n", 0, block.start(2))
            for offset, line in enumerate(block[2].splitlines()):
                lines[first + offset] = line
    return "\n".join(lines).rstrip()


def test_python_is_taken_out_of_markdown_at_its_own_lines():
    text = "Intro\n```python\na = 1\n```\ntext\n```console\n$ make\n```\n```python\nassert a == 1\n```\n"
    assert python_of(text) == "\n\na = 1\n\n\n\n\n\n\nassert a == 1"


def test_root_readme_has_python_to_run():
    assert python_of(READMES[0].read_text())


@pytest.mark.encrypted
@pytest.mark.parametrize("readme", READMES, ids=lambda path: str(path.relative_to(ROOT)))
def test_readme_runs(readme, tmp_path):
    program = python_of(readme.read_text())
    if not program:
        pytest.skip("no Python in it")
    script = tmp_path / f"{readme.parent.name}_readme.py"
    script.write_text(program)
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:__main__", str(script)],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, f"{readme.relative_to(ROOT)} (lines are its own):\n{done.stdout}\n{done.stderr}"
