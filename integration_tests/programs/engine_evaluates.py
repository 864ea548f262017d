"""An evaluation by the engine alone: compile a circuit with a lookup, and one without by Concrete, and evaluate both.

There is no client here, so the inputs are trivial ciphertexts (no masks, no noise). They evaluate as any other, and
where there is no lookup the answer can be read without a key. The lookup's keys are random: its answer means nothing.
"""

import os
import tempfile
from pathlib import Path

import numpy as np
from cryptable_engine import (
    Circuit,
    Evaluator,
    GroupKind,
    Input,
    InputGroup,
    Linear,
    Lookup,
    Term,
    compile_circuit,
    interpret,
)
from cryptable_protocol import CompileOptions, EncryptedTensor

OPTIONS = CompileOptions(p_error=2.0**-40, security_bits=128)
ROW = np.array([1, 1, 0])

bits = Input((InputGroup(GroupKind.THERMOMETER, ROW.size),))
count = Linear((Term.from_dense(0, [[1], [2], [1]]),), np.zeros(1, np.int64))
square = Lookup(1, np.arange(8)[None] ** 2, np.zeros(1, np.int64))
result = Linear((Term.from_dense(2, [[1]]),), np.ones(1, np.int64))
without_lookup = Circuit((bits, count), output=1)
with_lookup = Circuit((bits, count, square, result), output=3)


def trivial(evaluator: Evaluator) -> EncryptedTensor:
    """ROW, encrypted by nobody."""
    given = evaluator.program.input
    words = np.zeros((ROW.size, evaluator.program.keyset.dimensions[given.key] + 1), np.uint64)
    words[:, -1] = ROW << (63 - given.width)
    return EncryptedTensor.from_ciphertexts(words)


with tempfile.TemporaryDirectory() as folder:
    evaluator = Evaluator(compile_circuit(without_lookup, OPTIONS, Path(folder) / "without", native=True))
    answer = evaluator.evaluate(trivial(evaluator))
    assert answer.bodies >> np.uint64(63 - evaluator.program.output.width) == interpret(without_lookup, ROW[None])[0]

    evaluator = Evaluator(compile_circuit(with_lookup, OPTIONS, Path(folder) / "with"))
    assert evaluator.program.lookups == 1
    keys = evaluator.load_keys(os.urandom(evaluator.program.keyset.evaluation_keys_bytes))
    assert evaluator.evaluate(trivial(evaluator), keys).bodies.shape == (1,)
