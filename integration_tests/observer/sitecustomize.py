"""Watches imports in a Python process and in all Python processes that it starts: put this folder on PYTHONPATH.

OBSERVER_LOG      file that gets "process PID ARGUMENTS" from each process, and "import PID MODULE" from each import
                  of a watched module, even a failed one
OBSERVER_MODULES  the watched modules, by commas; their submodules count too
OBSERVER_BLOCK    TEXT=MODULES;TEXT=MODULES…: in processes whose arguments hold TEXT, importing one of its MODULES, by
                  commas, is an ImportError; TEXT alone: any of the watched ones; unset: in no process
"""

from __future__ import annotations

import os
import sys


class Observer:
    """A finder that finds nothing, and writes down what it is asked for."""

    def __init__(self, log: str, modules: str, block: str | None) -> None:
        arguments = " ".join(sys.orig_argv[1:])
        self.log, self.modules = log, tuple(modules.split(","))
        self.blocked: list[str] = []
        for each in [] if block is None else block.split(";"):
            text, has_modules, names = each.partition("=")
            if text in arguments:
                self.blocked += names.split(",") if has_modules else self.modules
        self.write("process", arguments)

    def write(self, kind: str, what: str) -> None:
        """Append one line; short ones do not mix, whoever else writes."""
        with open(self.log, "a", encoding="utf-8") as log:  # noqa: PTH123  # no import but what every process has
            log.write(f"{kind} {os.getpid()} {what}\n")

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        """Asked for each module that is not loaded yet."""
        parts = fullname.split(".")
        names = {".".join(parts[: end + 1]) for end in range(len(parts))}  # it and the packages that it is in
        if not names.isdisjoint(self.modules):
            self.write("import", fullname)
            if not names.isdisjoint(self.blocked):
                raise ModuleNotFoundError(f"{fullname} is blocked for this test", name=fullname)


if log_file := os.environ.get("OBSERVER_LOG"):
    observer = Observer(log_file, os.environ["OBSERVER_MODULES"], os.environ.get("OBSERVER_BLOCK"))
    sys.meta_path.insert(0, observer)  # type: ignore[arg-type]  # all it needs is find_spec
