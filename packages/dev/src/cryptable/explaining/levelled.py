"""What there is to say of a levelled circuit: products, selectors, how rarely it fails, and what its layout tells."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from cryptable_engine import Circuit, Linear, Product, Program, Rotation
from cryptable_engine.schemes.levelled.noise.bound import failure
from cryptable_protocol import ClientSpec, Decoder, Link
from cryptable_protocol.schemes.levelled.batch import LevelledBatch
from cryptable_protocol.schemes.levelled.parameters import LevelledParameters

from cryptable.cost.levelled import seconds_of, signs_of, turns_of
from cryptable.cost.rates import Prediction
from cryptable.planner.settings import MOST_LEVELS

HEURISTICS = (
    "a bound for every honest row, which takes the digits of random masks for independent, and the rounding of "
    "transforms for what was measured"
)
LAYOUT_TELLS = (
    "which of its bits are selectors, so which thresholds stand above others in some tree, and from the time, how many "
    "products there are"
)
DIGITS_TELL = (
    "which binary digits of its inputs matter at all, and from the time, how many of them turn how many tables"
)
CRAFTED = (
    "Some tens of answers, to honest rows or to others, take a small model apart: limit rows for each principal where "
    "the model is worth hiding (docs/threat-model.md)."
)


def answers_labels(circuit: Circuit, decoder: Decoder) -> bool:
    """Whether answers are sides of comparisons, and no scores: sums of tables of 1 and −1, and nothing beside them."""
    rotation = next((node for node in circuit.nodes if isinstance(node, Rotation)), None)
    if rotation is None or len(circuit.nodes) != 3 or decoder.link is not Link.MARGIN:
        return False
    sides = np.abs(rotation.tables)  # of a comparison, the same at all positions; of a tree's leaves, not
    return bool((sides <= 1).all() and (sides == sides[:, :1]).all())


def levels_told(circuit: Circuit, decoder: Decoder) -> int | None:
    """In how many levels predictions are answered: by one table, which rises by twos; None where they are not."""
    rotation = next((node for node in circuit.nodes if isinstance(node, Rotation)), None)
    if rotation is None or len(circuit.nodes) != 3 or rotation.tables.shape[::2] != (1, 1):
        return None
    if decoder.link not in (Link.IDENTITY, Link.PROBABILITY) or not isinstance(circuit.nodes[-1], Linear):
        return None
    if any(term.source == 0 for term in circuit.nodes[-1].terms):
        return None
    table = rotation.tables[0, :, 0]
    around = np.concatenate([table, -table])
    changes = np.abs(np.diff(around, append=around[:1]))
    highest = int(around.max())
    is_told = not (changes % 2).any() and int(changes.sum()) == 4 * highest and highest < MOST_LEVELS
    return highest + 1 if is_told else None


def _tables(rotation: Rotation) -> int:
    return int(rotation.table_of.max()) + 1


@dataclass(frozen=True)
class Together:
    """What a row takes among others, in one query and one answer.

    Attributes:
        rows: at most.
        up: bytes of a row then.
        down: bytes of an answer to a row.
        seconds: predicted CPU seconds of a row, but for its linear forms.
        rows_per_answer: that share an answer, at most.
    """

    rows: int
    up: float
    down: float
    seconds: float
    rows_per_answer: int = 1

    @classmethod
    def of(cls, circuit: Circuit, program: Program, pace: float) -> Together | None:
        """As a server will find it, at a pace of `MachineRates.levelled_pace`; None where rows travel alone."""
        batches = [each for each in program.choose_batches() if isinstance(each, LevelledBatch)]
        if not batches:
            return None
        batch = batches[-1]  # packed, if answers are
        full, turns = batch.of(batch.most_rows), turns_of(circuit)
        seconds = pace * seconds_of(batch.row, circuit.products - turns, turns, signs_of(circuit))
        share = max(1, batch.rows_per_answer)
        return cls(full.rows, full.row_bytes / full.rows, full.answer_bytes / full.rows, seconds, share)


@dataclass(frozen=True)
class LevelledFacts:
    """Of one prediction.

    Attributes:
        products_by_depth: external products that read only such as are less deep.
        products_by_feature: external products by the feature that they select by a bit of.
        selectors_by_feature: bits that products multiply by, or that turn tables, by feature.
        selectors: all of these.
        leaves: bits with a leaf of their own.
        placed: bits in places.
        gadget: digits, and bits of each.
        moduli: that scores are computed modulo.
        log2_failure: of the bound for the probability that an answer is wrong.
        turns: external products that turn tables.
        tables: that bits turn, one a neuron, or for several that differ by signs alone.
        positions: of a table.
        together: what a row takes among as many others as may travel with it; None where rows travel alone.
        levels: that predictions are answered in; None where scores or labels are.
    """

    products_by_depth: tuple[int, ...]
    products_by_feature: Mapping[str, int]
    selectors_by_feature: Mapping[str, int]
    selectors: int
    leaves: int
    placed: int
    gadget: tuple[int, int]
    moduli: tuple[int, ...]
    log2_failure: float
    turns: int = 0
    tables: int = 0
    positions: int = 0
    together: Together | None = None
    levels: int | None = None

    @property
    def products(self) -> int:
        """All of them."""
        return sum(self.products_by_depth) + self.turns

    @property
    def depth(self) -> int:
        """Of products that read each other."""
        return len(self.products_by_depth)

    @classmethod
    def of(cls, circuit: Circuit, program: Program, spec: ClientSpec, pace: float) -> LevelledFacts | None:
        """Of a circuit, its program, what is told to clients, and a pace; None where that is another scheme's."""
        parameters = spec.parameters
        if not isinstance(parameters, LevelledParameters):
            return None
        layers = [node.bits for node in circuit.nodes if isinstance(node, Product)]
        name_of = [feature.name for feature in spec.features for _ in range(feature.size)]
        by_feature = Counter(name_of[bit] for bits in layers for bit in bits.tolist())
        rotation = next((node for node in circuit.nodes if isinstance(node, Rotation)), None)
        if rotation is not None:
            for bit, count in zip(rotation.bits.tolist(), rotation.turns.tolist(), strict=True):
                by_feature[name_of[bit]] += count
            for tree in rotation.trees:
                for bit in tree.bits[tree.moves].tolist():
                    by_feature[name_of[bit]] += len(tree.neurons)
        return cls(
            tuple(bits.size for bits in layers),
            by_feature,
            Counter(name_of[bit] for bit in parameters.selectors),
            len(parameters.selectors),
            len(parameters.leaves),
            len(parameters.placed),
            parameters.gadget,
            parameters.moduli,
            failure(circuit, parameters),
            *((0, 0, 0) if rotation is None else (rotation.products, _tables(rotation), rotation.positions)),
            together=Together.of(circuit, program, pace),
            levels=levels_told(circuit, spec.decoder),
        )

    def to_dict(self) -> dict[str, Any]:
        """All figures, for machines."""
        return {
            **asdict(self),
            "products": self.products,
            "depth": self.depth,
            "products_by_depth": list(self.products_by_depth),
            "products_by_feature": dict(self.products_by_feature),
            "selectors_by_feature": dict(self.selectors_by_feature),
            "gadget": list(self.gadget),
            "moduli": list(self.moduli),
        }

    def rows(self, seconds: Prediction, p_error: float, security_bits: int) -> Iterator[tuple[str, str]]:
        """For people: what stands in place of lookups, and of how they fail."""
        if self.tables:
            others = f", {self.products - self.turns} of a bit with a linear form" if self.depth else ""
            told = f"{self.turns}, by which bits turn {self.tables} tables of {self.positions} positions{others}"
            yield "products", f"{told}; no bootstrapping"
            if self.levels is not None:
                yield "answers", f"one of {self.levels} numbers, in steps, by a table after the score"
        else:
            yield "products", f"{self.products} of a bit with a linear form, {self.depth} deep; no bootstrapping"
        yield "selectors", f"{self.selectors} bits, expanded to {self.gadget[0]} ciphertexts each"
        yield "residues", f"answers are computed modulo {', '.join(map(str, self.moduli))}, put together by the client"
        yield (
            "CPU",
            f"about {seconds.row:.2g} s a row on one core (products {seconds.lookups:.2g} s, expanding bits "
            f"{seconds.ciphertexts:.2g} s, linear forms {seconds.linear:.2g} s), by rates of: {seconds.measured_on}",
        )
        if self.together is not None:
            share = self.together.rows_per_answer
            packed = f", up to {share} in one answer" if share > 1 else ""
            yield (
                "rows together",
                f"up to {self.together.rows} in one query{packed}: {self.together.up / 1000:.1f} kB up and "
                f"{self.together.down / 1000:.1f} kB down a row, about {self.together.seconds:.2g} s a row",
            )
        yield "keys shared", "with every model of the scheme levelled"
        yield (
            "failure",
            f"2^{self.log2_failure:.0f} an answer ({HEURISTICS}), asked for 2^{math.log2(p_error):.0f}; "
            f"{security_bits}-bit security",
        )
