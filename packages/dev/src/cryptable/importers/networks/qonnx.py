"""Quantizers in ONNX graphs, for `onnx.reference`: Quant, BipolarQuant and Trunc of the QONNX format, QuantizeLinear.

Where a sum of integers lies in the middle between two levels, floating point decides by chance. Within `tidied`,
numbers within a hundredth of a per mille of the middle are taken to be there, and go to the even level, as in exact
arithmetic. Elsewhere they are rounded as the libraries do: what features are rounded to is theirs to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx.reference.op_run import OpRun
from onnx.reference.ops.op_quantize_linear import QuantizeLinear_25

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


_TIDY = float(1 << 18)
_left_out: ContextVar[frozenset[str] | None] = ContextVar("left_out", default=None)
"""Of `tidied`, by the name of their output; None outside of it."""


@contextmanager
def tidied(left_out: frozenset[str] = frozenset()) -> Iterator[None]:
    """Here, numbers between two levels are rounded as in exact arithmetic, but by the quantizers of these outputs."""
    token = _left_out.set(left_out)
    try:
        yield
    finally:
        _left_out.reset(token)


def quantizers_of_features(graph: onnx.GraphProto) -> frozenset[str]:
    """Outputs of the quantizers that no quantizer stands before: what they round is features, not sums of integers."""
    given = {each.name for each in graph.input} - {each.name for each in graph.initializer}
    raw, found = set(given), set()
    for node in graph.node:
        if raw.isdisjoint(node.input):
            continue
        if node.op_type in _QUANTIZERS:
            found.add(node.output[0])
        else:
            raw.update(node.output)
    return frozenset(found)


def _tidies(operator: OpRun) -> bool:
    left_out = _left_out.get()
    return left_out is not None and operator.onnx_node.output[0] not in left_out


def _tidy(operator: OpRun, levels: Array) -> Array:
    """Within `tidied`, without the errors of floating point around whole and half levels."""
    if not _tidies(operator):
        return levels
    doubled = 2 * levels
    whole = np.rint(doubled)
    found: Array = np.where(np.abs(doubled - whole) < 1 / _TIDY, whole / 2, levels).astype(levels.dtype)
    return found


def _clipped(levels: Array, bits: Array, *, signed: bool, narrow: bool) -> Array:
    top = 2.0 ** (np.asarray(bits, np.float64) - signed) - 1
    low = (-top - (not narrow)) if signed else np.zeros_like(top)
    high = top if signed or not narrow else top - 1
    found: Array = np.clip(levels, low, high).astype(levels.dtype)
    return found


def _rounded(levels: Array, mode: str) -> Array:
    if mode.upper() not in _ROUNDINGS:
        raise ValueError(f"rounding_mode is {mode!r}, expected one of {', '.join(_ROUNDINGS)}")
    found: Array = _ROUNDINGS[mode.upper()](levels)
    return found


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
        levels = _rounded(_tidy(self, x / scale + zeropt), rounding_mode or "ROUND")
        kept = _clipped(levels, bitwidth, signed=signed is None or bool(signed), narrow=bool(narrow))
        return (((kept - zeropt) * scale).astype(x.dtype),)


class BipolarQuant(OpRun):
    """The sign, times `scale`; 0 counts as positive."""

    def _run(self, x: Array, scale: Array) -> tuple[Array]:
        return (np.where(_tidy(self, x / scale) >= 0, scale, -scale).astype(x.dtype),)


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
        kept = _rounded(_tidy(self, levels / factor), rounding_mode or "FLOOR")
        if out_scale:
            kept = _clipped(kept, out_bitwidth, signed=signed is None or bool(signed), narrow=bool(narrow))
        return (((kept - zeropt / factor) * (scale * factor)).astype(x.dtype),)


class QuantizeLinear(QuantizeLinear_25):
    """As ONNX has it, but for the middle between levels."""

    op_domain = ""

    def _run(  # type: ignore[override]
        self,
        x: Array,
        y_scale: Array,
        *rest: Array,
        axis: int = 1,
        **options: Any,  # noqa: ANN401
    ) -> tuple[Array, ...]:
        if np.ndim(y_scale) > 1 or not _tidies(self):
            return tuple(super()._run(x, y_scale, *rest, axis=axis, **options))
        shape = [1] * x.ndim
        if np.size(y_scale) > 1:
            shape[axis] = -1
        levels = _tidy(self, x / np.reshape(y_scale, shape if x.ndim else ()))
        return tuple(super()._run(levels, np.ones_like(y_scale), *rest, axis=axis, **options))


def reference_operators() -> list[type[OpRun]]:
    """One class for each operator in each domain that Brevitas has used."""
    brevitas = [
        type(each.__name__, (each,), {"op_domain": domain})
        for each in (Quant, BipolarQuant, Trunc)
        for domain in DOMAINS
    ]
    return [*brevitas, QuantizeLinear]
