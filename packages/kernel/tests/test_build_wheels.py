"""`make wheels` tells a wheel that is not as it should be; the wheels take minutes, and are built by hand."""

import hashlib
import importlib.util
import json
import sys
import zipfile
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[3] / "tools/build_wheels.py"
TAGS = "manylinux2014_x86_64.manylinux_2_17_x86_64"


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("build_wheels", TOOL)
    module = sys.modules["build_wheels"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["build_wheels"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({}, None),
        ({"machine": 183}, "another processor"),
        ({"needs": b"GLIBC_2.34"}, "later than its tag"),
        ({"tags": "linux_x86_64"}, "expected manylinux"),
        ({"record": "0"}, "another library"),
        ({"library": "_kernel.dll"}, "libraries"),
    ],
)
def test_what_is_wrong_with_a_wheel_is_told(tool, tmp_path, change, complaint):
    machine = change.get("machine", 62)
    data = b"\x7fELF\x02\x01" + bytes(12) + machine.to_bytes(2, "little") + change.get("needs", b"GLIBC_2.2.5")
    library = change.get("library", "_kernel.so")
    digest = change.get("record", hashlib.sha256(data).hexdigest())
    tags = change.get("tags", TAGS)
    wheel = tmp_path / f"cryptable_kernel-0.1.0-py3-none-{tags}.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"cryptable_kernel/{library}", data)
        archive.writestr("cryptable_kernel/_kernel.json", json.dumps({"library": library, "sha256": digest}))
        lines = "".join(f"Tag: py3-none-{tag}\n" for tag in tags.split("."))
        archive.writestr("cryptable_kernel-0.1.0.dist-info/WHEEL", lines)
    found = tool.complaints(wheel, tool.TARGETS["x86_64-linux"])
    assert (complaint is None) == (not found)
    assert complaint is None or any(complaint in line for line in found)
