"""What one side makes, the other understands: keys and ciphertexts cross between our client and Concrete's."""

import io

import numpy as np
import pytest
from cryptable_client import SecretKeys, check_security, decrypt, encrypt, write_evaluation_keys
from cryptable_engine import Evaluator, compile_circuit, interpret
from cryptable_protocol import CompileOptions

pytestmark = [pytest.mark.encrypted, pytest.mark.xdist_group("keys of Concrete's making")]

NAMES = [
    "linear",
    "one table of 2 bits",
    "3 tables of 3 bits",
    "20 tables of 4 bits, summed",
    "table of 6 bits",
    "chain",
    "one level, 20 tables of 4 bits, summed",
    "one level, 3 tables of 2 bits",
    "one level, 2 tables of 5 bits",
]


@pytest.mark.parametrize("name", NAMES)
def test_our_keys_and_ciphertexts_are_evaluated_and_both_clients_decrypt(oracle, rows, name):
    """Our evaluation keys bootstrap; both clients decrypt the interpreter's result."""
    case = oracle(name)
    check_security(case.spec)
    evaluator, inputs = Evaluator(case.program), rows(case.circuit, 3)
    with SecretKeys.generate(case.spec) as secret_keys:
        keys = None
        if case.program.keyset.evaluation_keys_bytes:
            file = io.BytesIO()
            write_evaluation_keys(secret_keys, file)
            keys = evaluator.load_keys(file.getvalue())
        concretes_keys = case.concrete_keys_of(secret_keys)
        for row, expected in zip(inputs, interpret(case.circuit, inputs), strict=True):
            result = evaluator.evaluate(encrypt(case.spec, secret_keys, row), keys)
            np.testing.assert_array_equal(decrypt(case.spec, secret_keys, result), expected)
            np.testing.assert_array_equal(case.concrete_decrypts(concretes_keys, result, echo=False), expected)


@pytest.mark.parametrize("name", ["20 tables of 4 bits, summed", "one level, 20 tables of 4 bits, summed"])
def test_every_engine_gives_the_interpreters_result(oracle, rows, name, monkeypatch, tmp_path):
    """Of one row and one client's keys: the kernel by two paths, NumPy, Concrete's functions, Concrete's program.

    And the kernel with what we compile for the same clients, without Concrete.
    """
    case, known = oracle(name), None
    engines = {path: {"CRYPTABLE_KERNEL": path} for path in ("auto", "off", "base")}
    engines["functions"] = {"CRYPTABLE_LOOKUPS": "concrete"}
    if case.program.is_native:
        engines["program"] = engines["known"] = {}
        promised = case.program.parameters
        known = compile_circuit(case.circuit, CompileOptions(promised.p_error), tmp_path / "known", promised=promised)
        assert known.price == pytest.approx(case.program.price, rel=1e-2)
    row = rows(case.circuit, 1)
    (expected,) = interpret(case.circuit, row)
    with SecretKeys.generate(case.spec) as secret_keys:
        file = io.BytesIO()
        write_evaluation_keys(secret_keys, file)
        encrypted = encrypt(case.spec, secret_keys, row[0])
        for engine, variables in engines.items():
            for variable in ("CRYPTABLE_KERNEL", "CRYPTABLE_LOOKUPS"):
                monkeypatch.setenv(variable, variables.get(variable, ""))
            program = known if engine == "known" else case.program
            evaluator = Evaluator(program, native=engine == "program")
            result = evaluator.evaluate(encrypted, evaluator.load_keys(file.getvalue()))
            np.testing.assert_array_equal(decrypt(case.spec, secret_keys, result), expected, err_msg=engine)


@pytest.mark.parametrize("name", NAMES)
def test_each_client_decrypts_the_others_ciphertexts(oracle, name):
    """With our secret keys in Concrete's client: any integers of the input's width."""
    case = oracle(name)
    tensor_type = case.program.input
    rng = np.random.default_rng(4)
    with SecretKeys.generate(case.echo_spec) as secret_keys:
        keys = case.concrete_keys_of(secret_keys)
        for _ in range(10):
            values = rng.integers(0, 1 << tensor_type.width, tensor_type.size)
            theirs = case.concrete_encrypts(keys, values)
            np.testing.assert_array_equal(decrypt(case.echo_spec, secret_keys, theirs), values)
            ours = encrypt(case.echo_spec, secret_keys, values)
            np.testing.assert_array_equal(case.concrete_decrypts(keys, ours, echo=True), values)


def test_a_thousand_random_encryptions_each_way(oracle):
    """At the specified noise, none of them decrypts to something else: p_error is 2^-40."""
    case = oracle("20 tables of 4 bits, summed")
    kind, rng = case.program.input, np.random.default_rng()
    with SecretKeys.generate(case.echo_spec) as secret_keys:
        keys = case.concrete_keys_of(secret_keys)
        for values in rng.integers(0, 1 << kind.width, (-(-1000 // kind.size), kind.size)):
            ours = encrypt(case.echo_spec, secret_keys, values)
            np.testing.assert_array_equal(decrypt(case.echo_spec, secret_keys, ours), values)
            np.testing.assert_array_equal(case.concrete_decrypts(keys, ours, echo=True), values)
            theirs = case.concrete_encrypts(keys, values)
            np.testing.assert_array_equal(decrypt(case.echo_spec, secret_keys, theirs), values)


@pytest.mark.parametrize("name", ["one table of 2 bits", "chain", "one level, 20 tables of 4 bits, summed"])
def test_our_ciphertexts_under_concretes_own_keys(oracle, rows, name):
    """Concrete makes secret and evaluation keys; we encrypt and decrypt with them."""
    case = oracle(name)
    keys = case.kept_concrete_keys
    evaluator, inputs = Evaluator(case.program), rows(case.circuit, 2)
    evaluation_keys = b"".join(data for kind in case.evaluation_keys(keys) for _, data in kind)
    loaded = evaluator.load_keys(evaluation_keys)
    with case.our_keys_of(keys) as secret_keys:
        for row, expected in zip(inputs, interpret(case.circuit, inputs), strict=True):
            result = evaluator.evaluate(encrypt(case.spec, secret_keys, row), loaded)
            np.testing.assert_array_equal(decrypt(case.spec, secret_keys, result), expected)
