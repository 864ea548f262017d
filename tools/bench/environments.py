"""uv, for the benchmarks that make environments of their own."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path


def find_uv() -> str:
    """The path of uv, which tools/setup.sh puts beside this interpreter where it is not on the path.

    Raises:
        RuntimeError: it is in neither place.
    """
    found = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    if found is None:
        raise RuntimeError("uv is missing: run `make setup`")
    return found
