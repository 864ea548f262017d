"""Draws the pictures of the documentation, from the code where they show data.

python tools/website/pictures.py           write docs/pictures/*.svg
python tools/website/pictures.py --check   exit with 1 where what is committed differs
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from generated_files import ROOT, only_check, write_or_check
from levelled_products import draw_levelled_products
from lookup_price import draw_lookup_prices
from parties import draw_parties
from scheme_prices import draw_scheme_prices
from tree_to_tables import draw_tree_to_tables

FOLDER = ROOT / "docs/pictures"
PICTURES = {
    "parties.svg": draw_parties,
    "lookup-price.svg": draw_lookup_prices,
    "levelled-products.svg": draw_levelled_products,
    "tree-to-tables.svg": draw_tree_to_tables,
    "which-scheme.svg": draw_scheme_prices,
}


def main() -> int:
    """Run the command line."""
    expected = {FOLDER / name: draw() for name, draw in PICTURES.items()}
    return write_or_check(expected, check=only_check(__doc__), source="their scripts")


if __name__ == "__main__":
    sys.exit(main())
