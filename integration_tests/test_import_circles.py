"""No module of ours needs one that needs it, not even for its types or inside a function.

A circle says that two modules are one, or that something of both belongs below them. import-linter sees the layers
within a package; this reads every import statement of every module, whichever way it is hidden from the interpreter.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {path.name: path for path in sorted(ROOT.glob("packages/*/src/*")) if (path / "__init__.py").is_file()}
KNOWN: set[frozenset[str]] = set()
"""Circles that are about to be opened: an entry that is none any more is refused too."""


def modules_of(package, folder):
    """Module name → path of a package, its folders included, but not what is generated."""
    found = {}
    for path in folder.rglob("*.py"):
        parts = [package, *path.relative_to(folder).with_suffix("").parts]
        if "_generated" not in parts:
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports_of(name, path, modules):
    """Which of `modules` any statement of a module imports; of a folder, that is what its __init__ says."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                within = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
                base = ".".join([*within[: len(within) - node.level + 1], *filter(None, [base])])
            for alias in node.names:
                submodule = f"{base}.{alias.name}"
                if submodule in modules or base in modules:
                    yield submodule if submodule in modules else base


def circles(modules):
    """Sets of modules that need each other."""
    needs = {name: set(imports_of(name, path, modules)) - {name} for name, path in modules.items()}
    reached = {}
    for name in modules:
        seen, waiting = set(), [name]
        while waiting:
            new = needs[waiting.pop()] - seen
            seen |= new
            waiting.extend(new)
        reached[name] = seen
    return {
        frozenset({name} | {other for other in reached[name] if name in reached[other]})
        for name in modules
        if name in reached[name]
    }


@pytest.mark.parametrize("package", PACKAGES)
def test_no_modules_need_each_other(package):
    found = circles(modules_of(package, PACKAGES[package]))
    known = {circle for circle in KNOWN if min(circle).partition(".")[0] == package}
    assert found == known, "\n".join(" and ".join(sorted(circle)) for circle in found ^ known)


SAMPLE = {
    "__init__.py": "from sample.a import first\n",
    "a.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from sample.folder.b import second\n",
    "folder/__init__.py": "",
    "folder/b.py": "def call():\n    from sample.folder import c\n",
    "folder/c.py": "import sample.a\n",
    "folder/d.py": "from . import e\n",
    "folder/e.py": "from .d import name\nfrom sample.folder.f import name\n",
    "folder/f.py": "from sample.a import first\n",
}


def test_hidden_circles_are_seen(tmp_path):
    for name, text in SAMPLE.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert circles(modules_of("sample", tmp_path)) == {
        frozenset({"sample.a", "sample.folder.b", "sample.folder.c"}),
        frozenset({"sample.folder.d", "sample.folder.e"}),
    }


def test_all_packages_are_looked_at():
    assert set(PACKAGES) == {
        "cryptable",
        "cryptable_client",
        "cryptable_engine",
        "cryptable_kernel",
        "cryptable_protocol",
        "cryptable_server",
    }
    assert all(
        len(modules_of(name, folder)) > (3 if name == "cryptable_kernel" else 15) for name, folder in PACKAGES.items()
    )
