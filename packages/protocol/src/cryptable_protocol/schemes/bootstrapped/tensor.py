"""Encrypted vectors on the wire and in memory (protos/SPEC.md, "EncryptedTensor")."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cryptable_protocol import limits
from cryptable_protocol._generated.cryptable.v1 import tensor_pb2 as pb
from cryptable_protocol.errors import LimitExceededError, MalformedMessageError
from cryptable_protocol.schemes.bootstrapped.mask_stream import SEED_BYTES, MaskStream
from cryptable_protocol.schemes.bootstrapped.trimming import MAX_WORD_BITS, MIN_WORD_BITS, pack, rounded, unpack
from cryptable_protocol.wire.canonical import from_canonical_bytes, to_canonical_bytes

_WORD_BYTES = 8
_WORD_BITS = 64
_MAX_WORDS = limits.MAX_MESSAGE_BYTES // _WORD_BYTES


@dataclass(frozen=True, eq=False)
class EncryptedTensor:
    """LWE ciphertexts: `bodies` of shape (size,), and either the `seed` of the masks or the `masks` themselves.

    The seed is for what a client sends; masks, of shape (size, dimension), are for what a server answers. Where
    `word_bits` is below 64, only that many upper bits of each word are not 0, and only those travel.
    """

    bodies: npt.NDArray[np.uint64]
    seed: bytes | None = None
    masks: npt.NDArray[np.uint64] | None = None
    word_bits: int = _WORD_BITS

    def ciphertexts(self, size: int, dimension: int) -> npt.NDArray[np.uint64]:
        """All words, shape (size, dimension + 1), the body last.

        Both arguments are the reader's own, from a ClientSpec it has checked: they bound the memory that this takes.

        Raises:
            MalformedMessageError: there are not `size` bodies, or the masks are not of `dimension`.
        """
        if self.bodies.shape != (size,):
            raise MalformedMessageError(f"encrypted tensor: {self.bodies.size} ciphertexts, expected {size}")
        words = np.empty((size, dimension + 1), np.uint64)
        words[:, dimension] = self.bodies
        if self.seed is not None:
            words[:, :dimension] = MaskStream(self.seed).words(0, size * dimension).reshape(size, dimension)
        elif self.masks is not None and self.masks.shape == (size, dimension):
            words[:, :dimension] = self.masks
        else:
            got = None if self.masks is None else self.masks.shape
            raise MalformedMessageError(f"encrypted tensor: masks of shape {got}, expected {(size, dimension)}")
        return words

    def __post_init__(self) -> None:
        if (self.seed is None) == (self.masks is None):
            raise MalformedMessageError("encrypted tensor: expected either a seed or masks")
        if self.seed is not None and len(self.seed) != SEED_BYTES:
            raise MalformedMessageError(f"encrypted tensor: a seed of {len(self.seed)} bytes, expected {SEED_BYTES}")
        if self.bodies.ndim != 1 or not 1 <= self.bodies.size <= limits.MAX_VECTOR_SIZE:
            raise MalformedMessageError(
                f"encrypted tensor: bodies of shape {self.bodies.shape}, expected 1 .. {limits.MAX_VECTOR_SIZE} of them"
            )
        if self.word_bits != _WORD_BITS and self.masks is None:
            raise MalformedMessageError("encrypted tensor: a seed, with words of fewer than 64 bits")

    @classmethod
    def from_ciphertexts(cls, words: npt.NDArray[np.uint64]) -> EncryptedTensor:
        """From words of shape (size, dimension + 1), the body last."""
        return cls(bodies=words[:, -1].copy(), masks=words[:, :-1].copy())

    def trimmed(self, word_bits: int) -> EncryptedTensor:
        """The same with each word rounded to its upper bits; see `trimming.answer_word_bits`.

        Args:
            word_bits: 8 to 63; 64 leaves all as it is.
        """
        if word_bits == _WORD_BITS:
            return self
        _check_word_bits(word_bits)
        if self.masks is None:
            raise MalformedMessageError("encrypted tensor: a seed, where masks to trim were expected")
        return EncryptedTensor(
            rounded(self.bodies, word_bits), masks=rounded(self.masks, word_bits), word_bits=word_bits
        )

    def to_message(self) -> pb.EncryptedTensor:
        """As protobuf."""
        bodies = self.bodies.astype("<u8").tobytes()
        if self.seed is not None:
            return pb.EncryptedTensor(seed=self.seed, bodies=bodies)
        masks = np.empty(0, np.uint64) if self.masks is None else self.masks
        if self.word_bits < _WORD_BITS:
            return pb.EncryptedTensor(
                trimmed=pack(masks, self.word_bits), bodies=pack(self.bodies, self.word_bits), word_bits=self.word_bits
            )
        return pb.EncryptedTensor(explicit=masks.astype("<u8").tobytes(), bodies=bodies)

    @classmethod
    def from_message(cls, message: pb.EncryptedTensor) -> EncryptedTensor:
        """From protobuf.

        Raises:
            MalformedMessageError: no masks, a seed of another length, words cut short, no ciphertext, masks that are
                not the same number of words for each ciphertext, or `word_bits` that the form does not have.
            LimitExceededError: trimmed words that would take more than 64 MiB.
        """
        form, word_bits = message.WhichOneof("masks"), message.word_bits
        if message.polynomials:
            raise MalformedMessageError("encrypted tensor: polynomials, which a bootstrapped model does not have")
        if message.rows or message.rows_per_answer:
            raise MalformedMessageError("encrypted tensor: rows together, which a bootstrapped model does not have")
        if form == "trimmed":
            _check_word_bits(word_bits)
            for data in (message.trimmed, message.bodies):
                if 8 * len(data) // word_bits > _MAX_WORDS:
                    raise LimitExceededError(f"encrypted tensor: more than {_MAX_WORDS} words")
            masks, bodies = unpack(message.trimmed, word_bits, "masks"), unpack(message.bodies, word_bits, "bodies")
            return cls(bodies, masks=_masks_of(masks, bodies.size), word_bits=word_bits)
        if word_bits:
            raise MalformedMessageError(f"encrypted tensor: word_bits {word_bits} without trimmed words")
        bodies = _words(message.bodies, "bodies")
        match form:
            case "seed":
                return cls(bodies, seed=message.seed)
            case "explicit":
                return cls(bodies, masks=_masks_of(_words(message.explicit, "masks"), bodies.size))
            case _:
                raise MalformedMessageError("encrypted tensor: neither a seed nor masks")

    def to_bytes(self) -> bytes:
        """Canonical bytes."""
        return to_canonical_bytes(self.to_message())

    @classmethod
    def from_bytes(cls, data: bytes) -> EncryptedTensor:
        """From canonical bytes; raises MalformedMessageError on all others."""
        message = from_canonical_bytes(
            pb.EncryptedTensor, data, limit=limits.MAX_MESSAGE_BYTES, what="encrypted tensor"
        )
        return cls.from_message(message)


def _masks_of(words: npt.NDArray[np.uint64], ciphertexts: int) -> npt.NDArray[np.uint64]:
    if not words.size or not ciphertexts or words.size % ciphertexts:
        raise MalformedMessageError(
            f"encrypted tensor: {words.size} mask words for {ciphertexts} ciphertexts, "
            "expected the same number, at least 1, for each"
        )
    return words.reshape(ciphertexts, -1)


def _check_word_bits(word_bits: int) -> None:
    if not MIN_WORD_BITS <= word_bits <= MAX_WORD_BITS:
        raise MalformedMessageError(
            f"encrypted tensor: words of {word_bits} bits, expected {MIN_WORD_BITS} .. {MAX_WORD_BITS}"
        )


def _words(data: bytes, what: str) -> npt.NDArray[np.uint64]:
    if len(data) % _WORD_BYTES:
        raise MalformedMessageError(f"encrypted tensor: {what} of {len(data)} bytes are not whole 64-bit words")
    return np.frombuffer(data, "<u8").astype(np.uint64, copy=False)
