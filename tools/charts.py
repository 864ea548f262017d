"""What the charts of the documentation have in common: colours, a plain look, and the same file every time."""

from __future__ import annotations

import io
from typing import Any, TypeAlias

import matplotlib as mpl
from matplotlib.figure import Figure

Axes: TypeAlias = Any

INK, QUIET, GRID = "#1f2937", "#64748b", "#e2e8f0"
TEAL, AMBER, INDIGO = "#0f766e", "#b45309", "#4338ca"
plain_look = mpl.rc_context(
    {
        "axes.axisbelow": True,
        "axes.edgecolor": QUIET,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "font.size": 9,
        "grid.color": GRID,
        "legend.borderpad": 0,
        "legend.fontsize": 8,
        "legend.frameon": False,
        "svg.fonttype": "none",  # text stays text, for readers and their fonts
        "svg.hashsalt": "cryptable",  # else the names inside are random
        "text.color": INK,
        "xtick.color": QUIET,
        "ytick.color": QUIET,
    }
)
"""Decorates a function that draws a chart and returns its file."""


def chart(width: float, height: float, panels: int = 1, **places: float) -> tuple[Figure, list[Axes]]:
    """A figure of so many inches and its panels, side by side.

    `places` are those of `Figure.subplots_adjust`: fixed, since a layout that is solved for may differ by the machine.
    """
    figure = Figure(figsize=(width, height))
    axes = figure.subplots(1, panels, squeeze=False)[0]
    figure.subplots_adjust(**places)
    return figure, list(axes)


def to_svg(figure: Figure, title: str) -> str:
    """The file's content: without a date, and without the version of what has drawn it."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Title": title, "Date": None, "Creator": None})
    return "".join(f"{line.rstrip()}\n" for line in buffer.getvalue().splitlines())
