"""Bar charts as SVG."""

from __future__ import annotations

from html import escape
from typing import NamedTuple

COLOURS = ("#4269d0", "#efb118", "#3ca951", "#9498a0", "#ff725c", "#a463f2")
WIDTH, LABEL, BAR, ROW = 760, 130, 500, 26


class Bar(NamedTuple):
    """A stacked bar: its label and its parts."""

    label: str
    parts: dict[str, float]


def text(x: float, y: float, content: str, *, anchor: str = "start", weight: str = "normal") -> str:
    look = f'text-anchor="{anchor}" font-weight="{weight}"'
    return f'<text x="{x:.0f}" y="{y:.0f}" {look}>{escape(content)}</text>'


def panel(title: str, bars: list[Bar], top: float) -> tuple[list[str], float]:
    """Return the lines of a titled panel of bars, and where the next panel begins."""
    names = list(bars[0].parts)
    scale = BAR / max(sum(stack.parts.values()) for stack in bars)
    lines = [text(10, top + 18, title, weight="bold")]
    y = top + 32
    for stack in bars:
        lines.append(text(LABEL, y + 14, stack.label, anchor="end"))
        x = LABEL + 8.0
        for name, colour in zip(names, COLOURS, strict=False):
            width = stack.parts[name] * scale
            lines.append(f'<rect x="{x:.1f}" y="{y:.0f}" width="{width:.1f}" height="18" fill="{colour}"/>')
            x += width
        lines.append(text(x + 6, y + 14, f"{sum(stack.parts.values()):.3g}"))
        y += ROW
    if len(names) > 1:
        for number, (name, colour) in enumerate(zip(names, COLOURS, strict=False)):
            x = LABEL + 8 + number * 110
            lines.append(f'<rect x="{x}" y="{y + 4:.0f}" width="12" height="12" fill="{colour}"/>')
            lines.append(text(x + 17, y + 14, name))
        y += ROW
    return lines, y + 8


def chart(panels: dict[str, list[Bar]]) -> str:
    """Return a chart of panels, one below the other."""
    lines: list[str] = []
    y = 4.0
    for title, bars in panels.items():
        drawn, y = panel(title, bars, y)
        lines += drawn
    size = f'width="{WIDTH}" height="{y:.0f}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="13">'
    return "\n".join([head, f'<rect {size} fill="#ffffff"/>', *lines, "</svg>\n"])
