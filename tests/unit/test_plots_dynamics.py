"""Figures of the chapter on training dynamics: what is drawn is what was measured."""

import math
import re
from xml.etree import ElementTree

import pytest

from zh import plots
from zh.plots.light import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Panel, light

AXES = ((0, 10), (0, 1), [(0, "0"), (10, "10")], [(0, "0"), (1, "<1>")])


def parts(html, tag):
    root = ElementTree.fromstring(html)
    return [e.attrib for e in root.iter() if e.tag.endswith(tag)]


def test_corners_of_the_data_are_corners_of_the_axes():
    html = light([Panel("a & b", "x", *AXES).dot([0, 10], [0, 1], "red")])
    low, high = parts(html, "circle")
    assert (float(low["cx"]), float(low["cy"])) == (LEFT, HEIGHT - BOTTOM)
    assert (float(high["cx"]), float(high["cy"])) == (WIDTH - RIGHT, TOP)
    assert "a &amp; b" in html and "&lt;1&gt;" in html


def test_what_lies_outside_is_drawn_at_the_edge_and_nan_breaks_a_line():
    panel = Panel("t", "x", *AXES).line([0, 5, 6, 9], [0.5, math.nan, 7, -3], "red", True)
    panel.dot([20, 5], [0.5, math.nan], "blue")
    html = light([panel], [("words", "red", False)])
    path = next(p for p in parts(html, "path") if p["stroke"] == "red")
    assert path["d"].count("M") == 2 and path["stroke-dasharray"]
    assert path["d"].endswith(f"{TOP}L{LEFT + 0.9 * (WIDTH - LEFT - RIGHT):.1f} {HEIGHT - BOTTOM}")
    (dot,) = parts(html, "circle")
    assert float(dot["cx"]) == WIDTH - RIGHT
    assert len(parts(html, "svg")) == 2 and all(s["aria-hidden"] for s in parts(html, "svg"))


def look(depth=5):
    return {"histogram": [[1.0] * 20] * depth, "std": [0.5] * depth, "grad": [1e-3] * depth,
            "update": [1e-2] * depth + [0.0]}


@pytest.mark.parametrize("depth", [2, 5, 10])
def test_a_snapshot_has_four_panels_and_a_dot_for_each_measurement(depth):
    html = plots.snapshot(look(depth), [0.5] * 20, (0.6, 1.1))
    assert len(parts(html, "circle")) == 3 * depth            # an update of 0 has no logarithm
    assert len(parts(html, "svg")) == 4 + 3
    assert plots.snapshot(look(depth), None, (0.0, 0.5)).count("dasharray") == (
        html.count("dasharray") - 1)


def test_a_plan_shows_the_rate_the_loss_and_three_looks():
    rates, losses = [0.1 * k for k in range(100)], [3.0 - 0.01 * k for k in range(100)]
    html = plots.scheduled(rates, losses, {0: [1e-3] * 4, 20: [1e-2] * 4, 50: [1e-4] * 4},
                           3.3, 2.0, 10.0)
    assert len(parts(html, "circle")) == 12
    assert "update at step 50" in html and "3.30" in html


def test_a_fingerprint_tells_zero_from_none():
    norms = {"weights": [None, 0.0, 1.0], "biases": [0.1, 0.1, 0.1]}
    html = plots.fingerprint(norms, {"weights": [1.0] * 3, "biases": [1.0] * 3})
    dots = parts(html, "circle")
    assert len(dots) == 5 and float(dots[0]["cy"]) == HEIGHT - BOTTOM
    assert len({d["fill"] for d in dots}) == 2


def test_a_dashboard_is_blue_and_what_it_cannot_show_is_not():
    html = plots.fitted([0, 50, 99], [1.0] * 100, [0.3, 0.3, 0.9], [0.1, 0.2], [1e-3] * 3, 1 / 3)
    colours = re.findall(r'stroke="(#\w+)"', html)
    assert colours.count(plots.ORANGE) == 2 and colours.count(plots.BLUE) == 2    # with the key
    assert {d["fill"] for d in parts(html, "circle")} == {plots.BLUE}


def test_two_runs_on_one_dashboard():
    run = {"steps": [0, 10], "update": [-3, -4], "saturated": [0.2, 0.1, 0.1],
           "looks": [0, 9], "tested": [0.3, 0.9]}
    fig = plots.dashboards({"a": run, "b": {**run, "tested": [0.3, 0.3]}})
    update, flat, right = fig.axes
    assert [line.get_ydata()[-1] for line in right.lines] == [0.9, 0.3]
    assert list(flat.lines[0].get_xdata()) == [1, 2, 3]
    assert list(update.lines[0].get_ydata()) == [-3, -4]


def test_schedules_are_shown_by_means_of_blocks():
    fig = plots.pulled_out({"a": [1.0, 3.0, 5.0, 7.0, 9.0]}, 2, 1.1)
    assert list(fig.axes[0].lines[0].get_data()[0]) == [1.0, 3.0]
    assert list(fig.axes[0].lines[0].get_data()[1]) == [2.0, 6.0]
