"""Whether this machine can compile and evaluate: for `doctor`, and as a process of its own.

What loads Concrete runs in child processes, so that nothing that is wrong with it can end whoever asks.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from cryptable_protocol import CompileOptions, CryptableError, EncryptedTensor
from cryptable_protocol.findings import Finding, installed_version, python_finding, to_json
from cryptable_protocol.schemes.bootstrapped.mask_stream import SEED_BYTES
from cryptable_protocol.schemes.ring_tensor import RingTensor
from cryptable_protocol.schemes.scheme import LEVELLED

from cryptable_engine.circuit.circuit import Circuit, GroupKind, Input, InputGroup, Linear, Lookup, Product, Term
from cryptable_engine.kernel import VARIABLE, kernel_state
from cryptable_engine.programs import Evaluator, compile_circuit
from cryptable_engine.schemes.threads import usable_cores

_LEAST_MEMORY_GB = 2.0
_CPU_FLAGS = ("aes", "avx2", "avx512f", "fma")


def check_machine() -> list[Finding]:
    """All findings; takes some seconds, for the last really compiles and evaluates."""
    return [
        python_finding((3, 10), None),
        *_concretes(),
        _cpu(),
        _cores(),
        _memory(),
        _kernel(),
        _multiplies_bits(),
        _looks_up(),
    ]


def _concretes() -> list[Finding]:
    """Of concrete-python, where it is installed."""
    if installed_version("concrete-python") is None:
        found = "not installed: artifacts of earlier versions with several keys of a kind are refused"
        return [Finding("concrete-python", found)]
    return [_concrete(), _setuptools(), _linker(), _environment_path(), _compiles_and_evaluates()]


def _concrete() -> Finding:
    version = installed_version("concrete-python") or "missing"
    command = [sys.executable, "-W", "ignore", "-c", "import concrete.compiler"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        return Finding("concrete-python", f"{version} does not load: {said}", "bad", "install it again")
    return Finding("concrete-python", version)


def _setuptools() -> Finding:
    version = installed_version("setuptools")
    if version is None or int(version.partition(".")[0]) > 80:
        advice = "pip install 'setuptools<81': concrete-python imports pkg_resources, which 81 removed"
        return Finding("setuptools", version or "missing", "bad", advice)
    return Finding("setuptools", version)


def _cpu() -> Finding:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return Finding("CPU", "unknown: there is no /proc/cpuinfo")
    facts = dict(line.replace("\t", "").partition(":")[::2] for line in reversed(lines) if ":" in line)
    flags = set(facts.get("flags", "").split())
    has = [flag for flag in _CPU_FLAGS if flag in flags]
    model = facts.get("model name", "").strip() or "unknown model"
    found = f"{model} ({' '.join(has) or 'none of ' + ' '.join(_CPU_FLAGS)})"
    if "avx2" not in flags:
        return Finding("CPU", found, "warning", "without AVX2 evaluation is several times slower: use another machine")
    return Finding("CPU", found)


def _kernel() -> Finding:
    """Which path evaluates levelled models, and lookups."""
    try:
        state = kernel_state()
    except CryptableError as error:
        return Finding("kernel", str(error), "bad", f"unset {VARIABLE}, or set it to auto or off")
    if state.kernel is not None:
        return Finding("kernel", f"models are evaluated by the kernel's path {state.path}")
    found = f"models are evaluated by NumPy, five to ten times more slowly: {state.reason}"
    advice = f"install cryptable-kernel from a wheel for this machine, or with a C compiler; or set {VARIABLE}=auto"
    return Finding("kernel", found, "warning", advice)


def _cores() -> Finding:
    cores = usable_cores()
    found = f"{cores} cores"
    quota = _cgroup_number("cpu.max")
    if quota is not None and quota < cores:
        advice = "start servers with --threads-per-worker of the share, or raise the container's limit"
        return Finding("cores", f"{found}, of which this container gets {quota:g}", "warning", advice)
    limit = os.environ.get("OMP_NUM_THREADS")
    if limit:
        return Finding("cores", f"{found}; OMP_NUM_THREADS={limit}", "warning", "unset it, to let evaluation use all")
    return Finding("cores", found)


def _cgroup_number(name: str) -> float | None:
    """Of a version 2 control group: cores from "quota period", or bytes; None where there is no limit."""
    try:
        words = (Path("/sys/fs/cgroup") / name).read_text(encoding="utf-8").split()
        return float(words[0]) / (float(words[1]) if len(words) > 1 else 1.0)
    except (OSError, ValueError, IndexError):
        return None


def _memory() -> Finding:
    try:
        text = Path("/proc/meminfo").read_text(encoding="utf-8")
        available = next(int(line.split()[1]) for line in text.splitlines() if line.startswith("MemAvailable")) * 1024
    except (OSError, StopIteration, ValueError):
        return Finding("memory", "unknown: there is no /proc/meminfo")
    limit, used = _cgroup_number("memory.max"), _cgroup_number("memory.current")
    if limit is not None:
        available = min(available, int(limit - (used or 0.0)))
    found = f"{available / 1e9:.1f} GB available"
    if available < _LEAST_MEMORY_GB * 1e9:
        return Finding(
            "memory", found, "warning", "a worker takes about 1 GB, and loaded keys up to 5 times their size"
        )
    return Finding("memory", found)


def _linker() -> Finding:
    place = shutil.which("ld")
    if place is None:
        advice = "install binutils (Debian: apt-get install binutils; macOS: xcode-select --install)"
        return Finding("linker", "there is no ld on PATH", "bad", advice)
    return Finding("linker", place)


def _environment_path() -> Finding:
    if " " in sys.prefix:
        advice = "move the environment: Concrete hands its path to a shell when it links"
        return Finding("environment", f"{sys.prefix} has a space in it", "bad", advice)
    return Finding("environment", sys.prefix)


def _evaluate_a_lookup(*, native: bool) -> None:
    """Compile one, by Concrete (`native`) or without it, and evaluate it as it would be in this process."""
    circuit = Circuit(
        (
            Input((InputGroup(GroupKind.THERMOMETER, 2),)),
            Linear((Term.from_dense(0, [[1], [1]]),), np.array([0])),
            Lookup(1, np.array([[1, 3, 2, 0]]), np.array([0])),
            Linear((Term.from_dense(2, [[1]]),), np.array([0])),
        ),
        output=3,
    )
    with tempfile.TemporaryDirectory(prefix="cryptable-doctor-") as folder:
        program = compile_circuit(circuit, CompileOptions(), Path(folder) / "program", native=native)
        evaluator = Evaluator(program)
        keys = evaluator.load_keys(bytes(program.keyset.evaluation_keys_bytes))
        evaluator.evaluate(EncryptedTensor(np.zeros(program.input.size, np.uint64), seed=bytes(SEED_BYTES)), keys)


def _looks_up() -> Finding:
    try:
        _evaluate_a_lookup(native=False)
    except (CryptableError, OSError) as error:
        return Finding("scheme bootstrapped", f"fails: {error}", "bad", "install numpy and cryptography again")
    return Finding("scheme bootstrapped", f"a lookup is compiled, and evaluated by {kernel_state().path}")


def _compiles_and_evaluates() -> Finding:
    try:
        _evaluate_a_lookup(native=True)
    except (CryptableError, OSError) as error:
        return Finding("compiling", f"fails: {error}", "bad", "mend what is bad above; if nothing is, report it")
    return Finding("compiling", "Concrete compiles a circuit with a lookup, which is evaluated")


def _multiplies_bits() -> Finding:
    circuit = Circuit(
        (
            Input((InputGroup(GroupKind.THERMOMETER, 2), InputGroup(GroupKind.THERMOMETER, 1))),
            Linear((Term.from_dense(0, [[1], [2], [0]]),), np.array([1])),
            Product(1, np.array([2]), 1),
            Linear((Term.from_dense(2, [[1]]),), np.array([0])),
        ),
        output=3,
    )
    try:
        with tempfile.TemporaryDirectory(prefix="cryptable-doctor-") as folder:
            program = compile_circuit(circuit, CompileOptions(scheme=LEVELLED), Path(folder) / "program")
            evaluator = Evaluator(program)
            keys = evaluator.load_keys(bytes(program.parameters.keyset.evaluation_keys_bytes))
            evaluator.evaluate_row(RingTensor(bytes(program.parameters.row_bytes), bytes(SEED_BYTES)).to_bytes(), keys)
    except (CryptableError, OSError) as error:
        return Finding("scheme levelled", f"fails: {error}", "bad", "install numpy and cryptography again")
    return Finding("scheme levelled", f"a product of bits is compiled, and evaluated by {kernel_state().path}")


if __name__ == "__main__":
    sys.stdout.write(to_json(check_machine()) + "\n")
