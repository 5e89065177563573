"""Figures of the chapter `gpt`: each a function of data that returns a Figure, or a table."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from zh.plots.base import BLUE, GREEN, GREY, INK, ORANGE, new
from zh.plots.wavenet import mean_spread, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def gpt_table(rows: list[dict], others: list[dict]):
    """The recorded ladder on two texts, with the lecture's own losses on the second."""
    beside = {row["name"]: row for row in others}
    body = [[row["name"], f"{row['params']:,}", mean_spread(row["val"]),
             mean_spread(beside[row["name"]]["val"]) if row["name"] in beside else "",
             f"{row['lecture']:.3f}" if row["lecture"] else "not shown"] for row in rows]
    return table(["rung", "parameters", "this text", "tinyshakespeare", "lecture"], body,
                 "The ladder from a table of pairs to a small GPT")


def by_depth(curves: dict) -> Figure:
    """Losses over the number of layers: {name: {layers: [loss of each seed]}}."""
    fig, ax = new(size=(6.0, 3.1))
    for (name, rows), color in zip(curves.items(), (ORANGE, BLUE, GREEN), strict=False):
        depths = sorted(rows)
        ax.plot(depths, [statistics.fmean(rows[d]) for d in depths], "-", color=color, label=name)
        for depth in depths:
            ax.plot([depth] * len(rows[depth]), rows[depth], "o", color=color, ms=4, alpha=0.7)
    ax.set_xticks(sorted({depth for rows in curves.values() for depth in rows}))
    ax.set(xlabel="times heads and feed-forward", ylabel="loss on held-back text")
    ax.legend(loc="center right")
    return fig


def with_depth(curves: dict, ylabel: str, log: bool = False) -> Figure:
    """One value a layer: {name: [value behind each layer]}, from layer 0."""
    fig, ax = new(size=(6.0, 3.1))
    for (name, values), color in zip(curves.items(), (ORANGE, BLUE, GREEN, GREY), strict=False):
        ax.plot(range(len(values)), values, "o-", ms=4, color=color, label=name)
    if log:
        ax.set_yscale("log")
    ax.set(xlabel="layers", ylabel=ylabel)
    ax.legend()
    return fig


def shares(rows: dict) -> Figure:
    """How large each part is beside the stream it is added to: {name: [share of each part]}.

    The parts alternate: attention and network of the first layer, then of the second.
    """
    fig, ax = new(size=(6.2, 3.1))
    count = len(next(iter(rows.values())))
    for i, ((name, values), color) in enumerate(
            zip(rows.items(), (GREY, BLUE, ORANGE, GREEN), strict=False)):
        wide = 0.8 / len(rows)
        ax.bar([x + (i - (len(rows) - 1) / 2) * wide for x in range(count)], values, wide,
               color=color, label=name)
    ax.set_xticks(range(count), [f"{'MLP' if i % 2 else 'att'} {i // 2 + 1}"
                                 for i in range(count)])
    ax.set_yscale("log")
    plain_decades(ax)
    ax.set(ylabel="part / stream")
    ax.legend()
    return fig


def plain_decades(ax) -> None:
    """1, 2, 5, 10, ... on a logarithmic axis."""
    from matplotlib.ticker import LogLocator, NullLocator

    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_locator(NullLocator())


def name_levels(ax, levels: dict) -> None:
    """Dotted lines {name: height}, their names in the margin, where no curve goes."""
    for name, level in levels.items():
        ax.axhline(level, color=INK, linewidth=0.9, linestyle=":")
        ax.text(1.01, level, name.replace(", ", ",\n"), transform=ax.get_yaxis_transform(),
                va="center", fontsize=10)


def learned(losses: list, width: int, held: dict, levels: dict) -> Figure:
    """A run: means of `width` steps, held-back losses {steps: loss}, and lines {name: loss}."""
    fig, ax = new(size=(6.2, 3.3))
    means = [sum(losses[i:i + width]) / width
             for i in range(0, len(losses) - width + 1, width)]
    ax.plot([(i + 0.5) * width for i in range(len(means))], means, color=GREY, linewidth=1.2,
            label=f"minibatches, means of {width}")
    ax.plot(list(held), list(held.values()), "o-", ms=4, color=BLUE, label="held-back text")
    name_levels(ax, levels)
    ax.set(xlabel="step", ylabel="loss, nats a character")
    ax.legend(loc="upper right")
    return fig


def over_places(losses: list, levels: dict) -> Figure:
    """The held-back loss at each place of a piece, and lines {name: loss}."""
    fig, ax = new(size=(6.0, 3.0))
    ax.plot(range(1, len(losses) + 1), losses, "o-", ms=3, color=BLUE, label="GPT")
    name_levels(ax, levels)
    ax.set(xlabel="characters that it has read", ylabel="loss on held-back text")
    return fig


def next_bars(tokens: list[str], settings: dict) -> Figure:
    """Probabilities of the likeliest next characters under several settings.

    tokens: what to write under the bars. settings: {name: [probability of each]}.
    """
    fig, grid = new(len(settings), size=(6.4, 2.6), sharey=True, squeeze=False)
    axes = grid[0]
    for ax, (name, p) in zip(axes, settings.items(), strict=True):
        ax.bar(range(len(p)), p, color=[BLUE if value else GREY for value in p])
        ax.set_xticks(range(len(p)), tokens, fontsize=9, family="monospace")
        ax.set_title(name, fontsize=10)
    axes[0].set(ylabel="probability")
    return fig


def token_times(places: list[int], times: dict) -> Figure:
    """Milliseconds for one more character over the characters there are: {name: [ms]}."""
    fig, ax = new(size=(6.0, 3.0))
    for (name, values), color in zip(times.items(), (ORANGE, BLUE), strict=True):
        ax.loglog(places, values, "o-", ms=5, color=color, label=name)
    ax.set_xticks(places, [str(n) for n in places])
    ax.minorticks_off()
    plain_decades(ax)
    ax.set(xlabel="characters in the context", ylabel="ms for one more")
    ax.legend(loc="upper left")
    return fig
