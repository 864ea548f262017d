"""Builds the kernel's wheels for every system from this one, and looks at what is in them: `make wheels`.

python tools/build_wheels.py                      all targets and the source distribution, to dist/
python tools/build_wheels.py --target x86_64-linux aarch64-macos

ziglang (a compiler for all of them, 400 MB) and hatchling are installed into an environment in a temporary folder: none
of the project's own has them. Each wheel must have the tags of its target and one library, of the format and processor
that its tags say; wheels for glibc may need no symbol later than their tag. Nothing is run but what this machine runs:
the wheel for it is installed into an environment of its own, where it has to multiply.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent / "bench"))
from environments import find_uv

ROOT = Path(__file__).resolve().parents[1]
KERNEL = ROOT / "packages/kernel"
PROGRAM = ROOT / "integration_tests/programs/kernel_multiplies.py"
GLIBC = re.compile(rb"GLIBC_(\d+)\.(\d+)")
LATEST_GLIBC = (2, 17)


class Expected(NamedTuple):
    """What a target's wheel has: its platform tags, the library's name, and where in the file its processor is told."""

    tags: str
    library: str
    magic: bytes
    machine_at: int
    machine: bytes


def _elf(machine: int) -> tuple[str, bytes, int, bytes]:
    return "_kernel.so", b"\x7fELF\x02\x01", 18, machine.to_bytes(2, "little")


def _mach_o(machine: int) -> tuple[str, bytes, int, bytes]:
    return "_kernel.dylib", b"\xcf\xfa\xed\xfe", 4, (0x0100_0000 | machine).to_bytes(4, "little")


def _pe(machine: int) -> tuple[str, bytes, int, bytes]:
    return "_kernel.dll", b"MZ", -1, b"PE\0\0" + machine.to_bytes(2, "little")


X86_ELF, ARM_ELF, X86_MACH_O, ARM_MACH_O, X86_PE, ARM_PE = 62, 183, 7, 12, 0x8664, 0xAA64
TARGETS = {
    "x86_64-linux": Expected("manylinux2014_x86_64.manylinux_2_17_x86_64", *_elf(X86_ELF)),
    "aarch64-linux": Expected("manylinux2014_aarch64.manylinux_2_17_aarch64", *_elf(ARM_ELF)),
    "x86_64-musl": Expected("musllinux_1_2_x86_64", *_elf(X86_ELF)),
    "aarch64-musl": Expected("musllinux_1_2_aarch64", *_elf(ARM_ELF)),
    "x86_64-windows": Expected("win_amd64", *_pe(X86_PE)),
    "aarch64-windows": Expected("win_arm64", *_pe(ARM_PE)),
    "x86_64-macos": Expected("macosx_11_0_x86_64", *_mach_o(X86_MACH_O)),
    "aarch64-macos": Expected("macosx_11_0_arm64", *_mach_o(ARM_MACH_O)),
}


def complaints(wheel: Path, expected: Expected) -> list[str]:
    """What is wrong with a wheel."""
    found = []
    tags = wheel.stem.split("-py3-none-")[-1]
    if ".".join(sorted(tags.split("."))) != expected.tags:
        found.append(f"tags {tags}, expected {expected.tags}")
    with zipfile.ZipFile(wheel) as archive:
        files = {Path(name).name: archive.read(name) for name in archive.namelist()}
    libraries = [name for name in files if name.startswith("_kernel.") and name != "_kernel.json"]
    if libraries != [expected.library]:
        return [*found, f"libraries {libraries}, expected {expected.library}"]
    data, record = files[expected.library], json.loads(files["_kernel.json"])
    if record != {"library": expected.library, "sha256": hashlib.sha256(data).hexdigest()}:
        found.append("its record is of another library")
    at = int.from_bytes(data[0x3C:0x40], "little") if expected.machine_at < 0 else expected.machine_at
    if not data.startswith(expected.magic) or data[at : at + len(expected.machine)] != expected.machine:
        found.append("its library is of another format, or for another processor")
    needed = {(int(major), int(minor)) for major, minor in GLIBC.findall(data)}
    if "musl" in expected.tags and needed:
        found.append("its library needs glibc")
    if needed and max(needed) > LATEST_GLIBC:
        found.append(f"its library needs glibc {max(needed)}, later than its tag says")
    wheel_tags = set(re.findall(r"^Tag: py3-none-(\S+)$", files["WHEEL"].decode(), re.MULTILINE))
    if wheel_tags != set(expected.tags.split(".")):
        found.append(f"WHEEL names the tags {sorted(wheel_tags)}")
    return found


def own_target() -> str | None:
    """The target that this machine runs."""
    machine = {"x86_64": "x86_64", "AMD64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}.get(platform.machine())
    system = {
        "Linux": "linux" if platform.libc_ver()[0] == "glibc" else "musl",
        "Windows": "windows",
        "Darwin": "macos",
    }
    return f"{machine}-{system[platform.system()]}" if machine and platform.system() in system else None


def _run(*command: str | Path, **environment: str) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=KERNEL,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{command[0]} failed:\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}")
    return done.stdout


def main() -> int:
    """Build, look, and try; exit status 1 where a wheel is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", nargs="+", choices=list(TARGETS), default=list(TARGETS), help="default: all")
    parser.add_argument("--folder", type=Path, default=ROOT / "dist", help="where wheels go: %(default)s")
    options = parser.parse_args()
    uv, folder, bad = find_uv(), options.folder.resolve(), 0
    with tempfile.TemporaryDirectory() as name:
        python = Path(name, "builder") / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        _run(uv, "venv", "--quiet", "--no-project", "--python", sys.executable, Path(name, "builder"))
        pins = ("--constraints", ROOT / "tools/hashes.txt")
        _run(uv, "pip", "install", "--quiet", "--no-config", "--python", python, *pins, "hatchling", "ziglang")
        _run(python, "-m", "hatchling", "build", "--target", "sdist", "--directory", folder)
        for target in options.target:
            expected = TARGETS[target]
            made = Path(name, target)
            build = (python, "-m", "hatchling", "build", "--target", "wheel", "--directory", made)
            _run(*build, CRYPTABLE_KERNEL_TARGET=target, CRYPTABLE_KERNEL_BUILD="required")
            (wheel,) = made.glob("*.whl")
            wrong = complaints(wheel, expected)
            if target == own_target() and not wrong:
                own = Path(name, "own")
                _run(uv, "venv", "--quiet", "--no-project", "--python", sys.executable, own)
                own = own / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
                _run(uv, "pip", "install", "--quiet", "--no-config", "--python", own, wheel)
                _run(own, PROGRAM, "native")
            bad += bool(wrong)
            print(
                f"{wheel.name}: {wheel.stat().st_size / 1000:.0f} kB, {'; '.join(wrong) or 'as it should be'}"
                f"{', and multiplies here' if target == own_target() and not wrong else ''}",
                flush=True,
            )
            wheel.replace(folder / wheel.name)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
