"""Random networks of squares, and a client of the scheme `squares` whose secret tests may look at."""

import math
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import pytest
from cryptable_client.schemes.squares import encryption, evaluation_keys, secret
from cryptable_engine import Circuit, GroupKind, Input, InputGroup, Linear, Square, Term, verify
from cryptable_engine.circuit.bounds import bounds
from cryptable_engine.schemes.squares.rings.choice import make_ring
from cryptable_engine.schemes.squares.rings.seal import SealRing
from cryptable_protocol.schemes.squares.keyset import CHAINS

RINGS = ("kernel", "seal")


def square_network(random, widths, *, maximum=7, largest=3):
    """A verified circuit of layers of these widths, inputs first and outputs last."""
    nodes = [Input((InputGroup(GroupKind.RANGE, widths[0], maximum),))]
    for before, width in pairwise(widths):
        weights = random.integers(-largest, largest + 1, (before, width))
        weights[np.arange(width) % before, np.arange(width)] = 1
        terms = (Term.from_dense(len(nodes) - 1, weights),)
        nodes += [Linear(terms, random.integers(-9, 10, width)), Square(len(nodes), width)]
    nodes.pop()
    return scored(nodes)


def scored(nodes):
    """The verified circuit of nodes that end with scores, moved so that the lowest is 0."""
    (low, high), last = bounds(Circuit(tuple(nodes), len(nodes) - 1))[-1], nodes[-1]
    room = 1 + int((high - low).max() >> 20)
    circuit = Circuit((*nodes[:-1], Linear(last.terms, last.offset - low + room)), len(nodes) - 1)
    verify(circuit)
    return circuit


def middling_secret(size):
    """A secret whose norm is the mean at most: bounds are of the greatest that clients use, 2 % above."""
    drawn = secret.generate(size)
    return drawn if drawn @ drawn <= 2 * size / 3 else middling_secret(size)


@contextmanager
def evaluated_by(ring):
    """By our kernel, which is to have vector instructions, or by SEAL."""
    with pytest.MonkeyPatch.context() as patch:
        if ring == "seal":
            patch.setenv("CRYPTABLE_KERNEL", "off")
        elif isinstance(make_ring(CHAINS[1], 65537), SealRing):
            pytest.skip("there is no kernel with vector instructions")
        yield


class SquaresClient:
    """Keys for a plan."""

    def __init__(self, plan, own=None):
        self.parameters = plan.parameters
        keyset = self.parameters.keyset
        self.secret = secret.generate(keyset.ring_size) if own is None else own
        self.evaluation_keys = b"".join(evaluation_keys.chunks(keyset, self.secret))

    def row(self, values):
        return encryption.encrypt_row(self.parameters, self.secret, values)

    def noise(self, ciphertext, level, modulus):
        """v in c0 + c1 s = round(Q m / t) + v, of each coefficient, in Python's integers (1/t of it is cut off)."""
        chain = self.parameters.keyset.chain
        primes, size = chain.data[:level], chain.ring_size
        if hasattr(ciphertext, "digits"):  # the kernel's, transformed
            ciphertext = make_ring(chain, modulus).words(ciphertext, range(2 * level * size))
        words = np.array([ciphertext[place] for place in range(2 * level * size)]).reshape(2, level, size)
        whole, phase = math.prod(primes), np.zeros(size, object)
        for index, prime in enumerate(primes):
            residues = (words[0, index] + encryption.ring_times(words[1, index], self.secret, prime)) % prime
            rest = whole // prime
            phase += residues.astype(object) * (rest * pow(rest, -1, prime))
        scaled = phase % whole * modulus % whole
        return np.array([(int(v) - whole if v > whole // 2 else int(v)) // modulus for v in scaled], object)
