"""Noise of hidden linear models' answers against the bound that floods are computed from, over keys and rows.

    python tools/bench/linear_noise.py

Random matrices, random rows, new keys again and again. How far each slot is off, words rounded, is divided by the
deviation of its bound: the flood takes what other noise leaves, so the mean square should be just below 1: above 0.9,
and not above 1 by more than its 95 % interval. Then the flood is made so large that slots are misread: as many as
Gaussian tails of the measured variance say, within four deviations of that count. Exit status 1 where either fails.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator

import numpy as np
from cryptable_client.schemes import ternary
from cryptable_client.schemes.levelled import encryption, evaluation_keys, secret
from cryptable_client.schemes.levelled.ring import times, transform
from cryptable_engine import Circuit, GroupKind, Input, InputGroup, Linear, Term, interpret
from cryptable_engine.circuit.bounds import bounds, highest_output
from cryptable_engine.schemes.levelled.linear.choice import choose_linear_parameters
from cryptable_engine.schemes.levelled.linear.evaluator import LinearEvaluator
from cryptable_engine.schemes.levelled.linear.plan import LinearPlan, make_linear_plan
from cryptable_engine.schemes.levelled.plans.torus import on_torus
from cryptable_protocol.schemes.levelled.keyset import PUBLIC_PAIR, RING_SIZE
from cryptable_protocol.schemes.packing import packed_bytes, unpack
from cryptable_protocol.schemes.ring_tensor import RingTensor
from levelled_noise import FloatArray, interval, misread

P_ERROR = 2.0**-128
SHAPES = ((30, 1, 14), (200, 1, 20), (30, 10, 14), (12, 4, 10), (64, 60, 8))
"""Inputs, outputs, bits of an input."""
WANTED = 40.0
"""Slots to be misread."""


def plan_of(inputs: int, outputs: int, bits: int, random: np.random.Generator) -> tuple[Circuit, LinearPlan]:
    """A random matrix of weights of 12 bits, and its plan."""
    weights = random.integers(-2048, 2048, (inputs, outputs))
    offset = -np.minimum(weights, 0).sum(axis=0) * (2**bits - 1)
    group = InputGroup(GroupKind.RANGE, inputs, 2**bits - 1)
    circuit = Circuit((Input((group,)), Linear((Term.from_dense(0, weights),), offset)), 1)
    highest = highest_output(circuit, bounds(circuit))
    return circuit, make_linear_plan(circuit, choose_linear_parameters(circuit, highest, P_ERROR), highest)


def errors(
    circuit: Circuit, plan: LinearPlan, random: np.random.Generator, *, keys: int, rows: int, flood: float = 1.0
) -> FloatArray:
    """How far slots of outputs are off, as fractions of the torus: shape (keys, rows · moduli · outputs).

    Args:
        circuit: the matrix.
        plan: its plan.
        random: which rows.
        keys: new ones, so many times.
        rows: under each of the keys.
        flood: how many times as large the flood's deviation is to be.
    """
    parameters, evaluator = plan.parameters, LinearEvaluator(plan)
    evaluator._deviations *= flood
    found = []
    for _ in range(keys):
        own = secret.generate()
        ready = evaluator.make_ready(memoryview(b"".join(evaluation_keys.chunks(PUBLIC_PAIR, own))))
        for _ in range(rows):
            row = random.integers(0, circuit.input.groups[0].maximum + 1, circuit.input.size)
            answer = evaluator.evaluate_row(encryption.encrypt_integers(parameters, own, row).to_bytes(), ready)
            exact = on_torus(interpret(circuit, row[None]), parameters.moduli)[0]
            found.append(np.concatenate(list(_phases(plan, own, answer)), axis=1)[:, : parameters.outputs])
            found[-1] = found[-1] - exact.reshape(found[-1].shape)
    off = np.array(found).reshape(keys, -1)
    centred: FloatArray = off - np.rint(off)
    return centred


def _phases(plan: LinearPlan, own: ternary.Secret, answer: bytes) -> Iterator[FloatArray]:
    """Part by part, of each modulus and output."""
    parameters = plan.parameters
    width, data = parameters.answer_word_bits, RingTensor.from_bytes(answer).polynomials
    sizes = packed_bytes(RING_SIZE, width), packed_bytes(parameters.slots, width)
    for at in range(0, len(data), sum(sizes)):
        mask = unpack(data[at : at + sizes[0]], RING_SIZE, width).astype(np.int64)
        body = unpack(data[at + sizes[0] : at + sum(sizes)], parameters.slots, width).astype(np.int64)
        product = times(mask, transform(own.astype(np.float64)))[parameters.slot_places]
        yield (((body - product) % (1 << width)) / 2.0**width).reshape(len(parameters.moduli), -1)


def by_slot(plan: LinearPlan, values: tuple[float, ...], count: int) -> FloatArray:
    """A figure of each modulus for `count` errors in the order of `errors`."""
    repeated = np.repeat(values, plan.parameters.outputs)
    return np.tile(repeated, count // repeated.size)


def main() -> int:
    """Measure all matrices; exit status 1 where a bound does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=10)
    parser.add_argument("--rows", type=int, default=30, help="under each of the keys")
    options = parser.parse_args()
    random = np.random.default_rng(0)
    pooled, holds = [], True
    for shape in SHAPES:
        circuit, plan = plan_of(*shape, random)
        moduli = plan.parameters.moduli
        off = errors(circuit, plan, random, keys=options.keys, rows=options.rows)
        found = off / np.sqrt(by_slot(plan, plan.parameters.variances, off.shape[1]))
        pooled.append(found**2)
        mean, half = interval(pooled[-1:])
        # The flood grows until so many slots should be misread.
        tolerance = by_slot(plan, tuple(1 / (2 * p) for p in moduli), off.shape[1])
        variance, flooded = (
            by_slot(plan, each, off.shape[1]) for each in (plan.parameters.variances, plan.parameters.floods)
        )
        low, high = 1.0, 64.0
        for _ in range(30):
            factor = math.sqrt(low * high)
            expected = options.keys * misread(variance + (factor**2 - 1) * flooded, tolerance)
            low, high = (factor, high) if expected < WANTED else (low, factor)
        more = errors(circuit, plan, random, keys=options.keys, rows=options.rows, flood=factor)
        counted = int((np.abs(more) > tolerance).sum())
        holds &= abs(counted - expected) <= 4 * math.sqrt(expected)
        print(
            f"{shape[0]} inputs of {shape[2]} bits, {shape[1]} outputs, moduli {moduli}: mean square {mean:.3f} "
            f"± {half:.3f} over {off.size} slots; flood times {factor:.1f}: {counted} misread, {expected:.1f} expected",
            flush=True,
        )
    mean, half = interval(pooled)
    print(f"all: {mean - half:.3f} to {mean + half:.3f} of the bound")
    holds &= mean > 0.9 and mean - half <= 1.0
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
