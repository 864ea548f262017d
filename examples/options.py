"""The one option that every example has."""

from __future__ import annotations

import argparse


def wants_fast(description: str) -> bool:
    """Whether --fast was given: the same story with less data, as the tests run it."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fast", action="store_true", help="less data and smaller models")
    fast: bool = parser.parse_args().fast
    return fast
