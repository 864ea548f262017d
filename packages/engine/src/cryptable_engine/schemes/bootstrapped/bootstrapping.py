"""Bootstrapping by the C functions that come inside concrete-python: keys made ready once, then one call a lookup.

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
from cryptable_protocol import InternalError, KeysetParameters, MaskStream
from cryptable_protocol.schemes.bootstrapped.mask_stream import SEED_BYTES

from cryptable_engine.errors import EvaluationError, SchemeUnavailableError

Words = npt.NDArray[np.uint64]

_EXPANDED_WORDS = 1 << 20
"""Masks that are made at a time."""
_TORUS_BITS = 64
_ERROR_BITS = 12
"""Left out of each rounding error: 2^-52 of the torus, beside errors of 2^-18 at least."""
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


class BootstrappingKeys:
    """A client's bootstrap key, in the Fourier domain, and keyswitch key, if there is one. Thread-safe.

    Args:
        keyset: one that `supports` says yes to.
        data: evaluation keys (protos/SPEC.md, "Evaluation keys") of exactly the keyset's length; not kept.
    """

    def __init__(self, keyset: KeysetParameters, data: memoryview) -> None:
        (key,) = keyset.bootstrap_keys
        self._key = key
        self._switch = keyset.keyswitch_keys[0] if keyset.keyswitch_keys else None
        self.dimension = keyset.dimensions[key.output_key]
        """Of the secret key that looked-up values are under."""
        self._small = keyset.dimensions[key.input_key]
        end = keyset.bootstrap_key_bytes(key)
        self._bootstrap_words = self._transformed(_unseeded(data[:end], self.dimension, key.polynomial_size))
        self._keyswitch_words = _unseeded(data[end:], self._small, 1) if self._switch else np.empty(0, np.uint64)
        sizes = (key.glwe_dimension, key.polynomial_size)
        self._scratch = _scratch("bootstrap_lwe_ciphertext_u64_scratch", *sizes, _transform(key.polynomial_size))

    @property
    def _sizes(self) -> tuple[int, ...]:
        """The bootstrap key's, as Concrete's functions take them."""
        key = self._key
        return key.level_count, key.base_log, key.glwe_dimension, key.polynomial_size, self._small

    def _transformed(self, words: Words) -> npt.NDArray[np.complex128]:
        """A bootstrap key in the Fourier domain."""
        transform = _transform(self._key.polynomial_size)
        size, alignment = _scratch("bootstrap_key_convert_u64_to_fourier_scratch", transform)
        memory, address = _aligned(size, alignment)
        transformed = np.empty((words.shape[0], words.shape[1] // 2), np.complex128)
        places = (words.ctypes.data, transformed.ctypes.data)
        _call("bootstrap_key_convert_u64_to_fourier", *places, *self._sizes, transform, address, size)
        del memory  # not before
        return transformed

    def look_up(self, ciphertext: Words, entries: Words) -> Words:
        """One table read at one encrypted position.

        Args:
            ciphertext: of the position in the upper bits below the padding bit, the body last: shape (dimension + 1,);
                without a keyswitch key, of the small key's dimension.
            entries: of the table as they are on the torus, shape (2^width,).

        Returns:
            The entry's ciphertext, shape (dimension + 1,).

        Raises:
            InternalError: a ciphertext of another dimension, beyond whose end native code would read.
        """
        read = self._small if self._switch is None else self.dimension
        if ciphertext.shape != (read + 1,):
            raise InternalError(f"a lookup of a ciphertext of shape {ciphertext.shape}, expected {(read + 1,)}")
        key = self._key
        source = compensate(self._switched(np.ascontiguousarray(ciphertext)), key.polynomial_size)
        accumulator = np.zeros((key.glwe_dimension + 1, key.polynomial_size), np.uint64)
        accumulator[-1] = lookup_polynomial(entries, key.polynomial_size)
        result = np.empty(self.dimension + 1, np.uint64)
        memory, address = _aligned(*self._scratch)
        _call(
            "bootstrap_lwe_ciphertext_u64",
            result.ctypes.data,
            source.ctypes.data,
            accumulator.ctypes.data,
            self._bootstrap_words.ctypes.data,
            *self._sizes,
            _transform(key.polynomial_size),
            address,
            self._scratch[0],
        )
        del memory  # not before
        return result

    def _switched(self, source: Words) -> Words:
        """Under the small key."""
        switch = self._switch
        if switch is None:
            return source
        switched = np.empty(self._small + 1, np.uint64)
        _call(
            "keyswitch_lwe_ciphertext_u64",
            switched.ctypes.data,
            source.ctypes.data,
            self._keyswitch_words.ctypes.data,
            *(switch.level_count, switch.base_log, self.dimension, self._small),
        )
        return switched


def supports(keyset: KeysetParameters) -> bool:
    """Whether all lookups bootstrap from the one small secret key to the one large one, and switch back if at all."""
    match keyset.bootstrap_keys, keyset.keyswitch_keys:
        case (bootstrap,), (keyswitch,):
            return (bootstrap.input_key, bootstrap.output_key) == (keyswitch.output_key, keyswitch.input_key)
        case (bootstrap,), ():
            return bootstrap.input_key != bootstrap.output_key
    return False


def compensate(ciphertext: Words, polynomial_size: int) -> Words:
    """A ciphertext whose rounding to multiples of 1 / 2N errs by half the variance: see `formulas.rounding_variance`.

    What rounding a word of the mask errs by reaches the phase where the key has a one. Keys have as many ones as
    zeros, so half of the sum of all errors is expected there, which the server can compute; it goes off the body.
    (eprint 2025/809, "mean compensation". Bootstrapping itself, keys and messages are as they were.)

    Args:
        ciphertext: the body last, shape (dimension + 1,).
        polynomial_size: N.
    """
    step = np.uint64((1 << _TORUS_BITS) // (2 * polynomial_size))
    half = step >> np.uint64(1)
    errors = ((ciphertext[:-1] + half) & (step - np.uint64(1))).view(np.int64) - half.view(np.int64)
    # Without their lowest bits, so that a sum of thousands fits 64 bits.
    half_of_all = (errors >> _ERROR_BITS).sum() << (_ERROR_BITS - 1)
    result = ciphertext.copy()
    result[-1:] -= half_of_all.view(np.uint64)  # an array's difference wraps around
    return result


def lookup_polynomial(entries: Words, size: int) -> Words:
    """Coefficients that a blind rotation turns so that the constant one is the entry: each stands around its position.

    The first entry's lower half lies before 0, which is at the end, negated: a whole turn goes through the polynomial
    twice.
    """
    boxes = np.repeat(entries, size // entries.size)
    half = size // entries.size // 2
    return np.concatenate((boxes[half:], np.negative(boxes[:half])))


def _unseeded(data: memoryview, masks: int, bodies: int) -> Words:
    """A seeded key with its masks.

    Args:
        data: the seed, then the bodies (protos/SPEC.md, "Evaluation keys").
        masks: words of a row that come from the seed.
        bodies: words of a row that follow them.
    """
    stream = MaskStream(bytes(data[:SEED_BYTES]))
    given = np.frombuffer(data[SEED_BYTES:], "<u8").reshape(-1, bodies)
    words = np.empty((len(given), masks + bodies), np.uint64)
    words[:, masks:] = given
    step = max(1, _EXPANDED_WORDS // masks)
    for first in range(0, len(given), step):
        rows = words[first : first + step]
        rows[:, :masks] = stream.words(first * masks, rows.shape[0] * masks).reshape(-1, masks)
    return words
