"""Hooks of the documentation site: pages that live outside docs/, and links that lead there.

Documents are written to be read in the repository, where `../protos/SPEC.md` is a file. On the site that file is a page
of another name, and a link to a source file leads nowhere: the first is translated here, the second becomes plain text.
"""

from __future__ import annotations

import os
import posixpath
import re
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

sys.path.insert(0, str(Path(__file__).parent))  # mkdocs loads this file by its path
from command_lines import command_line_page

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("client", "dev", "engine", "protocol", "server")
OUTSIDE = {
    "protos/SPEC.md": "wire-format.md",
    "protos/SPEC-LEVELLED.md": "wire-format-levelled.md",
    "CHANGELOG.md": "changelog.md",
    **{f"packages/{name}/README.md": f"packages/{name}.md" for name in PACKAGES},
}
"""Files of the repository that are pages, by what they are called on the site."""

DECISIONS = "decisions/README.md"
FOLDERS = {f"packages/{name}": f"packages/{name}.md" for name in PACKAGES}
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)")
FENCE = re.compile(r"^( *)(`{3,}).*?^\1\2$", re.MULTILINE | re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from outside docs/."""
    for source, page in OUTSIDE.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    files.append(File.generated(config, "reference/command-lines.md", content=command_line_page()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """Translate links; list the decisions on their own page."""
    home = page.file.src_uri
    if home == DECISIONS:
        markdown += "\n" + list_of_decisions()
    source = next((source for source, name in OUTSIDE.items() if name == home), f"docs/{home}")
    pages = {file.src_uri for file in files}

    def translated(found: re.Match[str]) -> str:
        text, link = found.groups()
        place, hash_, anchor = link.partition("#")
        if not place or "://" in place:
            return found[0]
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), place))
        name = OUTSIDE.get(target) or FOLDERS.get(target) or target.removeprefix("docs/")
        if name not in pages:
            return text
        return f"[{text}]({os.path.relpath(name, posixpath.dirname(home) or '.')}{hash_}{anchor})"

    parts, end = [], 0
    for fence in FENCE.finditer(markdown):
        parts += [LINK.sub(translated, markdown[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, LINK.sub(translated, markdown[end:])])


def list_of_decisions() -> str:
    """A link to each, by its title."""
    documents = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
    titles = [document.read_text(encoding="utf-8").splitlines()[0].lstrip("# ") for document in documents]
    return "".join(f"- [{title}]({document.name})\n" for title, document in zip(titles, documents, strict=True))
