"""The report of the benchmark, as Markdown for the documentation."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .plots import against_peer, growth

SUMMARISED = (
    "logistic regression, breast cancer",
    "XGBoost 20x3, breast cancer",
    "XGBoost 100x3, breast cancer",
    "XGBoost 10x3, digits",
    "random forest 50x5, synthetic",
    "CatBoost 40x4, diabetes",
)
FULL = "against-concrete-ml.json"


def report_files(figures: dict[str, Any], folder: Path) -> dict[str, str]:
    """Names and contents of index.md and the plots; `folder` may hold the figures of `make bench-full`."""
    plots = {}
    if "models" in figures:
        plots["against-peer.svg"] = against_peer(figures["models"]["figures"])
    if "growth" in figures:
        plots["growth.svg"] = growth(figures["growth"]["figures"])
    full = folder / FULL
    measured = json.loads(full.read_text(encoding="utf-8")) if full.is_file() else None
    text = "\n".join(_lines(figures, measured))
    return {"index.md": text + "\n", **plots}


def summary(figures: dict[str, Any]) -> str:
    """The README's table."""
    lines = [
        "| model, scikit-learn's data | takes | CPU | by lookups | score: float, compiled | Concrete ML, recorded |",
        "|---|---|---|---|---|---|",
    ]
    for model in figures["models"]["figures"]:
        if model["case"] in SUMMARISED:
            peer = "" if model["peer"] is None else f"{model['peer']['cpu_seconds']:g} s, {model['peer']['score']:.3f}"
            looked_up = model["bootstrapped"]
            lookups = "" if looked_up is None else f"{looked_up['lookups']}: {looked_up['cpu_seconds']:.2g} s"
            lines.append(
                f"| {model['case']} | {_taken(model)} | {_time(model['cpu_seconds'])} | {lookups} "
                f"| {model['float_score']:.3f}, {model['score']:.3f} | {peer} |"
            )
    return "\n".join(lines) + "\n"


def _taken(model: dict[str, Any]) -> str:
    """What a row takes of the server."""
    if model["products"]:
        return f"{model['products']} products"
    return f"{model['lookups']} lookups of {model['table_bits']} bits" if model["lookups"] else "sums"


def _time(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds >= 1 else f"{1e3 * seconds:.3g} ms"


def _lines(figures: dict[str, Any], full: list[dict[str, Any]] | None) -> Iterator[str]:
    yield "# Benchmark"
    yield ""
    yield (
        "Written by `make bench` (`tools/bench/bench.py`) from figures that it measured; do not edit. CPU seconds are "
        "of one core and of evaluation alone, keys being in memory. Wall times depend on what else runs: the machine's "
        "load when each section began is given."
    )
    if "caution" in figures:
        yield ""
        yield f"**Not of one run.** {figures['caution']}"
    for name, write in (
        ("efficiency", _efficiency),
        ("models", _models),
        ("growth", _growth),
        ("keys", _keys),
        ("footprint", _footprint),
    ):
        if name in figures:
            yield ""
            yield from write(figures[name]["figures"])
            yield ""
            yield _about(figures[name]["about"])
        if name == "models" and full is not None:
            yield ""
            yield from _full(full)


def _about(about: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    return (
        f"*{about['date']}, {about['cpu']}, {about['cores']} cores, load {about['load']:.1f}, "
        f"Python {about['python']}, {versions}.*"
    )


def _efficiency(facts: dict[str, Any]) -> Iterator[str]:
    yield "## How close to the limit"
    yield ""
    yield (
        f"By lookups, the demo's model (XGBoost, 100 trees of depth 3) takes {facts['lookups']} of them. One bare "
        "lookup, as one more in a circuit of nothing else, takes "
        f"{facts['bare_pbs_seconds'] * 1e3:.1f} ms of one core, so {facts['cores']} cores cannot take less than "
        f"{facts['limit_seconds']:.2f} s for a row. Where other work runs on the machine (see the load below), wall "
        "time tells of that; the busiest thread's CPU time is the wall time of a machine with nothing else to do, but "
        "for waits between threads."
    )
    yield ""
    yield "| | seconds | of the limit |"
    yield "|---|---|---|"
    yield f"| limit: lookups × bare lookup ÷ cores | {facts['limit_seconds']:.3f} | 1 |"
    yield f"| wall time of a row, {facts['cores']} cores | {facts['wall_seconds']:.3f} | {facts['ratio']:.2f} |"
    yield (
        f"| CPU of the busiest thread, {facts['cores']} threads | {facts['busiest_thread_seconds']:.3f} "
        f"| {facts['busiest_thread_ratio']:.2f} |"
    )
    single = facts["lookups"] * facts["bare_pbs_seconds"]
    yield (
        f"| CPU of a row, {facts['cores']} threads, ÷ {facts['cores']} | {facts['cpu_seconds'] / facts['cores']:.3f} "
        f"| {facts['cpu_seconds'] / single:.2f} |"
    )
    yield (
        f"| CPU of a row, one thread, ÷ {facts['cores']} | {facts['cpu_seconds_one_core'] / facts['cores']:.3f} "
        f"| {facts['cpu_ratio']:.2f} |"
    )
    yield (
        f"| wall time of a row, one core, ÷ {facts['cores']} | {facts['wall_seconds_one_core'] / facts['cores']:.3f} "
        f"| {facts['wall_seconds_one_core'] / single:.2f} |"
    )


def _models(models: list[dict[str, Any]]) -> Iterator[str]:
    yield "## Models"
    yield ""
    yield "![CPU seconds of a row, ours and Concrete ML's as recorded](against-peer.svg)"
    yield ""
    yield (
        "| model | takes | CPU ms a row | by lookups: how many | CPU s | ratio | score: float | compiled | keys, MB "
        "| a row up, kB | down, kB | compile, CPU s | Concrete ML 1.9: CPU s | lookups | score |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"
    for model in models:
        peer, looked_up = model["peer"], model["bootstrapped"]
        theirs = "| | | |" if peer is None else f"| {peer['cpu_seconds']:g} | {peer['lookups']} | {peer['score']:.3f} |"
        lookups = "| | | |"
        if looked_up is not None:
            ratio = looked_up["cpu_seconds"] / model["cpu_seconds"]
            lookups = (
                f"| {looked_up['lookups']} of {looked_up['table_bits']} bits | {looked_up['cpu_seconds']:.2g} "
                f"| {ratio:.0f} |"
            )
        yield (
            f"| {model['case']} | {_taken(model)} | {1e3 * model['cpu_seconds']:.3g} {lookups} "
            f"{model['float_score']:.3f} | {model['score']:.3f} | {model['keys_mb']:.2f} | {model['input_kb']:.1f} "
            f"| {model['output_kb']:.1f} | {model['compile_cpu_seconds']:.1f} {theirs}"
        )
    compared = [model for model in models if model["peer"] and (model["lookups"] or model["products"])]
    mean = math.exp(statistics.fmean(math.log(each["peer"]["cpu_seconds"] / each["cpu_seconds"]) for each in compared))
    sides = [each for model in models for each in (model, model["bootstrapped"]) if each is not None]
    yield ""
    yield (
        f"Every decrypted row equals the clear one, bit for bit: "
        f"{'yes' if all(each['encrypted_equals_clear'] for each in sides) else 'NO'}. Models of trees are levelled, at "
        '2^-128; "by lookups" is the same model with `scheme="bootstrapped"` at 2^-40, measured right after. '
        "Concrete ML's figures were recorded on another day (`tools/bench/quick/peer.py`); over models of trees, its "
        f"CPU time is {mean:.0f} times ours in the geometric mean. Linear models take milliseconds with either."
    )


def _full(results: list[dict[str, Any]]) -> Iterator[str]:
    yield "## Side by side with Concrete ML"
    yield ""
    yield (
        "`make bench-full` (`tools/bench/against_concrete_ml.py`): Concrete ML 1.9.0 in an environment of its own, "
        "rows alternating between the two in one run. A row holds encoding, encryption, evaluation and decryption."
    )
    yield ""
    yield "| model | CPU s a row: ours | theirs | ratio | ours takes | lookups: theirs | score: float | ours | theirs |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for result in results:
        ours, theirs = result["cryptable"], result["concrete-ml"]
        yield (
            f"| {result['case']} | {ours['cpu_seconds_median']:.3g} | {theirs['cpu_seconds_median']:.1f} "
            f"| {result['ratio']:.0f} | {work_of(ours)} | {theirs['lookups']} | {ours['float_score']:.3f} "
            f"| {ours['score']:.3f} | {theirs['score']:.3f} |"
        )
    groups = {
        "trees": [result["ratio"] for result in results if "network" not in result["case"]],
        "networks": [result["ratio"] for result in results if "network" in result["case"]],
    }
    yield ""
    for name, ratios in groups.items():
        if ratios:
            mean = statistics.geometric_mean(ratios)
            yield f"- {name}: geometric mean of the ratios {mean:.1f}, the smallest {min(ratios):.1f}"
    loads = [result["about"]["load"] for result in results]
    dates = sorted({result["about"]["date"] for result in results})
    yield ""
    yield f"*{', '.join(dates)}, {results[0]['about']['cpu']}, load {min(loads):.1f} to {max(loads):.1f}.*"


def work_of(ours: dict[str, Any]) -> str:
    """What one of our models took side by side, in its scheme's unit."""
    if ours.get("scheme") == "squares":
        return "squares, no lookups"
    return f"{ours['products']} products" if ours.get("products") else f"{ours['lookups']} lookups"


def _growth(figures: dict[str, Any]) -> Iterator[str]:
    yield "## How cost grows"
    yield ""
    yield "![CPU seconds as trees, depth and features grow](growth.svg)"
    yield ""
    for name in ("trees", "depth", "features"):
        points = ", ".join(f"{point['at']}: {point['products']}" for point in figures[name])
        yield f"- products by {name}: {points}"
    rows = ", ".join(f"{point['at']}: {point['cpu_seconds'] * 1e3:.0f} ms" for point in figures["rows"])
    yield f"- CPU by rows, a logistic regression, encryption and decryption included: {rows}"


def _keys(figures: list[dict[str, Any]]) -> Iterator[str]:
    yield "## What keys cost a client"
    yield ""
    yield "| polynomial size | side | CPU s | MB | peak MB of memory | CPU s to encrypt 1000 numbers |"
    yield "|---|---|---|---|---|---|"
    for each in figures:
        yield (
            f"| {each['polynomial_size']} | {each['side']} | {each['keygen_cpu'] + each['serialize_cpu']:.2f} "
            f"| {each['bytes'] / 1e6:.0f} | {each['peak_mb']:.0f} | {each['encrypt_1000_cpu']:.3f} |"
        )
    yield ""
    yield 'Keys of size 2048 are those of lookups of 4 bits. "concrete" is concrete-python\'s own client.'


def _footprint(figures: list[dict[str, Any]]) -> Iterator[str]:
    yield "## What a package costs before it does anything"
    yield ""
    yield "| package | MB installed, with all that it needs | distributions | CPU s to import |"
    yield "|---|---|---|---|"
    for each in figures:
        yield (
            f"| {each['package']} | {each['installed_mb']:.0f} | {each['distributions']} "
            f"| {each['import_cpu_seconds']:.2f} |"
        )
    yield ""
    yield (
        "Without what concrete-python declares and Cryptable does not use (torch, networkx, z3-solver, and scipy where "
        "scikit-learn is not there). Concrete ML 1.9, recorded: 6350 MB with CUDA, 5 s to import a client."
    )
