"""A model of the scheme `levelled` for the contract suite: one linear map of two bits that are not expanded."""

import numpy as np
from cryptable_protocol import ClientSpec, Decoder, Link, ThermometerEncoder
from cryptable_protocol.schemes.levelled.keyset import GRID_BITS, RING_SIZE, UNIVERSAL, Gadget
from cryptable_protocol.schemes.levelled.layout import PLACE_SCALE
from cryptable_protocol.schemes.levelled.mask_stream import masks
from cryptable_protocol.schemes.levelled.parameters import PLACED_WORD_BITS, LevelledParameters
from cryptable_protocol.schemes.packing import pack, rounded, unpack
from cryptable_protocol.schemes.ring_tensor import RingTensor

MODULUS, SLOTS, ANSWER_BITS = 5, 2, 14
MATRIX = np.array([[1, 1], [0, 1]])
OTHER_KEYSET = None


def make_spec():
    return ClientSpec(
        model_name="linear",
        features=(ThermometerEncoder("age", (40.0,)), ThermometerEncoder("dose", (0.5,))),
        parameters=LevelledParameters(
            UNIVERSAL, 2, (), (), (0, 1), Gadget(2, 8), (MODULUS,), SLOTS, 2, ANSWER_BITS, 2.0**-64
        ),
        decoder=Decoder(Link.IDENTITY, (0, 0), 1.0, (0.0, 0.0)),
    )


def evaluate(tensor):
    """MATRIX times the row, under encryption: element p is coefficient 2p of the row, output o coefficient o of what is
    left after a product with the fractions 1 + X^-2 + X^-1 of the modulus.
    """
    weight = np.uint64(round(2**PLACE_SCALE / MODULUS))
    body = unpack(tensor.polynomials, RING_SIZE, PLACED_WORD_BITS) << np.uint64(GRID_BITS - PLACED_WORD_BITS)
    mapped = [_mapped(polynomial) * weight for polynomial in (masks(tensor.seed, 0, 1)[0], body)]
    mask, body = (rounded(polynomial % np.uint64(1 << GRID_BITS), GRID_BITS, ANSWER_BITS) for polynomial in mapped)
    return RingTensor(pack(mask, ANSWER_BITS) + pack(body[:SLOTS], ANSWER_BITS))


def _mapped(polynomial):
    return polynomial + _divided(polynomial, 2) + _divided(polynomial, 1)


def _divided(polynomial, power):
    """By X^power, modulo X^N + 1."""
    return np.concatenate([polynomial[power:], np.negative(polynomial[:power])])
