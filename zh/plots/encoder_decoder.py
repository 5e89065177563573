"""Figures of the chapter `encoder_decoder`: each a function of data that returns a Figure."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from zh.plots.base import BLUE, GREEN, GREY, INK, OLIVE, ORANGE, PINK, new

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def squares(ax, weights, rows: list[str], columns: list[str], color: str) -> None:
    """A matrix of shares as squares whose area is the share; nothing below one in a hundred."""
    xs, ys, sizes = [], [], []
    for y, row in enumerate(weights):
        for x, share in enumerate(row):
            if float(share) >= 0.01:
                xs.append(x)
                ys.append(y)
                sizes.append(float(share))
    width = ax.get_figure().get_size_inches()[0] / len(ax.get_figure().axes)
    side = 72 * 0.78 * width / max(len(columns), 1)
    ax.scatter(xs, ys, s=[(0.8 * side) ** 2 * share for share in sizes], marker="s", color=color,
               linewidths=0)  # fmt: skip
    ax.set_xticks(range(len(columns)), columns)
    ax.set_yticks(range(len(rows)), rows)
    ax.set_xlim(-0.7, len(columns) - 0.3)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.tick_params(length=0)
    ax.xaxis.tick_top()
    for spine in ax.spines.values():
        spine.set_visible(False)


def signs(text: str) -> list[str]:
    """The signs of a text, with a space that can be seen."""
    return ["␣" if sign == " " else sign for sign in text]


def three_masks(masks: dict, rows: dict, columns: dict) -> Figure:
    """Who may look where: {title: (T, S) of booleans}, with the signs of both sides."""
    fig, axes = new(len(masks), size=(6.4, 2.9), squeeze=False)
    for ax, (title, mask) in zip(axes.flat, masks.items(), strict=True):
        squares(ax, mask.float(), rows[title], columns[title], BLUE)
        ax.set_xlabel(title)
    return fig


def cross_map(weights, text: str, answer: list[str]) -> Figure:
    """Cross-attention of one layer, (heads, T, S): a row a sign that is written, a panel a head."""
    count = len(weights)
    fig, axes = new(count, size=(6.4, 0.75 + 0.25 * len(answer)), squeeze=False)
    for number, ax in enumerate(axes.flat):
        squares(ax, weights[number], answer, signs(text), (BLUE, ORANGE)[number % 2])
        ax.set_xlabel(f"head {number + 1}")
    axes.flat[0].set_ylabel("sign that is written")
    return fig


def exact_curves(curves: dict, share: float | None = None) -> Figure:
    """Exact answers over the steps of training: {name: ([steps], [shares])}."""
    fig, ax = new(size=(6.0, 3.0))
    for (name, (steps, shares)), color in zip(curves.items(), (BLUE, ORANGE, GREEN, PINK),
                                              strict=False):  # fmt: skip
        ax.plot(steps, [100 * s for s in shares], "o-", ms=3.5, color=color, label=name)
    if share is not None:
        ax.axhline(100 * share, color=INK, linewidth=0.9, linestyle=":")
    ax.set(xlabel="steps of 64 dates", ylabel="right to the last sign, %", ylim=(-3, 103))
    ax.legend(loc="lower right")
    return fig


def exact_bars(shares: dict) -> Figure:
    """Bars of exact answers, in groups: {group: {what was asked: share}}."""
    names = [(group, name) for group, found in shares.items() for name in found]
    fig, ax = new(size=(6.2, 0.7 + 0.27 * len(names)))
    colors = dict(zip(shares, (BLUE, ORANGE, GREEN, OLIVE), strict=False))
    for y, (group, name) in enumerate(names):
        share = 100 * shares[group][name]
        first = name == next(iter(shares[group]))
        ax.barh(y, share, color=colors[group], height=0.66, label=group if first else None)
        ax.text(share + 1, y, f"{share:.0f}", va="center", fontsize=10)
    ax.set_yticks(range(len(names)), [name for _, name in names])
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set(xlabel="answers right to the last sign, %", xlim=(0, 112))
    ax.set_xticks(range(0, 101, 20))
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=len(shares), fontsize=10,
              handlelength=1.2, columnspacing=1.2)  # fmt: skip
    return fig


def found_by_beam(widths: list[int], first: dict, among: dict) -> Figure:
    """Right answers over the width of the beam: {model: [share]}, of the first and of all kept."""
    fig, axes = new(len(first), size=(6.2, 2.9), sharey=True, squeeze=False)
    for ax, name in zip(axes.flat, first, strict=True):
        ax.plot(widths, [100 * share for share in among[name]], "o-", color=ORANGE,
                label="among those found")  # fmt: skip
        ax.plot(widths, [100 * share for share in first[name]], "o-", color=BLUE,
                label="the likeliest one")  # fmt: skip
        ax.set_xscale("log")
        ax.set_xticks(widths, [str(width) for width in widths])
        ax.minorticks_off()
        ax.set(xlabel="width of the beam", ylim=(0, 105), title=name)
    axes.flat[0].set_ylabel("right answers, %")
    axes.flat[0].legend(loc="lower right", fontsize=10)
    return fig


def two_readings(shares, expected: float) -> Figure:
    """How the probability of one reading is spread over texts that can be read in two ways."""
    fig, ax = new(size=(6.0, 2.7))
    ax.hist([float(share) for share in shares], bins=[k / 20 for k in range(21)], color=BLUE)
    ax.axvline(expected, color=ORANGE, linewidth=2, label="share of it in training")
    ax.set(xlabel="probability that the model gives “month first”", ylabel="texts")
    ax.legend(loc="upper left")
    return fig


def looks_and_matters(names: list[str], weights: list, effects: list) -> Figure:
    """For each kind of digit the shares on its own field, a dot a model: of weight and effect."""
    fig, ax = new(size=(6.2, 3.1))
    kinds = ((-0.17, weights, BLUE, "weight of cross-attention"),
             (0.17, effects, ORANGE, "effect of a changed sign"))  # fmt: skip
    for side, values, color, label in kinds:
        for x, shares in enumerate(values):
            ax.plot([x + side] * len(shares), [100 * share for share in shares], "o", color=color,
                    ms=6, alpha=0.65, label=label if x == 0 else None)  # fmt: skip
    ax.set_xticks(range(len(names)), [name.replace(", ", ",\n") for name in names])
    ax.set(ylabel="share on its own field, %", ylim=(0, 122))
    ax.set_yticks(range(0, 101, 25))
    ax.legend(loc="upper center", ncols=2, fontsize=10)
    return fig


def exact_race(curves: dict, work: dict) -> Figure:
    """Exact answers over steps and over work: {model: ([steps], [shares of each seed])}.

    work: {model: multiplications of one step, in units of a thousand million}.
    """
    fig, axes = new(2, size=(6.4, 3.1), sharey=True)
    for (name, (steps, runs)), color in zip(curves.items(), (BLUE, ORANGE, GREEN), strict=False):
        means = [100 * statistics.fmean(run[i] for run in runs) for i in range(len(steps))]
        for ax, xs in zip(axes, (steps, [work[name] * step for step in steps]), strict=True):
            for run in runs:
                ax.plot(xs, [100 * share for share in run], color=color, alpha=0.3, linewidth=0.8)
            ax.plot(xs, means, color=color, label=name)
    axes[0].set(xlabel="steps of 64 dates", ylabel="right to the last sign, %")
    axes[1].set(xlabel="multiplications, 10⁹")
    axes[0].legend(loc="lower right", fontsize=9.5)
    return fig


def exact_dots(rows: dict) -> Figure:
    """One row a model, one dot a seed, a bar at the mean: {model: [share of exact answers]}."""
    fig, ax = new(size=(6.2, 0.9 + 0.4 * len(rows)))
    for y, (_, shares) in enumerate(rows.items()):
        ax.plot([100 * share for share in shares], [y] * len(shares), "o", color=BLUE, alpha=0.6)
        mean = 100 * statistics.fmean(shares)
        ax.plot([mean, mean], [y - 0.3, y + 0.3], color=ORANGE, linewidth=2.5)
    ax.axvline(100, color=GREY, linewidth=0.7)
    ax.set_yticks(range(len(rows)), list(rows))
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set(xlabel="answers right to the last sign, %")
    return fig
