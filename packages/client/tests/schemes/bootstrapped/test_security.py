import math
from dataclasses import replace

import pytest
from cryptable_client.errors import WeakParametersError
from cryptable_client.keys.encryption import encrypt
from cryptable_client.keys.secret_keys import SecretKeys
from cryptable_client.schemes.bootstrapped import client_scheme
from cryptable_client.schemes.bootstrapped.security import minimum_log2_deviation
from cryptable_client.schemes.scheme import check_security
from cryptable_protocol import CiphertextType, KeysetParameters, KeyswitchKeyParameters, SecretKeyParameters


def variance_at(log2_deviation):
    return 2.0 ** (2 * log2_deviation)


def with_keyset(spec, **changes):
    return replace(spec, parameters=replace(spec.parameters, keyset=replace(spec.keyset, **changes)))


def with_bootstrap_key(spec, **changes):
    return with_keyset(spec, bootstrap_keys=(replace(spec.keyset.bootstrap_keys[0], **changes),))


def with_keyswitch_key(spec, **changes):
    return with_keyset(spec, keyswitch_keys=(replace(spec.keyset.keyswitch_keys[0], **changes),))


def with_small_key(spec, dimension):
    return with_keyset(spec, secret_keys=(spec.keyset.secret_keys[0], SecretKeyParameters(1, dimension)))


def with_extra_key(spec, dimension):
    return with_keyset(spec, secret_keys=(*spec.keyset.secret_keys, SecretKeyParameters(2, dimension)))


def with_input(spec, **changes):
    return replace(spec, parameters=replace(spec.parameters, input=replace(spec.input, **changes)))


def with_large_key(spec, dimension):
    """A smaller GLWE key, all noises being those of dimension 1024."""
    return with_keyset(
        spec,
        secret_keys=(SecretKeyParameters(0, dimension), spec.keyset.secret_keys[1]),
        bootstrap_keys=(replace(spec.keyset.bootstrap_keys[0], polynomial_size=256, glwe_dimension=dimension // 256),),
    )


def enormous_keyswitch(spec):
    """64 MB of bodies that stand for 2^40 mask words."""
    dimension = 1 << 17
    return with_keyset(
        spec,
        secret_keys=(*spec.keyset.secret_keys, SecretKeyParameters(2, dimension), SecretKeyParameters(3, dimension)),
        keyswitch_keys=(KeyswitchKeyParameters(0, 2, 3, 32, 2, variance_at(-62)),),
    )


def enormous_tensor(spec, which):
    dimension = 1 << 17
    keyset = replace(spec.keyset, secret_keys=(*spec.keyset.secret_keys, SecretKeyParameters(2, dimension)))
    features = (replace(spec.features[0], edges=tuple(map(float, range(1 << 16)))),)
    if which == "input":
        given, returned = CiphertextType(1 << 16, 2, 5, variance_at(-62)), replace(spec.output, key=2)
        parameters = replace(spec.parameters, keyset=keyset, input=given, output=returned)
        return replace(spec, parameters=parameters, features=features)
    decoder = replace(spec.decoder, offset=(0,) * (1 << 16), base=(0.0,) * (1 << 16))
    return replace(
        spec,
        parameters=replace(spec.parameters, keyset=keyset, output=CiphertextType(1 << 16, 2, 5, 0.0)),
        decoder=decoder,
    )


def with_all_under_the_small_key(spec):
    given, returned = replace(spec.input, key=1), replace(spec.output, key=1)
    return replace(spec, parameters=replace(spec.parameters, input=given, output=returned))


REFUSED = {
    "bootstrap noise one bit low": (
        lambda spec: with_bootstrap_key(spec, variance=spec.keyset.bootstrap_keys[0].variance / 4),
        "bootstrap key 0: variance",
    ),
    "bootstrap noise a thousandth of a bit low": (
        lambda spec: with_bootstrap_key(spec, variance=spec.keyset.bootstrap_keys[0].variance * 0.999),
        "bootstrap key 0: variance",
    ),
    "bootstrap noise zero": (lambda spec: with_bootstrap_key(spec, variance=0.0), "bootstrap key 0: variance"),
    "bootstrap noise subnormal": (lambda spec: with_bootstrap_key(spec, variance=5e-324), "bootstrap key 0: variance"),
    "bootstrap noise of the floor": (
        lambda spec: with_bootstrap_key(spec, variance=variance_at(-62)),
        "bootstrap key 0: variance",
    ),
    "bootstrap base absurd": (
        lambda spec: with_bootstrap_key(spec, level_count=1, base_log=41),
        "bootstrap key 0: base_log 41 is absurd",
    ),
    "keyswitch base absurd": (
        lambda spec: with_keyswitch_key(spec, level_count=1, base_log=64),
        "keyswitch key 0: base_log 64 is absurd",
    ),
    "bootstrap levels absurd": (
        lambda spec: with_bootstrap_key(spec, level_count=64, base_log=1),
        "bootstrap key 0: level_count",
    ),
    "bootstrap under itself": (lambda spec: with_bootstrap_key(spec, input_key=0), "bootstrap key 0: input_key"),
    "keyswitch noise one bit low": (
        lambda spec: with_keyswitch_key(spec, variance=spec.keyset.keyswitch_keys[0].variance / 4),
        "keyswitch key 0: variance",
    ),
    "keyswitch noise slightly low": (
        lambda spec: with_keyswitch_key(spec, variance=spec.keyset.keyswitch_keys[0].variance * 0.999),
        "keyswitch key 0: variance",
    ),
    "keyswitch noise zero": (lambda spec: with_keyswitch_key(spec, variance=0.0), "keyswitch key 0: variance"),
    "keyswitch noise of the bootstrap key": (
        lambda spec: with_keyswitch_key(spec, variance=spec.keyset.bootstrap_keys[0].variance),
        "keyswitch key 0: variance",
    ),
    "keyswitch levels absurd": (
        lambda spec: with_keyswitch_key(spec, level_count=33, base_log=1),
        "keyswitch key 0: level_count",
    ),
    "keyswitch under itself": (lambda spec: with_keyswitch_key(spec, output_key=0), "keyswitch key 0: input_key"),
    "keyswitch work absurd": (enormous_keyswitch, "keyset: evaluation keys with .* mask words"),
    "input noise one bit low": (
        lambda spec: with_input(spec, variance=spec.input.variance / 4),
        "input tensor: variance",
    ),
    "input noise zero": (lambda spec: with_input(spec, variance=0.0), "input tensor: variance"),
    "input noise subnormal": (lambda spec: with_input(spec, variance=5e-324), "input tensor: variance"),
    "input under the small key, noise of the large": (with_all_under_the_small_key, "input tensor: variance"),
    "input size absurd": (lambda spec: enormous_tensor(spec, "input"), "input tensor: size"),
    "output size absurd": (lambda spec: enormous_tensor(spec, "output"), "output tensor: size"),
    "small key of dimension 449": (lambda spec: with_small_key(spec, 449), "secret key 1: dimension 449"),
    "small key of dimension 1": (lambda spec: with_small_key(spec, 1), "secret key 1: dimension 1 "),
    "small key of dimension 470, noise of 480": (lambda spec: with_small_key(spec, 470), "keyswitch key 0: variance"),
    "large key of dimension 256": (lambda spec: with_large_key(spec, 256), "secret key 0: dimension 256"),
    "large key of dimension 768, noise of 1024": (
        lambda spec: with_large_key(spec, 768),
        "bootstrap key 0: variance",
    ),
    "an unused key of dimension 10": (lambda spec: with_extra_key(spec, 10), "secret key 2: dimension 10"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_weak_parameters_are_refused_before_anything_is_drawn(case, spec, monkeypatch):
    def no_randomness():
        raise AssertionError("randomness was drawn for refused parameters")

    monkeypatch.setattr(client_scheme, "SecretStream", no_randomness)
    change, message = REFUSED[case]
    with pytest.raises(WeakParametersError, match=message):
        SecretKeys.generate(change(spec))


def test_encryption_refuses_weak_parameters_too(spec, secret_keys):
    with pytest.raises(WeakParametersError, match="input tensor: variance"):
        encrypt(with_input(spec, variance=0.0), secret_keys, [0] * spec.input.size)


def test_parameters_on_the_curve_are_accepted(spec, spec_without_lookups):
    check_security(spec)
    check_security(spec_without_lookups)


def test_more_noise_is_accepted(spec):
    check_security(with_bootstrap_key(spec, variance=1e-9))


def test_rounding_of_float64_is_tolerated(spec):
    check_security(with_bootstrap_key(spec, variance=math.nextafter(spec.keyset.bootstrap_keys[0].variance, 0.0)))


@pytest.mark.parametrize(
    ("dimension", "log2_deviation"),
    # Points of Concrete's table of secure noise, from the fitted curve at n = 500, 1024 and 2048, and its floor.
    [(500, -10.172458), (1024, -23.637570), (2048, -49.951071), (4096, -62.0)],
)
def test_curve(dimension, log2_deviation):
    assert minimum_log2_deviation(dimension) == pytest.approx(log2_deviation, abs=1e-6)


def test_keyset_of_concrete_at_its_largest_is_accepted():
    """N = 16384, 271 MB of seeded keys: what Concrete's optimizer asks for at most in practice."""
    from cryptable_client.schemes.scheme import check_keyset
    from cryptable_protocol import BootstrapKeyParameters

    keyset = KeysetParameters(
        (SecretKeyParameters(0, 16384), SecretKeyParameters(1, 1030)),
        (BootstrapKeyParameters(0, 1, 0, 1, 22, 1, 16384, variance_at(-62)),),
        (KeyswitchKeyParameters(0, 0, 1, 7, 2, variance_at(minimum_log2_deviation(1030))),),
    )
    check_keyset(keyset)


@pytest.mark.parametrize("bits", [128, 132])
@pytest.mark.parametrize("what", ["bootstrap key 0", "keyswitch key 0", "input tensor"])
def test_every_noise_is_checked_against_the_curve_that_is_asked_for(spec, bits, what):
    def least(dimension, factor=1.0):
        return 2.0 ** (2 * minimum_log2_deviation(dimension, security_bits=bits)) * factor

    def with_noises(bootstrap=1.0, keyswitch=1.0, tensor=1.0):
        made = with_bootstrap_key(spec, variance=least(1024, bootstrap))
        made = with_keyswitch_key(made, variance=least(480, keyswitch))
        return with_input(made, variance=least(1024, tensor))

    check_security(with_noises(), security_bits=bits)
    name = {"bootstrap key 0": "bootstrap", "keyswitch key 0": "keyswitch", "input tensor": "tensor"}[what]
    with pytest.raises(WeakParametersError, match=rf"{what}: variance .* too low for {bits} bits"):
        check_security(with_noises(**{name: 0.999}), security_bits=bits)


def test_132_bits_ask_for_more_noise_at_every_dimension():
    for dimension in range(450, 2500):
        low, high = (minimum_log2_deviation(dimension, security_bits=bits) for bits in (128, 132))
        assert high > low or low == high == -62


def test_moduli_cannot_differ_because_no_message_names_one():
    from cryptable_protocol.messages import client_spec

    of_residues = {"LevelledParameters", "SquaresParameters", "BulkSpec", "BulkParameters"}
    named = [
        field.name
        for message in client_spec.DESCRIPTOR.message_types_by_name.values()
        for field in message.fields
        if message.name not in of_residues
    ]
    assert "variance" in named
    assert not [name for name in named if "modul" in name]
