"""Making evaluation keys: seeded bootstrap and keyswitch keys, streamed in bounded memory (SPEC.md, "Evaluation keys").

A public seed stands for one byte string, ever: the same masks with fresh noise would give the key away. So every call
draws new seeds, none can be passed in, and an upload that breaks is resumed from the bytes that were spooled.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO, TypeVar

import numpy as np
import numpy.typing as npt
from cryptable_protocol.schemes.bootstrapped.keyset import (
    BootstrapKeyParameters,
    KeysetParameters,
    KeyswitchKeyParameters,
)
from cryptable_protocol.schemes.bootstrapped.mask_stream import SEED_BYTES, MaskStream

from cryptable_client.schemes.bootstrapped import lwe
from cryptable_client.schemes.bootstrapped.polynomials import KeyPolynomials
from cryptable_client.schemes.randomness import SecretStream

Words = npt.NDArray[np.uint64]
Bits = npt.NDArray[np.uint8]
Item = TypeVar("Item")
Result = TypeVar("Result")

# One thread works in the second-level cache. Several need long NumPy calls, else they fight for the interpreter's lock.
_CHUNK_WORDS = 1 << 14
_CHUNK_WORDS_THREADED = 1 << 18
_NOISE_DEVIATIONS = 12
"""A row of our own keys has noise beyond this many standard deviations with probability below 2^-90 a word."""


class _Streams(threading.local):
    """A secret stream of its own for every thread."""

    def __init__(self) -> None:
        self.stream = SecretStream()


class _BootstrapRows:
    """Rows of a bootstrap key, [input bit][level][row 0 .. k], without their noise.

    Row r < k of input bit z encrypts -z · weight(level) · S_r(X), row k encrypts z · weight(level).
    """

    def __init__(self, parameters: BootstrapKeyParameters, material: Mapping[int, Bits]) -> None:
        self._shape = parameters.glwe_dimension, parameters.polynomial_size
        self._input_bits = material[parameters.input_key]
        key = material[parameters.output_key].reshape(self._shape)
        self._key_words = key.astype(np.uint64)
        self._key_polynomials = KeyPolynomials(key)
        self._weights = lwe.gadget(parameters.level_count, parameters.base_log)
        self._rows_per_bit = parameters.level_count * (parameters.glwe_dimension + 1)
        self.count = self._input_bits.size * self._rows_per_bit
        self.mask_words, self.body_words = key.size, parameters.polynomial_size
        self.variance = parameters.variance

    def bodies(self, masks: MaskStream, first: int, end: int) -> Words:
        """Of shape (end - first, N)."""
        k, size = self._shape
        words = masks.words(first * k * size, (end - first) * k * size).reshape(end - first, k, size)
        bodies = self._key_polynomials.inner_product(words)
        for row in range(first, end):
            bit, position = divmod(row, self._rows_per_bit)
            if self._input_bits[bit]:
                level, polynomial = divmod(position, k + 1)
                if polynomial < k:
                    bodies[row - first] -= self._key_words[polynomial] * self._weights[level]
                else:
                    bodies[row - first, :1] += self._weights[level]
        return bodies

    def close(self) -> None:
        """Zero what was derived from the keys."""
        self._key_polynomials.close()
        self._key_words.fill(0)


class _KeyswitchRows:
    """Rows of a keyswitch key, [input bit][level], without their noise: each encrypts bit · weight(level)."""

    def __init__(self, parameters: KeyswitchKeyParameters, material: Mapping[int, Bits]) -> None:
        self._key = material[parameters.output_key]
        weights = lwe.gadget(parameters.level_count, parameters.base_log)
        self._messages = np.multiply.outer(material[parameters.input_key].astype(np.uint64), weights).ravel()
        self.count = self._messages.size
        self.mask_words, self.body_words = self._key.size, 1
        self.variance = parameters.variance

    def bodies(self, masks: MaskStream, first: int, end: int) -> Words:
        """Of shape (end - first, 1)."""
        words = masks.words(first * self._key.size, (end - first) * self._key.size).reshape(end - first, self._key.size)
        bodies = lwe.inner_products(words, self._key)
        bodies += self._messages[first:end]
        return bodies[:, np.newaxis]

    def close(self) -> None:
        """Zero what was derived from the keys."""
        self._messages.fill(0)


def chunks(keyset: KeysetParameters, material: Mapping[int, Bits], threads: int) -> Iterator[memoryview]:
    """New evaluation keys: for each key a seed, then its rows' bodies."""
    streams = _Streams()
    for rows in _all_rows(keyset, material):
        try:
            yield from _encrypted(rows, streams, threads)
        finally:
            rows.close()


def are_of(
    keyset: KeysetParameters, material: Mapping[int, Bits], file: BinaryIO, *, first_row_alone: bool, threads: int
) -> bool:
    """Whether evaluation keys are of these secret keys: their noise is as small as such rows have it.

    Args:
        keyset: of both.
        material: the keys that they might be made from.
        file: open for reading, at the start of evaluation keys of the keyset's length.
        first_row_alone: look at no other; without, making the keys anew takes as long.
        threads: to work in.
    """
    for rows in _all_rows(keyset, material):
        try:
            if not _have_noise_of(rows, file, 1 if first_row_alone else rows.count, threads):
                return False
        finally:
            rows.close()
        if first_row_alone:
            break
    return True


def _all_rows(keyset: KeysetParameters, material: Mapping[int, Bits]) -> Iterator[_BootstrapRows | _KeyswitchRows]:
    for bootstrap_key in keyset.bootstrap_keys:
        yield _BootstrapRows(bootstrap_key, material)
    for keyswitch_key in keyset.keyswitch_keys:
        yield _KeyswitchRows(keyswitch_key, material)


def _encrypted(rows: _BootstrapRows | _KeyswitchRows, streams: _Streams, threads: int) -> Iterator[memoryview]:
    seed = os.urandom(SEED_BYTES)
    masks = MaskStream(seed)

    def encrypt(first: int, end: int) -> memoryview:
        bodies = rows.bodies(masks, first, end)
        bodies += streams.stream.gaussian(bodies.size, rows.variance).reshape(bodies.shape)
        return np.ascontiguousarray(bodies, "<u8").data.cast("B")

    yield memoryview(seed)
    yield from _ordered_map(lambda bounds: encrypt(*bounds), _ranges(rows, rows.count, threads), threads)


def _have_noise_of(rows: _BootstrapRows | _KeyswitchRows, file: BinaryIO, count: int, threads: int) -> bool:
    masks = MaskStream(file.read(SEED_BYTES))
    most = _NOISE_DEVIATIONS * rows.variance**0.5 * 2.0**64

    def is_small(first: int, end: int, data: bytes) -> bool:
        noise = np.frombuffer(data, "<u8").reshape(end - first, rows.body_words) - rows.bodies(masks, first, end)
        return bool(np.abs(noise.view(np.int64).astype(np.float64)).max() <= most)

    row_bytes = 8 * rows.body_words
    parts = ((first, end, file.read(row_bytes * (end - first))) for first, end in _ranges(rows, count, threads))
    return all(_ordered_map(lambda part: is_small(*part), parts, threads))


def _ranges(rows: _BootstrapRows | _KeyswitchRows, count: int, threads: int) -> Iterator[tuple[int, int]]:
    step = max(1, (_CHUNK_WORDS if threads == 1 else _CHUNK_WORDS_THREADED) // rows.mask_words)
    return ((first, min(count, first + step)) for first in range(0, count, step))


def _ordered_map(function: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[Result]:
    """As `map`, in several threads, with so few results waiting that memory stays bounded."""
    if threads == 1:
        yield from map(function, items)
        return
    waiting: deque[Future[Result]] = deque()
    executor = ThreadPoolExecutor(threads, thread_name_prefix="cryptable-keys")
    try:
        for item in items:
            waiting.append(executor.submit(function, item))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
