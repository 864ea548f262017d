"""Runs the demo, and networks of both kinds, from wheels alone: with the kernel, without, damaged, of another machine.

    python tools/demo_from_wheels.py [--keep FOLDER]

Wheels are built from this tree; the environment has `cryptable[demo]` and what that asks for: no concrete-python, no
torch. Programs find no compiler, since nothing but the environment is on their path. Each run trains trees and
networks of two kinds, and ends with 0 where encrypted rows equal the circuit's in the clear. Minutes, 1 GB.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from guides_by_extras import build_wheels, make_environment

DEMO = "from cryptable.__main__ import main; main(['demo', '--rows', '2'])"
NETWORKS = """
import sys, warnings
import cryptable as ct
from sklearn.datasets import load_iris
from sklearn.neural_network import MLPClassifier
X, y = load_iris(return_X_y=True)
warnings.simplefilter("ignore")  # of sklearn's: it has not converged
for layers, scheme in ((6,), "levelled"), ((5, 4), "bootstrapped"):
    network = MLPClassifier(hidden_layer_sizes=layers, max_iter=300, random_state=0).fit(X, y)
    model = ct.compile(network, X, scheme=scheme, rounding="exact", show_progress=False)
    rows = X[::50]
    if (model.predict(rows, mode="encrypted") != model.predict(rows)).any():
        sys.exit(f"a network by the scheme {scheme}: encrypted rows have other labels")
missing = [name for name in ("concrete", "torch") if name in sys.modules]
sys.exit(f"{missing} was imported" if missing else 0)
"""
OTHER_MACHINE = 183
"""AArch64's number in an ELF header, where x86-64 has 62."""


def damage(library: Path) -> None:
    """Bytes in the middle are others."""
    content = bytearray(library.read_bytes())
    content[len(content) // 2] ^= 0xFF
    library.write_bytes(content)


def make_foreign(library: Path) -> None:
    """The header says that it is of another machine."""
    content = bytearray(library.read_bytes())
    content[18:20] = OTHER_MACHINE.to_bytes(2, "little")
    library.write_bytes(content)


def take_away(library: Path) -> None:
    """As a wheel without a library."""
    library.unlink()
    library.with_name("_kernel.json").unlink()


STATES = {"as installed": None, "damaged": damage, "of another machine": make_foreign, "taken away": take_away}


def run(python: Path, code: str) -> tuple[str, float, str]:
    """Its state, seconds, and what went wrong."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        environment = {"PATH": str(python.parent), "HOME": place, "TMPDIR": place}
        done = subprocess.run(
            [python, "-I", "-c", code], cwd=place, env=environment, capture_output=True, text=True, timeout=900
        )
    return ("runs" if done.returncode == 0 else "FAILS"), time.monotonic() - began, done.stderr[-2000:]


def main() -> int:
    """Print a line a state of the kernel and a program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="the environment stays there")
    arguments = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as temporary:
        wheels = build_wheels(Path(temporary) / "wheels")
        folder = (arguments.keep or Path(temporary)).resolve() / "demo"
        python = make_environment(folder, "demo", wheels, torch=False)
        (library,) = folder.glob("lib/python*/site-packages/cryptable_kernel/_kernel.so")
        kept = {path: path.read_bytes() for path in (library, library.with_name("_kernel.json"))}
        if shutil.which("cc", path=str(python.parent)):
            raise SystemExit("the environment has a compiler")
        for state, change in STATES.items():
            for path, content in kept.items():
                path.write_bytes(content)
            if change is not None:
                change(library)
            for name, code in ("demo", DEMO), ("networks", NETWORKS):
                verdict, seconds, told = run(python, code)
                print(f"kernel {state}: {name} {verdict}, {seconds:.0f} s", flush=True)
                if verdict == "FAILS":
                    failed = True
                    print(told, flush=True)
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
