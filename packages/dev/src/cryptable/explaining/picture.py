"""A picture of what one prediction costs: lookups or products, where they go, seconds by phase, bytes on the wire."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from cryptable_protocol import InvalidInputError

Facts: TypeAlias = dict[str, Any]
"""As `Explanation.to_dict` gives them."""
Bar: TypeAlias = tuple[str, float, str]
"""Name, value, colour."""
Axes: TypeAlias = Any
Figure: TypeAlias = Any

_MOST_BARS = 12
_FEWEST_PLACES = 6
"""A panel with fewer bars leaves room, rather than drawing them thick."""
_SERVER, _CLIENT, _ONCE = "#1b6ca8", "#d98032", "#a39c8d"
_PHASES = (
    ("lookups", "lookups", _SERVER),
    ("linear", "linear maps", _SERVER),
    ("ciphertexts", "ciphertexts in and out", _SERVER),
    ("encryption", "client: encrypting", _CLIENT),
    ("keys_loaded", "once: unpacking keys", _ONCE),
)
_LEVELLED_PHASES = (
    ("lookups", "products", _SERVER),
    ("linear", "linear forms", _SERVER),
    ("ciphertexts", "expanding bits", _SERVER),
    *_PHASES[3:],
)
_SIZES = (
    ("input_row", "a row up", _SERVER),
    ("output_row", "a row down", _SERVER),
    ("evaluation_keys", "once: evaluation keys", _ONCE),
)
"""Key in the facts, name in the picture, colour."""


def draw(facts: Facts) -> Figure:
    """A matplotlib figure.

    Raises:
        InvalidInputError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure as Canvas
    except ImportError as error:
        raise InvalidInputError("pictures need matplotlib: pip install 'cryptable[plot]'") from error
    figure = Canvas(figsize=(11, 6), layout="constrained", facecolor="white")
    figure.suptitle(f"What one prediction of {facts['model']!r} costs", x=0.01, ha="left", fontsize=14, weight="bold")
    panels = figure.subplots(2, 2, width_ratios=(1, 1), height_ratios=(3, 2))
    _features(panels[0, 0], facts)
    _layers(panels[0, 1], facts)
    _seconds(panels[1, 0], facts)
    _bytes(panels[1, 1], facts)
    return figure


def _features(axes: Axes, facts: Facts) -> None:
    levelled, form = facts["levelled"], "{:.1f}"
    by_feature = facts["lookups_by_feature"]
    beside: dict[str, int] = {}
    title = f"{facts['lookups']} lookups, by the features that they read"
    if levelled is not None:
        by_feature, form = levelled["products_by_feature"], "{:.0f}"
        beside = levelled["selectors_by_feature"]
        title = f"{levelled['products']} products by {levelled['selectors']} selectors, by their features"
    shares = sorted(by_feature.items(), key=lambda item: -item[1])
    if facts["squares"] is not None:
        _say(axes, "Lookups by feature", "no lookup: the model squares sums\nof what the client sends")
        return
    if not shares:
        _say(axes, "Lookups by feature", "no lookup: the model is linear\nin what the client sends")
        return
    shown = [(_short(name), share, _SERVER) for name, share in shares[:_MOST_BARS]]
    counts = [beside.get(name, 0) for name, _ in shares[:_MOST_BARS]]
    if len(shares) > _MOST_BARS:
        rest = shares[_MOST_BARS:]
        shown.append((f"{len(rest)} more", sum(share for _, share in rest), _ONCE))
        counts.append(sum(beside.get(name, 0) for name, _ in rest))
    told = [form.format(share) for _, share, _ in shown]
    if beside:
        told = [f"{each} by {count} selectors" for each, count in zip(told, counts, strict=True)]
    _bars(axes, title, shown, told)


def _layers(axes: Axes, facts: Facts) -> None:
    layers, levelled = facts["lookups_by_layer"], facts["levelled"]
    if levelled is not None and levelled["products"]:
        counts = levelled["products_by_depth"]
        shown = [(f"{depth} deep", count, _SERVER) for depth, count in enumerate(counts[:_MOST_BARS], 1)]
        if len(counts) > _MOST_BARS:
            shown.append(("deeper", sum(counts[_MOST_BARS:]), _ONCE))
        if levelled["turns"]:
            shown.append(("turning tables", levelled["turns"], _SERVER))
        _bars(axes, "Products by depth", shown, "{:.0f}".format)
        return
    if facts["squares"] is not None:
        counts = facts["squares"]["squares_by_layer"]
        shown = [(f"layer {number}", count, _SERVER) for number, count in enumerate(counts, 1)]
        _bars(axes, "Squares by layer", shown, "{:.0f}".format)
        return
    if not layers:
        _say(axes, "Lookups by layer", "none")
        return
    shown = [
        (f"{_short(layer['name'])} ({layer['table_bits']} bits)", layer["lookups"], _SERVER)
        for layer in layers[:_MOST_BARS]
    ]
    if len(layers) > _MOST_BARS:
        rest = layers[_MOST_BARS:]
        shown.append((f"{len(rest)} more", sum(layer["lookups"] for layer in rest), _ONCE))
    _bars(axes, "Lookups by layer", shown, "{:.0f}".format)


def _seconds(axes: Axes, facts: Facts) -> None:
    phases = facts["cpu_seconds_by_phase"]
    title = f"CPU seconds of one core, predicted: {_time(facts['cpu_seconds_predicted'])} a row on the server"
    told = _PHASES if facts["levelled"] is None else _LEVELLED_PHASES
    shown = [(name, phases[key], colour) for key, name, colour in told if phases[key]]
    _bars(axes, title, shown, _time)


def _bytes(axes: Axes, facts: Facts) -> None:
    shown = [(name, facts["bytes"][key], colour) for key, name, colour in _SIZES if facts["bytes"][key]]
    _bars(axes, "Bytes on the wire (logarithmic)", shown, _size)
    axes.set_xscale("log")
    axes.set_xlim(10, max(size for _, size, _ in shown) * 100)
    axes.set_xticks([])
    axes.minorticks_off()


def _bars(axes: Axes, title: str, shown: Sequence[Bar], text: Callable[[float], str] | Sequence[str]) -> None:
    """Each with its value as `text` has it, or with the text of its own."""
    names, values, colours = zip(*shown, strict=True)
    places = range(len(names))
    bars = axes.barh(places, values, color=colours, height=0.7)
    labels = [text(value) for value in values] if callable(text) else text
    axes.bar_label(bars, labels, padding=3, fontsize=9)
    axes.set_yticks(places, names, fontsize=9)
    axes.set_xlim(0, max(values) * (1.2 + 0.015 * max(map(len, labels))))
    axes.set_ylim(max(len(names), _FEWEST_PLACES) - 0.5, -0.6)
    axes.set_xticks([])
    _plain(axes, title)
    axes.spines["bottom"].set_visible(False)
    axes.spines["left"].set_bounds(-0.5, len(names) - 0.5)


def _say(axes: Axes, title: str, text: str) -> None:
    axes.text(0.02, 0.9, text, va="top", transform=axes.transAxes, color="#444444")
    axes.set_xticks([])
    axes.set_yticks([])
    _plain(axes, title)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)


def _plain(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=11)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _short(name: str) -> str:
    return name if len(name) <= 24 else f"{name[:23]}…"


def _time(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds >= 0.1 else f"{seconds * 1e3:.2g} ms"


def _size(count: float) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB" if count >= 1e3 else f"{count:.0f} B"
