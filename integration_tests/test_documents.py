"""Links inside the repository's Markdown lead somewhere, and no exception lacks its advice."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
LISTING = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, check=True, capture_output=True, text=True)
DOCUMENTS = [ROOT / name for name in LISTING.stdout.splitlines()]


def anchors_of(text):
    """Names that a heading can be linked by, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(document):
    for link in LINK.findall(document.read_text(encoding="utf-8")):
        place, _, anchor = link.partition("#")
        target = (document.parent / place).resolve() if place else document
        if "://" in link:
            continue
        if not target.exists() or (anchor and anchor not in anchors_of(target.read_text(encoding="utf-8"))):
            yield link


def test_there_are_links():
    assert sum(len(LINK.findall(document.read_text(encoding="utf-8"))) for document in DOCUMENTS) > 5


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document):
    assert list(broken_links(document)) == []


def test_a_broken_link_is_found(tmp_path):
    (tmp_path / "here.md").write_text(
        "# A title\n[a](here.md#a-title) [b](gone.md) [c](#nothing) [d](https://example.org)\n"
    )
    assert list(broken_links(tmp_path / "here.md")) == ["gone.md", "#nothing"]


ADVICE = ROOT / "docs/guides/troubleshooting.md"
PROGRAMS = {"protocol": "In any package", "dev": "cryptable (developer)", "client": "cryptable-client (end user)"}


def exceptions_of(package):
    """Names of the classes in a package's errors.py."""
    (source,) = (ROOT / "packages" / package / "src").glob("*/errors.py")
    return {node.name for node in ast.parse(source.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef)}


@pytest.mark.parametrize("package", ["client", "dev", "engine", "protocol", "server"])
def test_every_exception_is_explained(package):
    chapters = re.split(r"^## ", ADVICE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (chapter,) = [text for text in chapters if text.startswith(PROGRAMS.get(package, f"cryptable-{package}"))]
    sections = re.findall(r"^### (\w+)(?: \(\w+\))?\n(\S.{20,})", chapter, re.MULTILINE)
    names = exceptions_of(package)
    assert len(names) >= 3
    assert {name for name, _ in sections} == names
