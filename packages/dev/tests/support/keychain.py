"""A client's keys, made once a keyset: models of one keyset are evaluated with the same ones."""

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from cryptable_client import SecretKeys, decrypt, encrypt, write_evaluation_keys
from cryptable_client.schemes.scheme import read_tensor
from cryptable_engine import Evaluator
from cryptable_protocol import encode_rows
from cryptable_protocol.messages import tensor as tensor_pb


class Keychain:
    """Secret and evaluation keys by the keyset's name."""

    def __init__(self):
        self._keys = {}

    def evaluate(self, model, rows):
        """Integers that a client decrypts, shape (rows, outputs): really encrypted and evaluated."""
        spec = model.artifact.client_spec
        evaluator = Evaluator(model._program())
        secret, loaded = self._of(spec, evaluator)
        encoded = encode_rows(spec.features, rows)
        answers = [evaluator.evaluate_row(encrypt(spec, secret, row).to_bytes(), loaded) for row in encoded]
        tensors = [read_tensor(spec, tensor_pb.EncryptedTensor.FromString(answer)) for answer in answers]
        return np.stack([decrypt(spec, secret, tensor) for tensor in tensors])

    def _of(self, spec, evaluator):
        keyset = spec.parameters.keyset
        if keyset.name not in self._keys:
            secret, loaded = SecretKeys.generate(spec), None
            if keyset.evaluation_keys_bytes:
                loaded = _evaluation_keys(secret, evaluator)
            self._keys[keyset.name] = secret, loaded
        return self._keys[keyset.name]


def _evaluation_keys(secret, evaluator):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "keys"
        with path.open("wb") as file:
            write_evaluation_keys(secret, file)
        return evaluator.load_keys(path)


@cache
def keychain():
    """The one of this process."""
    return Keychain()
