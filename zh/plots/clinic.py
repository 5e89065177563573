"""Figures of the bug clinic: what a learner brings, the same with the run after the fix, the table.
"""
from __future__ import annotations

import math
from typing import TYPE_CHECKING

from zh import page
from zh.plots.base import BLUE, GREEN, ORANGE, PINK
from zh.plots.light import Panel, light
from zh.plots.wavenet import table

if TYPE_CHECKING:
    from zh.clinic.case import Patient, Run, View

COLOURS = (BLUE, ORANGE, GREEN, PINK)
DIGITS = "⁰¹²³⁴⁵⁶⁷⁸⁹"


def clinic_seen(patient: Patient) -> page.Html:
    """What the learner sees of the broken run: its numbers, what it printed, its pictures."""
    return _shown(patient.broken, None)


def clinic_beside(patient: Patient) -> page.Html:
    """The broken run and the run after the fix, in one picture (dashed: after the fix)."""
    return _shown(patient.broken, patient.fixed)


def clinic_table(rows: list[dict]):
    """All cases: what was wrong, what the loss and `zh.diagnostics` made of it, what finds it."""
    said = {"first": "names it first", "among": "has it among others",
            "effect": "says what it did", "something else": "says something else",
            "nothing": "silent"}
    body = [[row["bug"], apart(row), said[row["diagnostics"]], row["check"]] for row in rows]
    return table(["what was wrong", "loss, broken less right", "zh.diagnostics", "what finds it"],
                 body, "All cases of the clinic")


def apart(row: dict) -> str:
    """How far the loss was off, and whether that is much."""
    if math.isnan(row["off"]):
        return "no number"
    return f"{row['off']:+.2f}" if row["loss_sees"] else f"{row['off']:+.3f}, unseen"


def _shown(run: Run, after: Run | None) -> page.Html:
    panels, legend = [], {}
    for number, view in enumerate(run.views):
        panels.append(_panel(view, after and after.views[number], legend))
    if after and panels:
        legend["after the fix"] = ("currentColor", True)
    numbers = _numbers(run, after)
    keys = [(name, *style) for name, style in legend.items()]
    drawn = (f'<div class="zh-figure" role="img" aria-label="{page.escape(_words(run, after))}">'
             f"{light(panels, keys)}</div>" if panels else "")
    body = f'<div class="zh-clinic"><pre>{page.escape(numbers)}</pre>{drawn}</div>'
    return page.Html(body, numbers)


def _numbers(run: Run, after: Run | None) -> str:
    """The numbers of a run in lines, those after the fix in a second column."""
    rows = [("loss", run.loss, after and after.loss)]
    rows += [(name, value, after and after.seen.get(name)) for name, value in run.seen.items()]
    wide = max(len(name) for name, *_ in rows)
    lines = [f"{name:{wide}}  {_number(value):>8}" + (f"  {_number(fixed):>8}" if after else "")
             for name, value, fixed in rows]
    if after:
        lines.insert(0, f"{'':{wide}}  {'broken':>8}  {'fixed':>8}")
    return "\n".join(lines + [text for text in (run.text, after.text if after else "") if text])


def _number(value: float | None) -> str:
    if value is None:
        return ""
    if isinstance(value, int) or value == 0:
        return f"{value:.0f}"
    return f"{value:.4f}" if 1e-3 < abs(value) < 1e3 else f"{value:.1e}"


def _panel(view: View, after: View | None, legend: dict) -> Panel:
    """One picture; lines after the fix are dashed. Fills in legend: {name: (colour, dashed)}."""
    drawn = list(view.lines.items())
    both = [each for each in (view, after) if each]
    every = [y for each in both for _, ys in each.lines.values() for y in ys]
    xs = [x for xs, _ in view.lines.values() for x in xs]
    if view.log:
        every = [math.log10(y) for y in every if y > 0]
    low, high = min(every), max(every)
    ticks = _powers(low, high) if view.log else _ticks(0.0 if low < 2 else low, high)
    panel = Panel(view.title, view.xlabel, (min(0, min(xs)), max(xs)),
                  (min(low, ticks[0][0]), max(high, ticks[-1][0])),
                  _ticks(min(xs), max(xs), 4, whole=True), ticks)
    for (name, (xs, ys)), colour in zip(drawn, COLOURS, strict=False):
        panel.line(xs, _scaled(ys, view.log), colour)
        legend.setdefault(name, (colour, False))
        if after:
            panel.line(after.lines[name][0], _scaled(after.lines[name][1], view.log), colour, True)
    return panel


def _scaled(ys: list[float], log: bool) -> list[float]:
    return [math.log10(y) if y > 0 else math.nan for y in ys] if log else ys


def _ticks(low: float, high: float, most: int = 5, whole: bool = False) -> list[tuple[float, str]]:
    """Round places from about low to about high, `most` at most."""
    span = (high - low) or 1.0
    unit = 10 ** math.floor(math.log10(span / most))
    step = next(unit * f for f in (1, 2, 5, 10, 20) if span / (unit * f) <= most - 1)
    if whole:
        step = max(step, 1)
    first = math.ceil(low / step - 1e-9)
    places = [step * i for i in range(first, math.floor(high / step + 1e-9) + 1)]
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return [(at, f"{at:.{digits}f}") for at in places] or [(low, f"{low:.2g}")]


def _powers(low: float, high: float) -> list[tuple[float, str]]:
    """Powers of ten around low to high, which are logarithms."""
    first, last = math.floor(low), math.ceil(high)
    every = max(1, (last - first) // 4)
    return [(n, "10" + "⁻" * (n < 0) + "".join(DIGITS[int(d)] for d in str(abs(n))))
            for n in range(first, last + 1, every)]


def _words(run: Run, after: Run | None) -> str:
    """The picture in words: where each line begins and ends."""
    said = []
    for number, view in enumerate(run.views):
        for name, (_, ys) in view.lines.items():
            text = f"{view.title}, {name}: from {_number(ys[0])} to {_number(ys[-1])}"
            if after:
                fixed = after.views[number].lines[name][1]
                text += f"; after the fix from {_number(fixed[0])} to {_number(fixed[-1])}"
            said.append(text)
    return ". ".join(said)
