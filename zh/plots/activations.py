"""Figures of the chapter `activations`: each a function of data that returns a Figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zh.plots.base import BLUE, GREEN, GREY, INK, ORANGE, PINK, new

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

    from zh.activations import Activation


def _curves(f: Activation, reach: float):
    """x, f(x), f'(x) as arrays, with a gap in the derivative at each kink."""
    import torch

    x = torch.linspace(-reach, reach, 401, dtype=torch.float64)
    value, slope = f(x), f.derivative(x)
    for kink in f.kinks:
        slope[(x - kink).abs() < reach / 400] = torch.nan
    return x.numpy(), value.numpy(), slope.numpy()


def _shade(ax, f: Activation, reach: float, threshold: float) -> None:
    """The saturated ranges, behind everything else."""
    for low, high in f.saturation(threshold):
        low, high = max(low, -reach), min(high, reach)
        if low < high:
            ax.axvspan(low, high, color=GREY, alpha=0.16, linewidth=0)


def activation_gallery(functions: list[Activation], threshold: float = 0.05) -> Figure:
    """Small pictures of many functions: value, derivative, and in grey where it is saturated."""
    import math

    columns = 3
    rows = math.ceil(len(functions) / columns)
    fig, axes = new(columns, rows, size=(6.4, 0.5 + 1.6 * rows), sharex=True, sharey=True)
    axes = list(axes.flat)
    for ax, f in zip(axes, functions, strict=False):
        x, value, slope = _curves(f, 4.0)
        _shade(ax, f, 4.0, threshold)
        ax.axhline(0, color=INK, linewidth=0.6)
        ax.plot(x, value, color=BLUE)
        ax.plot(x, slope, color=ORANGE, linestyle="--", linewidth=1.4)
        ax.set(xlim=(-4, 4), ylim=(-1.9, 2.6))
        ax.set_title(f.name, fontsize=11, family="monospace")
    for ax in axes[len(functions) :]:
        ax.set_visible(False)
    return fig


def hinges(x: Tensor, y: Tensor, weight: Tensor, bias: Tensor, title: str = "") -> Figure:
    """The lines w x + b = 0 of a first ReLU layer over the data; dead units dashed, in orange.

    x (n, 2), y (n,) of 0 and 1, weight (2, units), bias (units,). A unit is dead where no
    example has w x + b > 0.
    """
    dead = ~((x @ weight + bias) > 0).any(0)  # (units,)
    fig, ax = new(size=(6.0, 4.4))
    low, high = x.min(0).values.tolist(), x.max(0).values.tolist()
    pad = 0.6 * max(high[0] - low[0], high[1] - low[1])
    across, up = (low[0] - pad, high[0] + pad), (low[1] - pad, high[1] + pad)
    for unit in range(len(bias)):
        ends = _clip(weight[:, unit].tolist(), float(bias[unit]), across, up)
        if ends is None:
            continue
        gone = bool(dead[unit])
        ax.plot(
            *ends,
            color=ORANGE if gone else BLUE,
            linestyle="--" if gone else "-",
            linewidth=1.0,
            alpha=0.9 if gone else 0.35,
        )
    for label, mark in ((0, "o"), (1, "^")):
        points = x[y == label]
        ax.scatter(points[:, 0], points[:, 1], s=9, marker=mark, color=INK, alpha=0.45, linewidth=0)
    ax.set(xlim=across, ylim=up)
    count = int(dead.sum())
    ax.set_title(f"{title}{': ' if title else ''}{count} of {len(bias)} units dead")
    return fig


def _clip(w, b, across, up):
    """The piece of the line w x + b = 0 inside a rectangle: ((x0, x1), (y0, y1)), or None."""
    points = []
    if abs(w[1]) > 1e-12:
        points += [(x, -(b + w[0] * x) / w[1]) for x in across]
    if abs(w[0]) > 1e-12:
        points += [(-(b + w[1] * y) / w[0], y) for y in up]
    slack = 1e-9 * (up[1] - up[0] + across[1] - across[0])
    inside = {
        (round(x, 9), round(y, 9))
        for x, y in points
        if across[0] - slack <= x <= across[1] + slack and up[0] - slack <= y <= up[1] + slack
    }
    if len(inside) < 2:
        return None
    first, last = min(inside), max(inside)
    return (first[0], last[0]), (first[1], last[1])


def extremes(pictures: dict[str, Tensor]) -> Figure:
    """Where a hidden layer is flat: {title: (examples, units) of True where it is}, in ink."""
    import numpy as np
    from matplotlib.colors import ListedColormap

    fig, axes = new(1, len(pictures), size=(6.0, 1.5 * len(pictures) + 0.4), sharex=True)
    for ax, (title, flat) in zip(np.atleast_1d(axes), pictures.items(), strict=True):
        picture = np.ma.masked_equal(flat.numpy().astype(float), 0.0)
        ax.imshow(picture, cmap=ListedColormap([BLUE]), aspect="auto", interpolation="nearest")
        ax.set(ylabel="example", title=title)
    np.atleast_1d(axes)[-1].set_xlabel("unit of the hidden layer")
    return fig


def deaths(steps: list[int], runs: dict[str, Tensor], units: int = 64) -> Figure:
    """Dead units over the steps, first layer left, second right: {label: (looks, 2)}."""
    fig, axes = new(2, size=(6.4, 3.2), sharey=True)
    styles = [("-", BLUE), ("--", GREEN), ("-.", PINK), (":", ORANGE)]
    for layer, ax in enumerate(axes):
        for (label, counts), (dash, color) in zip(runs.items(), styles, strict=False):
            ax.plot(steps, counts[:, layer], linestyle=dash, color=color, label=label)
        ax.set(xlabel="step", ylim=(-1, units + 1), title=("first layer", "second layer")[layer])
    axes[0].set_ylabel(f"dead of {units}")
    axes[0].legend(loc="center right")
    return fig


def recycled(curves: dict[str, list[float]], keep: float, shares: list[float], chosen: str,
             share: float) -> Figure:
    """Loss over the share of dead units that is recycled; {label: a loss for each share}."""
    fig, ax = new(size=(6.0, 3.3))
    ax.axhline(keep, color=GREY, linestyle="--", linewidth=1.2, label="all kept")
    looks = ((BLUE, "o", "-"), (ORANGE, "s", "--"))
    for (label, losses), (color, mark, dash) in zip(curves.items(), looks, strict=True):
        ax.plot([0, *shares], [keep, *losses], color=color, marker=mark, linestyle=dash,
                label=label, markersize=4)
    at = curves[chosen][shares.index(share)]
    ax.plot([share], [at], marker="o", markersize=13, fillstyle="none", color=INK)
    ax.set(xlabel="share of the dead units that is recycled", ylabel="loss on the whole ring",
           ylim=(0.4 * keep, 1.15 * keep))  # the same for every frame
    ax.set_title(f"{chosen}, {share:.0%} recycled: loss {at:.3f}")
    ax.legend(loc="lower left")
    return fig


def born(depths: list[int], shares: dict[int, list[float]], depth: int, width: int, at: Tensor,
         outputs: Tensor) -> Figure:
    """How many random networks are dead by depth, and what some of them compute.

    shares: {width: share dead at each of depths}.  outputs (nets, N): over the inputs at (N,).
    """
    fig, (left, right) = new(2, size=(6.6, 3.3))
    for w, line in shares.items():
        mine = w == width
        left.plot(depths, line, color=BLUE if mine else GREY, marker="o", markersize=3,
                  linewidth=2 if mine else 1, alpha=1 if mine else 0.6)
    ends: list[tuple[float, list[int]]] = []  # widths that end at one height share a label
    for w, line in shares.items():
        if ends and abs(ends[-1][0] - line[-1]) < 0.06:
            ends[-1][1].append(w)
        else:
            ends.append((line[-1], [w]))
    for height, widths in ends:
        left.annotate(", ".join(map(str, widths)), (depths[-1], height), xytext=(5, -4),
                      textcoords="offset points", fontsize=10, color=INK)
    left.axvline(depth, color=ORANGE, linestyle=":")
    left.set(xscale="log", xlabel="layers", ylabel="share born dead", ylim=(-0.03, 1.03),
             title="by width (right end)")
    left.set_xticks(depths, [str(d) for d in depths])
    left.set_xticks([], minor=True)
    for line in outputs:
        flat = bool((line == 0).all())
        right.plot(at, line, color=ORANGE if flat else BLUE, linestyle="--" if flat else "-",
                   linewidth=1.3, alpha=0.8)
    right.set(xlabel="input", ylabel="output", ylim=(-0.2, 4))
    count = int((outputs == 0).all(1).sum())
    right.set_title(f"width {width}, {depth} layers: {count} of {len(outputs)} flat", fontsize=11)
    return fig
