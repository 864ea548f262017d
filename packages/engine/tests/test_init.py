"""The package's public face."""

from __future__ import annotations

import cryptable_engine


def test_exported_names_are_those_agreed_on():
    assert sorted(cryptable_engine.__all__) == [
        *("Circuit", "CircuitError", "CompilationError", "CompileLimits", "Convolution"),
        *("EvaluationError", "Evaluator", "GroupKind"),
        *(
            "Input",
            "InputGroup",
            "KernelWarning",
            "Linear",
            "Lookup",
            "Node",
            "Product",
            "Program",
            "ProgramMismatchError",
            "Rotation",
            "SchemeUnavailableError",
            "ServerKeys",
            "Square",
            "Term",
            "TurningTree",
        ),
        *(
            "UnsupportedProgramError",
            "__version__",
            "compile_circuit",
            "compile_in_bulk",
            "interpret",
            "least_rows_in_bulk",
            "simulate",
            "to_mlir",
        ),
        *("trim_seconds", "verify", "what_to_warn_of"),
    ]
    for name in cryptable_engine.__all__:
        assert hasattr(cryptable_engine, name)
