"""ClientScheme: what keys and ciphertexts of one scheme are on an end user's device, and where the schemes are found.

Everything outside the schemes' folders calls these methods, with key *material*: a value that is the scheme's own, and
that no one else looks into. The handle on it, SecretKeys, stands above; what ends with the keys is the handle's.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, BinaryIO, ClassVar, Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from cryptable_protocol.messages import tensor as tensor_pb
from cryptable_protocol.model.client_spec import ClientSpec
from cryptable_protocol.schemes.scheme import Keyset, SchemeParameters, Tensor

from cryptable_client.errors import UnknownSchemeError

SECURITY_BITS = 128
"""What is asked for unless a caller wants more."""

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the bytes done so far and in all."""
KeyMaterial: TypeAlias = Any
"""Secret keys as their scheme has them: nobody else looks into it."""
SchemeTensor: TypeAlias = Any
"""A Tensor of the scheme's own class, for callers who know which."""

KeysetType = TypeVar("KeysetType", bound=Keyset)
ParametersType = TypeVar("ParametersType", bound=SchemeParameters, contravariant=True)
MaterialType = TypeVar("MaterialType")
TensorType = TypeVar("TensorType", bound=Tensor)


class ClientScheme(Protocol[KeysetType, ParametersType, MaterialType, TensorType]):
    """Keys, encryption and decryption of one scheme. What these are given is of this scheme, and fits together."""

    scheme: ClassVar[str]

    def check_keyset(self, keyset: KeysetType, *, security_bits: int) -> None:
        """Check the parameters of keys.

        Raises:
            WeakParametersError: one of them gives fewer bits of security or asks for absurd work; the message names it.
            InvalidInputError: nothing is known of so many `security_bits`.
        """

    def check_parameters(self, parameters: ParametersType, *, security_bits: int) -> None:
        """Check all parameters of a model, those of its keys among them; errors as for `check_keyset`."""

    def keyset_to_bytes(self, keyset: KeysetType) -> bytes:
        """Canonical bytes of a keyset, for key files: 16 KiB at most."""

    def keyset_from_bytes(self, data: bytes) -> KeysetType:
        """The inverse; MalformedMessageError on all bytes that `keyset_to_bytes` does not give."""

    def generate(self, keyset: KeysetType) -> MaterialType:
        """New secret keys from the system's randomness."""

    def pack(self, keyset: KeysetType, material: MaterialType) -> npt.NDArray[np.uint8]:
        """Secret keys as bytes, for key files; the caller overwrites them. InternalError if they are not its."""

    def unpack(self, keyset: KeysetType, packed: bytes) -> MaterialType:
        """The inverse; MalformedMessageError on all bytes that `pack` does not give."""

    def erase(self, material: MaterialType) -> None:
        """Overwrite secret keys in memory."""

    def evaluation_keys(
        self, keyset: KeysetType, material: MaterialType, *, threads: int
    ) -> Iterator[bytes | memoryview]:
        """Chunks of new evaluation keys, `keyset.evaluation_keys_bytes` in all, under seeds that no other call drew."""

    def owns(self, keyset: KeysetType, material: MaterialType, file: BinaryIO) -> bool:
        """Whether the beginning of evaluation keys of this keyset says that they are of these secret keys."""

    def intact(self, keyset: KeysetType, material: MaterialType, file: BinaryIO, *, threads: int) -> bool:
        """Whether every part of evaluation keys is what these secret keys can make: takes as long as making them."""

    def encrypt(self, parameters: ParametersType, material: MaterialType, values: npt.NDArray[np.int64]) -> TensorType:
        """Encrypt a row, of shape (parameters.inputs,) and each value in its range, under a fresh seed."""

    def decrypt(
        self, parameters: ParametersType, material: MaterialType, tensor: TensorType, *, further_bits: int
    ) -> npt.NDArray[np.int64]:
        """Decrypt an answer.

        Args:
            parameters: of the model.
            material: the keys that its row was encrypted with.
            tensor: the answer.
            further_bits: noisy bits below the exact ones to read too.

        Returns:
            Integers of shape (parameters.outputs,). Whatever is of the right form decrypts to some: nothing that a
            client does afterwards can depend on whether an answer is honest.

        Raises:
            MalformedMessageError: the tensor is not of the form that the parameters fix.
        """

    def read_tensor(self, message: tensor_pb.EncryptedTensor) -> TensorType:
        """A row or an answer from the wire; MalformedMessageError where it is none of this scheme."""


AnyScheme: TypeAlias = ClientScheme[Any, Any, Any, Any]
SchemeClass = TypeVar("SchemeClass", bound=type[AnyScheme])

_SCHEMES: dict[str, AnyScheme] = {}


def client_scheme(kind: SchemeClass) -> SchemeClass:
    """Decorator: the client's part of the scheme that `kind.scheme` names.

    Raises:
        ValueError: there is one of that name already.
    """
    if kind.scheme in _SCHEMES:
        raise ValueError(f"two client schemes {kind.scheme!r}")
    _SCHEMES[kind.scheme] = kind()
    return kind


def scheme_called(name: str) -> AnyScheme:
    """The scheme of a name that a specification or a key file gives.

    Raises:
        UnknownSchemeError: this client has none of that name.
    """
    _discover()
    try:
        return _SCHEMES[name]
    except KeyError:
        raise UnknownSchemeError(f"this client knows no scheme {name[:40]!r}: upgrade cryptable-client") from None


def scheme_names() -> tuple[str, ...]:
    """Names of all schemes, in alphabetical order."""
    _discover()
    return tuple(sorted(_SCHEMES))


def check_security(spec: ClientSpec, *, security_bits: int = SECURITY_BITS) -> None:
    """Check all parameters of a specification.

    Args:
        spec: the specification.
        security_bits: that each parameter must give: 128 or 132.

    Raises:
        WeakParametersError: one of them gives fewer bits of security or asks for absurd work; the message names it, as
            "bootstrap key 0: variance …".
        UnknownSchemeError: the model is of a scheme that this client does not know.
        InvalidInputError: another `security_bits`.
    """
    scheme_called(spec.scheme).check_parameters(spec.parameters, security_bits=security_bits)


def check_keyset(keyset: Keyset, *, security_bits: int = SECURITY_BITS) -> None:
    """Check the parameters of keys alone; errors as for `check_security`."""
    scheme_called(keyset.scheme).check_keyset(keyset, security_bits=security_bits)


def read_tensor(spec: ClientSpec, message: tensor_pb.EncryptedTensor) -> Tensor:
    """A model's row or answer from the wire; MalformedMessageError where it is none of the model's scheme."""
    tensor: Tensor = scheme_called(spec.scheme).read_tensor(message)
    return tensor


@cache
def _discover() -> None:
    package = importlib.import_module("cryptable_client.schemes")
    for folder in pkgutil.iter_modules(package.__path__):
        if folder.ispkg:
            importlib.import_module(f"cryptable_client.schemes.{folder.name}.client_scheme")
