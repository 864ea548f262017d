"""Vectors of convolutions: circuits to accept and to refuse."""

from __future__ import annotations

from collections.abc import Callable

from cryptable_protocol.messages import circuit

from vectors.vector import Accepted, Rejected, Stage, canonical, changed, put


def program() -> circuit.Circuit:
    """Two channels of four places, convolved, looked up, convolved in groups, and added up with themselves."""
    return circuit.Circuit(
        nodes=[
            circuit.Node(
                input=circuit.Input(
                    groups=[circuit.InputGroup(kind=circuit.InputGroup.RANGE, size=8, maximum=1)],
                )
            ),
            circuit.Node(
                convolution=circuit.Convolution(
                    source=0,
                    shape=[2, 4],
                    groups=1,
                    taps=[3],
                    places=[2],
                    strides=[2],
                    dilations=[1],
                    before=[1],
                    weights=[1, 2, 1, 0, 1, 0, 0, 1, 0, 2, 0, 1],
                    offset=[0, 1, 0, 2],
                )
            ),
            circuit.Node(
                lookup=circuit.Lookup(
                    source=1, width=3, entries=[0, 1, 1, 2, 3, 3, 0, 1, 7, 6, 5, 4, 3, 2, 1, 0], table_of=[0, 0, 1, 1]
                )
            ),
            circuit.Node(
                convolution=circuit.Convolution(
                    source=2,
                    shape=[2, 1, 2],
                    groups=2,
                    taps=[1, 2],
                    places=[1, 2],
                    strides=[1, 1],
                    dilations=[1, 1],
                    before=[0, 0],
                    weights=[1, -1, 3, 2],
                    offset=[10, 0, 0, 5],
                )
            ),
            circuit.Node(
                linear=circuit.Linear(
                    terms=[
                        circuit.Term(source=2, rows=[0], columns=[1], weights=[1]),
                        circuit.Term(source=3, rows=[0, 1, 2, 3], columns=[0, 0, 1, 1], weights=[1, 2, 1, 1]),
                    ],
                    offset=[0, 0],
                )
            ),
        ],
        output=4,
    )


def accepted() -> list[Accepted]:
    """Messages to accept."""
    return [
        Accepted(
            "circuit",
            "convolution",
            "convolutions of inputs and of what is looked up, in groups, with a stride, a padding and beside a sum",
            canonical(program()),
            {
                "lookups": 4,
                "evaluates": [
                    {"input": [0, 0, 0, 0, 0, 0, 0, 0], "output": [11, 51]},
                    {"input": [1, 1, 1, 1, 1, 1, 1, 1], "output": [13, 28]},
                    {"input": [1, 0, 0, 1, 0, 1, 0, 0], "output": [12, 36]},
                ],
            },
        )
    ]


def rejected() -> list[Rejected]:
    """Messages to refuse."""

    def of(**fields: object) -> Callable[[circuit.Circuit], object]:
        return lambda message: put(message.nodes[1].convolution, **fields)

    def of_convolution(message: circuit.Circuit) -> None:
        message.nodes[3].convolution.source = 1
        message.nodes[4].linear.terms.pop(0)

    def beside_a_product(message: circuit.Circuit) -> None:
        for group in message.nodes[0].input.groups:
            group.maximum = 1
        nodes = [*message.nodes, circuit.Node(product=circuit.Product(bits=[0], source=4))]
        nodes.append(
            circuit.Node(
                linear=circuit.Linear(
                    terms=[circuit.Term(source=5, rows=[0], columns=[0], weights=[1])],
                    offset=[0],
                )
            )
        )
        nodes[2] = circuit.Node(
            linear=circuit.Linear(
                terms=[circuit.Term(source=1, rows=[0, 1, 2, 3], columns=[0, 1, 2, 3], weights=[1, 1, 1, 1])],
                offset=[0, 0, 0, 0],
            )
        )
        del message.nodes[:]
        message.nodes.extend(nodes)
        message.output = 6

    weights = [1, 2, 1, 0, 1, 0, 0, 1, 0, 2, 0, 1]
    cases: dict[str, tuple[str, Callable[[circuit.Circuit], object], Stage]] = {
        "no_axis": ("a shape of channels alone", of(shape=[8]), "fields"),
        "four_axes": (
            "a grid of four axes",
            of(
                shape=[2, 4, 1, 1, 1],
                taps=[3, 1, 1, 1],
                places=[2, 1, 1, 1],
                strides=[2, 1, 1, 1],
                dilations=[1, 1, 1, 1],
                before=[1, 0, 0, 0],
            ),
            "fields",
        ),
        "strides_more": ("a stride of an axis that is not there", of(strides=[2, 1]), "fields"),
        "before_none": ("no padding of its axis", of(before=[]), "fields"),
        "taps_0": ("a window of no taps", of(taps=[0]), "fields"),
        "channels_0": ("no channels", of(shape=[0, 4]), "fields"),
        "groups_0": ("no groups", of(groups=0), "fields"),
        "groups_odd": ("groups that do not divide the channels", of(groups=3), "fields"),
        "weights_none": ("no weights", of(weights=[]), "fields"),
        "weights_fewer": ("a weight too few", of(weights=weights[:-1]), "fields"),
        "offsets_fewer": ("an offset too few", of(offset=[0, 1, 0]), "fields"),
        "places_more": ("more places than offsets", of(places=[3]), "fields"),
        "later": ("a source that is itself", of(source=1), "verifier"),
        "source_size": ("a grid larger than its source", of(shape=[2, 5]), "verifier"),
        "source_far": ("a grid of some 2^33 elements", of(shape=[2, 4294967295]), "verifier"),
        "groups_of_filters": (
            "groups that do not divide the filters",
            of(groups=2, weights=[1, 2, 1, 0, 1, 0, 0, 1, 0], offset=[0, 0, 0, 0, 0, 0]),
            "verifier",
        ),
        "stride_0": ("a stride of 0", of(strides=[0]), "verifier"),
        "dilation_0": ("a dilation of 0", of(dilations=[0]), "verifier"),
        "before_far": ("a first window before the grid", of(before=[3]), "verifier"),
        "behind": ("a last window behind the grid", of(strides=[5]), "verifier"),
        "weight": ("a weight beyond 2^48", of(weights=[2**48 + 1, *weights[1:]]), "verifier"),
        "offset": ("an offset beyond 2^60", of(offset=[2**60 + 1, 0, 0, 0]), "verifier"),
        "overflow": ("values of 2^61 and more", of(weights=[2**48] * 12, offset=[2**60] * 4), "verifier"),
        "of_convolution": ("a convolution of a convolution", of_convolution, "verifier"),
        "beside_a_product": ("a convolution beside a product", beside_a_product, "verifier"),
        "outside_tables": (
            "looked-up values outside their tables",
            of(weights=[9, *weights[1:]]),
            "verifier",
        ),
    }
    return [
        Rejected("circuit", f"convolution_{name}", why, changed(program(), change), stage)
        for name, (why, change, stage) in cases.items()
    ]
