"""Signatures, and what is pinned at a model's first use."""

import hashlib
import json
import os
from dataclasses import replace
from threading import Barrier, Thread

import pytest
from cryptable_client import PinChangedError, SignatureError, TrustError, WeakParametersError, connect, fetch_spec
from cryptable_client.schemes.bootstrapped.security import minimum_log2_deviation
from cryptable_client.server import trust
from cryptable_client.server.access import Access
from cryptable_protocol import AffineEncoder, InvalidInputError, ModelSignature, messages
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEY, OTHER_KEY = (Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in (1, 2))
SIGNER = KEY.public_key().public_bytes_raw().hex()
ARTIFACT = hashlib.sha256(b"an artifact").digest()


def sign(echo, key=KEY, **changes):
    made = ModelSignature.sign(key, client_spec=echo.spec.digest, artifact=ARTIFACT).to_message()
    for name, value in changes.items():
        setattr(made, name, value)
    echo.signature, echo.artifact_digest = made, ARTIFACT


@pytest.fixture
def fetch(echo, tmp_path):
    def fetch(**options):
        return fetch_spec(echo.address, model="echo", insecure=True, **{"pins": tmp_path / "pins", **options})

    return fetch


def with_keyset(spec, **changes):
    return replace(spec, parameters=replace(spec.parameters, keyset=replace(spec.keyset, **changes)))


def test_a_retrained_model_under_the_same_signer_is_fine(echo, spec, fetch):
    sign(echo)
    fetch()
    features = (*spec.features[:-1], AffineEncoder("dose", lower=7.0, step=0.25, levels=16))
    echo.spec = replace(spec, features=features, decoder=replace(spec.decoder, step=2.0))
    sign(echo)
    assert fetch() == echo.spec


@pytest.mark.parametrize("signed", [True, False])
def test_changed_parameters_are_not(echo, spec, fetch, tmp_path, signed):
    if signed:
        sign(echo)
    fetch()
    echo.spec = replace(
        spec, parameters=replace(spec.parameters, input=replace(spec.input, variance=spec.input.variance * 4))
    )
    if signed:
        sign(echo)
    with pytest.raises(PinChangedError, match=r"input variance was .*, is .*--accept-changes"):
        fetch()
    (pin,) = (tmp_path / "pins").iterdir()
    assert json.loads(pin.read_text())["input variance"] == spec.input.variance
    fetch(accept_changes=True)
    fetch()
    assert json.loads(pin.read_text())["input variance"] == 4 * spec.input.variance
    assert echo.calls.count("GetModel") == 4


@pytest.mark.parametrize("change", ["keyset", "p_error", "output key", "output width", "noisy bits"])
def test_each_pinned_field_counts(echo, spec, fetch, change):
    fetch()
    match change:
        case "keyset":
            bootstrap_key = replace(spec.keyset.bootstrap_keys[0], base_log=11)
            echo.spec = with_keyset(spec, bootstrap_keys=(bootstrap_key,))
        case "p_error":
            echo.spec = replace(spec, parameters=replace(spec.parameters, p_error=2.0**-50))
        case "output width":
            echo.spec = replace(spec, parameters=replace(spec.parameters, output=replace(spec.output, width=9)))
        case "noisy bits":
            echo.spec = replace(spec, decoder=replace(spec.decoder, further_bits=2))
        case _:
            echo.spec = replace(spec, parameters=replace(spec.parameters, output=replace(spec.output, key=1)))
    with pytest.raises(PinChangedError, match=f"{change} was"):
        fetch()


def test_facts_that_an_old_pin_lacks_are_added_and_then_hold(echo, spec, fetch, tmp_path):
    """Pins of before widths were pinned stay valid; what was in them still counts."""
    fetch()
    (path,) = (tmp_path / "pins").iterdir()
    now = json.loads(path.read_text())
    old = {name: value for name, value in now.items() if name not in ("scheme", "output width", "noisy bits")}
    assert len(old) == len(now) - 3
    path.write_text(json.dumps(old))
    wider = replace(spec, parameters=replace(spec.parameters, output=replace(spec.output, width=9)))
    echo.spec = replace(wider, parameters=replace(wider.parameters, p_error=2.0**-50))
    with pytest.raises(PinChangedError, match="p_error was"):
        fetch()
    assert json.loads(path.read_text()) == old
    echo.spec = spec
    fetch()
    assert json.loads(path.read_text()) == now
    echo.spec = wider
    with pytest.raises(PinChangedError, match="output width was 5, is 9"):
        fetch()


@pytest.mark.parametrize("key", [OTHER_KEY, None])
def test_another_signer_is_not(echo, fetch, key):
    sign(echo)
    fetch()
    if key is None:
        echo.signature = None
    else:
        sign(echo, key)
    with pytest.raises(PinChangedError, match=f"signer was {SIGNER}"):
        fetch()


def test_the_signer_that_the_caller_names(echo, fetch):
    with pytest.raises(SignatureError, match="signed by nobody"):
        fetch(signer=SIGNER)
    sign(echo)
    fetch(signer=SIGNER.upper())
    sign(echo, OTHER_KEY)
    with pytest.raises(SignatureError, match=r"signed by key .*expected key"):
        fetch(signer=SIGNER, pins=False)


@pytest.mark.parametrize(
    "changes", [{"signature": bytes(64)}, {"signature": b"short"}, {"public_key": bytes(31)}, {"public_key": bytes(32)}]
)
def test_wrong_signatures_are_refused_even_without_pins(echo, fetch, changes):
    sign(echo, **changes)
    with pytest.raises(SignatureError, match="do not use it"):
        fetch(pins=False)


def test_a_signature_of_another_spec_or_artifact_is_wrong(echo, spec, fetch):
    sign(echo)
    echo.artifact_digest = bytes(32)
    with pytest.raises(SignatureError):
        fetch()
    sign(echo)
    echo.spec = replace(spec, decoder=replace(spec.decoder, step=2.0))
    with pytest.raises(SignatureError):
        fetch()


def test_nothing_is_made_or_sent_for_a_changed_model(echo, spec, fetch, tmp_path):
    fetch()
    echo.spec = replace(spec, parameters=replace(spec.parameters, p_error=2.0**-50))
    echo.calls.clear()
    with pytest.raises(PinChangedError):
        connect(echo.address, model="echo", insecure=True, pins=tmp_path / "pins")
    assert echo.calls == ["GetModel"]


def test_insecure_parameters_are_never_pinned(echo, spec, fetch, tmp_path):
    echo.spec = replace(spec, parameters=replace(spec.parameters, input=replace(spec.input, variance=1e-30)))
    with pytest.raises(WeakParametersError):
        fetch(accept_changes=True)
    assert not (tmp_path / "pins").exists()


def test_132_bits_on_request(echo, spec, fetch):
    fetch()
    with pytest.raises(WeakParametersError, match=r"too low for 132 bits.* on the curve of 128 bits, so ask for 128"):
        fetch(security_bits=132)

    def variance(dimension):
        return 2.0 ** (2 * minimum_log2_deviation(dimension, security_bits=132))

    keyset = replace(
        spec.keyset,
        bootstrap_keys=(replace(spec.keyset.bootstrap_keys[0], variance=variance(1024)),),
        keyswitch_keys=(replace(spec.keyset.keyswitch_keys[0], variance=variance(480)),),
    )
    echo.spec = replace(
        spec, parameters=replace(spec.parameters, keyset=keyset, input=replace(spec.input, variance=variance(1024)))
    )
    fetch(security_bits=132, pins=False)
    with connect(echo.address, model="echo", insecure=True, security_bits=132) as remote:
        remote.predict([[22.0, 3.0]])
    with pytest.raises(InvalidInputError, match="security_bits is 100, expected one of 128, 132"):
        fetch(security_bits=100)


def test_models_and_servers_have_pins_of_their_own(spec, tmp_path):
    response = messages.inference.GetModelResponse()
    rule = trust.Trust(tmp_path)
    other = replace(spec, parameters=replace(spec.parameters, p_error=2.0**-50))
    rule.check(Access("one.example:1"), spec, response)
    rule.check(Access("one.example:2"), other, response)
    rule.check(Access("one.example:1"), replace(other, model_name="another"), response)
    rule.check(Access("ONE.example:1"), spec, response)
    assert len(list(tmp_path.iterdir())) == 3
    with pytest.raises(PinChangedError):
        rule.check(Access("one.example:1"), other, response)


def test_a_pin_that_is_no_file(echo, fetch, tmp_path):
    fetch()
    (pin,) = (tmp_path / "pins").iterdir()
    pin.unlink()
    pin.mkdir()
    with pytest.raises(TrustError, match="holds something else"):
        fetch()
    if hasattr(os, "mkfifo"):
        pin.rmdir()
        os.mkfifo(pin)
        with pytest.raises(TrustError, match="holds something else"):
            fetch()


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b"[" * 5000, b'{"format": 2}', b"x" * 70_000])
def test_a_damaged_pin_is_not_taken_for_none(echo, fetch, tmp_path, content):
    fetch()
    (pin,) = (tmp_path / "pins").iterdir()
    pin.write_bytes(content)
    with pytest.raises(TrustError, match="holds something else"):
        fetch()
    fetch(accept_changes=True)
    fetch()


def test_where_pins_are_by_default(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("APPDATA", str(tmp_path))
    assert trust.default_pins(Access("model.example.org:50051")) == tmp_path / "cryptable" / "pins"
    assert trust.default_pins(Access("127.0.0.1:50051")) is None


def test_first_uses_at_once_agree_on_one_pin(spec, tmp_path):
    specs = [replace(spec, parameters=replace(spec.parameters, p_error=2.0 ** -(40 + number))) for number in range(8)]
    response, outcomes, barrier = messages.inference.GetModelResponse(), [], Barrier(len(specs))

    def use(each):
        barrier.wait()
        try:
            trust.Trust(tmp_path).check(Access("one.example:1"), each, response)
            outcomes.append("trusted")
        except PinChangedError:
            outcomes.append("changed")

    threads = [Thread(target=use, args=(each,)) for each in specs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["changed"] * 7 + ["trusted"]
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("signer", ["", "00", "zz" * 32, SIGNER + "00"])
def test_signers_that_are_no_keys(fetch, signer):
    with pytest.raises(InvalidInputError, match="64 hexadecimal digits"):
        fetch(signer=signer)
