"""Run: python -m pytest tests/unit/test_plots_scaling.py

The figures of the chapter on scaling show the numbers that they are given.
"""
import pytest

from zh import plots
from zh.plots.base import raw_svg

LOSSES = {(1e9, "a"): [2.0, 2.2], (1e9, "b"): [2.4], (1e10, "b"): [1.5]}


def named(ax):
    return {line.get_label(): list(line.get_ydata()) for line in ax.lines
            if not line.get_label().startswith("_")}


def test_memory_parts_are_stacked():
    ax, = plots.memory_parts({"one": {"p": 1e6, "g": 2e6}, "two": {"p": 3e6, "g": 0.0}}).axes
    assert [bar.get_width() for bar in ax.patches] == [1, 3, 2, 0]
    assert [bar.get_x() for bar in ax.patches] == [0, 0, 1, 3]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["one", "two"]


def test_kept_by_context_begins_at_zero():
    ax, = plots.kept_by_context([64, 128], {"plain": [1.0, 2.0], "fused": [1.0, 1.0]}).axes
    assert named(ax) == {"plain": [1.0, 2.0], "fused": [1.0, 1.0]} and ax.get_ylim()[0] == 0


def test_runs_beside_has_means():
    ax, = plots.runs_beside({"a": [1.0, 3.0, 5.0, 5.0, 9.0]}, 2).axes
    assert named(ax) == {"a": [2.0, 5.0]} and list(ax.lines[0].get_xdata()) == [1, 3]


def test_budgets_has_a_dot_for_each_run_and_the_fit():
    ax, = plots.budgets(LOSSES, lambda b: 2.0, [(1e9, 1.9, 2.1), (1e10, 1.4, 1.6)],
                        {3e8: 3.0}).axes
    shown = named(ax)
    assert shown["a"] == [2.0, 2.2] and shown["b"] == [2.4, 1.5]
    assert set(shown["fit"]) == {2.0} and shown["this page"] == [3.0]
    assert ax.get_xscale() == "log"


def test_forecasts_end_where_they_should():
    ax, = plots.forecasts(([1e9, 1e10], [2.0, 1.5]), {"flat": lambda b: 1.0}, 1e12).axes
    flat, = (line for line in ax.lines if line.get_label() == "flat")
    assert flat.get_xdata()[-1] == pytest.approx(1e12) and named(ax)["measured"] == [2.0, 1.5]


@pytest.mark.parametrize("figure", [
    lambda: plots.budgets(LOSSES, lambda b: 2.0), lambda: plots.runs_beside({"a": [1.0]}, 1),
    lambda: plots.forecasts(([1e9, 1e10], [2.0, 1.5]), {"flat": lambda b: 1.0}, 1e12)])
def test_a_figure_is_the_same_twice(figure):
    assert raw_svg(figure()) == raw_svg(figure())
