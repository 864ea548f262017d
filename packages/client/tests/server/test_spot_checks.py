"""Spot checks: what a server sees of them, when the verdict is given, and what it does to keys."""

import asyncio
import gc
import hashlib
import warnings

import grpc
import numpy as np
import pytest
from cryptable_client import (
    KeysRetiredError,
    SecretKeys,
    SignatureError,
    SpotChecks,
    UnavailableError,
    WrongAnswersError,
    aio,
    connect,
    decrypt,
    encrypt,
)
from cryptable_client.__main__ import main
from cryptable_client.errors import KeyFileError
from cryptable_client.keys import key_file
from cryptable_client.keys.directory import KeyDirectory
from cryptable_protocol import InvalidInputError, ModelSignature, encode_rows
from cryptable_protocol.model.known_answers import KnownAnswers
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEY, OTHER_KEY = (Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in (1, 2))
ARTIFACT = hashlib.sha256(b"an artifact").digest()
PASSPHRASE = "correct horse"
ROWS = [[22.0, 3.0], [30.0, 15.5], [0.0, -4.0], [21.0, 2.0], [23.0, 0.5]]


def known_answers(spec, rows, *, wrong_by=0):
    encoded = encode_rows(spec.features, rows)
    return KnownAnswers("m", spec.digest.hex(), ARTIFACT.hex(), encoded, encoded + wrong_by, 0)


@pytest.fixture
def signed(echo, spec_without_lookups, tmp_path):
    """An echo of a signed model without evaluation keys, and a file of checks for it."""
    echo.spec = spec_without_lookups
    signature = ModelSignature.sign(KEY, client_spec=echo.spec.digest, artifact=ARTIFACT)
    echo.signature, echo.artifact_digest = signature.to_message(), ARTIFACT
    echo.checks = tmp_path / "checks"
    echo.checks.write_bytes(known_answers(echo.spec, [[age, 1.0] for age in range(20, 26)]).signed_bytes(KEY))
    echo.wrong_checks = tmp_path / "wrong"
    wrong = known_answers(echo.spec, [[age, 1.0] for age in range(20, 26)], wrong_by=1)
    echo.wrong_checks.write_bytes(wrong.signed_bytes(KEY))
    return echo


def open_echo(echo, path=None, *, share=0.5, **options):
    checks = SpotChecks.load(path or echo.checks, share=share)
    return connect(echo.address, model="echo", insecure=True, timeout=20, spot_checks=checks, **options)


def test_right_answers_pass_and_no_row_is_changed(signed):
    with open_echo(signed) as remote:
        for rows in (ROWS, ROWS[:1], np.empty((0, 2))):
            np.testing.assert_array_equal(remote.predict(rows), encode_rows(remote.spec.features, rows))
        assert remote.spot_checks_answered == 6
        assert remote.traffic["rows"] == 12
    assert remote.secret_keys.closed


def test_a_row_and_its_check_come_alike(signed):
    """One stream even for a lone row, messages of one size, and no seed twice."""
    with open_echo(signed, share=0.3) as remote:
        remote.predict(ROWS[:1])
        remote.predict(ROWS)
    assert signed.calls.count("Infer") == 2
    assert "InferRow" not in signed.calls
    assert len(signed.rows) == 1 + 1 + 5 + 3
    assert len({(len(seed), len(bodies)) for seed, bodies in signed.rows}) == 1
    assert len(set(signed.seeds)) == len(signed.seeds)


def test_what_is_called_does_not_depend_on_the_verdict(echo, signed, spec):
    """Evaluation keys among it, which are deleted before anybody is told."""
    calls = []
    for wrong in (False, True):
        echo.spec = spec
        echo.signature = ModelSignature.sign(KEY, client_spec=spec.digest, artifact=ARTIFACT).to_message()
        path = echo.checks.with_name(f"of-{wrong}")
        path.write_bytes(known_answers(spec, ROWS[:2], wrong_by=int(wrong)).signed_bytes(KEY))
        echo.calls.clear()
        remote = open_echo(echo, path)
        remote.predict(ROWS)
        remote.predict(ROWS[:2])
        if wrong:
            with pytest.raises(WrongAnswersError, match="use none of its answers"):
                remote.close()
        else:
            remote.close()
        calls.append(list(echo.calls))
    assert calls[0] == calls[1]
    assert calls[0][-3:] == ["Infer", "Infer", "DeleteEvaluationKeys"]


def test_the_verdict_comes_after_the_last_send_and_says_one_bit(signed):
    told = []
    for rows in (ROWS, ROWS[:2]):
        remote = open_echo(signed, signed.wrong_checks)
        for _ in range(3):
            remote.predict(rows)
        with pytest.raises(WrongAnswersError) as caught:
            remote.close()
        told.append(str(caught.value))
        assert remote.secret_keys.retired
        remote.close()  # once
        with pytest.raises(InvalidInputError, match="closed"):
            remote.predict(ROWS)
    assert told[0] == told[1]


def test_another_error_does_not_hide_the_verdict(signed):
    def use():
        with open_echo(signed, signed.wrong_checks) as remote:
            remote.predict(ROWS)
            raise KeyboardInterrupt

    with pytest.raises(WrongAnswersError) as caught:
        use()
    assert isinstance(caught.value.__context__, KeyboardInterrupt)


def test_a_call_that_fails_gives_no_answers_and_counts_for_nothing(signed):
    with open_echo(signed, signed.wrong_checks) as remote:
        signed.failures = {"Infer": [(grpc.StatusCode.UNAVAILABLE, "stopping")]}
        with pytest.raises(UnavailableError):
            remote.predict(ROWS)
        assert remote.spot_checks_answered == 0
    assert not remote.secret_keys.retired


def test_rows_that_are_sent_again_are_checks_still(signed):
    signed.break_rows_at = [7, 1]
    with open_echo(signed) as remote:
        np.testing.assert_array_equal(remote.predict(ROWS), encode_rows(remote.spec.features, ROWS))
        assert remote.spot_checks_answered == 5
    signed.break_rows_at = [9]  # one row is left: a lone one, whether a check or not
    with pytest.raises(WrongAnswersError), open_echo(signed, signed.wrong_checks) as remote:
        remote.predict(ROWS)
    assert signed.calls.count("InferRow") == 1


def test_kept_keys_are_retired_in_their_file(signed, tmp_path):
    """Before anybody is told, for other processes that have them loaded too, and for good; they decrypt on."""
    path = tmp_path / "my.keys"
    with SecretKeys.generate(signed.spec) as keys:
        keys.save(path, insecure_plaintext=True)
    other = SecretKeys.load(path, insecure_plaintext=True)
    row = encode_rows(signed.spec.features, ROWS)[0]
    tensor = encrypt(signed.spec, other, row)
    with connect(signed.address, model="echo", insecure=True, secret_keys=other) as unchecked:
        unchecked.predict(ROWS)
        with (
            SecretKeys.load(path, insecure_plaintext=True) as keys,
            pytest.raises(WrongAnswersError),
            open_echo(signed, signed.wrong_checks, secret_keys=keys) as remote,
        ):
            remote.predict(ROWS)
        with pytest.raises(KeysRetiredError, match="keys rotate"):
            unchecked.predict(ROWS)
    with pytest.raises(KeysRetiredError, match="are retired"):
        SecretKeys.load(path, insecure_plaintext=True)
    with SecretKeys.load(path, insecure_plaintext=True, allow_expired=True) as keys:
        assert keys.retired
        np.testing.assert_array_equal(
            decrypt(signed.spec, keys, type(tensor).from_message(signed.evaluate(tensor.to_message()))), row
        )
        with pytest.raises(KeysRetiredError):
            encrypt(signed.spec, keys, row)
        keys.save(tmp_path / "copy", insecure_plaintext=True)
    with pytest.raises(KeysRetiredError):
        SecretKeys.load(tmp_path / "copy", insecure_plaintext=True)
    assert not list(tmp_path.glob("*.marking"))


def test_a_secret_gives_one_verdict_in_its_life(signed, tmp_path):
    path = tmp_path / "my.keys"
    keys = SecretKeys.generate(signed.spec)
    keys.save(path, insecure_plaintext=True)
    loaded_before = SecretKeys.load(path, insecure_plaintext=True)
    with open_echo(signed, secret_keys=keys) as remote:
        remote.predict(ROWS)
        remote.predict(ROWS)
    for again in (keys, loaded_before, SecretKeys.load(path, insecure_plaintext=True)):
        with (
            open_echo(signed, secret_keys=again) as remote,
            pytest.raises(InvalidInputError, match="one verdict in its life"),
        ):
            remote.predict(ROWS)
        with connect(signed.address, model="echo", insecure=True, secret_keys=again) as remote:
            remote.predict(ROWS)


def test_files_of_other_keys_are_not_marked(signed, tmp_path):
    path = tmp_path / "my.keys"
    keys, new = SecretKeys.generate(signed.spec), SecretKeys.generate(signed.spec)
    keys.save(path, insecure_plaintext=True)
    keys.save(tmp_path / "gone", insecure_plaintext=True)
    remote = open_echo(signed, signed.wrong_checks, secret_keys=keys)
    remote.predict(ROWS)
    new.save(path, insecure_plaintext=True, overwrite=True)
    (tmp_path / "gone").unlink()
    with pytest.raises(WrongAnswersError):
        remote.close()
    SecretKeys.load(path, insecure_plaintext=True).close()


def test_a_file_that_cannot_be_marked_is_told_of(signed, tmp_path):
    path = tmp_path / "my.keys"
    keys = SecretKeys.generate(signed.spec)
    keys.save(path, insecure_plaintext=True)
    claim = tmp_path / "my.keys.marking"
    remote = open_echo(signed, signed.wrong_checks, secret_keys=keys)
    remote.predict(ROWS)
    claim.touch()
    with pytest.raises(WrongAnswersError, match=r"could not be marked as retired: delete it .*my\.keys"):
        remote.close()
    assert keys.retired
    fresh = SecretKeys.generate(signed.spec)
    fresh.save(tmp_path / "other", insecure_plaintext=True)
    (tmp_path / "other.marking").touch()
    with open_echo(signed, secret_keys=fresh) as remote, pytest.raises(KeyFileError, match="delete"):
        remote.predict(ROWS)


def test_older_readers_refuse_marked_files(signed, tmp_path):
    """The mark stands in the version, which they compare with those that they know."""
    with SecretKeys.generate(signed.spec) as keys:
        keys.save(tmp_path / "keys", passphrase=PASSPHRASE)
        before = (tmp_path / "keys").read_bytes()
        keys._retire()
    after = (tmp_path / "keys").read_bytes()
    at = len(key_file.MAGIC)
    assert (before[at], after[at]) == (1, 0x81)
    assert before[:at] + before[at + 1 : -32] == after[:at] + after[at + 1 : -32]
    with SecretKeys.load(tmp_path / "keys", passphrase=PASSPHRASE, allow_expired=True) as keys:
        assert keys.retired


@pytest.mark.parametrize("wrong", [False, True])
def test_the_command(signed, tmp_path, capsys, wrong):
    folder = tmp_path / "keys"
    KeyDirectory(folder).create(signed.spec, name="mine", insecure_plaintext=True).close()
    (tmp_path / "in.csv").write_text("age,dose\n22,3\n30,15.5\n")
    command = ["predict", "--address", signed.address, "--insecure", "--model", "echo", "--input"]
    command += [
        str(tmp_path / "in.csv"),
        "--output",
        str(tmp_path / "out.csv"),
        "--key-directory",
        str(folder),
        "--insecure-plaintext",
    ]
    checks = signed.wrong_checks if wrong else signed.checks
    assert main([*command, "--check-share", "0.5"]) == 3
    capsys.readouterr()
    assert main([*command, "--spot-checks", str(checks), "--check-share", "0.5"]) == (7 if wrong else 0)
    assert (tmp_path / "out.csv").exists() != wrong
    assert ("use none of its answers" in capsys.readouterr().err) == wrong
    main(["keys", "list", "--key-directory", str(folder)])
    assert ("RETIRED" in capsys.readouterr().out) == wrong
    assert main(command) == (3 if wrong else 0)  # a folder gives retired keys to nobody


def test_asyncio(signed):
    async def use(path):
        checks = SpotChecks.load(path, share=0.5)
        async with await aio.connect(signed.address, model="echo", insecure=True, spot_checks=checks) as remote:
            await asyncio.gather(*(remote.predict(ROWS) for _ in range(3)))
            assert remote.spot_checks_answered == 15

    asyncio.run(use(signed.checks))
    with pytest.raises(WrongAnswersError):
        asyncio.run(use(signed.wrong_checks))


def test_a_connection_that_is_never_closed_says_so(signed):
    remote = open_echo(signed)
    remote.predict(ROWS)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        checks = remote.__dict__.pop("_checks")
        del checks
        gc.collect()
    assert [str(each.message) for each in caught if "no verdict" in str(each.message)]
    remote._checks = None
    remote.close()


def test_whose_checks_they_must_be(signed):
    other = known_answers(signed.spec, ROWS)
    signed.checks.write_bytes(other.signed_bytes(OTHER_KEY))
    with pytest.raises(SignatureError, match="the spot checks are signed by key"):
        open_echo(signed)
    signed.checks.write_bytes(other.signed_bytes(KEY))
    signed.signature = ModelSignature.sign(KEY, client_spec=signed.spec.digest, artifact=bytes(32)).to_message()
    signed.artifact_digest = bytes(32)
    with pytest.raises(InvalidInputError, match="another version"):
        open_echo(signed)
    signed.signature = None
    with pytest.raises(SignatureError, match="signed by nobody"):
        open_echo(signed)
    assert "Infer" not in signed.calls


@pytest.mark.parametrize("share", [0.0, 0.95, float("nan"), -1.0])
def test_shares_that_are_none(signed, share):
    with pytest.raises(InvalidInputError, match="share"):
        SpotChecks.load(signed.checks, share=share)
