"""The noise of ciphertexts under a program's crypto parameters, and what it makes of lookups that drop bits.

Everything is a variance on the torus of circumference 1 (see `formulas`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from cryptable_protocol import BootstrapKeyParameters, KeysetParameters

from cryptable_engine.circuit.circuit import Circuit, Input, IntArray, Linear, Lookup
from cryptable_engine.circuit.convolution import Convolution, convolved
from cryptable_engine.circuit.interpreter import (
    DENSE_IS_FASTER_BY,
    checked_rows,
    convolution_value,
    linear_value,
    read_around,
)
from cryptable_engine.circuit.verifier import verify
from cryptable_engine.errors import UnsupportedProgramError
from cryptable_engine.schemes.bootstrapped.bootstrapping.seeded_keys import supports
from cryptable_engine.schemes.bootstrapped.parameters.formulas import (
    bootstrap_variance,
    keyswitch_variance,
    rounding_variance,
)
from cryptable_engine.schemes.bootstrapped.parameters.layout import Layout, lay_out, reading_of
from cryptable_engine.schemes.bootstrapped.program import BootstrappedProgram
from cryptable_engine.schemes.scheme import Program

FloatArray = npt.NDArray[np.float64]

_CHUNK_VALUES = 1 << 23


@dataclass(frozen=True)
class NoiseModel:
    """Variances of a program: of an encrypted input, of a looked-up value, and what reading for a lookup adds.

    They are what noise typically is, for how often close calls go wrong; parameters are chosen by what it is at most.
    Where a program has several keys of a kind, they are those of the noisiest; `by_node` has the looked-up value's and
    the reading's of each Lookup node where it is known which keys that has.
    """

    input: float
    lookup: float
    reading: float
    by_node: Mapping[int, tuple[float, float]] | None = None

    def of_lookup(self, node: int) -> float:
        """Of the values that a Lookup node gives."""
        return self.lookup if self.by_node is None else self.by_node[node][0]

    def of_reading(self, node: int) -> float:
        """What reading adds for a Lookup node."""
        return self.reading if self.by_node is None else self.by_node[node][1]

    @classmethod
    def of(cls, program: Program) -> NoiseModel:
        """From a program's crypto parameters.

        Raises:
            UnsupportedProgramError: it has no bootstrap keys.
        """
        model, keyset = cls.of_keyset(program.keyset, program.input.variance), program.keyset
        assignment = program.assignment if isinstance(program, BootstrappedProgram) else None
        if assignment is None:
            return model
        keys = {key.id: key for key in keyset.bootstrap_keys}
        by_node = {
            node: (
                bootstrap_variance(keys[its.bootstrap_key], keyset.dimensions[keys[its.bootstrap_key].input_key]),
                _reading(keyset, keys[its.bootstrap_key], compensated=True, under=its.under),
            )
            for node, its in assignment.lookups.items()
        }
        return replace(model, by_node=by_node)

    @classmethod
    def of_keyset(cls, keyset: KeysetParameters, input_variance: float) -> NoiseModel:
        """From the parameters of keys, and the variance that inputs are encrypted with."""
        if not keyset.bootstrap_keys:
            raise UnsupportedProgramError("program: without lookups there is no noise to model: results are exact")
        dimensions = keyset.dimensions
        compensated = supports(keyset)  # those that Concrete's own program evaluates are not
        lookup = max(bootstrap_variance(key, dimensions[key.input_key]) for key in keyset.bootstrap_keys)
        reading = max(_reading(keyset, key, compensated=compensated) for key in keyset.bootstrap_keys)
        return cls(input_variance, lookup, reading)


def _reading(
    keyset: KeysetParameters, key: BootstrapKeyParameters, *, compensated: bool, under: int | None = None
) -> float:
    """What reading adds under a bootstrap key: from one secret key, or from the one that it adds most from."""
    switches = [
        keyswitch_variance(each, keyset.dimensions[each.input_key])
        for each in keyset.keyswitch_keys
        if each.output_key == key.input_key and under in (None, each.input_key)
    ]
    rounding = rounding_variance(keyset.dimensions[key.input_key], key.polynomial_size, compensated=compensated)
    return max(switches, default=0.0) + rounding


@dataclass(frozen=True, eq=False)
class NoisyEvaluation:
    """What `simulate_noise` found: outputs of shape (rows, output size), and how many lookups read a neighbour."""

    outputs: IntArray
    neighbours: int
    lookups: int


class NoisyInterpreter:
    """Evaluates a circuit on clear rows with the noise of its ciphertexts, element by element.

    Lookups with mirrors read where noise leads them; others, and the final result, are exact: they fail with the
    program's p_error only.

    Args:
        circuit: any; it is verified.
        model: of the program that it was compiled to.
        all_lookups: whether lookups without mirrors read where noise leads them too. Of a program of Concrete's with
            several keys of a kind that is too pessimistic, for `model` is that of the noisiest.
    """

    def __init__(self, circuit: Circuit, model: NoiseModel, *, all_lookups: bool = False) -> None:
        self._circuit = circuit
        self._model = model
        self._all_lookups = all_lookups
        self._layout: Layout = lay_out(circuit, verify(circuit))
        entries = [term.rows.size for node in circuit.nodes if isinstance(node, Linear) for term in node.terms]
        self._widest = max(1, *entries, *(node.size for node in circuit.nodes))

    def evaluate(self, values: IntArray, rng: np.random.Generator) -> NoisyEvaluation:
        """Evaluate encoded rows, shape (rows, input size).

        Raises:
            InvalidInputError: values that no honest encoder makes.
        """
        rows = checked_rows(self._circuit.input, values)
        step = max(1, _CHUNK_VALUES // self._widest)
        parts = [self._evaluate(rows[start : start + step].T, rng) for start in range(0, max(1, len(rows)), step)]
        return NoisyEvaluation(
            np.concatenate([part.outputs for part in parts]),
            sum(part.neighbours for part in parts),
            sum(part.lookups for part in parts),
        )

    def _evaluate(self, rows: IntArray, rng: np.random.Generator) -> NoisyEvaluation:
        exact: dict[int, IntArray] = {}
        noise: dict[int, FloatArray] = {}
        neighbours = lookups = 0
        for index, node in enumerate(self._circuit.nodes):
            match node:
                case Input():
                    exact[index] = rows
                    noise[index] = rng.normal(0.0, math.sqrt(self._model.input), rows.shape)
                case Linear():
                    exact[index] = linear_value(node, exact, rows.shape[1])
                    noise[index] = self._errors(node, noise, rows.shape[1])
                case Convolution():
                    exact[index] = convolution_value(node, exact[node.source])
                    noise[index] = convolved(node, noise[node.source])
                case Lookup():
                    source = exact[node.source]
                    if node.mirrors is None and not self._all_lookups:
                        exact[index] = node.tables[node.table_of[:, None], source]
                    else:
                        read = np.floor(source + self._read(index, node, noise[node.source], rng) + 0.5).astype(
                            np.int64
                        )
                        exact[index] = read_around(node, read)
                        neighbours += int(np.count_nonzero(positions(node, read) != positions(node, source)))
                    lookups += source.size
                    deviation = math.sqrt(self._model.of_lookup(index))
                    noise[index] = rng.normal(0.0, deviation, exact[index].shape)
        return NoisyEvaluation(exact[self._circuit.output].T, neighbours, lookups)

    def _errors(self, node: Linear, noise: dict[int, FloatArray], count: int) -> FloatArray:
        errors = np.zeros((node.size, count))
        for term in node.terms:
            if not term.rows.size:
                continue
            source = noise[term.source]
            if source.shape[0] * node.size < DENSE_IS_FASTER_BY * term.rows.size:
                errors += term.to_dense(source.shape[0], node.size).T.astype(np.float64) @ source
                continue
            order = np.argsort(term.columns, kind="stable")
            rows, columns, weights = term.rows[order], term.columns[order], term.weights[order, None]
            first = np.flatnonzero(np.r_[True, np.diff(columns) != 0])
            errors[columns[first]] += np.add.reduceat(source[rows] * weights, first, axis=0)
        return errors

    def _read(self, index: int, node: Lookup, noise: FloatArray, rng: np.random.Generator) -> FloatArray:
        """The noise that a lookup meets, in units of its source's values."""
        region, reading = self._layout.widths[node.source], reading_of(node)
        scaled = noise * 2.0 ** (region - reading.bits)
        met = scaled + rng.normal(0.0, math.sqrt(self._model.of_reading(index)), noise.shape)
        found: FloatArray = met * 2.0 ** (reading.bits + 1)  # a value of 1 is 2^-(bits + 1) of the torus
        return found


def positions(node: Lookup, source: IntArray) -> IntArray:
    """Where a Lookup reads its table for these values, before the table wraps around."""
    return (source + ((1 << node.dropped_bits) >> 1)) >> node.dropped_bits


def reading_deviation(circuit: Circuit, model: NoiseModel) -> dict[int, FloatArray]:
    """By Lookup node with mirrors, the standard deviation of the noise that each element meets, in positions."""
    layout = lay_out(circuit, verify(circuit))
    shares: dict[int, FloatArray] = {}
    found: dict[int, FloatArray] = {}
    for index, node in enumerate(circuit.nodes):
        match node:
            case Input():
                shares[index] = np.full(node.size, model.input)
            case Linear():
                # Of sums of independent ones; where a value reaches a sum by two ways they are not quite independent.
                total = np.zeros(node.size)
                for term in node.terms:
                    np.add.at(
                        total, term.columns, np.square(term.weights.astype(np.float64)) * shares[term.source][term.rows]
                    )
                shares[index] = total
            case Convolution():
                squares = np.square(node.weights.astype(np.float64))
                shares[index] = convolved(node, shares[node.source][:, None], squares)[:, 0]
            case Lookup():
                shares[index] = np.full(node.size, model.of_lookup(index))
                if node.mirrors is not None:
                    region, reading = layout.widths[node.source], reading_of(node)
                    scale = 4.0 ** (region - reading.bits)
                    variance = shares[node.source] * scale + model.of_reading(index)
                    found[index] = np.sqrt(variance) * 2.0 ** (node.width + 1)
    return found


def neighbour_rate(deviations: dict[int, FloatArray]) -> float:
    """Which part of all lookups with mirrors reads a neighbour, for sums that lie anywhere between borders alike.

    Args:
        deviations: what `reading_deviation` gives.
    """
    every = np.concatenate([np.zeros(0), *deviations.values()])
    # The mean over x of P(noise > x), on both sides of a border: a Gaussian's mean absolute value.
    return float(np.minimum(every * math.sqrt(2 / math.pi), 1.0).mean()) if every.size else 0.0
