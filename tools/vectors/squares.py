"""Vectors of what networks of squares need: circuits to accept and to refuse."""

from __future__ import annotations

from collections.abc import Callable

from cryptable_protocol.messages import circuit

from vectors.vector import Accepted, Rejected, Stage, canonical, changed, put


def program() -> circuit.Circuit:
    """Two squares of sums of three integers, of which two scores are made."""
    return circuit.Circuit(
        nodes=[
            circuit.Node(
                input=circuit.Input(
                    groups=[circuit.InputGroup(kind=circuit.InputGroup.RANGE, size=1, maximum=7) for _ in range(3)]
                )
            ),
            circuit.Node(
                linear=circuit.Linear(
                    terms=[circuit.Term(source=0, rows=[0, 1, 2], columns=[0, 0, 1], weights=[2, -1, 3])],
                    offset=[1, -5],
                )
            ),
            circuit.Node(square=circuit.Square(source=1)),
            circuit.Node(
                linear=circuit.Linear(
                    terms=[circuit.Term(source=2, rows=[0, 0, 1], columns=[0, 1, 1], weights=[1, -2, 4])],
                    offset=[0, 500],
                )
            ),
        ],
        output=3,
    )


def accepted() -> list[Accepted]:
    """Messages to accept."""
    return [
        Accepted(
            "circuit",
            "squares",
            "scores of squares of sums",
            canonical(program()),
            {
                "lookups": 0,
                "evaluates": [
                    {"input": [0, 0, 0], "output": [1, 598]},
                    {"input": [7, 0, 0], "output": [225, 150]},
                    {"input": [1, 7, 7], "output": [16, 1492]},
                ],
            },
        ),
    ]


def rejected() -> list[Rejected]:
    """Messages to refuse."""

    def beside(message: circuit.Circuit) -> None:
        message.nodes[3].linear.terms.add(source=3, rows=[0], columns=[0], weights=[1])
        table = circuit.Lookup(source=1, width=1, entries=[0, 1], table_of=[0, 0])
        nodes = [*message.nodes[:3], circuit.Node(lookup=table), message.nodes[3]]
        del message.nodes[:]
        message.nodes.extend(nodes)
        message.output = 4

    cases: dict[str, tuple[str, Callable[[circuit.Circuit], object], Stage]] = {
        "later": ("a square that reads itself", lambda message: put(message.nodes[2].square, source=2), "fields"),
        "of_input": ("a square of the Input", lambda message: put(message.nodes[2].square, source=0), "verifier"),
        "large": (
            "values of 2^30, squared",
            lambda message: put(message.nodes[1].linear, offset=[1 << 30, -5]),
            "verifier",
        ),
        "declared": ("a declared maximum, of sound bounds", lambda message: put(message, output_maximum=9), "verifier"),
        "beside": ("a square beside a lookup", beside, "verifier"),
        "unused": (
            "a square that nothing reads",
            lambda message: put(message.nodes[3].linear.terms[0], source=1),
            "verifier",
        ),
    }
    return [
        Rejected("circuit", f"square_{name}", why, changed(program(), change), stage)
        for name, (why, change, stage) in cases.items()
    ]
