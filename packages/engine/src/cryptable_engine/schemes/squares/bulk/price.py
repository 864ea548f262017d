"""What a tensor of rows in bulk costs, by operations and the primes that they are modulo, and when it pays."""

from __future__ import annotations

import math

from cryptable_protocol import ClientSpec
from cryptable_protocol.schemes.scheme import SQUARES
from cryptable_protocol.schemes.squares.bulk_parameters import BulkParameters

from cryptable_engine.kernel import kernel_state
from cryptable_engine.schemes.squares.bulk.first_sums import FirstSums
from cryptable_engine.schemes.squares.bulk.plan import BulkPlan

_PRODUCT = {8192: (4900.0, 8600.0, 12500.0), 16384: (11500.0, 19000.0, 28000.0, 36500.0, 50000.0, 67000.0)}
"""Microseconds of one core, by ring and by primes, beginning with one, that the product's factors are modulo
(tools/bench/bulk_prices.py)."""
_READ = {8192: (45.0, 80.0, 135.0), 16384: (90.0, 180.0, 270.0, 400.0, 550.0, 680.0)}
"""The same of a column that a sum reads."""
_INPUT = {8192: 220.0, 16384: 650.0}
"""Of a column of the input, by ring: for each of its primes."""
_OUTPUT = {8192: 6500.0, 16384: 13600.0}

_FIRST_SUM, _FIRST_READ = {8192: 1300.0, 16384: 2800.0}, {8192: 14.0, 16384: 28.0}
"""Of a sum of a network's first layer, and of a column that it reads: for each prime."""


ENCRYPTION_PRICE = 0.27
"""Microseconds that a client takes for a byte of a row of polynomials (tools/bench/bulk.py)."""
_PACES = {"avx512": 0.18, "avx2": 0.24, "base": 0.76}
"""By path through the kernel, its share of the microseconds of NumPy, which single rows are priced in (decision 47)."""


def price(plan: BulkPlan) -> float:
    """Microseconds of an evaluation of one tensor."""
    noise, columns, keyset = plan.noise, plan.columns, plan.parameters.keyset
    size, primes, first = keyset.ring_size, len(plan.parameters.fresh.data), frozenset(columns.first_squares)
    made = FirstSums(columns, plan.parameters.fresh).columns_read + sum(
        column < columns.inputs for column in columns.reads
    )
    total = _INPUT[size] * made * primes + _OUTPUT[size] * len(columns.outputs)
    for index, sums in enumerate((*columns.steps, *((each,) for each in columns.outputs))):
        level = min(map(noise.level_of, sums))
        if index in first:
            total += primes * (_FIRST_SUM[size] + _FIRST_READ[size] * len(sums[0].weights)) + _PRODUCT[size][level - 1]
            continue
        total += _READ[size][level - 1] * sum(len(each.weights) for each in sums if not each.is_one_column)
        total += _PRODUCT[size][level - 1] * (len(sums) - 1)
    return total


def least_rows_in_bulk(spec: ClientSpec, alone: float, parameters: BulkParameters, price: float) -> int | None:
    """From how many on a tensor is less work than so many rows alone, for server and client together.

    Args:
        spec: of the model whose rows are alone.
        alone: price of such a row, its program's.
        parameters: of rows in bulk.
        price: microseconds of a tensor of these, its program's.

    Returns:
        None where not even a full tensor is.
    """
    work = price + ENCRYPTION_PRICE * parameters.row_bytes
    if spec.scheme == SQUARES:
        alone += ENCRYPTION_PRICE * spec.parameters.row_bytes
    else:  # what clients do for a single row of the scheme levelled is little
        alone *= _PACES.get(kernel_state().path, 1.0)
    rows = max(1, math.ceil(work / alone))
    return rows if rows <= parameters.rows else None
