"""Figures of the chapter `mlp`: each a function of data that returns a Figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zh.plots.base import BLUE, GREEN, GREY, INK, ORANGE, PALETTE, new

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def unseen(lengths, contexts, pairs) -> Figure:
    """Shares of new names that counting has no number for, over the letters of context.

    contexts: share whose context never occurred. pairs: whose context and next letter never did.
    """
    fig, ax = new(size=(6.0, 3.2))
    ax.plot(lengths, pairs, "o-", color=ORANGE)
    ax.plot(lengths, contexts, "s-", color=BLUE)
    ax.text(lengths[-1], pairs[-1] + 0.02, "this letter never followed", color=ORANGE, ha="right")
    ax.text(lengths[-1], contexts[-1] - 0.05, "context never seen", color=BLUE, ha="right")
    ax.set_xticks(lengths)
    ax.set(xlabel="letters of context", ylabel="share of new names' letters", ylim=(-0.02, None))
    ax.yaxis.set_major_formatter(lambda v, _: f"{v:.0%}")
    ax.grid(True, axis="y")
    return fig


def passage(context: str, vectors, hidden, probs, letters: str) -> Figure:
    """One context on its way: vectors (T, E), hidden (H,), probabilities (V,)."""
    import numpy as np

    fig, (a, b, c) = new(3, size=(6.4, 4.4), width_ratios=[1.0, 1.1, 1.7])
    vectors, hidden = np.asarray(vectors), np.asarray(hidden)
    top = np.abs(vectors).max()
    a.imshow(vectors.T, cmap="PuOr_r", vmin=-top, vmax=top, aspect="auto", interpolation="none")
    a.set_xticks(range(len(context)), list(context))
    a.set_yticks([])
    a.set_title(f"{len(context)} rows of C", fontsize=11)
    rows = -(-len(hidden) // 10)
    grid = np.full(rows * 10, np.nan)
    grid[: len(hidden)] = hidden
    b.imshow(grid.reshape(rows, 10), cmap="PuOr_r", vmin=-1, vmax=1, aspect="auto",
             interpolation="none")  # fmt: skip
    b.set_xticks([])
    b.set_yticks([])
    b.set_title(f"{len(hidden)} units", fontsize=11)
    order = list(range(len(letters)))[::-1]
    c.barh(order, [float(p) for p in probs], color=BLUE)
    c.set_yticks(order, list(letters), fontsize=8)
    c.set_title("next letter", fontsize=11)
    c.set(xlabel="probability", ylim=(-0.7, len(letters) - 0.3))
    for ax in (a, b):
        ax.tick_params(length=0)
        for side in ("left", "bottom"):
            ax.spines[side].set_visible(False)
    return fig


def to_floor(losses, floor: float) -> Figure:
    """A loss that falls towards a level it cannot pass; both axes logarithmic, loss less floor."""
    fig, (left, right) = new(2, size=(6.4, 3.0))
    steps = sorted({round(len(losses) ** (i / 150)) for i in range(151)})  # even on the log axis
    some = [losses[step - 1] for step in steps]
    left.plot(steps, some, color=BLUE)
    left.axhline(floor, color=ORANGE, lw=1.2, ls="--")
    left.text(len(losses), floor * 1.08, "floor", color=ORANGE, ha="right", va="bottom")
    left.set_xscale("log")
    left.set(xlabel="step", title="loss", ylim=(0, None))
    right.loglog(steps, [max(loss - floor, 1e-7) for loss in some], color=BLUE)
    right.set(xlabel="step", title="loss less floor")
    right.grid(True)
    return fig


def cosines(sizes, groups: dict, scale: float | None = None) -> Figure:
    """Cosine of a minibatch's gradient with that of all examples: {when: (mean, low, high)}.

    scale: B of the formula 1 / sqrt(1 + B/n), drawn dashed.
    """
    fig, ax = new(size=(6.0, 3.4))
    for (name, (mean, low, high)), color in zip(groups.items(), (BLUE, ORANGE), strict=False):
        ax.fill_between(sizes, low, high, color=color, alpha=0.18, lw=0)
        ax.plot(sizes, mean, "o-", color=color, label=name)
    if scale is not None:
        ax.plot(sizes, [(1 + scale / n) ** -0.5 for n in sizes], "--", color=GREY, lw=1.2)
    ax.axhline(0, color=INK, lw=0.8)
    ax.set_xscale("log", base=2)
    ax.set_xticks(sizes, [str(n) for n in sizes])
    ax.minorticks_off()
    ax.set(xlabel="examples in the minibatch", ylabel="cosine with the whole gradient",
           ylim=(-0.55, 1.03))  # fmt: skip
    ax.grid(True, axis="y")
    ax.legend(loc="lower right")
    return fig


def _smooth(values, width: int = 50) -> list[float]:
    """Means of `width` values in a row, one for each place where so many end."""
    total, means = 0.0, []
    for i, value in enumerate(values):
        total += value - (values[i - width] if i >= width else 0.0)
        if i >= width - 1:
            means.append(total / width)
    return means


def valley(lrs, losses, lr: float, run, after: float | None) -> Figure:
    """The finder's curve with the rate that the reader chose, and a run at that rate beside it.

    lrs, losses: of the finder. run: losses of a run at `lr`. after: its loss at the end, measured
    on many examples. Both None: the run blew up.
    """
    fig, (left, right) = new(2, size=(6.4, 3.2), width_ratios=[1.1, 1], sharey=True)
    means = _smooth(losses, 40)
    left.plot(lrs[len(lrs) - len(means):][::6], means[::6], color=BLUE)
    left.axvline(lr, color=ORANGE, lw=2)
    left.set_xscale("log")
    left.set(xlabel="learning rate of the step", title="range test", ylabel="loss, smoothed",
             ylim=(2.2, 4.2))  # fmt: skip
    if run is None:
        right.text(0.5, 0.5, "blew up", transform=right.transAxes, ha="center")
        right.set_xticks([])
    else:
        means = _smooth(run, 40)
        right.plot(range(40, 40 + len(means))[::12], means[::12], color=ORANGE)
        right.plot([len(run)], [min(after, 4.15)], "o", color=INK)
        right.annotate(f"{after:.3f}", (len(run), min(after, 4.1)), (-8, 8),
                       textcoords="offset points", ha="right")  # fmt: skip
    right.set(xlabel="step", title=f"training at {lr:g}")
    for ax in (left, right):
        ax.grid(True, axis="y")
    return fig


def schedules(runs: dict, block: int = 250) -> Figure:
    """Loss over the steps for several schedules: {name: losses}, means of `block` steps."""
    fig, ax = new(size=(6.2, 3.4))
    for name, losses in runs.items():
        means = [sum(losses[i:i + block]) / block for i in range(0, len(losses) - block + 1, block)]
        ax.plot([(i + 0.5) * block for i in range(len(means))], means, label=name)
    ax.set(xlabel="step", ylabel=f"training loss, mean of {block} steps", ylim=(2.15, 2.75))
    ax.grid(True, axis="y")
    ax.legend()
    return fig


def fitting(steps, train, dev, best: float | None = None) -> Figure:
    """Loss on the names of training and on new ones, over the steps."""
    fig, ax = new(size=(6.0, 3.3))
    ax.plot(steps, dev, "o-", ms=4, color=ORANGE)
    ax.plot(steps, train, "s-", ms=4, color=BLUE)
    near = abs(dev[-1] - train[-1]) < 0.12
    ax.annotate("new names", (steps[-1], dev[-1]), (6, 4 if near else 0), color=ORANGE,
                textcoords="offset points", va="bottom" if near else "center")  # fmt: skip
    ax.annotate("names of\ntraining", (steps[-1], train[-1]), (6, -4 if near else 0), color=BLUE,
                textcoords="offset points", va="top" if near else "center")  # fmt: skip
    if best is not None:
        ax.axhline(best, color=GREY, lw=1, ls=":")
    ax.set(xlabel="step", ylabel="loss", ylim=(0.9, 3.5), xlim=(0, steps[-1] * 1.2))
    ax.grid(True, axis="y")
    return fig


def pairs_of_distances(maps: dict) -> Figure:
    """Distance on a map over distance in all dimensions, every third pair: {title: (all, map)}."""
    fig, axes = new(len(maps), size=(6.4, 2.9), sharey=True)
    for ax, (title, (full, flat)) in zip(axes, maps.items(), strict=True):
        ax.plot(full[::3], flat[::3], ".", ms=4, color=BLUE, alpha=0.6)
        ax.set_title(title, fontsize=11)
        ax.set(xlabel="in all ten", ylim=(0, None))
    axes[0].set_ylabel("distance on the map")
    return fig


def by_seen(groups, rows: dict) -> Figure:
    """Mean loss of several models in groups of contexts: rows {model: [one number a group]}."""
    fig, ax = new(size=(6.2, 3.4))
    looks = zip((BLUE, ORANGE, GREEN), "os^", strict=True)
    for (name, values), (color, mark) in zip(rows.items(), looks, strict=False):
        ax.plot(range(len(groups)), values, f"{mark}-", color=color, label=name)
    ax.set_xticks(range(len(groups)), groups)
    ax.set(xlabel="how often training saw the three letters", ylabel="loss on new names")
    ax.grid(True, axis="y")
    ax.legend()
    return fig


def mixing(weights, rows: dict) -> Figure:
    """Loss of a mixture over the weight of the network: rows {name: losses}."""
    fig, ax = new(size=(6.0, 3.2))
    for (name, values), color in zip(rows.items(), PALETTE, strict=False):
        ax.plot(weights, values, color=color, label=name)
        at = min(range(len(values)), key=values.__getitem__)
        ax.plot([weights[at]], [values[at]], "o", color=color)
    ax.set(xlabel="weight of the network", ylabel="loss on new names")
    ax.grid(True, axis="y")
    ax.legend()
    return fig


def size_sweep(values, train: dict, dev: dict, xlabel: str, counting: dict, level: float,
               log: bool) -> Figure:
    """Recorded runs over one setting: {value: [a loss a seed]} on train and dev.

    counting: {value: loss} of a count model that reads as much, or {}. level: that of a 4-gram.
    """
    fig, ax = new(size=(6.2, 3.5))
    for runs, color, name in ((dev, ORANGE, "new names"), (train, BLUE, "names of training")):
        means = [sum(runs[v]) / len(runs[v]) for v in values]
        ax.plot(values, means, "-", color=color, label=name)
        for v in values:
            ax.plot([v] * len(runs[v]), runs[v], "o", ms=4, color=color, alpha=0.6)
    if counting:
        ax.plot(list(counting), list(counting.values()), "s--", ms=4, lw=1.2, color=GREY,
                label="counting, new names")  # fmt: skip
    else:
        ax.axhline(level, color=GREY, lw=1.2, ls="--", label="4-gram, new names")
    if log:
        ax.set_xscale("log")
        ax.minorticks_off()
    ax.set_xticks(values, [f"{v:g}" for v in values])
    ax.set(xlabel=xlabel, ylabel="loss", ylim=(2.1, 2.6))
    ax.grid(True, axis="y")
    ax.legend(loc="upper right")
    return fig
