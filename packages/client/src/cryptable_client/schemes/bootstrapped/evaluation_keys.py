"""Making evaluation keys: seeded bootstrap and keyswitch keys, streamed in bounded memory (SPEC.md, "Evaluation keys").

A public seed stands for one byte string, ever: the same masks with fresh noise would give the key away. So every call
draws new seeds, none can be passed in, and an upload that breaks is resumed from the bytes that were spooled.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO, TypeVar

import numpy as np
import numpy.typing as npt
from cryptable_protocol.errors import InternalError, InvalidInputError
from cryptable_protocol.evaluation_keys import EvaluationKeysHeader
from cryptable_protocol.schemes.bootstrapped.keyset import BootstrapKeyParameters, KeyswitchKeyParameters
from cryptable_protocol.schemes.bootstrapped.mask_stream import SEED_BYTES, MaskStream

from cryptable_client.keys.secret_keys import SecretKeys
from cryptable_client.schemes.bootstrapped import lwe
from cryptable_client.schemes.bootstrapped.polynomials import KeyPolynomials
from cryptable_client.schemes.bootstrapped.security import check_keyset
from cryptable_client.schemes.randomness import SecretStream

Words = npt.NDArray[np.uint64]
Progress = Callable[[int, int], None]
Item = TypeVar("Item")

MAX_THREADS = 8
# One thread works in the second-level cache. Several need long NumPy calls, else they fight for the interpreter's lock.
_CHUNK_WORDS = 1 << 14
_CHUNK_WORDS_THREADED = 1 << 18


class _Streams(threading.local):
    """A secret stream of its own for every thread."""

    def __init__(self) -> None:
        self.stream = SecretStream()


def write_evaluation_keys(
    secret_keys: SecretKeys, file: BinaryIO, *, threads: int | None = None, progress: Progress | None = None
) -> EvaluationKeysHeader:
    """Make new evaluation keys and write their bytes, chunk by chunk.

    Args:
        secret_keys: the keys that they are made from.
        file: open for writing bytes.
        threads: to work with; by default one a core, at most 8.
        progress: called with the bytes written so far and in all.

    Returns:
        Keyset, length and SHA-256 of what was written.

    Raises:
        InvalidInputError: the keyset needs no evaluation keys.
        WeakParametersError: the keyset is not secure.
    """
    keyset = secret_keys.keyset
    check_keyset(keyset)
    total = keyset.evaluation_keys_bytes
    if not total:
        raise InvalidInputError("this model has no lookups, so there are no evaluation keys to make")
    if threads is None:
        threads = min(usable_cores(), MAX_THREADS)
    if threads < 1:
        raise InvalidInputError(f"threads must be at least 1, got {threads}")
    digest, written = hashlib.sha256(), 0
    for chunk in _all_keys(secret_keys, threads):
        digest.update(chunk)
        _write_all(file, chunk)
        written += len(chunk)
        if progress is not None:
            progress(written, total)
    if written != total:
        raise InternalError(f"evaluation keys of {written} bytes, expected {total}")
    return EvaluationKeysHeader(keyset.name, total, digest.digest())


def first_row_noise(secret_keys: SecretKeys, file: BinaryIO) -> tuple[npt.NDArray[np.int64], float]:
    """Noise of the first row of evaluation keys, and the variance it should have: tells whose keys a file holds.

    Args:
        secret_keys: the keys that they might be made from.
        file: open for reading, at the start of evaluation keys of the same keyset.
    """
    keyset = secret_keys.keyset
    parameters: BootstrapKeyParameters | KeyswitchKeyParameters
    parameters = keyset.bootstrap_keys[0] if keyset.bootstrap_keys else keyset.keyswitch_keys[0]
    masks = MaskStream(file.read(SEED_BYTES))
    key = secret_keys._key_bits(parameters.output_key)
    weight = lwe.gadget(parameters.level_count, parameters.base_log)[0]
    bit = secret_keys._key_bits(parameters.input_key)[0]
    if isinstance(parameters, BootstrapKeyParameters):
        shape = parameters.glwe_dimension, parameters.polynomial_size
        polynomials = KeyPolynomials(key.reshape(shape))
        noise = np.frombuffer(file.read(8 * shape[1]), "<u8").astype(np.uint64)
        noise -= polynomials.inner_product(masks.words(0, key.size).reshape(1, *shape))[0]
        noise += key[: shape[1]] * (np.uint64(bit) * weight)
        polynomials.close()
    else:
        noise = np.frombuffer(file.read(8), "<u8").astype(np.uint64)
        noise -= lwe.inner_products(masks.words(0, key.size).reshape(1, -1), key)
        noise -= np.uint64(bit) * weight
    return noise.view(np.int64), parameters.variance


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _write_all(file: BinaryIO, chunk: memoryview) -> None:
    # An unbuffered file may take less than it is given.
    while len(chunk):
        taken = file.write(chunk)
        chunk = chunk[len(chunk) if taken is None else taken :]


def _all_keys(secret_keys: SecretKeys, threads: int) -> Iterator[memoryview]:
    for bootstrap_key in secret_keys.keyset.bootstrap_keys:
        yield from _bootstrap_key(secret_keys, bootstrap_key, threads)
    for keyswitch_key in secret_keys.keyset.keyswitch_keys:
        yield from _keyswitch_key(secret_keys, keyswitch_key, threads)


def _bootstrap_key(secret_keys: SecretKeys, parameters: BootstrapKeyParameters, threads: int) -> Iterator[memoryview]:
    """Seed, then bodies [input bit][level][row 0 .. k][N].

    Row r < k of input bit z encrypts -z · weight(level) · S_r(X), row k encrypts z · weight(level).
    """
    k, size = parameters.glwe_dimension, parameters.polynomial_size
    input_bits = secret_keys._key_bits(parameters.input_key)
    key = secret_keys._key_bits(parameters.output_key).reshape(k, size)
    key_words = key.astype(np.uint64)
    key_polynomials = KeyPolynomials(key)
    weights = lwe.gadget(parameters.level_count, parameters.base_log)
    rows_per_bit = parameters.level_count * (k + 1)
    seed = os.urandom(SEED_BYTES)
    masks, streams = MaskStream(seed), _Streams()

    def encrypt_rows(first: int, end: int) -> memoryview:
        rows = end - first
        words = masks.words(first * k * size, rows * k * size).reshape(rows, k, size)
        bodies = key_polynomials.inner_product(words)
        bodies += streams.stream.gaussian(rows * size, parameters.variance).reshape(rows, size)
        for row in range(first, end):
            bit, position = divmod(row, rows_per_bit)
            if input_bits[bit]:
                level, polynomial = divmod(position, k + 1)
                if polynomial < k:
                    bodies[row - first] -= key_words[polynomial] * weights[level]
                else:
                    bodies[row - first, :1] += weights[level]
        return _little_endian(bodies)

    yield memoryview(seed)
    try:
        yield from _in_chunks(encrypt_rows, input_bits.size * rows_per_bit, k * size, threads)
    finally:
        key_polynomials.close()
        key_words.fill(0)


def _keyswitch_key(secret_keys: SecretKeys, parameters: KeyswitchKeyParameters, threads: int) -> Iterator[memoryview]:
    """Seed, then bodies [input bit][level]: each encrypts bit · weight(level)."""
    input_bits = secret_keys._key_bits(parameters.input_key)
    key = secret_keys._key_bits(parameters.output_key)
    weights = lwe.gadget(parameters.level_count, parameters.base_log)
    messages = np.multiply.outer(input_bits.astype(np.uint64), weights).ravel()
    seed = os.urandom(SEED_BYTES)
    masks, streams = MaskStream(seed), _Streams()

    def encrypt_rows(first: int, end: int) -> memoryview:
        rows = end - first
        words = masks.words(first * key.size, rows * key.size).reshape(rows, key.size)
        bodies = lwe.inner_products(words, key)
        bodies += messages[first:end]
        bodies += streams.stream.gaussian(rows, parameters.variance)
        return _little_endian(bodies)

    yield memoryview(seed)
    try:
        yield from _in_chunks(encrypt_rows, messages.size, key.size, threads)
    finally:
        messages.fill(0)


def _little_endian(words: Words) -> memoryview:
    return np.ascontiguousarray(words, "<u8").data.cast("B")


def _in_chunks(
    encrypt_rows: Callable[[int, int], memoryview], rows: int, words_per_row: int, threads: int
) -> Iterator[memoryview]:
    step = max(1, (_CHUNK_WORDS if threads == 1 else _CHUNK_WORDS_THREADED) // words_per_row)
    ranges = ((first, min(rows, first + step)) for first in range(0, rows, step))
    return _ordered_map(lambda bounds: encrypt_rows(*bounds), ranges, threads)


def _ordered_map(function: Callable[[Item], memoryview], items: Iterable[Item], threads: int) -> Iterator[memoryview]:
    """As `map`, in several threads, with so few results waiting that memory stays bounded."""
    if threads == 1:
        yield from map(function, items)
        return
    waiting: deque[Future[memoryview]] = deque()
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
