"""What notebooks show of reports that terminals print."""

from __future__ import annotations

import io

from rich.console import Console, RenderableType

_WIDTH = 110
_FORMAT = '<pre style="white-space:pre;overflow-x:auto;line-height:1.2;font-family:monospace">{code}</pre>'


def as_html(report: RenderableType) -> str:
    """A fragment of HTML without scripts or style sheets; what the report says is escaped."""
    console = Console(width=_WIDTH, record=True, file=io.StringIO(), force_jupyter=False)
    console.print(report)
    return console.export_html(inline_styles=True, code_format=_FORMAT)
