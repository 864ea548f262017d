"""Writes docs/reference/licences.md: every distribution that our packages and tools bring along, and its licence.

python tools/generate_licences.py           write the table
python tools/generate_licences.py --check   exit with 1 where what is committed differs

Either way, a distribution whose licence is unknown, or is none of those that were agreed to, is refused. Why
pip-licenses does not do this: docs/decisions/0027-licences-by-a-script-of-ours.md.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata

from generated_files import ROOT, only_check, write_or_check
from packaging.requirements import Requirement

DOCUMENT = ROOT / "docs/reference/licences.md"
TABLE = re.compile(r"(<!-- table of licences -->\n).*?(<!-- end -->)", re.DOTALL)

PERMISSIVE = {
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "ISC",
    "MIT", "MIT-0", "MIT-CMU", "PSF-2.0", "Unlicense", "Zlib",
}  # fmt: skip
AGREED = {
    "BSD-3-Clause-Clear": {"concrete-python"},
    "MPL-2.0": {"certifi", "hypothesis", "pathspec", "tqdm"},
}
"""Others, for these distributions only. MPL-2.0 asks that changes to its own files be published; we change none."""

CORRECTIONS = {
    "concrete-python": "BSD-3-Clause-Clear",  # its metadata says BSD-3-Clause, its LICENSE file "Clear"
    "brevitas": "BSD-3-Clause",
    "interpret-core": "MIT",
    "kubernetes-validate": "Apache-2.0",  # its metadata says "Apache", its LICENSE file the rest
    "matplotlib": "PSF-2.0",
    "numpy": "BSD-3-Clause",
    "scipy": "BSD-3-Clause",
}
"""Where the metadata says nothing that a program can read, or the wrong thing: by the licence file."""

SPELLINGS = {
    "3-clause bsd license": "BSD-3-Clause",
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "bsd 2-clause license": "BSD-2-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "bsd license": "BSD-3-Clause",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
}

PACKAGES = {
    "client": "cryptable-client",
    "server": "cryptable-server",
    "dev": "cryptable",
}


def normalised(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def licence_of(distribution: metadata.Distribution) -> str:
    """As an SPDX expression, empty where nothing says."""
    facts = distribution.metadata
    name = normalised(facts["Name"])
    if name in CORRECTIONS:
        return CORRECTIONS[name]
    stated = facts["License-Expression"]
    if stated:
        return str(stated)
    said = [line.rpartition(" :: ")[2] for line in facts.get_all("Classifier") or [] if line.startswith("License :: ")]
    for text in ((facts["License"] or "").partition("\n")[0].strip(), *said):
        spelled: str = SPELLINGS.get(text.lower(), text)
        if spelled and parts_of(spelled) <= PERMISSIVE | set(AGREED):
            return spelled
    return ""


def parts_of(expression: str) -> set[str]:
    """The licences that an SPDX expression names."""
    return {part.strip(" ()") for part in re.split(r" AND | OR ", expression)}


def is_accepted(name: str, expression: str) -> bool:
    """Whether a distribution may be used: one alternative of each OR must do, every part of an AND."""
    allowed = PERMISSIVE | {licence for licence, names in AGREED.items() if name in names}
    return bool(expression) and any(parts_of(choice) <= allowed for choice in expression.split(" OR "))


def required(names: list[str]) -> dict[str, metadata.Distribution]:
    """What is installed of the closure of some requirements, by normalised name."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    declared = {entry["name"]: entry["requires-dist"] for entry in settings["tool"]["uv"]["dependency-metadata"]}
    found: dict[str, metadata.Distribution] = {}
    waiting = [(Requirement(name), "") for name in names]
    seen = set()
    while waiting:
        requirement, parent_extra = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": parent_extra}):
            continue
        name = normalised(requirement.name)
        for extra in ("", *sorted(requirement.extras)):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            try:
                found[name] = metadata.distribution(requirement.name)
            except metadata.PackageNotFoundError:
                continue  # left out by tools/setup.sh
            lines = declared.get(name) or found[name].requires or ()
            waiting += [(Requirement(line), extra) for line in lines]
    return found


def uses() -> Iterator[tuple[str, str, metadata.Distribution]]:
    """Normalised name, what it comes with, and the distribution; the narrowest use first, once each."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = sorted(metadata.distribution("cryptable").metadata.get_all("Provides-Extra") or [])
    tools = [line for group in settings["dependency-groups"].values() for line in group]
    wanted = [(label, [name]) for label, name in PACKAGES.items()]
    wanted += [(f"dev [{extra}]", [f"cryptable[{extra}]"]) for extra in extras]
    wanted.append(("tools", tools))
    for extra in sorted(metadata.distribution("cryptable-server").metadata.get_all("Provides-Extra") or []):
        wanted.insert(2, (f"server [{extra}]", [f"cryptable-server[{extra}]"]))
    ours = ("client", "engine", "kernel", "protocol", "server")
    seen = {normalised(f"cryptable-{folder}") for folder in ours} | {"cryptable"}
    for label, names in wanted:
        for name, distribution in sorted(required(names).items()):
            if name not in seen:
                seen.add(name)
                yield name, label, distribution


def table(rows: list[tuple[str, str, str]]) -> str:
    """The Markdown table."""
    lines = ["| distribution | licence | comes with |", "|---|---|---|"]
    lines += [f"| {name} | {licence} | {label} |" for name, label, licence in rows]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run the command line."""
    check = only_check(__doc__)
    rows = [(name, label, licence_of(distribution)) for name, label, distribution in uses()]
    refused = [(name, licence) for name, _, licence in rows if not is_accepted(name, licence)]
    for name, licence in refused:
        print(
            f"{name}: its licence is {licence or 'not stated in its metadata'}, which nobody has agreed to; read it, "
            "then add it to tools/generate_licences.py, or do without",
            file=sys.stderr,
        )
    present = DOCUMENT.read_text(encoding="utf-8")
    expected = TABLE.sub(lambda found: found[1] + table(rows) + found[2], present)
    status = write_or_check({DOCUMENT: expected}, check=check, source="the installed distributions")
    return 1 if refused else status


if __name__ == "__main__":
    sys.exit(main())
