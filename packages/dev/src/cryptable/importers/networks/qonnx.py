"""Quantizers in ONNX graphs, for `onnx.reference`: Quant, BipolarQuant and Trunc of the QONNX format, QuantizeLinear.

What they round sums of integers to, where those lie amid two levels, is said in `ties`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx.reference.op_run import OpRun
from onnx.reference.ops.op_quantize_linear import QuantizeLinear_25

from cryptable.importers.networks.ties import is_decided, rounded

Array = npt.NDArray[Any]

DOMAINS = ("qonnx.custom_op.general", "onnx.brevitas")
OPERATORS = ("Quant", "BipolarQuant", "Trunc")
_QUANTIZERS = (*OPERATORS, "QuantizeLinear")

_ROUNDINGS: dict[str, Callable[[Array], Array]] = {
    "ROUND": np.rint,  # half to even
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "UP": lambda x: np.sign(x) * np.ceil(np.abs(x)),
    "DOWN": np.trunc,
    "ROUND_TO_ZERO": np.trunc,
    "HALF_UP": lambda x: np.sign(x) * np.floor(np.abs(x) + 0.5),
    "HALF_DOWN": lambda x: np.sign(x) * np.ceil(np.abs(x) - 0.5),
}


def not_of_sums(graph: onnx.GraphProto) -> frozenset[str]:
    """Outputs of the quantizers that round no sums of integers, but features, or weights."""
    given = {each.name for each in graph.input} - {each.name for each in graph.initializer}
    raw, whole, found = set(given), set[str](), set[str]()
    for node in graph.node:
        is_raw, is_whole = not raw.isdisjoint(node.input), not whole.isdisjoint(node.input)
        if node.op_type not in _QUANTIZERS:
            raw.update(node.output if is_raw else ())
            whole.update(node.output if is_whole else ())
            continue
        if is_raw or not is_whole:
            found.add(node.output[0])
        if is_raw or is_whole:
            whole.update(node.output)
    return frozenset(found)


def _clipped(levels: Array, bits: Array, *, signed: bool, narrow: bool) -> Array:
    top = 2.0 ** (np.asarray(bits, np.float64) - signed) - 1
    low = (-top - (not narrow)) if signed else np.zeros_like(top)
    high = top if signed or not narrow else top - 1
    found: Array = np.clip(levels, low, high).astype(levels.dtype)
    return found


def _rounded(operator: OpRun, levels: Array, mode: str) -> Array:
    if mode.upper() not in _ROUNDINGS:
        raise ValueError(f"rounding_mode is {mode!r}, expected one of {', '.join(_ROUNDINGS)}")
    return rounded(operator.onnx_node.output[0], levels, _ROUNDINGS[mode.upper()])


def has_quantizers(model: onnx.ModelProto) -> bool:
    """Whether a network was trained with quantizers, as the formats of Brevitas have them."""
    return any(node.op_type in _QUANTIZERS for node in model.graph.node)


class Quant(OpRun):
    """Rounded to whole levels of `scale`, from `zeropt` on, as many as `bitwidth` bits hold."""

    def _run(
        self,
        x: Array,
        scale: Array,
        zeropt: Array,
        bitwidth: Array,
        signed: int | None = None,
        narrow: int | None = None,
        rounding_mode: str | None = None,
    ) -> tuple[Array]:
        levels = _rounded(self, x / scale + zeropt, rounding_mode or "ROUND")
        kept = _clipped(levels, bitwidth, signed=signed is None or bool(signed), narrow=bool(narrow))
        return (((kept - zeropt) * scale).astype(x.dtype),)


class BipolarQuant(OpRun):
    """The sign, times `scale`; 0 counts as positive."""

    def _run(self, x: Array, scale: Array) -> tuple[Array]:
        signs = rounded(self.onnx_node.output[0], x / scale, lambda levels: np.where(levels >= 0, 1.0, -1.0))
        return ((signs * scale).astype(x.dtype),)


class Trunc(OpRun):
    """Levels of `scale`, of which the lower bits are rounded away; version 2 has the scale that is left as an input."""

    def _run(
        self,
        x: Array,
        scale: Array,
        zeropt: Array,
        in_bitwidth: Array,
        *rest: Array,
        rounding_mode: str | None = None,
        signed: int | None = None,
        narrow: int | None = None,
    ) -> tuple[Array]:
        *out_scale, out_bitwidth = rest
        factor = out_scale[0] / scale if out_scale else 2.0 ** (np.asarray(in_bitwidth) - out_bitwidth)
        factor = np.asarray(factor, x.dtype)
        levels = np.rint(x / scale + zeropt)  # they are whole, but for errors of floating point
        kept = _rounded(self, levels / factor, rounding_mode or "FLOOR")
        if out_scale:
            kept = _clipped(kept, out_bitwidth, signed=signed is None or bool(signed), narrow=bool(narrow))
        return (((kept - zeropt / factor) * (scale * factor)).astype(x.dtype),)


class QuantizeLinear(QuantizeLinear_25):
    """As ONNX has it, but for the middle between levels of integers."""

    op_domain = ""

    def _run(  # type: ignore[override]
        self,
        x: Array,
        y_scale: Array,
        *rest: Array,
        axis: int = 1,
        **options: Any,  # noqa: ANN401
    ) -> tuple[Array, ...]:
        is_whole = not rest or "int" in rest[0].dtype.name
        if np.ndim(y_scale) > 1 or not is_whole or not is_decided():
            return tuple(super()._run(x, y_scale, *rest, axis=axis, **options))
        shape = [1] * x.ndim
        if np.size(y_scale) > 1:
            shape[axis] = -1
        levels = x / np.reshape(y_scale, shape if x.ndim else ())
        levels = rounded(self.onnx_node.output[0], levels, np.rint)
        return tuple(super()._run(levels, np.ones_like(y_scale), *rest, axis=axis, **options))


def reference_operators() -> list[type[OpRun]]:
    """One class for each operator in each domain that Brevitas has used."""
    brevitas = [
        type(each.__name__, (each,), {"op_domain": domain})
        for each in (Quant, BipolarQuant, Trunc)
        for domain in DOMAINS
    ]
    return [*brevitas, QuantizeLinear]
