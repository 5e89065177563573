"""The four plots of the lectures, each from a `zh.diagnostics.Recorder`, each with its step.

A histogram of activations or gradients belongs to one step; two of different steps must not be
compared as if they were of two networks. So each says its step in its title.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from zh.plots.base import GREY, INK, PALETTE, new

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from zh.diagnostics import Recorder, Values

MOST = 8  # curves in one picture: first and last layer, and evenly spaced ones between
GUIDE = -3  # log10 of the usual update:data


def activation_histograms(recorder: Recorder, step: int | None = None, layers=None) -> Figure:
    """What the activation functions give: one curve a layer, with its spread and saturation.

    Args:
        recorder: what was recorded.
        step: the recorded step nearest to it is shown; None for the last one.
        layers: names of layers; None for the activation functions, or, if the model has none,
            for the hidden layers with weights.
    """
    record = recorder.at(step)

    def label(layer):
        out = layer.out
        stuck = "" if out.saturated is None else f", {100 * out.saturated:.0f} % saturated"
        dead = "" if out.dead is None or not out.dead.any() else (
            f", {100 * out.dead.mean():.0f} % dead"
        )  # fmt: skip
        return f"{layer.name} {layer.kind}: std {out.std:.2g}{stuck}{dead}"

    return _curves(
        [(label(layer), layer.out) for layer in _chosen(record, layers)],
        "activation", f"Activations at step {record.step}",
    )  # fmt: skip


def gradient_histograms(recorder: Recorder, step: int | None = None, layers=None) -> Figure:
    """The gradient of the loss by the same outputs: one curve a layer. Arguments as above."""
    record = recorder.at(step)
    chosen = [layer for layer in _chosen(record, layers) if layer.grad is not None]
    return _curves(
        [(f"{layer.name} {layer.kind}: std {layer.grad.std:.1e}", layer.grad) for layer in chosen],
        "gradient of the activation", f"Gradients at step {record.step}",
    )  # fmt: skip


def weight_gradient_histograms(recorder: Recorder, step: int | None = None) -> Figure:
    """The gradient of every weight matrix, with grad:data beside its name."""
    record = recorder.at(step)
    matrices = [
        p for p in record.parameters.values() if p.grad is not None and len(p.shape) > 1
    ]  # fmt: skip
    lines = []
    for p in _few(matrices):
        ratio = "" if p.grad_to_data is None else f": grad:data {p.grad_to_data:.1e}"
        lines.append((f"{p.name} {'×'.join(map(str, p.shape))}{ratio}", p.grad))
    return _curves(lines, "gradient of the weight",
                   f"Weight gradients at step {record.step}{_of(matrices)}")  # fmt: skip


def update_ratios(recorder: Recorder) -> Figure:
    """log10 of update:data of every weight matrix over the steps, with the guide at -3."""
    fig, ax = new(size=(6.2, 3.6))
    shapes = {n: p.shape for n, p in recorder.at().parameters.items()}
    told = [
        (name, series)
        for name, series in recorder.series("update_to_data").items()
        if len(shapes.get(name, ())) > 1
    ]
    for i, (name, (steps, values)) in enumerate(_few(told)):
        known = [(s, math.log10(v)) for s, v in zip(steps, values, strict=True) if 0 < v < math.inf]
        ax.plot(*zip(*known, strict=True) if known else ([], []), label=name, **_look(i))
    ax.axhline(GUIDE, color=INK, linewidth=0.9, linestyle="--")
    ax.set(xlabel="step", ylabel="log10 of update : data")
    last = recorder.at().step
    ax.set_title(f"Update over data, steps {recorder.at(0).step} to {last}{_of(told)}")
    ax.annotate(" guide", (1, GUIDE), xycoords=("axes fraction", "data"), va="center")
    _legend(ax)
    return fig


def _chosen(record, names) -> list:
    """The layers to draw, in order."""
    from zh.diagnostics.recorder import FUNCTIONS

    if names is not None:
        missing = [n for n in names if n not in record.layers]
        if missing:
            raise KeyError(
                f"step {record.step} has no layer {missing[0]!r}; it has "
                f"{', '.join(record.layers)}"
            )
        return [record.layers[n] for n in names]
    hidden = [x for x in record.layers.values() if x.leaf and x.name not in ("input", "model")]
    kinds = {*FUNCTIONS.values(), "relu6", "hardsigmoid"} - {"softmax", "logsoftmax"}
    functions = [x for x in hidden if x.kind in kinds]
    return _few(functions or [x for x in hidden if x.weights] or list(record.layers.values()))


def _few(things: list) -> list:
    """At most MOST of them: the first, the last, and evenly spaced ones between."""
    if len(things) <= MOST:
        return things
    return [things[round(i * (len(things) - 1) / (MOST - 1))] for i in range(MOST)]


def _of(things: list) -> str:
    """For the title: how many of how many are drawn, where some are left out."""
    return f" ({MOST} of {len(things)} matrices)" if len(things) > MOST else ""


def _look(i: int) -> dict:
    """Colour and dash of the i-th curve: after the last colour the first one comes dashed."""
    return {"color": PALETTE[i % len(PALETTE)], "linestyle": "-" if i < len(PALETTE) else ":"}


def _curves(lines: list[tuple[str, Values]], xlabel: str, title: str) -> Figure:
    """Histograms as curves of density, one a line."""
    import numpy as np

    fig, ax = new(size=(6.2, 3.6))
    for i, (label, values) in enumerate(lines):
        if values.histogram is None:
            ax.plot([], [], **_look(i), label=f"{label} (not finite)")
            continue
        if values.low == values.high:
            ax.axvline(values.low, **_look(i), label=f"{label} (one value)")
            continue
        width = (values.high - values.low) / len(values.histogram)
        density = values.histogram / (values.histogram.sum() * width)
        ax.stairs(density, np.asarray(values.edges), label=label, linewidth=1.5, **_look(i))
    if not lines:
        ax.text(0.5, 0.5, "nothing was recorded here", ha="center", color=GREY,
                transform=ax.transAxes)  # fmt: skip
    _focus(ax, [values for _, values in lines])
    ax.set(xlabel=xlabel, ylabel="density")
    ax.locator_params(axis="x", nbins=6)
    ax.set_title(title)
    _legend(ax)
    return fig


def _focus(ax, shown: list[Values]) -> None:
    """One curve ten times as wide as most must not make slits of the others: let it run out."""
    stds = sorted(v.std for v in shown if v.std > 0)
    if not stds:
        return
    span = 4 * max(s for s in stds if s <= 10 * stds[len(stds) // 2])
    low, high = ax.get_xlim()
    if high - low > 6 * span:
        ax.set_xlim(-span, span)


def _legend(ax) -> None:
    """Below the axes, where it hides no curve; long names one below the other."""
    labels = ax.get_legend_handles_labels()[1]
    if labels:
        columns = 1 if max(map(len, labels)) > 28 else 2
        ax.figure.set_figheight(3.0 + 0.22 * math.ceil(len(labels) / columns))
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=columns)
