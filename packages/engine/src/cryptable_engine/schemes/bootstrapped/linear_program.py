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

from cryptable_engine.circuit.circuit import Circuit, Input, Linear
from cryptable_engine.errors import UnsupportedProgramError
from cryptable_engine.schemes.bootstrapped.program import BootstrappedProgram

FILE = "linear.npz"
_BLOCK_WORDS = 1 << 16
"""Half a megabyte, which caches hold."""

Words = npt.NDArray[np.uint64]


def write_linear(circuit: Circuit, directory: Path) -> None:
    """Store the matrix of a circuit of kind LINEAR beside its program."""
    match circuit.nodes:
        case (Input() as given, Linear(terms=(term,)) as node):
            np.savez(directory / FILE, weights=term.to_dense(given.size, node.size), offset=node.offset)


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
                weights = stored["weights"].astype(np.uint64) << np.uint64(given.width - returned.width)
                offset = stored["offset"].astype(np.uint64) << np.uint64(63 - returned.width)
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
