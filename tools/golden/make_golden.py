"""Makes integration_tests/golden/data: artifacts, keys and encrypted rows that later trees must read alike.

    git worktree add --detach ../old fbb8020
    PYTHONPATH=$(realpath ../old/packages/*/src | paste -sd:) python tools/golden/make_golden.py --output NEW_FOLDER

They are worth what the tree that made them is: run this with the packages of fbb8020 (it prints whence they come), not
with those of the tree that is to be tested; by absolute paths, since compilers are started in folders of their own.
Keys, dates and whatever is encrypted differ from run to run.

NAME.cryptable           the model as its developer saves it
manifest.json            rows, and all that was computed of them; digests, keysets, pins; the keys' passphrase
keys/                    a key directory as a client leaves it: key file, evaluation keys, where they were uploaded
pins/                    what a client remembers of two models, one of them signed
rows.tensors, answers.tensors      a tensor file of an encrypted row, and the server's answer
row.bin, answer.bin                the same as bare tensors, encrypted and evaluated once more
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import cryptable as ct
import numpy as np
import numpy.typing as npt
import pandas as pd  # type: ignore[import-untyped]
from cryptable_client import SecretKeys, encrypt, fetch_spec
from cryptable_engine import Evaluator, compile_circuit, interpret
from cryptable_protocol import CategoricalEncoder, ClientSpec, encode_rows
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from golden_models import FIRST, Golden, golden_models

ROWS = 8
SIMULATED, EXAGGERATED = 20_000, 2.0
"""How often noise is drawn for a row whose encrypted answer is to be the clear one, and its deviation against the noise
model's: none of so many draws shows that the true noise would have to go beyond seven deviations."""
SIGNING_KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"golden artifacts").digest())
SIGNED = (FIRST, "ridge")
PINNED = (FIRST, "nearest-neighbors")
PASSPHRASE = "golden artifacts, no secret"
KEYS = "golden"
SUFFIX = ".cryptable"


def main() -> int:
    """Make them all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", 1)[0])
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder to write, which is not there")
    folder = parser.parse_args().output
    print(f"made by {Path(ct.__file__).parent}")
    folder.mkdir(parents=True)
    warnings.simplefilter("ignore")  # of the libraries that models are trained with
    models: dict[str, ct.CompiledModel] = {}
    facts: dict[str, dict[str, Any]] = {}
    for golden in golden_models():
        model = _compiled(golden, models)
        models[golden.name] = model
        model.save(folder / f"{golden.name}{SUFFIX}", signing_key=SIGNING_KEY if golden.name in SIGNED else None)
        facts[golden.name] = _facts(golden, model, folder)
    with tempfile.TemporaryDirectory() as scratch, _server(folder, Path(scratch)) as address:
        for name in models:
            pins = Path(scratch) / "pins"
            fetch_spec(address, model=name, insecure=True, pins=pins)
            (facts[name]["pin"],) = _taken_pins(pins)
        for name in PINNED:
            fetch_spec(address, model=name, insecure=True, pins=folder / "pins")
        keys = _keys(models[FIRST], facts[FIRST], folder, address, Path(scratch))
    packages = sorted(f"{name} {metadata.version(name)}" for name in ("numpy", "scikit-learn", "concrete-python"))
    _write(folder / "manifest.json", {"made with": packages, "keys": keys, "models": facts})
    print(f"{sum(path.stat().st_size for path in folder.rglob('*') if path.is_file()) / 1e6:.2f} MB in {folder}")
    return 0


def _compiled(golden: Golden, earlier: dict[str, ct.CompiledModel]) -> ct.CompiledModel:
    return ct.compile(
        golden.estimator,
        golden.rows,
        name=golden.name,
        version="golden",
        keys_of=earlier.get(golden.keys_of),
        show_progress=False,
        **golden.options,
    )


def _facts(golden: Golden, model: ct.CompiledModel, folder: Path) -> dict[str, Any]:
    """What a later tree must find again; a row is what a user has, and everything else is computed of that."""
    artifact, spec = model.artifact, model.artifact.client_spec
    chosen = _chosen_rows(golden, model)
    taken = golden.rows.iloc[chosen] if isinstance(golden.rows, pd.DataFrame) else golden.rows[chosen]
    rows = [[_portable(cell) for cell in row] for row in np.asarray(taken, object)]
    table = _table(spec, rows)
    encoded = encode_rows(spec.features, table)
    return {
        "sha256": hashlib.sha256((folder / f"{golden.name}{SUFFIX}").read_bytes()).hexdigest(),
        "artifact": artifact.digest.hex(),
        "client spec": spec.digest.hex(),
        "circuit": hashlib.sha256(artifact.circuit).hexdigest(),
        "keyset": spec.keyset.name.hex(),
        "keyset entry": artifact.compile_options.keyset_entry,
        "evaluation keys bytes": spec.keyset.evaluation_keys_bytes,
        "lookups": model.circuit.lookups,
        "estimator": artifact.provenance.estimator,
        "error bound": model.error_bound,
        "approximate": golden.is_approximate,
        "rows": rows,
        "own predictions": golden.own[chosen].tolist(),
        "encoded": encoded.tolist(),
        "integers": interpret(model.circuit, encoded).tolist(),
        "scores": model.decision_function(table).tolist(),
        "predictions": model.predict(table).tolist(),
        "probabilities": model.predict_proba(table).tolist() if spec.decoder.is_classifier else None,
    }


def _chosen_rows(golden: Golden, model: ct.CompiledModel) -> npt.NDArray[np.int64]:
    """Some rows; the first, which is evaluated under encryption, is one that noise does not touch."""
    order = np.random.default_rng(0).permutation(len(golden.rows))
    if golden.is_approximate:
        encoded = encode_rows(model.artifact.client_spec.features, golden.rows)
        untouched = _noise_test(model)
        first = next(index for index in order if untouched(encoded[index]))
        order = np.concatenate(([first], order[order != first]))
    return order[:ROWS]


def _noise_test(model: ct.CompiledModel) -> Callable[[npt.NDArray[np.int64]], bool]:
    """Whether an encoded row has its clear answer in each of many draws of exaggerated noise."""
    noise = import_module("cryptable_engine.noise")  # as it is at fbb8020: later trees have it elsewhere
    with tempfile.TemporaryDirectory() as scratch:
        program = compile_circuit(model.circuit, model.artifact.compile_options, Path(scratch) / "program")
    usual = noise.NoiseModel.of(program)
    larger = noise.NoiseModel(*(EXAGGERATED**2 * variance for variance in (usual.input, usual.lookup, usual.reading)))
    interpreter = noise.NoisyInterpreter(model.circuit, larger)
    generator = np.random.default_rng(0)

    def untouched(row: npt.NDArray[np.int64]) -> bool:
        drawn = interpreter.evaluate(np.tile(row, (SIMULATED, 1)), generator).outputs
        return bool((drawn == interpret(model.circuit, row[None])).all())

    return untouched


def _portable(cell: Any) -> Any:  # noqa: ANN401
    if pd.isna(cell):
        return None
    return cell if isinstance(cell, str) else float(cell)


def _table(spec: ClientSpec, rows: list[list[Any]]) -> npt.NDArray[Any]:
    has_categories = any(isinstance(feature, CategoricalEncoder) for feature in spec.features)
    return np.array(rows, object if has_categories else np.float64)


def _keys(model: ct.CompiledModel, facts: dict[str, Any], folder: Path, address: str, scratch: Path) -> dict[str, Any]:
    """A client's life by the command line: keys, a prediction, and a row that is moved by hand."""
    spec = model.artifact.client_spec
    passphrase, specification, table = (scratch / name for name in ("passphrase", "spec", "row.csv"))
    passphrase.write_text(PASSPHRASE + "\n")
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([[feature.name for feature in spec.features], facts["rows"][0]])
    server = ("--address", address, "--insecure", "--no-pins", "--model", model.name)
    opened = ("--passphrase-file", passphrase)
    directory = folder / "keys"
    key_file, kept = directory / f"{KEYS}.keys", directory / f"{KEYS}.evaluation-keys"
    rows, answers = folder / "rows.tensors", folder / "answers.tensors"
    _client("spec", *server, "--output", specification)
    _client("keys", "new", "--spec", specification, "--key-directory", directory, "--name", KEYS, *opened)
    _client("predict", *server, "--key-directory", directory, *opened, "--input", table, "--output", scratch / "answer")
    _client("encrypt", "--spec", specification, "--keys", key_file, *opened, "--input", table, "--output", rows)
    _client("relay", *server, "--input", rows, "--evaluation-keys", kept, "--output", answers)
    program = compile_circuit(model.circuit, model.artifact.compile_options, scratch / "program")
    evaluator = Evaluator(program)
    with SecretKeys.load(key_file, passphrase=PASSPHRASE) as secret_keys:
        row = encrypt(spec, secret_keys, np.array(facts["encoded"][0]))
        (folder / "row.bin").write_bytes(row.to_bytes())
    answer = evaluator.evaluate(row, evaluator.load_keys(kept))
    (folder / "answer.bin").write_bytes(answer.to_bytes())
    return {
        "model": model.name,
        "name": KEYS,
        "passphrase": PASSPHRASE,
        "address": address,
        "evaluation keys": hashlib.sha256(kept.read_bytes()).hexdigest(),
    }


def _client(*arguments: str | Path) -> None:
    subprocess.run([sys.executable, "-m", "cryptable_client", *map(str, arguments)], check=True, capture_output=True)


@contextmanager
def _server(models: Path, scratch: Path) -> Iterator[str]:
    """A server of a folder of models; its address."""
    folders = ("--models", models, "--keys", scratch / "keys", "--programs", scratch / "programs")
    command = [sys.executable, "-m", "cryptable_server", "serve", *map(str, folders)]
    command += ["--address", "127.0.0.1:0", "--insecure"]
    with (
        (scratch / "log").open("wb") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        try:
            if process.stdout is None:
                raise RuntimeError("the server has no standard output")
            ready = process.stdout.readline()
            if not ready:
                raise RuntimeError((scratch / "log").read_text())
            yield ready.split()[-1]
        finally:
            process.terminate()


def _taken_pins(folder: Path) -> Iterator[dict[str, Any]]:
    """What the pins in a folder say of their models, wherever those are served; they are removed."""
    for path in folder.iterdir():
        content = json.loads(path.read_text())
        del content["address"]
        path.unlink()
        yield content


def _write(path: Path, manifest: dict[str, Any]) -> None:
    """A line for each fact: a change shows as the line that it is."""
    models = ",\n".join(
        f'  "{name}": {{\n' + ",\n".join(f'   "{key}": {json.dumps(value)}' for key, value in facts.items()) + "\n  }"
        for name, facts in manifest["models"].items()
    )
    others = "".join(f' "{key}": {json.dumps(value)},\n' for key, value in manifest.items() if key != "models")
    path.write_text(f'{{\n{others} "models": {{\n{models}\n }}\n}}\n')


if __name__ == "__main__":
    sys.exit(main())
