"""`cryptable compile`: a fitted estimator in a file becomes an artifact."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import get_args

from cryptable.commands.files import PICKLE_WARNING, read_estimator, read_table
from cryptable.commands.registry import command
from cryptable.compiling.compile import compile as compile_estimator
from cryptable.console.terminal import make_console, show
from cryptable.planner.budget import Budget
from cryptable.planner.settings import Answer, Engine, Explain, Scheme


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "estimator", type=Path, help="pickle or joblib file of a fitted estimator; see the warning above"
    )
    parser.add_argument(
        "training_rows",
        type=Path,
        help="rows that it was trained on (.csv, .parquet or .npy), without the target; text included",
    )
    parser.add_argument("-o", "--output", type=Path, help="artifact to write; by default NAME.cryptable")
    parser.add_argument("--name", help="under which a server offers the model; by default the estimator's class")
    parser.add_argument("--model-version", default="1", help="for people to read; by default 1")
    parser.add_argument("--tolerance", type=float, help="the most that a score may differ from the estimator's own")
    parser.add_argument("--table-bits", type=int, help="width of the lookups, 2 to 6; trees get lookups then")
    parser.add_argument(
        "--readout",
        choices=("exact", "approximate"),
        default="exact",
        help="approximate: cheaper lookups, with noisy scores; trees get lookups then",
    )
    parser.add_argument(
        "--scheme",
        choices=get_args(Scheme),
        default="auto",
        help="levelled: trees without bootstrapping; bootstrapped: lookups, for every model; squares: networks with x² "
        "alone; by default auto, the cheapest that is able",
    )
    parser.add_argument(
        "--engine",
        choices=get_args(Engine),
        default="own",
        help="concrete: concrete-python, of the extra `concrete`, chooses crypto parameters and compiles, to compare "
        "with; it is one of the scheme bootstrapped",
    )
    parser.add_argument(
        "--explain",
        choices=get_args(Explain),
        help="contributions: answer what each feature adds to the score, too; it tells clients more of the model",
    )
    parser.add_argument(
        "--answer",
        choices=get_args(Answer),
        default="score",
        help="label: clients get the label alone, and less of the model; threshold: whether the prediction is above "
        "--threshold; probability, prediction: in --levels",
    )
    parser.add_argument(
        "--threshold", type=float, help="with --answer threshold: a prediction, of classes a probability of the second"
    )
    parser.add_argument("--levels", type=int, help="with --answer probability or prediction: how many numbers, 32")
    parser.add_argument(
        "--hide-weights",
        action=argparse.BooleanOptionalAction,
        help="of linear and additive models: whether answers tell nothing of weights beside the scores, for keys of "
        "13 kB and some kB up; by default they do not where that can be, else they tell them",
    )
    parser.add_argument("--max-seconds", type=float, help="approximate trees until a prediction takes no more CPU")
    parser.add_argument(
        "--max-lookups", type=int, help="approximate trees, by lookups, until a prediction takes no more of them"
    )
    parser.add_argument("--max-upload-bytes", type=int, help="approximate trees until a row takes no more bytes up")
    parser.add_argument("--json", action="store_true", help="print the bill for machines")


def _budget(arguments: argparse.Namespace) -> Budget | None:
    limits = (arguments.max_seconds, arguments.max_lookups, arguments.max_upload_bytes)
    if limits == (None, None, None):
        return None
    return Budget(seconds=limits[0], max_lookups=limits[1], upload_bytes=limits[2])


@command(
    "compile",
    summary="compile a fitted estimator into an artifact",
    description=(
        "Compile a fitted estimator into one file that a server can evaluate on encrypted data, and say what a "
        f"prediction will cost. WARNING: {PICKLE_WARNING} From Python, cryptable.compile takes the estimator itself."
    ),
    configure=_configure,
)
def run(arguments: argparse.Namespace) -> int:
    """Compile, save, explain."""
    estimator = read_estimator(arguments.estimator)
    model = compile_estimator(
        estimator,
        read_table(arguments.training_rows, of=estimator),
        name=arguments.name,
        version=arguments.model_version,
        tolerance=arguments.tolerance,
        table_bits=arguments.table_bits,
        readout=arguments.readout,
        scheme=arguments.scheme,
        engine=arguments.engine,
        explain=arguments.explain,
        answer=arguments.answer,
        threshold=arguments.threshold,
        levels=arguments.levels,
        hide_weights=arguments.hide_weights,
        budget=_budget(arguments),
    )
    output = arguments.output or Path(f"{model.name}.cryptable")
    model.save(output)
    if arguments.json:
        facts = {**model.explain().to_dict(), "artifact": str(output), "artifact_bytes": output.stat().st_size}
        sys.stdout.write(json.dumps(facts, indent=2) + "\n")
        return 0
    console = make_console()
    show(console, model.explain())
    console.print(f"wrote {output}, {output.stat().st_size:,} bytes")
    return 0
