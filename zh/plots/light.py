"""Small pictures for figures with many frames, written as SVG by hand.

matplotlib takes a fifth of a second for one picture; an `explore` with a hundred frames needs them
in a hundredth of that. What there is: panels with ticks, lines, dots, and a legend; on a narrow
page they stand below one another. Frames of one figure keep their axes (give `xlim` and `ylim`), so
that they compress to what differs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from zh import page

WIDTH, HEIGHT = 308, 216  # of one panel, in CSS pixels; two fill a column, one fills a phone
LEFT, RIGHT, TOP, BOTTOM = 46, 16, 26, 40


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
    """The panels side by side, as many as fit, with a legend (words, colour, dashed) below."""
    keys = [_path("M46 13h24", color, dashed) + _text(78, 18, words, "start")
            for words, color, dashed in legend]
    return f"<div>{_row(map(_panel, panels), HEIGHT)}{_row(keys, 24)}</div>"


def _row(bodies: Iterable[str], height: int) -> str:
    drawn = "".join(_svg(body, height) for body in bodies)
    return f'<div style="display:flex;flex-wrap:wrap">{drawn}</div>'


def _svg(body: str, height: int) -> str:
    return (f'<svg class="zh-svg" style="margin:0" aria-hidden="true" width="{WIDTH}" '
            f'height="{height}" viewBox="0 0 {WIDTH} {height}" font-size="14" '
            f'fill="currentColor">{body}</svg>')


def _panel(p: Panel) -> str:
    wide, high, bottom = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM, HEIGHT - BOTTOM

    def x(value):
        return LEFT + wide * _within(value, p.xlim)

    def y(value):
        return bottom - high * _within(value, p.ylim)

    out = [_text(4, 16, p.title, "start"), _text(LEFT + wide / 2, HEIGHT - 6, p.xlabel),
           _path(f"M{LEFT} {TOP}V{bottom}H{LEFT + wide}", "currentColor", False, 1)]
    out += [_text(x(at), bottom + 17, words) for at, words in p.xticks]
    out += [_text(LEFT - 5, y(at) + 5, words, "end") for at, words in p.yticks]
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
