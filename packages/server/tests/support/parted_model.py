"""A network of squares modulo two moduli, whose rows workers take in parts: a program, a client's keys and its rows."""

import dataclasses
import hashlib

import numpy as np
from cryptable_engine import compile_circuit, interpret
from cryptable_protocol import CompileOptions
from cryptable_protocol.schemes.parts import parts_of, whole_answer
from cryptable_protocol.schemes.ring_tensor import RingTensor
from cryptable_server.executors.executor import Evaluation, KeysReference
from scheme_party import Party
from square_networks import square_network


class PartedModel:
    """See above. What is decrypted is compared with what the circuit's interpreter says."""

    def __init__(self, folder):
        random = np.random.default_rng(0)
        self._circuit = square_network(random, (6, 4, 2), maximum=4095, largest=20)
        self._values = random.integers(0, 4096, 6)
        self.program = compile_circuit(self._circuit, CompileOptions(scheme="squares"), folder / "program")
        assert parts_of(self.program.parameters) == 2
        self._party = Party(self.program)
        self._keys = folder / "keys"
        self._keys.write_bytes(self._party.evaluation_keys)

    def close(self):
        self._party.close()

    def evaluation(self, owner="owner"):
        digest, size = hashlib.sha256(self._party.evaluation_keys).digest(), self.program.parameters.key_memory_bytes
        keys = KeysReference(digest, owner, str(self._keys), size)
        row = self._party.encrypt(self._values)
        return Evaluation(str(self.program.directory), row, keys, model="squares", parts=2)

    def broken(self, evaluation):
        """The same with words modulo the second modulus that are no residues: its first part can be evaluated."""
        row = RingTensor.from_bytes(evaluation.tensor)
        half = len(row.polynomials) // 2
        damaged = dataclasses.replace(row, polynomials=row.polynomials[:half] + b"\xff" * half)
        return dataclasses.replace(evaluation, tensor=damaged.to_bytes())

    def is_right(self, evaluated):
        whole = whole_answer(self.program.parameters, evaluated.tensors)
        return self._party.decrypt(whole).tolist() == interpret(self._circuit, self._values[None])[0].tolist()
