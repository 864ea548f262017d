"""A few SVG shapes, as text: what the diagrams of the documentation are drawn with (charts are matplotlib's)."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape

INK, QUIET, PAPER = "#1f2937", "#64748b", "#ffffff"
TEAL, AMBER, ROSE, INDIGO = "#0f766e", "#b45309", "#be123c", "#4338ca"
PALE = {TEAL: "#ccfbf1", AMBER: "#fef3c7", ROSE: "#ffe4e6", INDIGO: "#e0e7ff", QUIET: "#f1f5f9"}
"""Fills that go with each line colour."""


@dataclass
class Drawing:
    """Shapes in the order in which they are painted. Coordinates are pixels from the upper left corner."""

    width: int
    height: int
    title: str
    parts: list[str] = field(default_factory=list)

    def rectangle(self, x: float, y: float, width: float, height: float, *, line: str = QUIET, fill: str = "") -> None:
        """A box with round corners."""
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="5" fill="{fill or PALE[line]}" '
            f'stroke="{line}" stroke-width="1.5"/>'
        )

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: int = 13,
        colour: str = INK,
        anchor: str = "middle",
        bold: bool = False,
    ) -> None:
        """One line, whose baseline is at y."""
        weight = ' font-weight="600"' if bold else ""
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{colour}" text-anchor="{anchor}"{weight}>'
            f"{escape(text)}</text>"
        )

    def lines(self, x: float, y: float, texts: list[str], *, size: int = 12, colour: str = INK, step: int = 17) -> None:
        """Several lines, flush left."""
        for index, text in enumerate(texts):
            self.text(x, y + index * step, text, size=size, colour=colour, anchor="start")

    def line(
        self,
        x1: float,
        y1: float,
        x2: float,
        y2: float,
        *,
        colour: str = QUIET,
        arrow: bool = False,
        dashed: bool = False,
    ) -> None:
        """From one point to another."""
        end = f' marker-end="url(#arrow-{colour[1:]})"' if arrow else ""
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self.parts.append(
            f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="{colour}" stroke-width="1.5"{dash}{end}/>'
        )

    def to_svg(self) -> str:
        """The file's content."""
        heads = "".join(
            f'<marker id="arrow-{colour[1:]}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
            f'orient="auto"><path d="M0 0 10 5 0 10z" fill="{colour}"/></marker>'
            for colour in (INK, QUIET, TEAL, AMBER, ROSE, INDIGO)
        )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" role="img" '
            f'font-family="system-ui, -apple-system, Segoe UI, Roboto, sans-serif">\n'
            f"<title>{escape(self.title)}</title>\n<defs>{heads}</defs>\n"
            f'<rect width="{self.width}" height="{self.height}" rx="8" fill="{PAPER}"/>\n'
            + "\n".join(self.parts)
            + "\n</svg>\n"
        )
