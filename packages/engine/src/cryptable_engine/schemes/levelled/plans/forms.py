"""Forms: a levelled circuit as products of bits with linear forms, read from its nodes and checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cryptable_engine.circuit.circuit import Circuit, GroupKind, Input, IntArray, Linear, Product, Rotation, Term
from cryptable_engine.errors import CircuitError


@dataclass(frozen=True, eq=False)
class Forms:
    """Every linear form of a circuit: form p of product p, in the order of evaluation, and last that of the answer.

    Form f is the sum of `term_sign[t]` times product `term_product[t]` for t in term_first[f] … term_first[f + 1] − 1,
    of the input elements `read_bit[r]` times `read_weight[r]`, a vector over the outputs, for r in read_first[f] …
    read_first[f + 1] − 1, and of the vector `constant[f]`.
    """

    group: IntArray
    """Of each input element: those of one group are a thermometer, on up to some element and off beyond."""
    outputs: int
    bit: IntArray
    """Input element that each product multiplies by."""
    steps: tuple[range, ...]
    """Products of each Product node: those of one step read only those of earlier ones."""
    term_first: IntArray
    term_product: IntArray
    term_sign: IntArray
    read_first: IntArray
    read_bit: IntArray
    read_weight: IntArray
    constant: IntArray
    rotation: Rotation | None = None
    """Of tables that the answer adds up, beside its form."""

    @property
    def inputs(self) -> int:
        """Elements of the input."""
        return len(self.group)

    @property
    def products(self) -> int:
        """External products of one evaluation, but for those of the rotation."""
        return len(self.bit)

    @property
    def root(self) -> int:
        """The form of the answer."""
        return len(self.bit)

    @property
    def selectors(self) -> tuple[int, ...]:
        """Elements that some product multiplies by, increasing."""
        turning = [] if self.rotation is None else [self.rotation.turning]
        return tuple(np.unique(np.concatenate([self.bit, *turning])).tolist())

    def terms(self, form: int) -> slice:
        """Its part of `term_product` and `term_sign`."""
        return slice(self.term_first[form], self.term_first[form + 1])

    def reads(self, form: int) -> slice:
        """Its part of `read_bit` and `read_weight`."""
        return slice(self.read_first[form], self.read_first[form + 1])

    def form_of_terms(self) -> IntArray:
        """The form that each term belongs to."""
        return np.repeat(np.arange(self.products + 1), np.diff(self.term_first))

    def form_of_reads(self) -> IntArray:
        """The form that each read belongs to."""
        return np.repeat(np.arange(self.products + 1), np.diff(self.read_first))


@dataclass(frozen=True, eq=False)
class _Blocks:
    """The forms of one Linear: of each, products with signs, and elements with weights, sorted by form."""

    term_form: IntArray
    term_product: IntArray
    term_sign: IntArray
    read_form: IntArray
    read_bit: IntArray
    read_weight: IntArray
    constant: IntArray


def read_forms(circuit: Circuit) -> Forms:
    """The forms of a circuit that the verifier accepts.

    Raises:
        CircuitError: it is not of the shape that this scheme evaluates; names the node, and says what to do.
    """
    node = circuit.nodes[circuit.output]
    if not isinstance(node, Linear) or circuit.output != len(circuit.nodes) - 1:
        raise CircuitError("the answer is not its last node; put it last", node=circuit.output)
    if circuit.convolves:
        raise CircuitError("convolves, which the scheme levelled does not: compile it for scheme bootstrapped")
    if circuit.squares:
        raise CircuitError("squares values, which the scheme levelled does not: compile it for scheme squares")
    _require_bits(circuit)
    first: dict[int, int] = {}
    steps: list[range] = []
    blocks: dict[int, _Blocks] = {}
    for index, node in enumerate(circuit.nodes):
        match node:
            case Linear():
                blocks[index] = _read_linear(index, node, circuit, first)
            case Product():
                if node.block != circuit.nodes[circuit.output].size:
                    raise CircuitError(
                        f"blocks of {node.block} elements, expected one for each of the "
                        f"{circuit.nodes[circuit.output].size} outputs",
                        node=index,
                    )
                first[index] = steps[-1].stop if steps else 0
                steps.append(range(first[index], first[index] + len(node.bits)))
            case Rotation():
                _check_rotation(index, circuit)
            case Input():
                pass
            case _:
                raise CircuitError(
                    "a lookup, which the scheme levelled does not evaluate; compile it with scheme='bootstrapped'",
                    node=index,
                )
    return _join(circuit, blocks, first, tuple(steps))


def _check_rotation(index: int, circuit: Circuit) -> None:
    """That it is the only one, and read by the answer alone."""
    outputs = circuit.nodes[circuit.output].size
    node = circuit.nodes[index]
    if node.size != outputs:
        raise CircuitError(
            f"a rotation of {node.size} elements, expected one for each of {outputs} outputs", node=index
        )
    for other, each in enumerate(circuit.nodes):
        if isinstance(each, Rotation) and other != index:
            raise CircuitError(
                f"a rotation beside that of node {min(index, other)}; put the tables of both into one",
                node=max(index, other),
            )
        if isinstance(each, Linear) and other != circuit.output and any(term.source == index for term in each.terms):
            raise CircuitError(f"reads node {index}, a rotation, which the answer alone may read", node=other)


def _require_bits(circuit: Circuit) -> None:
    for number, group in enumerate(circuit.input.groups):
        if group.maximum != 1:
            raise CircuitError(
                f"input group {number} goes up to {group.maximum}, the scheme levelled takes bits alone; encode it as "
                "a thermometer, or compile it with scheme='bootstrapped'",
                node=0,
            )


def _thermometers(given: Input) -> IntArray:
    """Elements of other groups than thermometers are groups of their own."""
    sizes = [group.size for group in given.groups]
    together = np.repeat([group.kind is GroupKind.THERMOMETER for group in given.groups], sizes)
    return np.where(together, np.repeat(np.arange(len(sizes)), sizes), len(sizes) + np.arange(given.size))


def _read_linear(index: int, node: Linear, circuit: Circuit, first: dict[int, int]) -> _Blocks:
    size = circuit.nodes[circuit.output].size
    if node.size % size:
        raise CircuitError(f"{node.size} elements, expected blocks of {size}, one for each output", node=index)
    terms: list[tuple[IntArray, IntArray, IntArray]] = []
    reads = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, size), np.int64))
    for term in node.terms:
        match circuit.nodes[term.source]:
            case Input() as source:
                reads = _reads(term, source.size, size)
            case Product():
                form, product, sign = _identities(index, term, size)
                terms.append((form, product + first[term.source], sign))
            case Rotation():
                if _identities(index, term, size)[2].tolist() != [1]:
                    raise CircuitError(
                        f"reads node {term.source}, a rotation, but does not add it once; put signs into its tables",
                        node=index,
                    )
            case _:
                raise CircuitError(
                    f"reads node {term.source}, which is neither the Input nor a Product nor a Rotation; add the "
                    "matrices up",
                    node=index,
                )
    form, product, sign = (
        (np.concatenate(parts) for parts in zip(*terms, strict=True)) if terms else np.empty((3, 0), np.int64)
    )
    order = np.lexsort((product, form))
    return _Blocks(form[order], product[order], sign[order], *reads, node.offset.reshape(-1, size))


def _reads(term: Term, inputs: int, size: int) -> tuple[IntArray, IntArray, IntArray]:
    """Form, element and weights of what a term of the Input reads."""
    keys, place = np.unique(term.columns // size * inputs + term.rows, return_inverse=True)
    weights = np.zeros((len(keys), size), np.int64)
    weights[place.ravel(), term.columns % size] = term.weights
    return keys // inputs, keys % inputs, weights


def _identities(index: int, term: Term, size: int) -> tuple[IntArray, IntArray, IntArray]:
    """Form, product (of the source) and sign of each block of a term, which must be an identity or its negative."""
    blocks = int(term.rows.max(initial=0)) // size + 1
    keys, place = np.unique(term.columns // size * blocks + term.rows // size, return_inverse=True)
    place = place.ravel()
    count = np.bincount(place, minlength=len(keys))
    total = np.bincount(place, term.weights, minlength=len(keys)).astype(np.int64)
    if (
        (term.rows % size != term.columns % size).any()
        or (np.abs(term.weights) != 1).any()
        or (count != size).any()
        or (np.abs(total) != size).any()
    ):
        raise CircuitError(
            f"reads node {term.source} with other weights than 1 or −1 for all {size} outputs alike; "
            "put weights into the forms that are multiplied, or into tables",
            node=index,
        )
    return keys // blocks, keys % blocks, np.sign(total)


def _join(circuit: Circuit, blocks: dict[int, _Blocks], first: dict[int, int], steps: tuple[range, ...]) -> Forms:
    parts: list[_Blocks] = []
    bits: list[IntArray] = []
    shifts: list[int] = []
    for index in first:
        node = circuit.nodes[index]
        if isinstance(node, Product):
            bits.append(node.bits)
            parts.append(blocks[node.source])
            shifts.append(first[index])
    products = steps[-1].stop if steps else 0
    parts.append(blocks[circuit.output])
    shifts.append(products)
    count = np.arange(products + 2)
    term_form = np.concatenate([part.term_form + shift for part, shift in zip(parts, shifts, strict=True)])
    read_form = np.concatenate([part.read_form + shift for part, shift in zip(parts, shifts, strict=True)])
    return Forms(
        group=_thermometers(circuit.input),
        outputs=circuit.nodes[circuit.output].size,
        bit=np.concatenate(bits) if bits else np.empty(0, np.int64),
        steps=steps,
        term_first=np.searchsorted(term_form, count),
        term_product=np.concatenate([part.term_product for part in parts]),
        term_sign=np.concatenate([part.term_sign for part in parts]),
        read_first=np.searchsorted(read_form, count),
        read_bit=np.concatenate([part.read_bit for part in parts]),
        read_weight=np.concatenate([part.read_weight for part in parts]),
        constant=np.concatenate([part.constant for part in parts]),
        rotation=next((node for node in circuit.nodes if isinstance(node, Rotation)), None),
    )


def refuse_equal(forms: Forms, modulus: int | None = None) -> None:
    """That no bit multiplies two forms whose masks are equal: their noise would be one and the same, and add up.

    Args:
        forms: of a circuit.
        modulus: that outputs are computed modulo; None compares weights as integers.

    Raises:
        CircuitError: names two such products.
    """
    seen: dict[tuple[int, bytes], int] = {}
    for product, key in enumerate(form_keys(forms, modulus)):
        if not key:
            raise CircuitError(
                f"product {product} multiplies bit {forms.bit[product]} by a constant; read the bit with that weight"
            )
        other = seen.setdefault((int(forms.bit[product]), key), product)
        if other != product:
            raise CircuitError(
                f"products {other} and {product} multiply bit {forms.bit[product]} by forms that are equal but for "
                "sign and constant; compute one, and add what differs"
            )


def form_keys(forms: Forms, modulus: int | None) -> Iterator[bytes]:
    """For each product, what its form reads: equal where two forms are equal but for their sign and their constant.

    Constants are in the body alone, so that two such forms have the same mask or opposite ones. Empty for constants.
    """
    weight = forms.read_weight if modulus is None else forms.read_weight % modulus
    negative = -forms.read_weight if modulus is None else -forms.read_weight % modulus
    is_read = weight.any(axis=1)
    for product in range(forms.products):
        terms, reads = forms.terms(product), forms.reads(product)
        chosen = np.flatnonzero(is_read[reads]) + reads.start
        what = forms.term_product[terms].tobytes() + b"," + forms.read_bit[chosen].tobytes()
        yield (
            b""
            if not len(chosen) and terms.start == terms.stop
            else what
            + min(
                forms.term_sign[terms].tobytes() + weight[chosen].tobytes(),
                (-forms.term_sign[terms]).tobytes() + negative[chosen].tobytes(),
            )
        )
