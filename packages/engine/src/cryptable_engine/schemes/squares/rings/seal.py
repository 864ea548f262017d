"""Microsoft SEAL as `tenseal.sealapi` wraps it: the only module that imports it, and all that is used of it.

That interface is no stable one, so its version is pinned. It holds Python's lock and reads objects from files alone:
they are written here, in SEAL's own form, from words that were checked to be residues. Its parser never sees a
stranger's bytes.
"""

from __future__ import annotations

import hashlib
import os
import struct
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from cryptable_protocol.schemes.squares.keyset import Chain, SquaresKeyset

from cryptable_engine.errors import EvaluationError, SchemeUnavailableError

Words = npt.NDArray[np.int64]
Ciphertext = Any
Plaintext = Any
Made = TypeVar("Made")

_MAGIC, _HEADER_BYTES, _VERSION = 0xA15E, 16, (4, 3)
_BFV = 1
_ANONYMOUS_FILES = hasattr(os, "memfd_create")


def _sealapi() -> Any:  # noqa: ANN401
    try:
        import tenseal.sealapi as sealapi
    except ImportError as error:
        raise SchemeUnavailableError(
            error, needs="squares need tenseal", extra="squares", where="Python 3.11 to 3.14"
        ) from error
    return sealapi


def _framed(payload: bytes) -> bytes:
    """SEAL's header, of an object that is not compressed."""
    return struct.pack("<HBBBBHQ", _MAGIC, _HEADER_BYTES, *_VERSION, 0, 0, _HEADER_BYTES + len(payload)) + payload


def _loaded(target: Made, context: object, data: bytes) -> Made:
    """`target`, read from these bytes."""
    if not _ANONYMOUS_FILES:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "object")  # noqa: PTH118  (SEAL takes a string)
            with open(path, "wb") as file:  # noqa: PTH123
                file.write(data)
            target.load(context, path)  # type: ignore[attr-defined]
        return target
    descriptor = os.memfd_create("cryptable")
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(data)
        target.load(context, f"/proc/self/fd/{descriptor}")  # type: ignore[attr-defined]
    finally:
        os.close(descriptor)
    return target


class Keys:
    """A client's evaluation keys under one modulus, as SEAL takes them."""

    def __init__(self, relinearization: object, galois: object, encryptor: object) -> None:
        self.relinearization, self.galois, self.encryptor = relinearization, galois, encryptor


class SealRing:
    """Ciphertexts of one chain of primes and one plaintext modulus.

    Raises:
        SchemeUnavailableError: TenSEAL is not installed.
        EvaluationError: SEAL refuses the parameters.
    """

    keys_are_of_all_moduli = False

    def __init__(self, chain: Chain, modulus: int) -> None:
        self.chain, self.modulus = chain, modulus
        self._seal = seal = _sealapi()
        parameters = seal.EncryptionParameters(seal.SCHEME_TYPE.BFV)
        parameters.set_poly_modulus_degree(chain.ring_size)
        parameters.set_coeff_modulus([seal.Modulus(prime) for prime in chain.primes])
        parameters.set_plain_modulus(modulus)
        self._context = seal.SEALContext(parameters, True, seal.SEC_LEVEL_TYPE.TC128)
        if not self._context.parameters_set():
            raise EvaluationError(f"squares: SEAL refuses its parameters: {self._context.parameters_error_message()}")
        self._evaluator, self._encoder = seal.Evaluator(self._context), seal.BatchEncoder(self._context)
        self._ids = {level: self._id(chain.primes[:level]) for level in range(1, len(chain.primes) + 1)}

    def _id(self, primes: Sequence[int]) -> bytes:
        """How SEAL names parameters: a hash of the scheme, N, the primes and t."""
        words = (_BFV, self.chain.ring_size, *primes, self.modulus)
        return hashlib.blake2b(struct.pack(f"<{len(words)}Q", *words), digest_size=32).digest()

    def _level(self, level: int) -> list[int]:
        return list(struct.unpack("<4Q", self._ids[level]))

    def _stream(self, polynomials: Words, level: int, *, transformed: bool) -> bytes:
        """A ciphertext of shape (polynomials, primes, N), as SEAL writes one."""
        count, primes, size = polynomials.shape
        head = self._ids[level] + struct.pack("<BQQQdQ", transformed, count, size, primes, 1.0, 1)
        words = _framed(struct.pack("<Q", polynomials.size) + np.ascontiguousarray(polynomials, "<i8").tobytes())
        return _framed(head + words)

    def ciphertext(self, body: Words, mask: Words) -> Ciphertext:
        """Of residues modulo the first primes, those of ciphertexts for a fresh one; shape (primes, N) each."""
        data = self._stream(np.stack([body, mask]), len(body), transformed=False)
        return _loaded(self._seal.Ciphertext(), self._context, data)

    def keys(self, keyset: SquaresKeyset, rows: Sequence[Words]) -> Keys:
        """Keys of rows in transformed order, shape (2, primes, N) each, body and mask, the public pair's last."""
        digits, top = len(self.chain.data), len(self.chain.primes)

        def switch(first: int) -> bytes:
            parts = [self._stream(rows[first + digit], top, transformed=True) for digit in range(digits)]
            return struct.pack("<Q", digits) + b"".join(parts)

        def all_of(places: dict[int, int], dimension: int) -> bytes:
            parts = [self._ids[top], struct.pack("<Q", dimension)]
            parts += [switch(places[index]) if index in places else struct.pack("<Q", 0) for index in range(dimension)]
            return _framed(b"".join(parts))

        seal, context = self._seal, self._context
        relinearization = _loaded(seal.RelinKeys(), context, all_of({0: 0}, 1))
        places = {(element - 1) // 2: (1 + number) * digits for number, element in enumerate(keyset.elements)}
        galois = _loaded(seal.GaloisKeys(), context, all_of(places, self.chain.ring_size))
        pair = _loaded(seal.PublicKey(), context, self._stream(rows[keyset.rows], top, transformed=True))
        return Keys(relinearization, galois, seal.Encryptor(context, pair))

    def plaintext(self, slots: Words, level: int | None = None) -> Plaintext:
        """Of slots, shape (N,); for products with transformed ciphertexts of a level, where that is given."""
        made = self._seal.Plaintext()
        self._encoder.encode(slots.tolist(), made)
        if level is not None:
            self._evaluator.transform_to_ntt_inplace(made, self._level(level))
        return made

    def rotated(self, ciphertext: Ciphertext, element: int, keys: Keys) -> Ciphertext:
        """The automorphism X → X^element."""
        made = self._seal.Ciphertext()
        self._evaluator.apply_galois(ciphertext, element, keys.galois, made)
        return made

    def loosened(self, ciphertext: Ciphertext) -> Ciphertext:
        """Itself: for rotations and sums alone, until it is tightened."""
        return ciphertext

    def tightened(self, ciphertext: Ciphertext) -> Ciphertext:
        """Itself."""
        return ciphertext

    def transformed(self, ciphertext: Ciphertext) -> Ciphertext:
        """For products with plaintexts."""
        made = self._seal.Ciphertext()
        self._evaluator.transform_to_ntt(ciphertext, made)
        return made

    def product(self, transformed: Ciphertext, plaintext: Plaintext) -> Ciphertext:
        """Transformed."""
        made = self._seal.Ciphertext()
        self._evaluator.multiply_plain(transformed, plaintext, made)
        return made

    def sums_of_products(
        self, ciphertexts: Sequence[Ciphertext], plaintexts: Mapping[int, Mapping[int, Plaintext]]
    ) -> dict[int, Ciphertext]:
        """For each number of a sum, transformed ciphertexts times the plaintexts of their numbers, added up."""
        found = {}
        for each, own in plaintexts.items():
            first, *others = (self.product(ciphertexts[k], plaintext) for k, plaintext in own.items())
            for other in others:
                self.add(first, other)
            found[each] = first
        return found

    def untransform(self, ciphertext: Ciphertext) -> None:
        """In place."""
        self._evaluator.transform_from_ntt_inplace(ciphertext)

    def add(self, total: Ciphertext, other: Ciphertext) -> None:
        """In place."""
        self._evaluator.add_inplace(total, other)

    def subtract(self, total: Ciphertext, other: Ciphertext) -> None:
        """In place."""
        self._evaluator.sub_inplace(total, other)

    def add_plaintext(self, total: Ciphertext, plaintext: Plaintext) -> None:
        """In place."""
        self._evaluator.add_plain_inplace(total, plaintext)

    def square(self, ciphertext: Ciphertext, level: int, keys: Keys) -> None:
        """In place, and modulo the first `level` primes afterwards."""
        self._evaluator.square_inplace(ciphertext)
        self.switch(ciphertext, level)
        self._evaluator.relinearize_inplace(ciphertext, keys.relinearization)

    def squared(self, ciphertext: Ciphertext, level: int, keys: Keys) -> Ciphertext:
        """The same, and not in place."""
        made = self._seal.Ciphertext()
        self._evaluator.square(ciphertext, made)
        self.switch(made, level)
        self._evaluator.relinearize_inplace(made, keys.relinearization)
        return made

    def multiplied(self, one: Ciphertext, other: Ciphertext, level: int, keys: Keys) -> Ciphertext:
        """The product of two of one level, modulo the first `level` primes afterwards."""
        made = self._seal.Ciphertext()
        self._evaluator.multiply(one, other, made)
        self.switch(made, level)
        self._evaluator.relinearize_inplace(made, keys.relinearization)
        return made

    def scaled(self, ciphertext: Ciphertext, factor: int) -> Ciphertext:
        """Each slot times an integer, not 0, of at most half the modulus.

        SEAL takes a negative one modulo the plaintext modulus, and noise times all of it: so signs stand apart.
        """
        made = self._seal.Ciphertext()
        self._evaluator.multiply_plain(ciphertext, self.constant(abs(factor)), made)
        if factor < 0:
            self._evaluator.negate_inplace(made)
        return made

    def constant(self, value: int) -> Plaintext:
        """An integer modulo the modulus, in every slot."""
        return self._seal.Plaintext(format(value % self.modulus, "x"))

    def switched(self, ciphertext: Ciphertext, level: int) -> Ciphertext:
        """Modulo the first `level` primes."""
        made = self._seal.Ciphertext()
        self._evaluator.mod_switch_to(ciphertext, self._level(level), made)
        return made

    def switch(self, ciphertext: Ciphertext, level: int) -> None:
        """Modulo the first `level` primes, in place."""
        self._evaluator.mod_switch_to_inplace(ciphertext, self._level(level))

    def add_zero(self, ciphertext: Ciphertext, keys: Keys) -> None:
        """Add a fresh encryption of zero under the client's public pair, modulo the same primes."""
        self._evaluator.add_inplace(ciphertext, self.zero(keys, self.level(ciphertext)))

    def zero(self, keys: Keys, level: int = 1) -> Ciphertext:
        """A fresh encryption of zero under the client's public pair, modulo the first `level` primes."""
        made = self._seal.Ciphertext()
        keys.encryptor.encrypt_zero(self._level(level), made)  # type: ignore[attr-defined]
        return made

    def fit(self, ciphertext: Ciphertext) -> None:
        """Give back what it had room for before: a third polynomial, and more primes."""
        words = ciphertext.dyn_array()
        if words.capacity() > words.size():
            ciphertext.reserve(self._context, self._level(self.level(ciphertext)), ciphertext.size())

    def level(self, ciphertext: Ciphertext) -> int:
        """Modulo how many primes it is."""
        return int(ciphertext.coeff_modulus_size())

    def words(self, ciphertext: Ciphertext, places: range) -> Words:
        """Some words of a ciphertext: coefficients of c0 modulo each prime, and after those of c1."""
        return np.array([ciphertext[place] for place in places], np.int64)
