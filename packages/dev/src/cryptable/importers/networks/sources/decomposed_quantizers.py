"""Quantizers of torch's PT2E ("quantized_decomposed") as ONNX's QuantizeLinear and DequantizeLinear."""

from __future__ import annotations

from functools import cache
from typing import Any

_NAMESPACE, _SINCE = "quantized_decomposed", 13
"""Of torch's operators; the opset whose QuantizeLinear has channels."""
_UINT8, _INT8 = 0, 1
"""torch's numbers of types, as graphs have them."""


@cache
def register_quantizers() -> None:
    """Tell torch's exporter of them, once in a process: it knows none of its own operators for them.

    Integers of other types than 8 bits are refused by it, as before.
    """
    import torch
    from torch.onnx import register_custom_op_symbolic  # type: ignore[attr-defined]
    from torch.onnx.symbolic_helper import parse_args

    types = {_UINT8: torch.uint8, _INT8: torch.int8}

    def constant(g: Any, value: Any, dtype: Any) -> Any:  # noqa: ANN401
        return g.op("Constant", value_t=torch.tensor(value, dtype=dtype))

    def within(g: Any, value: Any, lowest: int, highest: int, dtype: int) -> Any:  # noqa: ANN401
        """QuantizeLinear saturates at the ends of the type, which a quantizer need not reach."""
        limits = torch.iinfo(types[dtype])
        if (limits.min, limits.max) == (lowest, highest):
            return value
        return g.op("Clip", value, constant(g, lowest, types[dtype]), constant(g, highest, types[dtype]))

    @parse_args("v", "f", "i", "i", "i", "i")
    def quantize(g: Any, value: Any, scale: float, zero: int, lowest: int, highest: int, dtype: int) -> Any:  # noqa: ANN401
        steps = constant(g, scale, torch.float32), constant(g, zero, types[dtype])
        return within(g, g.op("QuantizeLinear", value, *steps), lowest, highest, dtype)

    @parse_args("v", "f", "i", "i", "i", "i", "none")
    def dequantize(
        g: Any,  # noqa: ANN401
        value: Any,  # noqa: ANN401
        scale: float,
        zero: int,
        lowest: int,
        highest: int,
        dtype: int,
        out_dtype: None,
    ) -> Any:  # noqa: ANN401
        return g.op("DequantizeLinear", value, constant(g, scale, torch.float32), constant(g, zero, types[dtype]))

    @parse_args("v", "v", "v", "i", "i", "i", "i", "none")
    def dequantize_channels(
        g: Any,  # noqa: ANN401
        value: Any,  # noqa: ANN401
        scales: Any,  # noqa: ANN401
        zeros: Any,  # noqa: ANN401
        axis: int,
        lowest: int,
        highest: int,
        dtype: int,
        out_dtype: None,
    ) -> Any:  # noqa: ANN401
        onnx_type = torch.onnx.TensorProtoDataType.UINT8 if dtype == _UINT8 else torch.onnx.TensorProtoDataType.INT8
        return g.op("DequantizeLinear", value, scales, g.op("Cast", zeros, to_i=onnx_type), axis_i=axis)

    register_custom_op_symbolic(f"{_NAMESPACE}::quantize_per_tensor", quantize, _SINCE)
    register_custom_op_symbolic(f"{_NAMESPACE}::dequantize_per_tensor", dequantize, _SINCE)
    register_custom_op_symbolic(f"{_NAMESPACE}::dequantize_per_channel", dequantize_channels, _SINCE)
