"""Writes the bills of materials of the wheels and of the server's image, as CycloneDX 1.6 in JSON.

python tools/generate_sboms.py           write packages/*/sbom.cdx.json and packages/server/deploy/sbom.cdx.json
python tools/generate_sboms.py --check   compare only

A wheel holds none of what it needs, so its bill names the package itself, and what it requires with the versions that
tools/constraints.txt pins: hatchling puts it into the wheel's .dist-info/sboms/ (PEP 770). The image's bill names every
Python package that the Dockerfile installs, found by following requirements, and the base image. Both are the same
whenever they are made: no date, and a serial number that is a digest of the content.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
import uuid
from collections.abc import Iterable
from importlib import metadata
from typing import Any, TypeAlias

from generated_files import ROOT, only_check, write_or_check
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

Bill: TypeAlias = dict[str, Any]

PACKAGES = ("protocol", "kernel", "engine", "client", "server", "dev")
IMAGE = ROOT / "packages/server/deploy/sbom.cdx.json"
DOCKERFILE = ROOT / "packages/server/deploy/Dockerfile"
IN_IMAGE = ("cryptable-protocol", "cryptable-kernel", "cryptable-engine", "cryptable-server")
"""What the Dockerfile installs by name; everything else follows."""
MACHINE = {
    "extra": "",
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": "3.11.14",
    "python_version": "3.11",
    "sys_platform": "linux",
}
"""The image's: markers are judged for it, not for the machine that writes the bill."""
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "sbom.cryptable")
_PIN = re.compile(r"^([a-z0-9][a-z0-9-]*)==([\w.+!-]+)", re.MULTILINE)
_NAME = re.compile(r"^([\w-]+)(?:\[([\w,-]+)\])?$")
_BASE = re.compile(r"^FROM ([\w./-]+):([\w.-]+)@sha256:([0-9a-f]{64})$", re.MULTILINE)


def pins() -> dict[str, str]:
    """Versions by name."""
    return dict(_PIN.findall((ROOT / "tools/constraints.txt").read_text(encoding="utf-8")))


def project(package: str) -> Bill:
    """The `[project]` table of a package's pyproject.toml, with its version."""
    folder = ROOT / "packages" / package
    read = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    source = (folder / read["tool"]["hatch"]["version"]["path"]).read_text(encoding="utf-8")
    (version,) = re.findall(r'^__version__ = "(.+)"$', source, re.MULTILINE)
    table: Bill = read["project"]
    return {**table, "version": version}


def component(name: str, version: str | None, **more: object) -> Bill:
    """A Python package."""
    at = "" if version is None else f"@{version}"
    purl = f"pkg:pypi/{canonicalize_name(name)}{at}"
    found: Bill = {"type": "library", "bom-ref": purl, "name": str(canonicalize_name(name)), "purl": purl}
    return {**found, **({} if version is None else {"version": version}), **more}


def ours(table: Bill) -> Bill:
    """One of the project's own packages."""
    licence = [{"license": {"id": table["license"]}}]
    return component(table["name"], table["version"], description=table["description"], licenses=licence)


def bill(main: Bill, components: Iterable[Bill], edges: dict[str, Iterable[str]]) -> str:
    """The file's text."""
    listed = sorted(components, key=lambda each: each["bom-ref"])
    content: Bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": main,
            "tools": {"components": [{"type": "application", "name": "tools/generate_sboms.py"}]},
        },
        "components": listed,
        "dependencies": [{"ref": ref, "dependsOn": sorted(set(needed))} for ref, needed in sorted(edges.items())],
    }
    digest = uuid.uuid5(NAMESPACE, json.dumps(content, sort_keys=True))
    return json.dumps({**content, "serialNumber": f"urn:uuid:{digest}"}, indent=1, ensure_ascii=False) + "\n"


def of_wheel(package: str, versions: dict[str, str]) -> str:
    """What one of our wheels requires itself: always, or with an extra."""
    table = project(package)
    own = {project(each)["name"]: project(each)["version"] for each in PACKAGES}
    main, found = ours(table), dict[str, Bill]()
    required = [(line, "") for line in table["dependencies"]]
    required += [(line, extra) for extra, lines in table.get("optional-dependencies", {}).items() for line in lines]
    for line, extra in required:
        wanted = Requirement(line)
        name = str(canonicalize_name(wanted.name))
        if name == main["name"]:  # an extra that is made of others
            continue
        version = own.get(name) or versions.get(name)
        facts = [("cryptable:requires", line), *([("cryptable:extra", extra)] if extra else [])]
        properties = [{"name": fact, "value": value} for fact, value in facts]
        made = component(name, version, scope="optional" if extra else "required", properties=properties)
        before = found.get(made["bom-ref"])
        if before is None:
            found[made["bom-ref"]] = made
        else:
            before["properties"] += properties
    return bill(main, found.values(), {main["bom-ref"]: found, **dict.fromkeys(found, ())})


def of_image(versions: dict[str, str]) -> str:
    """All Python packages of the image, with who needs whom."""
    tables = {project(package)["name"]: project(package) for package in PACKAGES}
    left_out = {
        str(canonicalize_name(Requirement(line).name))
        for line in (ROOT / "packages/engine/overrides.txt").read_text(encoding="utf-8").splitlines()
        if line.endswith('"never"')
    }
    found, edges, seen = dict[str, Bill](), dict[str, set[str]](), set[tuple[str, str]]()

    def add(name: str, extras: Iterable[str]) -> str:
        made = ours(tables[name]) if name in tables else component(name, versions[name])
        ref = str(made["bom-ref"])
        found.setdefault(ref, made)
        needed = edges.setdefault(ref, set())
        for extra in ("", *extras):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            for line in requirements(name, extra, tables):
                wanted = Requirement(line)
                other = str(canonicalize_name(wanted.name))
                if other not in left_out and (
                    wanted.marker is None or wanted.marker.evaluate({**MACHINE, "extra": extra})
                ):
                    needed.add(add(other, sorted(wanted.extras)))
        return ref

    direct = []
    for each in IN_IMAGE:
        match = _NAME.fullmatch(each)
        if match is None:
            raise ValueError(f"{each} is no name with extras")
        direct.append(add(match[1], (match[2] or "").split(",") if match[2] else ()))
    (base,) = _BASE.findall(DOCKERFILE.read_text(encoding="utf-8"))
    image, tag, digest = base
    purl = f"pkg:docker/{image}@sha256:{digest}?tag={tag}"
    found[purl] = {"type": "container", "bom-ref": purl, "name": image, "version": tag, "purl": purl}
    main = {
        "type": "container",
        "bom-ref": "cryptable-server-image",
        "name": "cryptable-server",
        "version": tables["cryptable-server"]["version"],
        "licenses": [{"license": {"id": "Apache-2.0"}}],
    }
    return bill(main, found.values(), {**edges, "cryptable-server-image": [*direct, purl], purl: ()})


def requirements(name: str, extra: str, tables: dict[str, Bill]) -> list[str]:
    """Lines of what a package requires: without an extra, or what the extra adds."""
    if name in tables:
        table = tables[name]
        lines: list[str] = table["dependencies"] if not extra else table["optional-dependencies"][extra]
        return lines
    try:
        everything = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        # concrete-python declares some that the workspace does without (pyproject.toml) and the image does not; a test
        # compares the bill with what uv would install there.
        return []
    if not extra:
        return [line for line in everything if "extra ==" not in line]
    return [line for line in everything if "extra ==" in line]


def main() -> int:
    """Run the command line."""
    check = only_check(__doc__)
    versions = pins()
    expected = {ROOT / "packages" / each / "sbom.cdx.json": of_wheel(each, versions) for each in PACKAGES}
    expected[IMAGE] = of_image(versions)
    return write_or_check(expected, check=check, source="pyproject.toml, constraints and the Dockerfile")


if __name__ == "__main__":
    sys.exit(main())
