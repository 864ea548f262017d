"""packages/web/measure.mjs measures what it says."""

import re
import subprocess

import pytest
from node import WEB, built

pytestmark = pytest.mark.xdist_group("web")


def test_the_measuring_script_works():
    built()
    done = subprocess.run(
        ["node", WEB / "measure.mjs", "--fast"], check=True, capture_output=True, text=True, timeout=300
    )
    figures = [float(figure) for figure in re.findall(r"^\|[^|]*\| ([\d.]+) (?:ms|kB) \|", done.stdout, re.MULTILINE)]
    assert len(figures) == 5
    assert all(figure > 0 for figure in figures)
    assert figures[-1] <= 37, "kB that a page loads"
