"""Links inside the repository's Markdown lead somewhere."""

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
