"""What flooded answers of networks of squares cost, by bits: chains, CPU of a row, keys, bytes.

python tools/bench/squares_flooding.py [--rows 4] [--bits 0 16 32 40 64]

Networks have random weights -1, 0 or 1 and inputs of two bits. CPU seconds are of this process, one thread, medians;
decrypted answers are compared with the circuit's own.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from cryptable_client.schemes.squares import encryption, evaluation_keys, secret
from cryptable_engine import (
    Circuit,
    CompilationError,
    Evaluator,
    GroupKind,
    Input,
    InputGroup,
    Linear,
    Square,
    Term,
    compile_circuit,
    interpret,
)
from cryptable_engine.circuit.bounds import bounds
from cryptable_protocol import CompileOptions
from cryptable_protocol.schemes.ring_tensor import RingTensor
from cryptable_protocol.schemes.squares.parameters import SquaresParameters

SHAPES = ((64, 32, 10), (784, 128, 10))
MAXIMUM = 3


def network(shape: tuple[int, int, int]) -> Circuit:
    """Of one square, its scores moved so that the lowest is 0."""
    random = np.random.default_rng(0)
    inputs, hidden, outputs = shape
    first, last = (random.integers(-1, 2, sizes) for sizes in ((inputs, hidden), (hidden, outputs)))
    source = Input((InputGroup(GroupKind.RANGE, inputs, MAXIMUM),))
    layer = Linear((Term.from_dense(0, first),), np.zeros(hidden, np.int64))
    terms, none = (Term.from_dense(2, last),), np.zeros(outputs, np.int64)
    found = bounds(Circuit((source, layer, Square(1, hidden), Linear(terms, none)), 3))[-1]
    room = 1 + int((found.high - found.low).max() >> 20)
    return Circuit((source, layer, Square(1, hidden), Linear(terms, room - found.low)), 3)


def measure(circuit: Circuit, bits: int, rows: int) -> str:
    """Cells of a table."""
    options = CompileOptions(scheme="squares", p_error=2.0**-128, flooding_bits=bits)
    with tempfile.TemporaryDirectory() as folder:
        try:
            program = compile_circuit(circuit, options, Path(folder) / "program")
        except CompilationError as error:
            return f"{error} | | | |"
        parameters, file, seconds = program.parameters, io.BytesIO(), []
        if not isinstance(parameters, SquaresParameters):
            raise TypeError("no parameters of squares")
        own = secret.generate(parameters.keyset.ring_size)
        for chunk in evaluation_keys.chunks(parameters.keyset, own):
            file.write(chunk)
        evaluator = Evaluator(program)
        keys = evaluator.load_keys(file.getvalue())
        encoded = np.random.default_rng(1).integers(0, MAXIMUM + 1, (rows, circuit.input.size))
        for row, wanted in zip(encoded, interpret(circuit, encoded), strict=True):
            sent = encryption.encrypt_row(parameters, own, row).to_bytes()
            began = time.process_time()
            answer = evaluator.evaluate_row(sent, keys)
            seconds.append(time.process_time() - began)
            if (encryption.decrypt_answer(parameters, own, RingTensor.from_bytes(answer)) != wanted).any():
                raise SystemExit("a row is not the circuit's own")
    number, moduli = parameters.keyset.number, len(parameters.moduli)
    milliseconds, megabytes = 1e3 * statistics.median(seconds), len(file.getvalue()) / 1e6
    return f"{number} | {moduli} | {milliseconds:.0f} | {megabytes:.1f} | {len(sent) / 1e3:.0f}"


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=4)
    parser.add_argument("--bits", type=int, nargs="*", default=[0, 16, 32, 40, 64])
    asked = parser.parse_args()
    print("| network | bits | chain | moduli | CPU, ms | keys, MB | a row up, kB |")
    print("|---|---|---|---|---|---|---|")
    for shape in SHAPES:
        circuit = network(shape)
        for bits in asked.bits:
            print(f"| {'-'.join(map(str, shape))} | {bits} | {measure(circuit, bits, asked.rows)} |", flush=True)


if __name__ == "__main__":
    main()
