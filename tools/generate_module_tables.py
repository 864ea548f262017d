"""Writes docs/architecture.md's maps of the packages: each folder's first sentence, and which modules stand in it.

python tools/generate_module_tables.py           write them
python tools/generate_module_tables.py --check   exit with 1 where what is committed differs

The order is the document's: `<!-- folders of PACKAGE: NAME, NAME -->` names all that stands at the package's top, in
the order in which data meets it.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from generated_files import ROOT, only_check, write_or_check

DOCUMENT = ROOT / "docs/architecture.md"
TABLE = re.compile(r"(<!-- folders of (\w+): ([\w, \n]+) -->\n).*?(<!-- end -->)", re.DOTALL)
NOT_SHOWN = {"__init__", "__main__", "__pycache__", "_generated"}
MOST_NAMES = 16
"""Modules of a folder that are listed; of more, only their number is told."""


def entries(folder: Path) -> list[str]:
    """Names of the modules and folders in a folder, in alphabetical order."""
    found = {path.stem for path in folder.glob("*.py")} | {path.parent.name for path in folder.glob("*/__init__.py")}
    return sorted(found - NOT_SHOWN)


def first_sentence(path: Path) -> str:
    """What a module says that it is for, or a folder in its __init__."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    if not docstring:
        raise SystemExit(f"{path.relative_to(ROOT)} does not say what it is for")
    return docstring.splitlines()[0].replace("|", "\\|")


def rows(top: Path, name: str) -> Iterator[str]:
    """The row of a module or folder, by its path below the package, and those of the folders in it, one level deep."""
    place = top / name
    if not place.is_dir():
        yield f"| `{name}` | {first_sentence(place.with_suffix('.py'))} | |"
        return
    inside = entries(place)
    folders = [each for each in inside if (place / each).is_dir()]
    modules = [each for each in inside if each not in folders]
    shown = ", ".join(modules) if len(modules) <= MOST_NAMES else f"{len(modules)} modules"
    below = ", ".join(f"{folder}/" for folder in folders) if name.count("/") else ""
    yield f"| `{name}/` | {first_sentence(place / '__init__.py')} | {', '.join(filter(None, [shown, below]))} |"
    if not name.count("/"):
        for folder in folders:
            yield from rows(top, f"{name}/{folder}")


def table(package: str, order: list[str]) -> str:
    """The Markdown table of a package."""
    (top,) = ROOT.glob(f"packages/*/src/{package}")
    if sorted(order) != entries(top):
        named = set(order) ^ set(entries(top))
        raise SystemExit(f"docs/architecture.md names other folders of {package} than there are: {sorted(named)}")
    lines = ["| folder or module | what it is for | inside |", "|---|---|---|"]
    return "\n".join([*lines, *(row for name in order for row in rows(top, name))]) + "\n"


def main() -> int:
    """Run the command line."""
    check = only_check(__doc__)
    present = DOCUMENT.read_text(encoding="utf-8")
    expected = TABLE.sub(lambda found: found[1] + table(found[2], re.findall(r"\w+", found[3])) + found[4], present)
    return write_or_check({DOCUMENT: expected}, check=check, source="the folders and first sentences")


if __name__ == "__main__":
    sys.exit(main())
