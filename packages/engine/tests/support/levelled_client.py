"""A client of the scheme `levelled`, written from protos/SPEC-LEVELLED.md alone: slow, exact, and random by NumPy.

Products of polynomials are products of long Python integers, so that nothing here shares a line or a rounding with the
engine or with the client package: an oracle for both.
"""

import hashlib
import math

import numpy as np
from cryptable_protocol.messages import tensor as pb
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

N, GRID = 2048, 52
SIGMA = 2.0 ** (-0.025696778711484593 * N + 2.675931372549016)
KEYS = ((7, 6),) * 4 + ((6, 7),) * 2 + ((5, 8),) * 2 + ((4, 10),) * 3
SWITCH = (3, 13)
LIMB = 10


def stream(key, first, count):
    """Torus elements, shape (count, N), of polynomials from `first` on."""
    counter = (first * N * 8 // 16).to_bytes(16, "big")
    data = Cipher(algorithms.AES128(key), modes.CTR(counter)).encryptor().update(bytes(8 * N * count))
    return [[int(word) >> 12 for word in row] for row in np.frombuffer(data, "<u8").reshape(count, N)]


def _as_integer(coefficients):
    return int.from_bytes(b"".join(int(value).to_bytes(LIMB, "little") for value in coefficients), "little")


def times(polynomial, small):
    """polynomial · small modulo X^N + 1, over the integers; polynomial ≥ 0, small −1, 0 or 1."""
    total = [0] * N
    for sign in (1, -1):
        product = _as_integer(polynomial) * _as_integer([value == sign for value in small])
        data = product.to_bytes(2 * N * LIMB, "little")
        for index in range(2 * N):
            value = int.from_bytes(data[index * LIMB : (index + 1) * LIMB], "little")
            total[index % N] += sign * value * (1 if index < N else -1)
    return total


def turn(polynomial, power):
    """polynomial(X^power)."""
    result = [0] * N
    for index, value in enumerate(polynomial):
        target = index * power % (2 * N)
        result[target % N] = int(value) * (1 if target < N else -1)
    return result


def packed(words, bits):
    string = sum((int(word) % (1 << bits)) << (bits * index) for index, word in enumerate(words))
    return string.to_bytes((bits * len(words) + 7) // 8, "little")


def unpacked(data, count, bits):
    string = int.from_bytes(data, "little")
    return [(string >> (bits * index)) & ((1 << bits) - 1) for index in range(count)]


class LevelledClient:
    """Keys, rows and answers of one client; `sigma` is that of the specification but in tests of too much noise."""

    def __init__(self, seed, sigma=SIGMA):
        self.random = np.random.default_rng(seed)
        self.sigma = sigma
        self.secret = self._secret()
        self.evaluation_keys = self._evaluation_keys()

    def _secret(self):
        while True:
            secret = self.random.integers(-1, 2, N)
            padded = np.zeros(2 * N)
            padded[:N] = secret
            values = np.abs(np.fft.fft(padded)[1::2]) ** 2
            if (
                values.mean() <= 1.02 * 2 * N / 3
                and (values**2).mean() <= 1.05 * 8 * N * N / 9
                and values.max() <= 10 * 2 * N / 3
            ):
                return [int(value) for value in secret]

    def _error(self):
        return [int(value) for value in np.rint(self.random.normal(0, self.sigma * 2.0**GRID, N))]

    def _body(self, mask, message):
        return [
            (product + value + error) % (1 << GRID)
            for product, value, error in zip(times(mask, self.secret), message, self._error(), strict=True)
        ]

    def _evaluation_keys(self):
        seed = self.random.bytes(16)
        messages = []
        for index, (levels, base) in enumerate(KEYS):
            turned = turn(self.secret, N // 2**index + 1)
            messages += [[value << (GRID - base * j) for value in turned] for j in range(1, levels + 1)]
        padded = np.zeros(2 * N)
        padded[:N] = self.secret
        long = np.rint(np.fft.ifft(np.fft.fft(padded) ** 2).real).astype(int)
        square = [int(value) for value in long[:N] - long[N:]]
        messages += [[value << (GRID - SWITCH[1] * j) for value in square] for j in range(1, SWITCH[0] + 1)]
        bodies = [self._body(mask, m) for mask, m in zip(stream(seed, 0, len(messages)), messages, strict=True)]
        public = hashlib.sha256(b"cryptable levelled public pair\0" + seed).digest()[:16]
        bodies.append(self._body(stream(public, 0, 1)[0], [0] * N))
        return seed + b"".join(packed(body, GRID) for body in bodies)

    def row(self, parameters, bits):
        """A row of bits as it travels, from the fields of the parameters alone."""
        levels, base = parameters.gadget
        leaves = [(bit, base * j) for bit in parameters.selectors for j in range(1, levels + 1)]
        leaves += [(bit, 14) for bit in parameters.leaves]
        polynomials = []
        for first in range(0, len(leaves), N):
            run = leaves[first : first + N]
            depth = max(1, math.ceil(math.log2(len(run))))
            message = [0] * N
            for j, (bit, scale) in enumerate(run):
                doublings = sum(j % 2**i + 2**i < len(run) for i in range(depth))
                message[j * 2 ** (11 - depth)] = int(bits[bit]) << (GRID - scale - doublings)
            polynomials.append((message, 36))
        slots = parameters.outputs * len(parameters.moduli)
        room = N // slots
        for first in range(0, len(parameters.placed), room):
            message = [0] * N
            for place, bit in enumerate(parameters.placed[first : first + room]):
                message[place * slots] = int(bits[bit]) << (GRID - 16)
            polynomials.append((message, 28))
        seed = self.random.bytes(16)
        data = b""
        for (message, width), mask in zip(polynomials, stream(seed, 0, len(polynomials)), strict=True):
            half = 1 << (GRID - width - 1)
            data += packed([(value + half) >> (GRID - width) for value in self._body(mask, message)], width)
        return pb.EncryptedTensor(seed=seed, polynomials=data).SerializeToString(deterministic=True)

    def rows_together(self, parameters, rows, rows_per_answer=0):
        """Rows that travel together: the leaves of one after the other, in one polynomial."""
        levels, base = parameters.gadget
        leaves = [(bit, base * j) for bit in parameters.selectors for j in range(1, levels + 1)]
        leaves += [(bit, 14) for bit in parameters.leaves]
        run = [(int(row[bit]), scale) for row in rows for bit, scale in leaves]
        depth = max(1, math.ceil(math.log2(len(run))))
        message = [0] * N
        for j, (value, scale) in enumerate(run):
            doublings = sum(j % 2**i + 2**i < len(run) for i in range(depth))
            message[j * 2 ** (11 - depth)] = value << (GRID - scale - doublings)
        seed = self.random.bytes(16)
        half = 1 << (GRID - 37)
        data = packed([(value + half) >> (GRID - 36) for value in self._body(stream(seed, 0, 1)[0], message)], 36)
        tensor = pb.EncryptedTensor(seed=seed, polynomials=data, rows=len(rows), rows_per_answer=rows_per_answer)
        return tensor.SerializeToString(deterministic=True)

    def _apart(self, answer, rows):
        data = pb.EncryptedTensor.FromString(answer).polynomials
        size = len(data) // rows
        return [
            pb.EncryptedTensor(polynomials=data[row * size : (row + 1) * size]).SerializeToString()
            for row in range(rows)
        ]

    def decode_together(self, parameters, answer, rows):
        """Outputs of each of several rows."""
        return [self.decode(parameters, each) for each in self._apart(answer, rows)]

    def phases_together(self, parameters, answer, rows):
        """Of each of several rows."""
        return [self.phases(parameters, each) for each in self._apart(answer, rows)]

    def phases_packed(self, parameters, answer, rows, rows_per_answer):
        """Of each of several rows, whose answers share a mask: row i of one stands i · slots further on."""
        slots = parameters.outputs * len(parameters.moduli)
        data, found = pb.EncryptedTensor.FromString(answer).polynomials, []
        while len(found) < rows:
            count = min(rows_per_answer, rows - len(found))
            words = [N, count * slots]
            size = sum((each * parameters.answer_word_bits + 7) // 8 for each in words)
            phases = self._phases(parameters, data[:size], count * slots)
            found += [phases[row * slots : (row + 1) * slots] for row in range(count)]
            data = data[size:]
        assert not data
        return found

    def decode_packed(self, parameters, answer, rows, rows_per_answer):
        """Outputs of each of them."""
        found = self.phases_packed(parameters, answer, rows, rows_per_answer)
        return [self._outputs(parameters, phases) for phases in found]

    def phases(self, parameters, answer):
        """t of each slot, as a fraction of the torus in 0 … 1."""
        slots = parameters.outputs * len(parameters.moduli)
        return self._phases(parameters, pb.EncryptedTensor.FromString(answer).polynomials, slots)

    def _phases(self, parameters, data, slots):
        width = parameters.answer_word_bits
        size = (N * width + 7) // 8
        mask, body = unpacked(data[:size], N, width), unpacked(data[size:], slots, width)
        product = times(mask, self.secret)
        return [((b - a) % (1 << width)) / 2**width for a, b in zip(product, body, strict=False)]

    def decode(self, parameters, answer):
        """Outputs."""
        return self._outputs(parameters, self.phases(parameters, answer))

    def _outputs(self, parameters, phases):
        modulus = math.prod(parameters.moduli)
        found = []
        for output in range(parameters.outputs):
            value = 0
            for r, p in enumerate(parameters.moduli):
                residue = math.floor(phases[r * parameters.outputs + output] * p + 0.5) % p
                rest = modulus // p
                value += residue * rest * pow(rest, -1, p)
            found.append(min(value % modulus, parameters.maximum))
        return found
