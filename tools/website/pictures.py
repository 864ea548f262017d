"""Draws the pictures of the documentation, from the code where they show data.

python tools/website/pictures.py           write docs/pictures/*.svg
python tools/website/pictures.py --check   exit with 1 where what is committed differs
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lookup_price import draw_lookup_prices
from parties import draw_parties
from tree_to_tables import draw_tree_to_tables

FOLDER = Path(__file__).resolve().parents[2] / "docs/pictures"
PICTURES = {
    "parties.svg": draw_parties,
    "lookup-price.svg": draw_lookup_prices,
    "tree-to-tables.svg": draw_tree_to_tables,
}


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare only")
    check = parser.parse_args().check
    status = 0
    for name, draw in PICTURES.items():
        path, expected = FOLDER / name, draw().to_svg()
        if not check:
            path.write_text(expected, encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != expected:
            print(f"docs/pictures/{name} is not what its script draws: run `make generate`", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
