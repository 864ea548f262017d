"""Watches imports in a Python process and in all Python processes that it starts: put this folder on PYTHONPATH.

OBSERVER_LOG      file that gets "process PID ARGUMENTS" from each process, and "import PID MODULE" from each import
                  of a watched module, even a failed one
OBSERVER_MODULES  the watched modules, by commas; their submodules count too
OBSERVER_BLOCK    in processes whose arguments hold this text, importing one is an ImportError; unset: in none
"""

from __future__ import annotations

import os
import sys


class Observer:
    """A finder that finds nothing, and writes down what it is asked for."""

    def __init__(self, log: str, modules: str, block: str | None) -> None:
        arguments = " ".join(sys.orig_argv[1:])
        self.log, self.modules, self.block = log, tuple(modules.split(",")), block is not None and block in arguments
        self.write("process", arguments)

    def write(self, kind: str, what: str) -> None:
        """Append one line; short ones do not mix, whoever else writes."""
        with open(self.log, "a", encoding="utf-8") as log:  # noqa: PTH123  # no import but what every process has
            log.write(f"{kind} {os.getpid()} {what}\n")

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        """Asked for each module that is not loaded yet."""
        if any(fullname == module or fullname.startswith(f"{module}.") for module in self.modules):
            self.write("import", fullname)
            if self.block:
                raise ModuleNotFoundError(f"{fullname} is blocked for this test", name=fullname)


if log_file := os.environ.get("OBSERVER_LOG"):
    observer = Observer(log_file, os.environ["OBSERVER_MODULES"], os.environ.get("OBSERVER_BLOCK"))
    sys.meta_path.insert(0, observer)  # type: ignore[arg-type]  # all it needs is find_spec
