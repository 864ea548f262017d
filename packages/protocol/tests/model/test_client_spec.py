"""ClientSpec and KeysetParameters: any that can be made comes back from its bytes."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import pytest
from cryptable_protocol import (
    AffineEncoder,
    BootstrapKeyParameters,
    CiphertextType,
    ClientSpec,
    Decoder,
    KeysetParameters,
    KeyswitchKeyParameters,
    Link,
    MalformedMessageError,
    SecretKeyParameters,
    ThermometerEncoder,
    UnusedFeature,
)
from cryptable_protocol.encoding.links import OF_PAIRS
from cryptable_protocol.messages import client_spec as pb
from cryptable_protocol.schemes.bootstrapped.parameters import BootstrappedParameters
from cryptable_protocol.schemes.bootstrapped.readable import widest_output
from cryptable_protocol.wire.canonical import from_canonical_bytes
from hypothesis import assume, given, settings
from hypothesis import strategies as st

IDS = st.integers(0, 2**32 - 1)
NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=256)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
SMALL = st.floats(-1e200, 1e200)
VARIANCES = st.floats(0.0, 1.0, exclude_max=True)
EDGES = st.lists(FINITE, min_size=1, max_size=8, unique_by=lambda edge: edge + 0.0).map(sorted).map(tuple)
DECOMPOSITIONS = st.integers(1, 64).flatmap(lambda base: st.tuples(st.integers(1, 64 // base), st.just(base)))


@st.composite
def keysets(draw: Any) -> KeysetParameters:
    ids = sorted(draw(st.sets(IDS, min_size=1, max_size=4)))
    secret = tuple(SecretKeyParameters(id_, 256 * draw(st.integers(1, 8))) for id_ in ids)
    bootstrap = []
    for id_ in sorted(draw(st.sets(IDS, max_size=2))):
        output = draw(st.sampled_from(secret))
        sizes = [size for size in (256, 512, 1024, 2048) if output.dimension % size == 0]
        size = draw(st.sampled_from(sizes))
        levels, base = draw(DECOMPOSITIONS)
        source = draw(st.sampled_from(ids))
        k = output.dimension // size
        bootstrap.append(BootstrapKeyParameters(id_, source, output.id, levels, base, k, size, draw(VARIANCES)))
    keyswitch = [
        KeyswitchKeyParameters(
            id_, draw(st.sampled_from(ids)), draw(st.sampled_from(ids)), *draw(DECOMPOSITIONS), draw(VARIANCES)
        )
        for id_ in sorted(draw(st.sets(IDS, max_size=2)))
    ]
    return KeysetParameters(secret, tuple(bootstrap), tuple(keyswitch))


def features(name: str) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.builds(ThermometerEncoder, st.just(name), EDGES, st.booleans()),
        st.builds(
            AffineEncoder,
            st.just(name),
            FINITE,
            st.floats(0.0, exclude_min=True, allow_infinity=False),
            st.integers(2, 2**24),
        ),
        st.just(UnusedFeature(name)),
    )


@st.composite
def decoders(draw: Any) -> Decoder:
    link = draw(st.sampled_from([link for link in Link if link is not Link.CURVE]))
    scores = draw(st.sampled_from([3, 6, 10]) if link in OF_PAIRS else st.integers(1, 5))
    offsets = tuple(draw(st.lists(st.integers(-(2**62), 2**62), min_size=scores, max_size=scores)))
    bases = tuple(draw(st.lists(SMALL, min_size=scores, max_size=scores)))
    count = {3: 3, 6: 4, 10: 5}[scores] if link in OF_PAIRS else max(2, scores)
    kind = st.integers(-(2**63), 2**63 - 1) | NAMES.map(lambda name: name[:20])
    first = draw(kind)
    same = NAMES.map(lambda name: name[:20]) if isinstance(first, str) else st.integers(-(2**63), 2**63 - 1)
    labels = (
        None
        if link in (Link.IDENTITY, Link.EXPONENTIAL, Link.LOGISTIC)
        else tuple(draw(st.lists(same, min_size=count, max_size=count, unique=True)))
    )
    return Decoder(link, offsets, draw(st.floats(1e-300, 1e200)), bases, labels)


@st.composite
def specs(draw: Any) -> ClientSpec:
    names = draw(st.lists(NAMES, min_size=1, max_size=5, unique=True))
    parts = [draw(features(name)) for name in names[:-1]] + [ThermometerEncoder(names[-1], draw(EDGES))]
    keyset, decoder = draw(keysets()), draw(decoders())
    key = st.sampled_from([key.id for key in keyset.secret_keys])
    needed = max(part.maximum for part in parts).bit_length()
    output_key, p_error = draw(key), draw(st.floats(0.0, 2.0**-40, exclude_min=True))
    given = CiphertextType(
        sum(part.size for part in parts), draw(key), draw(st.integers(max(1, needed), 62)), draw(VARIANCES)
    )
    widest = min(CiphertextType.MAX_WIDTH, widest_output(keyset, given, output_key, p_error))
    assume(widest >= 1)
    return ClientSpec(
        model_name=draw(NAMES),
        features=tuple(parts),
        parameters=BootstrappedParameters(
            keyset,
            given,
            CiphertextType(len(decoder.offset), output_key, draw(st.integers(1, widest)), 0.0),
            p_error,
        ),
        decoder=decoder,
    )


@settings(deadline=None)
@given(spec=specs())
def test_spec_comes_back_from_its_bytes(spec: ClientSpec) -> None:
    data = spec.to_bytes()
    again = ClientSpec.from_bytes(data)
    assert again == spec
    assert again.to_bytes() == data
    assert again.digest == hashlib.sha256(data).digest()


@settings(deadline=None)
@given(keyset=keysets())
def test_keyset_comes_back_from_its_message(keyset: KeysetParameters) -> None:
    data = keyset.to_message().SerializeToString(deterministic=True)
    message = from_canonical_bytes(pb.KeysetParameters, data, limit=1 << 16, what="keyset")
    again = KeysetParameters.from_message(message)
    assert again == keyset
    assert again.name == keyset.name == hashlib.sha256(data).digest()


def one() -> ClientSpec:
    keyset = KeysetParameters(
        (SecretKeyParameters(0, 2048), SecretKeyParameters(1, 771)),
        (BootstrapKeyParameters(0, 1, 0, 2, 15, 1, 2048, 2.0**-100),),
        (KeyswitchKeyParameters(0, 0, 1, 3, 5, 2.0**-34),),
    )
    return ClientSpec(
        model_name="m",
        features=(ThermometerEncoder("a", (0.0, 1.0)), UnusedFeature("b")),
        parameters=BootstrappedParameters(
            keyset, CiphertextType(2, 0, 4, 2.0**-100), CiphertextType(1, 0, 9, 0.0), 2.0**-40
        ),
        decoder=Decoder(Link.MARGIN, (0,), 1.0, (0.0,), ("n", "y")),
    )


def test_lengths_of_evaluation_keys() -> None:
    keyset = one().keyset
    assert keyset.bootstrap_key_bytes(keyset.bootstrap_keys[0]) == 16 + 771 * 2 * 2 * 2048 * 8
    assert keyset.keyswitch_key_bytes(keyset.keyswitch_keys[0]) == 16 + 2048 * 3 * 8
    assert keyset.evaluation_keys_bytes == 32 + 771 * 2 * 2 * 2048 * 8 + 2048 * 3 * 8
    assert KeysetParameters((SecretKeyParameters(0, 1024),)).evaluation_keys_bytes == 0


def test_every_field_is_in_the_digest() -> None:
    spec = one()
    changed = [
        {"model_name": "n"},
        {"features": (ThermometerEncoder("a", (0.0, 1.0), True), UnusedFeature("b"))},
        {"features": (UnusedFeature("b"), ThermometerEncoder("a", (0.0, 1.0)))},
        {"parameters": dataclasses.replace(spec.parameters, input=dataclasses.replace(spec.input, width=5))},
        {"parameters": dataclasses.replace(spec.parameters, output=dataclasses.replace(spec.output, key=1))},
        {"decoder": dataclasses.replace(spec.decoder, base=(0.5,))},
        {"decoder": dataclasses.replace(spec.decoder, labels=(0, 1))},
        {"parameters": dataclasses.replace(spec.parameters, p_error=2.0**-41)},
    ]
    digests = {dataclasses.replace(spec, **fields).digest for fields in changed}
    assert len(digests | {spec.digest}) == len(changed) + 1


def test_feature_names() -> None:
    assert one().feature_names == ("a", "b")


def with_p_error(spec: ClientSpec, p_error: float) -> ClientSpec:
    return dataclasses.replace(spec, parameters=dataclasses.replace(spec.bootstrapped, p_error=p_error))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SecretKeyParameters(-1, 600), "id -1"),
        (lambda: SecretKeyParameters(2**32, 600), "id"),
        (lambda: SecretKeyParameters(0, 0), "dimension 0"),
        (lambda: CiphertextType(1, -1, 1, 0.0), "id -1"),
        (lambda: BootstrapKeyParameters(-1, 0, 0, 1, 1, 1, 256, 0.0), "id -1"),
        (lambda: KeyswitchKeyParameters(2**32, 0, 0, 1, 1, 0.0), "id"),
        (lambda: KeysetParameters(()), "no secret key"),
        (lambda: dataclasses.replace(one(), model_name=""), "model name"),
        (lambda: dataclasses.replace(one(), model_name="a\ud800"), "surrogate"),
        (lambda: with_p_error(one(), float("nan")), "p_error nan"),
    ],
)
def test_what_cannot_be_written_cannot_be_made(make: Any, message: str) -> None:
    with pytest.raises(MalformedMessageError, match=message):
        make()
