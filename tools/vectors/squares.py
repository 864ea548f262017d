"""Vectors of what networks of squares need: circuits to accept and to refuse."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from cryptable_protocol.messages import circuit, client_spec

from vectors import samples
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


def spec() -> client_spec.ClientSpec:
    """A classifier of two scores on three integers, in a ring of 8192 slots."""
    return client_spec.ClientSpec(
        model_name="tumour",
        features=[samples.affine(name, 0.0, 0.5, 8) for name in ("radius", "texture", "area")],
        decoder=client_spec.Decoder(
            link=client_spec.Decoder.SOFTMAX,
            offset=[-200, -200],
            step=0.125,
            integers=client_spec.IntegerLabels(values=[0, 1]),
            base=[0.0, 0.5],
        ),
        p_error=2.0**-128,
        squares=client_spec.SquaresParameters(
            chain=1,
            rotations=2,
            inputs=3,
            input_bits=3,
            block=4,
            copies=2,
            stride=1,
            window=2,
            moduli=[65537],
            outputs=2,
            maximum=2000,
            answer_word_bits=27,
        ),
    )


def windowed() -> client_spec.ClientSpec:
    """The same of a convolution: two taps at two places of a grid of three, the first of which is outside."""
    message = spec()
    message.squares.windows.channels = 1
    message.squares.windows.axes.add(extent=3, taps=2, places=2, stride=2, dilation=1, before=1)
    return message


def in_bulk() -> client_spec.ClientSpec:
    """The same scores for rows in bulk."""
    message = spec()
    message.ClearField("squares")
    put(
        message.bulk,
        chain=1,
        inputs=3,
        input_bits=3,
        modulus=65537,
        outputs=2,
        maximum=2000,
        answer_word_bits=27,
    )
    return message


def of_fewer_primes() -> client_spec.ClientSpec:
    """The same in columns modulo two primes, of scores of up to 45 bits."""
    message = in_bulk()
    put(message.bulk, level=2, modulus=35184371613697, answer_word_bits=57)
    return message


def of_points() -> client_spec.ClientSpec:
    """The same of thermometers of 3, 1 and 6 bits, as points of a lattice of degree 2."""
    message = in_bulk()
    del message.features[:]
    for name, size in (("radius", 3), ("texture", 1), ("area", 6)):
        message.features.append(samples.thermometer(name, [float(edge) for edge in range(size)]))
    put(message.bulk, inputs=10, input_bits=1, degree=2, thermometers=[3, 1, 6])
    return message


def _facts(data: bytes) -> dict[str, object]:
    """Of a specification's bytes: with windows or without, its rows, keys and scores are the same."""
    return {
        "digest": hashlib.sha256(data).hexdigest(),
        "keyset_name": hashlib.sha256(b"cryptable squares keyset\0" + bytes([1, 0, 0, 0, 2, 0, 0, 0])).hexdigest(),
        "feature_names": ["radius", "texture", "area"],
        "evaluation_keys_bytes": 16 + (2 * 3 + 1) * 4 * 8192 * 46 // 8,
        "encodes": [{"row": [1.0, 0.0, 9.0], "elements": [2, 0, 7]}],
        "decodes": [{"values": [208, 200], "scores": [1.0, 0.5]}],
    }


def accepted() -> list[Accepted]:
    """Messages to accept."""
    data = canonical(spec())
    return [
        Accepted(
            "client_spec",
            "squares",
            "a model of the scheme squares",
            data,
            _facts(data),
        ),
        Accepted(
            "client_spec",
            "squares_windows",
            "a model of the scheme squares whose first layer is a convolution",
            canonical(windowed()),
            _facts(canonical(windowed())),
        ),
        Accepted(
            "client_spec",
            "bulk",
            "a model of the scheme squares for rows in bulk",
            canonical(in_bulk()),
            {
                **_facts(canonical(in_bulk())),
                "keyset_name": hashlib.sha256(b"cryptable squares keyset\0" + bytes([1, *bytes(7)])).hexdigest(),
                "evaluation_keys_bytes": 16 + (3 + 1) * 4 * 8192 * 46 // 8,
            },
        ),
        Accepted(
            "client_spec",
            "bulk_level",
            "a model of the scheme squares for rows in bulk, modulo fewer primes, of a modulus of 45 bits",
            canonical(of_fewer_primes()),
            {
                **_facts(canonical(of_fewer_primes())),
                "keyset_name": hashlib.sha256(b"cryptable squares keyset\0" + bytes([1, *bytes(7)])).hexdigest(),
                "evaluation_keys_bytes": 16 + (3 + 1) * 4 * 8192 * 46 // 8,
            },
        ),
        Accepted(
            "client_spec",
            "bulk_points",
            "a model of the scheme squares for rows in bulk, of thermometers as points",
            canonical(of_points()),
            {
                **_facts(canonical(of_points())),
                "keyset_name": hashlib.sha256(b"cryptable squares keyset\0" + bytes([1, *bytes(7)])).hexdigest(),
                "evaluation_keys_bytes": 16 + (3 + 1) * 4 * 8192 * 46 // 8,
                "encodes": [{"row": [1.0, -1.0, 9.0], "elements": [1, 1, 0, 0, 1, 1, 1, 1, 1, 1]}],
            },
        ),
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
    return [*_circuits(), *_specs(), *_bulk()]


def _specs() -> list[Rejected]:
    def of(**fields: object) -> Callable[[client_spec.ClientSpec], object]:
        return lambda message: put(message.squares, **fields)

    def two_schemes(message: client_spec.ClientSpec) -> None:
        message.levelled.keyset = 1

    cases: dict[str, tuple[str, Callable[[client_spec.ClientSpec], object]]] = {
        "two_schemes": ("parameters of another scheme beside them", two_schemes),
        "chain": ("a chain that is not known", of(chain=6)),
        "chain_none": ("no chain", of(chain=0)),
        "rotations": ("a rotation that the ring has not", of(rotations=8192)),
        "inputs": ("4 inputs, of encoders that make 3", of(inputs=4)),
        "inputs_many": ("more inputs than a block has slots", of(block=2)),
        "input_bits": ("encoders of more than the inputs' bits", of(input_bits=2)),
        "block_uneven": ("a block of six slots", of(block=6)),
        "copies_none": ("no copies", of(copies=0)),
        "copies_many": ("more copies than the ring has room for", of(copies=4096)),
        "stride": ("a stride beyond the block", of(stride=5)),
        "window": ("a window of three classes", of(window=3)),
        "classes": ("more classes than slots", of(window=8192)),
        "moduli_none": ("no moduli", of(moduli=[])),
        "moduli_unsorted": ("moduli that do not increase", of(moduli=[114689, 65537])),
        "modulus_twice": ("a modulus twice", of(moduli=[65537, 65537])),
        "modulus_composite": ("a modulus that is no prime", of(moduli=[81921])),
        "modulus_form": ("a prime that has no roots of unity", of(moduli=[65539])),
        "modulus_long": ("a modulus of 27 bits", of(moduli=[67239937])),
        "maximum": ("a maximum that the moduli do not hold", of(maximum=65537)),
        "outputs_none": ("no output", of(outputs=0)),
        "outputs": ("3 outputs for a decoder of 2", of(outputs=3)),
        "words_short": ("answers in words of 19 bits", of(answer_word_bits=19)),
        "words_long": ("answers in words of 37 bits", of(answer_word_bits=37)),
        "words_misread": ("words so short that their rounding is misread", of(answer_word_bits=24)),
        "high_p_error": ("p_error 2^-39", lambda message: put(message, p_error=2.0**-39)),
        "further_bits": (
            "noisy bits, which residues do not have",
            lambda message: put(message.decoder, further_bits=1),
        ),
    }
    return [
        *(
            Rejected("client_spec", f"squares_{name}", why, changed(spec(), change), "fields")
            for name, (why, change) in cases.items()
        ),
        *_windows(),
    ]


def _bulk() -> list[Rejected]:
    def of(**fields: object) -> Callable[[client_spec.ClientSpec], object]:
        return lambda message: put(message.bulk, **fields)

    cases: dict[str, tuple[str, Callable[[client_spec.ClientSpec], object]]] = {
        "squares": ("parameters of single rows beside them", lambda message: put(message.squares, chain=1)),
        "levelled": ("parameters of another scheme beside them", lambda message: put(message.levelled, keyset=1)),
        "keyset": ("a keyset of another scheme beside them", lambda message: message.keyset.secret_keys.add(id=1)),
        "chain": ("a chain that is not known", of(chain=6)),
        "inputs": ("4 inputs, of encoders that make 3", of(inputs=4)),
        "inputs_many": ("more inputs than a tensor has room for", of(inputs=1 << 20)),
        "input_bits": ("encoders of more than the inputs' bits", of(input_bits=2)),
        "modulus_none": ("no modulus", of(modulus=0)),
        "modulus_composite": ("a modulus that is no prime", of(modulus=81921)),
        "modulus_form": ("a prime that has no roots of unity", of(modulus=65539)),
        "modulus_long": ("a modulus of 46 bits", of(modulus=70368743374849)),
        "level": ("columns modulo as many primes as the chain has, by number", of(level=3)),
        "level_many": ("columns modulo more primes than the chain has", of(level=4)),
        "maximum": ("a maximum that the modulus does not hold", of(maximum=65537)),
        "outputs_none": ("no output", of(outputs=0)),
        "outputs": ("3 outputs for a decoder of 2", of(outputs=3)),
        "words_long": ("answers in words of 58 bits", of(answer_word_bits=58)),
        "words_misread": ("words so short that their rounding is misread", of(answer_word_bits=24)),
    }
    points: dict[str, tuple[str, Callable[[client_spec.ClientSpec], object]]] = {
        "degree": ("a lattice of degree 3", of(degree=3)),
        "degree_none": ("thermometers without a degree", of(degree=0)),
        "none": ("a degree without thermometers", of(thermometers=[])),
        "empty": ("a thermometer of no bits", of(thermometers=[3, 0, 7])),
        "sizes": ("thermometers of 9 bits, of 10 inputs", of(thermometers=[3, 1, 5])),
        "input_bits": ("thermometers of numbers", of(input_bits=2)),
    }
    return [
        *(
            Rejected("client_spec", f"bulk_{name}", why, changed(in_bulk(), change), "fields")
            for name, (why, change) in cases.items()
        ),
        *(
            Rejected("client_spec", f"bulk_points_{name}", why, changed(of_points(), change), "fields")
            for name, (why, change) in points.items()
        ),
    ]


def _windows() -> list[Rejected]:
    def axis(**fields: object) -> Callable[[client_spec.ClientSpec], object]:
        return lambda message: put(message.squares.windows.axes[0], **fields)

    def many_axes(message: client_spec.ClientSpec) -> None:
        for _ in range(3):
            message.squares.windows.axes.add(extent=1, taps=1, places=1, stride=1, dilation=1)

    cases: dict[str, tuple[str, Callable[[client_spec.ClientSpec], object]]] = {
        "axes_none": ("no axis", lambda message: message.squares.windows.ClearField("axes")),
        "axes": ("four axes", many_axes),
        "channels": ("no channels", lambda message: put(message.squares.windows, channels=0)),
        "extent": ("a grid of other than the inputs", axis(extent=4)),
        "taps": ("more taps than copies", axis(taps=3)),
        "taps_none": ("no taps", axis(taps=0)),
        "places": ("more places than a block has slots", axis(places=5)),
        "stride_none": ("windows that do not move", axis(stride=0)),
        "dilation": ("taps in one place", axis(dilation=0)),
        "before": ("a padding of 2^14 + 1", axis(before=16385)),
        "stride": ("a stride between copies beside windows", lambda message: put(message.squares, stride=2)),
        "blocks": ("blocks of more than a row of slots", lambda message: put(message.squares, copies=2048)),
    }
    return [
        Rejected("client_spec", f"squares_windows_{name}", why, changed(windowed(), change), "fields")
        for name, (why, change) in cases.items()
    ]


def _circuits() -> list[Rejected]:
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
