"""The picture of what a lookup costs, drawn from the cost table that the planner plans by."""

from __future__ import annotations

import json
from importlib import resources

from cryptable.cost import lookup_price, noise_level
from cryptable.machine import COST_TABLE
from svg import AMBER, INK, QUIET, TEAL, Drawing

WIDTHS = range(2, 9)
FEW, MANY = noise_level(4, 6), noise_level(64, 11)
LEFT, BOTTOM, HEIGHT = 90, 290, 220


def draw_lookup_prices() -> Drawing:
    """Bars by width: alone, and where dozens are summed; CPU milliseconds on the right, at the rate for 4 bits."""
    milliseconds = 1e3 * _rate()
    drawing = Drawing(760, 360, "CPU time of one lookup by its width in bits")
    prices = {width: (lookup_price(width, FEW), lookup_price(width, MANY)) for width in WIDTHS}
    highest = max(many for _, many in prices.values()) * milliseconds
    scale = HEIGHT / highest
    step = 100 if highest < 1000 else 200
    for level in range(0, int(highest) + 1, step):
        y = BOTTOM - level * scale
        drawing.line(LEFT, y, 730, y, colour="#e2e8f0")
        drawing.text(LEFT - 8, y + 4, f"{level}", size=12, colour=QUIET, anchor="end")
    for index, (width, (few, many)) in enumerate(prices.items()):
        x = LEFT + 22 + index * 92
        for offset, price, colour in ((0, few, TEAL), (30, many, AMBER)):
            tall = price * milliseconds * scale
            drawing.bar(x + offset, BOTTOM - tall, 26, tall, colour)
            drawing.text(x + offset + 13, BOTTOM - tall - 5, f"{price * milliseconds:.0f}", size=11)
        drawing.text(x + 28, BOTTOM + 18, f"{width} bits", size=13)
        drawing.text(x + 28, BOTTOM + 34, f"{1 << width} entries", size=11, colour=QUIET)
    drawing.text(
        LEFT - 62, 28, "CPU milliseconds of one lookup on one core, p_error 2^-40", size=14, anchor="start", bold=True
    )
    for x, colour, label in (
        (LEFT, TEAL, "few outputs summed"),
        (LEFT + 190, AMBER, "outputs summed by the dozen, to 11 bits"),
    ):
        drawing.bar(x, 46, 12, 12, colour)
        drawing.text(x + 18, 57, label, size=12, colour=INK, anchor="start")
    drawing.text(
        LEFT - 62,
        350,
        "From cost_table.json, the optimizer's prices, at the seconds of a lookup of 4 bits.",
        size=11,
        colour=QUIET,
        anchor="start",
    )
    return drawing


def _rate() -> float:
    """CPU seconds for a unit of price, of the machine that the table was measured on: not of this one."""
    content = json.loads(resources.files("cryptable").joinpath(COST_TABLE).read_text("utf-8"))
    return float(content["rates"]["per_price"]["4"])
