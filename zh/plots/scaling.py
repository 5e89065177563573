"""Figures of the chapter `scaling`: each a function of data that returns a Figure."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from zh.plots.base import BLUE, GREEN, GREY, INK, ORANGE, PALETTE, new

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from matplotlib.figure import Figure


def memory_parts(rows: dict[str, dict[str, float]], unit: float = 1e6,
                 name: str = "MB") -> Figure:
    """Stacked bars, one a row: {row: {part: bytes}}."""
    fig, ax = new(size=(6.2, 0.55 * len(rows) + 1.4))
    left = [0.0] * len(rows)
    parts = list(next(iter(rows.values())))
    for part, color in zip(parts, (BLUE, GREEN, ORANGE, GREY), strict=False):
        values = [row[part] / unit for row in rows.values()]
        ax.barh(range(len(rows)), values, left=left, color=color, label=part, height=0.6)
        left = [a + b for a, b in zip(left, values, strict=True)]
    ax.set_yticks(range(len(rows)), list(rows))
    ax.invert_yaxis()
    ax.set(xlabel=name)
    ax.legend(loc="upper center", bbox_to_anchor=(0.45, -0.35 / (0.55 * len(rows))), ncols=4)
    return fig


def kept_by_context(contexts: list[int], curves: dict[str, list[float]]) -> Figure:
    """Kilobytes that a token keeps over the length of the context: {name: [kB a token]}."""
    fig, ax = new(size=(6.0, 3.0))
    for (name, values), color in zip(curves.items(), (ORANGE, BLUE, GREEN), strict=False):
        ax.plot(contexts, values, "o-", ms=5, color=color, label=name)
    ax.set(xlabel="places in the context", ylabel="kB a token", ylim=(0, None))
    ax.set_xticks(contexts, [str(n) for n in contexts])
    ax.legend(loc="upper left")
    return fig


def runs_beside(runs: dict[str, list[float]], width: int) -> Figure:
    """Losses of several runs, in means of `width` steps: {name: [loss of each step]}."""
    fig, ax = new(size=(6.0, 3.0))
    styles = zip((BLUE, GREEN, ORANGE, GREY), ("-", "--", "-", ":"), strict=True)
    for (name, losses), (color, style) in zip(runs.items(), styles, strict=False):
        means = [statistics.fmean(losses[i:i + width])
                 for i in range(0, len(losses) - width + 1, width)]
        ax.plot([(i + 0.5) * width for i in range(len(means))], means, style, color=color,
                label=name)
    ax.set(xlabel="step", ylabel="loss")
    ax.legend()
    return fig


def budgets(losses: dict[tuple[float, str], list[float]], line: Callable[[float], float],
            band: Iterable[tuple[float, float, float]] = (),
            added: dict[float, float] | None = None) -> Figure:
    """A scaling curve: {(budget, size): losses}, the fit, [(budget, low, high)], added points.

    One colour a size, small sizes first; a line through each size; the fit dashed.
    """
    fig, ax = new(size=(6.2, 3.8))
    sizes = list(dict.fromkeys(size for _, size in losses))
    for size, color in zip(sizes, (PALETTE * 2), strict=False):
        mine = sorted((b, values) for (b, s), values in losses.items() if s == size)
        ax.plot([b for b, _ in mine], [statistics.fmean(v) for _, v in mine], "-", color=color,
                linewidth=1, alpha=0.6)
        ax.plot([b for b, v in mine for _ in v], [x for _, v in mine for x in v], "o", ms=4,
                color=color, label=size)
    rows = list(band)
    if rows:
        ax.fill_between([b for b, _, _ in rows], [low for _, low, _ in rows],
                        [high for _, _, high in rows], color=GREY, alpha=0.3, linewidth=0)
    everywhere = sorted({*(b for b, _ in losses), *(added or {}), *(b for b, _, _ in rows)})
    fine = [everywhere[0] * (everywhere[-1] / everywhere[0]) ** (i / 60) for i in range(61)]
    ax.plot(fine, [line(b) for b in fine], "--", color=INK, linewidth=1.3, label="fit")
    if added:
        ax.plot(list(added), list(added.values()), "*", ms=12, color=ORANGE, label="this page")
    ax.set_xscale("log")
    ax.set(xlabel="operations in training", ylabel="loss on held-back text")
    ax.legend(fontsize=9, ncols=2)
    return fig


def forecasts(points: tuple[list[float], list[float]], lines: dict[str, Callable],
              to: float) -> Figure:
    """Measured points, and curves of several forms from the first point on to the budget `to`."""
    fig, ax = new(size=(6.2, 3.4))
    xs, ys = points
    fine = [xs[0] * (to / xs[0]) ** (i / 80) for i in range(81)]
    for (name, line), color, style in zip(lines.items(), (BLUE, ORANGE, GREEN), ("-", "--", ":"),
                                          strict=False):
        ax.plot(fine, [line(x) for x in fine], style, color=color, label=name)
    ax.plot(xs, ys, "o", color=INK, ms=5, label="measured")
    ax.axvspan(xs[-1], to, color=GREY, alpha=0.12, linewidth=0)
    ax.set_xscale("log")
    ax.set(xlabel="operations in training", ylabel="loss", xlim=(xs[0] / 1.3, to))
    ax.legend(loc="lower left")
    return fig
