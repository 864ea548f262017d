"""What is committed is what its sources generate, and SPEC.md says what the code does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from cryptable_protocol import limits

ROOT = Path(__file__).parents[3]
SPEC = (ROOT / "protos/SPEC.md").read_text("utf-8")
LIMITS = SPEC.partition("## Limits\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("script", ["generate_protos.py", "generate_vectors.py"])
def test_nothing_differs(script: str) -> None:
    if script == "generate_protos.py":
        pytest.importorskip("grpc_tools")
        pytest.importorskip("mypy_protobuf")
    found = subprocess.run([sys.executable, ROOT / "tools" / script, "--check"], capture_output=True, text=True)
    assert (found.returncode, found.stderr) == (0, "")


def test_spec_has_the_limits_of_the_code() -> None:
    stated = {name: int(figure) for name, figure in re.findall(r"^\| `([A-Z_]+)` \| (\d+) \|", LIMITS, re.MULTILINE)}
    assert stated == {name: value for name, value in vars(limits).items() if name.isupper()}


def test_spec_links_lead_somewhere() -> None:
    headings = {heading.lower().replace(" ", "-") for heading in re.findall(r"^## (.*)$", SPEC, re.MULTILINE)}
    anchors = set(re.findall(r"\]\(#([^)]*)\)", SPEC))
    assert anchors <= headings
    assert headings <= anchors, "a section that the list at the top lacks"
    for path in re.findall(r"\]\((?!https://)([^#)]+)\)", SPEC):
        assert (ROOT / "protos" / path).exists()


def test_spec_sections_that_the_code_refers_to() -> None:
    sources = [*ROOT.glob("packages/*/src/**/*.py"), *ROOT.glob("protos/**/*.proto")]
    named = {
        name for path in sources for name in re.findall(r'SPEC\.md,? (?:section )?"([^"]+)"', path.read_text("utf-8"))
    }
    assert named
    assert named <= set(re.findall(r"^## (.*)$", SPEC, re.MULTILINE))


def test_check_notices_a_difference(tmp_path: Path) -> None:
    pytest.importorskip("grpc_tools")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import generate_protos as g; from pathlib import Path\n"
        "left, right = Path(sys.argv[2]), Path(sys.argv[3])\n"
        "for side in (left, right): side.mkdir()\n"
        "(left / 'same.py').write_text('1'); (right / 'same.py').write_text('1')\n"
        "(left / 'other.pyi').write_text('1'); (right / 'other.pyi').write_text('2')\n"
        "(right / 'more.py').write_text('')\n"
        "print(g.differences(left, right))"
    )
    arguments = [sys.executable, "-c", code, ROOT / "tools", tmp_path / "left", tmp_path / "right"]
    found = subprocess.run(arguments, check=True, capture_output=True, text=True).stdout
    assert found.strip() == "['more.py', 'other.pyi']"
