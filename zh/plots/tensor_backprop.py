"""Figures of the chapter `tensor_backprop`: each a function of data that returns a Figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zh import page
from zh.plots.base import BLUE, GREY, INK, ORANGE, new

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _signed(ax, matrix, **options):
    """A matrix as cells: blue above zero, orange below, stronger for larger (by the root)."""
    import numpy as np
    from matplotlib.colors import to_rgb

    matrix = np.asarray(matrix, dtype=float)
    cells = np.empty((*matrix.shape, 4))
    cells[..., :3] = np.where(matrix[..., None] >= 0, to_rgb(BLUE), to_rgb(ORANGE))
    cells[..., 3] = np.sqrt(np.abs(matrix) / (np.abs(matrix).max() or 1))
    return ax.imshow(cells, interpolation="none", aspect="auto", **options)


def gradient_map(gradient, letters: str, contexts: list[str]) -> Figure:
    """The gradient of the logits, one example a row: (examples, letters)."""
    fig, ax = new(size=(6.2, 4.6))
    _signed(ax, gradient)
    ax.set_xticks(range(len(letters)), list(letters))
    ax.set_yticks(range(len(contexts)), contexts, fontsize=8, family="monospace")
    ax.tick_params(length=0)
    ax.set(xlabel="letter", ylabel="context and its next letter")
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
    return fig


def pushes(gradient, letters: str, right: int) -> Figure:
    """One row of the gradient of the logits as a step of descent would use it: (letters,)."""
    fig, ax = new(size=(6.2, 2.8))
    colors = [BLUE if i == right else ORANGE for i in range(len(letters))]
    ax.bar(range(len(letters)), [-float(v) for v in gradient], color=colors)
    ax.axhline(0, color=INK, linewidth=0.8)
    ax.set_xticks(range(len(letters)), list(letters))
    ax.set(xlabel="letter", ylabel="minus the gradient")
    return fig


def who_pays(x, dx, dout) -> Figure:
    """A column of a batch: what arrives at each output and what reaches each input. (n,) each."""
    n = len(x)
    fig, ax = new(size=(6, 3.2))
    ax.bar([i - 0.2 for i in range(n)], dout, 0.38, color=GREY, label="arrives at the output")
    ax.bar([i + 0.2 for i in range(n)], dx, 0.38, color=BLUE, label="reaches the input")
    ax.axhline(0, color=INK, linewidth=0.8)
    ax.set_xticks(range(n), [f"{i}\n{v:.1f}" for i, v in enumerate(x)])
    ax.set(xlabel="example, and its value x", ylabel="gradient", ylim=(-0.55, 1.4))
    ax.legend(loc="upper center", ncols=2)
    return fig


def bessel(sizes, errors) -> Figure:
    """Relative error of a gradient without Bessel's correction, over the batch size."""
    fig, ax = new(size=(5.6, 3.2))
    ax.loglog(sizes, errors, "o-", color=BLUE)
    ax.loglog(sizes, [1 / n**1.5 for n in sizes], "--", color=GREY, linewidth=1.2)
    ax.text(sizes[-1], sizes[-1] ** -1.5 * 1.7, "$n^{-3/2}$", color=INK, ha="right")
    ax.set_xticks(sizes, [str(n) for n in sizes])
    ax.minorticks_off()
    ax.set(xlabel="batch size n", ylabel="relative error of dhprebn")
    return fig


def training(losses: dict, levels: dict, average: int = 100) -> Figure:
    """Losses over the steps, averaged over blocks of `average`, with levels to read them by."""
    fig, ax = new(size=(6.2, 3.4))
    styles = [{"linewidth": 4.5, "alpha": 0.35, "color": BLUE}, {"linewidth": 1.4, "color": ORANGE}]
    for (name, values), style_ in zip(losses.items(), styles, strict=False):
        blocks = [
            sum(values[i : i + average]) / average
            for i in range(0, len(values) - average + 1, average)
        ]
        ax.plot([(i + 0.5) * average for i in range(len(blocks))], blocks, label=name, **style_)
    end = ax.get_xlim()[1]
    for name, level in levels.items():
        ax.axhline(level, color=INK, linewidth=0.8, linestyle=":")
        ax.text(end, level, name, ha="right", va="bottom", fontsize=9)
    ax.set(xlabel="step", ylabel=f"loss, mean of {average} steps")
    ax.legend(loc="center")
    return fig


def dots(groups: dict, xlabel: str) -> Figure:
    """A few measurements a row: {name: [value, ...]}, the first one the reference."""
    fig, ax = new(size=(6.2, 0.9 + 0.42 * len(groups)))
    names = list(groups)
    for row, name in enumerate(names):
        ax.plot(
            groups[name],
            [row] * len(groups[name]),
            "o",
            alpha=0.8,
            color=BLUE if row == 0 else ORANGE,
        )
    for value in (min(groups[names[0]]), max(groups[names[0]])):
        ax.axvline(value, color=BLUE, linewidth=0.8, linestyle=":")
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set(xlabel=xlabel)
    return fig


def seconds_table(rows: dict, head: tuple[str, str] = ("what", "microseconds")):
    """Timings as a table, marked as such: {what: seconds}."""
    body = "".join(
        f'<tr><th scope="row">{page.escape(what)}</th>'
        f'<td><span class="zh-cost">{value * 1e6:.0f}</span></td></tr>'
        for what, value in rows.items()
    )
    columns = "".join(f'<th scope="col">{page.escape(text)}</th>' for text in head)
    text = "\n".join(f"{what}: {value * 1e6:.0f} {head[1]}" for what, value in rows.items())
    return page.Html(
        f'<div class="zh-table" tabindex="0" role="group" aria-label="{page.escape(head[1])}">'
        f"<table><thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table></div>",
        text,
    )
