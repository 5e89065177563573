"""Figures of the chapter on initialisation: what is drawn is what was measured or predicted."""

import math

import numpy as np
import pytest

from zh import activations, init, plots


def test_sizes_by_layer_with_what_was_predicted():
    measured = {"a": ([1.0, 0.5, 0.2], [2.0, 1.5, 1.0]), "b": ([1.0, 1.0, 1.0], [1.0, 1.0, 1.0])}
    fig = plots.depth_profile(measured, {"a": ([1.0, 0.6, 0.3], [1.9, 1.4, 1.0])})
    forward, backward = fig.axes
    assert forward.get_yscale() == backward.get_yscale() == "log"
    assert list(forward.lines[0].get_ydata()) == [1.0, 0.5, 0.2]
    assert list(forward.lines[1].get_ydata()) == [1.0, 0.6, 0.3]
    assert list(backward.lines[0].get_ydata()) == [2.0, 1.5, 1.0]
    assert [text.get_text() for text in fig.legends[0].get_texts()] == ["a", "b"]


def test_powers_of_ten_are_plain_text():
    fig = plots.depth_profile({"a": ([1.0, 1e-3, 1e-12], [1e4, 1.0, 1e8])})
    for ax in fig.axes:
        labels = [text.get_text() for text in ax.get_yticklabels()]
        values = [float(text.replace("−", "-")) for text in labels]
        assert "$" not in "".join(labels) and values == pytest.approx(ax.get_yticks())


def test_the_cobweb_ends_at_the_fixed_point():
    fig = plots.cobweb(activations.tanh, 5 / 3)
    curve, diagonal, path = fig.axes[0].lines
    q, to = curve.get_data()
    assert to[30] == pytest.approx(init.length_map(q[30], "tanh", 5 / 3))
    assert (diagonal.get_xdata() == diagonal.get_ydata()).all()
    assert path.get_ydata()[-1] == pytest.approx(init.fixed_point("tanh", 5 / 3), rel=1e-3)
    assert "1.67" in fig.axes[0].get_title(loc="left") + fig.axes[0].get_title()


def test_the_edge_of_chaos_parts_the_phases():
    fig = plots.phases(activations.tanh, {"lecture": (5 / 3, 0.0)})
    edge, point = fig.axes[0].lines
    weight, bias = (values[20] for values in edge.get_data())
    assert init.mean_field("tanh", weight, bias).chi == pytest.approx(1, abs=1e-6)
    assert point.get_xdata()[0] == 5 / 3
    assert "lecture" in [text.get_text() for text in fig.axes[0].texts]


def test_width_drift_has_theorys_mark():
    fig = plots.width_drift({1: [-10.0, -14.0], 16: [-0.5, -0.7]}, depth=50)
    marks = [drawn.get_xdata()[0] for drawn in fig.axes[0].lines if drawn.get_marker() == "D"]
    assert marks == pytest.approx([50 * init.log_drift(n) / math.log(10) for n in (1, 16)])
    bars = [drawn.get_xdata()[0] for drawn in fig.axes[0].lines if len(drawn.get_xdata()) == 2
            and drawn.get_marker() == "None"][:2]  # fmt: skip
    assert bars == pytest.approx([-12.0, -0.6])
    assert [text.get_text() for text in fig.axes[0].get_yticklabels()] == ["1", "16"]


def test_identical_units_lie_on_one_dot():
    same = [0.5] * 4
    fig = plots.symmetry({"step 0": (same, same), "later": ([1, 2, 3, 3], [0, 1, 2, 2])})
    assert [len(ax.collections) for ax in fig.axes] == [1, 3]
    assert [[text.get_text() for text in ax.texts] for ax in fig.axes] == [["4"], ["2"]]


def test_units_too_close_to_tell_apart_share_a_dot():
    fig = plots.symmetry({"step": ([0.5, 0.51, 0.9], [0.5, 0.49, 0.9])})
    assert len(fig.axes[0].collections) == 2
    assert [text.get_text() for text in fig.axes[0].texts] == ["2"]


def test_the_price_of_confidence_has_its_points_on_their_place():
    points = {"hot": (12.0, 26.0), "quiet": (0.1, 3.3)}
    curve = [(0, math.log(27)), (1, 3.77), (5, 10.4), (13, 26.1)]
    ax = plots.confidence(curve, points, classes=27).axes[0]
    line, rule, dots = ax.lines
    assert list(line.get_xdata()) == [0, 1, 5, 13] and line.get_ydata()[2] == 10.4
    assert list(rule.get_xdata()) == [0, 1] and rule.get_ydata()[1] == pytest.approx(
        math.log(27) + 0.5)  # fmt: skip
    assert sorted(zip(dots.get_xdata(), dots.get_ydata(), strict=True)) == sorted(points.values())
    assert {text.get_text() for text in ax.texts} == {"hot", "quiet"}


def test_inputs_of_tanh_beyond_the_picture_are_put_at_its_edge():
    fig = plots.into_tanh([0.1, 0.1, 50.0, -50.0], "half beyond")
    heights, edges, _ = fig.axes[0].patches[0].get_data()
    heights = dict(zip(edges[:-1], heights, strict=True))
    assert heights[-6.0] == heights[5.5] == 0.5 and heights[0.0] == 1.0
    assert fig.axes[0].get_title(loc="left") + fig.axes[0].get_title() == "half beyond"


def test_the_first_steps_keep_step_zero_on_a_logarithmic_axis():
    fig = plots.first_steps([0.5, 0.3, 0.2], ".ab", {0: 3.3, 1: 3.2, 100: 2.7}, {"ln 27": 3.296})
    left, right = fig.axes
    assert list(left.lines[0].get_ydata()[1::3]) == [0.5, 0.3, 0.2]
    assert list(left.lines[0].get_xdata()[1::3]) == [0, 1, 2]
    assert list(right.lines[0].get_xdata()) == [1, 1, 100]
    assert list(right.lines[0].get_ydata()) == [3.3, 3.2, 2.7]
    assert right.get_xscale() == "log" and right.texts[0].get_text() == "ln 27"


def test_levels_too_close_to_name_are_drawn_without_a_name():
    levels = {"pairs": 2.55, "letters": 2.88, "ln 27": 3.296}
    near = plots.first_steps([1.0], ".", {0: 3.3, 1: 3.2}, levels).axes[1]
    far = plots.first_steps([1.0], ".", {0: 12.0, 1: 11.0}, levels).axes[1]
    assert [text.get_text() for text in near.texts] == ["ln 27", "letters", "pairs"]
    assert [text.get_text() for text in far.texts] == ["ln 27"]
    assert len(near.lines) == len(far.lines) == 4


def test_the_escape_has_a_line_through_its_waiting_times():
    waits = {1e-6: 900, 1e-4: 600, 1e-2: 300}
    fig = plots.escape({"0": [0.7] * 50, "0.1": [0.5] * 50}, waits)
    left, right = fig.axes
    assert len(left.lines) == 2 and left.get_xscale() == "log"
    dots, fit = right.lines
    assert list(dots.get_xdata()) == [-6, -4, -2] and list(dots.get_ydata()) == [900, 600, 300]
    assert fit.get_ydata() == pytest.approx(np.array([900, 600, 300]))
