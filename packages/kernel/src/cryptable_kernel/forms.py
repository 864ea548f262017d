"""Forms: linear forms of products and leaves, as arrays that the kernel walks through."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import numpy.typing as npt

from cryptable_kernel.memory import FloatArray, IntArray, address, integers

_MEMBERS = (
    *("term_first", "term_place", "term_sign", "read_first", "read_source", "weight_first", "weight_at", "weight"),
    *("spectra", "constant"),
)


class _Struct(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in _MEMBERS),
        *((name, ctypes.c_int64) for name in ("ready", "folded", "slots")),
    )


class Forms:
    """Form f adds up products and leaves times polynomials of weights, and a constant.

    Entries of f in the arrays of terms and reads are those from `…_first[f]` to `…_first[f + 1]` − 1; likewise, those
    of a read r in the arrays of weights.

    Args:
        size: N.
        term_first: shape (forms + 1,).
        term_place: place of the product in memory.
        term_sign: 1 or −1.
        read_first: shape (forms + 1,).
        read_source: leaf that is read.
        weight_first: shape (reads + 1,).
        weight_at: coefficients of a read's polynomial that are not zero,
        weight: and what is added to them.
        constant: shape (forms, slots): of the first coefficients of a form's body.
        spectra: transforms of the first reads' polynomials, shape (ready, N); the others are computed when needed.
        folded: leaves before this one are ciphertexts, those from it on pairs.

    Attributes:
        count: how many forms.
        places: products that they read stand below this place.
        sources: leaves that they read stand below this one.

    Raises:
        ValueError: indices that lead out of the arrays.
    """

    def __init__(
        self,
        size: int,
        *,
        term_first: npt.ArrayLike,
        term_place: npt.ArrayLike,
        term_sign: npt.ArrayLike,
        read_first: npt.ArrayLike,
        read_source: npt.ArrayLike,
        weight_first: npt.ArrayLike,
        weight_at: npt.ArrayLike,
        weight: npt.ArrayLike,
        constant: FloatArray,
        spectra: FloatArray,
        folded: int = 0,
    ) -> None:
        most = 1 << 40
        places, sources = integers(term_place, most, "term_place"), integers(read_source, most, "read_source")
        at = integers(weight_at, size, "weight_at")
        arrays: list[npt.NDArray[Any]] = [
            _rising(term_first, len(places), "term_first"),
            places,
            np.array(term_sign, np.float64),
            _rising(read_first, len(sources), "read_first"),
            sources,
            _rising(weight_first, len(at), "weight_first"),
            at,
            np.array(weight, np.float64),
        ]
        self.count = len(arrays[0]) - 1
        lengths = [
            self.count + 1,
            len(places),
            len(places),
            self.count + 1,
            len(sources),
            len(sources) + 1,
            *[len(at)] * 2,
        ]
        for name, array, length in zip(_MEMBERS, arrays, lengths, strict=False):
            if array.shape != (length,):
                raise ValueError(f"{name}: shape {array.shape}, expected ({length},)")
        if constant.ndim != 2 or len(constant) != self.count or constant.shape[1] > size:
            raise ValueError(f"constant: shape {constant.shape}, expected ({self.count}, at most {size})")
        if spectra.ndim != 2 or len(spectra) > len(sources):
            raise ValueError(f"spectra: shape {spectra.shape}, expected (at most {len(sources)}, {size})")
        address(spectra, (len(spectra), size), "spectra")
        arrays += [spectra, np.array(constant, np.float64, order="C")]
        self._arrays = arrays  # which the struct points to
        self.places = int(places.max(initial=-1)) + 1
        self.sources = int(sources.max(initial=-1)) + 1
        self.struct = _Struct(*(array.ctypes.data for array in arrays), len(spectra), folded, constant.shape[1])


def _rising(values: npt.ArrayLike, last: int, what: str) -> IntArray:
    found = integers(values, last + 1, what)
    if found.ndim != 1 or not len(found) or found[0] != 0 or found[-1] != last or (np.diff(found) < 0).any():
        raise ValueError(f"{what}: expected numbers from 0 to {last} that never fall")
    return found
