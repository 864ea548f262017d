"""Which validator of another process refused something, from what it said: each message in the sources is a pattern."""

from __future__ import annotations

import ast
import inspect
import re
from collections import Counter
from collections.abc import Sequence
from types import ModuleType


def message_of(raised: ast.Call) -> re.Pattern[str] | None:
    """A pattern for the message that an exception is made with; None where it says nothing of its own."""
    if not raised.args:
        return None
    text = _pattern(raised.args[0])
    fixed = re.sub(r"\.\*", "", text)
    return re.compile(text, re.DOTALL) if len(fixed) > 12 else None


def _pattern(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=str() as text):
            return re.escape(text)
        case ast.JoinedStr(values=parts):
            return "".join(_pattern(part) for part in parts)
        case ast.BinOp(left=left, right=right):
            return _pattern(left) + _pattern(right)
        case _:
            return ".*"


class Told:
    """Counts what was refused where, by its message."""

    def __init__(self, modules: Sequence[ModuleType], excluded: Sequence[tuple[str, str]]) -> None:
        """Find the places of modules that refuse, but for "module:function" with a piece of the statement."""
        self.counts: Counter[str] = Counter()
        self.patterns: dict[str, re.Pattern[str]] = {}
        for module in modules:
            self._find(module, excluded)

    def count(self, details: str) -> bool:
        """A refusal came with this message; whether any place says such."""
        found = [name for name, pattern in self.patterns.items() if pattern.search(details)]
        self.counts.update(found)
        return bool(found)

    def missed(self) -> list[str]:
        """Places that refused nothing."""
        return [name for name in self.patterns if not self.counts[name]]

    def _find(self, module: ModuleType, excluded: Sequence[tuple[str, str]]) -> None:
        short = module.__name__.rpartition(".")[2]

        def walk(node: ast.AST, function: str) -> None:
            for child in ast.iter_child_nodes(node):
                inside = function
                if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                    inside = f"{function}.{child.name}".strip(".")
                if isinstance(child, ast.Raise) and isinstance(child.exc, ast.Call):
                    statement, name = ast.unparse(child), f"{short}:{inside}"
                    pattern = message_of(child.exc)
                    if pattern is not None and not any(
                        name.startswith(of) and part in statement for of, part in excluded
                    ):
                        self.patterns[f"{name} (line {child.lineno})"] = pattern
                walk(child, inside)

        walk(ast.parse(inspect.getsource(module)), "")
