"""Prices of the scheme bootstrapped: what a lookup costs.

Those of circuits of several levels stand in a table, which tools/bench/cost_model.py makes by the search for their
crypto parameters; those of circuits of one level are computed, as theirs are.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import cache
from importlib import resources

import numpy as np
from cryptable_engine import Circuit, Convolution, Linear, Lookup, Node, Program
from cryptable_engine.circuit.readout import output_bits
from cryptable_engine.schemes.bootstrapped.noise import NoiseModel, neighbour_rate, reading_deviation
from cryptable_engine.schemes.bootstrapped.parameters import keyset_search, several_levels
from cryptable_engine.schemes.bootstrapped.parameters.formulas import noise_deviation
from cryptable_engine.schemes.bootstrapped.parameters.one_level import (
    cheapest_keyset,
    complexity,
    has_one_level,
    serves_one_level,
    typical_demands,
)
from cryptable_engine.schemes.bootstrapped.program import BootstrappedProgram, EvaluationKind
from cryptable_engine.schemes.bootstrapped.sums import dense_cells_and_gathered_entries
from cryptable_protocol import KeysetParameters
from cryptable_protocol.model.client_spec import DEFAULT_P_ERROR
from cryptable_protocol.schemes.scheme import BOOTSTRAPPED

from cryptable.cost.prices import TYPICAL_OUTPUT_BITS, Cost, Draft, prices_of
from cryptable.cost.rates import COST_TABLE, MachineRates, Prediction

_KEY_BITS = 2048
"""Of the key that inputs are under, at most: it is shorter in circuits of one level."""
_ELEMENT_BYTES, _ROW_BYTES = 8, 21
_ENTRIES_A_LOOKUP = 8
"""Of the codes that are gathered, in a draft."""


@prices_of(BOOTSTRAPPED)
class BootstrappedPrices:
    """Prices in units of the optimizer's complexity; 1.4e8 is about 28 ms of one core.

    Args:
        p_error: of one lookup.
        keyset: that circuits are to run with; by default any, so that circuits of one level (engine's `one_level`) are
            priced as such, and others as those of several levels.
    """

    widths = (2, 3, 4, 5, 6)

    def __init__(self, p_error: float, keyset: KeysetParameters | None = None) -> None:
        self.p_error = p_error
        self._one_level = serves_one_level(keyset) if keyset is not None and keyset.bootstrap_keys else None

    @property
    def bits_are_free(self) -> bool | None:
        """Not with keys for circuits of one level; always with others."""
        return None if self._one_level is None else not self._one_level

    @property
    def noise_deviation(self) -> float:
        """Half a step is as many deviations of a Gaussian as leave p_error outside."""
        return noise_deviation(self.p_error)

    def draft(self, draft: Draft) -> float:
        """See `PriceList`."""
        if not draft.lookups:
            return 0.0
        one_level = self._one_level is not False and not draft.bits_are_free
        noise = noise_level(draft.summed, draft.output_bits)
        return draft.lookups * lookup_price(draft.width, noise, p_error=self.p_error, one_level=one_level)

    def circuit(self, circuit: Circuit) -> float:
        """See `PriceList`. What lookups amplify is told of those that scores are sums of; of others, it is typical."""
        bits, bits_are_free = output_bits(circuit), not has_one_level(circuit)
        prices = []
        for index, node in enumerate(circuit.nodes):
            if isinstance(node, Lookup):
                draft = Draft(lookups=node.size, width=node.width, bits_are_free=bits_are_free)
                summed = _summed(circuit, index)
                prices.append(self.draft(replace(draft, output_bits=bits, summed=summed) if summed else draft))
        return math.fsum(prices)

    def planned_seconds(self, circuit: Circuit, rates: MachineRates) -> float:
        """See `PriceList`: with ciphertexts as long as those of several levels are."""
        words = _KEY_BITS * circuit.input.size
        dense, gathered = _work(circuit)
        widths = [node.width for node in circuit.nodes if isinstance(node, Lookup)]
        if not widths:
            cells = (dense + gathered) * _KEY_BITS * rates.linear_cell_word
            return rates.linear_call + words * rates.linear_input_word + cells
        sums = _KEY_BITS * (dense * rates.cell_word + gathered * rates.gathered_word)
        return rates.call + words * rates.input_word + sums + self.circuit(circuit) * _per_price(rates, max(widths))

    def estimate(self, draft: Draft, rates: MachineRates) -> Cost:
        """See `PriceList`."""
        words = _KEY_BITS * draft.input_bits
        if draft.lookups:
            gathered = _ENTRIES_A_LOOKUP * draft.lookups * _KEY_BITS * rates.gathered_word
            seconds = rates.call + words * rates.input_word + self.draft(draft) * _per_price(rates, draft.width)
            seconds += gathered
        else:
            seconds = rates.linear_call + words * (rates.linear_input_word + rates.linear_cell_word)
        return Cost(seconds, draft.lookups, _ROW_BYTES + draft.input_bits * _ELEMENT_BYTES)

    def neighbour_rate(self, circuit: Circuit, program: Program) -> float | None:
        """See `PriceList`."""
        if not circuit.is_approximate or any(map(_takes_a_bit_off, circuit.nodes)):
            return None
        return neighbour_rate(reading_deviation(circuit, NoiseModel.of(program)))

    def seconds(self, circuit: Circuit, program: Program, rates: MachineRates) -> Prediction:
        """See `PriceList`."""
        return predict(circuit, program, rates)


def noise_level(lookups: float, output_bits: int) -> float:
    """How little noise a sum bears, in bits: each output bit halves it, and four times as many lookups do.

    Args:
        lookups: how many are summed, at least 1; with weights, the sum of their squares.
        output_bits: of the sum.
    """
    return output_bits + math.log2(lookups) / 2


def lookup_price(
    width: int, noise: float = TYPICAL_OUTPUT_BITS, *, p_error: float = DEFAULT_P_ERROR, one_level: bool = False
) -> float:
    """Optimizer complexity of one lookup.

    Args:
        width: in bits, 1 to 8.
        noise: as `noise_level` says, of the sum that bears least.
        p_error: of one lookup.
        one_level: whether the circuit is one of one level, where lookups cost less: see engine's `one_level`.

    Returns:
        The price; infinite where no parameters are exact enough.
    """
    if one_level:
        return _one_level_price(width, math.ceil(4 * noise) / 4, p_error)
    classes = _table()[width]
    eligible = [limit for limit in classes if limit <= p_error]
    steps = classes[max(eligible)] if eligible else classes[min(classes)]
    return next((price for limit, price in steps if noise <= limit), math.inf)


def several_levels_keyset(width: int, noise: float, *, p_error: float = DEFAULT_P_ERROR) -> KeysetParameters | None:
    """The cheapest keyset for lookups of typical codes in circuits of several levels, by the arguments of a price."""
    return keyset_search.cheapest_keyset(several_levels.typical_demands(width, noise), p_error)


@cache
def _one_level_price(width: int, noise: float, p_error: float) -> float:
    keyset = cheapest_keyset(typical_demands(width, noise), p_error)
    return math.inf if keyset is None else complexity(keyset, 1)


def total_price(
    lookups: int, width: int, output_bits: int, *, p_error: float = DEFAULT_P_ERROR, one_level: bool = False
) -> float:
    """Optimizer complexity of `lookups` lookups whose outputs are summed to `output_bits` bits.

    More output bits, or more noise summed, need bootstrap keys of more levels, at which all lookups cost more.

    Args:
        lookups: how many.
        width: in bits, 1 to 8.
        output_bits: of their sum.
        p_error: of one lookup.
        one_level: as `lookup_price` has it.
    """
    if not lookups:
        return 0.0
    return lookups * lookup_price(width, noise_level(lookups, output_bits), p_error=p_error, one_level=one_level)


def _summed(circuit: Circuit, lookup: int) -> float:
    """The sum of the squares of the weights of a node's values in a score, of the score where it is largest."""
    scores = circuit.nodes[circuit.output]
    squares = np.zeros(scores.size)
    for term in scores.terms if isinstance(scores, Linear) else ():
        if term.source == lookup:
            np.add.at(squares, term.columns, np.square(term.weights.astype(np.float64)))
    return float(squares.max())


def predict(circuit: Circuit, program: Program, rates: MachineRates) -> Prediction:
    """What evaluating `circuit`, compiled to `program`, takes on the machine of `rates`."""
    words = program.keyset.dimensions[program.input.key] + 1
    inputs = program.input.size * words
    widths = [node.width for node in circuit.nodes if isinstance(node, Lookup)]
    dense, gathered = _work(circuit)
    if not program.lookups:
        linear = (dense + gathered) * words * rates.linear_cell_word
        return Prediction(
            0.0,
            linear,
            rates.linear_call + inputs * rates.linear_input_word,
            0.0,
            program.input.size * rates.encryption_element,
            rates.machine,
        )
    return Prediction(
        program.complexity * _per_price(rates, max(widths)),
        words * (dense * rates.cell_word + gathered * rates.gathered_word),
        rates.call + (rates.native_call if _is_concretes(program) else 0.0) + inputs * rates.input_word,
        program.keyset.evaluation_keys_bytes * rates.key_byte,
        program.input.size * rates.encryption_element,
        rates.machine,
    )


def _work(circuit: Circuit) -> tuple[int, int]:
    """Dense cells and gathered entries of all sums."""
    work = [matrix_work(circuit, node) for node in circuit.nodes if isinstance(node, Linear | Convolution)]
    dense, gathered = (sum(of_a_kind) for of_a_kind in zip((0, 0), *work, strict=True))
    return dense, gathered


def _is_concretes(program: Program) -> bool:
    """Whether Concrete's own program evaluates it."""
    return isinstance(program, BootstrappedProgram) and program.evaluation is EvaluationKind.CONCRETE


def matrix_work(circuit: Circuit, node: Linear | Convolution) -> tuple[int, int]:
    """Dense cells and gathered entries of a sum's matrices, which `MachineRates` has a rate of each for.

    All filters of a convolution read what is gathered once.
    """
    if isinstance(node, Convolution):
        gathered = math.prod(node.places) * node.window * node.groups
        return node.size * node.window, gathered
    work = [dense_cells_and_gathered_entries(term, circuit.nodes[term.source].size, node.size) for term in node.terms]
    return sum(dense for dense, _ in work), sum(gathered for _, gathered in work)


def _takes_a_bit_off(node: Node) -> bool:
    """Exact rounding: a table of zeros tells the bit above from its mirror. Then all lookups read amid their positions.

    Nothing else is such a table: what is 0 wherever it is read needs no lookup.
    """
    return isinstance(node, Lookup) and node.mirrors is not None and not node.tables.any()


def _per_price(rates: MachineRates, width: int) -> float:
    """Seconds of one unit of complexity, of lookups of the width that is nearest to what was measured."""
    return rates.per_price[min(rates.per_price, key=lambda measured: abs(measured - width))]


@cache
def _table() -> dict[int, dict[float, list[tuple[float, float]]]]:
    """By width and p_error: up to which noise level which price holds, both ascending."""
    content = json.loads(resources.files("cryptable.cost").joinpath(COST_TABLE).read_text("utf-8"))
    table: dict[int, dict[float, list[tuple[float, float]]]] = {}
    for entry in content["prices"]:
        steps = [(float(limit), float(price)) for limit, price in entry["steps"]]
        table.setdefault(entry["width"], {})[2.0 ** entry["log2_p_error"]] = steps
    return table
