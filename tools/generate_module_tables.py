"""Writes docs/architecture.md's tables of modules: the layers of pyproject.toml, and each module's own first sentence.

python tools/generate_module_tables.py           write them
python tools/generate_module_tables.py --check   exit with 1 where what is committed differs
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

from generated_files import ROOT, only_check, write_or_check

DOCUMENT = ROOT / "docs/architecture.md"
TABLE = re.compile(r"(<!-- modules of (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def layers_of(package: str) -> list[list[str]]:
    """Names of the modules and folders of an import package, the layers that import no other first."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for contract in settings["tool"]["importlinter"]["contracts"]:
        if contract.get("containers") == [package]:
            return [sorted(re.findall(r"\w+", layer)) for layer in reversed(contract["layers"])]
    raise SystemExit(f"pyproject.toml has no layers for {package}")


def first_sentence(source: Path, name: str) -> str | None:
    """What a module or folder says that it is for, None where there is no such module."""
    for path in (source / f"{name}.py", source / name / "__init__.py"):
        if path.is_file():
            docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
            return docstring.splitlines()[0].replace("|", "\\|") if docstring else "(generated)"
    return None


def table(package: str) -> str:
    """The Markdown table of a package's modules."""
    (source,) = ROOT.glob(f"packages/*/src/{package}")
    lines = ["| module | what it is for |", "|---|---|"]
    for layer in layers_of(package):
        for name in layer:
            if (sentence := first_sentence(source, name)) is not None:
                shown = f"{name}/" if (source / name).is_dir() else name
                lines.append(f"| `{shown}` | {sentence} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run the command line."""
    check = only_check(__doc__)
    present = DOCUMENT.read_text(encoding="utf-8")
    expected = TABLE.sub(lambda found: found[1] + table(found[2]) + found[3], present)
    return write_or_check({DOCUMENT: expected}, check=check, source="the layers and first sentences")


if __name__ == "__main__":
    sys.exit(main())
