"""Which elements the windows of convolutions and pools hold."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import onnx

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import IntArray
from cryptable.graphs.symbols import NOT_THERE, Shape


@dataclass(frozen=True)
class Windows:
    """One entry a spatial axis."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    overhang: tuple[int, ...]
    """Of `after`, what is there for ceil_mode alone."""

    @classmethod
    def of(cls, node: onnx.NodeProto, spatial: Shape, kernel: Shape) -> Windows:
        """As the node's attributes say, for an input of these spatial axes."""
        attributes = {each.name: each for each in node.attribute}
        axes = len(spatial)

        def listed(name: str, default: int) -> tuple[int, ...]:
            return tuple(attributes[name].ints) if name in attributes else (default,) * axes

        strides, dilations = listed("strides", 1), listed("dilations", 1)
        pads = tuple(attributes["pads"].ints) if "pads" in attributes else (0,) * 2 * axes
        before, after = pads[:axes], pads[axes:]
        mode = attributes["auto_pad"].s.decode() if "auto_pad" in attributes else "NOTSET"
        reach = tuple((size - 1) * dilation + 1 for size, dilation in zip(kernel, dilations, strict=True))
        if mode in ("SAME_UPPER", "SAME_LOWER"):
            wanted = [
                max(0, (math.ceil(size / stride) - 1) * stride + far - size)
                for size, stride, far in zip(spatial, strides, reach, strict=True)
            ]
            small, large = tuple(each // 2 for each in wanted), tuple(each - each // 2 for each in wanted)
            before, after = (small, large) if mode == "SAME_UPPER" else (large, small)
        elif mode == "VALID":
            before = after = (0,) * axes
        elif mode != "NOTSET":
            raise UnsupportedModelError(f"auto_pad is {mode!r}, expected NOTSET, SAME_UPPER, SAME_LOWER or VALID")
        overhang: tuple[int, ...] = (0,) * axes
        if "ceil_mode" in attributes and attributes["ceil_mode"].i:
            declared = after
            after = tuple(
                _raised(size, stride, far, first, last)
                for size, stride, far, first, last in zip(spatial, strides, reach, before, after, strict=True)
            )
            overhang = tuple(max(0, more - less) for more, less in zip(after, declared, strict=True))
        return cls(kernel, strides, dilations, before, after, overhang)

    def index(self, channels: int, spatial: Shape) -> IntArray:
        """Numbers of a (channels, *spatial) tensor's elements, shape (channels, *output axes, *kernel)."""
        numbers = np.arange(channels * int(np.prod(spatial))).reshape(channels, *spatial)
        pads = [(0, 0), *zip(self.before, self.after, strict=True)]
        return self._cut(np.pad(numbers, pads, constant_values=NOT_THERE))

    def counted(self, spatial: Shape) -> IntArray:
        """How many elements or paddings each window holds, shape (1, *output axes); the overhang counts as neither."""
        axes = len(spatial)
        padded = np.ones((1, *(sum(each) for each in zip(spatial, self.before, self.after, strict=True))), np.int64)
        for axis, overhang in enumerate(self.overhang):
            padded[(slice(None),) * (1 + axis) + (slice(padded.shape[1 + axis] - overhang, None),)] = 0
        found: IntArray = self._cut(padded).sum(axis=tuple(range(1 + axes, 1 + 2 * axes)))
        return found

    def _cut(self, padded: IntArray) -> IntArray:
        axes = padded.ndim - 1
        places: list[IntArray] = []
        for axis in range(axes):
            far = (self.kernel[axis] - 1) * self.dilations[axis] + 1
            count = (padded.shape[1 + axis] - far) // self.strides[axis] + 1
            if count < 1:
                raise UnsupportedModelError(f"its window is larger than its padded input of {padded.shape[1:]}")
            place = np.arange(count)[:, None] * self.strides[axis] + np.arange(self.kernel[axis]) * self.dilations[axis]
            shape = [1] * (2 * axes)
            shape[axis], shape[axes + axis] = place.shape
            places.append(place.reshape(shape))
        found: IntArray = padded[(slice(None), *places)]  # type: ignore[arg-type]
        return found


def _raised(size: int, stride: int, far: int, before: int, after: int) -> int:
    """Padding behind, so that the last window of ceil_mode is there; one that starts beyond the input is not."""
    count = math.ceil((size + before + after - far) / stride) + 1
    if (count - 1) * stride >= size + before:
        count -= 1
    return max(0, (count - 1) * stride + far - size - before)
