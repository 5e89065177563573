"""Figures of the chapter `post_training`: each a function of data that returns a Figure."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from zh.plots.base import BLUE, GREEN, GREY, INK, ORANGE, PINK, new

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _means(values: list, width: int) -> tuple[list, list]:
    """Middles and means of stretches of `width`."""
    at = range(0, len(values) - width + 1, width)
    return ([i + (width - 1) / 2 for i in at],
            [statistics.fmean(values[i:i + width]) for i in at])


def rewarded(courses: dict, width: int = 5) -> Figure:
    """Mean reward and KL over the steps: {name: zh.post_training.policy.Course}."""
    fig, (left, right) = new(2, size=(6.6, 3.0))
    for (name, course), color in zip(courses.items(), (ORANGE, BLUE, GREEN, PINK), strict=False):
        left.plot(*_means(course.rewards, width), color=color, label=name)
        right.plot(*_means(course.kls, width), color=color)
    left.set(xlabel="step", ylabel="mean reward")
    right.set(xlabel="step", ylabel="KL, nats an answer")
    left.legend()
    return fig


def learned_taste(steps: list, train: list, new_pairs: list, ceiling: float) -> Figure:
    """Accuracy of a reward model over its steps, on what it learns from and on new pairs."""
    fig, ax = new(size=(6.0, 2.9))
    ax.plot(steps, train, "o-", ms=4, color=GREY, label="pairs that it learns from")
    ax.plot(steps, new_pairs, "o-", ms=4, color=BLUE, label="new pairs")
    ax.axhline(ceiling, color=INK, linewidth=0.9, linestyle=":")
    ax.text(steps[-1], ceiling, "the rater's own taste", va="bottom", ha="right", fontsize=10)
    ax.set(xlabel="step", ylabel="accuracy")
    ax.legend(loc="upper left")
    return fig


def hacked(proxy: list, taste: list, kls: list, width: int = 5) -> Figure:
    """What the reward model says and what the rater would say, over the steps and over the KL."""
    fig, (left, right) = new(2, size=(6.6, 3.1), sharey=True)
    for values, color, name in ((proxy, ORANGE, "reward model"), (taste, BLUE, "rater's taste")):
        at, means = _means(values, width)
        left.plot(at, means, "o-", ms=3, color=color, label=name)
        right.plot(_means(kls, width)[1], means, "o-", ms=3, color=color)
    left.set(xlabel="step", ylabel="points, less those of the start")
    right.set(xlabel="KL, nats an answer")
    left.legend(loc="best")
    return fig


def kl_frontier(points: list[dict], others: list = (), key: str = "taste") -> Figure:
    """Points over their KL: [{"method", "label", "kl", "taste", "proxy"}], one colour a method.

    "bound": True where the KL is no more than that; hollow, and the legend says so. others: lists
    of points of the same methods from other seeds, faint.
    """
    fig, ax = new(size=(6.4, 3.6))
    methods = list(dict.fromkeys(p["method"] for p in points))
    for method, color, mark in zip(methods, (INK, ORANGE, GREEN, BLUE, PINK), "so^Dv",
                                   strict=False):
        own = sorted((p for p in points if p["method"] == method), key=lambda p: p["kl"])
        bound = any(p.get("bound") for p in own)
        ax.plot([p["kl"] for p in own], [p[key] for p in own], mark + ("--" if bound else "-"),
                ms=6, color=color, linewidth=0.9, markerfacecolor="none" if bound else color,
                label=method + (" (at the most that its KL can be)" if bound else ""))
        for more in others:
            also = sorted((p for p in more if p["method"] == method), key=lambda p: p["kl"])
            ax.plot([p["kl"] for p in also], [p[key] for p in also], mark + "-", ms=4, color=color,
                    linewidth=0.7, alpha=0.35)
    along = sorted(points, key=lambda p: p["kl"])
    for p, offset in zip(along, _beside(along, "kl", key), strict=True):
        ax.annotate(p["label"], (p["kl"], p[key]), xytext=offset, textcoords="offset points",
                    fontsize=9)
    ax.set(xlabel="KL from the finetuned model, nats an answer", ylabel=key)
    ax.legend()
    return fig


def _beside(points: list[dict], across: str, up: str, width: float = 370,
            height: float = 200) -> list[tuple[float, float]]:
    """For the label of each point an offset from it, in typographic points, where least is covered.

    width, height: about what the axes measure. One label after the other takes the first of a few
    places that overlaps least with the marks and with the labels before it.
    """
    spans = [max(p[k] for p in points) - min(p[k] for p in points) or 1 for k in (across, up)]
    at = [(width * p[across] / spans[0], height * p[up] / spans[1]) for p in points]
    taken = [(x - 4, y - 4, x + 4, y + 4) for x, y in at]          # the marks
    found = []
    for (x, y), p in zip(at, points, strict=True):
        long = 5 * len(p["label"])
        offsets = [(5, 3), (5, -11), (-long - 5, 3), (-long - 5, -11), (-long / 2, 8),
                   (-long / 2, -17), (5, 12), (-long - 5, 12), (5, -20)]
        boxes = [(x + dx, y + dy, x + dx + long, y + dy + 9) for dx, dy in offsets]
        covered = [sum(_overlap(box, other) for other in taken) for box in boxes]
        best = covered.index(min(covered))
        found.append(offsets[best])
        taken.append(boxes[best])
    return found


def _overlap(a: tuple, b: tuple) -> float:
    """The area that two boxes (left, low, right, high) share."""
    return max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))


def by_multiplier(rows: dict, multipliers: list, seeds: int) -> Figure:
    """Accuracy after finetuning over the early layers' rate: {name: (multipliers, seeds)}."""
    fig, ax = new(size=(6.0, 3.1))
    places = range(len(multipliers))
    for (name, values), color in zip(rows.items(), (BLUE, ORANGE), strict=True):
        ax.plot(places, [statistics.fmean(row) for row in values], "-", color=color, label=name)
        for x, row in zip(places, values, strict=True):
            ax.plot([x] * seeds, row, "o", ms=3, color=color, alpha=0.5)
    ax.set_xticks(places, [f"{m:g}" for m in multipliers])
    ax.set(xlabel="rate of the early layers, times that of the others", ylabel="accuracy")
    ax.legend()
    return fig


def against_equal(rows: dict, multipliers: list, chosen: float) -> Figure:
    """Each task with one multiplier beside the same rate for all: {name: (multipliers, seeds)}."""
    fig, ax = new(size=(4.6, 4.0))
    at, equal = multipliers.index(chosen), multipliers.index(1)
    every = [v for values in rows.values() for row in values for v in row]
    ends = [min(every) - 0.02, max(every) + 0.02]
    ax.plot(ends, ends, color=INK, linewidth=0.9, linestyle=":")
    for (name, values), color, mark in zip(rows.items(), (BLUE, ORANGE), "o^", strict=True):
        gain = statistics.fmean(values[at]) - statistics.fmean(values[equal])
        ax.plot(values[equal], values[at], mark, ms=5, color=color,
                label=f"{name}: {gain:+.3f}".replace("-", "−"))
    ax.set(xlabel="accuracy with the same rate for all", ylabel=f"with {chosen:g} times the rate",
           xlim=ends, ylim=ends)
    ax.legend(title="mean difference")
    return fig


def bought(rows: dict, tries: list) -> Figure:
    """Truth and agreement of the best of n: {bias: [(truth, agreement) for each n]}."""
    fig, (left, right) = new(2, size=(6.6, 2.9), sharey=True)
    for (bias, values), color in zip(rows.items(), (BLUE, GREEN, ORANGE, PINK), strict=False):
        for ax, part in ((left, 0), (right, 1)):
            ax.plot(tries, [v[part] for v in values], "o-", ms=4, color=color,
                    label=f"bias {bias:g}")
    for ax, title in ((left, "truth"), (right, "agreement")):
        ax.set_xscale("log", base=4)
        ax.set_xticks(tries, [str(n) for n in tries])
        ax.set(xlabel="best of", title=title)
    left.set(ylabel="mean, in spreads")
    left.legend()
    return fig
