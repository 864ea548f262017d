"""Crypto parameters: which keys a model needs, of what dimensions and noise, and how large they are on the wire."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from cryptable_protocol import limits
from cryptable_protocol._generated.cryptable.v1 import client_spec_pb2 as pb
from cryptable_protocol.errors import MalformedMessageError
from cryptable_protocol.schemes.bootstrapped.mask_stream import SEED_BYTES
from cryptable_protocol.schemes.scheme import BOOTSTRAPPED
from cryptable_protocol.wire.canonical import to_canonical_bytes

_WORD_BYTES = 8
_TORUS_BITS = 64
_MIN_POLYNOMIAL_SIZE = 256
_MAX_ID = 2**32 - 1


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise MalformedMessageError(message)


def _require_id(value: int, what: str) -> None:
    _require(0 <= value <= _MAX_ID, f"{what}: id {value} is not in 0 .. 2^32 - 1")


def _require_variance(variance: float, what: str) -> None:
    _require(math.isfinite(variance) and 0.0 <= variance < 1.0, f"{what}: variance {variance} is not in [0, 1)")


def _require_ids(kind: str, ids: list[int]) -> None:
    _require(
        len(ids) <= limits.MAX_KEYS_PER_KIND, f"keyset: {len(ids)} {kind} keys, at most {limits.MAX_KEYS_PER_KIND}"
    )
    _require(ids == sorted(set(ids)), f"keyset: {kind} key ids {ids} are not strictly increasing")


def _require_decomposition(level_count: int, base_log: int, what: str) -> None:
    _require(
        level_count >= 1 and base_log >= 1 and level_count * base_log <= _TORUS_BITS,
        f"{what}: a decomposition of {level_count} levels of {base_log} bits does not fit {_TORUS_BITS} bits",
    )


@dataclass(frozen=True)
class SecretKeyParameters:
    """A uniform binary LWE key of `dimension` bits."""

    id: int
    dimension: int

    def __post_init__(self) -> None:
        _require_id(self.id, "secret key")
        _require(
            1 <= self.dimension <= limits.MAX_LWE_DIMENSION,
            f"secret key {self.id}: dimension {self.dimension} is not in 1 .. {limits.MAX_LWE_DIMENSION}",
        )


@dataclass(frozen=True)
class BootstrapKeyParameters:
    """A bootstrap key: the bits of `input_key`, each a GGSW ciphertext under `output_key`."""

    id: int
    input_key: int
    output_key: int
    level_count: int
    base_log: int
    glwe_dimension: int
    polynomial_size: int
    variance: float

    def __post_init__(self) -> None:
        what = f"bootstrap key {self.id}"
        _require_id(self.id, "bootstrap key")
        _require_decomposition(self.level_count, self.base_log, what)
        size = self.polynomial_size
        _require(
            size >= _MIN_POLYNOMIAL_SIZE and size & (size - 1) == 0,
            f"{what}: polynomial_size {size} is not a power of two from {_MIN_POLYNOMIAL_SIZE}",
        )
        _require(
            1 <= self.glwe_dimension <= limits.MAX_LWE_DIMENSION // size,
            f"{what}: glwe_dimension {self.glwe_dimension} x polynomial_size {size} "
            f"is not in 1 .. {limits.MAX_LWE_DIMENSION}",
        )
        _require_variance(self.variance, what)


@dataclass(frozen=True)
class KeyswitchKeyParameters:
    """A keyswitch key: the bits of `input_key`, encrypted under `output_key`."""

    id: int
    input_key: int
    output_key: int
    level_count: int
    base_log: int
    variance: float

    def __post_init__(self) -> None:
        what = f"keyswitch key {self.id}"
        _require_id(self.id, "keyswitch key")
        _require_decomposition(self.level_count, self.base_log, what)
        _require_variance(self.variance, what)


@dataclass(frozen=True)
class KeysetParameters:
    """All keys of a model. Without bootstrap and keyswitch keys, there are no evaluation keys to upload."""

    secret_keys: tuple[SecretKeyParameters, ...]
    bootstrap_keys: tuple[BootstrapKeyParameters, ...] = ()
    keyswitch_keys: tuple[KeyswitchKeyParameters, ...] = ()

    scheme: ClassVar[str] = BOOTSTRAPPED
    is_universal: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _require(len(self.secret_keys) >= 1, "keyset: no secret key")
        _require_ids("secret", [key.id for key in self.secret_keys])
        _require_ids("bootstrap", [key.id for key in self.bootstrap_keys])
        _require_ids("keyswitch", [key.id for key in self.keyswitch_keys])
        for bootstrap_key in self.bootstrap_keys:
            self._require_ends("bootstrap", bootstrap_key)
            flat = bootstrap_key.glwe_dimension * bootstrap_key.polynomial_size
            dimension = self.dimensions[bootstrap_key.output_key]
            _require(
                flat == dimension,
                f"bootstrap key {bootstrap_key.id}: glwe_dimension x polynomial_size is {flat}, "
                f"secret key {bootstrap_key.output_key} has dimension {dimension}",
            )
        for keyswitch_key in self.keyswitch_keys:
            self._require_ends("keyswitch", keyswitch_key)
        _require(
            self.evaluation_keys_bytes <= limits.MAX_EVALUATION_KEYS_BYTES,
            f"keyset: evaluation keys of {self.evaluation_keys_bytes} bytes, "
            f"at most {limits.MAX_EVALUATION_KEYS_BYTES}",
        )

    def _require_ends(self, kind: str, key: BootstrapKeyParameters | KeyswitchKeyParameters) -> None:
        for end in (key.input_key, key.output_key):
            _require(end in self.dimensions, f"{kind} key {key.id}: refers to secret key {end}, which does not exist")

    @cached_property
    def dimensions(self) -> dict[int, int]:
        """LWE dimension of each secret key, by id."""
        return {key.id: key.dimension for key in self.secret_keys}

    def bootstrap_key_rows(self, key: BootstrapKeyParameters) -> int:
        """GLWE ciphertexts in a bootstrap key: one for each input bit, level and row of the GGSW matrix."""
        return self.dimensions[key.input_key] * key.level_count * (key.glwe_dimension + 1)

    def keyswitch_key_rows(self, key: KeyswitchKeyParameters) -> int:
        """LWE ciphertexts in a keyswitch key: one for each input bit and level."""
        return self.dimensions[key.input_key] * key.level_count

    def bootstrap_key_bytes(self, key: BootstrapKeyParameters) -> int:
        """Bytes of the seeded form: the seed, then one body polynomial a row."""
        return SEED_BYTES + self.bootstrap_key_rows(key) * key.polynomial_size * _WORD_BYTES

    def keyswitch_key_bytes(self, key: KeyswitchKeyParameters) -> int:
        """Bytes of the seeded form: the seed, then one body word a row."""
        return SEED_BYTES + self.keyswitch_key_rows(key) * _WORD_BYTES

    @property
    def evaluation_keys_bytes(self) -> int:
        """Length of the evaluation keys on the wire (SPEC.md, "Evaluation keys"); 0 where none are needed."""
        return sum(map(self.bootstrap_key_bytes, self.bootstrap_keys)) + sum(
            map(self.keyswitch_key_bytes, self.keyswitch_keys)
        )

    @property
    def memory_bytes(self) -> int:
        """Estimate of what the evaluation keys take in a worker, which measurement agrees with.

        Bootstrap keys are kept with their masks in the Fourier domain, keyswitch keys with theirs. Where there are
        several, Concrete's own program evaluates, which keeps the seeded keys too.
        """
        bootstrap = sum(
            self.bootstrap_key_rows(key) * (key.glwe_dimension + 1) * key.polynomial_size for key in self.bootstrap_keys
        )
        keyswitch = sum(
            self.keyswitch_key_rows(key) * (self.dimensions[key.output_key] + 1) for key in self.keyswitch_keys
        )
        is_single = len(self.bootstrap_keys) == 1 and len(self.keyswitch_keys) <= 1
        seeded = 0 if is_single else self.evaluation_keys_bytes
        return seeded + (bootstrap + keyswitch) * _WORD_BYTES

    @cached_property
    def name(self) -> bytes:
        """SHA-256 of the canonical parameters: two models with the same name work with the same keys."""
        return hashlib.sha256(to_canonical_bytes(self.to_message())).digest()

    def to_message(self) -> pb.KeysetParameters:
        """As protobuf."""
        return pb.KeysetParameters(
            secret_keys=[pb.SecretKeyParameters(id=key.id, dimension=key.dimension) for key in self.secret_keys],
            bootstrap_keys=[
                pb.BootstrapKeyParameters(
                    id=key.id,
                    input_key=key.input_key,
                    output_key=key.output_key,
                    level_count=key.level_count,
                    base_log=key.base_log,
                    glwe_dimension=key.glwe_dimension,
                    polynomial_size=key.polynomial_size,
                    variance=key.variance,
                )
                for key in self.bootstrap_keys
            ],
            keyswitch_keys=[
                pb.KeyswitchKeyParameters(
                    id=key.id,
                    input_key=key.input_key,
                    output_key=key.output_key,
                    level_count=key.level_count,
                    base_log=key.base_log,
                    variance=key.variance,
                )
                for key in self.keyswitch_keys
            ],
        )

    @classmethod
    def from_message(cls, message: pb.KeysetParameters) -> KeysetParameters:
        """From protobuf.

        Raises:
            MalformedMessageError: a field is out of range, or keys do not fit together.
        """
        return cls(
            tuple(SecretKeyParameters(key.id, key.dimension) for key in message.secret_keys),
            tuple(
                BootstrapKeyParameters(
                    key.id,
                    key.input_key,
                    key.output_key,
                    key.level_count,
                    key.base_log,
                    key.glwe_dimension,
                    key.polynomial_size,
                    key.variance,
                )
                for key in message.bootstrap_keys
            ),
            tuple(
                KeyswitchKeyParameters(
                    key.id, key.input_key, key.output_key, key.level_count, key.base_log, key.variance
                )
                for key in message.keyswitch_keys
            ),
        )


@dataclass(frozen=True)
class CiphertextType:
    """A vector of `size` LWE ciphertexts of unsigned `width`-bit integers under secret key `key`.

    `variance` is the noise of a fresh encryption as a fraction of the torus, squared; 0 in an output.
    """

    size: int
    key: int
    width: int
    variance: float

    MAX_WIDTH = 62

    def __post_init__(self) -> None:
        _require(
            1 <= self.size <= limits.MAX_VECTOR_SIZE,
            f"ciphertext type: size {self.size} is not in 1 .. {limits.MAX_VECTOR_SIZE}",
        )
        _require(
            1 <= self.width <= self.MAX_WIDTH, f"ciphertext type: width {self.width} is not in 1 .. {self.MAX_WIDTH}"
        )
        _require_id(self.key, "ciphertext type: secret key")
        _require_variance(self.variance, "ciphertext type")

    def to_message(self) -> pb.CiphertextType:
        """As protobuf."""
        return pb.CiphertextType(size=self.size, key=self.key, width=self.width, variance=self.variance)

    @classmethod
    def from_message(cls, message: pb.CiphertextType) -> CiphertextType:
        """From protobuf; raises MalformedMessageError where a field is out of range."""
        return cls(message.size, message.key, message.width, message.variance)
