"""Bounds of quadratic forms on a box, by eigenvalues: what sums of squares of affine functions of the Input can be."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cryptable_engine.circuit.affine import AffineMap, SparseMap
from cryptable_engine.circuit.circuit import IntArray

MAX_CELLS = 1 << 22
"""Elements of the matrix of what is squared, beyond which no form is looked into."""
MAX_WORK = 1 << 31
"""Of all forms of a circuit together, in multiplications of matrices: a few seconds. Later ones are not looked into."""
_SORTED, _LISTED = 128, 256
"""Multiplications that take as long as an entry that is sorted, and as one that goes through Python's integers."""
_UNIT = 2.0**-52

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Squared:
    """What a set of Squares squares, on the elements that are `used`: one row for each, around the box's centre."""

    squares: tuple[int, ...]
    used: IntArray
    scale: IntArray
    twice: IntArray
    scaled: FloatArray
    magnitudes: FloatArray
    norms: FloatArray
    reduced: FloatArray

    def is_of(self, squares: tuple[int, ...], used: IntArray) -> bool:
        """Whether it can be used again."""
        return self.squares == squares and np.array_equal(self.used, used)


class QuadraticForms:
    """Forms of one circuit, within one budget of work: however many nodes it has, verifying it ends.

    Args:
        highest: of each element of the Input; the lowest is 0.
        room: work that they may take.
    """

    def __init__(self, highest: IntArray, room: int = MAX_WORK) -> None:
        self._highest, self._room = highest, room
        self._last: _Squared | None = None

    def bounds(self, outer: AffineMap, squared: dict[int, AffineMap]) -> tuple[IntArray, IntArray] | None:
        """Lowest and highest values of offset + l · x + Σ_j w_j (a_j · x + b_j)², for each output, on the box.

        With x at the box's centre plus h ∘ v, h being half of `highest`, every v_i is in −1 .. 1 and ‖v‖² is at most
        the number n of elements that are read. The value is g + c · v + v M v, with M = Σ_j w_j a'_j a'_jᵀ and
        a'_j = a_j ∘ h: it lies within g ± ‖c‖₁, and n times M's extreme eigenvalues (or 0, where those are of one
        sign) beyond.

        g is computed in integers. Floats are rounded outwards: by Weyl's inequality an error E of M moves eigenvalues
        by ‖E‖ at most, and the errors of products, of a QR decomposition (columnwise: Higham, Theorem 19.4) and of the
        eigenvalues (a small multiple of rank · unit · ‖M‖) are within (64 · rank + elements) units of
        Σ_j |w_j| ‖a'_j‖².

        Args:
            outer: of the Input (node 0) and of squares.
            squared: by the index of each Square that `outer` reads, what it squares: affine functions of the Input.

        Returns:
            Arrays of shape (outputs,); None where the forms are too large to look into.
        """
        entries = sum(m.rows.size for each in (outer, *squared.values()) for m in each.maps.values())
        if not self._spend(_SORTED * entries):
            return None
        used = np.unique(
            np.concatenate([m.rows for each in (outer, *squared.values()) for o, m in each.maps.items() if not o])
        )
        rows = sum(len(each.offset) for each in squared.values())
        outputs, rank = len(outer.offset), min(rows, used.size)
        if not used.size or max(rows * used.size, rows * outputs, used.size * outputs) > MAX_CELLS:
            return None
        known = self._last if self._last is not None and self._last.is_of(tuple(squared), used) else None
        # Eigenvalues, the product before them, the gradient, and what is summed up in Python's integers.
        work = outputs * (rank**3 + rank**2 * rows + 2 * rows * used.size + _LISTED * (rows + used.size))
        if known is None:
            work += 16 * rows * used.size + (used.size * rows**2 if rows < used.size else 0)
        if not self._spend(work):
            return None
        forms = self._last = known or _squared(squared, used, self._highest[used])
        weights = np.concatenate(
            [_dense(outer.maps[index], np.arange(len(each.offset)), outputs) for index, each in squared.items()]
        )
        return _form_bounds(forms, outer.offset, _dense(outer.maps.get(0), used, outputs), weights)

    def _spend(self, work: int) -> bool:
        """Whether there was room for it; there is less now. A form that was too large leaves room for smaller ones."""
        if work > self._room:
            return False
        self._room -= work
        return True


def _squared(squared: dict[int, AffineMap], used: IntArray, scale: IntArray) -> _Squared:
    inner = np.concatenate([_dense(each.maps.get(0), used, len(each.offset)).T for each in squared.values()])
    shift = np.concatenate([each.offset for each in squared.values()])
    scaled = inner * (scale / 2.0)
    # What is left of a'_j where there are fewer of them than elements: the same inner products.
    reduced = np.asarray(np.linalg.qr(scaled.T, mode="r"), np.float64) if len(inner) < used.size else scaled.T
    return _Squared(
        squares=tuple(squared),
        used=used,
        scale=scale,
        twice=inner @ scale + 2 * shift,  # twice the value at the centre, of each that is squared
        scaled=scaled,
        magnitudes=np.abs(scaled),
        norms=(scaled**2).sum(axis=1),
        reduced=reduced,
    )


def _form_bounds(forms: _Squared, offset: IntArray, linear: IntArray, weights: IntArray) -> tuple[IntArray, IntArray]:
    """Of sums with these weights, shape (rows, outputs), and linear parts, shape (elements, outputs)."""
    rows, elements = forms.scaled.shape
    squares = [value * value for value in forms.twice.tolist()]
    unit = _UNIT * (64.0 * min(rows, elements) + rows + elements)
    if rows < elements:
        unit += _UNIT * 64.0 * rows * elements
    outputs = len(offset)
    low, high = np.empty(outputs, np.int64), np.empty(outputs, np.int64)
    for output in range(outputs):
        weight = weights[:, output]
        four = 4 * int(offset[output]) + 2 * sum(map(int, linear[:, output] * forms.scale))
        four += sum(w * s for w, s in zip(weight.tolist(), squares, strict=True) if w)
        weighted, slanted = weight * forms.twice.astype(np.float64), linear[:, output] * (forms.scale / 2.0)
        slope = forms.scaled.T @ weighted + slanted
        largest = forms.magnitudes.T @ np.abs(weighted) + np.abs(slanted)
        spread = float(np.abs(slope).sum() + _UNIT * (rows + 8) * largest.sum())
        error = unit * float((np.abs(weight) * forms.norms).sum())
        values = np.linalg.eigvalsh((forms.reduced * weight) @ forms.reduced.T)
        above = spread + elements * max(float(values[-1]) + error, 0.0)
        below = spread + elements * max(error - float(values[0]), 0.0)
        low[output], high[output] = _outwards(four, below, above)
    return low, high


def _dense(matrix: SparseMap | None, rows: IntArray, columns: int) -> IntArray:
    """Those rows of a sparse matrix, shape (rows, columns)."""
    dense = np.zeros((rows.size, columns), np.int64)
    if matrix is not None:
        dense[np.searchsorted(rows, matrix.rows), matrix.columns] = matrix.weights
    return dense


def _outwards(four: int, below: float, above: float) -> tuple[int, int]:
    """Integers four / 4 − below and four / 4 + above, as integers, but never beyond 64 bits."""
    lowest = four // 4 - math.ceil(below * (1 + _UNIT)) - 1
    highest = four // 4 + 1 + math.ceil(above * (1 + _UNIT)) + 1
    most = 1 << 62
    return max(lowest, -most), min(highest, most)
