"""Where residues of a row's integers and of an answer's outputs stand (SPEC-LEVELLED.md, "Linear models")."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from cryptable_protocol.schemes.levelled.keyset import GRID_BITS, RING_SIZE

IntArray = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]

_PLACES: dict[int, tuple[int, tuple[tuple[int, int], ...]]] = {
    1: (1, ((0, 0),)),
    2: (3, ((0, 0), (1, 2))),
    3: (7, ((0, 0), (1, 2), (3, 6))),
    4: (9, ((0, 0), (1, 2), (3, 6), (4, 8))),
    5: (13, ((0, 0), (1, 4), (2, 8), (6, 11), (9, 10))),
    6: (18, ((0, 0), (1, 2), (3, 6), (9, 5), (13, 7), (16, 11))),
}
"""For each number of moduli, how many windows a polynomial has, the fewest possible; and for each modulus, the windows
of its slots and of its inputs. The differences of pairs are distinct, and differences across pairs are none of them."""
MAX_LINEAR_MODULI = max(_PLACES)


@dataclass(frozen=True)
class LinearLayout:
    """Of a model with so many inputs and moduli, and so many outputs in a part of an answer.

    With `window` = ⌊N / windows⌋, the residue by moduli[r] of input i is coefficient (inputs' window of r) · window +
    i mod `run` of polynomial ⌊i / run⌋, and that of output o is coefficient (slots' window of r) · window + o · run of
    the answer. Three moduli may be `interleaved`: slots of the third one follow each other, and its inputs are as far
    apart as there are outputs, so that differences with those of the first two are few.
    """

    inputs: int
    outputs: int
    moduli: int
    interleaved: bool = False

    @property
    def _windows(self) -> int:
        return _PLACES[self.moduli][0]

    @property
    def window(self) -> int:
        """Coefficients of a window."""
        return RING_SIZE // self._windows

    @property
    def run(self) -> int:
        """Inputs that a polynomial has room for; 0 where there are too many outputs."""
        if self.interleaved:  # six windows of run · outputs, and run + outputs − 1
            return (RING_SIZE + 1 - self.outputs) // (6 * self.outputs + 1)
        # What is left over at the ring's end is a gap once around it.
        return (self.window - RING_SIZE % self._windows) // self.outputs

    @property
    def polynomials(self) -> int:
        """Of a row."""
        return -(-self.inputs // self.run)

    @cached_property
    def input_places(self) -> tuple[IntArray, IntArray]:
        """Polynomial of each input, shape (inputs,), and coefficient of each residue, (moduli, inputs)."""
        polynomial, place = np.divmod(np.arange(self.inputs), self.run)
        if self.interleaved:
            window, rest = self.run * self.outputs, self.run + self.outputs - 1
            return polynomial, np.stack([place, 3 * window + rest + place, window + rest + place * self.outputs])
        windows = np.array([windows[1] for windows in _PLACES[self.moduli][1]], np.int64)
        return polynomial, windows[:, None] * self.window + place

    @cached_property
    def slots(self) -> IntArray:
        """Coefficients of the answer, residue by residue: output o modulo moduli[r] is number r · outputs + o."""
        if self.interleaved:
            window, rest, each = self.run * self.outputs, self.run + self.outputs - 1, np.arange(self.outputs)
            return np.concatenate([each * self.run, 5 * window + rest + each * self.run, 3 * window + each])
        windows = np.array([windows[0] for windows in _PLACES[self.moduli][1]], np.int64)
        found: IntArray = (windows[:, None] * self.window + np.arange(self.outputs) * self.run).ravel()
        return found


def residues_on_torus(values: IntArray, modulus: int) -> Words:
    """The torus elements, integers modulo 2^52, nearest to (value mod modulus) / modulus; halves upwards."""
    residues = (values % modulus).astype(np.uint64)
    quotient, rest = divmod(1 << GRID_BITS, modulus)
    found: Words = residues * np.uint64(quotient) + (residues * np.uint64(rest) + np.uint64(modulus // 2)) // np.uint64(
        modulus
    )
    return found
