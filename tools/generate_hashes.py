"""Writes tools/hashes.txt: the pins of tools/constraints.txt with the SHA-256 of every file of each release.

python tools/generate_hashes.py           ask the index that uv is configured for, and write the file
python tools/generate_hashes.py --check   exit with 1 where a pin has no hash there, or another version; asks nobody

uv, and pip where it reads the file as requirements, refuse to install what has another hash. No place is recorded.
torch has none: its CPU build comes from elsewhere (docs/decisions/0001-uv-with-constraints-instead-of-a-lock.md).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from generated_files import ROOT, only_check

PINS, HASHES = ROOT / "tools/constraints.txt", ROOT / "tools/hashes.txt"
PIN = re.compile(r"^([a-z0-9][a-z0-9-]*==[\w.+!-]+)", re.MULTILINE)
HASHED = re.compile(r"^([a-z0-9][a-z0-9-]*==[\w.+!-]+)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", re.MULTILINE)


def hashed(pins: Path) -> str:
    """The pins with their hashes, in order.

    Raises:
        CalledProcessError: uv has told why not.
    """
    # uv heeds not what pip is told of certificates: tools/setup.sh passes that on, too.
    certificates = {"SSL_CERT_FILE": os.environ["PIP_CERT"]} if "PIP_CERT" in os.environ else {}
    beside = Path(sys.executable).with_name("uv")
    options = ["--generate-hashes", "--no-deps", "--no-header", "--no-annotate", "--quiet", "--no-config"]
    return subprocess.run(
        [beside if beside.is_file() else "uv", "pip", "compile", *options, pins],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **certificates},
    ).stdout


def differences(pins: str, hashes: str) -> list[str]:
    """Pins without hashes, and hashes of what is not pinned."""
    pinned, found = set(PIN.findall(pins)), {pin for pin, _ in HASHED.findall(hashes)}
    rest = HASHED.sub("", hashes).strip()
    return sorted(pinned ^ found) + ([f"{rest[:80]!r}, which is no hashed pin"] if rest else [])


def main() -> int:
    """Run the command line."""
    if not only_check(__doc__):
        HASHES.write_text(hashed(PINS), encoding="utf-8")
    wrong = differences(PINS.read_text(encoding="utf-8"), HASHES.read_text(encoding="utf-8"))
    if wrong:
        print(f"tools/hashes.txt: {', '.join(wrong)}: run `python tools/generate_hashes.py`", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
