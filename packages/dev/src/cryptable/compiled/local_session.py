"""Client and server in one process, to try a model out on this machine: real keys, ciphertexts and evaluation."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import numpy as np
from cryptable_client import SecretKeys, decrypt, encrypt, write_evaluation_keys
from cryptable_client.schemes.scheme import read_tensor
from cryptable_engine import Evaluator, Program
from cryptable_protocol import ClientSpec
from cryptable_protocol.messages import tensor as tensor_pb

from cryptable.graphs.graph import IntArray


@dataclass
class Measured:
    """What a session has measured so far: seconds to make keys ready and of each row, bytes of the last one."""

    evaluation_keys_bytes: int
    evaluation_cpu_seconds: list[float] = field(default_factory=list)
    evaluation_wall_seconds: list[float] = field(default_factory=list)
    keys_cpu_seconds: float = 0.0
    input_row_bytes: int = 0
    output_row_bytes: int = 0


class LocalSession:
    """Keys made with the client package, and an evaluator that holds the evaluation keys.

    Args:
        spec: of the model.
        program: of the same parameters.
        native: whether Concrete evaluates it, which has compiled it.
    """

    def __init__(self, spec: ClientSpec, program: Program, *, native: bool = False) -> None:
        self._spec = spec
        self._secret_keys = SecretKeys.generate(spec)
        self._evaluator = Evaluator(program, native=native)
        self._keys = None
        self.measured = Measured(spec.parameters.keyset.evaluation_keys_bytes)
        if self.measured.evaluation_keys_bytes:
            with tempfile.TemporaryDirectory(prefix="cryptable-keys-") as folder:
                path = Path(folder) / "evaluation-keys"
                with path.open("wb") as file:
                    write_evaluation_keys(self._secret_keys, file)
                began = time.process_time()
                self._keys = self._evaluator.load_keys(path)
                self.measured.keys_cpu_seconds = time.process_time() - began

    def evaluate(self, values: IntArray) -> IntArray:
        """Encrypt, evaluate and decrypt encoded rows.

        Args:
            values: shape (rows, input size).

        Returns:
            Decrypted integers, shape (rows, output size).
        """
        results = np.empty((values.shape[0], self._spec.parameters.outputs), np.int64)
        for index, row in enumerate(values):
            sent = encrypt(self._spec, self._secret_keys, row).to_bytes()
            began, began_cpu = time.perf_counter(), time.process_time()
            answer = self._evaluator.evaluate_row(sent, self._keys)
            self.measured.evaluation_cpu_seconds.append(time.process_time() - began_cpu)
            self.measured.evaluation_wall_seconds.append(time.perf_counter() - began)
            results[index] = decrypt(
                self._spec, self._secret_keys, read_tensor(self._spec, tensor_pb.EncryptedTensor.FromString(answer))
            )
            self.measured.input_row_bytes = len(sent)
            self.measured.output_row_bytes = len(answer)
        return results

    def close(self) -> None:
        """Overwrite the secret keys."""
        self._secret_keys.close()

    def __enter__(self) -> LocalSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
