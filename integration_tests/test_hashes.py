"""tools/generate_hashes.py, which `make check` runs: every pin has hashes, and nothing else has."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "tools/generate_hashes.py"
HASH = f"    --hash=sha256:{'0' * 64}"


@pytest.fixture(scope="module")
def hashes():
    spec = spec_from_file_location("generate_hashes", SCRIPT)
    module = module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPT.parent)  # where what it imports lies
        spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (f"one==1.0 \\\n{HASH} \\\n{HASH}\ntwo==2\n", ["two==2", "'two==2', which is no hashed pin"]),
        (f"one==1.0 \\\n{HASH}\ntwo==3 \\\n{HASH}\n", ["two==2", "two==3"]),
        (f"one==1.0 \\\n{HASH}\ntwo==2 \\\n{HASH}\n", []),
        (
            f"one==1.0 \\\n{HASH}\ntwo==2 \\\n{HASH}\n--index-url elsewhere\n",
            ["'--index-url elsewhere', which is no hashed pin"],
        ),
    ],
)
def test_each_pin_has_hashes_and_nothing_else_stands_there(hashes, text, wrong):
    assert hashes.differences("one==1.0\ntwo==2\n", text) == wrong


def test_those_committed_are_those_of_the_pins(hashes):
    assert hashes.differences(hashes.PINS.read_text(), hashes.HASHES.read_text()) == []
    assert len(hashes.HASHED.findall(hashes.HASHES.read_text())) > 100
