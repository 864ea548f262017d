"""Bootstrap and Keyswitch: lookups in torus words, several side by side, on arrays that are checked.

A ciphertext is `dimension + 1` words, the body last; arithmetic is modulo 2^64. Keys are in the order in which clients
send them (protos/SPEC.md, "Evaluation keys"), masks written out.
"""

from __future__ import annotations

import ctypes
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cryptable_kernel.library import Kernel
from cryptable_kernel.memory import FloatArray, address, aligned, word_address
from cryptable_kernel.ring import Ring

Words = npt.NDArray[np.uint64]

MAX_BOOTSTRAP_ROWS = 32
"""(k + 1) times levels; bootstrap.h has the same."""
MAX_SWITCH_LEVELS = 32
"""keyswitch.h has the same."""
_DIGIT_BITS = 52
"""Of all digits of a word together, at most: more would be lost in the doubles of a transform."""
_MAX_LOOKUPS = 1 << 16
_MAX_BITS = 1 << 20
_HALF = np.uint64(1 << 31)
_STRIDE = 16
"""Words that a row of a keyswitch key is filled up to a multiple of."""


class BootstrapShape(NamedTuple):
    """Of a bootstrap key: bits of the key that it bootstraps from, polynomials of a mask, and its digits."""

    bits: int
    glwe_dimension: int
    levels: int
    base_log: int


class KeyswitchShape(NamedTuple):
    """Of a keyswitch key: bits of the key that it leads from and of the one that it leads to, and its digits."""

    source: int
    target: int
    levels: int
    base_log: int


class _Bootstrap(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_int) for name in ("bits", "dimension", "levels", "base_log"))


class _Keyswitch(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_int) for name in ("source", "target", "stride", "levels", "base_log"))


class Bootstrap:
    """Lookups under bootstrap keys of one shape. Thread-safe, as long as each thread has scratch of its own.

    Args:
        ring: of the key's polynomials.
        shape: of the key.

    Raises:
        ValueError: a shape that the kernel does not compute with.
    """

    def __init__(self, ring: Ring, shape: BootstrapShape) -> None:
        bits, dimension, levels, base_log = shape
        if not (0 < bits < _MAX_BITS and dimension >= 1 and (dimension + 1) * levels <= MAX_BOOTSTRAP_ROWS):
            raise ValueError(f"{shape}: expected at most {MAX_BOOTSTRAP_ROWS} rows for each bit of a key")
        _check_digits(levels, base_log)
        self.ring, self.shape = ring, shape
        self.columns = dimension + 1
        self.dimension = dimension * ring.size
        """Of the key that looked-up values are under."""
        self._shape = _Bootstrap(*shape)

    @property
    def key_shape(self) -> tuple[int, int]:
        """Doubles of a key, by bit."""
        return self.shape.bits, self.columns**2 * self.shape.levels * self.ring.size

    def make_key(self, words: Words, out: FloatArray, scratch: FloatArray) -> None:
        """Bring what a client sends of some bits of a key into the order of the kernel.

        Args:
            words: shape (bits, levels, k + 1, k + 1, N): level after level from the last one on, row by row.
            out: overwritten, shape (bits, doubles of a bit).
            scratch: for any number of lookups.
        """
        bits, doubles = len(out), self.key_shape[1]
        shape = (bits, self.shape.levels, self.columns, self.columns, self.ring.size)
        self.ring.kernel.entry("bootstrap_key")(
            ctypes.c_void_p(self.ring.place),
            ctypes.byref(self._shape),
            ctypes.c_void_p(word_address(words, shape, "words")),
            ctypes.c_size_t(bits),
            ctypes.c_void_p(address(out, (bits, doubles), "out", written=True)),
            self._scratch(scratch, 0),
        )

    def scratch(self, lookups: int) -> FloatArray:
        """Memory for what happens inside a call of so many lookups, or fewer: one for each thread."""
        return aligned(self._doubles(lookups))

    def _doubles(self, lookups: int) -> int:
        if not 0 <= lookups < _MAX_LOOKUPS:
            raise ValueError(f"{lookups} lookups side by side, expected fewer than {_MAX_LOOKUPS}")
        size = self.ring.kernel.entry("bootstrap_scratch", result=ctypes.c_size_t)
        found: int = size(self.ring.size, ctypes.byref(self._shape), ctypes.c_size_t(lookups)) // 8
        return found

    def _scratch(self, scratch: FloatArray, lookups: int) -> ctypes.c_void_p:
        if scratch.size < self._doubles(lookups):
            raise ValueError(f"scratch of {scratch.size} doubles, expected what scratch({lookups}) gives")
        return ctypes.c_void_p(address(scratch, (scratch.size,), "scratch", written=True))

    def look_up(self, key: FloatArray, given: Words, tables: Words, out: Words, scratch: FloatArray) -> None:
        """Read a table at each of some encrypted positions.

        Rounding errors of the modulus switch are compensated: half of the mask's go off the body before.

        Args:
            key: as `make_key` gave it, shape `key_shape`.
            given: positions, in the upper bits below the padding bit, shape (lookups, bits + 1).
            tables: entries as they are on the torus, shape (lookups, entries): a power of two, at most N.
            out: overwritten by the entries' ciphertexts, shape (lookups, k N + 1).
            scratch: of as many lookups, or more.
        """
        lookups, entries = tables.shape
        if entries < 1 or entries & (entries - 1) or entries > self.ring.size:
            raise ValueError(f"tables of {entries} entries, expected a power of two of at most {self.ring.size}")
        if np.may_share_memory(given, out) or np.may_share_memory(tables, out):
            raise ValueError("out: expected memory of its own")
        self.ring.kernel.entry("bootstrap")(
            ctypes.c_void_p(self.ring.place),
            ctypes.byref(self._shape),
            ctypes.c_void_p(address(key, self.key_shape, "key")),
            ctypes.c_void_p(word_address(given, (lookups, self.shape.bits + 1), "given")),
            ctypes.c_void_p(word_address(tables, (lookups, entries), "tables")),
            ctypes.c_int(entries.bit_length() - 1),
            ctypes.c_void_p(word_address(out, (lookups, self.dimension + 1), "out", written=True)),
            ctypes.c_size_t(lookups),
            self._scratch(scratch, lookups),
        )


class Keyswitch:
    """Ciphertexts from one key to another, by keys of one shape. Thread-safe, with scratch of each thread's own.

    Keys are rounded to 32 bits: each word by at most 2^-33 of the torus.

    Raises:
        ValueError: a shape that the kernel does not compute with.
    """

    def __init__(self, kernel: Kernel, shape: KeyswitchShape) -> None:
        if not (0 < shape.source < _MAX_BITS and 0 < shape.target < _MAX_BITS):
            raise ValueError(f"{shape}: expected keys of fewer than {_MAX_BITS} bits")
        _check_digits(shape.levels, shape.base_log)
        self.kernel, self.shape = kernel, shape
        self._stride = -(-(shape.target + 1) // _STRIDE) * _STRIDE
        self._shape = _Keyswitch(shape.source, shape.target, self._stride, shape.levels, shape.base_log)

    def make_key(self, words: Words) -> FloatArray:
        """A key as the kernel reads it: two 32-bit words to a double.

        Args:
            words: shape (source, levels, target + 1): level after level from the last one on.
        """
        source, target, levels, _ = self.shape
        if words.shape != (source, levels, target + 1):
            raise ValueError(f"words of shape {words.shape}, expected {(source, levels, target + 1)}")
        key = aligned(source, levels, self._stride // 2)
        halves = key.view(np.uint32)
        halves[..., : target + 1] = (words + _HALF) >> np.uint64(32)
        return key

    def scratch(self, count: int) -> FloatArray:
        """Memory for what happens inside a call of so many ciphertexts, or fewer: one for each thread."""
        return aligned(self._doubles(count))

    def _doubles(self, count: int) -> int:
        if not 0 <= count < _MAX_LOOKUPS:
            raise ValueError(f"{count} ciphertexts side by side, expected fewer than {_MAX_LOOKUPS}")
        size = self.kernel.entry("keyswitch_scratch", result=ctypes.c_size_t)
        found: int = size(ctypes.byref(self._shape), ctypes.c_size_t(count)) // 8
        return found

    def switch(self, key: FloatArray, given: Words, out: Words, scratch: FloatArray) -> None:
        """Bring ciphertexts under the other key.

        Args:
            key: as `make_key` gave it.
            given: shape (count, source + 1).
            out: overwritten, shape (count, target + 1).
            scratch: of as many ciphertexts, or more.
        """
        count, (source, target, levels, _) = len(given), self.shape
        if np.may_share_memory(given, out):
            raise ValueError("out: expected memory of its own")
        if scratch.size < self._doubles(count):
            raise ValueError(f"scratch of {scratch.size} doubles, expected what scratch({count}) gives")
        self.kernel.entry("keyswitch")(
            ctypes.byref(self._shape),
            ctypes.c_void_p(address(key, (source, levels, self._stride // 2), "key")),
            ctypes.c_void_p(word_address(given, (count, source + 1), "given")),
            ctypes.c_void_p(word_address(out, (count, target + 1), "out", written=True)),
            ctypes.c_size_t(count),
            ctypes.c_void_p(address(scratch, (scratch.size,), "scratch", written=True)),
        )


def _check_digits(levels: int, base_log: int) -> None:
    if not (1 <= levels <= MAX_SWITCH_LEVELS and 1 <= base_log <= 31 and levels * base_log <= _DIGIT_BITS):
        raise ValueError(f"{levels} digits of {base_log} bits, expected at most {_DIGIT_BITS} bits together")
