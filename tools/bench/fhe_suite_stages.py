"""The stages that the FHE Benchmarking Suite's harness runs, workload ml-inference: one program for all of them.

python fhe_suite_stages.py SUBMISSION STAGE [SIZE]      in a checkout of the suite; fhe_suite.py writes what calls it

SUBMISSION has `model.cryptable`, which the server has, and `spec.bin`, which clients have. Client stages load neither
an engine nor torch, and stages share files alone, in the folders that the suite names.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from cryptable_protocol import ClientSpec

SIZES = ("single", "small", "medium", "large")


class Folders:
    """Of one size of the workload, in the checkout that is the working directory."""

    def __init__(self, submission: Path, size: int) -> None:
        name = SIZES[size]
        self.submission, self.io = submission, Path("io") / name
        self.pixels = Path("datasets") / name / "intermediate/test_pixels.txt"
        self.keys, self.secret = self.io / "public_keys", self.io / "secret_key"
        self.up, self.down = self.io / "ciphertexts_upload", self.io / "ciphertexts_download"
        self.rows, self.scores = self.io / "intermediate/rows.npy", self.io / "intermediate/integers.npy"
        self.predictions = self.io / "encrypted_model_predictions.txt"
        for folder in (self.keys, self.secret, self.up, self.down, self.rows.parent):
            folder.mkdir(parents=True, exist_ok=True)

    def files(self, folder: Path) -> list[Path]:
        """Rows' ciphertexts, in their order."""
        return sorted(folder.glob("*.bin"), key=lambda path: int(path.stem))


def client_key_generation(folders: Folders) -> None:
    """Secret keys, and evaluation keys of them."""
    from cryptable_client import SecretKeys, write_evaluation_keys

    with SecretKeys.generate(_spec(folders)) as keys:
        keys.save(folders.secret / "keys", insecure_plaintext=True)
        with (folders.keys / "evaluation_keys.bin").open("wb") as file:
            write_evaluation_keys(keys, file)


def client_preprocess_input(folders: Folders) -> None:
    """The suite writes pixels of 0 to 1 in six decimals; the model takes whole numbers up to 255."""
    pixels = np.loadtxt(folders.pixels, ndmin=2)
    np.save(folders.rows, np.rint(pixels * 255).astype(np.float64))


def client_encode_encrypt_input(folders: Folders) -> None:
    """A file a row."""
    from cryptable_client import SecretKeys, encrypt
    from cryptable_protocol import encode_rows

    spec = _spec(folders)
    with SecretKeys.load(folders.secret / "keys", insecure_plaintext=True) as keys:
        for number, row in enumerate(encode_rows(spec.features, np.load(folders.rows))):
            (folders.up / f"{number}.bin").write_bytes(encrypt(spec, keys, row).to_bytes())


def server_preprocess_model(submission: Path) -> None:
    """The circuit is verified and planned."""
    from cryptable_engine import Circuit, compile_circuit
    from cryptable_protocol import ModelArtifact

    artifact = ModelArtifact.load(submission / "model.cryptable")
    program = submission / "build/program"
    if not program.exists():
        promised = artifact.client_spec.parameters
        compile_circuit(Circuit.from_bytes(artifact.circuit), artifact.compile_options, program, promised=promised)


def server_encrypted_compute(folders: Folders) -> None:
    """Rows are shared by as many processes as there are cores."""
    rows = folders.files(folders.up)
    workers = min(len(os.sched_getaffinity(0)), len(rows))
    begin = time.perf_counter()
    with ProcessPoolExecutor(workers) as pool:
        cpu = sum(pool.map(_evaluate, [folders] * workers, [rows[start::workers] for start in range(workers)]))
    print(
        f"         [server] {len(rows)} rows: {time.perf_counter() - begin:.2f} s, {cpu / len(rows):.3f} s of CPU each"
    )


def _evaluate(folders: Folders, rows: list[Path]) -> float:
    """Seconds of CPU of the rows alone."""
    from cryptable_engine import Evaluator, Program

    evaluator = Evaluator(Program.load(folders.submission / "build/program"))
    keys = evaluator.load_keys((folders.keys / "evaluation_keys.bin").read_bytes())
    begin = time.process_time()
    for row in rows:
        (folders.down / row.name).write_bytes(evaluator.evaluate_row(row.read_bytes(), keys))
    return time.process_time() - begin


def client_decrypt_decode(folders: Folders) -> None:
    """Integers of the scores, exact."""
    from cryptable_client import SecretKeys, decrypt
    from cryptable_client.schemes.scheme import read_tensor
    from cryptable_protocol.messages import tensor as pb

    spec = _spec(folders)
    with SecretKeys.load(folders.secret / "keys", insecure_plaintext=True) as keys:
        answers = [pb.EncryptedTensor.FromString(path.read_bytes()) for path in folders.files(folders.down)]
        np.save(folders.scores, np.stack([decrypt(spec, keys, read_tensor(spec, answer)) for answer in answers]))


def client_postprocess(folders: Folders) -> None:
    """A label a line."""
    labels = _spec(folders).decoder.predict(np.load(folders.scores))
    folders.predictions.write_text("".join(f"{label}\n" for label in labels), encoding="ascii")


def _spec(folders: Folders) -> ClientSpec:
    from cryptable_protocol import ClientSpec

    return ClientSpec.from_bytes((folders.submission / "spec.bin").read_bytes())


STAGES: dict[str, Callable[[Folders], None]] = {
    stage.__name__: stage
    for stage in (
        client_key_generation,
        client_preprocess_input,
        client_encode_encrypt_input,
        server_encrypted_compute,
        client_decrypt_decode,
        client_postprocess,
    )
}


def main() -> None:
    """Run one stage."""
    submission, stage = Path(sys.argv[1]), sys.argv[2]
    if stage == server_preprocess_model.__name__:
        server_preprocess_model(submission)
        return
    STAGES[stage](Folders(submission, int(sys.argv[3])))
    loaded = {"cryptable_engine", "torch"} & set(sys.modules)
    if stage.startswith("client") and loaded:
        raise SystemExit(f"{stage} has loaded {', '.join(sorted(loaded))}, which clients have not")


if __name__ == "__main__":
    main()
