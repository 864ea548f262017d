"""What a fresh process has loaded: no torch, no concrete.fhe; concrete-python only once something is compiled."""

from __future__ import annotations

import subprocess
import sys
import textwrap

FORBIDDEN = (
    "torch",
    "sklearn",
    "onnx",
    "concrete.fhe",
    "cryptable_client",
    "cryptable",
    "networkx",
    "scipy",
)


def run(code):
    child = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False, timeout=120
    )
    assert child.returncode == 0, child.stderr
    return child.stdout.split()


def test_importing_the_engine_loads_no_native_compiler():
    loaded = run(
        """
        import sys
        from cryptable_engine.schemes.scheme import all_schemes
        all_schemes()
        print(*sys.modules)
        """
    )
    assert "cryptable_engine.schemes.bootstrapped.evaluator" in loaded
    assert not {"concrete", "concrete.compiler", *FORBIDDEN} & set(loaded)


def test_sums_load_no_native_code(programs):
    directory = programs("linear").directory
    loaded = run(
        f"""
        import sys, numpy as np
        from cryptable_engine import Evaluator, Program
        from cryptable_protocol import EncryptedTensor
        evaluator = Evaluator(Program.load({str(directory)!r}))
        evaluator.evaluate(EncryptedTensor(np.zeros(5, np.uint64), seed=bytes(16)))
        print(*sys.modules)
        """
    )
    assert not {"concrete", "concrete.compiler", *FORBIDDEN} & set(loaded)
