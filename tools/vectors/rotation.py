"""Vectors of what networks of one hidden layer need: tables that bits turn, and numbers as binary digits."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable

from cryptable_protocol.messages import circuit, client_spec

from vectors import levelled
from vectors.vector import Accepted, Rejected, Stage, canonical, changed, put


def program() -> circuit.Circuit:
    """Two tables of four positions and two outputs, turned by two of five bits."""

    def bits(size: int) -> circuit.InputGroup:
        return circuit.InputGroup(kind=circuit.InputGroup.RANGE, size=size, maximum=1)

    return circuit.Circuit(
        nodes=[
            circuit.Node(input=circuit.Input(groups=[bits(3), bits(2)])),
            circuit.Node(
                rotation=circuit.Rotation(
                    bits=[1, 3],
                    exponents=[3, 0, 6, 1],
                    positions=4,
                    entries=[1, 10, 2, 20, 3, 30, 4, 40, 100, -1, 200, -2, 300, -3, 400, -4],
                )
            ),
            circuit.Node(
                linear=circuit.Linear(
                    terms=[
                        circuit.Term(source=0, rows=[0], columns=[1], weights=[5]),
                        circuit.Term(source=1, rows=[0, 1], columns=[0, 1], weights=[1, 1]),
                    ],
                    offset=[0, 50],
                )
            ),
        ],
        output=2,
    )


def spec() -> client_spec.ClientSpec:
    """Two columns as binary digits, the second one's square too."""
    message = levelled.spec()
    del message.features[:]
    message.features.add(name="radius", digits=client_spec.DigitsEncoder(lower=-1.0, step=0.5, digits=2))
    message.features.add(name="texture", digits=client_spec.DigitsEncoder(lower=0.0, step=1.0, digits=3, squared=True))
    message.levelled.CopyFrom(
        client_spec.LevelledParameters(
            keyset=1,
            inputs=11,
            selectors=[1, 3],
            leaves=[0],
            gadget_levels=4,
            gadget_base_log=5,
            moduli=[7, 8, 9],
            outputs=2,
            maximum=204,
            answer_word_bits=14,
        )
    )
    return message


def accepted() -> list[Accepted]:
    """Messages to accept."""
    data = canonical(spec())
    return [
        Accepted(
            "client_spec",
            "digits",
            "numbers as the binary digits of their level and of its square",
            data,
            {
                "digest": hashlib.sha256(data).hexdigest(),
                "keyset_name": hashlib.sha256(b"cryptable levelled keyset 1").hexdigest(),
                "feature_names": ["radius", "texture"],
                "evaluation_keys_bytes": 878_608,
                "encodes": [
                    # (0.25 + 1) / 0.5 = 2.5 goes to the even 2; 5 is 101, and 25 is 11001.
                    {"row": [0.25, 5.0], "elements": [0, 1, 1, 0, 1, 1, 0, 0, 1, 1, 0]},
                    {"row": [1e300, -3.0], "elements": [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]},
                ],
            },
        ),
        Accepted(
            "circuit",
            "rotation",
            "tables that bits turn: beyond their end, entries are negative",
            canonical(program()),
            {
                "lookups": 0,
                "evaluates": [
                    {"input": [0, 0, 0, 0, 0], "output": [101, 59]},
                    {"input": [1, 1, 0, 0, 1], "output": [104, 94]},
                    {"input": [0, 1, 0, 1, 0], "output": [202, 68]},
                    {"input": [0, 0, 0, 1, 0], "output": [197, 18]},
                ],
            },
        ),
        Accepted(
            "circuit",
            "rotation_trees",
            "tables that bits turn, and trees of bits besides",
            canonical(with_trees()),
            {
                "lookups": 0,
                "evaluates": [
                    {"input": row, "output": output}
                    for row, output in (
                        ([0, 0, 0, 0, 0], [901, 106]),
                        ([1, 0, 0, 0, 0], [798, 82]),
                        ([1, 1, 1, 1, 1], [897, 71]),
                    )
                ],
            },
        ),
    ]


def with_trees() -> circuit.Circuit:
    """The same with two trees, of which the second one turns the second table alone."""
    message = program()
    message.nodes[2].linear.offset[:] = [500, 100]
    message.nodes[1].rotation.trees.extend(
        [
            circuit.TurningTree(nodes=[1, 0, 3, 0, 0], exponents=[0, 1, 5, 0, 5, 3]),
            circuit.TurningTree(nodes=[5, 0, 0], exponents=[0, 2, 0, 7]),
        ]
    )
    return message


def rejected() -> list[Rejected]:
    """Messages to refuse."""
    return [*_circuits(), *_specs()]


def _circuits() -> list[Rejected]:
    def of(**fields: object) -> Callable[[circuit.Circuit], object]:
        return lambda message: put(message.nodes[1].rotation, **fields)

    def wide(message: circuit.Circuit) -> None:
        put(message.nodes[0].input.groups[1], maximum=2)

    def tree(number: int = 0, **fields: object) -> Callable[[circuit.Circuit], object]:
        return lambda message: put(message.nodes[1].rotation.trees[number], **fields)

    entries = list(program().nodes[1].rotation.entries)
    of_trees: dict[str, tuple[str, Callable[[circuit.Circuit], object], Stage]] = {
        "no_nodes": ("no nodes", tree(nodes=[]), "fields"),
        "leaf_without": ("a leaf without exponents", tree(exponents=[0, 1, 5, 0]), "fields"),
        "unfinished": ("a split with one subtree", tree(nodes=[1, 0, 3, 0], exponents=[0, 1, 5, 0]), "verifier"),
        "finished_before": ("nodes after the end", tree(nodes=[1, 0, 0, 3, 0]), "verifier"),
        "leaf_alone": ("no split", tree(nodes=[0], exponents=[0, 1]), "verifier"),
        "bit_beyond": ("a bit beyond the Input", tree(nodes=[6, 0, 3, 0, 0]), "verifier"),
        "bit_twice": ("a bit twice on a path", tree(nodes=[1, 0, 1, 0, 0]), "verifier"),
        "exponent_large": ("an exponent of a whole turn", tree(exponents=[0, 1, 8, 0, 5, 3]), "verifier"),
        "constant": ("a table that all leaves turn alike", tree(1, exponents=[3, 2, 3, 7]), "verifier"),
        "idle": ("a tree that turns nothing", tree(1, exponents=[0, 0, 0, 0]), "verifier"),
        "deep": (
            "65 splits on a path",
            tree(nodes=[*range(1, 66), *[0] * 66], exponents=[0, 1, *[5, 0] * 65]),
            "verifier",
        ),
    }
    cases: dict[str, tuple[str, Callable[[circuit.Circuit], object], Stage]] = {
        "no_bits": ("no bits", of(bits=[]), "fields"),
        "no_exponents": ("no exponents", of(exponents=[]), "fields"),
        "exponents_uneven": ("three exponents for two bits", of(exponents=[3, 0, 6]), "fields"),
        "no_positions": ("tables of no positions", of(positions=0), "fields"),
        "positions_many": ("tables of 2^17 positions", of(positions=1 << 17), "fields"),
        "no_entries": ("no entries", of(entries=[]), "fields"),
        "entries_uneven": ("an entry too few", of(entries=entries[:-1]), "fields"),
        "positions_three": ("tables of three positions", of(positions=3, entries=entries[:12]), "verifier"),
        "position_alone": ("tables of one position", of(positions=1, exponents=[1, 0, 1, 1]), "verifier"),
        "bits_unsorted": ("bits that do not increase", of(bits=[3, 1]), "verifier"),
        "bit_twice": ("a bit twice", of(bits=[1, 1]), "verifier"),
        "bit_beyond": ("a bit beyond the Input", of(bits=[1, 5]), "verifier"),
        "no_bit": ("an input element that is no bit", wide, "verifier"),
        "exponent_large": ("an exponent of a whole turn", of(exponents=[3, 0, 8, 1]), "verifier"),
        "still_bit": ("a bit that turns nothing", of(exponents=[0, 0, 6, 1]), "verifier"),
        "still_neuron": ("a table that nothing turns", of(exponents=[3, 0, 6, 0]), "verifier"),
        "equal_neurons": ("two tables that turn alike", of(exponents=[3, 3, 6, 6]), "verifier"),
        "entry_large": ("an entry beyond 2^48", of(entries=[(1 << 48) + 1, *entries[1:]]), "verifier"),
        "entry_low": ("an entry of -2^63", of(entries=[-(1 << 63), *entries[1:]]), "verifier"),
    }
    return [
        Rejected("circuit", f"rotation_{name}", why, changed(program(), change), stage)
        for name, (why, change, stage) in cases.items()
    ] + [
        Rejected("circuit", f"rotation_tree_{name}", why, changed(with_trees(), change), stage)
        for name, (why, change, stage) in of_trees.items()
    ]


def _specs() -> list[Rejected]:
    def of(**fields: object) -> Callable[[client_spec.ClientSpec], object]:
        return lambda message: put(message.features[0].digits, **fields)

    cases = {
        "none": ("no digits", of(digits=0)),
        "many": ("25 digits", of(digits=25)),
        "step": ("a step of 0", of(step=0.0)),
        "step_infinite": ("an infinite step", of(step=math.inf)),
        "lower": ("a lower end that is no number", of(lower=math.nan)),
        "more": ("a digit more than the parameters have inputs", of(digits=3)),
    }
    return [
        Rejected("client_spec", f"digits_{name}", why, changed(spec(), change), "fields")
        for name, (why, change) in cases.items()
    ]
