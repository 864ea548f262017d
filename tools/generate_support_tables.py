"""Writes docs/reference/supported.md's tables from the registries of importers and of pipeline steps.

python tools/generate_support_tables.py           write them
python tools/generate_support_tables.py --check   exit with 1 where what is committed differs
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from generated_files import ROOT, only_check, write_or_check

DOCUMENT = ROOT / "docs/reference/supported.md"
TABLE = re.compile(r"(<!-- table of (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def estimators() -> str:
    """By library and importer: the classes, and whether columns may hold missing values and categories."""
    registry = importlib.import_module("cryptable.importers.registry")
    homes: dict[str, list[Any]] = defaultdict(list)
    for entry in registry.importers():
        homes[entry.read.__module__].append(entry)
    rows = []
    for entries in homes.values():
        classes = sorted(name.rpartition(".")[2] for entry in entries for name in entry.class_names)
        library = entries[0].class_names[0].partition(".")[0]
        gaps = "yes" if any(entry.takes_gaps for entry in entries) else ""
        shown = " ".join(f"`{name}`" for name in classes)
        rows.append((library, f"| {library} | {shown} | {first_sentence(entries[0].read)} | {gaps} |"))
    lines = ["| library | classes | what they are | missing values, categories |", "|---|---|---|---|"]
    return "\n".join([*lines, *(line for _, line in sorted(rows))]) + "\n"


def steps() -> str:
    """By module of `preprocessing/`: the classes."""
    registry = importlib.import_module("cryptable.importers.pipelines.registry")
    homes: dict[str, list[str]] = defaultdict(list)
    for name in registry.supported_steps():
        homes[name.rpartition(".")[0]].append(f"`{name.rpartition('.')[2]}`")
    lines = ["| from | steps |", "|---|---|"]
    lines += [f"| {home} | {' '.join(names)} |" for home, names in sorted(homes.items())]
    return "\n".join(lines) + "\n"


def first_sentence(function: Callable[..., object]) -> str:
    """What the function's module says that it is for."""
    module = inspect.getmodule(function)
    return (inspect.getdoc(module) or "").splitlines()[0].replace("|", "\\|")


TABLES: dict[str, Callable[[], str]] = {"estimators": estimators, "steps": steps}


def main() -> int:
    """Run the command line."""
    check = only_check(__doc__)
    present = DOCUMENT.read_text(encoding="utf-8")
    expected = TABLE.sub(lambda found: found[1] + TABLES[found[2]]() + found[3], present)
    return write_or_check({DOCUMENT: expected}, check=check, source="the registries")


if __name__ == "__main__":
    sys.exit(main())
