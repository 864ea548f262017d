"""From a quantized plan to a Circuit, and to what the client needs to feed it and to read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from cryptable_engine.circuit.circuit import Circuit, GroupKind, Input, InputGroup, Linear, Lookup, Node, Term
from cryptable_protocol import Decoder, Labels, Link, Missing

from cryptable.errors import ConstantModelError
from cryptable.graphs.graph import Gaps, IntArray
from cryptable.planner.output_maximum import with_output_maximum
from cryptable.planner.planned_model import PlannedModel
from cryptable.planner.thresholds.bits import Bits
from cryptable.planner.thresholds.thermometers import encoder_of
from cryptable.planner.trees.quantize import IntegerTable, QuantizedPlan, SharedTable


def lower(
    plan: QuantizedPlan,
    bits: Bits,
    *,
    feature_names: tuple[str, ...],
    as_float32: bool,
    width: int,
    link: Link,
    labels: Labels | None,
    gaps: Mapping[int, Gaps] | None = None,
) -> PlannedModel:
    """Lay a plan out as Linear -> Lookup -> Linear, on the bits that it uses."""
    tables: list[IntegerTable | SharedTable] = [table for output in plan.outputs for table in output.tables]
    summed = dict.fromkeys(enumerate(column for column, output in enumerate(plan.outputs) for _ in output.tables), 1)
    for index, each in enumerate(plan.shared, len(tables)):
        summed |= {(index, column): weight for column, weight in enumerate(each.weights) if weight}
    tables += plan.shared
    direct: dict[tuple[int, int], int] = {}
    for column, output in enumerate(plan.outputs):
        for function in output.functions:
            for bit, weight in zip(function.bits, function.weights.tolist(), strict=True):
                if weight:
                    direct[bit, column] = weight
    codes = [table.code.weights() for table in tables]
    used = sorted({bit for weights, _ in codes for bit in weights} | {bit for bit, _ in direct})
    if not used:
        raise ConstantModelError("the model gives the same scores for every input: there is nothing to compute")
    position = {bit: index for index, bit in enumerate(used)}

    edges: list[list[float]] = [[] for _ in bits.edges]
    flat = [edge for each in bits.edges for edge in each]
    for bit in used:
        edges[bits.feature_of[bit]].append(flat[bit])
    groups = tuple(InputGroup(GroupKind.THERMOMETER, len(each)) for each in edges if each)
    offset = np.array([-output.minimum for output in plan.outputs], np.int64)
    terms = [_term(0, {(position[bit], column): weight for (bit, column), weight in direct.items()})] if direct else []
    nodes: list[Node] = [Input(groups)]
    if tables:
        weights = {
            (position[bit], index): weight for index, (each, _) in enumerate(codes) for bit, weight in each.items()
        }
        nodes.append(Linear((_term(0, weights),), np.array([constant for _, constant in codes], np.int64)))
        nodes.append(_lookup(1, tables, width))
        terms.append(_term(2, summed))
    nodes.append(Linear(tuple(terms), offset))
    return PlannedModel(
        with_output_maximum(Circuit(tuple(nodes), len(nodes) - 1), plan.highest),
        tuple(
            encoder_of(name, tuple(each), as_float32=as_float32, gaps=(gaps or {}).get(feature, Missing.REFUSED))
            for feature, (name, each) in enumerate(zip(feature_names, edges, strict=True))
        ),
        Decoder(link, tuple((-offset).tolist()), plan.step, tuple(output.base for output in plan.outputs), labels),
        plan.error,
    )


def _term(source: int, weights: dict[tuple[int, int], int]) -> Term:
    entries = sorted(weights.items())
    return Term(
        source,
        np.array([row for (row, _), _ in entries], np.int64),
        np.array([column for (_, column), _ in entries], np.int64),
        np.array([weight for _, weight in entries], np.int64),
    )


def _lookup(source: int, tables: Sequence[IntegerTable | SharedTable], width: int) -> Lookup:
    """Codes that no honest input makes read 0."""
    padded: IntArray = np.zeros((len(tables), 1 << width), np.int64)
    for index, table in enumerate(tables):
        padded[index, : table.entries.shape[0]] = table.entries
    distinct, table_of = np.unique(padded, axis=0, return_inverse=True)
    return Lookup(source, distinct, table_of.reshape(-1).astype(np.int64))
