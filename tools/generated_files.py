"""What every generator does with what it has made: write it, or with --check compare it with what is committed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def only_check(description: str | None) -> bool:
    """Whether the command line, whose help is the generator's docstring, asks to compare only."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare only")
    return bool(parser.parse_args().check)


def write_or_check(expected: Mapping[Path, str], *, check: bool, source: str) -> int:
    """Write the files, or compare them; returns the exit status.

    Args:
        expected: the content of each file.
        check: whether to compare only.
        source: what they are made of, for the message: "the settings".
    """
    status = 0
    for path, content in expected.items():
        if not check:
            path.write_text(content, encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != content:
            print(f"{path.relative_to(ROOT)} is not what {source} say: run `make generate`", file=sys.stderr)
            status = 1
    return status
