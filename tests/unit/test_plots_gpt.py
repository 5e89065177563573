"""Run: python -m pytest tests/unit/test_plots_gpt.py

The figures of the chapter on GPT show the numbers that they are given.
"""
import pytest

from zh import plots
from zh.plots.base import raw_svg


def lines(ax):
    """{label: heights} of the lines that are named."""
    return {line.get_label(): list(line.get_ydata()) for line in ax.lines
            if not line.get_label().startswith("_")}


def test_the_table_has_both_texts_and_the_lecture():
    rows = [{"name": "bigram", "params": 9000, "val": [2.0, 2.2], "lecture": 2.488},
            {"name": "+ residual", "params": 18750, "val": [1.9, 1.9], "lecture": None}]
    shown = plots.gpt_table(rows, [{"name": "bigram", "val": [2.5, 2.5]}])
    first, second = repr(shown).splitlines()[1:]
    assert "9,000" in first and "2.1000" in first and "2.5000" in first and "2.488" in first
    assert "not shown" in second and "18,750" in second


def test_by_depth_has_a_dot_for_each_run_and_a_line_of_means():
    fig = plots.by_depth({"without": {1: [2.0, 2.2], 3: [2.4]}, "with": {3: [1.9]}})
    ax, = fig.axes
    assert lines(ax)["without"] == pytest.approx([2.1, 2.4])
    dots = [y for line in ax.lines if line.get_marker() == "o" for y in line.get_ydata()]
    assert sorted(dots) == [1.9, 2.0, 2.2, 2.4]


def test_with_depth_begins_at_layer_zero():
    ax, = plots.with_depth({"a": [1, 2, 3]}, "size", log=True).axes
    assert list(ax.lines[0].get_xdata()) == [0, 1, 2] and ax.get_yscale() == "log"


def test_shares_names_the_parts_in_turn():
    ax, = plots.shares({"before": [0.1, 0.2, 0.3, 0.4], "after": [1, 2, 3, 4]}).axes
    assert [t.get_text() for t in ax.get_xticklabels()] == ["att 1", "MLP 1", "att 2", "MLP 2"]
    assert [bar.get_height() for bar in ax.patches] == [0.1, 0.2, 0.3, 0.4, 1, 2, 3, 4]


def test_learned_shows_means_and_levels():
    ax, = plots.learned([4.0, 2.0, 3.0, 1.0, 9.0], 2, {2: 2.5, 4: 2.0}, {"counting": 1.5}).axes
    shown = lines(ax)
    assert shown["minibatches, means of 2"] == [3.0, 2.0]
    assert shown["held-back text"] == [2.5, 2.0]
    assert any(set(line.get_ydata()) == {1.5} for line in ax.lines)
    assert "counting" in [text.get_text() for text in ax.texts]


def test_over_places_counts_from_one():
    ax, = plots.over_places([3.0, 2.0], {"counting": 1.0}).axes
    assert list(ax.lines[0].get_xdata()) == [1, 2]


def test_next_bars_greys_what_cannot_be_drawn():
    fig = plots.next_bars(["a", "␣"], {"all": [0.7, 0.3], "top-k 1": [1.0, 0.0]})
    left, right = fig.axes
    assert [bar.get_height() for bar in right.patches] == [1.0, 0.0]
    assert right.patches[0].get_facecolor() != right.patches[1].get_facecolor()
    assert left.patches[0].get_facecolor() == left.patches[1].get_facecolor()
    assert [t.get_text() for t in left.get_xticklabels()] == ["a", "␣"]


def test_token_times_is_logarithmic():
    ax, = plots.token_times([16, 64], {"anew": [1, 4], "cache": [1, 1]}).axes
    assert ax.get_xscale() == ax.get_yscale() == "log" and set(lines(ax)) == {"anew", "cache"}


@pytest.mark.parametrize("figure", [
    lambda: plots.by_depth({"a": {1: [1.0]}}), lambda: plots.with_depth({"a": [1, 2]}, "y"),
    lambda: plots.shares({"a": [1, 2]}), lambda: plots.next_bars(["x"], {"a": [1.0]}),
])  # fmt: skip
def test_a_figure_is_the_same_twice(figure):
    assert raw_svg(figure()) == raw_svg(figure())
