"""Prints a verified circuit as MLIR text in Concrete's FHE dialect: integers only, never a string of a user."""

from __future__ import annotations

import numpy as np

from cryptable_engine.circuit.circuit import Circuit, Input, IntArray, Linear, Lookup, Term
from cryptable_engine.circuit.convolution import OUTSIDE, Convolution
from cryptable_engine.circuit.verifier import verify
from cryptable_engine.schemes.bootstrapped.concrete.matrix_blocks import Block, split
from cryptable_engine.schemes.bootstrapped.parameters.layout import (
    Layout,
    Reading,
    around_centres,
    lay_out,
    offset_with_centres,
    reading_of,
)

FUNCTION = "main"
_GATHERED = 1 << 14
"""Ciphertexts of windows that are gathered at a time: 270 MB of 2048 words."""


def to_mlir(circuit: Circuit, *, spare_bits: int = 0) -> str:
    """A module with one function, `main`, from the encrypted input vector to the encrypted output vector.

    Negative numbers are taken modulo 2^(width + 1), which is what arithmetic on the torus does with them.

    Args:
        circuit: any; it is verified.
        spare_bits: by how many bits the output is wider than its values need.

    Raises:
        CircuitError: the verifier refuses the circuit.
    """
    return print_mlir(circuit, lay_out(circuit, verify(circuit), spare_bits=spare_bits))


def print_mlir(circuit: Circuit, layout: Layout) -> str:
    """As `to_mlir`, of a verified circuit that has been laid out."""
    return _Printer(circuit, layout).print()


def _encrypted(size: int, width: int) -> str:
    return f"tensor<{size}x!FHE.eint<{width}>>"


def _modular(values: IntArray, width: int) -> IntArray:
    """The representatives in [-2^width, 2^width) modulo 2^(width + 1)."""
    half = 1 << width
    return (values + half) % (2 * half) - half


class _Printer:
    def __init__(self, circuit: Circuit, layout: Layout) -> None:
        self._circuit = circuit
        self._layout = layout
        self._lines: list[str] = []
        self._next = 0
        self._plain: dict[int, str] = {}
        """Names of the nodes' values at scale 1."""
        self._read: dict[tuple[int, Reading], str] = {}
        """Names of the nodes' values as read by Lookups and output."""

    def print(self) -> str:
        circuit, layout = self._circuit, self._layout
        summed = {term.source for node in circuit.nodes if isinstance(node, Linear) for term in node.terms}
        summed |= {node.source for node in circuit.nodes if isinstance(node, Convolution)}
        for index, node in enumerate(circuit.nodes):
            match node:
                case Input():
                    self._plain[index] = "%x"
                case Linear() | Convolution():
                    self._print_linear(index, node, summed=index in summed)
                case Lookup():
                    self._print_lookup(index, node)
        given = _encrypted(circuit.input.size, layout.widths[0])
        returned = _encrypted(circuit.nodes[circuit.output].size, layout.output.width)
        body = "\n".join(f"    {line}" for line in self._lines)
        result = self._read[circuit.output, layout.output]
        return (
            f"module {{\n  func.func @{FUNCTION}(%x: {given}) -> {returned} {{\n{body}\n"
            f"    return {result} : {returned}\n  }}\n}}\n"
        )

    def _print_linear(self, index: int, node: Linear | Convolution, *, summed: bool) -> None:
        width, readings = self._layout.widths[index], self._layout.readings[index]
        if len(readings) == 1 and not summed:
            # Nothing needs the value at scale 1, so the scale goes into the constants.
            name = self._affine(index, node, 1 << (width - readings[0].bits))
            self._read[index, readings[0]] = self._reinterpret(name, node.size, width, readings[0].width)
            return
        plain = self._plain[index] = self._affine(index, node, 1)
        for reading in readings:
            name = plain
            if reading.bits < width:
                scale = self._constant(np.full(node.size, 1 << (width - reading.bits)), f"i{width + 1}")
                name = self._combine("mul_eint_int", plain, scale, node.size, width)
            self._read[index, reading] = self._reinterpret(name, node.size, width, reading.width)

    def _affine(self, index: int, node: Linear | Convolution, scale: int) -> str:
        width = self._layout.widths[index]
        total = self._convolved(node, width, scale) if isinstance(node, Convolution) else ""
        for term in node.terms if isinstance(node, Linear) else ():
            value = self._product(term, node.size, width, scale)
            total = self._add(total, value, node.size, width) if total else value
        offset = _modular(_modular(offset_with_centres(self._circuit, node), width) * scale, width)
        if offset.any():
            total = self._combine("add_eint_int", total, self._constant(offset, f"i{width + 1}"), node.size, width)
        return total

    def _product(self, term: Term, size: int, width: int, scale: int) -> str:
        """The term's source, times its matrix and `scale`: block by block, then put in order."""
        source, rows = self._plain[term.source], self._circuit.nodes[term.source].size
        blocks = split(term, rows, size)
        parts = []
        for block in blocks:
            weights = _modular(_modular(block.weights, width) * scale, width)
            kind = _encrypted(block.columns.size, width)
            parts.append((self._block(source, rows, block, weights, width), kind))
        order = np.concatenate([block.columns for block in blocks])
        return self._in_order(parts, order, _encrypted(size, width))

    def _convolved(self, node: Convolution, width: int, scale: int) -> str:
        """Windows, some places at a time, times the weights of all filters of a group; then put in order."""
        rows, source = self._circuit.nodes[node.source].size, self._plain[node.source]
        windows, integer = node.windows(), f"i{width + 1}"
        outside = windows == OUTSIDE
        if outside.any():
            zero = self._emit(f'"FHE.zero_tensor"() : () -> {_encrypted(1, width)}')
            kinds = f"{_encrypted(rows, width)}, {_encrypted(1, width)}"
            source = self._emit(f'"FHELinalg.concat"({source}, {zero}) : ({kinds}) -> {_encrypted(rows + 1, width)}')
        given = _encrypted(rows + int(outside.any()), width)
        weights = _modular(_modular(node.weights, width) * scale, width).reshape(node.groups, -1, node.window)
        filters, step = weights.shape[1], max(1, _GATHERED // node.window)
        numbers = np.arange(node.size).reshape(node.groups, filters, -1)
        parts, order = [], []
        for group, matrix in enumerate(weights):
            columns = self._constant(np.ascontiguousarray(matrix.T), integer)
            moved = np.where(outside, rows, windows + group * (rows // node.groups))
            for first in range(0, len(windows), step):
                index = moved[first : first + step]
                gathered, product = (f"tensor<{len(index)}x{n}x!FHE.eint<{width}>>" for n in (node.window, filters))
                elements = self._emit(
                    f'"FHELinalg.fancy_index"({source}, {self._constant(index, "index")}) : '
                    f"({given}, {_shape(index, 'index')}) -> {gathered}"
                )
                value = self._emit(
                    f'"FHELinalg.matmul_eint_int"({elements}, {columns}) : '
                    f"({gathered}, {_shape(matrix.T, integer)}) -> {product}"
                )
                flat = _encrypted(len(index) * filters, width)
                parts.append((self._emit(f"tensor.collapse_shape {value} [[0,1]] : {product} into {flat}"), flat))
                order.append(numbers[group, :, first : first + step].T.ravel())
        return self._in_order(parts, np.concatenate(order), _encrypted(node.size, width))

    def _in_order(self, parts: list[tuple[str, str]], order: IntArray, kind: str) -> str:
        """Values and their types, one after the other, then by the element that each is."""
        name = parts[0][0]
        if len(parts) > 1:
            names, kinds = (", ".join(each) for each in zip(*parts, strict=True))
            name = self._emit(f'"FHELinalg.concat"({names}) : ({kinds}) -> {kind}')
        if (np.diff(order) > 0).all():
            return name
        place = np.argsort(order)
        return self._emit(
            f'"FHELinalg.fancy_index"({name}, {self._constant(place, "index")}) : '
            f"({kind}, {_shape(place, 'index')}) -> {kind}"
        )

    def _block(self, source: str, rows: int, block: Block, weights: IntArray, width: int) -> str:
        given, integer, size = _encrypted(rows, width), f"i{width + 1}", block.columns.size
        if block.rows is None:
            matrix = self._constant(weights, integer)
            return self._emit(
                f'"FHELinalg.matmul_eint_int"({source}, {matrix}) : '
                f"({given}, {_shape(weights, integer)}) -> {_encrypted(size, width)}"
            )
        # One product of a row and a column for each element, as a batch.
        index, columns = block.rows[:, None, :], weights[:, :, None]
        gathered, product = (f"tensor<{size}x1x{count}x!FHE.eint<{width}>>" for count in (block.rows.shape[1], 1))
        elements = self._emit(
            f'"FHELinalg.fancy_index"({source}, {self._constant(index, "index")}) : '
            f"({given}, {_shape(index, 'index')}) -> {gathered}"
        )
        value = self._emit(
            f'"FHELinalg.matmul_eint_int"({elements}, {self._constant(columns, integer)}) : '
            f"({gathered}, {_shape(columns, integer)}) -> {product}"
        )
        return self._emit(f"tensor.collapse_shape {value} [[0,1,2]] : {product} into {_encrypted(size, width)}")

    def _print_lookup(self, index: int, node: Lookup) -> None:
        width, size = self._layout.widths[index], node.size
        source, given = self._read[node.source, reading_of(node)], _encrypted(size, node.width)
        tables = self._constant(_modular(around_centres(node), width), "i64")
        table_of = self._constant(node.table_of, "index")
        self._plain[index] = self._emit(
            f'"FHELinalg.apply_mapped_lookup_table"({source}, {tables}, {table_of}) : '
            f"({given}, {_shape(node.tables, 'i64')}, {_shape(node.table_of, 'index')}) -> {_encrypted(size, width)}"
        )

    def _reinterpret(self, name: str, size: int, width: int, reading: int) -> str:
        if reading == width:
            return name
        return self._emit(
            f'"FHELinalg.reinterpret_precision"({name}) : ({_encrypted(size, width)}) -> {_encrypted(size, reading)}'
        )

    def _add(self, left: str, right: str, size: int, width: int) -> str:
        kind = _encrypted(size, width)
        return self._emit(f'"FHELinalg.add_eint"({left}, {right}) : ({kind}, {kind}) -> {kind}')

    def _combine(self, operation: str, value: str, constant: str, size: int, width: int) -> str:
        kind = _encrypted(size, width)
        return self._emit(
            f'"FHELinalg.{operation}"({value}, {constant}) : ({kind}, tensor<{size}xi{width + 1}>) -> {kind}'
        )

    def _constant(self, values: IntArray, element: str) -> str:
        text = str(values.tolist()).replace(" ", "")
        return self._emit(f"arith.constant dense<{text}> : {_shape(values, element)}")

    def _emit(self, operation: str) -> str:
        name = f"%{self._next}"
        self._next += 1
        self._lines.append(f"{name} = {operation}")
        return name


def _shape(values: IntArray, element: str) -> str:
    return f"tensor<{'x'.join(map(str, values.shape))}x{element}>"
