"""What a lookup costs: the price table that the planner plans by, and seconds of one core for a unit of price."""

from __future__ import annotations

_PRICE = {1: 0.8e8, 2: 0.8e8, 3: 1.01e8, 4: 1.42e8, 5: 3.3e8, 6: 7.6e8, 7: 1.7e9, 8: 4.0e9}
"""Complexity of one lookup by width, where outputs are summed by the dozen, p_error 2^-40, concrete-python 2.11.0."""

SECONDS_PER_PRICE = 2.0e-10
"""CPU seconds of one core for a unit of complexity: 1.4e8 took 28 ms."""


def lookup_price(width: int) -> float:
    """Optimizer complexity of one lookup of `width` bits, 1 to 8."""
    return _PRICE[width]


def predicted_cpu_seconds(price: float) -> float:
    """CPU seconds that a total price takes."""
    return price * SECONDS_PER_PRICE
