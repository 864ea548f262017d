"""Checks tracked files: no lock file, package host or path of one machine, and no source file that grew too long."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
LONGEST_FILE = 400
"""Lines; a longer source file holds two things that want a file each."""

LOCK_FILE = re.compile(r"(^|/)([\w.-]+\.lock|pylock[\w.-]*\.toml|package-lock\.json)$")
PACKAGE_HOST = re.compile(
    r"(\bpypi|pythonhosted|download(-r2)?\.pytorch|registry\.npmjs|conda\.anaconda|crates)\.(org|io|com)\b",
    re.IGNORECASE,
)
HOME_FOLDER = re.compile(r"(?<![\w.])/((home|Users)/\w[\w.-]*|(root))/")


def machine_paths() -> list[str]:
    """Places on this machine that nothing tracked may name: the checkout, the home folder, pip's find-links."""
    places = [str(ROOT), str(Path.home()), *os.environ.get("PIP_FIND_LINKS", "").split()]
    return [place for place in places if len(place) > len("/root")]


def complaints(name: str, text: str) -> Iterator[str]:
    """What is wrong with one tracked file, by its path and content."""
    if LOCK_FILE.search(name):
        yield f"{name}: lock files record package hosts, so none is tracked; versions live in tools/constraints.txt"
        return
    places = machine_paths()
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        if host := PACKAGE_HOST.search(line):
            yield f"{name}:{number}: names the package host {host[0]}; pip and uv know where packages are"
        if HOME_FOLDER.search(line) or any(place in line for place in places):
            yield f"{name}:{number}: names a path of one machine; write it relative to the repository"
    if is_source(name) and len(lines) > LONGEST_FILE:
        yield f"{name}: {len(lines)} lines, more than {LONGEST_FILE}; split it by what its parts are for"


def is_source(name: str) -> bool:
    """Whether a tracked path is hand-written Python."""
    path = PurePosixPath(name)
    return path.suffix == ".py" and "_generated" not in path.parts


def tracked_texts() -> Iterator[tuple[str, str]]:
    """Path and content of each tracked file that is there, as far as it is text."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listing.split("\0")):
        path = ROOT / name
        if path.is_file():
            yield name, path.read_text(encoding="utf-8", errors="replace")


def report_sizes(texts: Iterable[tuple[str, str]]) -> str:
    """One line on how long the hand-written source files are."""
    sizes = {name: len(text.splitlines()) for name, text in texts if is_source(name) and "/src/" in name}
    longest = max(sizes, key=lambda name: sizes[name])
    return (
        f"{len(sizes)} source files: median {statistics.median(sizes.values()):.0f} lines, "
        f"longest {sizes[longest]} ({longest})"
    )


def main() -> int:
    """Print what is wrong, then the sizes; 1 where anything is wrong."""
    texts = list(tracked_texts())
    found = [complaint for name, text in texts for complaint in complaints(name, text)]
    for complaint in found:
        print(complaint, file=sys.stderr)
    print(report_sizes(texts))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
