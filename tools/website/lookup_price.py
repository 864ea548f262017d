"""The chart of what a lookup costs, drawn from the cost table that the planner plans by."""

from __future__ import annotations

import json
from importlib import resources

from charts import AMBER, INDIGO, QUIET, TEAL, chart, plain_look, to_svg
from cryptable.cost.prices import Draft, price_list
from cryptable.cost.rates import COST_TABLE

WIDTHS = range(2, 9)
MOST_BITS = 6
"""Up to which the planner of trees, whose circuits have one level, looks up."""
FEW, MANY = (4, 6), (64, 11)
"""Lookups that are summed, and bits of the sum."""


@plain_look
def draw_lookup_prices() -> str:
    """Bars by width: in circuits of one level, and in others, few or dozens summed; at the rate for 4 bits."""
    series = (
        ("one level, dozens summed", INDIGO, {width: _price(width, MANY, bits_are_free=False) for width in WIDTHS}),
        ("more levels, few summed", TEAL, {width: _price(width, FEW) for width in WIDTHS}),
        ("more levels, dozens summed", AMBER, {width: _price(width, MANY) for width in WIDTHS}),
    )
    figure, (axes,) = chart(7.6, 3.8, left=0.08, right=0.99, bottom=0.2, top=0.82)
    for offset, (label, colour, prices) in enumerate(series):
        shown = [width for width in WIDTHS if offset or width <= MOST_BITS]
        places = [width + 0.27 * (offset - 1) for width in shown]
        milliseconds = [1e3 * _rate() * prices[width] for width in shown]
        axes.bar_label(axes.bar(places, milliseconds, 0.25, color=colour, label=label), fmt="%.0f", padding=1, size=7)
    axes.set_xticks(list(WIDTHS), [f"{width} bits\n{1 << width} entries" for width in WIDTHS])
    axes.grid(axis="y")
    axes.legend(ncols=3, loc="lower left", bbox_to_anchor=(0, 1))
    figure.suptitle(
        "CPU milliseconds of one lookup on one core, p_error 2^-40", x=0.02, ha="left", size=10, weight="bold"
    )
    note = "At the seconds of a lookup of 4 bits. Sums are of 11 bits, where dozens are summed."
    figure.text(0.02, 0.02, note, size=8, color=QUIET)
    return to_svg(figure, "CPU time of one lookup by its width in bits")


def _price(width: int, many: tuple[int, int], *, bits_are_free: bool = True) -> float:
    summed, output_bits = many
    draft = Draft(lookups=1, width=width, output_bits=output_bits, summed=summed, bits_are_free=bits_are_free)
    return price_list().draft(draft)


def _rate() -> float:
    """CPU seconds for a unit of price, of the machine that the table was measured on: not of this one."""
    content = json.loads(resources.files("cryptable.cost").joinpath(COST_TABLE).read_text("utf-8"))
    return float(content["rates"]["per_price"]["4"])
