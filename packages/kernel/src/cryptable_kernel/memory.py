"""Memory that the kernel reads and writes: doubles and words, aligned for vectors, and checked before each call."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_ALIGNMENT = 64
"""Bytes: a vector of AVX-512, and a line of every cache that matters."""


def aligned(*shape: int) -> FloatArray:
    """An array of doubles, zero, that begins at a multiple of 64 bytes."""
    size = 8 * int(np.prod(shape, dtype=np.int64))
    memory = np.zeros(size + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    found: FloatArray = memory[start : start + size].view(np.float64).reshape(shape)
    return found


def word_address(array: npt.NDArray[Any], shape: tuple[int, ...], what: str, *, written: bool = False) -> int:
    """Where an array's 64-bit words begin, which need no alignment; raises as `address` does."""
    if array.dtype != np.uint64 or array.shape != shape:
        raise ValueError(f"{what}: {array.dtype} of shape {array.shape}, expected uint64 of shape {shape}")
    if not array.flags.c_contiguous or not array.flags.aligned or (written and not array.flags.writeable):
        raise ValueError(f"{what}: expected contiguous memory, writeable where it is written")
    found: int = array.ctypes.data
    return found


def address(array: npt.NDArray[Any], shape: tuple[int, ...], what: str, *, written: bool = False) -> int:
    """Where an array's doubles begin; the kernel looks at nothing but that.

    Raises:
        ValueError: another shape or type, not contiguous, not aligned, or read-only where it is written.
    """
    if array.dtype != np.float64 or array.shape != shape:
        raise ValueError(f"{what}: {array.dtype} of shape {array.shape}, expected float64 of shape {shape}")
    found: int = array.ctypes.data
    is_aligned = found % _ALIGNMENT == 0 or not array.size
    if not array.flags.c_contiguous or (written and not array.flags.writeable) or not is_aligned:
        raise ValueError(f"{what}: expected contiguous memory from a multiple of 64 bytes on; make it with aligned()")
    return found


def integers(values: npt.ArrayLike, below: int, what: str) -> IntArray:
    """A copy as 64-bit integers, each 0 … below − 1, which are indices into memory.

    Raises:
        ValueError: another one; names it.
    """
    found: IntArray = np.array(values, np.int64, order="C")
    if found.size and (found.min() < 0 or found.max() >= below):
        raise ValueError(f"{what}: {found.min()} … {found.max()}, expected 0 … {below - 1}")
    return found
