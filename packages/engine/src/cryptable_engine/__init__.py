"""Circuits of encrypted machine learning: verify, interpret, compile to TFHE, evaluate."""

from cryptable_engine.circuit.circuit import (
    Circuit,
    Convolution,
    GroupKind,
    Input,
    InputGroup,
    Linear,
    Lookup,
    Node,
    Product,
    Rotation,
    Square,
    Term,
    TurningTree,
)
from cryptable_engine.circuit.interpreter import interpret
from cryptable_engine.circuit.verifier import verify
from cryptable_engine.errors import (
    CircuitError,
    CompilationError,
    EvaluationError,
    KernelWarning,
    ProgramMismatchError,
    SchemeUnavailableError,
    UnsupportedProgramError,
)
from cryptable_engine.programs import Evaluator, ServerKeys, compile_circuit, simulate, what_to_warn_of
from cryptable_engine.schemes.bootstrapped.concrete.mlir import to_mlir
from cryptable_engine.schemes.scheme import CompileLimits, Program
from cryptable_engine.schemes.squares.bulk.price import least_rows_in_bulk
from cryptable_engine.schemes.squares.bulk.program import compile_in_bulk
from cryptable_engine.schemes.trimming import trim_seconds

__version__ = "0.1.0"

__all__ = [
    "Circuit",
    "CircuitError",
    "CompilationError",
    "CompileLimits",
    "Convolution",
    "EvaluationError",
    "Evaluator",
    "GroupKind",
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
    "UnsupportedProgramError",
    "__version__",
    "compile_circuit",
    "compile_in_bulk",
    "interpret",
    "least_rows_in_bulk",
    "simulate",
    "to_mlir",
    "trim_seconds",
    "verify",
    "what_to_warn_of",
]
