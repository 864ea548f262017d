"""Findings: what the `doctor` of each command line has looked at, what it found, and what to do about it."""

from __future__ import annotations

import json
import os
import platform
import socket
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

Severity = Literal["good", "warning", "bad"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: `bad` keeps something from working, a `warning` makes it slow or surprising."""

    what: str
    found: str
    severity: Severity = "good"
    advice: str = ""


def exit_status(findings: Iterable[Finding]) -> int:
    """1 where something is bad, else 0."""
    return int(any(finding.severity == "bad" for finding in findings))


def to_json(findings: Iterable[Finding]) -> str:
    """For scripts: a list of objects."""
    return json.dumps([asdict(finding) for finding in findings], indent=1)


def from_json(text: str) -> list[Finding]:
    """What `to_json` made, in another process of ours."""
    return [Finding(**entry) for entry in json.loads(text)]


def to_lines(findings: Sequence[Finding]) -> list[str]:
    """For people: one line for each, another for what to do."""
    width = max((len(finding.what) for finding in findings), default=0)
    lines = []
    for finding in findings:
        lines.append(f"{finding.severity:<8} {finding.what:<{width}}  {finding.found}")
        if finding.advice:
            lines.append(f"{'':<8} {'':<{width}}  → {finding.advice}")
    return lines


def python_finding(lowest: tuple[int, int], highest: tuple[int, int] | None) -> Finding:
    """Whether this Python is one that a package runs on; without `highest`, every later one is."""
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info[:2] >= lowest and (highest is None or sys.version_info[:2] <= highest):
        return Finding("Python", found)
    wanted = f"{lowest[0]}.{lowest[1]}" + (" or later" if highest is None else f" to {highest[0]}.{highest[1]}")
    return Finding("Python", found, "bad", f"install Python {wanted}, and this package into an environment of it")


def package_findings(names: Sequence[str], *, ours: Sequence[str]) -> list[Finding]:
    """Versions of distributions, those that are installed; all of `ours` must be, in one version."""
    versions = {name: version for name in (*ours, *names) if (version := installed_version(name)) is not None}
    told = {name: versions[name] for name in ours if name in versions}
    found = []
    absent = [name for name in ours if name not in versions]
    if absent or len(set(told.values())) > 1:
        shown = ", ".join(f"{name} {told.get(name, 'missing')}" for name in ours)
        found.append(Finding("Cryptable", shown, "bad", "install all of them in the same version"))
    else:
        found.append(Finding("Cryptable", f"{', '.join(ours)} {told[ours[0]]}"))
    others = [f"{name} {version}" for name, version in versions.items() if name not in ours]
    found.append(Finding("libraries", ", ".join(others)))
    return found


def installed_version(name: str) -> str | None:
    """Of a distribution, None where it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def port_finding(address: str) -> Finding:
    """Whether a server can listen on "host:port"."""
    host, _, port = address.rpartition(":")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host.strip("[]"), int(port)))
    except (OSError, ValueError, OverflowError) as error:
        advice = "stop what listens there, or choose another with --address (port 0: any that is free)"
        return Finding("address", f"{address} cannot be listened on: {error}", "warning", advice)
    return Finding("address", f"{address} is free")


def folder_finding(what: str, folder: Path) -> Finding:
    """Whether files can be written to a folder, or it can be made."""
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
        return Finding(what, f"{folder} can be written to")
    return Finding(
        what, f"{folder} cannot be written to", "bad", f"mend the permissions of {existing}, or name another"
    )
