"""Each path through the kernel that this machine has, and the source for eight lanes in instructions that it has."""

import ctypes
import platform
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from cryptable_kernel import PATHS, Kernel, KernelUnavailable, open_kernel

NATIVE = Path(__file__).parents[1] / "native"


@pytest.fixture(scope="session")
def eight_lanes(tmp_path_factory):
    """The source of the path for AVX-512, compiled for AVX2: its algorithm, though not its instructions."""
    compiler = shutil.which("cc")
    if compiler is None or platform.machine() != "x86_64" or "avx2" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("takes a C compiler and AVX2")
    library = tmp_path_factory.mktemp("eight") / "eight.so"
    flags = ["-O1", "-std=gnu11", "-ffp-contract=fast", "-mavx2", "-mfma", "-Wno-psabi", "-fPIC", "-shared"]
    subprocess.run([compiler, *flags, NATIVE / "path_avx512.c", "-o", library, "-lm"], check=True)
    return Kernel(ctypes.CDLL(str(library)), "avx512")


@pytest.fixture(scope="session", params=[*PATHS, "eight lanes"])
def kernel(request):
    if request.param == "eight lanes":
        return request.getfixturevalue("eight_lanes")
    try:
        return open_kernel(request.param)
    except KernelUnavailable as missing:
        pytest.skip(str(missing))


@pytest.fixture
def random():
    return np.random.default_rng(5)
