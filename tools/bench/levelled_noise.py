"""Noise of levelled answers against its prediction, over keys and rows.

    python tools/bench/levelled_noise.py                  the four models of levelled_models.py, CatBoost, turned tables
    python tools/bench/levelled_noise.py --provoke        too much noise: misread slots are counted
    python tools/bench/levelled_noise.py --together       of rows that travel together, as many as a server takes
    python tools/bench/levelled_noise.py --packed         likewise, of those whose answers are packed
    python tools/bench/levelled_noise.py --bounds         bounds by the spectra of forms, beside those by flat ones

Under new keys again and again, rows that a model's encoders could make are encrypted, evaluated and read; an error,
less what rounded weights do, is divided by the deviation that is predicted for its own row. Pooled over all, the mean
of the squares should lie within 0.8 and 1.0, with its 95 % interval, which counts keys as well as slots: the prediction
is for mean secrets, and for transforms that round as NumPy 2 does. No row's variance, for the worst secret that clients
keep, may exceed the bound of its model.

Rows are evaluated by the kernel, unless CRYPTABLE_KERNEL=off.

With --provoke, fresh noise is so many times larger, with client and prediction alike, that slots are misread: as many
as their rows predict, and no more than the bound says (with four deviations of that count).
"""

from __future__ import annotations

import argparse
import math
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import cryptable as ct
import numpy as np
import numpy.typing as npt
from cryptable_client.schemes import ternary
from cryptable_client.schemes.levelled import encryption, evaluation_keys, secret
from cryptable_client.schemes.levelled.ring import times, transform
from cryptable_engine import interpret, verify
from cryptable_engine.circuit.bounds import highest_output
from cryptable_engine.circuit.circuit import Circuit, GroupKind
from cryptable_engine.kernel import usable_kernel
from cryptable_engine.schemes.levelled.evaluation.row_evaluator import RowEvaluator
from cryptable_engine.schemes.levelled.noise import row_noise, variances, worst_row
from cryptable_engine.schemes.levelled.noise.bound import NoiseBound, PlanNoise, noise_bound
from cryptable_engine.schemes.levelled.noise.row_noise import packed_variance, row_rounding, row_variance
from cryptable_engine.schemes.levelled.noise.variances import GREATEST, MEAN, RowVariances, Secret
from cryptable_engine.schemes.levelled.plans.plan import Plan, make_plan, plan_forms
from cryptable_engine.schemes.levelled.plans.torus import on_torus
from cryptable_engine.schemes.levelled.program import row_price
from cryptable_engine.schemes.levelled.together import choose_batches
from cryptable_protocol import InternalError
from cryptable_protocol.schemes.levelled.batch import LevelledBatch
from cryptable_protocol.schemes.levelled.keyset import RING_SIZE, UNIVERSAL
from cryptable_protocol.schemes.levelled.parameters import LevelledParameters
from cryptable_protocol.schemes.packing import packed_bytes, unpack
from cryptable_protocol.schemes.ring_tensor import RingTensor
from levelled_models import FOUR, NETWORKS, NINE, TURNED, LevelledModel

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

WANTED = 20.0
"""Slots that are to be misread with --provoke, of all keys and rows of a model."""


@dataclass(frozen=True, eq=False)
class Predicted:
    """Of rows of a model: exact phases, what rounded weights do, variances for mean and for worst secrets."""

    phases: FloatArray
    rounding: FloatArray
    mean: FloatArray
    greatest: FloatArray


def read_model(model: LevelledModel) -> tuple[Circuit, Plan]:
    """Circuit and plan of a model, fitted and compiled."""
    estimator, training, _ = model.fit()
    compiled = ct.compile(estimator, training, scheme="levelled", answer=model.answer, show_progress=False)
    parameters = compiled.artifact.client_spec.parameters
    if not isinstance(parameters, LevelledParameters):
        raise InternalError(f"a model of scheme {parameters.scheme!r}, levelled was asked for")
    circuit = compiled.circuit
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


@dataclass(frozen=True)
class Sizes:
    """Rows in a tensor, and those that share an answer."""

    rows: int = 1
    share: int = 1


def variances_of(plan: Plan, rows: IntArray, sizes: Sizes, secrets: Secret) -> FloatArray:
    """Of the slots of rows, so many of them together, shape (rows, slots)."""
    count = sizes.rows
    if sizes.share > 1:
        each = [RowVariances(plan.layout, secrets, count, place) for place in range(count)]
        begins = [first for tensor in range(0, len(rows), count) for first in _begins(tensor, sizes)]
        return np.concatenate(
            [
                packed_variance(plan, each[first % count : first % count + len(some)], some)
                for first, last in begins
                for some in (rows[first:last],)
            ]
        )
    return np.array(
        [
            row_variance(plan, RowVariances(plan.layout, secrets, count, index % count), row)
            for index, row in enumerate(rows)
        ]
    )


def _begins(tensor: int, sizes: Sizes) -> list[tuple[int, int]]:
    """First row of each answer to a tensor that begins with row `tensor`, and the one after its last."""
    end = tensor + sizes.rows
    return [(first, min(first + sizes.share, end)) for first in range(tensor, end, sizes.share)]


def predict(circuit: Circuit, plan: Plan, rows: IntArray, sizes: Sizes) -> Predicted:
    """What is known of rows before they are encrypted, so many of them together."""
    mean, greatest = (variances_of(plan, rows, sizes, secrets) for secrets in (MEAN, GREATEST))
    rounding = np.array([row_rounding(plan, row) for row in rows])
    return Predicted(on_torus(interpret(circuit, rows), plan.parameters.moduli), rounding, mean, greatest)


def phases(plan: Plan, own: ternary.Secret, data: bytes, rows: int) -> FloatArray:
    """Of each slot of an answer's polynomials, to so many rows one after the other, as a fraction of the torus."""
    width, slots = plan.parameters.answer_word_bits, rows * plan.layout.slots
    at = packed_bytes(RING_SIZE, width)
    mask = unpack(data[:at], RING_SIZE, width).astype(np.int64)
    body = unpack(data[at:], slots, width).astype(np.int64)
    product = times(mask, transform(own.astype(np.float64)))[:slots]
    found: FloatArray = ((body - product) % (1 << width)) / 2.0**width
    return found


def errors(plan: Plan, rows: IntArray, exact: FloatArray, keys: int, sizes: Sizes) -> FloatArray:
    """How far slots are off, what rounded weights do being part of it: shape (keys, rows, slots).

    Args:
        plan: of a row.
        rows: bits.
        exact: the slots' phases, without error, on the torus.
        keys: one after the other.
        sizes: of a tensor.
    """
    count, is_packed = sizes.rows, sizes.share > 1
    batch = None if count == 1 else LevelledBatch(plan.parameters, count, sizes.share if is_packed else 0)
    together = None if batch is None else (batch, plan)
    evaluator = RowEvaluator(plan, usable_kernel(), *((None, together) if is_packed else (together,)))
    found = np.empty((keys, *exact.shape))
    for each in found:
        own = secret.generate()
        ready = evaluator.make_ready(memoryview(b"".join(evaluation_keys.chunks(UNIVERSAL, own))))
        for first in range(0, len(rows), count):
            some = rows[first : first + count]
            if batch is None:
                tensor = encryption.encrypt_row(plan.parameters, own, some[0])
            else:
                tensor = encryption.encrypt_together(batch.of(count), own, some.ravel())
            data = RingTensor.from_bytes(evaluator.evaluate_row(tensor.to_bytes(), ready)).polynomials
            for begin, end in _begins(first, sizes):
                size = plan.parameters.answer_bytes if batch is None else batch.of(count).bytes_of_answer(end - begin)
                phase = phases(plan, own, data[:size], end - begin).reshape(end - begin, -1)
                each[begin:end] = phase - exact[begin:end]
                data = data[size:]
    off: FloatArray = found - np.rint(found)
    return off


def half_steps(plan: Plan) -> FloatArray:
    """How far a slot may be off, shape (slots,)."""
    return np.repeat([1 / (2 * p) for p in plan.parameters.moduli], plan.parameters.outputs)


def misread(variance: FloatArray, tolerance: FloatArray) -> float:
    """Slots that are expected beyond their tolerance, by Gaussian tails."""
    ratios = np.broadcast_to(tolerance / np.sqrt(2 * variance), np.broadcast_shapes(variance.shape, tolerance.shape))
    return math.fsum(map(math.erfc, ratios.ravel().tolist()))


@contextmanager
def noisier(factor: float) -> Iterator[None]:
    """Fresh noise of clients, and what the prediction takes it to be, times `factor`."""
    kept = [
        (module, name, getattr(module, name))
        for module, names in (
            (variances, ("FRESH", "UPLOADED", "PLACED")),
            (row_noise, ("UPLOADED", "PLACED")),
            (worst_row, ("PLACED",)),
            (encryption, ("_NOISE_VARIANCE",)),
        )
        for name in names
    ]
    more = (factor**2 - 1) * variances.FRESH
    try:
        for module, name, value in kept:
            setattr(module, name, value * factor**2 if module is encryption else value + more)
        yield
    finally:
        for module, name, value in kept:
            setattr(module, name, value)


def measure(
    name: str, circuit: Circuit, plan: Plan, rows: IntArray, keys: int, sizes: Sizes
) -> tuple[FloatArray, bool]:
    """Standardized errors of a model, shape (keys, rows · slots), and whether no row exceeds the bound; prints both."""
    predicted = predict(circuit, plan, rows, sizes)
    bound = noise_bound(plan, rows=sizes.rows, rows_per_answer=sizes.share)
    off = (errors(plan, rows, predicted.phases, keys, sizes) - predicted.rounding) / np.sqrt(predicted.mean)
    greatest = float(predicted.greatest.max()) / bound.variance
    print(
        f"{name}: {_summary(off.reshape(keys, -1))}; rows' variances at most {greatest:.2f} of the bound's, "
        f"2^{math.log2(bound.variance) / 2:.2f}; wrong at most 2^{bound.log2_failure:.0f}",
        flush=True,
    )
    return off.reshape(keys, -1), greatest <= 1.0


def provoke(name: str, circuit: Circuit, plan: Plan, rows: IntArray, keys: int, sizes: Sizes) -> bool:
    """Whether no more slots are misread than the bound says, with so much noise that some are; prints the counts."""
    # A row's variance is what it is without fresh noise, and as many times that noise's.
    once = variances_of(plan, rows, sizes, MEAN)
    with noisier(2.0):
        fresh = (variances_of(plan, rows, sizes, MEAN) - once) / 3.0
    low, high = 1.0, 1e4
    for _ in range(24):
        factor = math.sqrt(low * high)
        mean = once + (factor**2 - 1) * fresh
        low, high = (factor, high) if keys * misread(mean, half_steps(plan)) < WANTED else (low, factor)
    rounding = np.array([row_rounding(plan, row) for row in rows])
    exact = on_torus(interpret(circuit, rows), plan.parameters.moduli)
    with noisier(factor):
        bound = noise_bound(plan, rows=sizes.rows, rows_per_answer=sizes.share)
        off = errors(plan, rows, exact, keys, sizes)
    counted = int((np.abs(off) > half_steps(plan)).sum())
    expected = keys * misread(mean, half_steps(plan) - np.abs(rounding))
    most = keys * len(rows) * _misread_by(bound, plan)
    print(
        f"{name}: noise times {factor:.0f}, {counted} of {off.size} slots misread; rows predict {expected:.1f}, "
        f"the bound at most {most:.1f}",
        flush=True,
    )
    return 0 < counted <= most + 4 * math.sqrt(most)


def _misread_by(bound: NoiseBound, plan: Plan) -> float:
    return misread(np.array(bound.variance), np.maximum(half_steps(plan) - bound.rounding, 0.0))


def tell_bounds(name: str, plan: Plan) -> None:
    """log2 of how often answers are wrong at most, by flat spectra and by those of forms; and what that takes."""
    began = time.process_time()
    found = PlanNoise(plan).bound()
    seconds = time.process_time() - began
    flat = PlanNoise(plan).bound_by_flat_spectra()
    print(
        f"{name}: {plan.products} products by {tuple(plan.parameters.gadget)}, moduli {plan.parameters.moduli}: wrong "
        f"at most 2^{flat.log2_failure:.1f} by flat spectra, 2^{found.log2_failure:.1f} by those of forms, which takes "
        f"{seconds:.2f} s",
        flush=True,
    )


def interval(squares: list[FloatArray]) -> tuple[float, float]:
    """The mean of all, and half of its 95 % interval: errors under one key, of one model, may have to do with another.

    Args:
        squares: of each model, shape (keys, slots).
    """
    count = sum(each.size for each in squares)
    mean = sum(float(each.sum()) for each in squares) / count
    clusters = np.concatenate([(each - mean).sum(axis=1) for each in squares])
    return mean, 1.96 * float(np.sqrt(np.sum(clusters**2))) / count


def main() -> int:
    """Measure all models, and pool them; exit status 1 where prediction or bound do not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=10)
    parser.add_argument("--rows", type=int, default=30, help="under each of the keys")
    parser.add_argument("--only", default="", help="models whose name has this in it")
    parser.add_argument("--provoke", action="store_true", help="count misread slots under more noise")
    parser.add_argument("--bounds", action="store_true", help="bounds alone, of more models; nothing is encrypted")
    parser.add_argument("--together", action="store_true", help="rows that travel together, --rows being rounded up")
    parser.add_argument("--packed", action="store_true", help="of these, rows that share answers")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # of the libraries, about each other
    random = np.random.default_rng(0)
    pooled: list[FloatArray] = []
    holds = True
    models = dict.fromkeys((*NETWORKS, *NINE, *FOUR, *TURNED) if options.bounds else (*FOUR, NINE[3], *TURNED))
    for model in (each for each in models if options.only in each.name):
        circuit, plan = read_model(model)
        name, sizes = model.name, Sizes()
        if options.bounds:
            tell_bounds(name, plan)
            continue
        if options.together or options.packed:
            ways = [way for way in choose_batches(plan, row_price) if bool(way.rows_per_answer) == options.packed]
            if not ways:
                print(f"{name}: rows {'have answers of their own' if options.packed else 'travel alone'}")
                continue
            plan = plan_forms(plan.forms, ways[0].row, ways[0].row.maximum)
            sizes = Sizes(ways[0].most_rows, max(1, ways[0].rows_per_answer))
            name = f"{name}, {sizes.rows} rows together" + (f", {sizes.share} an answer" if options.packed else "")
        rows = random_rows(circuit, -(-options.rows // sizes.rows) * sizes.rows, random)
        if options.provoke:
            holds &= provoke(name, circuit, plan, rows, options.keys, sizes)
            continue
        found, below = measure(name, circuit, plan, rows, options.keys, sizes)
        holds &= below
        pooled.append(found)
    if pooled:
        mean, half = interval([found**2 for found in pooled])
        print(f"all: {_summary(*pooled)}: {mean - half:.3f} to {mean + half:.3f}")
        holds &= mean - half > 0.8 and mean + half < 1.0
    return 0 if holds else 1


def _summary(*values: FloatArray) -> str:
    mean, half = interval([each**2 for each in values])
    flat = np.concatenate([each.ravel() for each in values])
    kurtosis = float(np.mean(flat**4)) / mean**2
    return f"mean square {mean:.3f} ± {half:.3f} over {flat.size} slots, kurtosis {kurtosis:.2f}"


if __name__ == "__main__":
    sys.exit(main())
