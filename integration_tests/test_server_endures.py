"""Slices of tools/fuzz_server.py and tools/bench/soak.py, on tiny models; the whole runs take minutes."""

import time
from pathlib import Path
from random import Random

import numpy as np
import pytest
from cryptable_engine import GroupKind, InputGroup
from cryptable_server.calls.tokens import new_token
from cryptable_server.principals import Role
from levelled_circuits import levelled_circuit
from server_process import infer_header, linear_circuit, make_artifact, row_of, run_server, tables_circuit

TOOLS = Path(__file__).parents[1] / "tools"
CASES, SEED, SECONDS = 700, 20261126, 240


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory):
    """Of no keyset, of one, of another, and of another scheme."""
    folder = tmp_path_factory.mktemp("endures")
    (folder / "models").mkdir()
    groups = (InputGroup(GroupKind.THERMOMETER, 3),) * 2
    products = levelled_circuit(np.random.default_rng(SEED), bits=6, groups=groups)
    made = {
        "levelled": make_artifact("levelled", products, folder / "levelled", scheme="levelled"),
        "linear": make_artifact("linear", linear_circuit(), folder / "linear"),
        "keyed": make_artifact("keyed", tables_circuit(), folder / "keyed"),
        "other": make_artifact("other", tables_circuit(), folder / "other", p_error=2.0**-64),
    }
    assert made["keyed"].client_spec.keyset.name != made["other"].client_spec.keyset.name
    return made


@pytest.fixture(scope="module")
def serve(artifacts, tmp_path_factory):
    """Starts a server of these in a folder; compiled programs are shared."""
    programs = tmp_path_factory.mktemp("programs-of-endures")

    def starter(folder, *options):
        (folder / "models").mkdir()
        for name, artifact in artifacts.items():
            artifact.save(folder / "models" / f"{name}.cryptable")
        return run_server(folder / "models", folder, *options, programs=programs)

    return starter


@pytest.mark.encrypted
def test_mutated_calls_end_as_they_should(artifacts, serve, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    from fuzz.attacker import ROLES, Attacker, attack
    from fuzz.server_targets import Material

    file = tmp_path / "tokens.json"
    roles = {who: [Role(role) for role in names.split(",")] for who, names in ROLES.items()}
    tokens = {who: new_token(file, who, names)[1] for who, names in roles.items()}
    mallory = {"metadata": (("authorization", f"Bearer {tokens['mallory']}"),)}
    specs = {name: artifact.client_spec for name, artifact in artifacts.items()}
    with serve(tmp_path, "--tokens", file, "--max-rows", 6, "--key-quota-per-principal", 1) as server:
        keys = {name: server.upload(specs[name], **mallory) for name in ("keyed", "other", "levelled")}
        attacker = Attacker(server.channel, tokens)
        attack(attacker, Material(Random(SEED), specs, keys), CASES)
        assert attacker.failures == []
        assert len(server.workers()) == 1
        assert len(server.infer(specs["keyed"], keys["keyed"], rows=2, **mallory)) == 2
        assert "unexpected error" not in server.log.read_text()
    # It cannot pass vacuously: good and bad calls of several methods, and most of the validators.
    assert attacker.statuses.total() == CASES
    for end in (
        "Infer: OK",
        "Infer: INVALID_ARGUMENT",
        "UploadEvaluationKeys: INVALID_ARGUMENT",
        "GetModel: NOT_FOUND",
    ):
        assert attacker.statuses[end]
    assert len(attacker.told.missed()) <= 10, attacker.told.missed()


ACTIVITIES = {
    "rows to linear",
    "rows to keyed",
    "keys that come and go",
    "callers that vanish in evaluations",
    "callers that vanish in uploads",
    "malformed rows: INVALID_ARGUMENT",
    "models read again",
}


@pytest.mark.encrypted
def test_a_mixed_load_leaves_nothing_behind(artifacts, serve, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS / "bench"))
    import serving
    import soak

    specs = {name: artifacts[name].client_spec for name in ("linear", "keyed")}
    on_disk = specs["keyed"].keyset.evaluation_keys_bytes
    disk, memory = soak.allowances(on_disk)
    with serve(tmp_path, *soak.limits_for(on_disk)) as server:
        running = serving.Running(server.process, server.address, server.log, tmp_path)
        keys = {"linear": b"", "keyed": server.upload(specs["keyed"])}
        clients = [
            serving.Client(running, spec, [row_of(spec, n) for n in range(4)], infer_header(spec, keys[name]))
            for name, spec in specs.items()
        ]
        load = soak.Load(running, Random(SEED), pace=0.1)
        soak.begin_all(load, artifacts, clients, tmp_path)
        samples, deadline = [], time.monotonic() + SECONDS
        while not load.done.keys() >= ACTIVITIES:
            assert time.monotonic() < deadline, load.done
            samples += soak.watched(running, 1.0)
        load.end()
        assert load.failures == []
        for client in clients:
            client.replay(1)
            client.close()
        assert len(server.workers()) == 2
    assert max(sample.disk_bytes for sample in samples) <= disk
    assert max(sample.worker_bytes for sample in samples) <= memory


def test_growth_is_told(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS / "bench"))
    import soak

    def samples(growth):
        return [soak.Sample(10**8 + growth * n, 10**9, 30 + growth * n // 10**6, 10**8) for n in range(90)]

    for growth, missed in ((0, set()), (10**6, {"the front's memory, growth in MB", "open files, growth"})):
        figures = soak.figures_of(samples(growth), 2 * 10**8, 2 * 10**9)
        assert {figure.what for figure in figures if figure.measured > figure.bar} == missed
