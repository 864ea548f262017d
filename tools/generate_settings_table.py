"""Writes docs/reference/server-settings.md's table: every setting of the server, from its one declaration in the code.

python tools/generate_settings_table.py           write it
python tools/generate_settings_table.py --check   exit with 1 where what is committed differs
"""

from __future__ import annotations

import re
import sys
from itertools import groupby

from cryptable_server.settings.config import declared_settings
from cryptable_server.settings.kinds import Switch
from generated_files import ROOT, only_check, write_or_check

DOCUMENT = ROOT / "docs/reference/server-settings.md"
TABLE = re.compile(r"(<!-- settings -->\n).*?(<!-- end -->)", re.DOTALL)


def table() -> str:
    """A Markdown table of the settings of each group."""
    parts = []
    for group, members in groupby((declared for _, declared in declared_settings()), key=lambda each: each.group):
        lines = [
            f"### {group[0].upper()}{group[1:]}",
            "",
            "| setting | value | default | what it is |",
            "|---|---|---|---|",
        ]
        for each in members:
            value = "true or false" if isinstance(each.kind, Switch) else each.kind.metavar
            lines.append(f"| `{each.name}` | {value} | {each.shown_default} | {each.help} |".replace("*.", "\\*."))
        parts.append("\n".join(lines) + "\n")
    return "\n" + "\n".join(parts) + "\n"


def main() -> int:
    """Run the command line."""
    check = only_check(__doc__)
    present = DOCUMENT.read_text(encoding="utf-8")
    expected = TABLE.sub(lambda found: found[1] + table() + found[2], present)
    return write_or_check({DOCUMENT: expected}, check=check, source="the settings")


if __name__ == "__main__":
    sys.exit(main())
