"""The verifier: which circuits may be evaluated, and so which ones may be printed as MLIR, which is code."""

from __future__ import annotations

import math

import numpy as np
from cryptable_protocol import ClientSpec, limits

from cryptable_engine.circuit.bounds import Bounds, bounds, highest_output
from cryptable_engine.circuit.circuit import (
    Circuit,
    GroupKind,
    Input,
    IntArray,
    Linear,
    Lookup,
    Product,
    Rotation,
    Square,
    Term,
)
from cryptable_engine.circuit.convolution import Convolution
from cryptable_engine.circuit.rules.agreement import check_agreement
from cryptable_engine.circuit.rules.convolutions import check_convolution
from cryptable_engine.circuit.rules.matrix_cost import priced_cells
from cryptable_engine.circuit.rules.rotations import check_rotation
from cryptable_engine.circuit.rules.shared import (
    MAX_OFFSET,
    MAX_WEIGHT,
    check_array,
    check_bits,
    check_size,
    check_source,
)
from cryptable_engine.errors import CircuitError

MAX_VALUE_BITS = 60
"""Bits of an output, an input element or a table entry: below the 62 of a CiphertextType, so that the printed integers,
one bit wider and signed, stay within 64."""
MAX_LOOKUP_WIDTH = 8
MAX_PRODUCT_ELEMENTS = 1 << 20
MAX_LOOKUPS = 1 << 17
MAX_TAPS = 1 << 14
"""Of all Convolution nodes together: evaluations and checks go from one to the next."""
MAX_SQUARES = 1 << 16
"""Elements of all Square nodes together."""
MAX_TURNS = 1 << 20
"""Exponents of all Rotation nodes together, and nodes of their trees."""
MAX_TABLE_ENTRIES = 1 << 23
"""Of all Lookup nodes together, as printed, which is one table an element at worst; and of Rotation nodes."""
MAX_MATRIX_CELLS = 1 << 24
"""Of all terms together, as `matrix_cost.priced_cells` counts them: each costs about 1 ns per LWE word."""
MAX_RANGE = 1 << 24


def verify(circuit: Circuit, spec: ClientSpec | None = None) -> tuple[Bounds, ...]:
    """Accept `circuit`, or say which rule it breaks.

    Args:
        circuit: any circuit, also one from a stranger.
        spec: what the client encodes and decodes by, where the circuit must agree with it.

    Returns:
        The bounds of every node's values, which the check has computed anyway.

    Raises:
        CircuitError: names the node and the rule.
    """
    check_structure(circuit)
    found = bounds(circuit)
    _check_output(circuit, found)
    if spec is not None:
        check_agreement(circuit, found, spec)
    return found


def check_structure(circuit: Circuit) -> None:
    """All rules that need no bounds; `bounds` relies on them.

    Raises:
        CircuitError: names the node and the rule.
    """
    count = len(circuit.nodes)
    if not 1 <= count <= limits.MAX_CIRCUIT_NODES:
        raise CircuitError(f"{count} nodes, expected 1 .. {limits.MAX_CIRCUIT_NODES}")
    if not isinstance(circuit.nodes[0], Input):
        raise CircuitError("must be the Input", node=0)
    lookups = cells = entries = products = turns = squares = taps = 0
    for index, node in enumerate(circuit.nodes):
        match node:
            case Input():
                _check_input(index, node)
            case Linear():
                _check_linear(index, node, circuit)
                cells += sum(priced_cells(term, circuit.nodes[term.source].size, node.size) for term in node.terms)
            case Convolution():
                check_convolution(index, node, circuit)
                cells += node.size * node.window
                taps += math.prod(node.taps)
            case Lookup():
                _check_lookup(index, node, circuit)
                lookups += node.size
                entries += node.size << node.width
            case Product():
                _check_product(index, node, circuit)
                products += node.size
            case Rotation():
                check_rotation(index, node, circuit)
                turns += node.exponents.size + sum(tree.exponents.size + tree.bits.size for tree in node.trees)
                entries += node.tables.size
            case Square():
                _check_square(index, node, circuit)
                squares += node.size
        _check_total(lookups, MAX_LOOKUPS, "lookups", index)
        _check_total(products, MAX_PRODUCT_ELEMENTS, "elements of products", index)
        _check_total(turns, MAX_TURNS, "exponents and nodes of rotations", index)
        _check_total(squares, MAX_SQUARES, "elements of squares", index)
        _check_total(taps, MAX_TAPS, "taps of convolutions", index)
        if taps and (products or turns):
            raise CircuitError("has convolutions beside products or rotations: no scheme evaluates both", node=index)
        if lookups and (products or turns):
            raise CircuitError("has lookups beside products or rotations: no scheme evaluates both", node=index)
        if squares and (lookups or products or turns):
            raise CircuitError(
                "has squares beside lookups, products or rotations: no scheme evaluates both", node=index
            )
        _check_total(
            cells,
            MAX_MATRIX_CELLS,
            "matrix cells (a column has its source's size, or 16 an entry where that is less; an element of a "
            "convolution has its window's)",
            index,
        )
        _check_total(entries, MAX_TABLE_ENTRIES, "table entries (one table an element)", index)
    if not 0 <= circuit.output < count or not isinstance(circuit.nodes[circuit.output], Linear):
        raise CircuitError(f"its output is node {circuit.output}, expected the index of a Linear node")
    _check_all_used(circuit)


def _check_total(total: int, limit: int, what: str, index: int) -> None:
    if total > limit:
        raise CircuitError(f"up to here, {total} {what}, at most {limit} are accepted; use a smaller model", node=index)


def _check_input(index: int, node: Input) -> None:
    if index:
        raise CircuitError("a second Input; only node 0 may be one", node=index)
    for number, group in enumerate(node.groups):
        if group.size < 1:
            raise CircuitError(f"input group {number} is empty", node=index)
        if group.kind is GroupKind.THERMOMETER and group.maximum != 1:
            raise CircuitError(
                f"input group {number}: the elements of a thermometer are bits, got maximum {group.maximum}", node=index
            )
        if not 1 <= group.maximum <= MAX_RANGE:
            raise CircuitError(f"input group {number}: maximum {group.maximum} is not in 1 .. {MAX_RANGE}", node=index)
    check_size(index, node.size)


def _check_linear(index: int, node: Linear, circuit: Circuit) -> None:
    check_array(index, node.offset, 1, "offset")
    check_size(index, node.size)
    if not node.terms:
        raise CircuitError("a Linear without terms; a constant needs a term too, which may be empty", node=index)
    if len({term.source for term in node.terms}) != len(node.terms):
        raise CircuitError("two terms read the same node; add their matrices up", node=index)
    if (node.offset > MAX_OFFSET).any() or (node.offset < -MAX_OFFSET).any():
        raise CircuitError(f"an offset beyond ±{MAX_OFFSET}", node=index)
    for term in node.terms:
        check_source(index, term.source)
        _check_term(index, term, circuit.nodes[term.source].size, node.size)


def _check_term(index: int, term: Term, source_size: int, size: int) -> None:
    what = f"term of node {term.source}"
    for array in (term.rows, term.columns, term.weights):
        check_array(index, array, 1, what)
    if not term.rows.shape == term.columns.shape == term.weights.shape:
        raise CircuitError(f"{what}: rows, columns and weights differ in number", node=index)
    if not term.rows.size:
        return
    if term.rows.min() < 0 or term.rows.max() >= source_size:
        raise CircuitError(f"{what}: a row outside 0 .. {source_size - 1}", node=index)
    if term.columns.min() < 0 or term.columns.max() >= size:
        raise CircuitError(f"{what}: a column outside 0 .. {size - 1}", node=index)
    if (np.diff(term.rows * size + term.columns) <= 0).any():
        raise CircuitError(f"{what}: entries are not sorted by (row, column), each once", node=index)
    if (term.weights == 0).any():
        raise CircuitError(f"{what}: a weight of zero; leave the entry out", node=index)
    if (term.weights > MAX_WEIGHT).any() or (term.weights < -MAX_WEIGHT).any():
        raise CircuitError(f"{what}: a weight beyond ±{MAX_WEIGHT}", node=index)


def _check_lookup(index: int, node: Lookup, circuit: Circuit) -> None:
    check_array(index, node.tables, 2, "tables")
    check_array(index, node.table_of, 1, "table_of")
    check_size(index, node.size)
    check_source(index, node.source)
    if not isinstance(circuit.nodes[node.source], Linear | Convolution):
        raise CircuitError(f"looks up node {node.source}, which is not a Linear or Convolution", node=index)
    if not 1 <= node.width <= MAX_LOOKUP_WIDTH or node.tables.shape[1] != 1 << node.width:
        raise CircuitError(
            f"tables of {node.tables.shape[1]} entries, expected 2^width for a width of 1 .. {MAX_LOOKUP_WIDTH}",
            node=index,
        )
    if circuit.nodes[node.source].size != node.size:
        raise CircuitError(
            f"{node.size} elements look up node {node.source} of {circuit.nodes[node.source].size}", node=index
        )
    if node.table_of.min() < 0 or node.table_of.max() >= node.tables.shape[0]:
        raise CircuitError(f"table_of points outside its {node.tables.shape[0]} tables", node=index)
    if node.tables.min() < 0 or int(node.tables.max()) >= 1 << MAX_VALUE_BITS:
        raise CircuitError(f"a table entry outside 0 .. 2^{MAX_VALUE_BITS} - 1", node=index)
    if not 0 <= node.dropped_bits <= MAX_VALUE_BITS - node.width:
        raise CircuitError(
            f"it drops {node.dropped_bits} bits, expected 0 .. {MAX_VALUE_BITS - node.width} "
            f"at a width of {node.width}",
            node=index,
        )
    if node.mirrors is not None:
        _check_mirrors(index, node, node.mirrors)
    elif node.dropped_bits:
        raise CircuitError("it drops bits without mirrors: noise can lead beyond a table's ends", node=index)


def _check_product(index: int, node: Product, circuit: Circuit) -> None:
    check_array(index, node.bits, 1, "bits")
    check_source(index, node.source)
    source = circuit.nodes[node.source]
    if not isinstance(source, Linear):
        raise CircuitError(f"multiplies node {node.source}, which is not a Linear", node=index)
    if node.size != source.size or not len(node.bits) or node.size % len(node.bits):
        raise CircuitError(
            f"{len(node.bits)} bits multiply node {node.source} of {source.size} elements, expected a multiple",
            node=index,
        )
    check_size(index, node.size)
    check_bits(index, node.bits, circuit)


def _check_square(index: int, node: Square, circuit: Circuit) -> None:
    check_source(index, node.source)
    source = circuit.nodes[node.source]
    if not isinstance(source, Linear | Convolution):
        raise CircuitError(f"squares node {node.source}, which is not a Linear or Convolution", node=index)
    if node.size != source.size:
        raise CircuitError(f"{node.size} elements are squares of node {node.source} of {source.size}", node=index)


def _check_mirrors(index: int, node: Lookup, mirrors: IntArray) -> None:
    check_array(index, mirrors, 1, "mirrors")
    if mirrors.shape[0] != node.tables.shape[0]:
        raise CircuitError(f"{mirrors.shape[0]} mirrors for {node.tables.shape[0]} tables", node=index)
    if mirrors.min() < 0 or int(mirrors.max()) >= 1 << MAX_VALUE_BITS or (mirrors % 2).any():
        raise CircuitError(f"a mirror that is odd, or outside 0 .. 2^{MAX_VALUE_BITS} - 1", node=index)


def _check_all_used(circuit: Circuit) -> None:
    used = {circuit.output}
    for index in range(len(circuit.nodes) - 1, -1, -1):
        if index not in used:
            raise CircuitError("its value is used nowhere; remove it", node=index)
        match circuit.nodes[index]:
            case Linear() as node:
                used.update(term.source for term in node.terms)
            case Convolution() | Lookup() | Product() | Square() as node:
                used.add(node.source)
            case Rotation():
                used.add(0)
            case Input():
                pass


def _check_output(circuit: Circuit, found: tuple[Bounds, ...]) -> None:
    low, high = found[circuit.output]
    declared = circuit.output_maximum
    if declared is not None:
        if not (circuit.lookups or circuit.products):
            raise CircuitError(
                "declares the maximum of its outputs, which without lookups or products is known; leave it out"
            )
        if declared < 1 or (low.min() >= 0 and declared >= int(high.max())):
            raise CircuitError(
                f"declares outputs of 0 .. {declared}, its bounds are {low.min()} .. {high.max()}; declare at least 1, "
                "and nothing where no more is known than the bounds",
                node=circuit.output,
            )
    if low.min() < 0 and declared is None:
        element = int(low.argmin())
        raise CircuitError(
            f"output element {element} can be as low as {low[element]}; add to its offset (the decoder subtracts it)",
            node=circuit.output,
        )
    highest = highest_output(circuit, found)
    if highest >= 1 << MAX_VALUE_BITS:
        raise CircuitError(f"an output of more than {MAX_VALUE_BITS} bits", node=circuit.output)
    exact = circuit.exact_output_bits
    if exact is not None and not (circuit.lookups and 1 <= exact < highest.bit_length()):
        raise CircuitError(
            f"{exact} exact bits of outputs up to {highest}, expected fewer than they have, 1 at least, of a circuit "
            "with lookups; leave it out where all are exact",
            node=circuit.output,
        )
