"""Figures of the chapter `batchnorm`: each a function of data that returns a Figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zh.plots.base import BLUE, GREEN, GREY, INK, OLIVE, ORANGE, PINK, new

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

LOOKS = ((BLUE, "o", "-"), (ORANGE, "s", "--"), (GREEN, "^", "-."), (PINK, "D", ":"),
         (OLIVE, "v", "-"))


def momenta(rates: list[float], costs: dict[str, list[float]]) -> Figure:
    """What running statistics cost, by momentum: {label: an extra loss for each rate}."""
    fig, ax = new(size=(6.0, 3.4))
    for (label, extra), (color, mark, dash) in zip(costs.items(), LOOKS, strict=False):
        ax.plot(rates, extra, color=color, marker=mark, linestyle=dash, markersize=4, label=label)
    ax.axhline(0, color=INK, linewidth=0.8)
    ax.set(xscale="log", xlabel="momentum", ylabel="extra loss")
    ax.set_xticks(rates[::3], [f"{rate:g}" for rate in rates[::3]])
    ax.minorticks_off()
    ax.legend(loc="upper center")
    return fig


def jitters(sizes: list[int], measured: dict[float, list[float]]) -> Figure:
    """Spread of a normalised value over draws of its batch: {z: a spread for each batch size}."""
    fig, ax = new(size=(6.0, 3.6))
    for (z, spreads), (color, mark, _) in zip(measured.items(), LOOKS, strict=False):
        ax.plot(sizes, [((1 + z * z / 2) / n) ** 0.5 for n in sizes], color=color, linewidth=1.2)
        ax.plot(sizes, spreads, color=color, marker=mark, linestyle="", markersize=5,
                label=f"z = {z:g}")
    ax.set(xscale="log", yscale="log", xlabel="batch size B", ylabel="spread of the output")
    ax.set_xticks(sizes, [str(n) for n in sizes])
    ax.minorticks_off()
    ax.legend(loc="lower left")
    return fig


def dependence(slopes: dict[str, Tensor], examples: int) -> Figure:
    """Which output depends on which input: {title: (examples * units, examples * units)}."""
    from matplotlib.colors import ListedColormap

    fig, axes = new(len(slopes), size=(6.6, 2.7))
    for ax, (title, slope) in zip(axes, slopes.items(), strict=True):
        size = len(slope)
        units = size // examples
        picture = (slope.abs() > 1e-9).double()
        picture[picture == 0] = float("nan")
        ax.imshow(picture, cmap=ListedColormap([BLUE]), interpolation="nearest", aspect="equal")
        for edge in range(0, size + 1, units):
            ax.axhline(edge - 0.5, color=INK, linewidth=0.5, alpha=0.5)
            ax.axvline(edge - 0.5, color=INK, linewidth=0.5, alpha=0.5)
        places = [units * (k + 0.5) - 0.5 for k in range(examples)]
        ax.set_xticks(places, [str(k) for k in range(examples)])
        ax.set_yticks(places, [str(k) for k in range(examples)])
        ax.tick_params(length=0)
        ax.set_title(title, fontsize=11)
        ax.set_xlabel("input of example")
    axes[0].set_ylabel("output of example")
    return fig


def growing(steps: list[int], sizes: dict[str, list[float]],
            updates: dict[str, list[float]]) -> Figure:
    """Weights in front of a batch normalisation: their size, and update to weight, over steps."""
    fig, axes = new(2, size=(6.6, 3.4))
    for ax, curves, title in zip(axes, (sizes, updates), ("size of the weights", "update : weight"),
                                 strict=True):
        for (label, values), (color, _, dash) in zip(curves.items(), LOOKS, strict=False):
            ax.plot(steps, values, color=color, linestyle=dash, label=label)
        ax.set(yscale="log", xlabel="step")
        ax.set_title(title)
    axes[0].set_ylim(0.15 * min(map(min, sizes.values())), None)  # room for the legend
    axes[0].legend(loc="lower right", title="gain", fontsize=10, ncols=2)
    return fig


def ghost_runs(steps: list[int], curves: dict[str, dict[str, list[float]]], chosen: str,
               what: str) -> Figure:
    """One kind of run before all others: {kind: {"train": ..., "unseen": ..., "right": ...}}."""
    fig, ax = new(size=(6.0, 3.6))
    seen = "right" if what == "right" else "unseen"
    for kind, lines in curves.items():
        ax.plot(steps, lines[seen], color=BLUE if kind == chosen else GREY,
                linewidth=2.6 if kind == chosen else 0.9, alpha=1 if kind == chosen else 0.6,
                zorder=3 if kind == chosen else 1)
    ends = {"": curves[chosen][seen][-1]}
    if what == "right":
        ax.set(ylabel="share of unseen right", ylim=(0.5, 0.8))
    else:
        ax.plot(steps, curves[chosen]["train"], color=ORANGE, linestyle="--")
        ax.set(ylabel="loss", ylim=(0, 1.15))
        ends = {"unseen ": ends[""], "seen ": curves[chosen]["train"][-1]}
    for label, last in ends.items():
        up = 3 if last == max(ends.values()) else -12
        ax.annotate(f"{label}{last:.3f}", (steps[-1], last), xytext=(5, up),
                    textcoords="offset points", fontsize=11, color=INK)
    ax.set(xlabel="step", xlim=(0, steps[-1] * 1.27))
    ax.set_title(chosen)
    return fig


def explosion(lines: dict[str, list[float]], rates: dict[str, float]) -> Figure:
    """Gradient at each layer over that of the last, with predicted slopes a layer (squared)."""
    fig, ax = new(size=(6.2, 3.8))
    for (label, values), (color, _, dash) in zip(lines.items(), LOOKS, strict=False):
        layers = range(1, len(values) + 1)
        ax.plot(layers, [v / values[-1] for v in values], color=color, linestyle=dash, label=label)
        if label in rates:
            ax.plot(layers, [rates[label] ** ((len(values) - n) / 2) for n in layers],
                    color=INK, linewidth=0.9, linestyle=":")
    ax.set(yscale="log", xlabel="layer", ylabel="gradient, last layer = 1")
    ax.legend(loc="upper right")
    return fig
