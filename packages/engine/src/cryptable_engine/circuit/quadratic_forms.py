"""Bounds of quadratic forms on a box, by eigenvalues: what sums of squares of affine functions of the Input can be."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from cryptable_engine.circuit.affine import AffineMap, SparseMap
from cryptable_engine.circuit.circuit import IntArray

MAX_CELLS = 1 << 22
"""Elements of the matrix of what is squared, beyond which no form is looked into."""
MAX_WORK = 1 << 31
"""Outputs times the cube of a form's rank, likewise: about a second."""
_UNIT = 2.0**-52

FloatArray = npt.NDArray[np.float64]


def form_bounds(outer: AffineMap, squared: dict[int, AffineMap], highest: IntArray) -> tuple[IntArray, IntArray] | None:
    """Lowest and highest values of offset + l · x + Σ_j w_j (a_j · x + b_j)², for each output, over 0 <= x <= highest.

    With x at the box's centre plus h ∘ v, h being half of `highest`, every v_i is in −1 .. 1 and ‖v‖² is at most the
    number n of elements that are read. The value is g + c · v + v M v, with M = Σ_j w_j a'_j a'_jᵀ and a'_j = a_j ∘ h:
    it lies within g ± ‖c‖₁, and n times M's extreme eigenvalues (or 0, where those are of one sign) beyond.

    g is computed in integers. Floats are rounded outwards: by Weyl's inequality an error E of M moves eigenvalues by
    ‖E‖ at most, and the errors of products, of a QR decomposition (columnwise: Higham, Theorem 19.4) and of the
    eigenvalues (a small multiple of rank · unit · ‖M‖) are within (64 · rank + elements) units of Σ_j |w_j| ‖a'_j‖².

    Args:
        outer: of the Input (node 0) and of squares.
        squared: by the index of each Square that `outer` reads, what it squares: affine functions of the Input alone.
        highest: of each element of the Input; the lowest is 0.

    Returns:
        Arrays of shape (outputs,); None where the forms are too large to look into.
    """
    used = np.unique(
        np.concatenate([m.rows for each in (outer, *squared.values()) for o, m in each.maps.items() if not o])
    )
    rows = sum(len(each.offset) for each in squared.values())
    outputs, rank = len(outer.offset), min(rows, used.size)
    if not used.size or rows * used.size > MAX_CELLS or outputs * rank**3 > MAX_WORK or rows * outputs > MAX_CELLS:
        return None
    scale = highest[used]
    inner = np.concatenate([_dense(each.maps.get(0), used, len(each.offset)).T for each in squared.values()])
    shift = np.concatenate([each.offset for each in squared.values()])
    weights = np.concatenate(
        [_dense(outer.maps[index], np.arange(len(each.offset)), outputs) for index, each in squared.items()]
    )
    linear = _dense(outer.maps.get(0), used, outputs)
    twice = inner @ scale + 2 * shift  # twice the value at the centre, of each that is squared
    squares = [value * value for value in twice.tolist()]
    scaled = inner * (scale / 2.0)
    norms = (scaled**2).sum(axis=1)
    # What is left of a'_j where there are fewer of them than elements: the same inner products.
    reduced: FloatArray = np.linalg.qr(scaled.T)[1] if rows < used.size else scaled.T
    unit = _UNIT * (64.0 * rank + rows + used.size)
    if rows < used.size:
        unit += _UNIT * 64.0 * rows * used.size
    low, high = np.empty(outputs, np.int64), np.empty(outputs, np.int64)
    for output in range(outputs):
        weight = weights[:, output]
        four = 4 * int(outer.offset[output]) + 2 * sum(map(int, linear[:, output] * scale))
        four += sum(w * s for w, s in zip(weight.tolist(), squares, strict=True) if w)
        slope = scaled.T @ (weight * twice.astype(np.float64)) + linear[:, output] * (scale / 2.0)
        largest = np.abs(scaled).T @ np.abs(weight * twice.astype(np.float64)) + np.abs(
            linear[:, output] * (scale / 2.0)
        )
        spread = float(np.abs(slope).sum() + _UNIT * (rows + 8) * largest.sum())
        error = unit * float((np.abs(weight) * norms).sum())
        values = np.linalg.eigvalsh((reduced * weight) @ reduced.T)
        above = spread + used.size * max(float(values[-1]) + error, 0.0)
        below = spread + used.size * max(error - float(values[0]), 0.0)
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
