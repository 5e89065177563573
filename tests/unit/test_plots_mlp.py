"""Run: python -m pytest tests/unit/test_plots_mlp.py

The figures of the MLP chapter draw what they are given.
"""

import math

import pytest

from zh import plots


def lines(ax):
    return [list(zip(*map(list, line.get_data()), strict=True)) for line in ax.lines]


def test_to_floor_keeps_both_ends_and_the_distance_to_the_floor():
    losses = [0.3 + 3 / (i + 1) for i in range(5000)]
    left, right = plots.to_floor(losses, 0.3).axes
    drawn, rest = lines(left)[0], lines(right)[0]
    assert drawn[0] == (1, losses[0]) and drawn[-1] == (5000, losses[-1])
    assert len(drawn) < 200
    for (step, loss), (same, above) in zip(drawn, rest, strict=True):
        assert step == same and above == pytest.approx(loss - 0.3)


def test_valley_marks_the_rate_and_the_end():
    lrs = [0.001 * 1.01**i for i in range(500)]
    left, right = plots.valley(lrs, [3.0] * 500, 0.1, [2.5] * 1000, 2.456).axes
    assert list(left.lines[1].get_xdata()) == [0.1, 0.1]
    assert lines(right)[1] == [(1000, 2.456)]
    assert "2.456" in [t.get_text() for t in right.texts]
    _, blown = plots.valley(lrs, [3.0] * 500, 1.5, None, None).axes
    assert "blew up" in [t.get_text() for t in blown.texts] and not lines(blown)


def test_mixing_marks_the_lowest_point():
    weights = [0.0, 0.25, 0.5, 1.0]
    (ax,) = plots.mixing(weights, {"one": [2.3, 2.1, 2.2, 2.4], "two": [2.0, 2.1, 2.2, 2.4]}).axes
    marked = [points[0] for points in lines(ax) if len(points) == 1]
    assert marked == [(0.25, 2.1), (0.0, 2.0)]


def test_size_sweep_draws_every_seed_and_the_means():
    dev = {1: [2.5, 2.3], 2: [2.2, 2.4]}
    (ax,) = plots.size_sweep([1, 2], dev, dev, "x", {}, 2.25, log=False).axes
    drawn = lines(ax)
    assert [(x, pytest.approx(y)) for x, y in drawn[0]] == [(1, 2.4), (2, 2.3)]
    assert drawn[1] == [(1, 2.5), (1, 2.3)]
    assert all(y == 2.25 for _, y in drawn[-1])


@pytest.mark.parametrize("count", [7, 200])
def test_passage_shows_every_unit_and_letter(count):
    import numpy as np

    rng = np.random.default_rng(0)
    fig = plots.passage("abc", rng.normal(size=(3, 10)), rng.uniform(-1, 1, count),
                        [1 / 27] * 27, "." + "abcdefghijklmnopqrstuvwxyz")
    vectors, hidden, bars = fig.axes
    assert vectors.images[0].get_array().shape == (10, 3)
    assert np.isfinite(np.ma.filled(hidden.images[0].get_array(), np.nan)).sum() == count
    assert [p.get_width() for p in bars.patches] == pytest.approx([1 / 27] * 27)


def test_schedules_average_blocks():
    (ax,) = plots.schedules({"one": [2.0] * 250 + [3.0] * 250}, block=250).axes
    assert lines(ax)[0] == [(125.0, 2.0), (375.0, 3.0)]


def test_unseen_and_cosines_draw_their_rows():
    (ax,) = plots.unseen([1, 2], [0.0, 0.2], [0.1, 0.4]).axes
    assert lines(ax) == [[(1, 0.1), (2, 0.4)], [(1, 0.0), (2, 0.2)]]
    (ax,) = plots.cosines([1, 4], {"now": ([0.1, 0.5], [0, 0.4], [0.2, 0.6])}).axes
    assert lines(ax)[0] == [(1, 0.1), (4, 0.5)]
    (ax,) = plots.cosines([1, 4], {"now": ([0.1, 0.5], [0, 0.4], [0.2, 0.6])}, 12).axes
    assert lines(ax)[1] == [(1, pytest.approx(13**-0.5)), (4, 0.5)]
    (ax,) = plots.by_seen(["0", "1+"], {"net": [2.3, 2.1], "table": [math.log(27), 2.2]}).axes
    assert lines(ax)[1] == [(0, math.log(27)), (1, 2.2)]
