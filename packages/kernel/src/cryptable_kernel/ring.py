"""Ring: what is done with polynomials modulo X^N + 1 and with ciphertexts of two of them, on arrays that are checked.

A polynomial is N doubles, constant term first; of a ciphertext, torus elements in −1/2 … 1/2. A ciphertext has a mask
and a body, shape (2, N). A *pair* is its transform, of the same shape, in an order that only the kernel knows; so are
transforms of single polynomials, of shape (N,).
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from cryptable_kernel.expansion_keys import MAX_ROWS, SWITCHED, ExpansionKeys, GadgetStruct, gadget_struct
from cryptable_kernel.forms import Forms
from cryptable_kernel.library import Kernel
from cryptable_kernel.memory import FloatArray, address, aligned, integers


class Ring:
    """One ring on one kernel. Thread-safe, as long as each thread has scratch of its own.

    Args:
        kernel: an open one.
        size: N, a power of two from 512 to 32768.

    Raises:
        ValueError: another size.
    """

    def __init__(self, kernel: Kernel, size: int) -> None:
        self.kernel, self.size = kernel, size
        needed = kernel.entry("ring_bytes", result=ctypes.c_size_t)(size)
        if not needed:
            raise ValueError(f"ring of {size} coefficients, expected a power of two from 512 to 32768")
        self._table = aligned(-(-needed // 8))
        self.place: int = self._table.ctypes.data
        """Of its constants, for the kernel's other functions; they live as long as the ring does."""
        self._ring = ctypes.c_void_p(self.place)
        kernel.entry("ring_make")(self._ring, size)
        self._scratch_doubles = kernel.entry("scratch_bytes", result=ctypes.c_size_t)(size) // 8

    def scratch(self) -> FloatArray:
        """Memory for what happens inside a call: one for each thread."""
        return aligned(self._scratch_doubles)

    def _call(self, name: str, *arguments: object) -> None:
        self.kernel.entry(name)(self._ring, *arguments)

    def _many(self, array: FloatArray, parts: int, what: str, *, written: bool = False) -> ctypes.c_void_p:
        """Address of polynomials (parts = 1) or ciphertexts (2)."""
        shape = (self.size,) if parts == 1 else (parts, self.size)
        return ctypes.c_void_p(address(array, (len(array), *shape), what, written=written))

    def _scratch(self, scratch: FloatArray) -> ctypes.c_void_p:
        return ctypes.c_void_p(address(scratch, (self._scratch_doubles,), "scratch", written=True))

    def transform(self, polynomials: FloatArray, out: FloatArray) -> None:
        """Transforms of polynomials, both of shape (count, N)."""
        _same(polynomials, out)
        self._call(
            "transform",
            self._many(polynomials, 1, "polynomials"),
            ctypes.c_size_t(len(polynomials)),
            self._many(out, 1, "out", written=True),
        )

    def transform_back(self, transforms: FloatArray, out: FloatArray) -> None:
        """Polynomials of transforms, which are overwritten; both of shape (count, N)."""
        _same(transforms, out)
        self._call(
            "transform_back",
            self._many(transforms, 1, "transforms", written=True),
            ctypes.c_size_t(len(transforms)),
            self._many(out, 1, "out", written=True),
        )

    def pairs(self, ciphertexts: FloatArray, scratch: FloatArray) -> None:
        """Ciphertexts to pairs, in place: shape (count, 2, N)."""
        self._call(
            "pairs",
            self._many(ciphertexts, 2, "ciphertexts", written=True),
            ctypes.c_size_t(len(ciphertexts)),
            self._scratch(scratch),
        )

    def expand(
        self,
        leaves: FloatArray,
        depth: int,
        shift: int,
        keys: ExpansionKeys,
        becomes: npt.ArrayLike,
        switched: FloatArray,
        scratch: FloatArray,
        *,
        below: tuple[int, int] = (0, 0),
    ) -> None:
        """The trace tree of one run, in place: leaf j becomes coefficient j · 2^shift of the ciphertext, a constant.

        Args:
            leaves: shape (count, 2, N); the first one holds the ciphertext, centred.
            depth: levels of the tree; count ≤ 2^depth.
            shift: number of the first key that is used.
            keys: of the automorphisms and the switch.
            becomes: for each leaf, what it is left as: `STAYS`, `PAIR` or `SWITCHED`.
            switched: at the places of leaves that become `SWITCHED`, what `switch_leaves` writes.
            scratch: of this ring.
            below: leaf and levels: go on below what a tree of so many levels has left as that leaf, and touch no others
                than those whose number is the same modulo 2^levels.
        """
        first, level = below
        if not 0 < len(leaves) <= 1 << depth or shift < 0 or depth + shift > len(keys.gadgets):
            raise ValueError(f"{len(leaves)} leaves, depth {depth} and shift {shift}, with {len(keys.gadgets)} keys")
        if 1 << (depth + shift) > self.size:
            raise ValueError(f"depth {depth} and shift {shift}: expected at most {self.size} leaves' places")
        if not (0 <= level <= depth and 0 <= first < min(len(leaves), 1 << level)):
            raise ValueError(f"below leaf {first} of {level} levels, the tree has {len(leaves)} leaves, depth {depth}")
        if keys.size != self.size:
            raise ValueError(f"keys for rings of {keys.size} coefficients, this one has {self.size}")
        ways = integers(becomes, SWITCHED + 1, "becomes")
        if ways.shape != (len(leaves),):
            raise ValueError(f"becomes: shape {ways.shape}, expected ({len(leaves)},)")
        if len(switched) <= np.flatnonzero(ways == SWITCHED).max(initial=-1) or np.may_share_memory(leaves, switched):
            raise ValueError(f"switched: room for {len(switched)} leaves, expected other memory for all that become so")
        self._call(
            "expand",
            self._many(leaves, 2, "leaves", written=True),
            ctypes.c_size_t(len(leaves)),
            ctypes.c_size_t(first),
            *(ctypes.c_int(number) for number in (level, depth, shift)),
            ctypes.byref(keys.struct),
            ctypes.c_void_p(ways.ctypes.data),
            self._many(switched, 2, "switched", written=True),
            self._scratch(scratch),
        )

    def switch_leaves(
        self, leaves: FloatArray, gadget: tuple[int, int], key: FloatArray, switched: FloatArray, scratch: FloatArray
    ) -> None:
        """Leaves to pairs, in place, and to `switched` those of −s times what they encrypt: shape (count, 2, N).

        Masks of leaves are rounded to the digits of the gadget.

        Args:
            leaves: ciphertexts, centred.
            gadget: l and b of the key.
            key: of the switch, rows as pairs, shape (l, 2, N).
            switched: overwritten.
            scratch: of this ring.
        """
        _same(leaves, switched)
        self._call(
            "switch_leaves",
            self._many(leaves, 2, "leaves", written=True),
            ctypes.c_size_t(len(leaves)),
            ctypes.byref(gadget_struct(gadget)),
            ctypes.c_void_p(self._key(key, gadget)),
            self._many(switched, 2, "switched", written=True),
            self._scratch(scratch),
        )

    def forms(
        self,
        forms: Forms,
        first: int,
        last: int,
        leaves: FloatArray,
        products: FloatArray,
        out: FloatArray,
        scratch: FloatArray,
    ) -> None:
        """The values of forms first … last − 1: ciphertexts, centred.

        Args:
            forms: all of them.
            first: form.
            last: and the one after the last.
            leaves: shape (leaves, 2, N).
            products: pairs, shape (places, 2, N).
            out: shape (last − first, 2, N).
            scratch: of this ring.
        """
        self._check_forms(forms, first, last, leaves, products)
        if len(out) != last - first:
            raise ValueError(f"out: room for {len(out)} forms, expected {last - first}")
        self._call(
            "forms",
            ctypes.byref(forms.struct),
            ctypes.c_int64(first),
            ctypes.c_int64(last),
            self._many(leaves, 2, "leaves"),
            self._many(products, 2, "products"),
            self._many(out, 2, "out", written=True),
            self._scratch(scratch),
        )

    def products(
        self,
        forms: Forms,
        first: int,
        last: int,
        leaves: FloatArray,
        products: FloatArray,
        *,
        gadget: tuple[int, int],
        switched: FloatArray,
        rows: FloatArray,
        begin: npt.ArrayLike,
        place: npt.ArrayLike,
        scratch: FloatArray,
    ) -> None:
        """External products first … last − 1, in this order: each a bit times its form, which may read those before it.

        Args:
            forms: of the products, and possibly more.
            first: product.
            last: and the one after the last.
            leaves: that forms read, shape (leaves, 2, N).
            products: pairs, shape (places, 2, N).
            gadget: l and b.
            switched: of each bit's GGSW ciphertext, l pairs for the digits of masks, shape (count, 2, N),
            rows: and l pairs for those of bodies, likewise.
            begin: for each product first … last − 1, where in both those of its bit begin.
            place: for each of them, where among `products` it is to stand.
            scratch: of this ring.
        """
        levels = gadget[0]
        self._check_forms(forms, first, last, leaves, products)
        begins = integers(begin, min(len(switched), len(rows)) - levels + 1, "begin")
        places = integers(place, len(products), "place")
        if len(begins) != last - first or len(places) != last - first:
            raise ValueError(f"begin and place of {len(begins)} and {len(places)} products, expected {last - first}")
        if 2 * levels > MAX_ROWS:
            raise ValueError(f"a gadget of {levels} digits, expected at most {MAX_ROWS // 2}")
        # The kernel counts products from 0, as it does forms.
        offset = 8 * first
        self._call(
            "products",
            ctypes.byref(forms.struct),
            ctypes.c_int64(first),
            ctypes.c_int64(last),
            self._many(leaves, 2, "leaves"),
            self._many(products, 2, "products", written=True),
            ctypes.byref(gadget_struct(gadget)),
            self._many(switched, 2, "switched"),
            self._many(rows, 2, "rows"),
            ctypes.c_void_p(begins.ctypes.data - offset),
            ctypes.c_void_p(places.ctypes.data - offset),
            self._scratch(scratch),
        )

    def turn(
        self,
        tables: FloatArray,
        chosen: npt.ArrayLike,
        powers: npt.ArrayLike,
        *,
        gadgets: tuple[tuple[int, int], tuple[int, int]],
        mask_rows: Sequence[FloatArray],
        body_rows: Sequence[FloatArray],
        scratch: FloatArray,
    ) -> None:
        """tables[k] += bit · (X^(−power) − 1) · tables[k] for each of the chosen ones.

        Args:
            tables: ciphertexts, centred, shape (count, 2, N).
            chosen: indices into `tables`.
            powers: 0 … 2N − 1, one for each of the chosen.
            gadgets: of masks and of bodies, l and b.
            mask_rows: of the bit's GGSW ciphertext, a pair for each digit of masks,
            body_rows: and one for each of bodies: shape (2, N).
            scratch: of this ring.
        """
        indices = integers(chosen, len(tables), "chosen")
        turns = integers(powers, 2 * self.size, "powers")
        if len(indices) != len(turns):
            raise ValueError(f"{len(turns)} powers for {len(indices)} tables")
        if (len(mask_rows), len(body_rows)) != tuple(levels for levels, _ in gadgets):
            raise ValueError(f"{len(mask_rows)} and {len(body_rows)} rows for gadgets {gadgets}")
        if len(mask_rows) + len(body_rows) > MAX_ROWS:
            raise ValueError(f"{len(mask_rows) + len(body_rows)} rows, expected at most {MAX_ROWS}")
        masks, bodies = (
            (ctypes.c_void_p * len(rows))(*(address(row, (2, self.size), "row") for row in rows))
            for rows in (mask_rows, body_rows)
        )
        self._call(
            "turn",
            self._many(tables, 2, "tables", written=True),
            ctypes.c_size_t(len(indices)),
            ctypes.c_void_p(indices.ctypes.data),
            ctypes.c_void_p(turns.ctypes.data),
            (GadgetStruct * 2)(*(gadget_struct(gadget) for gadget in gadgets)),
            masks,
            bodies,
            self._scratch(scratch),
        )

    def add_multiple(self, polynomial: FloatArray, pair: FloatArray, out: FloatArray, scratch: FloatArray) -> None:
        """Add polynomial · pair to `out`, a ciphertext, which is then not centred."""
        self._call(
            "add_multiple",
            ctypes.c_void_p(address(polynomial, (self.size,), "polynomial")),
            ctypes.c_void_p(address(pair, (2, self.size), "pair")),
            ctypes.c_void_p(address(out, (2, self.size), "out", written=True)),
            self._scratch(scratch),
        )

    def _key(self, key: FloatArray, gadget: tuple[int, int]) -> int:
        return address(key, (gadget[0], 2, self.size), "key")

    @staticmethod
    def _check_forms(forms: Forms, first: int, last: int, leaves: FloatArray, products: FloatArray) -> None:
        if not 0 <= first <= last <= forms.count:
            raise ValueError(f"forms {first} … {last}, expected some of 0 … {forms.count}")
        if forms.places > len(products) or forms.sources > len(leaves):
            raise ValueError(
                f"forms read {forms.places} places and {forms.sources} leaves, there are "
                f"{len(products)} and {len(leaves)}"
            )


def _same(one: FloatArray, other: FloatArray) -> None:
    if one.shape != other.shape or np.may_share_memory(one, other):
        raise ValueError(f"arrays of shapes {one.shape} and {other.shape}, expected the same, in memory of their own")
