"""Noise of levelled answers against its prediction, over keys and rows: `python tools/bench/levelled_noise.py FOLDER`.

FOLDER holds artifacts of the scheme levelled. For each, under new keys again and again, rows that its encoders could
make are encrypted, evaluated and read; an error, less what rounded weights do, is divided by the deviation that is
predicted for its own row. Pooled over all, the mean of the squares should lie within 0.8 and 1.0, with its 95 %
interval: the prediction is for mean secrets, and for transforms that round as NumPy 2 does.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
from cryptable_client.schemes.levelled import evaluation_keys, secret
from cryptable_client.schemes.levelled.encryption import encrypt_row
from cryptable_client.schemes.levelled.ring import times, transform
from cryptable_engine import interpret, verify
from cryptable_engine.circuit.bounds import highest_output
from cryptable_engine.circuit.circuit import Circuit, GroupKind
from cryptable_engine.schemes.levelled.evaluation.row_evaluator import RowEvaluator
from cryptable_engine.schemes.levelled.noise.bound import noise_bound
from cryptable_engine.schemes.levelled.noise.row_noise import row_rounding, row_variance
from cryptable_engine.schemes.levelled.noise.variances import MEAN, RowVariances
from cryptable_engine.schemes.levelled.plans.plan import Plan, make_plan
from cryptable_engine.schemes.levelled.plans.torus import on_torus
from cryptable_protocol import InvalidInputError, ModelArtifact
from cryptable_protocol.schemes.levelled.keyset import RING_SIZE, UNIVERSAL
from cryptable_protocol.schemes.levelled.packing import packed_bytes, unpack
from cryptable_protocol.schemes.levelled.parameters import LevelledParameters
from cryptable_protocol.schemes.levelled.tensor import RingTensor

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def read_model(path: Path) -> tuple[Circuit, Plan]:
    """Circuit and plan of an artifact."""
    artifact = ModelArtifact.load(path)
    parameters = artifact.client_spec.parameters
    if not isinstance(parameters, LevelledParameters):
        raise InvalidInputError(f"{path} is of scheme {parameters.scheme!r}, expected levelled artifacts")
    circuit = Circuit.from_bytes(artifact.circuit)
    return circuit, make_plan(circuit, parameters, highest_output(circuit, verify(circuit)))


def random_rows(circuit: Circuit, count: int, random: np.random.Generator) -> IntArray:
    """Rows that encoders could make, thermometers on up to anywhere."""
    parts = []
    for group in circuit.input.groups:
        if group.kind is GroupKind.THERMOMETER:
            parts.append(np.arange(group.size) < random.integers(0, group.size + 1, (count, 1)))
        else:
            parts.append(random.integers(0, 2, (count, group.size)) > 0)
    return np.concatenate(parts, axis=1).astype(np.int64)


def phases(plan: Plan, own: secret.Secret, answer: bytes) -> FloatArray:
    """Of each slot, as a fraction of the torus."""
    data, width = RingTensor.from_bytes(answer).polynomials, plan.parameters.answer_word_bits
    at = packed_bytes(RING_SIZE, width)
    mask = unpack(data[:at], RING_SIZE, width).astype(np.int64)
    body = unpack(data[at:], plan.layout.slots, width).astype(np.int64)
    product = times(mask, transform(own.astype(np.float64)))[: plan.layout.slots]
    found: FloatArray = ((body - product) % (1 << width)) / 2.0**width
    return found


def standardized(circuit: Circuit, plan: Plan, keys: int, rows: int, random: np.random.Generator) -> FloatArray:
    """Errors over their predicted deviations, shape (keys, rows · slots)."""
    bits = random_rows(circuit, rows, random)
    exact = on_torus(interpret(circuit, bits), plan.parameters.moduli)
    variances = RowVariances(plan.layout, MEAN)
    deviations = [np.sqrt(row_variance(plan, variances, row)) for row in bits]
    evaluator = RowEvaluator(plan)
    found = np.empty((keys, rows, plan.layout.slots))
    for each in found:
        own = secret.generate()
        ready = evaluator.make_ready(memoryview(b"".join(evaluation_keys.chunks(UNIVERSAL, own))))
        for index, row in enumerate(bits):
            answer = evaluator.evaluate_row(encrypt_row(plan.parameters, own, row).to_bytes(), ready)
            error = phases(plan, own, answer) - exact[index] - row_rounding(plan, row)
            each[index] = (error - np.rint(error)) / deviations[index]
    return found.reshape(keys, -1)


def main() -> None:
    """Measure all artifacts of a folder, and pool them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--keys", type=int, default=10)
    parser.add_argument("--rows", type=int, default=30, help="under each of the keys")
    options = parser.parse_args()
    random = np.random.default_rng(0)
    pooled = []
    for path in sorted(options.folder.glob("*.cryptable")):
        circuit, plan = read_model(path)
        found = standardized(circuit, plan, options.keys, options.rows, random)
        pooled.append(found.ravel())
        bound = noise_bound(plan)
        print(
            f"{path.stem}: {_summary(found.ravel())}; by key {np.round(np.mean(found**2, axis=1), 2).tolist()}; "
            f"bound 2^{math.log2(bound.variance) / 2:.2f}, wrong at most 2^{bound.log2_failure:.0f}"
        )
    if pooled:
        print(f"all: {_summary(np.concatenate(pooled))}")


def _summary(values: FloatArray) -> str:
    squares = float(np.mean(values**2))
    kurtosis = float(np.mean(values**4)) / squares**2
    half = 1.96 * math.sqrt((kurtosis - 1) / values.size) * squares
    return f"mean square {squares:.3f} ± {half:.3f} over {values.size} slots, kurtosis {kurtosis:.2f}"


if __name__ == "__main__":
    main()
