"""Encrypted vectors on the wire and in memory (protos/SPEC.md, "EncryptedTensor")."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cryptable_protocol import limits
from cryptable_protocol._generated.cryptable.v1 import tensor_pb2 as pb
from cryptable_protocol.canonical import from_canonical_bytes, to_canonical_bytes
from cryptable_protocol.errors import MalformedMessageError
from cryptable_protocol.mask_stream import SEED_BYTES, MaskStream

_WORD_BYTES = 8


@dataclass(frozen=True, eq=False)
class EncryptedTensor:
    """LWE ciphertexts: `bodies` of shape (size,), and the masks, as one seed or as an array of shape (size, dimension)."""

    bodies: npt.NDArray[np.uint64]
    seed: bytes | None = None
    masks: npt.NDArray[np.uint64] | None = None

    def ciphertexts(self, size: int, dimension: int) -> npt.NDArray[np.uint64]:
        """All words, shape (size, dimension + 1), the body last.

        Raises:
            MalformedMessageError: there are not `size` bodies, or the masks are not of `dimension`.
        """
        if self.bodies.shape != (size,):
            raise MalformedMessageError(f"encrypted tensor: {self.bodies.size} ciphertexts, expected {size}")
        words = np.empty((size, dimension + 1), np.uint64)
        words[:, dimension] = self.bodies
        if self.seed is not None:
            words[:, :dimension] = MaskStream(self.seed).words(0, size * dimension).reshape(size, dimension)
        elif self.masks is not None and self.masks.size == size * dimension:
            words[:, :dimension] = self.masks.reshape(size, dimension)
        else:
            got = 0 if self.masks is None else self.masks.size
            raise MalformedMessageError(f"encrypted tensor: {got} mask words, expected {size * dimension}")
        return words

    @classmethod
    def from_ciphertexts(cls, words: npt.NDArray[np.uint64]) -> EncryptedTensor:
        """From words of shape (size, dimension + 1), the body last."""
        return cls(bodies=words[:, -1].copy(), masks=words[:, :-1].copy())

    def to_message(self) -> pb.EncryptedTensor:
        """As protobuf."""
        bodies = self.bodies.astype("<u8").tobytes()
        if self.seed is not None:
            return pb.EncryptedTensor(seed=self.seed, bodies=bodies)
        masks = b"" if self.masks is None else self.masks.astype("<u8").tobytes()
        return pb.EncryptedTensor(explicit=masks, bodies=bodies)

    @classmethod
    def from_message(cls, message: pb.EncryptedTensor) -> EncryptedTensor:
        """From protobuf.

        Raises:
            MalformedMessageError: no masks, a seed of another length, or words cut short.
        """
        bodies = _words(message.bodies, "bodies")
        match message.WhichOneof("masks"):
            case "seed":
                if len(message.seed) != SEED_BYTES:
                    raise MalformedMessageError(
                        f"encrypted tensor: a seed of {len(message.seed)} bytes, expected {SEED_BYTES}"
                    )
                return cls(bodies, seed=message.seed)
            case "explicit":
                return cls(bodies, masks=_words(message.explicit, "masks"))
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


def _words(data: bytes, what: str) -> npt.NDArray[np.uint64]:
    if len(data) % _WORD_BYTES:
        raise MalformedMessageError(f"encrypted tensor: {what} of {len(data)} bytes are not whole 64-bit words")
    return np.frombuffer(data, "<u8").astype(np.uint64, copy=False)
