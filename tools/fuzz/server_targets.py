"""Calls that no honest client makes: each target makes the messages of one, from good ones."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from cryptable_protocol import ClientSpec, limits
from cryptable_protocol.messages import admin as admin_pb
from cryptable_protocol.messages import inference as pb
from cryptable_protocol.messages import keys as keys_pb
from cryptable_protocol.messages import tensor as tensor_pb
from cryptable_protocol.schemes.bootstrapped.parameters import BootstrappedParameters
from cryptable_protocol.schemes.ring_tensor import RingMessages
from google.protobuf.message import Message

from fuzz.mutations import mutate, mutate_bytes

INFERENCE, ADMIN = "/cryptable.v1.Inference/", "/cryptable.v1.Admin/"
HEALTH = "/grpc.health.v1.Health/Check"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
SMALL = 1 << 12
RANDOM_KEYS = "random "
"""Before a model's name: what `Material.keys` calls random words that were sent as its evaluation keys."""
ROWS = {"linear": 0.6, "levelled": 0.2, "hidden": 0.1, "labels": 0.05, "keyed": 0.04, "squares": 0.01}
"""How often rows are for which model: those that are evaluated for tens of milliseconds rarely."""
RING = ("levelled", "hidden", "labels", "squares")
"""Whose rows and keys are of rings: any words of the right number are some client's."""


@dataclass(frozen=True)
class Attack:
    """One call: its method, the bytes of its messages, and who makes it."""

    method: str
    messages: list[bytes]
    who: str = "mallory"


@dataclass
class Material:
    """What good calls are made of."""

    random: Random
    specs: dict[str, ClientSpec]
    """By what they are for: linear; keyed, with lookups; other, whose keys are of another keyset; levelled; and, where
    there are such, hidden, a levelled model whose weights are, labels, which turns a table, and squares."""
    keys: dict[str, bytes]
    """Digests of the caller's keys on the server, for all but linear; and of random words, once sent."""

    def names(self, *among: str) -> list[str]:
        """Those of `among` that there are."""
        return [name for name in among if name in self.specs]

    def header(self, name: str) -> pb.InferHeader:
        """Of a good call."""
        spec = self.specs[name]
        keys = self.keys.get(name, b"")
        if self.random.random() < 0.5:
            keys = self.keys.get(RANDOM_KEYS + name, keys)
        return pb.InferHeader(model_name=spec.model_name, client_spec_digest=spec.digest, evaluation_keys=keys)

    def row(self, name: str) -> pb.InferRequest:
        """Well-formed, of random words."""
        spec, random = self.specs[name], self.random
        if isinstance(spec.parameters, RingMessages):
            return pb.InferRequest(
                row=tensor_pb.EncryptedTensor(
                    seed=random.randbytes(16), polynomials=random.randbytes(spec.parameters.row_bytes)
                )
            )
        words = random.randbytes(8 * spec.input.size)
        return pb.InferRequest(row=tensor_pb.EncryptedTensor(seed=random.randbytes(16), bodies=words))


def infer(made: Material) -> Attack:
    """A stream of rows: fields changed, out of order, for the wrong model, spec or keys."""
    random = made.random
    among = made.names(*ROWS)
    keyed = [each for each in made.specs if each != "linear"]
    name = random.choices(among, [ROWS[each] for each in among])[0]
    header = made.header(name)
    match random.randrange(12):
        case 0:
            header.evaluation_keys = made.keys[random.choice(keyed)]
        case 1:
            header.evaluation_keys = random.choice((b"", random.randbytes(32), random.randbytes(31)))
        case 2:
            header.client_spec_digest = made.specs[random.choice(list(made.specs))].digest
        case 3:
            header.model_name = random.choice((*(spec.model_name for spec in made.specs.values()), "none", "é\u202e"))
        case 4:
            header = made.header(random.choice(keyed))
            header.evaluation_keys = random.choice((b"", *(made.keys[each] for each in keyed)))
        case _:
            pass
    messages: list[pb.InferRequest] = [pb.InferRequest(header=header)]
    messages += [made.row(name) for _ in range(random.choice((0, 1, 1, 2, 7)))]
    if random.random() < 0.05:  # a row for another model
        messages.append(made.row(random.choice(among)))
    parameters = made.specs[name].parameters
    if isinstance(parameters, BootstrappedParameters) and random.random() < 0.05:
        # Masks in place of a seed: as many as the dimension says, or not.
        spec = made.specs[name]
        masks = 8 * spec.input.size * random.choice((1, 2, spec.keyset.dimensions[spec.input.key]))
        words = bytes(masks + random.choice((0, 0, 8)))
        row = tensor_pb.EncryptedTensor(explicit=words, bodies=bytes(8 * spec.input.size))
        messages.append(pb.InferRequest(row=row))
        return Attack(INFERENCE + "Infer", [message.SerializeToString() for message in messages])
    return Attack(INFERENCE + "Infer", disturbed(messages, random), _who(random))


def together(made: Material) -> Attack:
    """What browsers send in one message: a row with its header, a piece of keys with theirs."""
    random = made.random
    among = made.names(*ROWS)
    name = random.choices(among, [ROWS[each] for each in among])[0]
    if random.random() < 0.5:
        row = pb.InferRowRequest(header=made.header(name), row=made.row(name).row)
        if random.random() < 0.1:
            row.ClearField(random.choice(("header", "row")))
        return Attack(INFERENCE + "InferRow", disturbed([row], random), _who(random))
    keyset = made.specs[random.choice([each for each in made.specs if each != "linear"])].parameters.keyset
    data = random.randbytes(random.choice((0, 1, 16, SMALL)))
    piece = pb.PutEvaluationKeysRequest(
        header=keys_pb.EvaluationKeysHeader(
            keyset_name=keyset.name, size=keyset.evaluation_keys_bytes, sha256=random.randbytes(32)
        ),
        chunk=keys_pb.EvaluationKeysChunk(offset=random.choice((0, 0, 0, 1, SMALL, 1 << 40)), data=data),
    )
    if random.random() < 0.1:
        piece.ClearField(random.choice(("header", "chunk")))
    return Attack(INFERENCE + "PutEvaluationKeys", disturbed([piece], random), _who(random))


def upload(made: Material) -> Attack:
    """Evaluation keys: sizes, digests, offsets and order changed, digests computed anew or not."""
    random = made.random
    keyset = made.specs[random.choices(("keyed", "levelled", "linear"), (0.6, 0.3, 0.1))[0]].parameters.keyset
    size = keyset.evaluation_keys_bytes
    data = random.randbytes(random.choice((1, 16, SMALL)))
    header = keys_pb.EvaluationKeysHeader(keyset_name=keyset.name, size=size, sha256=hashlib.sha256(data).digest())
    match random.randrange(8):
        case 0:
            header.size = random.choice((0, 1, len(data), max(0, size - 1), size + 1, 1 << 40, (1 << 64) - 1))
        case 1:
            header.keyset_name = random.choice((b"", random.randbytes(32), made.specs["other"].keyset.name))
        case 2:
            header.sha256 = mutate_bytes(bytes(header.sha256), random)
        case _:
            pass
    messages = [pb.UploadEvaluationKeysRequest(header=header)]
    offset = random.choice((0, 0, 0, 0, 1, max(0, size - 1), size, size + 1, 1 << 40))
    for _ in range(random.choice((0, 1, 1, 2, 3))):
        chunk = keys_pb.EvaluationKeysChunk(offset=offset, data=random.choice((data, data, data, b"")))
        messages.append(pb.UploadEvaluationKeysRequest(chunk=chunk))
        offset += len(data) + random.choice((0, 0, 0, 1, -1))
        offset = max(0, offset)
    if random.random() < 0.01:
        chunk = keys_pb.EvaluationKeysChunk(offset=0, data=bytes(limits.CHUNK_BYTES + 1))
        messages = [messages[0], pb.UploadEvaluationKeysRequest(chunk=chunk)]
    return Attack(INFERENCE + "UploadEvaluationKeys", disturbed(messages, random), _who(random))


def whole_upload(made: Material) -> Attack:
    """Random words of the right size under a digest that is not theirs, or more of them than announced."""
    random, spec = made.random, made.specs["keyed"]
    size = spec.keyset.evaluation_keys_bytes
    header = keys_pb.EvaluationKeysHeader(keyset_name=spec.keyset.name, size=size, sha256=random.randbytes(32))
    block = random.randbytes(limits.CHUNK_BYTES)
    messages = [pb.UploadEvaluationKeysRequest(header=header)]
    for offset in range(0, size, len(block)):
        part = block if random.random() < 0.98 and offset else block[: size - offset]
        messages.append(pb.UploadEvaluationKeysRequest(chunk=keys_pb.EvaluationKeysChunk(offset=offset, data=part)))
    if random.random() < 0.6:
        last = size - size % len(block)
        messages[-1].chunk.data = block[: size - last]
    return Attack(INFERENCE + "UploadEvaluationKeys", [message.SerializeToString() for message in messages])


def random_keys(made: Material) -> Attack:
    """Random words as evaluation keys of a scheme of rings, whole: some client's, for all a server knows."""
    random = made.random
    name = random.choice(made.names(*RING))
    keyset = made.specs[name].parameters.keyset
    data = random.randbytes(keyset.evaluation_keys_bytes)
    digest = hashlib.sha256(data).digest()
    header = keys_pb.EvaluationKeysHeader(keyset_name=keyset.name, size=len(data), sha256=digest)
    messages = [pb.UploadEvaluationKeysRequest(header=header)]
    for offset in range(0, len(data), limits.CHUNK_BYTES):
        chunk = keys_pb.EvaluationKeysChunk(offset=offset, data=data[offset : offset + limits.CHUNK_BYTES])
        messages.append(pb.UploadEvaluationKeysRequest(chunk=chunk))
    made.keys[RANDOM_KEYS + name] = digest
    return Attack(INFERENCE + "UploadEvaluationKeys", [message.SerializeToString() for message in messages])


def single(made: Material) -> Attack:
    """Methods of one request."""
    random = made.random
    digest = random.choice((made.keys["keyed"], random.randbytes(32), random.randbytes(random.randrange(40))))
    name = random.choice((*(spec.model_name for spec in made.specs.values()), "none", "x" * 10_000))
    requests: list[tuple[str, Message]] = [
        ("ListModels", pb.ListModelsRequest()),
        ("GetModel", pb.GetModelRequest(name=name, version=random.choice(("", "latest", "1", "9", "v" * 5000)))),
        ("GetEvaluationKeys", pb.GetEvaluationKeysRequest(sha256=digest)),
    ]
    method, request = random.choice(requests)
    if random.random() < 0.15:
        # Of somebody who has none to lose.
        return Attack(
            INFERENCE + "DeleteEvaluationKeys",
            disturbed([pb.DeleteEvaluationKeysRequest(sha256=digest)], random),
            "eve",
        )
    return Attack(INFERENCE + method, disturbed([request], random), _who(random))


def admin(made: Material) -> Attack:
    """Methods of operators, asked for by others, and their readings by an operator."""
    random = made.random
    service = admin_pb.DESCRIPTOR.services_by_name["Admin"]
    method = random.choice(list(service.methods))
    request = _message(method.input_type.full_name)
    mutate(request, random)
    reads = method.name.startswith(("Get", "List"))
    who = "operator" if reads and random.random() < 0.5 else _who(random)
    return Attack(ADMIN + method.name, disturbed([request], random), who)


def nowhere(made: Material) -> Attack:
    """Methods and services that there are not, reflection, and health checks of anything."""
    random = made.random
    who = random.choice(("mallory", "stranger", "nobody"))
    path = random.choice((INFERENCE + "Steal", "/cryptable.v2.Inference/Infer", "/", REFLECTION, HEALTH, HEALTH))
    data = random.choice((b"", b"\n\x00", random.randbytes(random.randrange(64))))
    return Attack(path, [data] if path in (HEALTH, REFLECTION) else [data] * random.randrange(3), who)


def disturbed(messages: Sequence[Message], random: Random) -> list[bytes]:
    """Bytes of messages, some of which are changed, left out, doubled, swapped, cut or replaced."""
    changed = list(messages)
    for _ in range(random.choice((0, 0, 1, 1, 2))):
        if changed:
            mutate(random.choice(changed), random)
    if changed and random.random() < 0.15:
        match random.randrange(4):
            case 0:
                del changed[random.randrange(len(changed))]
            case 1:
                changed.append(random.choice(changed))
            case 2:
                changed.reverse()
            case _:
                random.shuffle(changed)
    data = [message.SerializeToString() for message in changed]
    if data and random.random() < 0.1:
        place = random.randrange(len(data))
        data[place] = random.choice((mutate_bytes(data[place], random), random.randbytes(random.randrange(100))))
    if random.random() < 0.003:
        data.append(bytes(limits.MAX_MESSAGE_BYTES // 2))
    return data


def _message(name: str) -> Message:
    made: Message = getattr(admin_pb, name.rpartition(".")[2])()
    return made


def _who(random: Random) -> str:
    return random.choices(("mallory", "uploader", "evaluator", "stranger", "nobody"), (0.9, 0.04, 0.03, 0.02, 0.01))[0]


TARGETS: tuple[tuple[Callable[[Material], Attack], float], ...] = (
    (infer, 0.447),
    (together, 0.05),
    (random_keys, 0.003),
    (upload, 0.25),
    (single, 0.15),
    (admin, 0.06),
    (nowhere, 0.039),
    (whole_upload, 0.001),
)
"""What is attacked, and how often."""
