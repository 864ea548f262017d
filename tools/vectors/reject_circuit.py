"""Circuits that must be refused, most of them by the verifier alone."""

from __future__ import annotations

from collections.abc import Callable

from cryptable_protocol.messages import circuit

from vectors import samples
from vectors.vector import Rejected, Stage, block, canonical, changed, integer, put

Change = Callable[[circuit.Circuit], object]


def rejected() -> list[Rejected]:
    """All of them."""
    return [*_bytes(), *_fields(), *_structure(), *_linears(), *_lookups(), *_values()]


def _bytes() -> list[Rejected]:
    data = canonical(samples.linear_circuit())
    cases = {
        "unknown_field": ("a field that no version has", data + integer(15, 1)),
        "output_twice": ("the output twice", data + integer(2, 1)),
        "nested_unknown_field": (
            "a field that no version has, four messages deep",
            block(1, block(1, block(1, integer(1, 2) + integer(2, 1) + integer(3, 1) + integer(4, 1)))) + data,
        ),
        "node_of_two_kinds": ("a node that is both Input and Linear", block(1, block(1, b"") + block(2, b"")) + data),
        "long_weight": (
            "a weight of two bytes where one is enough",
            block(1, block(2, block(1, block(4, b"\x82\x00")))) + data,
        ),
        "cut_short": ("the last byte is missing", data[:-1]),
    }
    return [Rejected("circuit", case, why, content, "bytes") for case, (why, content) in cases.items()]


def _all(stage: Stage, cases: dict[str, tuple[str, Change]]) -> list[Rejected]:
    base = samples.binary_circuit()
    return [Rejected("circuit", case, why, changed(base, change), stage) for case, (why, change) in cases.items()]


def _fields() -> list[Rejected]:
    return _all(
        "fields",
        {
            "empty": ("no nodes", lambda message: message.Clear()),
            "node_of_no_kind": ("a node of no kind", lambda message: message.nodes[1].Clear()),
            "group_of_no_kind": (
                "an input group of no kind",
                lambda message: message.nodes[0].input.groups[0].ClearField("kind"),
            ),
            "group_of_unknown_kind": (
                "an input group of kind 3",
                lambda message: put(message.nodes[0].input.groups[0], kind=3),
            ),
            "term_lengths": (
                "a term with a weight too few",
                lambda message: message.nodes[1].linear.terms[0].weights.pop(),
            ),
            "table_cut": ("a table of 7 entries", lambda message: message.nodes[2].lookup.entries.pop()),
            "table_missing": ("no table", lambda message: message.nodes[2].lookup.ClearField("entries")),
            "table_entry_large": (
                "a table entry of 2^64 - 1",
                lambda message: message.nodes[2].lookup.entries.__setitem__(0, 2**64 - 1),
            ),
            "table_width_huge": (
                "a width of 2^32 - 1",
                lambda message: put(message.nodes[2].lookup, width=2**32 - 1),
            ),
        },
    )


def _structure() -> list[Rejected]:
    def no_input(message: circuit.Circuit) -> None:
        del message.nodes[0]

    def second_input(message: circuit.Circuit) -> None:
        message.nodes[1].input.CopyFrom(message.nodes[0].input)

    def unused_node(message: circuit.Circuit) -> None:
        message.nodes[3].linear.terms.pop()

    def groups(index: int, **fields: int) -> Change:
        return lambda message: put(message.nodes[0].input.groups[index], **fields)

    return _all(
        "verifier",
        {
            "first_node_no_input": ("node 0 is a Linear", no_input),
            "second_input": ("a second Input", second_input),
            "output_beyond_end": (
                "an output node that is not there",
                lambda message: put(message, output=4),
            ),
            "output_lookup": ("the output is a Lookup", lambda message: put(message, output=2)),
            "output_input": ("the output is the Input", lambda message: put(message, output=0)),
            "unused_node": ("a Lookup that nothing reads", unused_node),
            "input_without_groups": ("an Input of no elements", lambda message: message.nodes[0].input.Clear()),
            "group_empty": ("an input group of no elements", groups(1, size=0)),
            "group_huge": ("an input of more than 2^17 elements", groups(1, size=2**17)),
            "group_maximum_zero": ("an input group whose elements are all 0", groups(1, maximum=0)),
            "group_maximum_huge": (
                "elements of more than 2^24",
                groups(1, kind=circuit.InputGroup.RANGE, maximum=2**24 + 1),
            ),
            "thermometer_of_integers": ("a thermometer whose elements reach 2", groups(0, maximum=2)),
        },
    )


def _linears() -> list[Rejected]:
    def term(**fields: object) -> Change:
        return lambda message: put(message.nodes[1].linear.terms[0], **fields)

    def source_twice(message: circuit.Circuit) -> None:
        message.nodes[3].linear.terms[1].CopyFrom(message.nodes[3].linear.terms[0])
        message.nodes[3].linear.terms.add(source=2, rows=[0], columns=[0], weights=[3])

    return _all(
        "verifier",
        {
            "source_itself": ("a Linear that reads itself", term(source=1)),
            "source_later": ("a Linear that reads a later node", term(source=2)),
            "source_huge": ("a Linear that reads node 2^32 - 1", term(source=2**32 - 1)),
            "source_twice": ("two terms of one source", source_twice),
            "linear_without_terms": (
                "a Linear without terms",
                lambda message: message.nodes[1].linear.ClearField("terms"),
            ),
            "linear_empty": (
                "a Linear of no elements",
                lambda message: message.nodes[1].linear.ClearField("offset"),
            ),
            "row_outside": ("a row beyond the source's size", term(rows=[0, 1, 2, 4])),
            "column_outside": ("a column beyond the value's size", term(columns=[0, 0, 0, 1])),
            "entries_unsorted": ("entries that are not sorted", term(rows=[0, 2, 1, 3])),
            "entry_twice": ("an entry twice", term(rows=[0, 1, 1, 3])),
            "weight_zero": ("a weight of 0", term(weights=[1, 0, 1, 4])),
            "weight_huge": ("a weight of -2^63", term(weights=[1, 1, 1, -(2**63)])),
            "offset_huge": (
                "an offset of 2^63 - 1",
                lambda message: put(message.nodes[3].linear, offset=[2**63 - 1]),
            ),
        },
    )


def _lookups() -> list[Rejected]:
    def lookup(**fields: object) -> Change:
        return lambda message: put(message.nodes[2].lookup, **fields)

    return _all(
        "verifier",
        {
            "lookup_of_input": ("a Lookup of the Input", lookup(source=0, table_of=[0, 0, 0, 0])),
            "lookup_of_itself": ("a Lookup of itself", lookup(source=2)),
            "lookup_size": ("a Lookup of two elements on a value of one", lookup(table_of=[0, 0])),
            "lookup_empty": ("a Lookup of no elements", lookup(table_of=[])),
            "table_outside": ("a table that is not there", lookup(table_of=[1])),
            "table_width": ("a table of 9 bits", lookup(width=9, entries=[0] * 512)),
            "table_of_one_entry": ("a table of 0 bits", lookup(width=0, entries=[0])),
            "dropped_bits_alone": ("a Lookup that drops bits without mirrors", lookup(dropped_bits=1)),
            "dropped_bits_many": ("a Lookup of 61 bits", lookup(dropped_bits=58, mirrors=[2])),
            "mirror_odd": ("an odd mirror", lookup(mirrors=[3])),
            "mirror_huge": ("a mirror of 2^60", lookup(mirrors=[2**60])),
            "mirrors_many": ("two mirrors for one table", lookup(mirrors=[2, 2])),
            "table_entry": ("a table entry of 2^60", lookup(entries=[0, 1, 4, 9, 5, 2, 7, 2**60])),
        },
    )


def _values() -> list[Rejected]:
    def offset(node: int, value: int) -> Change:
        return lambda message: put(message.nodes[node].linear, offset=[value])

    def declared_linear(message: circuit.Circuit) -> None:
        message.CopyFrom(samples.linear_circuit())
        message.output_maximum = 400

    def approximate_linear(message: circuit.Circuit) -> None:
        message.CopyFrom(samples.linear_circuit())
        message.exact_output_bits = 2

    def overflow(message: circuit.Circuit) -> None:
        message.nodes[2].lookup.entries[7] = 2**59
        message.nodes[3].linear.terms[1].weights[0] = 2**48

    return _all(
        "verifier",
        {
            "looked_up_too_high": ("a looked-up value can reach 8 in a table of 3 bits", offset(1, 1)),
            "looked_up_negative": ("a looked-up value can be -1", offset(1, -1)),
            "output_negative": ("the output can be below 0", offset(3, -1)),
            "overflow": ("the output can exceed 64 bits", overflow),
            "output_maximum_zero": ("outputs that are all 0", lambda message: put(message, output_maximum=0)),
            "output_maximum_idle": ("a maximum that bounds find too", lambda message: put(message, output_maximum=29)),
            "output_maximum_linear": ("a maximum without a lookup", declared_linear),
            "exact_output_bits_zero": ("no exact bit", lambda message: put(message, exact_output_bits=0)),
            "exact_output_bits_all": ("as many as there are", lambda message: put(message, exact_output_bits=5)),
            "exact_output_bits_linear": ("some exact bits without a lookup", approximate_linear),
        },
    )
