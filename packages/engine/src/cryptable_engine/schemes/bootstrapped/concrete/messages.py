"""Concrete's own messages, built from our metadata and nothing of a client's but payload words; and results read back.

Concrete compares the metadata of a message with a program's, and tells a null pointer from an empty struct. So exactly
the fields that a program's description has are set, empty lists and structs included.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from cryptable_protocol import BootstrapKeyParameters, CiphertextType, KeysetParameters, KeyswitchKeyParameters

from cryptable_engine.errors import EvaluationError, SchemeUnavailableError

_MAX_BLOB_BYTES = 536_870_904
"""A Cap'n Proto blob's limit, rounded down to whole words."""
_NO_TRAVERSAL_LIMIT = 1 << 61


@cache
def _schema() -> Any:  # noqa: ANN401  # pycapnp has no types
    """Concrete's messages; what reads them is an extra of this package.

    Raises:
        SchemeUnavailableError: it is not installed.
    """
    try:
        import capnp
    except ModuleNotFoundError as error:
        raise SchemeUnavailableError(error) from error
    capnp.remove_import_hook()
    return capnp.load(str(Path(__file__).with_name("concrete.capnp")))


def keyset_message(keyset: KeysetParameters, data: memoryview) -> bytes:
    """A ServerKeyset of seeded keys.

    Args:
        keyset: the program's.
        data: evaluation keys (protos/SPEC.md, "Evaluation keys"), of exactly `keyset.evaluation_keys_bytes` bytes.
    """
    start = 0
    keys: dict[str, list[dict[str, Any]]] = {"lweBootstrapKeys": [], "lweKeyswitchKeys": [], "packingKeyswitchKeys": []}
    for bootstrap_key in keyset.bootstrap_keys:
        end = start + keyset.bootstrap_key_bytes(bootstrap_key)
        info = _bootstrap_key_info(keyset, bootstrap_key)
        keys["lweBootstrapKeys"].append({"info": info, "payload": _payload(data[start:end])})
        start = end
    for keyswitch_key in keyset.keyswitch_keys:
        end = start + keyset.keyswitch_key_bytes(keyswitch_key)
        info = _keyswitch_key_info(keyset, keyswitch_key)
        keys["lweKeyswitchKeys"].append({"info": info, "payload": _payload(data[start:end])})
        start = end
    message: bytes = _schema().ServerKeyset.new_message(**keys).to_bytes()
    return message


def value_message(words: npt.NDArray[np.uint64], kind: CiphertextType, dimension: int) -> bytes:
    """A Value of unseeded ciphertexts.

    Args:
        words: shape (size, dimension + 1), the body last.
        kind: the program's input.
        dimension: of the secret key.
    """
    shape = {"dimensions": [kind.size, dimension + 1]}
    info = {
        "abstractShape": {"dimensions": [kind.size]},
        "concreteShape": shape,
        "integerPrecision": 64,
        "encryption": {
            "keyId": kind.key,
            "variance": kind.variance,
            "lweDimension": dimension,
            "modulus": {"modulus": {"native": {}}},
        },
        "compression": "none",
        "encoding": {"integer": {"width": kind.width, "isSigned": False, "mode": {"native": {}}}},
    }
    data = np.ascontiguousarray(words, "<u8").data.cast("B")
    message: bytes = (
        _schema()
        .Value.new_message(
            payload=_payload(data),
            rawInfo={"shape": shape, "integerPrecision": 64, "isSigned": False},
            typeInfo={"lweCiphertext": info},
        )
        .to_bytes()
    )
    return message


def read_value(message: bytes, size: int, dimension: int) -> npt.NDArray[np.uint64]:
    """The words of a result, shape (size, dimension + 1).

    Raises:
        EvaluationError: it has another shape.
    """
    with _schema().Value.from_bytes(message, traversal_limit_in_words=_NO_TRAVERSAL_LIMIT) as value:
        shape = list(value.rawInfo.shape.dimensions)
        data = b"".join(value.payload.data)
    if shape != [size, dimension + 1] or len(data) != 8 * size * (dimension + 1):
        raise EvaluationError(f"a result of shape {shape} and {len(data)} bytes, expected {[size, dimension + 1]}")
    return np.frombuffer(data, "<u8").reshape(size, dimension + 1).astype(np.uint64, copy=False)


def _payload(data: memoryview) -> dict[str, list[bytes]]:
    return {"data": [bytes(data[at : at + _MAX_BLOB_BYTES]) for at in range(0, len(data), _MAX_BLOB_BYTES)]}


def _bootstrap_key_info(keyset: KeysetParameters, key: BootstrapKeyParameters) -> dict[str, Any]:
    return {
        "id": key.id,
        "inputId": key.input_key,
        "outputId": key.output_key,
        "params": {
            "levelCount": key.level_count,
            "baseLog": key.base_log,
            "glweDimension": key.glwe_dimension,
            "polynomialSize": key.polynomial_size,
            "variance": key.variance,
            "integerPrecision": 64,
            "modulus": {"modulus": {"native": {}}},
            "keyType": "binary",
            "inputLweDimension": keyset.dimensions[key.input_key],
        },
        "compression": "seed",
    }


def _keyswitch_key_info(keyset: KeysetParameters, key: KeyswitchKeyParameters) -> dict[str, Any]:
    return {
        "id": key.id,
        "inputId": key.input_key,
        "outputId": key.output_key,
        "params": {
            "levelCount": key.level_count,
            "baseLog": key.base_log,
            "variance": key.variance,
            "integerPrecision": 64,
            "modulus": {"modulus": {"native": {}}},
            "keyType": "binary",
            "inputLweDimension": keyset.dimensions[key.input_key],
            "outputLweDimension": keyset.dimensions[key.output_key],
        },
        "compression": "seed",
    }
