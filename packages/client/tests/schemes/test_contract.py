"""What holds of every scheme: one suite over the registry, and over a scheme that only tests know.

The folder of each scheme's tests has an `example.py`: `make_spec()` makes a model whose answer is MATRIX times its
row, `evaluate` computes it without an engine, and OTHER_KEYSET is one that the scheme has besides, or None.
"""

import hashlib
import importlib.util
import io
import os
import stat
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cryptable_client import (
    CorruptedKeyFileError,
    KeyFileError,
    PinChangedError,
    SecretKeys,
    UnknownSchemeError,
    WrongPassphraseError,
    check_security,
    decrypt,
    encrypt,
    spool,
    write_evaluation_keys,
)
from cryptable_client.keys.directory import KeyDirectory
from cryptable_client.schemes import scheme as registry
from cryptable_client.schemes.scheme import check_keyset, client_scheme, read_tensor, scheme_called, scheme_names
from cryptable_client.server.access import Access
from cryptable_client.server.trust import Trust
from cryptable_protocol import CryptableError, InvalidInputError, MalformedMessageError, messages
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PASSPHRASE = "correct horse battery"
HEADER_BYTES = 38
TOY = "toy"


def example_of(name):
    """The `example.py` of a scheme's tests: without one, the scheme is under no contract."""
    path = Path(__file__).with_name(name) / "example.py"
    assert path.is_file(), f"scheme {name!r} has no {path}"
    found = importlib.util.spec_from_file_location(f"example_of_{name}", path)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture
def toy(monkeypatch):
    module = example_of(TOY)
    scheme_names()  # finds the others first
    monkeypatch.setitem(registry._SCHEMES, TOY, module.CLIENT_SCHEME())
    return module


@pytest.fixture(params=[*scheme_names(), TOY])
def example(request):
    return request.getfixturevalue(TOY) if request.param == TOY else example_of(request.param)


@pytest.fixture
def model(example):
    return example.make_spec()


@pytest.fixture
def scheme(model):
    return scheme_called(model.scheme)


@pytest.fixture
def its_keyset(model):
    return model.parameters.keyset


@pytest.fixture
def secret_keys(model):
    with SecretKeys.generate(model) as handle:
        yield handle


def rows_of(example, model, count=20):
    """Rows whose answers are in range."""
    limit = (1 << model.parameters.output_bits) // int(np.abs(example.MATRIX).sum(axis=1).max())
    limit = min(limit, 1 << model.parameters.input_bits)
    return np.random.default_rng(0).integers(0, limit, (count, model.parameters.inputs))


def over_the_wire(spec, tensor):
    """A row or an answer as its receiver has it."""
    data = tensor.to_message().SerializeToString(deterministic=True)
    assert data == tensor.to_bytes()
    return read_tensor(spec, messages.tensor.EncryptedTensor.FromString(data))


def test_the_toy_is_in_no_registry():
    assert TOY not in scheme_names()
    assert "bootstrapped" in scheme_names()


def test_what_is_encrypted_and_mapped_decrypts_to_what_is_mapped(example, model, secret_keys):
    for row in rows_of(example, model):
        answer = example.evaluate(over_the_wire(model, encrypt(model, secret_keys, row)))
        np.testing.assert_array_equal(decrypt(model, secret_keys, over_the_wire(model, answer)), example.MATRIX @ row)


def test_rows_have_the_form_and_size_that_parameters_say(model, secret_keys):
    tensor = encrypt(model, secret_keys, np.zeros(model.parameters.inputs, np.int64))
    data = tensor.to_bytes()
    assert model.parameters.check_input(tensor.to_message()) == data
    assert model.parameters.row_bytes <= len(data) <= model.parameters.row_bytes + 64


def test_no_two_encryptions_are_alike(model, secret_keys):
    row = np.zeros(model.parameters.inputs, np.int64)
    assert len({encrypt(model, secret_keys, row).to_bytes() for _ in range(100)}) == 100


def test_other_keys_of_the_keyset_decrypt_to_something_else_without_an_error(example, model, secret_keys):
    """What a client does afterwards cannot depend on whether an answer was honest."""
    rows = rows_of(example, model)
    answers = [example.evaluate(encrypt(model, secret_keys, row)) for row in rows]
    with SecretKeys.generate(model) as others:
        values = np.array([decrypt(model, others, answer) for answer in answers])
    assert values.shape == (len(rows), model.parameters.outputs)
    assert (values != rows @ example.MATRIX.T).any()
    assert 0 <= values.min() <= values.max() < 1 << (model.parameters.output_bits + 2)


def test_values_that_do_not_fit_are_refused(model, secret_keys):
    inputs, limit = model.parameters.inputs, 1 << model.parameters.input_bits
    zeros = np.zeros(inputs, np.int64)
    for values in (zeros[:-1], np.zeros(inputs + 1, np.int64), zeros.astype(float), zeros - 1, zeros + limit):
        with pytest.raises(InvalidInputError):
            encrypt(model, secret_keys, values)
    encrypt(model, secret_keys, zeros + limit - 1)


def test_answers_of_another_form_are_malformed(example, model, secret_keys):
    answer = example.evaluate(encrypt(model, secret_keys, rows_of(example, model, 1)[0])).to_message()
    fields = [field.name for field, value in answer.ListFields() if isinstance(value, bytes)]
    assert fields
    for name in fields:
        value = getattr(answer, name)
        for other in (b"", value[:-1], value + b"\0", value * 2):
            message = messages.tensor.EncryptedTensor()
            message.CopyFrom(answer)
            setattr(message, name, other)
            with pytest.raises(MalformedMessageError):
                decrypt(model, secret_keys, read_tensor(model, message))
    with pytest.raises(MalformedMessageError):
        read_tensor(model, messages.tensor.EncryptedTensor())


def test_tampered_answers_decrypt_or_are_refused_in_type(example, model, secret_keys):
    answer = example.evaluate(encrypt(model, secret_keys, rows_of(example, model, 1)[0])).to_bytes()

    @settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.integers(0, len(answer) - 1), st.binary(max_size=4), st.integers(0, 4))
    def check(position, replacement, dropped):
        data = answer[:position] + replacement + answer[position + dropped :]
        with suppress(DecodeError, CryptableError):  # no protobuf is refused before a scheme sees it
            message = messages.tensor.EncryptedTensor.FromString(data)
            values = decrypt(model, secret_keys, read_tensor(model, message))
            assert values.shape == (model.parameters.outputs,)

    check()


def test_keys_of_another_keyset_are_refused(example, model, secret_keys):
    if example.OTHER_KEYSET is None:
        pytest.skip("the scheme has one keyset")
    row = np.zeros(model.parameters.inputs, np.int64)
    answer = encrypt(model, secret_keys, row)
    with SecretKeys.generate(example.OTHER_KEYSET) as others:
        with pytest.raises(InvalidInputError, match="generate keys for this model"):
            encrypt(model, others, row)
        with pytest.raises(InvalidInputError, match="generate keys for this model"):
            decrypt(model, others, answer)


def test_keys_of_another_scheme_are_refused(model, toy, spec):
    other = spec if model.scheme == TOY else toy.make_spec()
    with SecretKeys.generate(other) as others, pytest.raises(InvalidInputError, match="generate keys"):
        encrypt(model, others, np.zeros(model.parameters.inputs, np.int64))


def test_closed_keys_are_overwritten(model, its_keyset, scheme):
    secret_keys = SecretKeys.generate(model)
    material = secret_keys._key_material()
    before = scheme.pack(its_keyset, material).tobytes()
    secret_keys.close()
    assert scheme.pack(its_keyset, material).tobytes() != before
    with pytest.raises(InvalidInputError, match="closed"):
        encrypt(model, secret_keys, np.zeros(model.parameters.inputs, np.int64))


def test_security_is_checked_in_bits(model, its_keyset):
    check_security(model)
    check_keyset(its_keyset)
    for check, parameters in ((check_security, model), (check_keyset, its_keyset)):
        with pytest.raises(InvalidInputError, match="security_bits is 100"):
            check(parameters, security_bits=100)


def test_keysets_and_keys_have_one_form(its_keyset, scheme, secret_keys):
    data = scheme.keyset_to_bytes(its_keyset)
    assert scheme.keyset_from_bytes(data) == its_keyset
    packed = scheme.pack(its_keyset, secret_keys._key_material()).tobytes()
    assert scheme.pack(its_keyset, scheme.unpack(its_keyset, packed)).tobytes() == packed
    for read, good in (
        (scheme.keyset_from_bytes, data),
        (lambda data: scheme.unpack(its_keyset, data), packed),
    ):
        for bad in (good[:-1], good + b"\0"):
            with pytest.raises(MalformedMessageError):
                read(bad)


def made(secret_keys, **options):
    file = io.BytesIO()
    return write_evaluation_keys(secret_keys, file, **options), file.getvalue()


def test_evaluation_keys(model, its_keyset, scheme, secret_keys):
    """As long as the keyset says, new each time, told from those of others, and known to be whole."""
    header, data = made(secret_keys)
    assert (header.size, header.keyset_name) == (its_keyset.evaluation_keys_bytes, its_keyset.name)
    assert header.sha256 == hashlib.sha256(data).digest()
    again = made(secret_keys, threads=1)[1]
    assert len(again) == len(data)
    assert again[:16] != data[:16]
    middle = len(data) // 2
    damaged = data[:middle] + os.urandom(4096) + data[middle + 4096 :]

    def answers(material, data):
        return (
            scheme.owns(its_keyset, material, io.BytesIO(data)),
            scheme.intact(its_keyset, material, io.BytesIO(data), threads=2),
        )

    material = secret_keys._key_material()
    assert answers(material, data) == answers(material, again) == (True, True)
    assert answers(material, damaged)[1] is False
    with SecretKeys.generate(model) as others:
        assert answers(others._key_material(), data) == (False, False)
    with spool(secret_keys) as spooled:
        assert spooled.header.size == len(data)


def test_key_files(model, its_keyset, secret_keys, tmp_path):
    """Version 1 is the bootstrapped scheme's, byte for byte as ever; the others' say whose they are."""
    path = tmp_path / "keys"
    secret_keys.save(path, passphrase=PASSPHRASE)
    data = path.read_bytes()
    if model.scheme == "bootstrapped":
        assert data[16] == 1
    else:
        assert data[16] == 2
        name = model.scheme.encode()
        assert data[HEADER_BYTES:].startswith(bytes([len(name)]) + name)
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    row = np.zeros(model.parameters.inputs, np.int64)
    with SecretKeys.load(path, passphrase=PASSPHRASE) as loaded:
        assert loaded.keyset == its_keyset
        scheme = scheme_called(model.scheme)
        packed = [scheme.pack(its_keyset, keys._key_material()).tobytes() for keys in (loaded, secret_keys)]
        assert packed[0] == packed[1]
        encrypt(model, loaded, row)
    with pytest.raises(WrongPassphraseError):
        SecretKeys.load(path, passphrase="another passphrase")


def resealed(body):
    return body + hashlib.sha256(body).digest()


def with_name(data, name):
    """A key file of the toy's with another name of its scheme."""
    return resealed(data[:HEADER_BYTES] + bytes([len(name)]) + name + data[HEADER_BYTES + 1 + len(TOY) : -32])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda data: with_name(data, b"circles"), KeyFileError, "knows no scheme 'circles': upgrade cryptable-client"),
        (lambda data: with_name(data, b"bootstrapped"), CorruptedKeyFileError, "in format version 1"),
        (lambda data: with_name(data, b""), CorruptedKeyFileError, "names no scheme"),
        (lambda data: with_name(data, b"Toy"), CorruptedKeyFileError, "names no scheme"),
        (lambda data: with_name(data, b"to.y"), CorruptedKeyFileError, "names no scheme"),
        (lambda data: with_name(data, b"../toy"), CorruptedKeyFileError, "names no scheme"),
        (lambda data: with_name(data, b"t" * 33), CorruptedKeyFileError, "names no scheme"),
        (lambda data: resealed(data[:HEADER_BYTES]), CorruptedKeyFileError, "names no scheme"),
        (lambda data: resealed(data[: HEADER_BYTES + 3]), CorruptedKeyFileError, "names no scheme"),
        (lambda data: resealed(data[: HEADER_BYTES + 4]), CorruptedKeyFileError, "inside its parameters"),
        (lambda data: resealed(data[:16] + b"\1" + data[17:-32]), CorruptedKeyFileError, "keyset"),
        (lambda data: resealed(data[:16] + b"\3" + data[17:-32]), KeyFileError, "version 3"),
        (lambda data: resealed(data[:34] + b"\2" + data[35:-32]), CorruptedKeyFileError, "toy keyset of 2 bytes"),
    ],
)
def test_key_files_that_must_be_refused(toy, tmp_path, change, error, message):
    path = tmp_path / "keys"
    with SecretKeys.generate(toy.make_spec()) as secret_keys:
        secret_keys.save(path, passphrase=PASSPHRASE)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(error, match=message) as caught:
        SecretKeys.load(path, passphrase=PASSPHRASE)
    assert type(caught.value) is error


def test_the_name_of_the_scheme_is_authenticated(toy, tmp_path, monkeypatch):
    monkeypatch.setitem(registry._SCHEMES, "toys", toy.CLIENT_SCHEME())
    path = tmp_path / "keys"
    with SecretKeys.generate(toy.make_spec()) as secret_keys:
        secret_keys.save(path, passphrase=PASSPHRASE)
    path.write_bytes(with_name(path.read_bytes(), b"toys"))
    with pytest.raises(WrongPassphraseError):
        SecretKeys.load(path, passphrase=PASSPHRASE)


def test_key_directories_keep_schemes_apart(toy, spec, tmp_path):
    directory, model = KeyDirectory(tmp_path), toy.make_spec()
    for each in (spec, model):
        directory.create(each, passphrase=PASSPHRASE).close()
    assert {entry.keyset.scheme for entry in directory.entries()} == {"bootstrapped", TOY}
    for each in (spec, model):
        name = directory.find(each.parameters.keyset).name
        directory.rotate(name, passphrase=PASSPHRASE)
        with directory.load(name, passphrase=PASSPHRASE) as secret_keys:
            encrypt(each, secret_keys, np.zeros(each.parameters.inputs, np.int64))


def test_another_scheme_is_a_change_of_the_pin(toy, spec, tmp_path):
    """Of a pin of before there were several, too: it names none."""
    response, access = messages.inference.GetModelResponse(), Access("example.org:1")
    model = replace(toy.make_spec(), model_name=spec.model_name)
    rule = Trust(tmp_path)
    rule.check(access, spec, response)
    (path,) = tmp_path.iterdir()
    text = path.read_text()
    assert ' "scheme": "bootstrapped",\n' in text
    for pin in (text, text.replace(' "scheme": "bootstrapped",\n', "")):
        path.write_text(pin)
        rule.check(access, spec, response)
        with pytest.raises(PinChangedError, match="scheme was bootstrapped, is toy"):
            rule.check(access, model, response)
    Trust(tmp_path, accept_changes=True).check(access, model, response)
    rule.check(access, model, response)
    with pytest.raises(PinChangedError, match="scheme was toy, is bootstrapped"):
        rule.check(access, spec, response)


def test_a_scheme_that_this_client_does_not_know():
    stranger = example_of(TOY).make_spec()
    message = "this client knows no scheme 'toy': upgrade cryptable-client"
    for act in (check_security, SecretKeys.generate, lambda spec: SecretKeys.generate(spec.parameters.keyset)):
        with pytest.raises(UnknownSchemeError, match=message):
            act(stranger)


def test_two_schemes_of_one_name_are_refused():
    scheme_names()
    with pytest.raises(ValueError, match="two client schemes 'bootstrapped'"):

        @client_scheme
        class Second:
            scheme = "bootstrapped"
