"""Figures of the chapter `initialization`: each a function of data that returns a Figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zh.plots.base import BLUE, GREEN, GREY, INK, OLIVE, ORANGE, PINK, new

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

    from zh.activations import Activation

COLORS = [BLUE, ORANGE, GREEN, PINK, OLIVE]
MARKS = "o^sDv"


def _plain(value: float, _=None) -> str:
    """A power of ten as text in one piece: mathematics is many, and heavy in a page."""
    return f"{value:g}".replace("e-0", "e−").replace("e-", "e−").replace("e+0", "e")


def depth_profile(
    measured: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    predicted: Mapping[str, tuple[Sequence[float], Sequence[float]]] | None = None,
) -> Figure:
    """Size of activations and of gradients, layer by layer, on logarithmic axes.

    measured: {name: (forward, backward)} as `zh.init.propagate` gives, one number a place from the
        input to the top; of deep nets some eight places are shown. predicted: the same from
        theory, drawn as lines behind the points.
    """
    fig, axes = new(2, 1, size=(6.4, 3.6))
    what = ("root mean square of activations", "gradient, relative to the top")
    for ax, title, side in zip(axes, what, (0, 1), strict=True):
        for i, (name, sizes) in enumerate(measured.items()):
            color = COLORS[i % len(COLORS)]
            shown = range(0, len(sizes[side]), max(1, len(sizes[side]) // 8))
            ax.plot(
                shown,
                [sizes[side][place] for place in shown],
                MARKS[i % len(MARKS)],
                color=color,
                markersize=3.5,
                label=name,
            )
            if predicted and name in predicted:
                line = predicted[name][side]
                far = len(line) - 1  # it bends near the ends
                at = sorted({0, 1, 2, *range(4, far, 1 + far // 8), far - 1, far})
                ax.plot(at, [line[place] for place in at], color=color, linewidth=1.2, alpha=0.8)
        ax.set_yscale("log")
        ax.yaxis.get_major_locator().set_params(numticks=7)
        ax.yaxis.set_major_formatter(_plain)
        ax.minorticks_off()
        ax.axhline(1, color=INK, linewidth=0.6, linestyle=":")
        ax.set(xlabel="layer")
        ax.set_title(title, fontsize=11)
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return fig


def cobweb(f: Activation, weight_std: float, bias_std: float = 0.0, start: float = 2.0) -> Figure:
    """The length map against the diagonal, and the path of a signal from layer to layer."""
    import numpy as np

    from zh.meanfield import length_map, lengths

    path = lengths(start, 12, f, weight_std, bias_std)
    top = 1.15 * max(path[:6])
    q = np.linspace(0, top, 61)
    fig, ax = new(size=(5.0, 4.2))
    ax.plot(q, [length_map(float(v), f, weight_std, bias_std) for v in q], color=BLUE, label="map")
    ax.plot(q, q, color=GREY, linewidth=1.0, linestyle="--", label="no change")
    steps = [(path[0], 0.0)]
    for here, there in zip(path, path[1:], strict=False):
        steps += [(here, there), (there, there)]
    ax.plot(*zip(*steps, strict=True), color=ORANGE, linewidth=1.2, label="layer by layer")
    ax.set(
        xlim=(0, top),
        ylim=(0, top),
        xlabel="variance of pre-activations",
        ylabel="variance one layer later",
        title=f"{f.name}, gain {weight_std:.3g}",
    )
    ax.legend(loc="upper left")
    return fig


def phases(f: Activation, points: Mapping[str, tuple[float, float]] | None = None) -> Figure:
    """The edge of chaos in the plane of weight and bias, with named points {name: (weight, bias)}.

    Left of the line gradients vanish, right of it they explode.
    """
    import numpy as np

    from zh.meanfield import edge_of_chaos

    edge = [edge_of_chaos(f, float(q)) for q in np.geomspace(1e-3, 6, 28)]
    weight, bias = (np.array(side) for side in zip(*edge, strict=True))
    fig, ax = new(size=(5.6, 3.6))
    ax.plot(weight, bias, color=INK, linewidth=1.6)
    widest = max(weight.max(), *(w for w, _ in (points or {"": (0, 0)}).values())) * 1.15
    ax.fill_betweenx(bias, 0, weight, color=BLUE, alpha=0.12, linewidth=0)
    ax.fill_betweenx(bias, weight, widest, color=ORANGE, alpha=0.12, linewidth=0)
    middle = bias[-1] * 0.8
    ax.text(0.06 * widest, middle, "ordered:\ngradients vanish", va="top")
    ax.text(widest * 0.97, middle * 0.2, "chaotic:\ngradients explode", ha="right")
    for name, (w, b) in (points or {}).items():
        ax.plot(w, b, "o", color=BLUE)
        ax.annotate(name, (w, b), textcoords="offset points", xytext=(0, 8), ha="center")
    ax.set(xlim=(0, widest), ylim=(-0.03 * bias[-1], bias[-1]))
    ax.set(xlabel="weight std (the gain)", ylabel="bias std")
    return fig


def width_drift(results: Mapping[int, Sequence[float]], depth: int) -> Figure:
    """log10 of the output's size over many random nets, a row for each width.

    results: {width: [log10 rms of each net]}; of many nets some sixteen, evenly chosen, are shown.
    A bar marks the mean of all, a diamond what theory says of it (`zh.init.log_drift`).
    """
    import math

    from zh.init import log_drift

    fig, ax = new(size=(6.2, 0.9 + 0.5 * len(results)))
    for row, (width, values) in enumerate(results.items()):
        shown = sorted(values)[:: max(1, len(values) // 16)]
        x = [v for value in shown for v in (value, value, math.nan)]  # one path for all ticks
        y = [row - 0.22, row + 0.22, math.nan] * len(shown)
        ax.plot(x, y, color=BLUE, alpha=0.5, linewidth=0.9)
        ax.plot([sum(values) / len(values)] * 2, [row - 0.38, row + 0.38], color=ORANGE)
        theory = depth * log_drift(width) / math.log(10)
        ax.plot(theory, row, "D", color=INK, markersize=4)
    ax.axvline(0, color=INK, linewidth=0.8, linestyle=":")
    ax.set_yticks(range(len(results)), [str(width) for width in results])
    ax.set_ylim(len(results) - 0.5, -0.5)
    ax.set(xlabel=f"log10 of the size after {depth} layers", ylabel="width")
    return fig


def symmetry(moments: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> Figure:
    """Hidden units as dots, one panel for each moment of training.

    moments: {title: (first weights, second weights)}, one number a unit in each. Units that
    are equal, or cannot be told apart by eye, lie on one dot; it is as large as their number,
    which stands beside it.
    """
    fig, axes = new(
        len(moments), 1, size=(6.4, 2.7), sharex=True, sharey=True, squeeze=False
    )
    for ax, (title, (first, second)) in zip(axes[0], moments.items(), strict=True):
        places: dict[tuple[float, float], int] = {}
        for x, y in zip(first, second, strict=True):
            here = (float(x), float(y))
            near = (p for p in places if max(abs(p[0] - here[0]), abs(p[1] - here[1])) < 0.03)
            key = next(near, here)
            places[key] = places.get(key, 0) + 1
        for place, count in places.items():
            ax.scatter(*place, s=22 + 14 * (count - 1), color=BLUE, alpha=0.7, linewidth=0)
            if count > 1:
                ax.annotate(str(count), place, textcoords="offset points", xytext=(9, 6))
        ax.axhline(0, color=INK, linewidth=0.5)
        ax.axvline(0, color=INK, linewidth=0.5)
        ax.margins(0.2)
        ax.set_title(title, fontsize=11)
        ax.set(xlabel="first weight")
    axes[0][0].set(ylabel="second weight")
    return fig


def confidence(curve: Sequence[tuple[float, float]], points: Mapping[str, tuple[float, float]],
               classes: int) -> Figure:  # fmt: skip
    """First loss over the spread of the scores: random scores as a line, networks as points.

    curve: (spread, loss) pairs, by sampling. points: {name: (spread, loss)}, measured. Dotted:
    ln(classes) + spread^2 / 2, which is close while the spread is small.
    """
    import math

    fig, ax = new(size=(6.2, 3.4))
    spreads, losses = zip(*curve, strict=True)
    ax.plot(spreads, losses, color=BLUE, label="random scores")
    small = [s for s in spreads if s <= 3]
    rule = [math.log(classes) + s * s / 2 for s in small]
    ax.plot(small, rule, color=INK, linewidth=1, linestyle=":", label="ln V + half the square")
    ax.plot(*zip(*points.values(), strict=True), "o", color=ORANGE, label="the network")
    for name, place in points.items():
        ax.annotate(name, place, textcoords="offset points", xytext=(-6, 7), ha="right")
    ax.set_xscale("symlog", linthresh=0.1)
    ax.set_xticks([t for t in (0, 0.1, 1, 10, 100) if t <= max(spreads)])
    ax.xaxis.set_major_formatter(_plain)
    ax.set_yscale("log")
    ticks = [t for t in (3, 4, 6, 10, 20, 30) if t <= max(losses) * 1.1]
    ax.set_yticks(ticks, [str(t) for t in ticks])
    ax.minorticks_off()
    ax.set_xlim(left=-0.02)
    ax.set(xlabel="spread of the scores", ylabel="first loss")
    ax.legend(loc="upper left")
    return fig


def into_tanh(pre: Sequence[float], title: str) -> Figure:
    """Where the pre-activations of a tanh layer lie, over the curve of tanh."""
    import numpy as np

    fig, ax = new(size=(6.0, 2.8))
    wide = 6.0
    z = np.clip(np.asarray(pre, dtype=float), -wide, wide)
    height, edges = np.histogram(z, bins=24, range=(-wide, wide))
    ax.stairs(height / height.max(), edges, fill=True, color=BLUE, alpha=0.7,
              label="units (those further out: at the edge)")  # fmt: skip
    grid = np.linspace(-wide, wide, 121)
    ax.plot(grid, np.tanh(grid), color=ORANGE, label="tanh")
    ax.set_title(title, fontsize=11)
    ax.set(xlabel="pre-activation", ylim=(-1.1, 1.1))
    fig.legend(loc="outside lower center", ncols=2)
    return fig


def first_steps(guess: Sequence[float], letters: str, curve: Mapping[int, float],
                levels: Mapping[str, float]) -> Figure:  # fmt: skip
    """The first guess of a start as bars, and the loss of its first steps with levels to read by.

    curve: {step: loss}; step 0 stands at the left edge of a logarithmic axis.
    """
    import math

    fig, (left, right) = new(2, 1, size=(6.4, 3.0), width_ratios=(1.15, 1))
    x = [v for i in range(len(letters)) for v in (i, i, math.nan)]  # all bars are one path
    y = [v for p in guess for v in (0, float(p), math.nan)]
    left.plot(x, y, color=BLUE, linewidth=4, solid_capstyle="butt")
    left.axhline(1 / len(letters), color=INK, linewidth=0.8, linestyle=":")
    left.set_xticks(range(0, len(letters), 2), list(letters[::2]))
    left.set_ylim(0, max(0.3, 1.05 * max(guess)))
    left.set_title("its first guess", fontsize=11)
    right.plot([max(1, s) for s in curve], list(curve.values()), "o-", color=ORANGE, markersize=4)
    right.set_xscale("log")
    low, high = 2.4, max(4.2, 1.03 * max(curve.values()))
    right.set_ylim(low, high)
    named = math.inf
    for name, level in sorted(levels.items(), key=lambda pair: -pair[1]):
        right.axhline(level, color=INK, linewidth=0.8, linestyle=":")
        if named - level > 0.1 * (high - low):  # else the names would lie on one another
            right.text(max(curve), level, name, ha="right", va="bottom", fontsize=9.5)
            named = level
    right.set_xticks([1, 10, 100], ["0", "10", "100"])
    right.minorticks_off()
    right.set_title("loss on new names", fontsize=11)
    right.set(xlabel="step")
    return fig


def escape(losses: Mapping[str, Sequence[float]], waits: Mapping[float, float]) -> Figure:
    """Losses of runs that start next to a saddle, and when they left it over how far they began.

    losses: {name: loss at every step}. waits: {difference at the start: step of leaving}.
    """
    import numpy as np

    fig, (left, right) = new(2, 1, size=(6.4, 3.2), width_ratios=(1.3, 1))
    for i, (name, values) in enumerate(losses.items()):
        rare = sorted({round(1.3**k) - 1 for k in range(99) if 1.3**k <= len(values)})
        left.plot([t + 1 for t in rare], [values[t] for t in rare], label=name,
                  color=[*COLORS, GREY][i % 6])  # fmt: skip
    left.set_xscale("log")
    left.xaxis.set_major_formatter(_plain)
    left.minorticks_off()
    left.set_title("loss", fontsize=11)
    left.set(xlabel="step")
    x, y = np.log10(list(waits)), list(waits.values())
    slope, at = np.polyfit(x, y, 1)
    right.plot(x, y, "o", color=ORANGE)
    right.plot(x, slope * x + at, color=INK, linewidth=1, linestyle=":")
    right.set_title("step of the escape", fontsize=11)
    right.set(xlabel="log10 of the difference")
    fig.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3,
               title="difference at the start")  # fmt: skip
    return fig
