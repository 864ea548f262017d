"""Compares the noise model with encrypted lookups: phase variance, and how often a neighbouring position is read.

python tools/bench/rounding_noise.py [--width 4] [--levels few|many] [--rows 12]

Every row is 100 lookups of sums near borders, at distances of which 10 to 50 % should read the neighbour.
"""

from __future__ import annotations

import argparse
import math

import numpy as np
from cryptable.compiled.local_session import LocalSession
from cryptable.compiled.program_folder import ProgramFolder
from cryptable_client import encrypt
from cryptable_client.schemes.bootstrapped import lwe
from cryptable_engine import Circuit, GroupKind, Input, InputGroup, Linear, Lookup, Term, interpret
from cryptable_engine.schemes.bootstrapped.noise import NoiseModel, NoisyInterpreter, reading_deviation
from cryptable_protocol import AffineEncoder, ClientSpec, CompileOptions, Decoder, Link
from cryptable_protocol.schemes.bootstrapped.parameters import BootstrappedParameters
from scipy.stats import binomtest  # type: ignore[import-untyped]

LOOKUPS, DROPPED = 100, 10


def circuit(width: int, factor: int) -> Circuit:
    """Each input read by a lookup of its own; the larger `factor`, the less noise an answer bears."""
    identity = Term.from_dense(0, np.eye(LOOKUPS, dtype=np.int64))
    entries = 2 * factor * np.arange(1 << width)
    return Circuit(
        (
            Input((InputGroup(GroupKind.RANGE, LOOKUPS, (1 << (width + DROPPED)) - 1),)),
            Linear((identity,), np.zeros(LOOKUPS, np.int64)),
            Lookup(1, entries[None, :], np.zeros(LOOKUPS, np.int64), DROPPED, entries[-1:]),
            Linear((Term.from_dense(2, np.eye(LOOKUPS, dtype=np.int64)),), np.zeros(LOOKUPS, np.int64)),
        ),
        3,
    )


def main() -> None:
    """Evaluate, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=4)
    parser.add_argument("--levels", choices=["few", "many"], default="few")
    parser.add_argument("--rows", type=int, default=12)
    arguments = parser.parse_args()
    made = circuit(arguments.width, 1 if arguments.levels == "few" else 64)
    folder = ProgramFolder(made, CompileOptions(), catalogue=False)  # it lives as long as its program is needed
    program = folder.program
    model = NoiseModel.of(program)
    deviation = float(reading_deviation(made, model)[2].max())
    spec = ClientSpec(
        model_name="noise",
        features=tuple(AffineEncoder(f"x{index}", 0.0, 1.0, 2) for index in range(LOOKUPS)),
        parameters=BootstrappedParameters(program.keyset, program.input, program.output, program.p_error),
        decoder=Decoder(Link.IDENTITY, (0,) * LOOKUPS, 1.0, (0.0,) * LOOKUPS, None),
    )
    session = LocalSession(spec, program)
    rng = np.random.default_rng()
    shape = (arguments.rows, LOOKUPS)
    borders = rng.integers(1, (1 << arguments.width) - 1, shape) - 0.5
    distance = rng.uniform(0.05, 1.25, shape) * deviation
    rows = np.rint((borders + distance * rng.choice([-1, 1], shape)) * 2**DROPPED).astype(np.int64)
    dimension = program.keyset.dimensions[program.output.key]
    key = session._secret_keys._key_material()[program.output.key]
    errors, moved = [], []
    for row, expected in zip(rows, interpret(made, rows), strict=True):
        answer = session._evaluator.evaluate(encrypt(spec, session._secret_keys, row), session._keys)
        phases = lwe.phases(answer.ciphertexts(LOOKUPS, dimension), key)
        read = lwe.decode(phases, program.output.width)
        errors.append((phases - lwe.encode(read, program.output.width)).astype(np.int64) / 2.0**64)
        moved.append(read != expected)
    place = rows / 2**DROPPED + 0.5
    chance = np.vectorize(lambda x: 0.5 * math.erfc(x / deviation / math.sqrt(2)))(np.abs(place - np.rint(place)))
    simulated = NoisyInterpreter(made, model).evaluate(rows, rng).neighbours
    count, expected_count = int(np.sum(moved)), float(chance.sum())
    test = binomtest(count, chance.size, float(chance.mean()))
    print(f"lookups of {arguments.width} bits: {chance.size}; keys: {program.keyset.bootstrap_keys[0]}")
    print(f"read a neighbour: modelled {expected_count:.0f}, simulated {simulated}, encrypted {count}")
    print(f"binomial test: p = {test.pvalue:.3f} ({'agrees' if test.pvalue >= 0.01 else 'DIFFERS'} at 1 %)")
    measured = float(np.var(errors))
    print(f"variance of a looked-up phase: modelled {model.lookup:.3g}, measured {measured:.3g}")


if __name__ == "__main__":
    main()
