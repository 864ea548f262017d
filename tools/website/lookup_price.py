"""The picture of what a lookup costs, drawn from the cost table that the planner plans by."""

from __future__ import annotations

import json
from importlib import resources

from cryptable.cost.prices import Draft, price_list
from cryptable.cost.rates import COST_TABLE
from svg import AMBER, INDIGO, INK, QUIET, TEAL, Drawing

WIDTHS = range(2, 9)
MOST_BITS = 6
"""Up to which the planner of trees, whose circuits have one level, looks up."""
FEW, MANY = (4, 6), (64, 11)
"""Lookups that are summed, and bits of the sum."""
LEFT, BOTTOM, HEIGHT = 90, 290, 220


def draw_lookup_prices() -> Drawing:
    """Bars by width: in circuits of one level, and in others, few or dozens summed; at the rate for 4 bits."""
    milliseconds = 1e3 * _rate()
    drawing = Drawing(760, 360, "CPU time of one lookup by its width in bits")
    prices = {
        width: (
            _price(width, MANY, bits_are_free=False) if width <= MOST_BITS else None,
            _price(width, FEW),
            _price(width, MANY),
        )
        for width in WIDTHS
    }
    highest = max(many for *_, many in prices.values()) * milliseconds
    scale = HEIGHT / highest
    step = 100 if highest < 1000 else 200
    for level in range(0, int(highest) + 1, step):
        y = BOTTOM - level * scale
        drawing.line(LEFT, y, 730, y, colour="#e2e8f0")
        drawing.text(LEFT - 8, y + 4, f"{level}", size=12, colour=QUIET, anchor="end")
    for index, (width, each) in enumerate(prices.items()):
        x = LEFT + 10 + index * 92
        for offset, price, colour in zip((0, 26, 52), each, (INDIGO, TEAL, AMBER), strict=True):
            if price is not None:
                tall = price * milliseconds * scale
                drawing.bar(x + offset, BOTTOM - tall, 22, tall, colour)
                drawing.text(x + offset + 11, BOTTOM - tall - 5, f"{price * milliseconds:.0f}", size=11)
        drawing.text(x + 37, BOTTOM + 18, f"{width} bits", size=13)
        drawing.text(x + 37, BOTTOM + 34, f"{1 << width} entries", size=11, colour=QUIET)
    drawing.text(
        LEFT - 62, 28, "CPU milliseconds of one lookup on one core, p_error 2^-40", size=14, anchor="start", bold=True
    )
    for x, colour, label in (
        (LEFT, INDIGO, "one level, dozens summed"),
        (LEFT + 200, TEAL, "more levels, few summed"),
        (LEFT + 390, AMBER, "more levels, dozens summed"),
    ):
        drawing.bar(x, 46, 12, 12, colour)
        drawing.text(x + 18, 57, label, size=12, colour=INK, anchor="start")
    drawing.text(
        LEFT - 62,
        350,
        "At the seconds of a lookup of 4 bits. Sums are of 11 bits, where dozens are summed.",
        size=11,
        colour=QUIET,
        anchor="start",
    )
    return drawing


def _price(width: int, many: tuple[int, int], *, bits_are_free: bool = True) -> float:
    summed, output_bits = many
    draft = Draft(lookups=1, width=width, output_bits=output_bits, summed=summed, bits_are_free=bits_are_free)
    return price_list().draft(draft)


def _rate() -> float:
    """CPU seconds for a unit of price, of the machine that the table was measured on: not of this one."""
    content = json.loads(resources.files("cryptable.cost").joinpath(COST_TABLE).read_text("utf-8"))
    return float(content["rates"]["per_price"]["4"])
