"""Every place where reading what somebody else wrote can refuse it: found in the sources, counted as they are hit."""

from __future__ import annotations

import ast
import inspect
import traceback
from collections import Counter
from collections.abc import Sequence
from types import ModuleType
from typing import Any

HELPERS = frozenset({"_require", "_expect", "require"})


def places(module: ModuleType, excluded: Sequence[tuple[str, str]]) -> dict[tuple[str, int], str]:
    """Places of a module that refuse: (file, line of the statement's beginning) to module and function.

    Args:
        module: to look through.
        excluded: "module:function" and a piece of the statement, of places to leave out.
    """
    name_of_module = module.__name__.rpartition(".")[2]

    def _is_excluded(statement: str, function: str) -> bool:
        return any(f"{name_of_module}:{function}".startswith(name) and part in statement for name, part in excluded)

    source = inspect.getsourcefile(module) or ""
    found: dict[tuple[str, int], str] = {}

    def walk(node: ast.AST, function: str) -> None:
        child: Any
        for child in ast.iter_child_nodes(node):
            name = child.name if isinstance(child, ast.FunctionDef | ast.ClassDef) else None
            inside = function if name is None else f"{function}.{name}".strip(".")
            if inside.rpartition(".")[2] in HELPERS:
                continue
            raises = isinstance(child, ast.Raise) and isinstance(child.exc, ast.Call)
            requires = (
                isinstance(child, ast.Expr)
                and isinstance(child.value, ast.Call)
                and isinstance(child.value.func, ast.Name)
                and child.value.func.id in HELPERS
            )
            if (raises or requires) and not _is_excluded(ast.unparse(child), inside):
                found[source, child.lineno] = f"{name_of_module}:{inside}"
            walk(child, inside)

    walk(ast.parse(inspect.getsource(module)), "")
    return found


def place_of(error: BaseException, known: dict[tuple[str, int], str]) -> tuple[str, int] | None:
    """Which known place an error comes from: the innermost one on its way."""
    frames = traceback.extract_tb(error.__traceback__)
    for frame in reversed(frames):
        if frame.name in HELPERS or frame.lineno is None:
            continue
        candidates = [line for file, line in known if file == frame.filename and line <= frame.lineno]
        if candidates and (frame.filename, max(candidates)) in known:
            return frame.filename, max(candidates)
        return None
    return None


class Hits:
    """Counts what was refused where."""

    def __init__(self, modules: list[ModuleType], excluded: Sequence[tuple[str, str]]) -> None:
        self.known: dict[tuple[str, int], str] = {}
        for module in modules:
            self.known.update(places(module, excluded))
        self.counts: Counter[tuple[str, int]] = Counter()

    def count(self, error: BaseException) -> None:
        """An error that a reader raised."""
        cause: BaseException | None = error
        while cause is not None:  # a wrapped error was first another's
            place = place_of(cause, self.known)
            if place is not None:
                self.counts[place] += 1
            cause = cause.__cause__

    def missed(self) -> list[str]:
        """Places that refused nothing."""
        return [f"{name} (line {place[1]})" for place, name in sorted(self.known.items()) if not self.counts[place]]
