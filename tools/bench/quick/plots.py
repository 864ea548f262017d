"""The plots of the benchmark's report, as SVG."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from charts import AMBER, QUIET, TEAL, chart, plain_look, to_svg


@plain_look
def against_peer(models: list[dict[str, Any]]) -> str:
    """CPU seconds of a row, ours and Concrete ML's recorded ones, on a logarithmic axis."""
    compared = [model for model in models if model["peer"]]
    height = 0.9 + 0.44 * len(compared)
    figure, (axes,) = chart(9, height, left=0.36, right=0.95, bottom=0.3 / height, top=1 - 0.5 / height)
    sides = (
        ("Cryptable", TEAL, -0.2, [model["cpu_seconds"] for model in compared]),
        ("Concrete ML 1.9, recorded on another day", AMBER, 0.2, [model["peer"]["cpu_seconds"] for model in compared]),
    )
    for label, colour, offset, seconds in sides:
        places = [index + offset for index in range(len(compared))]
        bars = axes.barh(places, seconds, 0.36, color=colour, label=label)
        axes.bar_label(
            bars, [f"{each:.2g} s" if each < 100 else f"{each:.0f} s" for each in seconds], padding=3, size=8
        )
    axes.set_xscale("log")
    axes.set_xlim(1e-4, 10**2.7)
    axes.set_ylim(len(compared) - 0.4, -0.6)
    exponents = range(-4, 3)
    axes.set_xticks([10.0**exponent for exponent in exponents], [f"{10.0**exponent:g} s" for exponent in exponents])
    axes.minorticks_off()
    axes.set_yticks(range(len(compared)), [model["case"] for model in compared])
    axes.grid(axis="x")
    axes.legend(ncols=2, loc="lower left", bbox_to_anchor=(0, 1))
    return to_svg(figure, "CPU seconds of a row: Cryptable, and Concrete ML as recorded")


@plain_look
def growth(figures: dict[str, list[dict[str, Any]]]) -> str:
    """CPU seconds of a row as trees, depth and features grow, three panels side by side; of `measure_growth`."""
    titles = {"trees": "trees of depth 3", "depth": "depth of 20 trees", "features": "features, 20 trees of depth 3"}
    figure, panels = chart(9.4, 3, len(titles), left=0.06, right=0.98, bottom=0.2, top=0.86, wspace=0.25)
    for axes, (name, title) in zip(panels, titles.items(), strict=True):
        at = [point["at"] for point in figures[name]]
        milliseconds = [1e3 * point["cpu_seconds"] for point in figures[name]]
        axes.plot(at, milliseconds, color=TEAL, marker="o", markersize=4)
        for x, y, point in zip(at, milliseconds, figures[name], strict=True):
            axes.annotate(f"{point['products']}", (x, y), (0, 5), textcoords="offset points", ha="center", size=8)
        axes.set_title(title, size=10, weight="bold")
        axes.set_xticks(at)
        axes.tick_params(axis="x", labelsize=7)
        axes.set_xlim(0, 1.06 * max(at))
        axes.set_ylim(0, 1.15 * max(milliseconds))
        axes.yaxis.set_major_formatter("{x:g} ms")
        axes.grid(axis="y")
    note = "Predicted, of the scheme levelled. Points are marked with their number of products. XGBoost."
    figure.text(0.02, 0.03, note, size=8, color=QUIET)
    return to_svg(figure, "CPU seconds of a row as a model grows")
