"""`cryptable demo`: the main job on real data, with the three parties in processes of their own."""

from __future__ import annotations

import argparse

from cryptable.commands.registry import command
from cryptable.console.terminal import make_console
from cryptable.demo.walkthrough import run_demo
from cryptable.errors import DemoError

_MOST_ROWS = 114  # the test set


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rows", type=int, default=5, metavar="N", help="patients to predict, 1 to 114 (default: %(default)s)"
    )


@command(
    "demo",
    summary="train, compile, serve and predict on encrypted medical data, on this machine",
    description=(
        "Train XGBoost (100 trees of depth 3) on scikit-learn's breast cancer data, compile it, show what a prediction "
        "costs, start the real server and the real client as processes, and compare each decrypted score with the "
        "circuit's score in the clear. Exit status 0 where all are equal, bit for bit. Leaves nothing behind."
    ),
    configure=_configure,
)
def run(arguments: argparse.Namespace) -> int:
    """Run the demo."""
    if not 1 <= arguments.rows <= _MOST_ROWS:
        raise DemoError(f"--rows {arguments.rows}: the test set has {_MOST_ROWS} patients; give 1 to {_MOST_ROWS}")
    return 0 if run_demo(make_console(), rows=arguments.rows) else 1
