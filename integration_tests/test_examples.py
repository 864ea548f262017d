"""Every example runs to its end, with `--fast`; each checks its own answers."""

import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/__main__.py"))


@pytest.mark.encrypted
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda folder: folder.name)
def test_example_runs(example, tmp_path, tmp_path_factory, forks):
    environment = {**os.environ, "HOME": str(tmp_path), "TMPDIR": str(tmp_path), "XDG_CONFIG_HOME": ""}
    module = f"examples.{example.name}"
    code = f"import runpy, sys; sys.argv = [{module!r}, '--fast']; runpy.run_module({module!r}, run_name='__main__')"
    done = forks.run(code, environment, ROOT, tmp_path_factory.mktemp("outputs"))
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert len(done.stdout.splitlines()) >= 2
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix == ".cryptable"]


def test_every_example_is_listed():
    listed = re.findall(r"^\| \[`(\w+)`\]", (ROOT / "examples/README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == [folder.name for folder in EXAMPLES]
