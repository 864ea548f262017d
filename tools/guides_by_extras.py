"""Runs the code of the guides about networks where nothing is installed but our wheels and the extra that each names.

    python tools/guides_by_extras.py [--only neural] [--keep FOLDER]

Wheels are built from this tree, and each extra gets an environment of its own: what else guides need, they must say.
torch is the CPU build that `make setup` takes. Exit status 1 where a chapter fails. It takes minutes and 2 GB of
disk; `make guides` runs it.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "bench"))
from environments import find_uv

ROOT = Path(__file__).resolve().parents[1]
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CHAPTER = re.compile(r"^## ", re.MULTILINE)
PACKAGES = ("protocol", "kernel", "engine", "client", "server", "dev")


@dataclass(frozen=True)
class Part:
    """A chapter of a guide, or all of it where no chapter is named, and the extras that it tells readers to install."""

    page: str
    chapter: str
    extras: str

    @property
    def code(self) -> str:
        """Its blocks, one after the other."""
        text = (ROOT / self.page).read_text(encoding="utf-8")
        chapters = [text] if not self.chapter else [c for c in CHAPTER.split(text) if c.startswith(self.chapter)]
        blocks = [block for chapter in chapters for block in FENCE.findall(chapter)]
        if not blocks:
            raise SystemExit(f"{self.page} has no chapter {self.chapter!r} with code: mend PARTS")
        for extra in self.extras.split(","):
            if f"cryptable[{extra}]" not in text and f"extra `{extra}`" not in text:
                raise SystemExit(f"{self.page} does not tell readers to install cryptable[{extra}]")
        return "\n".join(blocks)


CONVERTING, NETWORKS = "docs/guides/converting.md", "docs/guides/networks.md"
PARTS = (
    Part(CONVERTING, "hummingbird", "hummingbird"),
    Part(CONVERTING, "skorch", "neural"),
    Part(CONVERTING, "Brevitas", "neural"),
    Part(NETWORKS, "Models that hummingbird", "hummingbird"),
    Part(NETWORKS, "Networks trained", "neural"),
    Part(NETWORKS, "Networks of squares", "neural,squares"),
)


def installing() -> tuple[dict[str, str], list[str]]:
    """The environment of uv, and its options that make torch a CPU build, as tools/setup.sh has them."""
    environment = dict(os.environ)
    links = os.environ.get("PIP_FIND_LINKS", "")
    if links and "UV_FIND_LINKS" not in environment:
        environment["UV_FIND_LINKS"] = ",".join(links.split())
    exact = version("torch")
    places = [Path(place) for place in environment.get("UV_FIND_LINKS", "").split(",") if place]
    if any(list(place.glob(f"torch-{exact}-*.whl")) for place in places):
        return environment, [f"torch=={exact}"]
    return environment, ["--torch-backend=cpu"]


def build_wheels(folder: Path) -> dict[str, Path]:
    """Package folder name → path of its wheel, of this tree."""
    command = [find_uv(), "build", "--quiet", "--all-packages", "--wheel", "--out-dir", str(folder)]
    subprocess.run(command, check=True, cwd=ROOT)
    names = {package: f"cryptable{'' if package == 'dev' else '_' + package}" for package in PACKAGES}
    return {package: next(folder.glob(f"{name}-*.whl")) for package, name in names.items()}


def make_environment(folder: Path, extras: str, wheels: dict[str, Path], *, torch: bool = True) -> Path:
    """The interpreter of a fresh environment with `cryptable[extras]`, and torch where they need it."""
    uv = find_uv()
    if not (folder / "bin/python").exists():
        subprocess.run([uv, "venv", "--quiet", "--no-config", "--python", sys.executable, str(folder)], check=True)
    python = folder / "bin/python"
    ours = [str(wheel) for package, wheel in wheels.items() if package != "dev"]
    environment, build = installing()
    command = [uv, "pip", "install", "--quiet", "--no-config", "--python", str(python)]
    command += ["--reinstall-package=" + wheel.name.split("-")[0] for wheel in wheels.values()]
    command += [f"cryptable[{extras}] @ {wheels['dev'].as_uri()}", *ours, *(build if torch else [])]
    subprocess.run(command, check=True, env=environment, cwd=folder)
    return python


def main() -> int:
    """Print a line a chapter."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="TEXT", help="chapters whose page, name or extras hold TEXT")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="environments stay there, and are brought up to date"
    )
    arguments = parser.parse_args()
    chosen = [part for part in PARTS if arguments.only in f"{part.page} {part.chapter} {part.extras}"]
    failed = False
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.keep or Path(temporary)).resolve()
        wheels = build_wheels(Path(temporary) / "wheels")
        environments = {extras: folder / extras for extras in sorted({part.extras for part in chosen})}
        pythons = {extras: make_environment(place, extras, wheels) for extras, place in environments.items()}
        for part in chosen:
            python = pythons[part.extras]
            began = time.monotonic()
            with tempfile.TemporaryDirectory() as place:
                # Neither our sources nor the user's own packages are on the path.
                clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
                done = subprocess.run(
                    [python, "-I", "-c", part.code], cwd=place, env=clean, capture_output=True, text=True, timeout=1800
                )
            state = "runs" if done.returncode == 0 else "FAILS"
            print(
                f"{part.page}, {part.chapter!r}, with cryptable[{part.extras}] alone: {state}, "
                f"{time.monotonic() - began:.0f} s",
                flush=True,
            )
            if done.returncode:
                failed = True
                print(done.stderr[-3000:], flush=True)
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
