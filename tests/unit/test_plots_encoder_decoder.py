"""Run: python -m pytest tests/unit/test_plots_encoder_decoder.py

The figures of the chapter on encoder and decoder draw what they are given.
"""

import pytest
import torch

from zh import plots


def lines(ax):
    return [list(zip(*map(list, line.get_data()), strict=True)) for line in ax.lines]


def squares(ax):
    """{(column, row): area} of the squares of a matrix."""
    (drawn,) = ax.collections
    areas = drawn.get_sizes().tolist()
    return {(round(x), round(y)): area for (x, y), area in
            zip(drawn.get_offsets().tolist(), areas, strict=True)}


def test_a_map_has_areas_in_the_ratio_of_the_weights():
    weights = torch.tensor([[[0.5, 0.25, 0.25], [0.0, 0.995, 0.005]],
                            [[0.1, 0.2, 0.7], [1.0, 0.0, 0.0]]])
    left, right = plots.cross_map(weights, "1 M", ["9", "E"]).axes
    found = squares(left)
    assert set(found) == {(0, 0), (1, 0), (2, 0), (1, 1)}             # below 0.01: nothing
    assert found[0, 0] / found[1, 0] == pytest.approx(2)
    assert found[1, 1] / found[0, 0] == pytest.approx(0.995 / 0.5)
    assert [t.get_text() for t in left.get_xticklabels()] == ["1", "␣", "M"]
    assert [t.get_text() for t in right.get_yticklabels()] == ["9", "E"]
    assert set(squares(right)) == {(0, 0), (1, 0), (2, 0), (0, 1)}


def test_masks_show_a_square_where_one_may_look():
    mask = torch.tensor([[True, False], [True, True]])
    whole = torch.ones(1, 3, dtype=torch.bool)
    first, second = plots.three_masks({"a": mask, "b": whole}, {"a": "xy", "b": "z"},
                                      {"a": "xy", "b": "123"}).axes
    assert set(squares(first)) == {(0, 0), (0, 1), (1, 1)}
    assert set(squares(second)) == {(0, 0), (1, 0), (2, 0)}
    assert (first.get_xlabel(), second.get_xlabel()) == ("a", "b")


def test_shares_are_drawn_as_percent():
    (ax,) = plots.exact_curves({"one": ([1, 2], [0.1, 0.9])}, 0.95).axes
    assert lines(ax)[0] == [(1, 10), (2, 90)] and lines(ax)[1][0][1] == 95
    (ax,) = plots.exact_bars({"old": {"a": 1.0, "b": 0.5}, "new": {"c": 0.0}}).axes
    assert [bar.get_width() for bar in ax.patches] == [100, 50, 0]
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["old", "new"]
    (ax,) = plots.exact_dots({"one": [0.5, 0.7], "two": [1.0]}).axes
    drawn = lines(ax)
    assert drawn[0] == [(50, 0), (70, 0)] and drawn[1][0][0] == pytest.approx(60)


def test_a_race_has_a_line_for_each_seed_and_the_mean_over_steps_and_work():
    fig = plots.exact_race({"one": ([10, 20], [[0.0, 0.5], [0.2, 0.7]])}, {"one": 3.0})
    left, right = (lines(ax) for ax in fig.axes)
    assert left[:2] == [[(10, 0), (20, 50)], [(10, 20), (20, 70)]]
    assert left[2] == [(10, 10), (20, 60)] and right[2] == [(30, 10), (60, 60)]


def test_beams_readings_and_dots():
    fig = plots.found_by_beam([1, 2], {"m": [0.4, 0.5]}, {"m": [0.4, 0.8]})
    among, first = lines(fig.axes[0])
    assert first == [(1, 40), (2, 50)] and among == [(1, 40), (2, 80)]
    (ax,) = plots.two_readings([0.76, 0.77, 0.2], 0.75).axes
    heights = [bar.get_height() for bar in ax.patches]
    assert sum(heights) == 3 and heights[15] == 2 and lines(ax)[0][0][0] == 0.75
    (ax,) = plots.looks_and_matters(["day, first"], [[0.2, 0.6]], [[0.5, 0.5]]).axes
    assert [y for _, y in lines(ax)[0]] == [20, 60] and [y for _, y in lines(ax)[1]] == [50, 50]
    assert ax.get_xticklabels()[0].get_text() == "day,\nfirst"
