"""Figures of the chapter on training dynamics; those of an explore are drawn by `light`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from zh.plots.base import BLUE, GREEN, GREY, INK, ORANGE, PINK, new
from zh.plots.light import Panel, light

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GUIDE = "currentColor"
POWERS = {n: "1" if n == 0 else f"10{str(n).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"
          for n in range(-12, 4)}  # fmt: skip


def _log(values) -> list[float]:
    """log10 of each; NaN where there is none."""
    return [math.log10(v) if v > 0 else math.nan for v in map(float, values)]


def _layers(depth: int) -> list[tuple[float, str]]:
    """Ticks at all of a few layers, at some of many."""
    shown = range(1, depth + 1) if depth <= 7 else range(1, depth + 1, 3)
    return [(layer, str(layer)) for layer in shown]


def _means(values: Sequence[float], at: Sequence[int]) -> list[float]:
    """Mean of the values from each place to the next one."""
    return [sum(values[a:b]) / len(values[a:b]) for a, b in itertools.pairwise([*at, len(values)])]


def snapshot(look: Mapping, density: Sequence[float] | None, theory: tuple[float, float]) -> str:
    """One step of a deep tanh network in four panels, mean-field theory dashed.

    look: "histogram" (L, BINS), "std" (L,), "grad" (L,), "update" (L + 1,), as in
        `zh.dynamics.Course`. density: of an output deep inside, in the same bins, or None.
    theory: the std of an output deep inside; by how much the gradient grows a layer, backward.
    """
    depth, bins = len(look["std"]), len(look["histogram"][0])
    layers = list(range(1, depth + 1))
    middles = [-1 + (2 * i + 1) / bins for i in range(bins)]
    first = Panel("Outputs of tanh", "output", (-1, 1), (0, 3), [(-1, "-1"), (0, "0"), (1, "1")],
                  [(0, "0"), (1, "1"), (2, "2"), (3, "3")])
    shown = {"first layer": (0, BLUE), "last layer": (depth - 1, ORANGE)}
    for i, color in shown.values():
        counts = [float(c) for c in look["histogram"][i]]
        first.line(middles, [c / sum(counts) * bins / 2 for c in counts], color)
    if density is not None:
        first.line(middles, density, GUIDE, True)
    std = Panel("Their spread", "layer", (0.5, depth + 0.5), (0, 1), _layers(depth),
                [(0, "0"), (0.5, "0.5"), (1, "1")])
    std.line([0.5, depth + 0.5], [theory[0]] * 2, GUIDE, True).dot(layers, look["std"], BLUE)
    top = float(look["grad"][-1])
    grad = Panel("Spread of their gradients", "layer", (0.5, depth + 0.5), (-7, -1),
                 _layers(depth), [(n, POWERS[n]) for n in (-6, -4, -2)])
    grad.line(layers, _log(top * theory[1] ** (depth - layer) for layer in layers), GUIDE, True)
    grad.dot(layers, _log(look["grad"]), PINK)
    update = Panel("Update : data", "matrix", (0.5, depth + 1.5), (-6, 0), _layers(depth + 1),
                   [(n, POWERS[n]) for n in (-6, -3, 0)])
    update.line([0.5, depth + 1.5], [-3, -3], GUIDE, True)
    update.dot([*layers, depth + 1], _log(look["update"]), GREEN)
    return light([first, std, grad, update], [(name, color, False) for name, (_, color)
                                              in shown.items()] + [("theory, guide", GUIDE, True)])


def scheduled(rates: Sequence[float], losses: Sequence[float], updates: Mapping, chance: float,
              low: float, top: float) -> str:
    """A schedule, the loss under it, and update over data of each matrix.

    rates, losses: of every step. updates: {step: (matrices,)}, at three steps. chance: the loss
    of guessing, low and top: the lowest loss and the largest rate that the axes hold.
    """
    steps, colors = len(rates), (BLUE, ORANGE, GREEN)
    ticks = [(0, "0"), (steps // 2, str(steps // 2)), (steps, str(steps))]
    every = max(1, steps // 40)
    at = list(range(0, steps, every))
    rate = Panel("Learning rate of the last layer", "step", (0, steps), (0, 1.05 * top), ticks,
                 [(0, "0"), (top, f"{top:g}")])
    rate.line(at, [rates[k] for k in at], BLUE)
    loss = Panel("Loss, means of steps", "step", (0, steps), (low, chance + 0.3), ticks,
                 [(low, f"{low:g}"), (chance, f"{chance:.2f}")])
    loss.line([0, steps], [chance] * 2, GUIDE, True).line(at, _means(losses, at), ORANGE)
    matrices = len(next(iter(updates.values())))
    update = Panel("Update : data", "matrix", (0.5, matrices + 0.5), (-6, 0), _layers(matrices),
                   [(n, POWERS[n]) for n in (-6, -3, 0)])
    update.line([0.5, matrices + 0.5], [-3, -3], GUIDE, True)
    places = list(range(1, matrices + 1))
    for values, color in zip(updates.values(), colors, strict=False):
        update.line(places, _log(values), color).dot(places, _log(values), color)
    return light([rate, loss, update],
                 [(f"update at step {step}", color, False)
                  for step, color in zip(updates, colors, strict=False)]
                 + [("chance, guide", GUIDE, True)])


def fingerprint(norms: Mapping[str, Sequence[float | None]],
                healthy: Mapping[str, Sequence[float]]) -> str:
    """Size of the gradient of each layer's weights and biases, beside those of a healthy network.

    norms, healthy: {"weights": (layers,), "biases": (layers,)}; None: no gradient came at all.
    Exact zeros stand on the bottom line.
    """
    floor = -3.5
    panels = []
    for name, color in (("weights", BLUE), ("biases", ORANGE)):
        values = norms[name]
        layers = list(range(1, len(values) + 1))
        panel = Panel(f"Gradient of the {name}", "layer", (0.5, len(values) + 0.5), (floor, 1.2),
                      [(i, str(i)) for i in layers],
                      [(floor, "0"), *((n, POWERS[n]) for n in (-2, -1, 0, 1))])
        panel.line(layers, _log(healthy[name]), GREY, True)
        heights = [math.nan if v is None else math.log10(v) if v > 0 else floor for v in values]
        for layer, height in zip(layers, heights, strict=True):
            panel.line([layer, layer], [floor, height], color)
        panels.append(panel.dot(layers, heights, color))
    return light(panels, [("this network", BLUE, False), ("healthy", GREY, True)])


def fitted(looks: Sequence[int], losses: Sequence[float], tested: Sequence[float],
           saturated: Sequence[float], update: Sequence[float], guess: float) -> str:
    """A dashboard (loss, saturation, update over data) beside what new data say.

    losses: of every step. tested: share of new examples told rightly, at the looks. saturated and
    update: of each layer, each matrix, at the end. guess: the share that guessing tells rightly.
    """
    steps, depth = len(losses), len(saturated)
    ticks = [(0, "0"), (steps // 2, str(steps // 2)), (steps, str(steps))]
    every = max(1, steps // 40)
    at = list(range(0, steps, every))
    loss = Panel("Loss in training", "step", (0, steps), (0, 1.2), ticks,
                 [(0, "0"), (0.5, "0.5"), (1, "1")])
    loss.line(at, _means(losses, at), BLUE)
    flat = Panel("Saturated at the end", "layer", (0.5, depth + 0.5), (0, 1), _layers(depth),
                 [(0, "0"), (0.5, "half"), (1, "all")])
    flat.dot(list(range(1, depth + 1)), saturated, BLUE)
    moved = Panel("Update : data at the end", "matrix", (0.5, depth + 1.5), (-6, 0),
                  _layers(depth + 1), [(n, POWERS[n]) for n in (-6, -3, 0)])
    moved.line([0.5, depth + 1.5], [-3, -3], GUIDE, True)
    moved.dot(list(range(1, depth + 2)), _log(update), BLUE)
    new_data = Panel("New examples told rightly", "step", (0, steps), (0, 1), ticks,
                     [(0, "0"), (0.5, "half"), (1, "all")])
    new_data.line([0, steps], [guess] * 2, GUIDE, True).line(looks, tested, ORANGE)
    return light([loss, flat, moved, new_data], [("what a dashboard shows", BLUE, False),
                                                 ("what it cannot show", ORANGE, False),
                                                 ("guessing, guide", GUIDE, True)])


def dashboards(runs: Mapping[str, Mapping]) -> Figure:
    """Two runs on one dashboard, and what new data say of each.

    runs: {name: {"steps", "update": log10 of it, "saturated": (layers,), "looks", "tested"}}.
    """
    fig, axes = new(3, 1, size=(6.6, 2.9))
    for (name, run), color, mark in zip(runs.items(), (BLUE, ORANGE), "os", strict=False):
        axes[0].plot(run["steps"], run["update"], color=color, label=name)
        axes[1].plot(range(1, len(run["saturated"]) + 1), run["saturated"], f"{mark}-",
                     color=color)
        axes[2].plot(run["looks"], run["tested"], f"{mark}-", color=color, markersize=4)
    axes[0].axhline(-3, color=INK, linewidth=0.9, linestyle="--")
    axes[0].set(xlabel="step", title="log10 update : data")
    axes[1].set(xlabel="layer", title="saturated", ylim=(0, 1))
    axes[1].set_xticks(range(1, len(run["saturated"]) + 1))
    axes[2].set(xlabel="step", title="right on new data", ylim=(0, 1))
    for ax in axes:
        ax.title.set_fontsize(11)
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return fig


def pulled_out(curves: Mapping[str, Sequence[float]], block: int, chance: float) -> Figure:
    """Loss over the steps under several schedules, means of `block` steps."""
    fig, ax = new(size=(6.2, 3.6))
    colors = (GREY, BLUE, PINK, ORANGE, GREEN, INK)
    for (name, losses), color in zip(curves.items(), colors, strict=False):
        means = [sum(losses[k:k + block]) / block for k in range(0, len(losses) - block + 1, block)]
        ax.plot([block * (k + 0.5) for k in range(len(means))], means, color=color, label=name,
                linewidth=1.5)
    ax.axhline(chance, color=INK, linewidth=0.8, linestyle=":")
    ax.set(xlabel="step", ylabel="loss", ylim=(0, 1.1 * chance))
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=3, fontsize=10)
    return fig
