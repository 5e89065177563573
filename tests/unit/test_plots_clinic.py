"""Run: python -m pytest tests/unit/test_plots_clinic.py

The figures of the bug clinic show the numbers of the runs, and say them in words.
"""
import math
import re

import pytest
from bs4 import BeautifulSoup

from zh import plots
from zh.clinic.case import Run, View
from zh.plots import clinic


class Pair:
    """Two runs, as a patient has them."""

    def __init__(self, broken, fixed):
        self.broken, self.fixed = broken, fixed


def pair(**more):
    def run(loss, ys):
        return Run(loss, views=[View("loss", "step", {"minibatches": ([0, 50, 100], ys)})],
                   seen={"held out": loss + 1}, **more)
    return Pair(run(2.5, [3.0, 2.8, 2.5]), run(2.0, [3.0, 2.2, 2.0]))


def soup(shown):
    return BeautifulSoup(shown.body, "html.parser")


def test_what_a_learner_sees_has_nothing_of_the_fix():
    shown = plots.clinic_seen(pair())
    assert "2.5000" in repr(shown) and "3.5000" in repr(shown) and "2.0000" not in shown.body
    assert "fix" not in shown.body and len(soup(shown).select("svg")) == 2      # panel, one key
    assert soup(shown).select_one(".zh-figure")["aria-label"] == (
        "loss, minibatches: from 3.0000 to 2.5000")


def test_beside_has_both_and_the_fixed_one_dashed():
    shown = plots.clinic_beside(pair())
    assert "2.0000" in repr(shown) and "3.0000" in repr(shown)
    dashed = [p for p in soup(shown).select("path") if p.get("stroke-dasharray")]
    assert len(dashed) == 2                                                     # line, key
    assert "after the fix from 3.0000 to 2.0000" in soup(shown).select_one("[role=img]")[
        "aria-label"]


def test_text_is_text():
    shown = plots.clinic_seen(pair(text="<b>not bold</b>"))
    assert not soup(shown).select("b") and "<b>not bold</b>" in soup(shown).get_text()


def test_no_picture_no_frame():
    shown = plots.clinic_seen(Pair(Run(1.0), Run(1.0)))
    assert not soup(shown).select("svg") and "1.0000" in shown.body


def test_a_log_axis_has_powers_of_ten():
    view = View("size", "layer", {"a": ([1, 2], [1e-4, 3e-2])}, log=True)
    text = soup(plots.clinic_seen(Pair(Run(1.0, views=[view]), Run(1.0, views=[view])))).get_text()
    assert "10⁻⁴" in text and "10⁻¹" in text


@pytest.mark.parametrize("low, high", [(0, 3.3), (2.5, 2.6), (0, 300), (0, 1e-3), (4.0, 41.0)])
def test_ticks_are_few_and_within(low, high):
    found = clinic._ticks(low, high)
    assert 2 <= len(found) <= 6
    assert all(low - 1e-9 <= at <= high + 1e-9 for at, _ in found)
    assert all(float(words) == pytest.approx(at, abs=1e-9) for at, words in found)


def test_the_table_says_what_saw_it():
    row = dict(bug="keepdim", off=0.004, loss_sees=False, diagnostics="nothing", check="x == y")
    shown = repr(plots.clinic_table([row, row | dict(off=math.nan, loss_sees=True,
                                                    diagnostics="first"),
                                    row | dict(diagnostics="among"),
                                    row | dict(diagnostics="effect")]))
    first, second, third, fourth = shown.splitlines()[1:]
    assert "+0.004, unseen" in first and "silent" in first and "x == y" in first
    assert "no number" in second and "names it first" in second
    assert "has it among others" in third and "says what it did" in fourth


@pytest.mark.parametrize("value, words", [(2.0, "2.0000"), (3, "3"), (1e-6, "1.0e-06"),
                                          (None, ""), (0.0, "0")])
def test_numbers(value, words):
    assert clinic._number(value) == words
    assert re.fullmatch(r"\S*", words)
