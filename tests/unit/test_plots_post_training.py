"""Run: python -m pytest tests/unit/test_plots_post_training.py

The figures of the chapter on post-training show the numbers that they are given.
"""
import pytest

from zh import plots
from zh.post_training.policy import Course


def lines(ax):
    return {line.get_label(): list(line.get_ydata()) for line in ax.lines
            if not line.get_label().startswith("_")}


def test_rewarded_shows_means_of_stretches():
    course = Course(rewards=[0, 1, 2, 3], kls=[0, 0, 4, 4])
    left, right = plots.rewarded({"a": course}, width=2).axes
    assert lines(left)["a"] == [0.5, 2.5] and list(right.lines[0].get_ydata()) == [0, 4]


def test_learned_taste_has_both_parts_and_the_ceiling():
    ax, = plots.learned_taste([1, 2], [0.6, 0.9], [0.6, 0.7], 0.8).axes
    shown = lines(ax)
    assert shown["pairs that it learns from"] == [0.6, 0.9] and shown["new pairs"] == [0.6, 0.7]
    assert any(list(line.get_ydata()) == [0.8, 0.8] for line in ax.lines)


def test_hacked_has_two_curves_over_steps_and_over_kl():
    left, right = plots.hacked([1, 3], [2, 0], [0, 2], width=2).axes
    assert lines(left) == {"reward model": [2], "rater's taste": [1]}
    assert list(right.lines[0].get_xdata()) == [1]


def test_the_frontier_goes_along_the_distance():
    points = [{"method": "m", "label": "b", "kl": 2, "taste": 1},
              {"method": "m", "label": "a", "kl": 1, "taste": 3}]
    ax, = plots.kl_frontier(points).axes
    assert lines(ax)["m"] == [3, 1] and [t.get_text() for t in ax.texts] == ["a", "b"]
    ax, = plots.kl_frontier([{**points[0], "bound": True}]).axes
    assert "most" in ax.get_legend_handles_labels()[1][0]


def test_by_multiplier_has_means_and_dots():
    ax, = plots.by_multiplier({"x": [[0.5, 0.7], [0.9, 0.9]], "y": [[0, 0], [1, 1]]},
                              [0.1, 10], 2).axes
    assert lines(ax)["x"] == pytest.approx([0.6, 0.9])
    assert [t.get_text() for t in ax.get_xticklabels()] == ["0.1", "10"]


def test_against_equal_has_a_dot_for_each_task():
    rows = {"x": [[0.5, 0.7], [0.9, 0.8]], "y": [[0, 0.1], [1, 1]]}
    ax, = plots.against_equal(rows, [1, 10], 10).axes
    assert lines(ax) == {"x: +0.250": [0.9, 0.8], "y: +0.950": [1, 1]}
    assert list(ax.lines[1].get_xdata()) == [0.5, 0.7]


def test_bought_has_truth_and_agreement():
    left, right = plots.bought({0: [(0, 1), (2, 3)]}, [1, 4]).axes
    assert lines(left)["bias 0"] == [0, 2] and list(right.lines[0].get_ydata()) == [1, 3]
