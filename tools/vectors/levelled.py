"""Vectors of the scheme levelled: messages to accept and to refuse, and figures for whoever writes a client.

The figures are worked out here from protos/SPEC-LEVELLED.md in Python's integers, with nothing of the packages.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from cryptable_protocol.messages import artifact, circuit, client_spec, tensor
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from vectors import samples
from vectors.vector import Accepted, Rejected, Stage, canonical, changed, put

RING = 2048
PARAMETERS = client_spec.LevelledParameters(
    keyset=1,
    inputs=5,
    selectors=[0, 3],
    leaves=[4],
    placed=[1, 0],
    gadget_levels=2,
    gadget_base_log=8,
    moduli=[7, 8, 9],
    outputs=2,
    maximum=400,
    answer_word_bits=14,
)
MODULUS = 504


def spec() -> client_spec.ClientSpec:
    """A classifier of two scores on five bits."""
    return client_spec.ClientSpec(
        model_name="tumour",
        features=[
            samples.thermometer("radius", [0.5, 1.25, 3.0]),
            samples.thermometer("texture", [-1.0, 2.0]),
        ],
        decoder=client_spec.Decoder(
            link=client_spec.Decoder.SOFTMAX,
            offset=[-200, -200],
            step=0.125,
            integers=client_spec.IntegerLabels(values=[0, 1]),
            base=[0.0, 0.5],
        ),
        p_error=2.0**-128,
        levelled=PARAMETERS,
    )


def program() -> circuit.Circuit:
    """What `spec` computes: two products of bits with linear forms."""

    def thermometer(size: int) -> circuit.InputGroup:
        return circuit.InputGroup(kind=circuit.InputGroup.THERMOMETER, size=size, maximum=1)

    identities = circuit.Term(source=2, rows=[0, 1, 2, 3], columns=[0, 1, 0, 1], weights=[1, 1, 1, 1])
    return circuit.Circuit(
        nodes=[
            circuit.Node(input=circuit.Input(groups=[thermometer(3), thermometer(2)])),
            circuit.Node(
                linear=circuit.Linear(
                    # Forms (5 x1, 7 x4) and (2 x4, 3).
                    terms=[circuit.Term(source=0, rows=[1, 4, 4], columns=[0, 1, 2], weights=[5, 7, 2])],
                    offset=[0, 0, 0, 3],
                )
            ),
            circuit.Node(product=circuit.Product(source=1, bits=[3, 0])),
            circuit.Node(
                linear=circuit.Linear(
                    terms=[circuit.Term(source=0, rows=[0], columns=[1], weights=[100]), identities], offset=[200, 10]
                )
            ),
        ],
        output=3,
    )


def accepted() -> list[Accepted]:
    """Messages to accept."""
    data = canonical(spec())
    file = _artifact_file(spec())
    content = file.artifact
    return [
        Accepted(
            "client_spec",
            "levelled",
            "a model of the scheme levelled",
            data,
            {
                "digest": hashlib.sha256(data).hexdigest(),
                "keyset_name": hashlib.sha256(b"cryptable levelled keyset 1").hexdigest(),
                "feature_names": ["radius", "texture"],
                "evaluation_keys_bytes": 878_608,
                "encodes": [{"row": [1.25, 2.0], "elements": [1, 1, 0, 1, 1]}],
                "decodes": [{"values": [208, 200], "scores": [1.0, 0.5]}],
            },
        ),
        Accepted(
            "circuit",
            "products",
            "bits multiply blocks of two",
            canonical(program()),
            {
                "lookups": 0,
                "evaluates": [
                    {"input": [0, 0, 0, 0, 0], "output": [200, 10]},
                    {"input": [1, 1, 0, 1, 1], "output": [207, 120]},
                ],
            },
        ),
        Accepted(
            "model_artifact",
            "levelled",
            "format version 2, of a model of the scheme levelled",
            canonical(file),
            {"model_name": "tumour", "model_version": "1", "digest": hashlib.sha256(content).hexdigest()},
        ),
        Accepted("ring_tensor", "row", "one polynomial, as a client sends it", canonical(_row()), {"bytes": 9216}),
        Accepted("ring_tensor", "answer", "a mask and six slots", canonical(_answer()), {"bytes": 3584 + 11}),
    ]


def _artifact_file(of: client_spec.ClientSpec, **changes: Any) -> artifact.ArtifactFile:  # noqa: ANN401
    message = artifact.ModelArtifact(
        model_name=of.model_name,
        model_version="1",
        provenance=artifact.Provenance(),
        client_spec=canonical(of),
        circuit=canonical(program()),
        compile_options=artifact.CompileOptions(
            **{"p_error": of.p_error, "security_bits": 128, "scheme": "levelled", **changes}
        ),
    )
    file = samples.artifact_file(canonical(message))
    file.format_version = 2
    return file


def _row() -> tensor.EncryptedTensor:
    return tensor.EncryptedTensor(seed=bytes(range(16)), polynomials=Random(1).randbytes(9216))


def _answer() -> tensor.EncryptedTensor:
    return tensor.EncryptedTensor(polynomials=Random(2).randbytes(3584 + 11))


def rejected() -> list[Rejected]:
    """Messages to refuse."""
    return [*_specs(), *_circuits(), *_artifacts(), *_tensors()]


def _specs() -> Iterator[Rejected]:
    def of(**fields: object) -> Callable[[client_spec.ClientSpec], object]:
        return lambda message: put(message.levelled, **fields)

    def two_schemes(message: client_spec.ClientSpec) -> None:
        message.keyset.CopyFrom(samples.secret_key_only())

    def integers(message: client_spec.ClientSpec) -> None:
        message.features[1].CopyFrom(samples.affine("texture", 0.0, 1.0, 4))
        message.levelled.inputs = 4

    cases: dict[str, tuple[str, Callable[[client_spec.ClientSpec], object]]] = {
        "two_schemes": ("a keyset of another scheme beside it", two_schemes),
        "integers": ("an encoder of integers, where all inputs are bits", integers),
        "keyset": ("a keyset that is not known", of(keyset=2)),
        "keyset_none": ("no keyset", of(keyset=0)),
        "inputs": ("6 inputs, of encoders that make 5", of(inputs=6)),
        "selectors_unsorted": ("selectors that do not increase", of(selectors=[3, 0])),
        "selector_twice": ("a selector twice", of(selectors=[0, 0])),
        "selector_beyond": ("a selector beyond the inputs", of(selectors=[0, 5])),
        "leaf_selector": ("a leaf that is a selector", of(leaves=[3])),
        "placed_twice": ("an element in two places", of(placed=[1, 1])),
        "no_elements": ("a row of no polynomial", of(selectors=[], leaves=[], placed=[])),
        "gadget": ("a gadget that is not in the list", of(gadget_base_log=10)),
        "moduli_none": ("no moduli", of(moduli=[])),
        "moduli_unsorted": ("moduli that do not increase", of(moduli=[9, 8, 7])),
        "moduli_share": ("moduli that share a factor", of(moduli=[3, 9, 16])),
        "modulus_unknown": ("a modulus that is not in the list", of(moduli=[7, 8, 10])),
        "maximum": ("a maximum that the moduli do not hold", of(maximum=MODULUS)),
        "outputs_none": ("no output", of(outputs=0)),
        "outputs": ("3 outputs for a decoder of 2", of(outputs=3)),
        "slots": ("129 slots", of(outputs=43)),
        "slots_wide": ("126 slots in words of 16 bits", of(outputs=42, answer_word_bits=16)),
        "words_short": ("answers in words of 11 bits", of(answer_word_bits=11)),
        "words_long": ("answers in words of 21 bits", of(answer_word_bits=21)),
        "words_misread": (
            "words so short that their rounding is misread",
            of(moduli=[13, 16], maximum=200, answer_word_bits=12),
        ),
        "high_p_error": ("p_error 2^-39", lambda message: put(message, p_error=2.0**-39)),
        "no_decoder": ("no decoder", lambda message: message.ClearField("decoder")),
        "further_bits": (
            "noisy bits, which residues do not have",
            lambda message: put(message.decoder, further_bits=1),
        ),
    }
    for name, (why, change) in cases.items():
        yield Rejected("client_spec", f"levelled_{name}", why, changed(spec(), change), "fields")


def _circuits() -> Iterator[Rejected]:
    cases: dict[str, tuple[str, Callable[[circuit.Circuit], object], Stage]] = {
        "no_bits": ("a product of no bits", lambda message: put(message.nodes[2].product, bits=[]), "fields"),
        "later": ("a product that reads itself", lambda message: put(message.nodes[2].product, source=2), "fields"),
        "of_input": (
            "a product that reads the Input",
            lambda message: put(message.nodes[2].product, source=0),
            "verifier",
        ),
        "uneven": (
            "three bits for four elements",
            lambda message: put(message.nodes[2].product, bits=[0, 1, 3]),
            "verifier",
        ),
        "bit_beyond": (
            "a bit beyond the Input",
            lambda message: put(message.nodes[2].product, bits=[5, 0]),
            "verifier",
        ),
        "no_bit": (
            "an input element that is no bit",
            lambda message: put(message.nodes[0].input.groups[1], kind=circuit.InputGroup.RANGE, maximum=2),
            "verifier",
        ),
    }
    for name, (why, change, stage) in cases.items():
        yield Rejected("circuit", f"product_{name}", why, changed(program(), change), stage)


def _artifacts() -> Iterator[Rejected]:
    good = spec()
    first = _artifact_file(good)
    first.format_version = 1
    cases = {
        "version_one": ("a levelled model in format version 1", first),
        "scheme_none": ("compile options of no scheme, a levelled spec", _artifact_file(good, scheme="")),
        "scheme_other": ("compile options of another scheme", _artifact_file(good, scheme="squares")),
        "scheme_written": ("the scheme bootstrapped, written out", _artifact_file(good, scheme="bootstrapped")),
        "keyset_entry": (
            "an entry of the catalogue, which this scheme has not",
            _artifact_file(good, keyset_entry="a"),
        ),
    }
    for name, (why, file) in cases.items():
        yield Rejected("model_artifact", f"levelled_{name}", why, canonical(file), "fields")


def _tensors() -> Iterator[Rejected]:
    good = _row()
    cases: dict[str, tuple[str, Callable[[tensor.EncryptedTensor], object]]] = {
        "seed_short": ("a seed of 15 bytes", lambda message: put(message, seed=bytes(15))),
        "bodies": ("bodies of another scheme", lambda message: put(message, bodies=bytes(8))),
        "masks": ("masks of another scheme", lambda message: put(message, explicit=bytes(8))),
        "word_bits": ("word_bits of another scheme", lambda message: put(message, word_bits=14)),
        "empty": ("no polynomials", lambda message: message.ClearField("polynomials")),
    }
    for name, (why, change) in cases.items():
        yield Rejected("ring_tensor", name, why, changed(good, change), "fields")
    yield Rejected("encrypted_tensor", "polynomials", "a row of another scheme", canonical(good), "fields")


def figures() -> dict[str, Any]:
    """Masks, packed words, a row's message and answers read, for protos/vectors/levelled.json."""
    seed = bytes(range(16))
    trits = secret()
    return {
        "masks": [
            {"seed": seed.hex(), "polynomial": index, "words": _masks(seed, index)[:4] + _masks(seed, index)[-1:]}
            for index in (0, 1, 65)
        ],
        "public_pair": {"seed": seed.hex(), "words": _masks(_pair_seed(seed), 0)[:4]},
        "packed": {"bits": 14, "words": [1, 2, 16383, 0, 8191], "bytes": packed([1, 2, 16383, 0, 8191], 14).hex()},
        "row": {
            "client_spec": "accept/client_spec.levelled.bin",
            "bits": [1, 1, 0, 1, 1],
            # [coefficient, binary exponent]: leaves of bits 0 and 3 at 2^-8 and 2^-16 and of bit 4 at 2^-14, scaled
            # down by doublings; places of bits 1 and 0, six slots apart.
            "messages": [
                [[0, -11], [256, -18], [512, -10], [768, -18], [1024, -17]],
                [[0, -16], [6, -16]],
            ],
        },
        "secret": {"trits": "".join("012"[value + 1] for value in trits), "passes": True},
        "answers": [_read(trits, number) for number in range(3)],
    }


def _masks(key: bytes, polynomial: int) -> list[int]:
    stream = Cipher(algorithms.AES128(key), modes.CTR(bytes(16))).encryptor()
    data = stream.update(bytes(8 * RING * (polynomial + 1)))[8 * RING * polynomial :]
    return [int.from_bytes(data[at : at + 8], "little") >> 12 for at in range(0, len(data), 8)]


def _pair_seed(seed: bytes) -> bytes:
    return hashlib.sha256(b"cryptable levelled public pair\0" + seed).digest()[:16]


def packed(words: list[int], bits: int) -> bytes:
    """The inverse of `unpacked`."""
    string = sum(word << index * bits for index, word in enumerate(words))
    return string.to_bytes((len(words) * bits + 7) // 8, "little")


def unpacked(data: bytes, count: int, bits: int) -> list[int]:
    """Words of so many bits, least significant first."""
    string = int.from_bytes(data, "little")
    return [string >> index * bits & (1 << bits) - 1 for index in range(count)]


def secret() -> list[int]:
    """A fixed ternary polynomial, for figures alone."""
    random = Random(3)
    return [random.choice((-1, 0, 1)) for _ in range(RING)]


def _read(secret: list[int], number: int) -> dict[str, Any]:
    """An answer of random bytes, and what it decrypts to: whatever is well-formed does."""
    data = Random(100 + number).randbytes(3584 + 11)
    return {"polynomials": data.hex(), "values": values_of(secret, data, 1)}


def values_of(secret: list[int], data: bytes, rows: int) -> list[int]:
    """What an answer to so many rows decrypts to."""
    mask, body = unpacked(data[:3584], RING, 14), unpacked(data[3584:], 6 * rows, 14)
    values = []
    for place in range(2 * rows):
        value = 0
        for index, modulus in enumerate((7, 8, 9)):
            slot = place // 2 * 6 + index * 2 + place % 2
            product = sum(mask[slot - power] * secret[power] for power in range(slot + 1)) - sum(
                mask[RING + slot - power] * secret[power] for power in range(slot + 1, RING)
            )
            phase = (body[slot] - product) % (1 << 14)
            residue = ((2 * phase * modulus + (1 << 14)) >> 15) % modulus
            rest = MODULUS // modulus
            value += residue * rest * pow(rest, -1, modulus)
        values.append(min(value % MODULUS, PARAMETERS.maximum))
    return values
