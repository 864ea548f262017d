"""Orion v2's side of against_orion.py: runs in its environment, which has none of our packages.

prepare SHAPE FOLDER     compiles a network of random weights, makes keys, and encrypts a row; prints bytes and seconds
serve SHAPE FOLDER ROWS  loads the model and the keys, and evaluates the row so often; prints CPU seconds and memory
read SHAPE FOLDER         how far the answer is from the network's own
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

PIXELS, LABELS = (1, 1, 28, 28), 10
LEVELS = {"784-128-10": 3, "784-128-128-10": 5, "8x5x5-100-10": 5}
"""One a linear layer, one a square. Primes are of as many bits as in its own examples."""


def network_of(shape: str) -> Any:  # noqa: ANN401
    """Of random weights, the same each time."""
    import orion_compiler.nn as on  # type: ignore[import-not-found]
    import torch

    torch.manual_seed(0)
    layers: dict[str, Callable[[], tuple[Any, ...]]] = {
        "784-128-10": lambda: (on.Flatten(), on.Linear(784, 128), on.Quad(), on.Linear(128, LABELS)),
        "784-128-128-10": lambda: (
            *(on.Flatten(), on.Linear(784, 128), on.Quad()),
            *(on.Linear(128, 128), on.Quad(), on.Linear(128, LABELS)),
        ),
        "8x5x5-100-10": lambda: (
            *(on.Conv2d(1, 8, kernel_size=5, padding=2, stride=2), on.Quad(), on.Flatten()),
            *(on.Linear(8 * 14 * 14, 100), on.Quad(), on.Linear(100, LABELS)),
        ),
    }

    class Network(on.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.layers = torch.nn.ModuleList(layers[shape]())

        def forward(self, values: Any) -> Any:  # noqa: ANN401
            for layer in self.layers:
                values = layer(values)
            return values

    network: Any = Network()
    network.eval()
    return network


def row() -> Any:  # noqa: ANN401
    """Pixels between 0 and 1."""
    import torch

    return torch.rand(PIXELS, generator=torch.Generator().manual_seed(1))


def prepare(shape: str, folder: Path) -> dict[str, Any]:
    """Everything up to what a server gets."""
    import lattigo.ckks as ckks  # type: ignore[import-not-found]
    import lattigo.rlwe as rlwe  # type: ignore[import-not-found]
    from orion_compiler import CKKSParams, Compiler
    from orion_evaluator import Model  # type: ignore[import-not-found]

    levels = LEVELS[shape]
    parameters = CKKSParams(
        logn=13, logq=(29, *(26,) * levels), logp=(29, 29), log_default_scale=26, ring_type="conjugate_invariant"
    )
    network, pixels = network_of(shape), row()
    compiler = Compiler(network, parameters)
    compiler.fit(pixels)
    compiler.compile_to_file(str(folder / "model"))
    with ExitStack() as stack:
        enter = stack.enter_context
        model = enter(Model.load((folder / "model").read_bytes()))
        fields, manifest, level = model.client_params()
        made = enter(ckks.Parameters.from_dict(fields))
        began = time.process_time()
        generator = enter(rlwe.KeyGenerator(made))
        secret = enter(generator.gen_secret_key())
        public = enter(generator.gen_public_key(secret))
        relinearization = enter(generator.gen_relin_key(secret)) if manifest["needs_rlk"] else None
        galois = [enter(generator.gen_galois_key(secret, int(each))) for each in manifest["galois_elements"]]
        keys = enter(rlwe.MemEvaluationKeySet(rlk=relinearization, galois_keys=galois)).marshal_binary()
        key_seconds = time.process_time() - began
        encoder, encryptor = enter(ckks.Encoder(made)), enter(rlwe.Encryptor(made, public))
        values = pixels.flatten().double().tolist()
        padded = values + [0.0] * (made.max_slots() - len(values))
        plaintext = enter(encoder.encode(padded, level, made.default_scale()))
        sent = enter(encryptor.encrypt_new(plaintext)).marshal_binary()
        (folder / "secret").write_bytes(secret.marshal_binary())
    (folder / "keys").write_bytes(keys)
    (folder / "row").write_bytes(sent)
    bits = sum(parameters.logq) + sum(parameters.logp)
    return {"keys": len(keys), "up": len(sent), "key_seconds": key_seconds, "log2_modulus": bits}


def serve(folder: Path, rows: int) -> dict[str, Any]:
    """As a server would, which has the model and the keys, and neither torch nor the compiler."""
    from orion_evaluator import Evaluator, Model

    with Model.load((folder / "model").read_bytes()) as model:
        fields, _, _ = model.client_params()
        with Evaluator(fields, (folder / "keys").read_bytes()) as evaluator:
            sent, seconds = (folder / "row").read_bytes(), []
            for _ in range(rows):
                began = time.process_time()
                (answer,) = evaluator.forward(model, [sent])
                seconds.append(time.process_time() - began)
    (folder / "answer").write_bytes(answer)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"cpu_seconds": seconds, "down": len(answer), "memory": peak}


def read(shape: str, folder: Path) -> dict[str, Any]:
    """Decrypted, beside the network's own scores."""
    import lattigo.ckks as ckks
    import lattigo.rlwe as rlwe
    import torch
    from orion_evaluator import Model

    with ExitStack() as stack:
        enter = stack.enter_context
        model = enter(Model.load((folder / "model").read_bytes()))
        made = enter(ckks.Parameters.from_dict(model.client_params()[0]))
        secret = enter(rlwe.SecretKey.unmarshal_binary((folder / "secret").read_bytes()))
        decryptor, encoder = enter(rlwe.Decryptor(made, secret)), enter(ckks.Encoder(made))
        ciphertext = enter(rlwe.Ciphertext.unmarshal_binary((folder / "answer").read_bytes()))
        found = encoder.decode(enter(decryptor.decrypt_new(ciphertext)), made.max_slots())[:LABELS]
    with torch.no_grad():
        wanted = network_of(shape)(row()).flatten().tolist()
    return {
        "off": max(abs(one - other) for one, other in zip(found, wanted, strict=True)),
        "largest": max(map(abs, wanted)),
    }


def main() -> None:
    """Run the command line."""
    job, shape, place, *rest = sys.argv[1:]
    folder = Path(place)
    jobs: dict[str, Callable[[], dict[str, Any]]] = {
        "prepare": lambda: prepare(shape, folder),
        "serve": lambda: serve(folder, int(rest[0])),
        "read": lambda: read(shape, folder),
    }
    print(json.dumps(jobs[job]()))


if __name__ == "__main__":
    main()
