"""Circuits of encrypted machine learning: verify, interpret, compile to TFHE, evaluate."""

from cryptable_engine.circuit import Circuit, GroupKind, Input, InputGroup, Linear, Lookup, Node, Term
from cryptable_engine.compiler import CompileLimits, compile_circuit
from cryptable_engine.errors import (
    CircuitError,
    CompilationError,
    EvaluationError,
    ProgramMismatchError,
    UnsupportedProgramError,
)
from cryptable_engine.evaluator import Evaluator, ServerKeys
from cryptable_engine.interpreter import interpret
from cryptable_engine.mlir import to_mlir
from cryptable_engine.program import Program
from cryptable_engine.simulator import simulate
from cryptable_engine.verifier import verify

__version__ = "0.1.0"

__all__ = [
    "Circuit",
    "CircuitError",
    "CompilationError",
    "CompileLimits",
    "EvaluationError",
    "Evaluator",
    "GroupKind",
    "Input",
    "InputGroup",
    "Linear",
    "Lookup",
    "Node",
    "Program",
    "ProgramMismatchError",
    "ServerKeys",
    "Term",
    "UnsupportedProgramError",
    "__version__",
    "compile_circuit",
    "interpret",
    "simulate",
    "to_mlir",
    "verify",
]
