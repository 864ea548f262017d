"""What the client costs an end user: size of an installation from nothing, import time, memory of a whole use.

Builds the wheels of protocol and client, installs them into an empty environment, and measures there. Prints figures
against their bars; the exit status is 1 where one is missed. The memory of a client that talks to a server is measured
by main_job.py.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from environments import find_uv

ROOT = Path(__file__).resolve().parents[2]
OURS = ("cryptable_client", "cryptable_protocol")
IMPORTS = (
    "import cryptable_client",
    "from cryptable_client import connect",
    "import cryptable_client.server.remote_model",
)
NO_GRPC = """
import sys
from cryptable_client import SecretKeys, connect, decrypt, encrypt, spool
print(int("grpc" in sys.modules))
"""
WHOLE_USE = """
import json, sys, time
from pathlib import Path
import numpy as np
from cryptable_client import SecretKeys, decrypt, encrypt, spool
from cryptable_protocol import (
    AffineEncoder, BootstrapKeyParameters, CiphertextType, ClientSpec, Decoder, KeysetParameters,
    KeyswitchKeyParameters, Link, SecretKeyParameters,
)
import cryptable_client.server.remote_model
if len(sys.argv) > 1:
    spec = ClientSpec.from_bytes(Path(sys.argv[1]).read_bytes())
else:  # the demo model's parameters: tables of four bits
    keyset = KeysetParameters(
        (SecretKeyParameters(0, 2048), SecretKeyParameters(1, 771)),
        (BootstrapKeyParameters(0, 1, 0, 2, 15, 1, 2048, 9e-31),),
        (KeyswitchKeyParameters(0, 0, 1, 5, 3, 5e-11),),
    )
    spec = ClientSpec(
        "demo", tuple(AffineEncoder(f"x{i}", 0.0, 1.0, 2) for i in range(100)), keyset,
        CiphertextType(100, 0, 4, 9e-31), CiphertextType(100, 0, 4, 0.0),
        Decoder(Link.IDENTITY, (0,) * 100, 1.0, (0.0,) * 100), 2.0**-40,
    )
def peak_mb():  # getrusage would start with the peak of the parent process
    try:
        line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024 / 1e6
    except OSError:
        import resource
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e6 / 1024)
cpu = time.process_time()
with SecretKeys.generate(spec) as secret_keys, spool(secret_keys) as spooled:
    keygen = time.process_time() - cpu
    cpu = time.process_time()
    for _ in range(20):
        tensor = encrypt(spec, secret_keys, np.ones(spec.input.size, np.int64))
    encryption = time.process_time() - cpu
    if spec.output.size == spec.input.size:
        decrypt(spec, secret_keys, tensor)
print(json.dumps({
    "keygen_cpu_s": keygen,
    "evaluation_keys_bytes": spooled.header.size,
    "row_bytes": len(tensor.to_bytes()),
    "encrypt_1000_cpu_s": encryption / 20 / spec.input.size * 1000,
    "peak_mb": peak_mb(),
}))
"""


BARS = {
    "installed_mb": 100,
    "ours_mb": 1,
    "import_cpu_s": 0.3,
    "grpc_imported": 0,
    "encrypt_1000_cpu_s": 0.1,
    "row_bytes": 2500,
    "peak_mb": 150,
}
"""The most that is accepted."""


def run(*command: object) -> str:
    """Standard output of a command that must succeed."""
    done = subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    return done.stdout


def size_of(folder: Path) -> int:
    """Bytes of all files under a folder, compiled Python left out."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")


def import_seconds(python: Path, statement: str) -> float:
    """CPU seconds of a fresh process that imports, less those of one that does nothing; the least of five."""
    program = "import time\n{}\nprint(time.process_time())"

    def least(line: str) -> float:
        return min(float(run(python, "-c", program.format(line))) for _ in range(5))

    least(statement)  # compiles
    return least(statement) - least("pass")


def main() -> int:
    """Print the figures, and which of their bars they meet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spec", type=Path, help="file with a ClientSpec to use; by default the demo model's like")
    parser.add_argument("--python", default=sys.executable, help="interpreter, or version, to make the environment of")
    parser.add_argument("--json", action="store_true", help="print all figures as JSON")
    options = parser.parse_args()
    uv = find_uv()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for package in ("protocol", "client"):
            run(uv, "build", "--quiet", "--wheel", "--out-dir", folder / "wheels", ROOT / "packages" / package)
        run(uv, "venv", "--quiet", "--no-project", "--python", options.python, folder / "venv")
        python = folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
        run(uv, "pip", "install", "--quiet", "--python", python, *(folder / "wheels").glob("*.whl"))
        packages = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
        figures = {
            "installed_mb": size_of(packages) / 1e6,
            "ours_mb": sum(size_of(packages / name) for name in OURS) / 1e6,
            "installed": {
                child.name: round(size_of(child) / 1e6, 2)
                for child in sorted(packages.iterdir())
                if child.is_dir() and size_of(child) > 100_000
            },
            "import_cpu_s": import_seconds(python, IMPORTS[0]),
            "imports": {statement: round(import_seconds(python, statement), 3) for statement in IMPORTS[1:]},
            "grpc_imported": int(run(python, "-c", NO_GRPC)),
            **json.loads(run(python, "-c", WHOLE_USE, *([options.spec.resolve()] if options.spec else []))),
        }
    missed = [name for name, bar in BARS.items() if figures[name] > bar]
    if options.json:
        print(json.dumps(figures, indent=1))
    else:
        for name, bar in BARS.items():
            print(f"{name:<20} {figures[name]:>10.4g}   at most {bar:<6g} {'MISSED' if name in missed else 'met'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
