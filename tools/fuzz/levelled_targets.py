"""What a client and a front read of the scheme levelled: specifications, batches, rows and answers, key files."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from itertools import combinations
from math import gcd
from pathlib import Path
from random import Random
from typing import Any, cast

import numpy as np
from cryptable_client import SecretKeys, encrypt
from cryptable_client.keys import key_file
from cryptable_client.keys.encryption import encrypt_together
from cryptable_client.schemes.scheme import check_security, scheme_called
from cryptable_client.server.inference import Inference
from cryptable_client.server.meter import Meter
from cryptable_protocol import ClientSpec, CryptableError, Decoder, Link, ThermometerEncoder, limits, messages
from cryptable_protocol.messages import tensor as tensor_pb
from cryptable_protocol.schemes.levelled.answers import most_slots
from cryptable_protocol.schemes.levelled.batch import LevelledBatch
from cryptable_protocol.schemes.levelled.keyset import RING_SIZE, UNIVERSAL, Gadget
from cryptable_protocol.schemes.levelled.linear_parameters import LinearParameters
from cryptable_protocol.schemes.levelled.parameters import MODULI, LevelledParameters
from cryptable_protocol.schemes.ring_tensor import RingTensor
from cryptable_protocol.schemes.scheme import read_batch

from fuzz.mutations import mutate, mutate_bytes
from fuzz.stub import Stub

INPUTS, OUTPUTS, MAXIMUM, PASSPHRASE = 6, 3, 30, "correct horse"
TOGETHER = 5
"""Rows in a tensor, of the honest batch."""


def own_spec() -> ClientSpec:
    """Bits of each kind, two moduli."""
    return ClientSpec(
        model_name="levelled",
        features=(ThermometerEncoder("x", tuple(float(edge) for edge in range(INPUTS))),),
        parameters=LevelledParameters(
            UNIVERSAL, INPUTS, (0, 1), (2, 3), (4, 5), Gadget(3, 6), (5, 7), OUTPUTS, MAXIMUM, 16, 2.0**-64
        ),
        decoder=Decoder(Link.IDENTITY, (0,) * OUTPUTS, 1.0, (0.0,) * OUTPUTS),
    )


class LevelledWorkshop:
    """What the targets share."""

    def __init__(self, folder: Path, random: Random) -> None:
        self.folder, self.random = folder, random
        self.spec = own_spec()
        self.parameters = cast(LevelledParameters, self.spec.parameters)
        row = replace(self.parameters, leaves=(2, 3, 4, 5), placed=(), gadget=Gadget(2, 8))
        self.batch = LevelledBatch(row, TOGETHER)

    @cached_property
    def secret_keys(self) -> SecretKeys:
        """Of the universal keyset."""
        return SecretKeys.generate(self.spec)

    @cached_property
    def row(self) -> bytes:
        """An honest row."""
        row: RingTensor = encrypt(self.spec, self.secret_keys, np.zeros(INPUTS, np.int64))
        return row.to_bytes()


def levelled_specification(shop: LevelledWorkshop) -> None:
    """A specification, fields changed, or several at once that single mutations seldom bring together."""
    random = shop.random
    message = messages.client_spec.ClientSpec.FromString(shop.spec.to_bytes())
    if random.random() < 0.5:
        _rewrite(message.levelled, random)
        message.p_error = 2.0 ** -random.choice((40, 64, 128, 200))
    for _ in range(random.choice((0, 1, 1, 2))):
        mutate(message.levelled if random.random() < 0.7 else message, random)
    spec = ClientSpec.from_bytes(message.SerializeToString(deterministic=True))
    check_security(spec)
    if not isinstance(spec.parameters, LevelledParameters):
        return
    layout = spec.parameters.layout
    bits = np.zeros(spec.parameters.inputs, np.int64)
    row = encrypt(spec, shop.secret_keys, bits) if len(layout.runs) + layout.placed_polynomials < 4 else None
    if row is not None and len(cast(RingTensor, row).polynomials) != spec.parameters.row_bytes:
        raise AssertionError("a row of another length than its parameters say")


def _rewrite(own: messages.client_spec.LevelledParameters, random: Random) -> None:
    match random.randrange(9):
        case 0:
            moduli = random.sample(MODULI, random.randrange(len(MODULI) + 1))
            own.moduli[:] = sorted(moduli) if random.random() < 0.8 else moduli
        case 1:
            pairwise_prime = [
                some
                for some in combinations(MODULI, random.randrange(1, 4))
                if all(gcd(*two) == 1 for two in combinations(some, 2))
            ]
            own.moduli[:] = random.choice(pairwise_prime)
            own.answer_word_bits = random.randrange(11, 22)
        case 2:
            own.gadget_levels, own.gadget_base_log = random.randrange(6), random.randrange(11)
        case 3:
            own.leaves[:] = random.choice((own.selectors, own.placed, [random.randrange(INPUTS + 1) for _ in range(2)]))
        case 4:
            own.outputs = random.choice((0, 1, 63, 64, 65, 128, 129))
        case 5:
            own.maximum = random.choice((0, 34, 35, 36, 1 << 52, (1 << 52) - 1))
        case 6:  # more polynomials than a row may have
            own.inputs = limits.MAX_VECTOR_SIZE
            own.selectors[:], own.leaves[:], own.placed[:] = range(limits.MAX_VECTOR_SIZE), (), ()
        case 7:
            own.inputs = random.choice((0, limits.MAX_VECTOR_SIZE + 1, 1 << 31))
        case _:
            own.selectors[:], own.leaves[:], own.placed[:] = (), (), random.choice(((), (0,), (0, 0)))


def levelled_batch(shop: LevelledWorkshop) -> None:
    """How rows travel together, as a server says it of a model: it fits the model, or is refused."""
    random = shop.random
    message = messages.client_spec.BatchSpec.FromString(shop.batch.to_bytes())
    if random.random() < 0.25:
        _rewrite(message.levelled, random)
    if random.random() < 0.25:
        leaves = RING_SIZE // len(shop.batch.row.layout.leaf_bits)
        message.rows = random.choice((0, 1, 2, leaves - 1, leaves, leaves + 1, RING_SIZE, 1 << 31))
    if random.random() < 0.4:
        most = most_slots(shop.batch.row.answer_word_bits) // shop.batch.row.slots
        message.rows_per_answer = random.choice((1, 2, 3, TOGETHER, TOGETHER + 1, most, most + 1, 1 << 31))
        message.rows = max(message.rows, random.choice((0, message.rows_per_answer % RING_SIZE)))
    if random.random() < 0.05:
        message.levelled.linear.input_bits = random.choice((1, 16))
    if random.random() < 0.02:
        message.ClearField("levelled")
    for _ in range(random.choice((0, 0, 1, 1, 2))):
        mutate(message.levelled if random.random() < 0.6 else message, random)
    of_linear = random.random() < 0.05
    alone = LinearParameters(3, 16, 36, (1021,), 2, 2, 1000, 19, 2.0**-64) if of_linear else shop.parameters
    batch = cast(LevelledBatch, read_batch(alone, message.SerializeToString(deterministic=True)))
    if (batch.row.inputs, batch.row.outputs, batch.row.maximum) != (INPUTS, OUTPUTS, MAXIMUM):
        raise AssertionError("a batch of another model was read")
    rows = random.choice((1, 2, batch.most_rows, batch.most_rows + 1))
    together = batch.of(rows)
    check_security(shop.spec)
    made = cast(RingTensor, encrypt_together(shop.spec, batch, shop.secret_keys, np.zeros((rows, INPUTS), np.int64)))
    if (len(made.polynomials), made.rows, made.rows_per_answer) != (together.row_bytes, rows, batch.rows_per_answer):
        raise AssertionError("rows together of another form than their parameters say")
    if batch.rows_per_answer * batch.row.slots > most_slots(batch.row.answer_word_bits):
        raise AssertionError("answers of more slots than stay hidden were agreed on")


def levelled_row(shop: LevelledWorkshop) -> None:
    """A row, as a front checks it and a file gives it."""
    random = shop.random
    message = messages.tensor.EncryptedTensor.FromString(shop.row)
    for _ in range(random.choice((0, 1, 1, 2))):
        mutate(message, random)
    if random.random() < 0.5:
        shop.parameters.check_input(message)
    RingTensor.from_bytes(
        message.SerializeToString(deterministic=True) if random.random() < 0.9 else mutate_bytes(shop.row, random)
    )
    shop.parameters.check_input(message)


def levelled_answer(shop: LevelledWorkshop) -> None:
    """Answers of random words: whatever is well-formed decodes, into the declared range; what is not is refused."""
    _answers(shop, 1)


def levelled_answers_together(shop: LevelledWorkshop) -> None:
    """The same of rows that travelled together, with answers of their own or packed ones."""
    _answers(shop, shop.random.randint(2, TOGETHER), shop.random.choice((0, 2, 3)))


def _answers(shop: LevelledWorkshop, together: int, share: int = 0) -> None:
    """To two tensors, of so many rows each, so many of which share an answer."""
    random = shop.random
    count = together if together > 1 else 0
    batch = replace(shop.batch, rows_per_answer=share) if count else None
    size = shop.parameters.answer_bytes if batch is None else batch.of(count).answer_bytes

    def result_of(polynomials: bytes) -> tensor_pb.EncryptedTensor:
        return tensor_pb.EncryptedTensor(polynomials=polynomials, rows=count, rows_per_answer=share)

    results = [result_of(random.randbytes(size)) for _ in range(2)]
    for _ in range(random.choice((0, 1, 1, 2))):
        mutate(random.choice(results), random)
    well_formed = all(result == result_of(result.polynomials) and len(result.polynomials) == size for result in results)
    responses = [
        messages.inference.InferResponse(row=number * together, result=result) for number, result in enumerate(results)
    ]
    decoded: list[Any] = []
    rows = np.zeros((2 * together, INPUTS), np.int64)
    try:
        inference = Inference(
            cast(Any, Stub(responses)), shop.spec, shop.secret_keys, b"", timeout=1.0, meter=Meter(), batch=batch
        )
        inference.rows(rows, decoded.append, together=count)
    except CryptableError as error:
        if well_formed:
            raise AssertionError("a well-formed answer was refused") from error
        raise
    values = np.stack(decoded)
    if not well_formed or values.shape != (2 * together, OUTPUTS) or values.min() < 0 or values.max() > MAXIMUM:
        raise AssertionError(f"answers decoded into {values.tolist()}, well-formed: {well_formed}")
    shop.spec.decoder.predict(values)


def levelled_key_file(shop: LevelledWorkshop) -> None:
    """A key file of version 2, its keyset, name and secret changed, its digest computed anew."""
    random = shop.random
    path = shop.folder / "levelled-keys"
    packed = scheme_called("levelled").pack(UNIVERSAL, shop.secret_keys._key_material()).tobytes()
    keyset = random.choice((b"\x01\0\0\0",) * 6 + (b"", b"\0" * 4, b"\x02\0\0\0", b"\x01\0\0\0\0"))
    name = random.choice((b"levelled",) * 9 + (b"bootstrapped", b"Levelled", b"squares"))
    header = struct.pack("<16sBBQQI", b"cryptable secret", 2, 0, 1_700_000_000, 0, len(keyset))
    only_ones = b"\xf2" * (len(packed) - 1) + b"\x1a"  # a ternary polynomial, too large for a secret
    secret = random.choice(
        (packed, packed[:-1], packed[:-1] + b"\xff", b"\xf3" * len(packed), only_ones, mutate_bytes(packed, random))
    )
    body = header + bytes([len(name)]) + name + keyset + secret
    if random.random() < 0.2:
        body = mutate_bytes(body, random)
    path.write_bytes(body + hashlib.sha256(body).digest())
    path.chmod(0o600)
    with SecretKeys.load(path, insecure_plaintext=True) as loaded:
        if scheme_called(loaded.keyset.scheme).keyset_to_bytes(loaded.keyset) not in body:
            raise AssertionError("another keyset than the file's was read")
    key_file.read_public_part(path)


LEVELLED_TARGETS: tuple[tuple[Callable[[LevelledWorkshop], None], float], ...] = (
    (levelled_specification, 0.4),
    (levelled_batch, 0.15),
    (levelled_answer, 0.15),
    (levelled_answers_together, 0.1),
    (levelled_row, 0.08),
    (levelled_key_file, 0.12),
)
"""What is attacked, and how often."""
