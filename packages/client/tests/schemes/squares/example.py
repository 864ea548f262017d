"""A model of the scheme `squares` for the contract suite: sums over each row of slots, without a square."""

import numpy as np
from cryptable_protocol import AffineEncoder, ClientSpec, Decoder, Link
from cryptable_protocol.schemes.packing import pack, unpack
from cryptable_protocol.schemes.ring_tensor import RingTensor
from cryptable_protocol.schemes.squares.keyset import SquaresKeyset
from cryptable_protocol.schemes.squares.mask_stream import masks
from cryptable_protocol.schemes.squares.parameters import SquaresParameters

MODULUS, MAXIMUM, ANSWER_BITS = 33_832_961, (1 << 25) - 1, 36
MATRIX = 512 * np.array([[3, 3, 2], [3, 3, 2]])
"""A row of 4096 slots is 512 times x0 x1 x2 x0, x1 x2 x0 x1: blocks of four slots, in two copies."""
OTHER_KEYSET = SquaresKeyset(2, 3)


def make_spec():
    return ClientSpec(
        model_name="sums",
        features=tuple(AffineEncoder(name, 0.0, 1.0, 4096) for name in ("age", "dose", "weight")),
        parameters=SquaresParameters(
            SquaresKeyset(1, 1), 3, 12, 4, 2, 1, 2, (MODULUS,), 2, MAXIMUM, ANSWER_BITS, 2.0**-64
        ),
        decoder=Decoder(Link.IDENTITY, (0, 0), 1.0, (0.0, 0.0)),
    )


def evaluate(tensor):
    """A fresh ciphertext modulo fewer bits: coefficients that are N / 4 apart tell the sums over classes of slots."""
    chain = SquaresKeyset(1, 1).chain
    mask = masks(tensor.seed, 0, chain.data, chain.ring_size)
    each = len(tensor.polynomials) // len(chain.data)
    body = np.stack(
        [
            unpack(tensor.polynomials[index * each : (index + 1) * each], chain.ring_size, prime.bit_length())
            for index, prime in enumerate(chain.data)
        ]
    ).astype(np.int64)
    words = [_words(chain, residues) for residues in (mask, body[:, :: chain.ring_size // 4])]
    return RingTensor(b"".join(pack(each, ANSWER_BITS) for each in words))


def _words(chain, residues):
    """round(c · 2^bits / Q) of each c, in Python's integers."""
    total = np.zeros(residues.shape[1], object)
    for values, prime in zip(residues, chain.data, strict=True):
        rest = chain.modulus // prime
        total += values.astype(object) * (rest * pow(rest, -1, prime))
    total = ((total % chain.modulus << ANSWER_BITS) + chain.modulus // 2) // chain.modulus % (1 << ANSWER_BITS)
    return total.astype(np.uint64)
