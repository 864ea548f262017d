"""Every rule of the verifier refuses a circuit that breaks it, and names the node."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cryptable_engine import Circuit, CircuitError, GroupKind, Input, InputGroup, Linear, Lookup, Term, verify
from cryptable_engine.circuit.rules.matrix_cost import GATHERED_ENTRY_CELLS
from cryptable_engine.circuit.verifier import (
    MAX_LOOKUPS,
    MAX_MATRIX_CELLS,
    MAX_OFFSET,
    MAX_RANGE,
    MAX_VALUE_BITS,
    MAX_WEIGHT,
)
from cryptable_protocol import (
    AffineEncoder,
    CiphertextType,
    ClientSpec,
    Decoder,
    KeysetParameters,
    Link,
    MalformedMessageError,
    SecretKeyParameters,
    ThermometerEncoder,
    UnusedFeature,
    limits,
)
from cryptable_protocol.schemes.bootstrapped.parameters import BootstrappedParameters

INPUT = Input((InputGroup(GroupKind.THERMOMETER, 2), InputGroup(GroupKind.RANGE, 1, 3)))


def ints(*values):
    return np.array(values, np.int64)


CODE = Linear((Term(0, ints(0, 1, 2), ints(0, 0, 1), ints(1, 1, 1)),), ints(0, 0))
LOOKUP = Lookup(1, np.arange(8, dtype=np.int64).reshape(2, 4), ints(0, 1))
SUM = Linear((Term(0, ints(2), ints(0), ints(-2)), Term(2, ints(0, 1), ints(0, 0), ints(1, 1))), ints(6))
GOOD = Circuit((INPUT, CODE, LOOKUP, SUM), 3)


def many_cells() -> Term:
    """Columns with so many entries that each counts as all of its 5000 cells."""
    columns, entries = MAX_MATRIX_CELLS // 5000 + 1, 5000 // GATHERED_ENTRY_CELLS + 1
    rows = np.repeat(np.arange(entries), columns)
    return Term(0, rows, np.tile(np.arange(columns), entries), np.ones(rows.size, np.int64))


def with_nodes(**changed):
    nodes = list(GOOD.nodes)
    for index, node in changed.items():
        nodes[int(index[1:])] = node
    return Circuit(tuple(nodes), 3)


def code(**changed):
    return with_nodes(n1=replace(CODE, terms=(replace(CODE.terms[0], **changed),)))


def lookup(**changed):
    return with_nodes(n2=replace(LOOKUP, **changed))


def groups(*changed):
    return with_nodes(n0=Input(changed))


LARGE = Input((InputGroup(GroupKind.RANGE, 5000, 1),))
EMPTY = Term(0, ints(), ints(), ints())

REFUSED = {
    "no nodes": (Circuit((), 0), None, "0 nodes"),
    "too many nodes": (Circuit(GOOD.nodes * 2000, 3), None, "8000 nodes"),
    "first node not the input": (Circuit((SUM, CODE), 0), 0, "must be the Input"),
    "second input": (with_nodes(n1=INPUT), 1, "a second Input"),
    "empty group": (groups(InputGroup(GroupKind.THERMOMETER, 0), *INPUT.groups), 0, "input group 0 is empty"),
    "no groups": (groups(), 0, "0 elements"),
    "input too large": (groups(InputGroup(GroupKind.RANGE, limits.MAX_VECTOR_SIZE + 1)), 0, "131073 elements"),
    "thermometer of more than bits": (groups(InputGroup(GroupKind.THERMOMETER, 3, 2)), 0, "are bits, got maximum 2"),
    "range without values": (groups(InputGroup(GroupKind.RANGE, 3, 0)), 0, "maximum 0 is not in"),
    "range too wide": (groups(InputGroup(GroupKind.RANGE, 3, MAX_RANGE + 1)), 0, "maximum 16777217 is not in"),
    "reads itself": (code(source=1), 1, "reads node 1, which is not an earlier node"),
    "reads a later node": (code(source=2), 1, "reads node 2, which is not an earlier node"),
    "reads no node": (code(source=-1), 1, "reads node -1"),
    "linear without terms": (with_nodes(n1=Linear((), ints(0, 0))), 1, "without terms"),
    "two terms of one source": (with_nodes(n1=Linear(CODE.terms * 2, ints(0, 0))), 1, "two terms read the same node"),
    "linear without elements": (with_nodes(n1=Linear(CODE.terms, ints())), 1, "0 elements"),
    "offset not a vector": (with_nodes(n1=Linear(CODE.terms, ints(0, 0)[None])), 1, "offset: 2-dimensional int64"),
    "offset of floats": (with_nodes(n1=Linear(CODE.terms, np.zeros(2))), 1, "offset: 1-dimensional float64"),
    "offset too large": (with_nodes(n1=replace(CODE, offset=ints(0, MAX_OFFSET + 1))), 1, "an offset beyond"),
    "offset too low": (with_nodes(n1=replace(CODE, offset=ints(0, np.iinfo(np.int64).min))), 1, "an offset beyond"),
    "rows and columns differ": (code(rows=ints(0, 1)), 1, "differ in number"),
    "row out of range": (code(rows=ints(0, 1, 3)), 1, r"a row outside 0 \.\. 2"),
    "row negative": (code(rows=ints(-1, 1, 2)), 1, "a row outside"),
    "column out of range": (code(columns=ints(0, 0, 2)), 1, r"a column outside 0 \.\. 1"),
    "column negative": (code(columns=ints(0, 0, -1)), 1, "a column outside"),
    "entries not sorted": (code(rows=ints(1, 0, 2)), 1, "not sorted"),
    "entry twice": (code(rows=ints(1, 1, 2)), 1, "not sorted by .row, column., each once"),
    "weight zero": (code(weights=ints(1, 0, 1)), 1, "a weight of zero"),
    "weight too large": (code(weights=ints(1, MAX_WEIGHT + 1, 1)), 1, "a weight beyond"),
    "weight too low": (code(weights=ints(1, np.iinfo(np.int64).min, 1)), 1, "a weight beyond"),
    "weights of another type": (code(weights=np.ones(3, np.int32)), 1, "1-dimensional int32"),
    "too many cells": (
        Circuit((LARGE, Linear((many_cells(),), np.zeros(MAX_MATRIX_CELLS // 5000 + 1, np.int64))), 1),
        1,
        "matrix cells",
    ),
    "lookup of the input": (lookup(source=0), 2, "looks up node 0, which is not a Linear"),
    "lookup of a lookup": (Circuit((INPUT, CODE, LOOKUP, replace(LOOKUP, source=2), SUM), 4), 3, "is not a Linear"),
    "lookup of another size": (lookup(table_of=ints(0, 1, 1)), 2, "3 elements look up node 1 of 2"),
    "table too short": (lookup(tables=LOOKUP.tables[:, :1]), 2, "tables of 1 entries"),
    "table not a power of two": (lookup(tables=LOOKUP.tables[:, :3]), 2, "tables of 3 entries"),
    "table too long": (lookup(tables=np.zeros((1, 512), np.int64), table_of=ints(0, 0)), 2, "tables of 512 entries"),
    "tables not a matrix": (lookup(tables=LOOKUP.tables[0]), 2, "tables: 1-dimensional"),
    "table that does not exist": (lookup(table_of=ints(0, 2)), 2, "points outside its 2 tables"),
    "negative table": (lookup(table_of=ints(0, -1)), 2, "points outside its 2 tables"),
    "negative entry": (lookup(tables=LOOKUP.tables - 1), 2, "a table entry outside"),
    "mirrors missing": (lookup(dropped_bits=1), 2, "it drops bits without mirrors"),
    "negative dropped bits": (lookup(dropped_bits=-1), 2, "it drops -1 bits"),
    "too many dropped bits": (lookup(dropped_bits=59, mirrors=ints(0, 0)), 2, r"expected 0 \.\. 58 at a width of 2"),
    "too few mirrors": (lookup(mirrors=ints(0)), 2, "1 mirrors for 2 tables"),
    "odd mirror": (lookup(mirrors=ints(0, 1)), 2, "a mirror that is odd"),
    "negative mirror": (lookup(mirrors=ints(0, -2)), 2, "a mirror that is odd, or outside"),
    "mirror too large": (lookup(mirrors=ints(0, 1 << MAX_VALUE_BITS)), 2, "a mirror that is odd, or outside"),
    "mirrors not a vector": (lookup(mirrors=ints([0, 0])), 2, "mirrors: 2-dimensional"),
    "entry too large": (lookup(tables=LOOKUP.tables + (1 << MAX_VALUE_BITS)), 2, "a table entry outside"),
    "looked-up value too large": (code(weights=ints(1, 2, 2)), 2, r"element 1, whose values are 0 \.\. 6"),
    "looked-up value negative": (code(weights=ints(1, -3, 1)), 2, r"element 0, whose values are -2 \.\. 1"),
    "too many lookups": (
        Circuit(
            (
                INPUT,
                Linear((EMPTY,), np.zeros(MAX_LOOKUPS, np.int64)),
                Lookup(1, np.zeros((1, 2), np.int64), np.zeros(MAX_LOOKUPS, np.int64)),
                Linear((EMPTY,), np.zeros(1, np.int64)),
                Lookup(3, np.zeros((1, 2), np.int64), np.zeros(1, np.int64)),
            ),
            1,
        ),
        4,
        "131073 lookups",
    ),
    "too many table entries": (
        Circuit(
            (
                INPUT,
                Linear((EMPTY,), np.zeros(40_000, np.int64)),
                Lookup(1, np.zeros((1, 256), np.int64), np.zeros(40_000, np.int64)),
            ),
            1,
        ),
        2,
        "table entries",
    ),
    "output does not exist": (Circuit(GOOD.nodes, 4), None, "its output is node 4"),
    "output is a lookup": (Circuit(GOOD.nodes, 2), None, "its output is node 2"),
    "output is the input": (Circuit(GOOD.nodes, 0), None, "its output is node 0"),
    "unused node": (Circuit((INPUT, CODE, LOOKUP, CODE, SUM), 4), 3, "used nowhere"),
    "output can be negative": (with_nodes(n3=replace(SUM, offset=ints(1))), 3, "as low as"),
    "maximum of nothing": (replace(GOOD, output_maximum=0), 3, r"outputs of 0 \.\. 0"),
    "no exact bit": (replace(GOOD, exact_output_bits=0), 3, "0 exact bits of outputs up to 15"),
    "exact bits that are all": (replace(GOOD, exact_output_bits=4), 3, "4 exact bits of outputs up to 15"),
    "maximum that is none": (replace(GOOD, output_maximum=15), 3, r"outputs of 0 \.\. 15, its bounds are 4 \.\. 15"),
    "maximum without lookups": (
        Circuit((INPUT, Linear((Term(0, ints(0), ints(0), ints(9)),), ints(0))), 1, 5),
        None,
        "without lookups",
    ),
    "output too large": (with_nodes(n3=replace(SUM, offset=ints(1 << 60))), 3, "an output of more than 60 bits"),
}


def test_the_good_circuit_is_accepted_and_its_bounds_returned():
    low, high = verify(GOOD)[3]
    assert low.tolist() == [0 + 4 + 6 - 6]
    assert high.tolist() == [2 + 7 + 6]


def test_with_a_declared_maximum_bounds_may_reach_below_zero():
    verify(replace(with_nodes(n3=replace(SUM, offset=ints(1))), output_maximum=9))


@pytest.mark.parametrize(
    ("exact", "width", "further", "refused"),
    [
        (2, 2, 2, None),
        (2, 2, 0, None),
        (2, 4, 0, "2 exact"),
        (2, 2, 3, None),
        (3, 3, 2, "3 exact"),
        (None, 4, 1, "all"),
    ],
)
def test_exact_output_bits_are_those_of_the_client_spec(exact, width, further, refused):
    circuit = replace(GOOD, exact_output_bits=exact)
    good = spec(ThermometerEncoder("a", (0.0, 1.0)), AffineEncoder("b", 0.0, 1.0, 4), output_width=width)
    if further > limits.MAX_FURTHER_BITS:
        with pytest.raises(MalformedMessageError, match="not exact"):
            replace(good.decoder, further_bits=further)
        return
    wanted = replace(good, decoder=replace(good.decoder, further_bits=further))
    if refused is None:
        verify(circuit, wanted)
    else:
        with pytest.raises(CircuitError, match=refused):
            verify(circuit, wanted)


def test_a_constant_output_is_an_empty_term():
    circuit = Circuit((INPUT, Linear((EMPTY,), ints(5))), 1)
    assert verify(circuit)[1].high.tolist() == [5]


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    circuit, node, message = REFUSED[name]
    with pytest.raises(CircuitError, match=message) as caught:
        verify(circuit)
    assert caught.value.node == node
    assert isinstance(caught.value, MalformedMessageError)
    if node is not None:
        assert f"node {node}:" in str(caught.value)


def spec(*features, input_width=4, output_size=1, output_width=4):
    size = sum(feature.size for feature in features)
    return ClientSpec(
        model_name="m",
        features=features,
        parameters=BootstrappedParameters(
            KeysetParameters((SecretKeyParameters(0, 600),)),
            CiphertextType(size, 0, input_width, 1e-9),
            CiphertextType(output_size, 0, output_width, 0.0),
            2.0**-40,
        ),
        decoder=Decoder(Link.IDENTITY, (0,) * output_size, 1.0, (0.0,) * output_size),
    )


BITS = ThermometerEncoder("age", (1.0, 2.0))
LEVELS = AffineEncoder("weight", 0.0, 1.0, 4)


def test_a_spec_that_agrees():
    verify(GOOD, spec(BITS, UnusedFeature("none"), LEVELS))


@pytest.mark.parametrize(
    ("features", "sizes", "message"),
    [
        ((BITS,), {}, "2 input groups, the client spec encodes 1"),
        ((LEVELS, BITS), {}, "input group 0 is THERMOMETER .* feature 'weight' encodes to RANGE"),
        ((ThermometerEncoder("age", (1.0, 2.0, 3.0)), LEVELS), {}, r"encodes to THERMOMETER of 3 element"),
        ((BITS, AffineEncoder("weight", 0.0, 1.0, 5)), {}, r"encodes to RANGE of 1 element\(s\) up to 4"),
        ((BITS, ThermometerEncoder("weight", (1.0,))), {}, "input group 1 is RANGE"),
        ((BITS, LEVELS), {"output_size": 2}, "1 output elements, the client spec has 2"),
        ((BITS, LEVELS), {"output_width": 3}, "outputs up to 15, the client spec has 3 bits"),
    ],
)
def test_specs_that_disagree(features, sizes, message):
    with pytest.raises(CircuitError, match=message):
        verify(GOOD, spec(*features, **sizes))
