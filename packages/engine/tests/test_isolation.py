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


def test_lookups_are_compiled_and_evaluated_where_concrete_python_is_not(programs):
    """Of several levels, too; what needs several keys of a kind says what it needs."""
    directories = {name: str(programs(name).directory) for name in ("shared", "chain")}
    done = run(
        f"""
        import sys, tempfile, numpy as np
        sys.modules["concrete"] = sys.modules["capnp"] = None
        from cryptable_engine import (
            Circuit, Evaluator, GroupKind, Input, InputGroup, Linear, Lookup, Program, SchemeUnavailableError, Term,
            compile_circuit,
        )
        from cryptable_protocol import CompileOptions, EncryptedTensor

        def evaluated(program):
            evaluator = Evaluator(program)
            keys = evaluator.load_keys(bytes(program.keyset.evaluation_keys_bytes))
            return evaluator.evaluate(EncryptedTensor(np.zeros(program.input.size, np.uint64), seed=bytes(16)), keys)

        def levels(count):
            nodes = [Input((InputGroup(GroupKind.THERMOMETER, 3),))]
            nodes.append(Linear((Term.from_dense(0, [[1]] * 3),), np.zeros(1, int)))
            for level in range(count):
                nodes.append(Lookup(len(nodes) - 1, np.array([[3, 0, 2, 1]]), np.array([0])))
                nodes.append(Linear((Term.from_dense(len(nodes) - 1, [[1]]),), np.zeros(1, int)))
            return Circuit(tuple(nodes), len(nodes) - 1)

        evaluated(Program.load({directories["shared"]!r}))
        several = Program.load({directories["chain"]!r})
        with tempfile.TemporaryDirectory() as folder:
            for count in (1, 2):
                program = compile_circuit(levels(count), CompileOptions(), folder + str(count), catalogue=True)
                evaluated(program)
                print(program.keyset_entry.replace(" ", "_"))
            weights = Term.from_dense(0, [[1, 2], [3, 0]])
            matrix = Circuit((Input((InputGroup(GroupKind.RANGE, 2, 9),)), Linear((weights,), np.ones(2, int))), 1)
            sums = compile_circuit(matrix, CompileOptions(), folder + "sums", catalogue=True)
            evaluated(sums)
            print(sums.keyset_entry.replace(" ", "_"))
            again = compile_circuit(matrix, CompileOptions(), folder + "sums again", promised=sums.parameters)
            assert again.parameters == sums.parameters
            options = CompileOptions(program.p_error)
            again = compile_circuit(levels(2), options, folder + "again", promised=program.parameters)
            assert again.parameters == program.parameters
        for refused in (
            lambda: Evaluator(several),
            lambda: compile_circuit(levels(2), CompileOptions(), folder, promised=several.parameters),
        ):
            try:
                refused()
            except Exception as error:
                print(type(error).__name__)
        """
    )
    assert done[0].startswith("one_level,"), done
    assert done[1].startswith("several_levels,"), done
    assert done[2].startswith("no_lookups"), done
    assert done[3:] == ["SchemeUnavailableError", "ProgramMismatchError"], done
