"""What a client reads that others wrote: specifications, key files, answers, files of tensors, pins."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any, cast

import numpy as np
from cryptable_client import SecretKeys, encrypt
from cryptable_client.files.tensors import TensorFile, TensorKind, write_tensors
from cryptable_client.keys import key_file
from cryptable_client.schemes.bootstrapped.security import minimum_log2_deviation
from cryptable_client.server import trust
from cryptable_client.server.access import Access
from cryptable_client.server.inference import Inference
from cryptable_client.server.meter import Meter
from cryptable_client.server.remote_model import fetch_models, fetch_spec
from cryptable_protocol import (
    AffineEncoder,
    BootstrapKeyParameters,
    CiphertextType,
    ClientSpec,
    CryptableError,
    Decoder,
    EncryptedTensor,
    KeysetParameters,
    KeyswitchKeyParameters,
    Link,
    ModelSignature,
    SecretKeyParameters,
    limits,
    messages,
)
from cryptable_protocol.schemes.bootstrapped.parameters import BootstrappedParameters
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.message import DecodeError, Message

from fuzz.mutations import mutate, mutate_bytes
from fuzz.stub import Stub

VECTORS = Path(__file__).parents[2] / "protos" / "vectors"
SIGNING_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
ARTIFACT = hashlib.sha256(b"artifact").digest()
PASSPHRASE = "correct horse"
LARGE, SMALL = 512, 450


def _least(dimension: int) -> float:
    return float(2.0 ** (2 * minimum_log2_deviation(dimension)))


def own_spec() -> ClientSpec:
    """Small and secure, with an output that has its input's type."""
    keyset = KeysetParameters(
        (SecretKeyParameters(0, LARGE), SecretKeyParameters(1, SMALL)),
        (BootstrapKeyParameters(0, 1, 0, 1, 8, 2, LARGE // 2, _least(LARGE)),),
        (KeyswitchKeyParameters(0, 0, 1, 2, 4, _least(SMALL)),),
    )
    return ClientSpec(
        model_name="model",
        features=tuple(AffineEncoder(f"x{index}", 0.0, 1.0, 4) for index in range(3)),
        parameters=BootstrappedParameters(
            keyset, CiphertextType(3, 0, 2, _least(LARGE)), CiphertextType(3, 0, 2, 0.0), 2.0**-40
        ),
        decoder=Decoder(Link.IDENTITY, (0,) * 3, 1.0, (0.0,) * 3),
    )


def _vectors(kind: str, message: type[Message]) -> tuple[list[bytes], list[bytes]]:
    """Vectors of a type that protobuf can parse: those to accept, those to refuse."""
    found: list[list[bytes]] = []
    for folder in ("accept", "reject"):
        parsed = []
        for entry in json.loads((VECTORS / folder / "index.json").read_text()):
            data = (VECTORS / folder / entry["file"]).read_bytes()
            try:
                message.FromString(data)
            except DecodeError:
                continue
            if entry["type"] == kind:
                parsed.append(data)
        found.append(parsed)
    return found[0], found[1]


@dataclass
class Workshop:
    """What the targets share."""

    folder: Path
    random: Random
    spec: ClientSpec = field(default_factory=own_spec)

    def __post_init__(self) -> None:
        self.secret_keys = SecretKeys.generate(self.spec)
        words = encrypt(self.spec, self.secret_keys, np.arange(3)).ciphertexts(3, LARGE)
        self.answer = EncryptedTensor.from_ciphertexts(words)
        self.good_specs, self.bad_specs = _vectors("client_spec", messages.client_spec.ClientSpec)
        self.good_tensors, self.bad_tensors = _vectors("encrypted_tensor", messages.tensor.EncryptedTensor)
        self.own = self.spec.to_bytes()

    def seed(self, good: list[bytes], bad: list[bytes]) -> bytes:
        """Something to start from: mostly good."""
        return self.random.choice(bad if self.random.random() < 0.2 else good)


class _Channel:
    """Stands for the network: answers with what is given, a message, or bytes where the caller parses them."""

    def __init__(self, response: messages.inference.GetModelResponse | bytes) -> None:
        self._response = response

    def unary_unary(self, *_: object, **__: object) -> Callable[..., messages.inference.GetModelResponse | bytes]:
        return lambda _request, timeout: self._response  # noqa: ARG005

    stream_unary = stream_stream = unary_unary


def _large_dimensions(spec: messages.client_spec.ClientSpec) -> None:
    for key_id in (2, 3):
        spec.keyset.secret_keys.add(id=key_id, dimension=1 << 17)
    spec.keyset.keyswitch_keys.add(id=7, input_key=2, output_key=3, level_count=32, base_log=2, variance=2.0**-124)


def _large_output(spec: messages.client_spec.ClientSpec) -> None:
    spec.output.size = 20_000
    spec.decoder.offset[:] = [0] * 20_000
    spec.decoder.base[:] = [0.0] * 20_000


def _many_levels(spec: messages.client_spec.ClientSpec) -> None:
    spec.keyset.keyswitch_keys[0].level_count, spec.keyset.keyswitch_keys[0].base_log = 33, 1


def _large_digits(spec: messages.client_spec.ClientSpec) -> None:
    spec.keyset.bootstrap_keys[0].base_log = 41


def _own_key(spec: messages.client_spec.ClientSpec) -> None:
    spec.keyset.keyswitch_keys[0].output_key = 0


def _base_that_is_no_number(spec: messages.client_spec.ClientSpec) -> None:
    spec.decoder.base[1] = float("nan")  # behind a finite one, where the largest of them does not show it


ABSURDITIES = (_large_dimensions, _large_output, _many_levels, _large_digits, _own_key, _base_that_is_no_number)
"""Several fields at once, which single mutations seldom bring together."""


def specification(shop: Workshop) -> None:
    """GetModel's answer, mutated inside and out, as `connect` reads it."""
    random = shop.random
    data = shop.seed([*shop.good_specs, shop.own, shop.own], shop.bad_specs)
    message = messages.client_spec.ClientSpec.FromString(data)
    kind = random.random()
    if kind < 0.03:
        message = messages.client_spec.ClientSpec.FromString(shop.own)
        random.choice(ABSURDITIES)(message)
        data = message.SerializeToString(deterministic=True)
    elif kind < 0.0305:
        data = b"\x12\x00" * (limits.MAX_PARTS + 1)
    elif kind < 0.04:
        position = random.randrange(len(data) + 1)
        data = data[:position] + b"\xff" * 11 + data[position:]
    elif kind < 0.85:
        for _ in range(random.choice((1, 1, 1, 2, 4))):
            mutate(message, random)
        data = message.SerializeToString(deterministic=True)
    if kind > 0.8:
        data = mutate_bytes(data, random)
    elif kind > 0.75:
        data += bytes([random.choice((0x0A, 0x12, 0x48, 0x7A, 0x0B, 0x38))]) + random.randbytes(random.randrange(4))
    name = messages.client_spec.ClientSpec.FromString(message.SerializeToString()).model_name
    response = messages.inference.GetModelResponse(version="1", client_spec=data, artifact_digest=ARTIFACT)
    if random.random() < 0.3:
        digest = hashlib.sha256(data).digest()
        response.signature.CopyFrom(
            ModelSignature.sign(SIGNING_KEY, client_spec=digest, artifact=ARTIFACT).to_message()
        )
        if random.random() < 0.3:
            mutate(response.signature, random)
    asked = "model" if random.random() < 0.02 else name
    rule = trust.Trust(signer=SIGNING_KEY.public_key().public_bytes_raw().hex() if random.random() < 0.1 else None)
    channel = cast(Any, _Channel(response))
    fetch_spec(channel, Access("localhost:1", insecure=True), asked, trust=rule)


def list_of_models(shop: Workshop) -> None:
    """ListModels' answer, mutated, and as many empty entries as a message can hold."""
    random = shop.random
    summary = messages.inference.ModelSummary(name="model", version="1", client_spec_digest=shop.spec.digest)
    message = messages.inference.ListModelsResponse(models=[summary] * random.randrange(4))
    for _ in range(random.choice((0, 1, 2))):
        mutate(message, random)
    data = message.SerializeToString()
    if random.random() < 0.4:
        data = mutate_bytes(data, random)
    if random.random() < 0.02:
        data = b"\x0a\x00" * random.choice((limits.MAX_MODEL_LIST_BYTES // 2, limits.MAX_MESSAGE_BYTES // 8))
    fetch_models(cast(Any, _Channel(data)), timeout=1.0)


def pin(shop: Workshop) -> None:
    """A file of pins, mutated."""
    random = shop.random
    folder = shop.folder / "pins"
    rule = trust.Trust(folder)
    access, response = Access("localhost:1", insecure=True), messages.inference.GetModelResponse()
    if not folder.exists():
        rule.check(access, shop.spec, response)
    (path,) = folder.iterdir()
    good = path.read_bytes()
    content = json.loads(good)
    name = random.choice(list(content))
    content[name] = random.choice((None, "", 0, -1, 1.5, [], {}, "x" * 100, content[name]))
    data = json.dumps(content).encode()
    path.write_bytes(mutate_bytes(data, random) if random.random() < 0.3 else data)
    try:
        rule.check(access, shop.spec, response)
    finally:
        path.write_bytes(good)


def key_file_(shop: Workshop) -> None:
    """A key file, its fields changed and its digest computed anew."""
    random = shop.random
    path = shop.folder / "keys"
    keyset = shop.spec.keyset.to_message()
    if random.random() < 0.5:
        mutate(keyset, random)
    parameters = keyset.SerializeToString(deterministic=True)
    packed = b"".join(
        np.packbits(shop.secret_keys._key_material()[key.id], bitorder="little").tobytes()
        for key in shop.spec.keyset.secret_keys
    )
    encrypted = random.random() < 0.3
    edges = (0, 1, 2, 1 << 62, 253402300800, 253402300799)
    version = random.choice((1,) * 9 + (2,))
    name = random.choice((b"bootstrapped", b"levelled", b"squares", b"Levelled", b"")) if version == 2 else None
    header = struct.pack(
        "<16sBBQQI",
        random.choice((b"cryptable secret",) * 30 + (b"cryptable public",)),
        random.choice((version,) * 30 + (0, 3)),
        random.choice((int(encrypted),) * 30 + (2, 255)),
        random.choice((0, 1_700_000_000, random.choice(edges))),
        random.choice((0, 0, 0, 0, random.choice(edges))),
        random.choice((len(parameters),) * 30 + (0, 4, len(parameters) + 1, len(parameters) - 1, 1 << 31)),
    )
    if name is not None:
        header += bytes([random.choice((len(name),) * 9 + (255,))]) + name
    if encrypted:
        header += parameters + random.randbytes(28)
        body = header + random.randbytes(random.choice((0, 15, 16, len(packed) + 16)))
    else:
        cut = random.choice((packed,) * 5 + (packed[:-1], packed + b"\0", b"", packed[:-1] + b"\xff"))
        body = header + parameters + cut
    if random.random() < 0.2:
        body = mutate_bytes(body, random)
    digest = hashlib.sha256(body).digest()
    data = body + (mutate_bytes(digest, random) if random.random() < 0.02 else digest)
    if random.random() < 0.002:
        data += bytes(key_file.MAX_FILE_BYTES)
    path.write_bytes(data)
    path.chmod(0o644 if random.random() < 0.05 else 0o600)
    options: dict[str, Any] = {"insecure_plaintext": True}
    if random.random() < 0.3:
        options = random.choice(
            ({"passphrase": PASSPHRASE}, {}, {"passphrase": PASSPHRASE, "insecure_plaintext": True})
        )
    SecretKeys.load(path, **options).close()


def answer(shop: Workshop) -> None:
    """Infer's answers, mutated, as a prediction reads them."""
    random = shop.random
    kind = random.random()
    if kind < 0.3:
        result = messages.tensor.EncryptedTensor.FromString(shop.seed(shop.good_tensors, shop.bad_tensors))
    else:
        result = shop.answer.trimmed(random.choice((15, 17, 18, 24, 40, 63, 64))).to_message()
    responses = [messages.inference.InferResponse(row=row, result=result) for row in range(2)]
    for _ in range(random.choice((0, 1, 1, 2))):
        mutate(random.choice(responses), random)
    if random.random() < 0.01:
        other = EncryptedTensor.from_ciphertexts(np.zeros((3, LARGE + random.choice((0, 2))), np.uint64))
        responses[0].result.CopyFrom(other.to_message())
    if random.random() < 0.005:
        responses[0].result.CopyFrom(messages.tensor.EncryptedTensor(trimmed=bytes(9 << 20), bodies=b"\0", word_bits=8))
    if random.random() < 0.05:
        responses = responses[: random.randrange(2)] if random.random() < 0.5 else responses * 2
    decoded: list[Any] = []
    inference = Inference(
        cast(Any, Stub(responses)), shop.spec, shop.secret_keys, evaluation_keys=b"", timeout=1.0, meter=Meter()
    )
    inference.rows(np.zeros((2, 3), np.int64), decoded.append)
    shop.spec.decoder.predict(np.stack(decoded))


def tensor_file(shop: Workshop) -> None:
    """A file of tensors, its fields changed and its digest computed anew."""
    random = shop.random
    path = shop.folder / "tensors"
    write_tensors(path, [shop.answer] * 2, kind=TensorKind.ANSWERS, client_spec_digest=shop.spec.digest)
    content = bytearray(path.read_bytes()[:-32])
    for _ in range(random.choice((0, 1, 1, 2))):
        where = random.choice((slice(0, 50), slice(50, 54), slice(50, 54), slice(16, 18), slice(0, None)))
        content[where] = mutate_bytes(bytes(content[where]), random)
    if random.random() < 0.02:
        del content[random.randrange(40) :]
    digest = hashlib.sha256(content).digest()
    path.write_bytes(bytes(content) + (mutate_bytes(digest, random) if random.random() < 0.05 else digest))
    spec = (
        shop.spec
        if random.random() < 0.98
        else replace(shop.spec, parameters=replace(shop.spec.bootstrapped, p_error=2.0**-41))
    )
    for message in TensorFile.open(path, kind=TensorKind.ANSWERS, client_spec_digest=spec.digest).messages():
        EncryptedTensor.from_message(message).ciphertexts(3, LARGE)


TARGETS: tuple[tuple[Callable[[Workshop], None], float], ...] = (
    (specification, 0.61),
    (list_of_models, 0.01),
    (answer, 0.14),
    (key_file_, 0.18),
    (tensor_file, 0.04),
    (pin, 0.02),
)
"""What is attacked, and how often."""
TYPED = CryptableError
