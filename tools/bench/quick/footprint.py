"""What each package costs before it does anything: megabytes of an environment of its own, seconds of its import."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from environments import find_uv

ROOT = Path(__file__).resolve().parents[3]
IMPORTS = {
    "cryptable-protocol": "cryptable_protocol",
    "cryptable-client": "cryptable_client.server.remote_model",
    "cryptable-engine": "cryptable_engine",
    "cryptable-server": "cryptable_server.commands.command_line",
    "cryptable": "cryptable",
}
FOLDERS = {name: name.removeprefix("cryptable-") for name in IMPORTS} | {"cryptable": "dev"}
NEVER = ("networkx", "torch", "z3-solver")
"""What concrete-python declares and we leave out, with scipy where scikit-learn does not need it."""


def measure_footprint() -> list[dict[str, Any]]:
    """One dictionary a package; needs the package index, or uv's cache."""
    uv = find_uv()
    figures = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _run(uv, "build", "--quiet", "--wheel", "--all-packages", "--out-dir", folder / "wheels")
        for package, module in IMPORTS.items():
            left_out = NEVER if package == "cryptable" else (*NEVER, "scipy")
            overrides = folder / "overrides.txt"
            overrides.write_text("".join(f'{each}; sys_platform == "never"\n' for each in left_out))
            environment = folder / package
            _run(uv, "venv", "--quiet", "--no-project", "--python", sys.executable, environment)
            (wheel,) = (folder / "wheels").glob(f"{package.replace('-', '_')}-[0-9]*.whl")
            options = ["--python", environment, "--override", overrides, "--find-links", folder / "wheels"]
            options += ["--constraints", ROOT / "tools/constraints.txt"]
            _run(uv, "pip", "install", "--quiet", "--no-config", *options, wheel)
            (packages,) = environment.glob("lib/python*/site-packages")
            size = sum(path.stat().st_size for path in packages.rglob("*") if path.is_file() and path.suffix != ".pyc")
            python = environment / "bin/python"
            figures.append(
                {
                    "package": package,
                    "installed_mb": size / 1e6,
                    "distributions": len(list(packages.glob("*.dist-info"))),
                    "import_cpu_seconds": _import_seconds(python, module),
                }
            )
    return figures


def _import_seconds(python: Path, module: str) -> float:
    """CPU seconds of a fresh process that imports, less those of one that does nothing; the least of five."""

    def least(line: str) -> float:
        program = f"import time\n{line}\nprint(time.process_time())"
        return min(float(_run(python, "-W", "ignore", "-c", program)) for _ in range(5))

    least(f"import {module}")  # compiles
    return least(f"import {module}") - least("pass")


def _run(*command: object) -> str:
    return subprocess.run(
        [str(part) for part in command], check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ).stdout
