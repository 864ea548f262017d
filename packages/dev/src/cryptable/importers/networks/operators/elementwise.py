"""Elementwise operators: any chain of them is one lookup, whose table comes from running the chain itself."""

from __future__ import annotations

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.symbols import Value
from cryptable.importers.networks.operators.registry import Tracer, operator
from cryptable.importers.networks.reference import NodeRunner

UNARY = (
    *(
        "Abs",
        "Acos",
        "Acosh",
        "Asin",
        "Asinh",
        "Atan",
        "Atanh",
        "BitwiseNot",
        "CastLike",
        "Ceil",
        "Celu",
        "Clip",
        "Cos",
    ),
    *("Cosh", "DequantizeLinear", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish", "IsInf", "IsNaN"),
    *("LeakyRelu", "Log", "Mish", "Not", "PRelu", "QuantizeLinear", "Reciprocal", "Relu", "Round", "Selu", "Shrink"),
    *("Sigmoid", "Sign", "Sin", "Sinh", "Softplus", "Softsign", "Sqrt", "Swish", "Tan", "Tanh", "ThresholdedRelu"),
)
BINARY = (*("And", "BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Mod", "Or", "Pow", "Where", "Xor"),)


@operator(*UNARY, kind="elementwise")
@operator(*BINARY, kind="elementwise", note="of one encrypted number and constants")
def convert(runner: NodeRunner, inputs: list[Value | None], tracer: Tracer) -> list[Value]:
    """One more step of a chain."""
    found = tracer.fused(inputs, runner)
    if found is None:
        raise UnsupportedModelError(
            "its inputs are functions of different encrypted numbers; a lookup takes one. Add, Sub, Mul, Max, Min and "
            "comparisons of two encrypted numbers are supported"
        )
    return [found]
