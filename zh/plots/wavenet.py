"""Figures of the chapter `wavenet`: each a function of data that returns a Figure."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING

from zh import page
from zh.plots.base import BLUE, GREEN, GREY, INK, ORANGE, new

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def strangers(curves: dict, strange: dict) -> Figure:
    """Counting over the letters of context: {name: {letters: loss}} and {letters: share unmet}."""
    fig, (left, right) = new(2, size=(6.2, 3.0))
    for (name, losses), color in zip(curves.items(), (GREY, BLUE), strict=True):
        left.plot(list(losses), list(losses.values()), "o-", ms=4, color=color, label=name)
        best = min(losses, key=losses.get)
        left.plot([best], [losses[best]], "o", color=ORANGE, ms=8)
    left.set(xlabel="letters of context", ylabel="loss on unseen names")
    left.legend(loc="upper center")
    right.bar(list(strange), [100 * share for share in strange.values()], color=GREY)
    right.set(xlabel="letters of context", ylabel="contexts never met, %")
    for ax in (left, right):
        ax.set_xticks(list(strange))
    return fig


def flat_context(counting: dict, flat: dict, worth: list, context: int) -> Figure:
    """Loss over the context for counting and for a flat network, and what each letter is worth.

    worth[i]: the extra loss when the letter i + 1 places back is exchanged.
    """
    fig, (left, right) = new(2, size=(6.2, 3.0))
    left.plot(list(counting), list(counting.values()), "o-", ms=4, color=GREY, label="back-off")
    left.plot(list(flat), list(flat.values()), "o-", ms=4, color=BLUE, label="flat layer")
    left.plot([context], [flat[context]], "o", color=ORANGE, ms=9)
    left.set_xticks(list(counting))
    left.set(xlabel="letters of context", ylabel="loss on unseen names")
    left.legend(loc="upper right")
    backs = range(1, len(worth) + 1)
    right.bar(backs, worth, color=[ORANGE] * len(worth), width=0.7)
    right.set_yscale("log")
    right.set(xlabel="places back", ylabel="extra loss", ylim=(1e-3, 2))
    right.set_xlim(0.3, max(flat) + 0.7)
    right.set_xticks(range(1, max(flat) + 1))
    return fig


def reach(curves: dict) -> Figure:
    """Losses over the letters of context: {model: {letters: [loss of each seed]}}."""
    fig, ax = new(size=(6.0, 3.2))
    names = {"n-gram": "counting", "MLP": "flat layer", "WaveNet": "WaveNet"}
    for (model, rows), color in zip(curves.items(), (GREY, BLUE, ORANGE), strict=False):
        blocks = sorted(rows)
        ax.plot(blocks, [statistics.fmean(rows[b]) for b in blocks], "-", color=color,
                label=names.get(model, model))  # fmt: skip
        for block in blocks:
            ax.plot([block] * len(rows[block]), rows[block], "o", color=color, ms=4, alpha=0.7)
    ax.set_xticks(sorted({block for rows in curves.values() for block in rows}))
    ax.set(xlabel="letters of context", ylabel="loss on unseen names")
    ax.legend(loc="upper right")
    return fig


def budget(curves: dict, levels: dict) -> Figure:
    """Losses over the steps of training: {model: {steps: [loss of each seed]}}, {name: loss}."""
    fig, ax = new(size=(6.0, 3.3))
    for (model, rows), color in zip(curves.items(), (BLUE, GREEN, ORANGE), strict=False):
        steps = sorted(rows)
        ax.semilogx(steps, [statistics.fmean(rows[s]) for s in steps], "-", color=color,
                    label=model)  # fmt: skip
        for s in steps:
            ax.plot([s] * len(rows[s]), rows[s], "o", color=color, ms=4, alpha=0.7)
    ticks = sorted({s for rows in curves.values() for s in rows})
    for name, level in levels.items():
        ax.axhline(level, color=INK, linewidth=0.9, linestyle=":")
        ax.text(ticks[0], level, name, va="bottom", fontsize=9)
    ax.set_xticks(ticks, [f"{s:,}" for s in ticks])
    ax.minorticks_off()
    ax.set(xlabel="steps of training", ylabel="loss on unseen names")
    ax.legend(loc="upper right")
    return fig


def smoothed(losses, width: int) -> Figure:
    """The loss of every step, and the means of `width` steps at a time."""
    fig, ax = new(size=(6.2, 3.0))
    ax.plot(range(len(losses)), losses, color=GREY, alpha=0.6, linewidth=0.7, label="each step")
    means = [sum(losses[i : i + width]) / width
             for i in range(0, len(losses) - width + 1, width)]  # fmt: skip
    ax.plot([(i + 0.5) * width for i in range(len(means))], means, color=ORANGE, linewidth=2.2,
            label=f"means of {width}")  # fmt: skip
    ax.set(xlabel="step", ylabel="loss of the minibatch")
    ax.legend(loc="upper right")
    return fig


def rungs(rows: list[dict], part: str = "dev", skip: int = 2) -> Figure:
    """The ladder: one row a model, one dot a run, a bar at the mean."""
    rows = rows[skip:]
    fig, ax = new(size=(6.2, 0.9 + 0.42 * len(rows)))
    for y, row in enumerate(rows):
        ax.plot(row[part], [y] * len(row[part]), "o", color=BLUE, alpha=0.6)
        mean = statistics.fmean(row[part])
        ax.plot([mean, mean], [y - 0.3, y + 0.3], color=ORANGE, linewidth=2.5)
    ax.set_yticks(range(len(rows)), [row["name"] for row in rows])
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set(xlabel="loss on unseen names")
    return fig


def forgotten(sizes, losses, level: float) -> Figure:
    """The loss in training mode over the size of the batch, beside that in eval mode."""
    fig, ax = new(size=(6.0, 3.0))
    ax.loglog(sizes, losses, "o-", color=ORANGE, label="training mode, forgotten")
    ax.axhline(level, color=BLUE, label="eval mode")
    ax.set_xticks(sizes, [str(size) for size in sizes])
    ticks = [2, 2.5, 3, 4, 5, 6]
    ax.set_yticks(ticks, [str(tick) for tick in ticks])
    ax.minorticks_off()
    ax.set(xlabel="contexts in a batch", ylabel="loss on unseen names")
    ax.legend(loc="upper right")
    ax.set_ylim(2.1, max(losses) * 1.08)
    return fig


def table(head: list[str], rows: list[list], label: str):
    """Rows of text as a table of the page; the first column names the row."""
    body = "".join(
        f'<tr><th scope="row">{page.escape(str(first))}</th>'
        + "".join(f"<td>{page.escape(str(cell))}</td>" for cell in rest) + "</tr>"
        for first, *rest in rows
    )  # fmt: skip
    columns = "".join(f'<th scope="col">{page.escape(text)}</th>' for text in head)
    text = "\n".join("  ".join(map(str, row)) for row in [head, *rows])
    return page.Html(
        f'<div class="zh-table" tabindex="0" role="group" aria-label="{page.escape(label)}">'
        f"<table><thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table></div>",
        text,
    )


def mean_spread(values: list[float]) -> str:
    """A mean and the standard deviation of its runs: "2.2543 ± 0.0021"; the number where one."""
    mean = f"{statistics.fmean(values):.4f}"
    return f"{mean}\u00a0±\u00a0{statistics.stdev(values):.4f}" if len(values) > 1 else mean


def ladder_table(rows: list[dict]):
    """The recorded ladder: parameters, context, losses with their spread over seeds."""
    return table(
        ["model", "context", "parameters", "dev", "test"],
        [[row["name"], row["block"], f"{row['params']:,}", mean_spread(row["dev"]),
          mean_spread(row["test"])] for row in rows],
        "The ladder: losses of every model")  # fmt: skip


def steps_table(found: dict):
    """The steps of the ladder: {how they were compared: [zh.ladder.Step]}, one column each.

    A step between two models of one run each has no error, and no verdict.
    """
    names = [f"{step.below} → {step.above}" for step in next(iter(found.values()))]

    def cell(step) -> str:
        error = "one run each" if math.isnan(step.error) else (
            f"±\u00a0{step.error:.4f}, {step.verdict}")
        return f"{step.gain:+.4f}\u00a0{error}".replace("-", "−")

    return table(["step", *found], [[name, *(cell(steps[i]) for steps in found.values())]
                                    for i, name in enumerate(names)], "The steps of the ladder")


def lectures_table(rows: list[dict]):
    """The lectures' losses and ours, beside each other with what is tolerated.

    rows: {what, lecture, measured, tolerance}; a row of several `runs` shows their mean with its
    standard deviation, and how many runs `met` the tolerance.
    """
    def line(row: dict) -> list[str]:
        runs = row.get("runs", [row["measured"]])
        apart = f"{statistics.fmean(runs) - row['lecture']:+.4f}".replace("-", "−")
        met = f", met by {row['met']} of {len(runs)}" if len(runs) > 1 else ""
        return [row["what"], f"{row['lecture']:g}", mean_spread(runs), apart,
                f"±\u00a0{row['tolerance']:g}{met}"]

    return table(["what", "lecture", "here", "apart", "tolerance"], [line(row) for row in rows],
                 "Losses of the lectures, repeated")
