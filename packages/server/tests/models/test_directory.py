import dataclasses
import hashlib
import logging
import os
import shutil
from contextlib import ExitStack
from pathlib import Path

import clear_entry_points
import pytest
from cryptable_engine import Circuit, Linear
from cryptable_protocol import ModelArtifact, Provenance
from cryptable_server.errors import (
    ConfigurationError,
    ModelBusyError,
    ModelNotFoundError,
    ModelsError,
    SpecDiffersError,
)
from cryptable_server.models.directory import DirectoryModelStore
from cryptable_server.models.store import version_order
from cryptable_server.processes.entry_points import ENTRY_POINTS
from cryptable_server.settings.config import ServerConfig
from cryptable_server.settings.worker_config import WorkerConfig

CLEAR = clear_entry_points.entry_points()


def config(models, programs, **workers):
    return ServerConfig(
        models=models,
        keys=models,
        programs=programs,
        insecure=True,
        workers=WorkerConfig(**{"count": 1, "threads": 1, **workers}),
    )


@pytest.fixture
def opened():
    """Opens stores, which are closed with the test."""
    with ExitStack() as stores:

        def open_store(configuration, entry_points=CLEAR):
            store = DirectoryModelStore(configuration, entry_points)
            stores.callback(store.close)
            return store

        yield open_store


@pytest.fixture
def reasons(caplog):
    caplog.set_level(logging.INFO)

    def read():
        return {
            line.facts["file"]: line.facts["reason"] for line in caplog.records if line.message == "artifact refused"
        }

    return read


def changed_spec(artifact, **changes):
    spec = artifact.client_spec
    fields = {field.name for field in dataclasses.fields(spec)} & set(changes)
    outer = {name: changes.pop(name) for name in fields}
    changed = dataclasses.replace(spec, parameters=dataclasses.replace(spec.parameters, **changes), **outer)
    return dataclasses.replace(artifact, client_spec=changed)


def test_models_are_ready(models, programs, artifacts, opened):
    store = opened(config(models, programs))
    assert [model.name for model in store.models()] == ["linear", "tables"]
    model = store.get("tables")
    assert model.spec == artifacts["tables"].client_spec
    assert model.needs_keys
    assert not store.get("linear").needs_keys
    assert store.keyset(model.spec.parameters.keyset.name) == model.spec.parameters.keyset
    assert store.keyset(bytes(32)) is None
    with pytest.raises(ModelNotFoundError, match="linear, tables"):
        store.get("none")


def test_a_compiled_program_is_used_again(models, tmp_path, opened):
    store = opened(config(models, tmp_path))
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("program.json")}
    assert len(files) == 2
    again = opened(config(models, tmp_path))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("program.json")} == files
    assert [model.program for model in again.models()] == [model.program for model in store.models()]


def test_a_damaged_program_is_compiled_again(models, tmp_path, opened):
    program = opened(config(models, tmp_path)).get("linear").program
    for path in tmp_path.glob(f"{program.rpartition('/')[2]}/*.json"):
        path.write_text("{")
    assert opened(config(models, tmp_path)).get("linear").program == program


def test_leftovers_are_removed(models, programs, opened):
    leftover = programs / ".interrupted.abc"
    leftover.mkdir()
    (leftover / "sharedlib.so").touch()
    opened(config(models, programs))
    assert leftover.exists()  # another server may be at it
    os.utime(leftover, (0, 0))
    opened(config(models, programs))
    assert not leftover.exists()


def test_programs_are_the_owners_alone(models, tmp_path, opened):
    tmp_path.chmod(0o777)
    with pytest.raises(ConfigurationError, match="native code"):
        opened(config(models, tmp_path))


@pytest.mark.encrypted
def test_a_bad_artifact_does_not_keep_others_from_being_served(encrypted, tmp_path, reasons, opened):
    shutil.copytree(encrypted.models, tmp_path, dirs_exist_ok=True)
    good, programs = encrypted.artifacts["tables"], encrypted.programs
    circuit = Circuit.from_bytes(good.circuit)
    keyset, tables = good.client_spec.parameters.keyset, circuit.nodes[2]

    weaker = dataclasses.replace(keyset.bootstrap_keys[0], variance=keyset.bootstrap_keys[0].variance / 4)
    # The table's entries are what a client's score is made of: raised, they leave the declared width.
    raised = dataclasses.replace(tables, tables=tables.tables + 1000)
    reversed_output = Circuit((*circuit.nodes[:3], Linear((), circuit.nodes[3].offset)), 3)

    bad = {
        "keyset": changed_spec(good, keyset=dataclasses.replace(keyset, bootstrap_keys=(weaker,))),
        "width": changed_spec(good, output=dataclasses.replace(good.client_spec.output, width=9)),
        "variance": changed_spec(good, input=dataclasses.replace(good.client_spec.input, variance=1e-20)),
        "entries": dataclasses.replace(
            good, circuit=Circuit((*circuit.nodes[:2], raised, circuit.nodes[3]), 3).to_bytes()
        ),
        "output": dataclasses.replace(good, circuit=reversed_output.to_bytes()),
        "circuit": dataclasses.replace(good, circuit=b"\xff"),
    }
    for name, artifact in bad.items():
        changed_spec(artifact, model_name=name).save(tmp_path / f"{name}.cryptable")
    (tmp_path / "garbage.cryptable").write_text("garbage")
    (tmp_path / "empty.cryptable").touch()
    (tmp_path / "directory.cryptable").mkdir()
    data = bytearray(good.to_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "flipped.cryptable").write_bytes(data)

    store = opened(config(tmp_path, programs), ENTRY_POINTS)
    assert [model.name for model in store.models()] == ["linear", "tables"]
    found = reasons()
    assert set(found) == {f"{name}.cryptable" for name in [*bad, "garbage", "empty", "directory", "flipped"]}
    assert "128 bits" in found["keyset.cryptable"]
    assert "output" in found["width.cryptable"]
    assert "input" in found["variance.cryptable"]
    assert "node 3" in found["output.cryptable"]
    assert "digest" in found["flipped.cryptable"]
    kept = {path.name.partition("-")[0] for path in programs.iterdir()}
    assert not kept & {artifact.digest.hex() for artifact in bad.values()}


def test_duplicates_are_refused(models, programs, tmp_path, artifacts, opened):
    shutil.copytree(models, tmp_path, dirs_exist_ok=True)
    dataclasses.replace(artifacts["linear"], provenance=Provenance("again", (), "")).save(tmp_path / "newer.cryptable")
    with pytest.raises(ModelsError, match=r"'linear': linear\.cryptable and newer\.cryptable"):
        opened(config(tmp_path, programs))


def test_keys_that_would_not_fit_a_worker_are_told(models, programs, reasons, artifacts, opened):
    need = artifacts["tables"].client_spec.parameters.key_memory_bytes
    store = opened(config(models, programs, key_memory_bytes=need - 1))
    assert [model.name for model in store.models()] == ["linear"]
    assert "--key-memory" in reasons()["tables.cryptable"]
    opened(config(models, programs, key_memory_bytes=need)).get("tables")


@pytest.mark.encrypted
def test_digest_of_a_tampered_artifact_can_be_right(encrypted):
    """What the tests above tamper with passes the file's own check: only the verifier and the comparison stop it."""
    good = encrypted.artifacts["linear"]
    wider = dataclasses.replace(good.client_spec.output, width=good.client_spec.output.width + 1)
    tampered = changed_spec(good, output=wider)
    again = ModelArtifact.from_bytes(tampered.to_bytes())
    assert again.digest != good.digest
    assert hashlib.sha256(again.client_spec.to_bytes()).digest() == again.client_spec.digest


def test_versions_and_the_latest(models, programs, tmp_path, artifacts, opened):
    shutil.copytree(models, tmp_path, dirs_exist_ok=True)
    for version in ("9", "10"):
        dataclasses.replace(artifacts["linear"], model_version=version).save(tmp_path / f"{version}.cryptable")
    renamed = dataclasses.replace(artifacts["linear"].client_spec.decoder, step=2.0)
    changed_spec(dataclasses.replace(artifacts["linear"], model_version="8"), decoder=renamed).save(
        tmp_path / "8.cryptable"
    )
    store = opened(config(tmp_path, programs))
    assert [model.version for model in store.models() if model.name == "linear"] == ["10", "9", "8", "1"]
    assert store.names == ("linear", "tables")
    assert [store.get("linear", version).version for version in ("", "latest", "9")] == ["10", "10", "9"]
    with pytest.raises(ModelNotFoundError, match="10, 9, 8, 1"):
        store.get("linear", "11")
    # The rows' client specification tells which version they are for; the latest of that specification has them.
    for version in ("8", "10"):
        with store.use("linear", store.get("linear", version).spec.digest) as model:
            assert model.version == version
    with pytest.raises(SpecDiffersError), store.use("linear", bytes(32)):
        pass


@pytest.mark.parametrize(
    ("earlier", "later"), [("9", "10"), ("1.9", "1.10"), ("v1", "v2"), ("1", "1.1"), ("2025-12-31", "2026-01-01")]
)
def test_order_of_versions(earlier, later):
    assert version_order(earlier) < version_order(later)


def test_models_are_read_again(models, tmp_path, artifacts, opened, reasons):
    folder, programs = tmp_path / "models", tmp_path / "programs"
    shutil.copytree(models, folder)
    store = opened(config(folder, programs))
    tables, linear = store.get("tables"), store.get("linear")
    assert not store.settled_change()
    (folder / "tables.cryptable").unlink()
    newer = changed_spec(artifacts["linear"], decoder=dataclasses.replace(linear.spec.decoder, step=2.0))
    newer.save(folder / "linear.cryptable")
    (folder / "bad.cryptable").write_text("garbage")
    assert [store.settled_change(), store.settled_change()] == [False, True]
    with store.use("tables", tables.spec.digest):
        store.reload()
        assert not store.settled_change()
        store.clean()
        # In use, so it is kept; nobody new gets it.
        assert tables.program in store.programs()
        assert Path(tables.program).exists()
        assert not Path(linear.program).exists()
        with pytest.raises(ModelNotFoundError):
            store.get("tables")
        with pytest.raises(SpecDiffersError), store.use("linear", linear.spec.digest):
            pass
    store.clean()
    assert store.programs() == (store.get("linear").program,)
    assert [path.name for path in programs.iterdir()] == [Path(store.get("linear").program).name]
    assert list(reasons()) == ["bad.cryptable"]


def test_as_many_streams_use_a_model_as_its_operator_allows(models, programs, tmp_path, artifacts, opened):
    folder = tmp_path / "models"
    shutil.copytree(models, folder)
    (folder / "models.toml").write_text("[linear]\nmax-streams = 1\n")
    store = opened(config(folder, programs))
    digest = artifacts["linear"].client_spec.digest
    with store.use("linear", digest):
        assert [entry.streams for entry in store.entries() if entry.name == "linear"] == [1]
        with (
            pytest.raises(ModelBusyError, match="1 streams use model 'linear', version 1"),
            store.use("linear", digest),
        ):
            pass
    with store.use("linear", digest) as model:
        assert model.limits.max_streams == 1


def test_a_bad_file_of_model_settings_keeps_a_server_from_starting_and_a_running_one_as_it_is(
    models, programs, tmp_path, opened
):
    folder = tmp_path / "models"
    shutil.copytree(models, folder)
    store = opened(config(folder, programs))
    (folder / "models.toml").write_text("[linear]\nwithdrawn = 1\n")
    assert not store.settled_change()  # it may still be being written
    assert store.settled_change()
    with pytest.raises(ModelsError, match="withdrawn"):
        store.reload()
    assert store.get("linear")
    with pytest.raises(ModelsError, match="withdrawn"):
        DirectoryModelStore(config(folder, programs), CLEAR)


def test_a_program_that_another_server_uses_is_kept(models, tmp_path, opened):
    folder, programs = tmp_path / "models", tmp_path / "programs"
    shutil.copytree(models, folder)
    store, other = opened(config(folder, programs)), opened(config(folder, programs))
    program = Path(store.get("tables").program)
    (folder / "tables.cryptable").unlink()
    store.reload()
    store.clean()
    assert program.exists()
    other.reload()
    other.clean()
    assert not program.exists()


def test_a_file_that_goes_bad_leaves_its_model(models, programs, tmp_path, opened, reasons):
    shutil.copytree(models, tmp_path, dirs_exist_ok=True)
    store = opened(config(tmp_path, programs))
    (tmp_path / "tables.cryptable").write_text("garbage")
    store.reload()
    assert store.names == ("linear", "tables")
    assert list(reasons()) == ["tables.cryptable"]
    for path in tmp_path.glob("*.cryptable"):
        path.unlink()
    with pytest.raises(ModelsError):
        store.reload()
    assert store.names == ("linear", "tables")
