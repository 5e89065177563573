"""Figures of the chapter `backprop`: each a function of data that returns a Figure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from zh.plots.base import BLUE, GREEN, GREY, INK, ORANGE, PALETTE, PAPER, new

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def tangents(f, slopes: dict[float, float], span: tuple[float, float]) -> Figure:
    """A curve with a piece of its tangent at some points; slopes: {x: slope}."""
    import numpy as np

    fig, ax = new(size=(6.0, 3.0))
    x = np.linspace(*span, 200)
    ax.plot(x, f(x))
    for (at, slope), color in zip(slopes.items(), PALETTE[1:], strict=False):
        t = np.array([-0.75, 0.75])
        ax.plot(at + t, f(at) + slope * t, color=color, lw=3)
        ax.plot([at], [f(at)], "o", color=color)
        ax.annotate(f"slope {slope:.3g}", (at, f(at)), (8, -16), textcoords="offset points")
    ax.set(xlabel="x", ylabel="f(x)", ylim=(min(f(x)) - 10, None))
    return fig


def nudge(f, slope: float, x: float, exponent: int, errors: dict) -> Figure:
    """What a nudge of 10**-exponent sees of f at x, and how far off its answers are.

    Left: f around x, enlarged until the nudge fits, with the forward and the central chord.
    Right: the error of both formulas for every step; errors: {formula: {exponent: error}}.
    """
    h = 10.0**-exponent
    fig, (left, right) = new(2, size=(6.4, 3.0), width_ratios=[1, 1.15])
    ts = [i / 40 for i in range(-60, 61)]
    left.plot(ts, [(f(x + t * h) - f(x)) / h for t in ts], color=INK, lw=1.2)
    for start, color in ((0, BLUE), (-1, GREEN)):
        ends = (start, 1)
        left.plot(ends, [(f(x + t * h) - f(x)) / h for t in ends], "o-", color=color, ms=5)
    left.set(xlim=(-1.5, 1.5), ylim=(-2 * abs(slope), 2 * abs(slope)), xticks=[-1, 0, 1])
    left.set_xticklabels(["x - h", "x", "x + h"])
    left.set(yticks=[], title=f"a step of 1e-{exponent}")
    for (name, row), color in zip(errors.items(), (BLUE, GREEN), strict=True):
        logs = [math.log10(max(e, 1e-17)) for e in row.values()]
        right.plot([-k for k in row], logs, "o-", ms=2.5, color=color)
        right.plot([-exponent], [logs[exponent]], "o", ms=9, color=color)
        side, place = ("right", -5) if name == "forward" else ("left", -3.3)
        right.text(place, logs[4], name, ha=side, va="center")
    ticks = [-15, -12, -9, -6, -3, 0]
    right.set_xticks(ticks, [f"1e{t}" if t else "1" for t in ticks])
    right.set_yticks([-10, -5, 0], ["1e-10", "1e-5", "1"])
    right.set(xlabel="step h", title="error of the slope", ylim=(-12.5, 1.5))
    right.grid(True)
    return fig


def value_graph(graph: dict, show_grad: bool = True) -> Figure:
    """A graph of Values from left to right; graph: what `zh.autograd.graph` returns."""
    nodes, edges = graph["nodes"], graph["edges"]
    parents = {n["id"]: [e["from"] for e in edges if e["to"] == n["id"]] for n in nodes}
    users = {n["id"]: [e["to"] for e in edges if e["from"] == n["id"]] for n in nodes}
    layer: dict[int, int] = {}
    for i in parents:  # parents come first
        layer[i] = 1 + max((layer[p] for p in parents[i]), default=-1)
    for i in parents:  # a leaf stands just before its first use
        if not parents[i] and users[i]:
            layer[i] = min(layer[u] for u in users[i]) - 1
    columns: dict[int, list[int]] = {}
    for i in reversed(parents):
        columns.setdefault(layer[i], []).append(i)
    row = {i: float(r) for column in columns.values() for r, i in enumerate(column)}
    for sweep in range(8):  # each node towards the middle of its neighbours, none on another
        near = users if sweep % 2 else parents
        for k in sorted(columns, reverse=bool(sweep % 2)):
            column = columns[k]
            wish = {
                i: sum(row[j] for j in near[i]) / len(near[i]) if near[i] else row[i]
                for i in column
            }
            column.sort(key=wish.__getitem__)
            free = -math.inf
            for i in column:
                row[i] = free = max(wish[i], free + 1)
            shift = sum(wish[i] - row[i] for i in column) / len(column)
            for i in column:
                row[i] += shift
    top, high = min(row.values()), max(row.values()) - min(row.values())
    fig, ax = new(size=(0.2 + 1.02 * len(columns), 0.3 + 0.68 * (high + 1)))
    wide, tall = 0.82, 0.78
    for i, ps in parents.items():
        for k, p in enumerate(sorted(ps, key=row.__getitem__)):
            off = (k - (len(ps) - 1) / 2) * 0.22
            bend = off if ps.count(p) > 1 else 0
            ax.annotate(
                "", (layer[i] - wide / 2, row[i] - top + off),
                (layer[p] + wide / 2, row[p] - top + bend),
                arrowprops={"arrowstyle": "->", "color": GREY, "shrinkA": 0, "shrinkB": 0},
            )  # fmt: skip
    for n in nodes:
        x, y = layer[n["id"]], row[n["id"]] - top
        ax.add_patch(_box(x - wide / 2, y - tall / 2, wide, tall))
        name, op = n["label"], n["op"]
        ax.text(x, y - 0.2, f"{name} = {op}" if name and op else name or op or " ", ha="center",
                va="center", weight="bold", size=9)  # fmt: skip
        lines = [f"data {n['data']:.4g}", f"grad {n['grad']:.4g}"][: 1 + show_grad]
        for k, line in enumerate(lines):
            line = line.replace("-", "−")
            ax.text(x, y + 0.04 + 0.22 * k, line, ha="center", va="center", size=9)
    ax.set(xlim=(-0.5, max(columns) + 0.5), ylim=(high + 0.5, -0.5))
    ax.axis("off")
    return fig


def _box(x: float, y: float, width: float, height: float):
    from matplotlib.patches import Rectangle

    return Rectangle((x, y), width, height, facecolor=PAPER, edgecolor=INK, lw=1)


def paths(rows: dict, xlabel: str, ylabel: str, log: bool = False) -> Figure:
    """Lines over the steps of training; rows: {label: list of numbers}."""
    fig, ax = new(size=(6.0, 3.2))
    for label, values in rows.items():
        ax.plot(range(len(values)), values, label=label)
    if log:
        ax.set_yscale("log")
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.grid(True, axis="y")
    fig.legend(loc="outside upper center", ncols=len(rows))
    return fig


def finals(rows: dict, xlabel: str, floor: float) -> Figure:
    """One dot a run, one row a setting, on a logarithmic axis; values below `floor` stand at it."""
    fig, ax = new(size=(6.2, 0.9 + 0.42 * len(rows)))
    for k, values in enumerate(rows.values()):
        dots = [max(v, floor) for v in values]
        ax.plot(dots, [k] * len(dots), "o", color=ORANGE if k % 2 else BLUE, alpha=0.6, ms=7)
    ax.set_xscale("log")
    ax.set_yticks(range(len(rows)), rows)
    ax.set(xlabel=xlabel, ylim=(len(rows) - 0.5, -0.5))
    ax.grid(True, axis="x")
    return fig
