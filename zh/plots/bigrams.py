"""Figures of the chapter `bigrams`: each a function of data that returns a Figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zh.plots.base import BLUE, GREEN, GREY, INK, ORANGE, new

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def counts_map(counts, letters: str) -> Figure:
    """A table of counts as cells, the root of the count as strength: (letters, letters)."""
    import numpy as np
    from matplotlib.colors import to_rgb

    counts = np.asarray(counts, dtype=float)
    cells = np.empty((*counts.shape, 4))
    cells[..., :3] = to_rgb(BLUE)
    cells[..., 3] = np.sqrt(counts / counts.max())
    fig, ax = new(size=(6.0, 6.0))
    ax.imshow(cells, interpolation="none")
    ax.set_xticks(range(len(letters)), list(letters))
    ax.set_yticks(range(len(letters)), list(letters))
    ax.tick_params(length=0, labeltop=True, labelbottom=False)
    ax.set(ylabel="first letter", xlabel="the letter after it")
    ax.xaxis.set_label_position("top")
    for i, j in zip(*np.nonzero(counts == 0), strict=True):
        ax.plot([j], [i], ".", color=ORANGE, ms=3)
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
    return fig


def inverse(p, letters: str, draws: dict) -> Figure:
    """The running sum of a row of probabilities, and what some numbers draw from it.

    draws: {number in [0, 1): index drawn}.
    """
    total, ends = 0.0, []
    for value in p:
        total += float(value)
        ends.append(total)
    fig, ax = new(size=(6.2, 3.6))
    ax.step(range(len(p)), ends, where="mid", color=BLUE)
    ax.bar(range(len(p)), [float(v) for v in p], color=GREY, width=0.7)
    for u, index in draws.items():
        ax.annotate("", (index, 0.0), (index, u), arrowprops={"arrowstyle": "->", "color": ORANGE})
        ax.plot([-0.8, index], [u, u], color=ORANGE, lw=1.4)
        ax.text(-0.9, u, f"{u:.2f}", ha="right", va="center", color=ORANGE)
    ax.set_xticks(range(len(letters)), list(letters))
    ax.set_yticks([0, 0.5, 1])
    ax.set(xlim=(-3.2, len(p) - 0.4), ylim=(0, 1.03), xlabel="next letter",
           ylabel="probability, and its running sum")  # fmt: skip
    return fig


def smoothed_row(counts, k: float, letters: str) -> Figure:
    """One row of counts as probabilities, before and after k is added to each count."""
    n = len(counts)
    total = sum(counts)
    fig, ax = new(size=(6.2, 2.9))
    ax.bar([i - 0.2 for i in range(n)], [c / total for c in counts], 0.4, color=GREY,
           label="counted")  # fmt: skip
    ax.bar([i + 0.2 for i in range(n)], [(c + k) / (total + k * n) for c in counts], 0.4,
           color=BLUE, label=f"k = {k:g}")  # fmt: skip
    ax.axhline(1 / n, color=INK, lw=0.8, ls=":")
    ax.set_xticks(range(n), list(letters))
    ax.set(ylabel="probability", xlabel="next letter", ylim=(0, max(counts) / total * 1.05))
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
    return fig


def sweep(strengths, rows: dict, best: dict) -> Figure:
    """Losses over what is added to each count; rows: {name: losses}, best: {name: strength}."""
    fig, ax = new(size=(6.0, 3.4))
    for (name, losses), color in zip(rows.items(), (GREY, BLUE, ORANGE, GREEN), strict=False):
        ax.semilogx(strengths, losses, "o-", ms=4, color=color, label=name)
        if name in best:
            k = best[name]
            ax.plot([k], [losses[list(strengths).index(k)]], "o", ms=10, color=color)
    low = min(min(losses) for losses in rows.values())
    ax.set(xlabel="added to each count, k", ylabel="mean loss", ylim=(low - 0.004, low + 0.085))
    ax.legend()
    return fig


def approach(steps, gaps: dict) -> Figure:
    """How far a quantity is from its limit, over the steps, on two logarithmic axes."""
    fig, ax = new(size=(6.0, 3.2))
    for (name, values), color in zip(gaps.items(), (BLUE, ORANGE), strict=False):
        ax.loglog(steps, values, "o-", ms=4, color=color, label=name)
    ax.set(xlabel="steps of descent", ylabel="distance from the table")
    ax.legend()
    return fig


def trade(curves: dict, ring: tuple[float, float] | None = None) -> Figure:
    """Paths of (training loss, loss on unseen names), one for each way to hold a model back.

    ring: one more such point, for comparison.
    """
    fig, ax = new(size=(6.0, 3.6))
    for (name, points), color, style in zip(
        curves.items(), (BLUE, ORANGE), ({"lw": 4, "alpha": 0.4}, {"lw": 1.5}), strict=False
    ):
        ax.plot(*zip(*points, strict=True), "o-", ms=4, color=color, label=name, **style)
    if ring:
        ax.plot(*ring, "o", ms=10, mfc="none", color=INK)
    ax.locator_params(nbins=5)
    ax.set(xlabel="loss on the training names", ylabel="loss on unseen names")
    ax.legend()
    return fig


def orders(ns, rows: dict, marks: dict | None = None) -> Figure:
    """Losses over the letters in a row; rows: {name: losses}; marks: {name: n of the least}."""
    styles = {"train": {"ls": "--", "lw": 1.2}}
    colors: dict[str, str] = {}
    fig, ax = new(size=(6.2, 3.8))
    for name, losses in rows.items():
        family = name.split(", ")[0]
        color = colors.setdefault(family, (ORANGE, BLUE, GREEN)[len(colors) % 3])
        style = styles["train"] if name.endswith("training names") else {}
        ax.plot(ns, losses, marker="o", ms=4, color=color, label=name, **style)
        if marks and name in marks:
            n = marks[name]
            ax.plot([n], [losses[list(ns).index(n)]], "o", ms=10, color=color)
    ax.set_xticks(list(ns))
    ax.set(xlabel="letters in a row, n", ylabel="mean loss")
    ax.legend()
    return fig
