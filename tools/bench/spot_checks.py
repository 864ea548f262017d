"""Measures how often spot checks catch a server that answers one percent of its rows wrongly.

    python tools/bench/spot_checks.py [--runs N] [--rows N] [--share S]

Each run is a client with keys of its own and a connection to a server in this process that cheats: a linear model on
real ciphertexts, evaluated as it should be for most rows, and with another weight for one percent of them, picked by
chance. What is counted is whether the client's verdict said so; what is compared is 1 - 0.99^checks.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import cryptable as ct
import grpc
import numpy as np
from cryptable_client import SpotChecks, WrongAnswersError, connect
from cryptable_engine import Circuit, Evaluator, Linear
from cryptable_engine.programs import compile_circuit
from cryptable_protocol import ModelArtifact
from cryptable_protocol.messages import inference as pb
from cryptable_protocol.messages import tensor as tensor_pb
from cryptable_protocol.service import InferenceServicer, add_InferenceServicer_to_server
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sklearn.linear_model import LinearRegression

WRONG = 0.01
NAME = "spot-checked"


class Cheat(InferenceServicer):
    """Two evaluators of one form: the model's, and one that is wrong."""

    def __init__(self, artifact: ModelArtifact, right: Evaluator, wrong: Evaluator) -> None:
        self._artifact, self._right, self._wrong = artifact, right, wrong
        self._rng = np.random.default_rng(1)

    def GetModel(self, request: pb.GetModelRequest, context: object) -> pb.GetModelResponse:  # noqa: ARG002
        """The model as its developer signed it."""
        signature = self._artifact.signature
        if signature is None:
            raise ValueError("the model is not signed")
        return pb.GetModelResponse(
            version="1",
            client_spec=self._artifact.client_spec.to_bytes(),
            artifact_digest=self._artifact.digest,
            signature=signature.to_message(),
        )

    def Infer(self, requests: Iterator[pb.InferRequest], context: object) -> Iterator[pb.InferResponse]:  # noqa: ARG002
        """Right answers, but for one percent."""
        next(requests)
        for index, request in enumerate(requests):
            evaluator = self._wrong if self._rng.random() < WRONG else self._right
            result = evaluator.evaluate_row(request.row.SerializeToString())
            yield pb.InferResponse(row=index, result=tensor_pb.EncryptedTensor.FromString(result))


@contextmanager
def serving(servicer: Cheat) -> Iterator[str]:
    """Its address."""
    server = grpc.server(ThreadPoolExecutor(2))
    add_InferenceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def main() -> None:
    """Run, and print one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--share", type=float, default=0.5)
    options = parser.parse_args()
    rng, key = np.random.default_rng(0), Ed25519PrivateKey.generate()
    rows = rng.normal(size=(options.rows, 4))
    estimator = LinearRegression().fit(rows, rows @ [1.0, -2.0, 3.0, 0.5] + rng.normal(size=len(rows)))
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = ct.compile(estimator, rows, name=NAME, hide_weights=False)
        model.save(folder / "model", signing_key=key)
        model.export_spot_checks(folder / "checks", rng.normal(size=(100, 4)), signing_key=key)
        wrong = wrong_circuit(model.circuit)
        evaluators = [
            Evaluator(compile_circuit(circuit, model.artifact.compile_options, folder / part))
            for part, circuit in (("right", model.circuit), ("wrong", wrong))
        ]
        checks = SpotChecks.load(folder / "checks", share=options.share)
        caught = 0
        cheat = Cheat(model.artifact, *evaluators)  # type: ignore[abstract]  # nothing else is called
        with serving(cheat) as address:
            for _ in range(options.runs):
                remote = connect(address, model=NAME, insecure=True, spot_checks=checks)
                remote.predict(rows)
                try:
                    remote.close()
                except WrongAnswersError:
                    caught += 1
    stated, count = checks.catches(WRONG, rows=options.rows), checks.among(options.rows)
    deviation = math.sqrt(stated * (1 - stated) / options.runs)
    print(
        f"{caught} of {options.runs} runs caught ({caught / options.runs:.1%}) by {count} checks among {options.rows} "
        f"rows; stated {stated:.1%}, deviation {deviation:.1%}; {time.perf_counter() - began:.0f} s"
    )


def wrong_circuit(circuit: Circuit) -> Circuit:
    """With one weight that is smaller by one: an answer that decrypts well, and is not the model's."""
    *before, last = circuit.nodes
    if not isinstance(last, Linear):
        raise TypeError("a linear model ends in a sum")
    (term,) = last.terms
    weights = term.weights.copy()
    weights[weights.argmax()] -= 1
    return replace(circuit, nodes=(*before, replace(last, terms=(replace(term, weights=weights),))))


if __name__ == "__main__":
    main()
