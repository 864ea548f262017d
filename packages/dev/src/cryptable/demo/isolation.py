"""A folder from which a Python process can import one distribution and what it requires, and nothing else.

The demo's client runs from such a folder, so that what it imports is what an end user would have installed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import metadata, util
from pathlib import Path


def link_distribution(name: str, folder: Path) -> list[str]:
    """Fill `folder` with links to the top-level files of distribution `name` and of all that it requires.

    Args:
        name: an installed distribution, as "cryptable-client".
        folder: an empty folder, to be the only entry of a process's path beside the standard library.

    Returns:
        The distributions, as "name version", sorted.
    """
    closure = dict(_requirements(name, set()))
    for distribution in closure.values():
        for source in _top_level_paths(distribution):
            link = folder / source.name
            if not link.exists():
                link.symlink_to(source)
    return sorted(f"{key} {distribution.version}" for key, distribution in closure.items())


def _requirements(name: str, seen: set[str]) -> Iterator[tuple[str, metadata.Distribution]]:
    key = re.sub(r"[-_.]+", "-", name).lower()
    if key in seen:
        return
    seen.add(key)
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return  # a requirement for another platform or Python version
    yield key, distribution
    for requirement in distribution.requires or ():
        if "extra ==" not in requirement:
            matched = re.match(r"[A-Za-z0-9._-]+", requirement)
            if matched:
                yield from _requirements(matched.group(), seen)


def _top_level_paths(distribution: metadata.Distribution) -> Iterator[Path]:
    names = {file.parts[0] for file in distribution.files or () if file.parts[0] not in ("..", "__pycache__")}
    modules = sorted(name for name in names if not name.endswith((".pth", ".dist-info")))
    for name in modules:
        yield Path(str(distribution.locate_file(name)))
    if not modules:  # an editable install: the package lies where the import system says
        spec = util.find_spec(distribution.metadata["Name"].replace("-", "_"))
        if spec is not None and spec.origin is not None:
            yield Path(spec.origin).parent
