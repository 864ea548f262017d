"""What a client and a front read of the scheme squares, and of linear models (levelled) whose weights are hidden.

Specifications, rows and answers, of several models: whichever is well-formed is used, everything else refused in type.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from random import Random
from typing import Any, cast

import numpy as np
from cryptable_client import SecretKeys, encrypt
from cryptable_client.schemes.scheme import check_security, scheme_called
from cryptable_client.server.inference import Inference
from cryptable_client.server.meter import Meter
from cryptable_protocol import AffineEncoder, ClientSpec, CryptableError, Decoder, Link, limits, messages
from cryptable_protocol.model.bulk_spec import BulkSpec
from cryptable_protocol.schemes.levelled.linear_parameters import LinearParameters
from cryptable_protocol.schemes.ring_tensor import RingTensor
from cryptable_protocol.schemes.squares.bulk_parameters import BulkParameters
from cryptable_protocol.schemes.squares.keyset import CHAINS, SquaresKeyset
from cryptable_protocol.schemes.squares.parameters import SquaresParameters
from cryptable_protocol.schemes.squares.windows import WindowAxis, Windows

from fuzz.mutations import mutate, mutate_bytes
from fuzz.stub import Stub

P_ERROR = 2.0**-128
MOST_POLYNOMIALS = 4
"""Of a row that is encrypted: more take long, and are no other code."""
SMALL, HUGE = (0, 1, 2, 3, 4, 8, 16), (1 << 12, 1 << 13, 1 << 16, limits.MAX_VECTOR_SIZE, 1 << 31)
RingParameters = LinearParameters | SquaresParameters | BulkParameters


def _spec(name: str, inputs: int, parameters: RingParameters) -> ClientSpec:
    return ClientSpec(
        model_name=name,
        features=tuple(AffineEncoder(f"x{index}", 0.0, 1.0, 1 << 3) for index in range(inputs)),
        parameters=parameters,
        decoder=Decoder(Link.IDENTITY, (0,) * parameters.outputs, 1.0, (0.0,) * parameters.outputs),
    )


def specifications() -> list[ClientSpec]:
    """Squares, in one modulus and several, with windows, and in bulk; a linear model of three moduli."""
    windows = Windows(2, (WindowAxis(2, 1, 2, 1, 1, 0), WindowAxis(3, 2, 2, 2, 1, 1)))
    squares = SquaresParameters(SquaresKeyset(1, 7), 3, 4, 8, 4, 2, 4, (65537, 114689), 3, 5_000_000_000, 28, P_ERROR)
    one = SquaresParameters(SquaresKeyset(1, 1), 3, 12, 4, 2, 1, 2, (65537,), 2, 60_000, 28, P_ERROR)
    linear = LinearParameters(3, 16, 36, (1021, 1023, 1024), 2, 2, 1 << 29, 19, P_ERROR)
    made = [_spec("squares", 3, squares), _spec("one", 3, one), _spec("linear", 3, linear)]
    made.append(_spec("bulk", 3, BulkParameters(1, 3, 3, 65537, 2, 60_000, 28, P_ERROR)))
    made.append(_spec("long", 3, BulkParameters(1, 3, 3, 35184371613697, 2, 1 << 44, 57, P_ERROR, level=2)))
    return [*made, _spec("windowed", 12, replace(squares, inputs=12, stride=1, windows=windows))]


class RingWorkshop:
    """What the targets share."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.specs = specifications()
        self._keys: dict[bytes, SecretKeys] = {}

    def secret_keys(self, spec: ClientSpec) -> SecretKeys:
        """Of a specification's keyset."""
        name = spec.parameters.keyset.name
        if name not in self._keys:
            self._keys[name] = SecretKeys.generate(spec)
        return self._keys[name]

    @cached_property
    def rows(self) -> dict[str, bytes]:
        """An honest row of each model."""
        return {spec.model_name: cast(RingTensor, self.encrypted(spec)).to_bytes() for spec in self.specs}

    def encrypted(self, spec: ClientSpec) -> object:
        """A row of zeros."""
        return encrypt(spec, self.secret_keys(spec), np.zeros(_inputs(spec), np.int64))


def ring_specification(shop: RingWorkshop) -> None:
    """A specification, fields changed one by one, or to values near what the rules allow."""
    random = shop.random
    message = messages.client_spec.ClientSpec.FromString(random.choice(shop.specs).to_bytes())
    own = next(getattr(message, name) for name in ("squares", "bulk", "levelled") if message.HasField(name))
    for _ in range(random.choice((0, 1, 1, 2))):
        _rewrite(own, random)
    if random.random() < 0.3:
        message.p_error = random.choice((0.0, 1.0, 2.0**-40, 2.0**-128, 2.0**-250))
    for _ in range(random.choice((0, 0, 1, 1, 2))):
        mutate(own if random.random() < 0.7 else message, random)
    spec = ClientSpec.from_bytes(_lengthened(message.SerializeToString(deterministic=True), random))
    check_security(spec)
    parameters = spec.parameters
    if not isinstance(parameters, RingParameters) or _polynomials(parameters) > MOST_POLYNOMIALS:
        return
    row = cast(RingTensor, shop.encrypted(spec))
    if len(row.polynomials) != parameters.row_bytes:
        raise AssertionError("a row of another length than its parameters say")


def _rewrite(own: Any, random: Random) -> None:  # noqa: ANN401 - of either scheme
    """One field, or several that single mutations seldom bring together."""
    fields = [field for field in own.DESCRIPTOR.fields if field.message_type is None and not field.is_repeated]
    match random.randrange(8):
        case 0 | 1 | 2:
            field = random.choice(fields)
            near = getattr(own, field.name)
            most = 2**32 - 1 if field.cpp_type == field.CPPTYPE_UINT32 else 2**63
            setattr(own, field.name, min(most, max(0, random.choice((near - 1, near + 1, 2 * near, *SMALL, *HUGE)))))
        case 3 | 4 | 7 if hasattr(own, "modulus"):
            own.chain, own.modulus = random.choice((0, *CHAINS, 99)), random.choice((0, 3, 65537, 65539, 114689, 81921))
        case 3:
            own.moduli[:] = random.choice(
                ((), (65537,), (114689, 65537), (65537, 65537), (65539,), (40961, 65537, 114689), (1020, 1024))
            )
        case 4:
            own.moduli[:] = random.choice(((2, 3), (1024, 1 << 18), (3, 5, 7, 11, 13, 17, 19), range(3, 30, 2)))
        case 5:
            own.maximum = random.choice((0, 1, 65536, 65537, 1 << 52, (1 << 60) + 1, (1 << 64) - 1))
        case 6:
            own.answer_word_bits = random.randrange(8, 40)
        case _:
            if hasattr(own, "linear"):
                _rewrite_linear(own, random)
            elif own.HasField("windows") and random.random() < 0.7:
                _rewrite_windows(own, random)
            else:
                own.chain, own.rotations = (
                    random.choice((0, *CHAINS, 99)),
                    random.choice((0, 1, (1 << 13) - 1, 1 << 14)),
                )


def _rewrite_linear(own: Any, random: Random) -> None:  # noqa: ANN401
    match random.randrange(6):
        case 0:
            own.keyset = random.choice((0, 1, 2, 3))
        case 1:
            own.selectors[:] = (0,)
        case 2:
            own.linear.input_bits = random.choice((0, 1, 30, 31))
        case 3:
            own.linear.word_bits = random.choice((23, 24, 25, 30, 51, 52))
        case 4:
            own.outputs = random.choice((1, 2, 30, 42, 64, 2048))
            own.linear.outputs_per_part = random.choice((0, 1, 2, own.outputs, own.outputs + 1))
            own.answer_word_bits = random.choice((12, 26))
        case _:
            own.inputs = random.choice((1 << 12, 1 << 15, limits.MAX_VECTOR_SIZE))
            own.outputs = own.linear.outputs_per_part = random.choice((1, 20, 42))
            own.answer_word_bits = 12


def _rewrite_windows(own: Any, random: Random) -> None:  # noqa: ANN401
    """A grid's numbers, and what has to fit them."""
    axis = random.choice(own.windows.axes)
    match random.randrange(4):
        case 0:
            axis.extent = random.choice((0, 1, 5, 1 << 13, 1 << 14, (1 << 14) + 1))
        case 1:
            axis.places, axis.taps = random.choice((1, 2, 1 << 13, 1 << 14)), random.choice((1, 2, 1 << 13))
        case 2:
            axis.stride, axis.dilation, axis.before = (random.choice((0, 1, 2, 1 << 14)) for _ in range(3))
        case _:
            own.block, own.copies = random.choice(((8, 512), (16, 512), (1024, 8), (4096, 2)))


def ring_row(shop: RingWorkshop) -> None:
    """A row, as a front checks it and a file gives it."""
    random = shop.random
    spec = random.choice(shop.specs)
    message = messages.tensor.EncryptedTensor.FromString(random.choice(list(shop.rows.values())))
    for _ in range(random.choice((0, 0, 1, 2))):
        mutate(message, random)
    RingTensor.from_bytes(spec.parameters.check_input(message))


def ring_second_way(shop: RingWorkshop) -> None:
    """What a server says of rows in bulk."""
    random = shop.random
    spec = next(each for each in shop.specs if each.model_name == "bulk")
    message = messages.client_spec.BulkSpec.FromString(
        BulkSpec.of(spec, cast(BulkParameters, spec.parameters), 30).to_bytes()
    )
    for _ in range(random.choice((0, 1, 1, 2))):
        mutate(message.parameters if random.random() < 0.5 else message, random)
    BulkSpec.from_bytes(_lengthened(message.SerializeToString(deterministic=True), random), spec)


def _lengthened(data: bytes, random: Random) -> bytes:
    """Seldom longer than a specification may be: few mutations make megabytes."""
    return data if random.random() >= 0.02 else data.ljust(limits.MAX_CLIENT_SPEC_BYTES + 1, b"\0")


def ring_keyset(shop: RingWorkshop) -> None:
    """A keyset, as key files have it."""
    scheme = scheme_called("squares")
    said = mutate_bytes(SquaresKeyset(1, 3).to_bytes(), shop.random)
    if scheme.keyset_to_bytes(scheme.keyset_from_bytes(said)) != said:
        raise AssertionError("another keyset than the file's was read")


def ring_answer(shop: RingWorkshop) -> None:
    """Answers of random words: what is well-formed decodes, into the declared range; what is not is refused."""
    random = shop.random
    spec = random.choice(shop.specs)
    parameters = cast(RingParameters, spec.parameters)
    size = parameters.answer_bytes
    result = messages.tensor.EncryptedTensor(polynomials=random.randbytes(size))
    for _ in range(random.choice((0, 1, 1, 2))):
        mutate(result, random)
    well_formed = result == messages.tensor.EncryptedTensor(polynomials=result.polynomials) and (
        len(result.polynomials) == size
    )
    decoded: list[Any] = []
    stub = Stub([messages.inference.InferResponse(row=0, result=result)])
    try:
        inference = Inference(
            cast(Any, stub), spec, shop.secret_keys(spec), evaluation_keys=b"", timeout=1.0, meter=Meter()
        )
        inference.rows(np.zeros((1, _inputs(spec)), np.int64), decoded.append)
    except CryptableError as error:
        if well_formed:
            raise AssertionError("a well-formed answer was refused") from error
        raise
    values = np.vstack(decoded)
    if not well_formed or values.min() < 0 or values.max() > parameters.maximum:
        raise AssertionError(f"answers decoded into {values.tolist()}, well-formed: {well_formed}")
    spec.decoder.predict(values)


def _inputs(spec: ClientSpec) -> int:
    return cast(RingParameters, spec.parameters).inputs


def _polynomials(parameters: RingParameters) -> int:
    if isinstance(parameters, LinearParameters):
        return parameters.layout.polynomials
    return parameters.inputs if isinstance(parameters, BulkParameters) else len(parameters.moduli)


RING_TARGETS: tuple[tuple[Callable[[RingWorkshop], None], float], ...] = (
    (ring_specification, 0.6),
    (ring_second_way, 0.05),
    (ring_keyset, 0.05),
    (ring_answer, 0.2),
    (ring_row, 0.1),
)
"""What is attacked, and how often."""
