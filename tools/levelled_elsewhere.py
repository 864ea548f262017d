"""Trees are served where concrete-python is not: in environments of their own, with NumPy 2, on other Pythons.

    python tools/levelled_elsewhere.py                    the newest Python on this machine, and this one
    python tools/levelled_elsewhere.py --python PATH ...   these

For each, pip installs the six packages, the extra `xgboost` and the newest NumPy into an environment in a temporary
folder; no concrete-python may come with them. Then integration_tests/programs/levelled_serves.py trains, compiles,
serves and predicts there.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = ROOT / "integration_tests/programs/levelled_serves.py"
PACKAGES = ("protocol", "kernel", "client", "engine", "server", "dev[xgboost]")
FORBIDDEN = ("concrete-python", "pycapnp", "torch")
OLDEST, NEWEST = 11, 20
"""Minor versions of Python 3 that are looked for: the developer's package needs the first."""


def pythons() -> Iterator[str]:
    """Interpreters of this machine, newest first: on the path, and pyenv's."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for minor in range(NEWEST, OLDEST - 1, -1):
        places = [str(place) for place in sorted(versions.glob(f"3.{minor}.*/bin/python"), reverse=True)]
        for place in (*places, shutil.which(f"python3.{minor}")):
            if place is None:
                continue
            asked = subprocess.run([place, "--version"], capture_output=True, text=True, check=False)
            if asked.returncode == 0 and asked.stdout.startswith(f"Python 3.{minor}."):
                yield place
                break


def serve_in(python: str, folder: Path) -> str:
    """Make the environment and run the program in it; what it printed, and how much was installed.

    Raises:
        RuntimeError: something failed, or what is forbidden was installed; says what.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment["HOME"] = str(folder / "home")
    (folder / "home").mkdir()

    def run(*command: str | Path) -> str:
        done = subprocess.run(
            [str(part) for part in command], capture_output=True, text=True, check=False, cwd=folder, env=environment
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed:\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}")
        return done.stdout.strip()

    run(python, "-m", "venv", folder / "venv")
    own = folder / "venv/bin/python"
    sources = [f"{ROOT / 'packages'}/{name}" for name in PACKAGES]
    run(own, "-m", "pip", "install", "--quiet", "numpy>=2", *sources)
    installed = run(own, "-m", "pip", "list", "--format", "freeze").splitlines()
    names = {line.partition("==")[0].lower() for line in installed}
    if found := names.intersection(FORBIDDEN):
        raise RuntimeError(f"{', '.join(sorted(found))} came along")
    return f"{run(own, '-W', 'ignore', PROGRAM)}; {len(installed)} distributions, none of {', '.join(FORBIDDEN)}"


def main() -> int:
    """Try each; exit status 1 where one fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", nargs="+", metavar="PATH", help="interpreters, of Python 3.11 or later")
    chosen = parser.parse_args().python
    if not chosen:
        newest = next(pythons(), sys.executable)
        chosen = [newest, sys.executable]
    failed = 0
    for python in chosen:
        with tempfile.TemporaryDirectory() as name:
            try:
                print(serve_in(python, Path(name)), flush=True)
            except RuntimeError as error:
                failed += 1
                print(f"{python}: {error}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
