"""Small pictures for figures with many frames, written as SVG by hand.

matplotlib takes a fifth of a second for one picture; an `explore` with a hundred frames needs them
in a hundredth of that. What there is: panels with ticks, lines, dots, and a legend below. Frames of
one figure keep their axes (give `xlim` and `ylim`), so that they compress to what differs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from zh import page

WIDTH, HEIGHT = 308, 216  # of one panel, in CSS pixels; two fill the column
LEFT, RIGHT, TOP, BOTTOM = 46, 16, 26, 40
COLUMNS = 2


@dataclass
class Panel:
    """One set of axes; what lies outside of `xlim` and `ylim` is drawn at the edge.

    xticks, yticks: (place, text). lines: (xs, ys, colour, dashed); dots: (xs, ys, colour).
    Places that are no number break a line and have no dot.
    """

    title: str
    xlabel: str
    xlim: tuple[float, float]
    ylim: tuple[float, float]
    xticks: Sequence[tuple[float, str]]
    yticks: Sequence[tuple[float, str]]
    lines: list[tuple[Sequence[float], Sequence[float], str, bool]] = field(default_factory=list)
    dots: list[tuple[Sequence[float], Sequence[float], str]] = field(default_factory=list)

    def line(self, xs, ys, color: str, dashed: bool = False) -> Panel:
        """Add a line; returns the panel."""
        self.lines.append((xs, ys, color, dashed))
        return self

    def dot(self, xs, ys, color: str) -> Panel:
        """Add dots; returns the panel."""
        self.dots.append((xs, ys, color))
        return self


def light(panels: Sequence[Panel], legend: Sequence[tuple[str, str, bool]] = ()) -> str:
    """The panels, two in a row, as an <svg> element; legend: (words, colour, dashed)."""
    rows = math.ceil(len(panels) / COLUMNS)
    wide, key = WIDTH * min(len(panels), COLUMNS), 24 * math.ceil(len(legend) / 2)
    parts = [_panel(p, (i % COLUMNS) * WIDTH, (i // COLUMNS) * HEIGHT)
             for i, p in enumerate(panels)]
    for i, (words, color, dashed) in enumerate(legend):
        x, y = LEFT + (i % 2) * wide / 2, rows * HEIGHT + 16 + 24 * (i // 2)
        parts.append(_path(f"M{x:.0f} {y - 5:.0f}h24", color, dashed)
                     + _text(x + 32, y, words, "start"))
    return (f'<svg class="zh-svg" aria-hidden="true" width="{wide}" height="{rows * HEIGHT + key}" '
            f'viewBox="0 0 {wide} {rows * HEIGHT + key}" font-size="14" fill="currentColor">'
            f'{"".join(parts)}</svg>')


def _panel(p: Panel, x0: float, y0: float) -> str:
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    left, bottom = x0 + LEFT, y0 + HEIGHT - BOTTOM

    def x(value):
        return left + wide * _within(value, p.xlim)

    def y(value):
        return bottom - high * _within(value, p.ylim)

    out = [_text(x0 + 4, y0 + 16, p.title, "start"),
           _text(left + wide / 2, y0 + HEIGHT - 6, p.xlabel),
           _path(f"M{left} {bottom - high}V{bottom}H{left + wide}", "currentColor", False, 1)]
    out += [_text(x(at), bottom + 17, words) for at, words in p.xticks]
    out += [_text(left - 5, y(at) + 5, words, "end") for at, words in p.yticks]
    for xs, ys, color, dashed in p.lines:
        d, pen = [], "M"
        for a, b in zip(xs, ys, strict=True):
            if math.isfinite(a) and math.isfinite(b):
                d.append(f"{pen}{_n(x(a))} {_n(y(b))}")
                pen = "L"
            else:
                pen = "M"
        out.append(_path("".join(d), color, dashed))
    for xs, ys, color in p.dots:
        out += [f'<circle cx="{_n(x(a))}" cy="{_n(y(b))}" r="4" fill="{color}"/>'
                for a, b in zip(xs, ys, strict=True) if math.isfinite(a) and math.isfinite(b)]
    return "".join(out)


def _within(value: float, limits: tuple[float, float]) -> float:
    low, high = limits
    return min(max((value - low) / (high - low), 0.0), 1.0)


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _path(d: str, color: str, dashed: bool, width: float = 2) -> str:
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    return f'<path d="{d}" fill="none" stroke="{color}" stroke-width="{width}"{dash}/>' if d else ""


def _text(x: float, y: float, words: str, anchor: str = "middle") -> str:
    return f'<text x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}">{page.escape(words)}</text>'
