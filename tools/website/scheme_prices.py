"""The picture of what a row costs under each scheme, from figures that tools/bench/which_scheme.py has measured."""

from __future__ import annotations

import json
from typing import Any

from charts import AMBER, INDIGO, INK, QUIET, TEAL, Axes, chart, plain_look, to_svg
from generated_files import ROOT

FIGURES = ROOT / "docs/benchmarks/which-scheme.json"
ROSE = "#be123c"
LOOKS = {
    "levelled": ("levelled", TEAL, "o"),
    "bulk": ("levelled, in bulk", INDIGO, "s"),
    "squares": ("squares", AMBER, "D"),
    "bootstrapped": ("bootstrapped", ROSE, "^"),
}
WIDE: dict[str, Any] = {"linestyle": (0, (4, 2)), "markerfacecolor": "white"}
MOST_ROWS = 17
"""Powers of two."""


@plain_look
def draw_scheme_prices() -> str:
    """By rows at once on the left, by hidden layers on the right."""
    figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    figure, (rows, layers) = chart(7.6, 3.9, panels=2, left=0.08, right=0.98, bottom=0.2, top=0.76, wspace=0.16)
    _by_rows(rows, figures["trees"])
    _by_layers(layers, figures["networks"])
    for axes in (rows, layers):
        axes.set_yscale("log")
        axes.grid(axis="y")
        axes.tick_params(which="minor", left=False)
    rows.set_yticks([0.1, 1, 10, 100, 1000], ["0.1", "1", "10", "100", "1000"])
    layers.set_yticks([50, 200, 1000, 5000], ["50", "200", "1000", "5000"])
    handles = [
        rows.plot([], [], color=colour, marker=marker, markersize=4, label=label)[0]
        for label, colour, marker in LOOKS.values()
    ]
    handles.append(
        rows.plot([], [], color=QUIET, marker="o", markersize=4, label="128 neurons a layer, not 32", **WIDE)[0]
    )
    figure.legend(handles=handles, ncols=5, loc="upper left", bbox_to_anchor=(0.01, 0.94), columnspacing=1.4)
    figure.suptitle("CPU milliseconds of the server for a row, on one core", x=0.02, ha="left", size=10, weight="bold")
    note = "Medians of rows on a busy machine, keys in memory. In bulk, a tensor of up to 8192 rows costs the same."
    figure.text(0.02, 0.02, note, size=8, color=QUIET)
    return to_svg(figure, "CPU time of a row by scheme, by number of rows and of hidden layers")


def _by_rows(axes: Axes, trees: dict[str, Any]) -> None:
    counts = [1 << power for power in range(MOST_ROWS)]
    for scheme, cost in trees.items():
        tensors = [-(-count // cost["rows"]) for count in counts]
        shown = [1e3 * cost["server"] * number / count for number, count in zip(tensors, counts, strict=True)]
        _, colour, marker = LOOKS[scheme]
        axes.plot(counts, shown, color=colour, marker=marker, markevery=4, markersize=4)
    axes.set_ylim(0.1, 3000)
    axes.set_xscale("log", base=2)
    axes.set_xticks([1 << power for power in range(0, MOST_ROWS, 4)], ["1", "16", "256", "4096", "65 536"])
    axes.set_xlabel("rows at once", color=INK)
    axes.set_title("XGBoost 100x3, breast cancer", loc="left", size=9)


def _by_layers(axes: Axes, networks: dict[str, list[dict[str, Any]]]) -> None:
    deepest = max(map(len, networks.values()))
    for neurons, layers in networks.items():
        for scheme, (_, colour, marker) in LOOKS.items():
            shown = [
                (depth, 1e3 * costs[scheme]["server"]) for depth, costs in enumerate(layers, start=1) if scheme in costs
            ]
            if shown:
                look = {"markersize": 4, **({} if neurons == min(networks, key=int) else WIDE)}
                axes.plot(*zip(*shown, strict=True), color=colour, marker=marker, **look)
    axes.set_ylim(30, 10000)
    axes.set_xlim(0.7, deepest + 0.3)
    axes.set_xticks(range(1, deepest + 1))
    axes.set_xlabel("hidden layers", color=INK)
    axes.set_title("Networks of digits", loc="left", size=9)
