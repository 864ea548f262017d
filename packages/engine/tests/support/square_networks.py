"""Random networks of squares, and a client of the scheme `squares` whose secret tests may look at."""

import math
from itertools import pairwise

import numpy as np
from cryptable_client.schemes.squares import encryption, evaluation_keys, secret
from cryptable_engine import Circuit, GroupKind, Input, InputGroup, Linear, Square, Term, verify
from cryptable_engine.circuit.bounds import bounds


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
        words = np.array([ciphertext[place] for place in range(2 * level * size)]).reshape(2, level, size)
        whole, phase = math.prod(primes), np.zeros(size, object)
        for index, prime in enumerate(primes):
            residues = (words[0, index] + encryption.ring_times(words[1, index], self.secret, prime)) % prime
            rest = whole // prime
            phase += residues.astype(object) * (rest * pow(rest, -1, prime))
        scaled = phase % whole * modulus % whole
        return np.array([(int(v) - whole if v > whole // 2 else int(v)) // modulus for v in scaled], object)
