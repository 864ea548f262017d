"""ModelArtifact: a file is whole or as it was, and a corrupted one is refused."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cryptable_protocol import (
    CompileOptions,
    InvalidInputError,
    LimitExceededError,
    MalformedMessageError,
    ModelArtifact,
    Provenance,
    limits,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

SAMPLE = Path(__file__).parents[4] / "protos/vectors/accept/model_artifact.complete.bin"
DATA = SAMPLE.read_bytes()


@pytest.fixture
def artifact() -> ModelArtifact:
    return ModelArtifact.load(SAMPLE)


def test_saved_and_loaded(artifact: ModelArtifact, tmp_path: Path) -> None:
    path = tmp_path / "tumour.cryptable"
    artifact.save(path)
    assert ModelArtifact.load(path) == artifact
    assert ModelArtifact.load(str(path)).digest == artifact.digest
    assert path.read_bytes() == DATA
    assert [each.name for each in tmp_path.iterdir()] == ["tumour.cryptable"]


def test_replaces_an_older_file(artifact: ModelArtifact, tmp_path: Path) -> None:
    path = tmp_path / "tumour.cryptable"
    dataclasses.replace(artifact, model_version="1").save(path)
    artifact.save(path)
    assert ModelArtifact.load(path).model_version == artifact.model_version


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_readable_for_whom_the_umask_allows(artifact: ModelArtifact, tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        artifact.save(tmp_path / "a")
    finally:
        os.umask(old)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_digest_is_that_of_the_content(artifact: ModelArtifact) -> None:
    assert hashlib.sha256(DATA).digest() != artifact.digest
    assert artifact.digest in DATA


KILLED = """
import os, sys
from pathlib import Path
from cryptable_protocol import ModelArtifact
artifact = ModelArtifact.load(sys.argv[1])

def fsync_that_hangs(descriptor):
    print("written", flush=True)
    sys.stdin.read()

os.fsync = fsync_that_hangs
artifact.save(sys.argv[2])
"""


def test_killed_in_the_middle_leaves_the_old_file(artifact: ModelArtifact, tmp_path: Path) -> None:
    path = tmp_path / "tumour.cryptable"
    old = dataclasses.replace(artifact, model_version="old")
    old.save(path)
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(SAMPLE), str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written" + os.linesep.encode()
        process.kill()
        process.wait()
    assert ModelArtifact.load(path) == old
    assert len(list(tmp_path.iterdir())) == 2, "it was not killed in the middle"
    artifact.save(path)
    assert ModelArtifact.load(path) == artifact


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="needs a limit on the size of files")
@pytest.mark.parametrize("existing", [False, True])
def test_full_disk_leaves_the_old_file_and_nothing_else(
    artifact: ModelArtifact, tmp_path: Path, existing: bool
) -> None:
    import resource

    path = tmp_path / "tumour.cryptable"
    if existing:
        artifact.save(path)
    large = dataclasses.replace(artifact, circuit=bytes(100_000))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            large.save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert [each.name for each in tmp_path.iterdir()] == (["tumour.cryptable"] if existing else [])
    if existing:
        assert ModelArtifact.load(path) == artifact


def test_folder_that_is_not_there(artifact: ModelArtifact, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        artifact.save(tmp_path / "missing" / "a")
    with pytest.raises(FileNotFoundError):
        ModelArtifact.load(tmp_path / "missing")


def test_every_flipped_bit_is_noticed() -> None:
    for position in range(len(DATA)):
        data = bytearray(DATA)
        data[position] ^= 1 << position % 8
        with pytest.raises(MalformedMessageError):
            ModelArtifact.from_bytes(bytes(data))


@settings(max_examples=100)
@given(cut=st.integers(0, len(DATA) - 1))
def test_cut_short(cut: int) -> None:
    with pytest.raises(MalformedMessageError):
        ModelArtifact.from_bytes(DATA[:cut])


def test_too_large_a_file(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(limits.MAX_ARTIFACT_BYTES + 1)
    before = time.process_time()
    with pytest.raises(LimitExceededError, match=f"larger than {limits.MAX_ARTIFACT_BYTES}"):
        ModelArtifact.load(path)
    assert time.process_time() - before < 10


def test_what_could_not_be_read_cannot_be_made(artifact: ModelArtifact) -> None:
    with pytest.raises(MalformedMessageError, match="no circuit"):
        dataclasses.replace(artifact, circuit=b"")
    with pytest.raises(LimitExceededError, match="a circuit of"):
        dataclasses.replace(artifact, circuit=bytes(limits.MAX_CIRCUIT_BYTES + 1))
    with pytest.raises(MalformedMessageError, match="model version"):
        dataclasses.replace(artifact, model_version="v" * 257)
    with pytest.raises(MalformedMessageError, match="compiled for p_error"):
        dataclasses.replace(artifact, compile_options=CompileOptions(2.0**-64))
    with pytest.raises(MalformedMessageError, match="257 packages"):
        Provenance("e", tuple(map(str, range(257))), "")
    for name in ("a\nb", "a\ud800", "a" * 257):
        with pytest.raises(MalformedMessageError):
            Provenance(name, (), "")


@pytest.mark.parametrize("p_error", [0.0, -1.0, 2.0**-39, float("nan"), float("inf")])
def test_compile_options_p_error(p_error: float) -> None:
    with pytest.raises(InvalidInputError, match="p_error"):
        CompileOptions(p_error)


def test_compile_options_security() -> None:
    with pytest.raises(InvalidInputError, match="security_bits 80"):
        CompileOptions(security_bits=80)


def test_a_catalogue_entry_has_a_name_and_a_keyset(artifact: ModelArtifact) -> None:
    keyset = artifact.client_spec.keyset
    for half in ({"keyset_entry": "width 4"}, {"keyset": keyset}):
        with pytest.raises(InvalidInputError, match="come together"):
            CompileOptions(**half)
    options = CompileOptions(keyset_entry="width 4", keyset=keyset)
    catalogued = dataclasses.replace(artifact, compile_options=options)
    assert ModelArtifact.from_bytes(catalogued.to_bytes()).compile_options == options


def test_compiled_onto_another_keyset(artifact: ModelArtifact) -> None:
    another = dataclasses.replace(artifact.client_spec.keyset, bootstrap_keys=(), keyswitch_keys=())
    with pytest.raises(MalformedMessageError, match="another keyset than its client spec's"):
        dataclasses.replace(artifact, compile_options=CompileOptions(keyset_entry="other", keyset=another))


def test_signed_by_the_developer(artifact: ModelArtifact, tmp_path: Path) -> None:
    first, second = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    signed = artifact.signed(first)
    signed.save(tmp_path / "a")
    again = ModelArtifact.load(tmp_path / "a")
    assert again == signed
    assert again.signature is not None
    assert again.signature.public_key == first.public_key().public_bytes_raw()
    assert again.digest == artifact.digest
    resigned = again.signed(second)
    assert resigned.signature is not None
    assert resigned.signature.public_key == second.public_key().public_bytes_raw()


def test_a_signature_is_of_this_model_alone(artifact: ModelArtifact) -> None:
    signed = artifact.signed(Ed25519PrivateKey.generate())
    with pytest.raises(MalformedMessageError, match="made for another model, or the model was changed"):
        dataclasses.replace(signed, model_version="another")
    assert dataclasses.replace(signed, model_version="another", signature=None).signature is None
