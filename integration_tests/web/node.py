"""Where the browser's client is tested: Node with what `make setup-web` installs, or a reason to skip."""

import functools
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WEB = ROOT / "packages/web"


def unavailable(reason):
    """Skip, but in CI, where nothing is left out."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@functools.cache
def built():
    """Build the client, once."""
    npm("build")


@functools.cache
def what_is_missing():
    if shutil.which("node") is None:
        return "there is no node on the path"
    if not (WEB / "node_modules").is_dir():
        return "packages/web is not set up: run `make setup-web` (Node 20 and npm)"
    return None


def required():
    """Skip where there is nothing to run the client with."""
    if reason := what_is_missing():
        unavailable(reason)


def npm(*arguments, **options):
    """Run npm in packages/web; returns what it prints."""
    required()
    command = ["npm", "--prefix", WEB, "run", "--silent", *arguments]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, **options)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout
