"""Generates packages/protocol's protobuf and gRPC code from protos/, with its type stubs.

python tools/generate_protos.py           write it
python tools/generate_protos.py --check   exit with 1 where what is committed differs
"""

from __future__ import annotations

import filecmp
import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from generated_files import ROOT, only_check

PROTOS = ROOT / "protos"
PACKAGE = "cryptable_protocol._generated"
TARGET = ROOT / "packages/protocol/src/cryptable_protocol/_generated"
# protoc names modules by the path of the .proto file; `cryptable` is our developer package, so they live in PACKAGE.


def generate(into: Path) -> None:
    """Write all generated modules below `into`."""
    names = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.glob("cryptable/v1/*.proto"))
    standard = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.glob("open_inference/*.proto"))
    services = [name for name in names if re.search(r"^service ", (PROTOS / name).read_text(), re.MULTILINE)]
    _protoc(into, ("python", "mypy"), [*names, *standard])  # of the standard's there is a server alone: no stubs
    _protoc(into, ("grpc_python", "mypy_grpc"), services)
    for path in into.rglob("*.py*"):
        text = path.read_text()
        text = re.sub(r"^from cryptable\.v1 import", f"from {PACKAGE}.cryptable.v1 import", text, flags=re.MULTILINE)
        path.write_text(text)
    for folder in (into, into / "cryptable", into / "cryptable/v1", into / "open_inference"):
        (folder / "__init__.py").write_text("")


def _protoc(into: Path, kinds: tuple[str, ...], names: list[str]) -> None:
    outputs = [
        option
        for kind in kinds
        for option in (f"--{kind}_out={into}", f"--{kind}_opt=quiet")[: 2 if "mypy" in kind else 1]
    ]
    includes = [f"-I{PROTOS}", f"-I{files('grpc_tools') / '_proto'}"]
    # protoc finds its plugins on the path, where this interpreter's scripts need not be.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    command = [sys.executable, "-m", "grpc_tools.protoc", *includes, *outputs, *names]
    subprocess.run(command, check=True, env={**os.environ, "PATH": path})


def differences(left: Path, right: Path, pattern: str = "*.py*") -> list[str]:
    """Relative paths of files that are not the same on both sides."""
    names = {
        path.relative_to(side)
        for side in (left, right)
        for path in side.rglob(pattern)
        if "__pycache__" not in path.parts
    }
    return sorted(
        str(name)
        for name in names
        if not (left / name).exists()
        or not (right / name).exists()
        or not filecmp.cmp(left / name, right / name, shallow=False)
    )


def replace_or_check(made: Path, target: Path, pattern: str = "*.py*", *, check: bool) -> int:
    """Put a folder in the place of `target`, or compare the two; returns the exit status."""
    if check:
        different = differences(made, target, pattern)
        for name in different:
            print(f"{name} is not what protos/ generates: run `make protos`", file=sys.stderr)
        return 1 if different else 0
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(made, target)
    return 0


def main() -> int:
    """Run the command line."""
    check = only_check(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        return replace_or_check(Path(folder), TARGET, check=check)


if __name__ == "__main__":
    sys.exit(main())
