"""Figures of the chapter `attention`: each a function of data that returns a Figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zh.plots.base import BLUE, GREY, INK, ORANGE, PALETTE, new

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def attention_maps(maps: dict, rows=(), columns=(), ylabel="looks",
                   xlabel="is looked at") -> Figure:
    """Weights or masks side by side, {title: (T, S)}: the darker, the more; white is zero.

    rows, columns: a letter for each query and each key; none where there are none.
    """
    import numpy as np
    from matplotlib.colors import to_rgb

    wide = 6.2 if len(maps) > 1 else 3.8
    fig, axes = new(len(maps), size=(wide, 0.8 + 0.92 * wide / len(maps)), squeeze=False)
    for ax, (title, weights) in zip(axes[0], maps.items(), strict=True):
        weights = np.asarray(weights, dtype=float)
        cells = np.empty((*weights.shape, 4))
        cells[..., :3] = to_rgb(BLUE)
        cells[..., 3] = np.sqrt(weights.clip(0, 1))
        ax.imshow(cells, interpolation="none", aspect="auto")
        size = 10 if max(len(rows), len(columns)) <= 12 else 8
        ax.set_xticks(range(len(columns)), list(columns), fontsize=size, family="monospace")
        ax.set_yticks(range(len(rows)), list(rows), fontsize=size, family="monospace")
        ax.tick_params(length=0)
        ax.set(title=title, xlabel=xlabel)
        for side in ("top", "right"):
            ax.spines[side].set_visible(True)
    axes[0][0].set_ylabel(ylabel)
    return fig


def sharpness(sizes, largest: dict, passes: dict) -> Figure:
    """How sharp a softmax of products is, over the size of a head: {how they are scaled: values}.

    largest: the mean largest weight; passes: the mean of the sum of p (1 - p), what a gradient is
    multiplied by on its way to the scores.
    """
    fig, (left, right) = new(2, size=(6.2, 3.0))
    for ax, curves, label in ((left, largest, "mean largest weight"),
                              (right, passes, "mean of sum p(1 - p)")):
        for (name, values), color in zip(curves.items(), (ORANGE, BLUE), strict=True):
            ax.semilogx(sizes, values, "o-", ms=4, color=color, label=name)
        ax.set_xticks(sizes, [str(size) for size in sizes])
        ax.minorticks_off()
        ax.set(xlabel="size of a head", ylabel=label, ylim=(0, 1))
    left.legend(loc="center right")
    return fig


def by_place(curves: dict, level: float | None = None) -> Figure:
    """A loss over the place in a window: {name: losses}, with a level to read them by."""
    fig, ax = new(size=(6.0, 3.1))
    for (name, losses), color in zip(curves.items(), (BLUE, ORANGE, GREY), strict=False):
        ax.plot(range(1, len(losses) + 1), losses, "o-", ms=3, color=color, label=name)
    if level is not None:
        ax.axhline(level, color=INK, linewidth=0.9, linestyle=":")
        ax.text(len(losses), level, "blind guess", ha="right", va="bottom", fontsize=9)
    ax.set(xlabel="place in the window", ylabel="loss")
    ax.set_ylim(bottom=0)
    ax.legend(loc="upper right")
    return fig


def looks_back(back) -> Figure:
    """Mean weight by distance, one line a head: (heads, distances)."""
    fig, ax = new(size=(6.0, 3.0))
    for head, values in enumerate(back):
        ax.plot(range(len(values)), values, "o-", ms=4, color=PALETTE[head % len(PALETTE)],
                label=f"head {head + 1}")  # fmt: skip
    ax.set_xticks(range(len(back[0])))
    ax.set(xlabel="places back (0: itself)", ylabel="mean weight", ylim=(0, None))
    ax.legend(loc="upper right")
    return fig


def relative(distances, curves: dict) -> Figure:
    """Scores over the distance between two places: {title: {name of the first place: scores}}."""
    fig, axes = new(len(curves), size=(6.2, 2.9), squeeze=False)
    for ax, (title, lines) in zip(axes[0], curves.items(), strict=True):
        for (name, scores), color, width in zip(lines.items(), (GREY, BLUE, ORANGE),
                                                (5.0, 3.0, 1.2), strict=False):
            ax.plot(distances, scores, color=color, linewidth=width, label=name)
        ax.set(title=title, xlabel="places back")
    axes[0][0].set_ylabel("score")
    axes[0][0].legend(loc="upper right")
    return fig
