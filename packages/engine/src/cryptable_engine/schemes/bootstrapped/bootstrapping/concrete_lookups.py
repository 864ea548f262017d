"""Lookups by the C functions that come inside concrete-python, one after the other: a second engine, to compare with.

Concrete's compiled programs call the same functions, but make their keys ready anew for every row, on one core, before
the first lookup. The functions keep no state but what they are given, and are called without Python's lock.
"""

from __future__ import annotations

import ctypes
from functools import cache
from importlib import metadata
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cryptable_engine.errors import EvaluationError, SchemeUnavailableError
from cryptable_engine.schemes.bootstrapped.bootstrapping.blind_rotation import compensate, lookup_polynomial
from cryptable_engine.schemes.bootstrapped.bootstrapping.seeded_keys import SeededKeys, Words

_LIBRARY = "libConcretelangRuntime"
_SIZE, _POINTER, _STATUS = ctypes.c_size_t, ctypes.c_void_p, ctypes.c_uint32

_FUNCTIONS: dict[str, tuple[type | None, tuple[type, ...]]] = {
    "construct_concrete_fft": (None, (_POINTER, _SIZE)),
    "bootstrap_key_convert_u64_to_fourier_scratch": (_STATUS, (_POINTER,) * 3),
    "bootstrap_key_convert_u64_to_fourier": (None, (_POINTER,) * 2 + (_SIZE,) * 5 + (_POINTER, _POINTER, _SIZE)),
    "bootstrap_lwe_ciphertext_u64_scratch": (_STATUS, (_POINTER, _POINTER, _SIZE, _SIZE, _POINTER)),
    "bootstrap_lwe_ciphertext_u64": (None, (_POINTER,) * 4 + (_SIZE,) * 5 + (_POINTER, _POINTER, _SIZE)),
    "keyswitch_lwe_ciphertext_u64": (None, (_POINTER,) * 3 + (_SIZE,) * 4),
}
"""Results and arguments, as in concrete-cpu.h of concrete-python 2.11, without the prefix `concrete_cpu_`."""


@cache
def _library() -> ctypes.CDLL:
    """Concrete's runtime.

    Raises:
        SchemeUnavailableError: concrete-python is not installed.
        EvaluationError: it has no such library, or not these functions.
    """
    try:
        files = metadata.files("concrete-python") or ()
    except metadata.PackageNotFoundError as error:
        raise SchemeUnavailableError(error) from error
    paths = [Path(str(path.locate())) for path in files if path.name.startswith(_LIBRARY)]
    try:
        library = ctypes.CDLL(str(paths[0]))
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(library, f"concrete_cpu_{name}")
            function.restype, function.argtypes = result, arguments
    except (IndexError, OSError, AttributeError) as error:
        raise EvaluationError(
            f"concrete-python is installed without {_LIBRARY} of version 2.11 ({error}); install it again"
        ) from error
    return library


def _call(name: str, *arguments: object) -> int | None:
    result: int | None = getattr(_library(), f"concrete_cpu_{name}")(*arguments)
    return result


@cache
def _transform(polynomial_size: int) -> ctypes.Array[ctypes.c_char]:
    """Concrete's FFT of that size, which lives as long as the process: some 100 kB."""
    size = _SIZE.in_dll(_library(), "CONCRETE_FFT_SIZE").value
    memory = ctypes.create_string_buffer(size)
    _call("construct_concrete_fft", memory, polynomial_size)
    return memory


def _scratch(name: str, *arguments: object) -> tuple[int, int]:
    """Size and alignment in bytes of the memory that a function works in."""
    size, alignment = _SIZE(), _SIZE()
    if _call(name, ctypes.byref(size), ctypes.byref(alignment), *arguments):
        raise EvaluationError(f"Concrete's {name} failed: these crypto parameters are too large")
    return size.value, alignment.value


def _aligned(size: int, alignment: int) -> tuple[npt.NDArray[np.uint8], int]:
    """Memory, and an address in it from which on there are `size` aligned bytes."""
    memory = np.empty(size + alignment, np.uint8)
    return memory, memory.ctypes.data + -memory.ctypes.data % alignment


class ConcreteLookups:
    """See `keys.Lookups`.

    Args:
        seeded: of any shape.

    Raises:
        SchemeUnavailableError: concrete-python is not installed.
        EvaluationError: it has no such library, or not these functions.
    """

    group = 1

    def __init__(self, seeded: SeededKeys) -> None:
        self._parameters, self._switches, self._dimensions = seeded.key, seeded.switches, seeded.dimensions
        self._small, self._large = seeded.small, seeded.large
        key = seeded.key
        rows, columns = key.level_count * (key.glwe_dimension + 1), key.glwe_dimension + 1
        words = np.empty((seeded.small, rows, columns * key.polynomial_size), np.uint64)
        for first, part in seeded.bootstrap_words():
            words[first : first + len(part)] = part.reshape(len(part), rows, -1)
        self._bootstrap_words = self._transformed(words.reshape(-1, words.shape[-1]))
        self._switch_keys = {under: np.ascontiguousarray(seeded.keyswitch_words(under)) for under in seeded.switches}
        sizes = (key.glwe_dimension, key.polynomial_size)
        self._scratch = _scratch("bootstrap_lwe_ciphertext_u64_scratch", *sizes, _transform(key.polynomial_size))

    @property
    def _sizes(self) -> tuple[int, ...]:
        """The bootstrap key's, as Concrete's functions take them."""
        key = self._parameters
        return key.level_count, key.base_log, key.glwe_dimension, key.polynomial_size, self._small

    def _transformed(self, words: Words) -> npt.NDArray[np.complex128]:
        """A bootstrap key in the Fourier domain."""
        transform = _transform(self._parameters.polynomial_size)
        size, alignment = _scratch("bootstrap_key_convert_u64_to_fourier_scratch", transform)
        memory, address = _aligned(size, alignment)
        transformed = np.empty((words.shape[0], words.shape[1] // 2), np.complex128)
        places = (words.ctypes.data, transformed.ctypes.data)
        _call("bootstrap_key_convert_u64_to_fourier", *places, *self._sizes, transform, address, size)
        del memory  # not before
        return transformed

    def look_up(self, ciphertexts: Words, tables: Words, under: int) -> Words:
        """See `keys.Lookups`."""
        size = self._parameters.polynomial_size
        found = np.empty((len(ciphertexts), self._large + 1), np.uint64)
        accumulator = np.zeros((self._parameters.glwe_dimension + 1, size), np.uint64)
        memory, address = _aligned(*self._scratch)
        sources = compensate(self.switched(ciphertexts, under), size)
        for result, source, entries in zip(found, sources, tables, strict=True):
            accumulator[-1] = lookup_polynomial(entries, size)
            _call(
                "bootstrap_lwe_ciphertext_u64",
                result.ctypes.data,
                source.ctypes.data,
                accumulator.ctypes.data,
                self._bootstrap_words.ctypes.data,
                *self._sizes,
                _transform(size),
                address,
                self._scratch[0],
            )
        del memory  # not before
        return found

    def switched(self, ciphertexts: Words, under: int) -> Words:
        """See `keys.Lookups`."""
        if under not in self._switches:
            return ciphertexts
        switch, key = self._switches[under], self._switch_keys[under]
        found = np.empty((len(ciphertexts), self._small + 1), np.uint64)
        for result, source in zip(found, np.ascontiguousarray(ciphertexts), strict=True):
            _call(
                "keyswitch_lwe_ciphertext_u64",
                result.ctypes.data,
                source.ctypes.data,
                key.ctypes.data,
                *(switch.level_count, switch.base_log, self._dimensions[under], self._small),
            )
        return found
