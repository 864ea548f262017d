"""Compiles the kernel into the wheel, by whatever C compiler there is; without one, the wheel is pure Python.

CRYPTABLE_KERNEL_BUILD=off: no library. =required: fail where it cannot be compiled, as releases do.
CRYPTABLE_KERNEL_TARGET=x86_64-linux, ...: compile for that machine, by ziglang, which has to be there (`make wheels`).
CC: the compiler, cc, gcc or clang by default.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FLAGS = ("-O3", "-std=gnu11", "-ffp-contract=fast", "-fvisibility=hidden", "-Wno-psabi")
"""No -ffast-math: sums with a large number round, on purpose."""
X86: dict[str, tuple[str, ...]] = {
    "cpu": (),
    "path_base": (),
    "path_avx2": ("-mavx2", "-mfma"),
    "path_avx512": ("-mavx512f", "-mavx512dq", "-mavx512vl", "-mavx512bw", "-mfma"),
}
OTHERS: dict[str, tuple[str, ...]] = {"cpu": (), "path_base": ()}


class Target(NamedTuple):
    """A machine to compile for: zig's name of it, the wheel's tag, and how its libraries' names end."""

    triple: str
    tag: str
    ending: str


TARGETS = {
    "x86_64-linux": Target("x86_64-linux-gnu.2.17", "manylinux_2_17_x86_64.manylinux2014_x86_64", ".so"),
    "aarch64-linux": Target("aarch64-linux-gnu.2.17", "manylinux_2_17_aarch64.manylinux2014_aarch64", ".so"),
    "x86_64-musl": Target("x86_64-linux-musl", "musllinux_1_2_x86_64", ".so"),
    "aarch64-musl": Target("aarch64-linux-musl", "musllinux_1_2_aarch64", ".so"),
    "x86_64-windows": Target("x86_64-windows-gnu", "win_amd64", ".dll"),
    "aarch64-windows": Target("aarch64-windows-gnu", "win_arm64", ".dll"),
    "x86_64-macos": Target("x86_64-macos.11.0", "macosx_11_0_x86_64", ".dylib"),
    "aarch64-macos": Target("aarch64-macos.11.0", "macosx_11_0_arm64", ".dylib"),
}


class KernelBuildHook(BuildHookInterface):  # type: ignore[misc]
    """Adds the library and its record to a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it writes the wheel; an editable one gets no library."""
        wanted = os.environ.get("CRYPTABLE_KERNEL_BUILD", "")
        if wanted not in ("", "off", "required"):
            raise ValueError(f"CRYPTABLE_KERNEL_BUILD={wanted!r}, expected off or required")
        if wanted == "off" or version == "editable":
            return
        self._work = tempfile.TemporaryDirectory(prefix="cryptable-kernel-")
        try:
            library, tag = self._compile(Path(self._work.name))
        except (OSError, subprocess.CalledProcessError) as error:
            if wanted == "required":
                raise
            self.app.display_warning(f"cryptable-kernel: no library ({error}); NumPy will do its work, more slowly")
            return
        record = library.with_name("_kernel.json")
        digest = hashlib.sha256(library.read_bytes()).hexdigest()
        record.write_text(json.dumps({"library": library.name, "sha256": digest}) + "\n", encoding="utf-8")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{tag}"  # ctypes loads it, whichever Python
        for path in (library, record):
            build_data["force_include"][str(path)] = f"cryptable_kernel/{path.name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Called by hatchling when the wheel is written."""
        if hasattr(self, "_work"):
            self._work.cleanup()

    def _compile(self, work: Path) -> tuple[Path, str]:
        name = os.environ.get("CRYPTABLE_KERNEL_TARGET")
        if name:
            if name not in TARGETS:
                raise ValueError(f"CRYPTABLE_KERNEL_TARGET={name!r}, expected one of {', '.join(TARGETS)}")
            triple, tag, ending = TARGETS[name]
            compiler = [sys.executable, "-m", "ziglang", "cc", "-target", triple]
            machine, windows = triple.partition("-")[0], "windows" in triple
        else:
            compiler = os.environ.get("CC", "").split() or self._found()
            platform = sysconfig.get_platform()
            tag, machine = platform.replace("-", "_").replace(".", "_"), platform
            windows = os.name == "nt"
            ending = ".dll" if windows else ".so"
        is_x86 = any(word in machine for word in ("x86_64", "amd64", "universal2"))
        library = work / f"_kernel{ending}"
        position = [] if windows else ["-fPIC"]
        objects = []
        for source, flags in (X86 if is_x86 else OTHERS).items():
            objects.append(str(work / f"{source}.o"))
            path = str(Path(self.root) / "native" / f"{source}.c")
            subprocess.run([*compiler, *FLAGS, *position, *flags, "-c", path, "-o", objects[-1]], check=True)
        link = ["-shared", *(["-s"] if ending == ".so" else []), *objects, "-o", str(library)]
        subprocess.run([*compiler, *link, *([] if windows else ["-lm"])], check=True)
        return library, tag

    @staticmethod
    def _found() -> list[str]:
        for name in ("cc", "gcc", "clang"):
            if shutil.which(name):
                return [name]
        raise OSError("there is no C compiler on PATH")
