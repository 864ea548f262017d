"""tools/check_tree.py, which `make check` runs over the tree, finds what it is there to find."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "tools/check_tree.py"


@pytest.fixture(scope="module")
def check_tree():
    spec = spec_from_file_location("check_tree", SCRIPT)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("uv" + ".lock", "", "lock files"),
        ("a/poetry" + ".lock", "", "lock files"),
        ("pylock" + ".dev.toml", "", "lock files"),
        ("README.md", "\nsee https://pypi" + ".org/simple\n", "README.md:2: names the package host"),
        ("a.toml", "index = 'https://download.pytorch" + ".org/whl/cpu'", "package host"),
        ("a.py", "open('" + "/home" + "/someone/data.csv')", "path of one machine"),
        ("a.sh", "cd " + "/root" + "/project", "path of one machine"),
        ("a.py", f"# see {ROOT}/tools", "path of one machine"),
        ("packages/x/src/x/long.py", "x = 1\n" * 401, "401 lines"),
    ],
)
def test_complains(check_tree, name, text, complaint):
    (found,) = check_tree.complaints(name, text)
    assert complaint in found


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("packages/x/src/x/fine.py", "x = 1\n" * 400),
        ("packages/x/src/x/_generated/long_pb2.py", "x = 1\n" * 401),
        ("README.md", "https://github.com/zama-ai/concrete, a/home/of/one.py, block.py"),
    ],
)
def test_accepts(check_tree, name, text):
    assert list(check_tree.complaints(name, text)) == []


def test_find_links_are_paths_of_one_machine(check_tree, monkeypatch):
    monkeypatch.setenv("PIP_FIND_LINKS", "/srv/wheels /srv/more")
    (found,) = check_tree.complaints("setup.sh", "pip install -f /srv/more/torch.whl")
    assert "path of one machine" in found
