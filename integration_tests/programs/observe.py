"""Runs a Python program and writes which of some modules it loaded, or makes them impossible to import.

python observe.py PROGRAM MODULE ...            run, then print the loaded ones of MODULE ... as JSON, on the last line
python observe.py --block PROGRAM MODULE ...    the same, with ImportError for MODULE ... and their submodules
"""

from __future__ import annotations

import argparse
import json
import runpy
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class Blocker(MetaPathFinder):
    """Refuses to find some modules."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Raise for a blocked name, else leave the search to others."""
        if any(fullname == name or fullname.startswith(f"{name}.") for name in self.names):
            raise ModuleNotFoundError(f"{fullname} is blocked for this test", name=fullname)
        return None


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--block", action="store_true")
    parser.add_argument("--also", metavar="FOLDER", help="import from there what is found nowhere else")
    parser.add_argument("program")
    parser.add_argument("modules", nargs="*")
    options = parser.parse_args()
    if options.also:
        sys.path.append(options.also)
    if options.block:
        sys.meta_path.insert(0, Blocker(options.modules))
    sys.argv = [options.program]
    runpy.run_path(options.program, run_name="__main__")
    print(json.dumps([name for name in options.modules if name in sys.modules]))


if __name__ == "__main__":
    main()
