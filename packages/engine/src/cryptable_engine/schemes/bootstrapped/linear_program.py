"""Circuits without lookups, evaluated by NumPy: sums of ciphertexts are sums of words, and copying them costs more.

Concrete's runtime wants all input ciphertexts expanded, packed and unpacked again: 0.15 ms of CPU an element. Here,
masks are drawn from their seed, multiplied and added a block at a time. The result is the same, word for word.
"""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
from cryptable_protocol import EncryptedTensor, MaskStream

from cryptable_engine.circuit.circuit import Circuit, Input, IntArray, Linear
from cryptable_engine.circuit.convolution import Convolution
from cryptable_engine.circuit.interpreter import convolution_value, linear_value
from cryptable_engine.errors import UnsupportedProgramError
from cryptable_engine.schemes.bootstrapped.parameters.layout import Reading
from cryptable_engine.schemes.bootstrapped.program import BootstrappedProgram

FILE = "linear.npz"
_BLOCK_WORDS = 1 << 16
"""Half a megabyte, which caches hold."""

Words = npt.NDArray[np.uint64]


def write_linear(circuit: Circuit, output: Reading, directory: Path) -> None:
    """Store the matrix of a circuit without lookups beside its program.

    Args:
        circuit: verified; however many sums it takes, they are one matrix.
        output: how its output is read.
        directory: of the program.
    """
    weights, offset = _matrix(circuit)
    np.savez(directory / FILE, weights=weights, offset=offset, bits=output.bits)


def _matrix(circuit: Circuit) -> tuple[IntArray, IntArray]:
    """Weights of shape (inputs, outputs), and offsets: modulo 2^64, as all is on the torus."""
    match circuit.nodes:
        case (Input() as given, Linear(terms=(term,)) as node):
            return term.to_dense(given.size, node.size), node.offset
    offset = _sums(circuit, np.zeros((circuit.input.size, 1), np.int64))
    step = max(1, _BLOCK_WORDS // max(node.size for node in circuit.nodes))
    identity = (
        np.eye(circuit.input.size, min(step, circuit.input.size - first), -first, np.int64)
        for first in range(0, circuit.input.size, step)
    )
    weights = np.concatenate([_sums(circuit, some) - offset for some in identity], axis=1).T
    return weights, offset[:, 0]


def _sums(circuit: Circuit, inputs: IntArray) -> IntArray:
    """Of any integers, which no honest encoder need make: shapes (inputs, rows) and (outputs, rows)."""
    values = {0: inputs}
    for index, node in enumerate(circuit.nodes[1:], 1):
        match node:
            case Linear():
                values[index] = linear_value(node, values, inputs.shape[1])
            case Convolution():
                values[index] = convolution_value(node, values[node.source])
    return values[circuit.output]


class LinearProgram:
    """value[j] = offset[j] + the sum over i of weights[i, j] * input[i], on ciphertexts."""

    def __init__(self, weights: Words, offset: Words, dimension: int) -> None:
        self._weights, self._offset, self._dimension = weights, offset, dimension

    @classmethod
    def load(cls, program: BootstrappedProgram) -> LinearProgram:
        """What `write_linear` stored in a trusted directory.

        Raises:
            UnsupportedProgramError: it is not there, or damaged.
        """
        path = program.directory / FILE
        given, returned = program.input, program.output
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                # A score stands in the lower bits of what it is computed in: the last step is to shift it up.
                bits = int(stored["bits"])
                weights = stored["weights"].astype(np.uint64) << np.uint64(given.width - bits)
                offset = stored["offset"].astype(np.uint64) << np.uint64(63 - bits)
        except (OSError, EOFError, KeyError, ValueError, BadZipFile) as error:
            raise UnsupportedProgramError(f"program: {path} is damaged ({error}); compile the circuit again") from error
        if weights.shape != (given.size, returned.size) or offset.shape != (returned.size,):
            raise UnsupportedProgramError(
                f"program: a matrix of shape {weights.shape} with {offset.shape} offsets, expected "
                f"{(given.size, returned.size)}; compile the circuit again"
            )
        return cls(weights, offset, program.keyset.dimensions[given.key])

    def evaluate(self, tensor: EncryptedTensor) -> Words:
        """The result's ciphertexts, shape (outputs, dimension + 1), the body last.

        Raises:
            MalformedMessageError: another number of ciphertexts, or another dimension.
        """
        size, outputs = self._weights.shape
        if tensor.seed is None or tensor.bodies.shape != (size,):
            words = tensor.ciphertexts(size, self._dimension)
            result = _products(words, self._weights)
        else:
            result = np.zeros((outputs, self._dimension + 1), np.uint64)
            result[:, -1] = _products(tensor.bodies[:, None], self._weights)[:, 0]
            stream, step = MaskStream(tensor.seed), max(1, _BLOCK_WORDS // self._dimension)
            for first in range(0, size, step):
                count = min(step, size - first)
                masks = stream.words(first * self._dimension, count * self._dimension).reshape(count, -1)
                result[:, :-1] += _products(masks, self._weights[first : first + count])
        result[:, -1] += self._offset
        return result


def _products(words: Words, weights: Words) -> Words:
    """weights.T @ words modulo 2^64, shape (outputs, words.shape[1])."""
    result = np.empty((weights.shape[1], words.shape[1]), np.uint64)
    for output, column in enumerate(weights.T):
        np.einsum("i,ij->j", column, words, out=result[output])
    return result
