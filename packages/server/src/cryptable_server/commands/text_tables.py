"""Tables, sizes and times as people read them in a terminal."""

from __future__ import annotations

from collections.abc import Sequence


def table(rows: Sequence[Sequence[str]]) -> str:
    """Lines of columns, each as wide as its longest entry."""
    if not rows:
        return ""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "".join(
        "  ".join(entry.ljust(width) for entry, width in zip(row, widths, strict=True)).rstrip() + "\n" for row in rows
    )


def bytes_text(size: float) -> str:
    """A size, in the largest unit of which there is one."""
    units = ["GiB", "MiB", "KiB"]
    if size < 1024:
        return f"{size:.0f} bytes"
    while size >= 1024 and units:
        size, unit = size / 1024, units.pop()
    return f"{size:.1f} {unit}"


def seconds_text(seconds: float) -> str:
    """A time, in its two largest units."""
    whole = round(seconds)
    days, hours, minutes = whole // 86_400, whole // 3600 % 24, whole // 60 % 60
    for large, small, text in ((days, hours, "d h"), (hours, minutes, "h min"), (minutes, whole % 60, "min s")):
        if large:
            units = text.split()
            return f"{large} {units[0]} {small} {units[1]}"
    return f"{whole} s"
