"""Figures of the chapter on activations: what is drawn is what the function is."""

import numpy as np
import torch

from zh import activations, plots


def line(ax, label):
    return next(drawn for drawn in ax.lines if drawn.get_label() == label)


def test_the_gallery_draws_a_function_its_slope_and_where_it_is_flat():
    fig = plots.activation_gallery([activations.gelu, activations.relu])
    smooth, kinked = fig.axes[:2]
    x, y = smooth.lines[1].get_data()  # the first line is the axis
    np.testing.assert_allclose(y, torch.nn.functional.gelu(torch.tensor(x)))
    np.testing.assert_allclose(smooth.lines[2].get_ydata(), np.gradient(y, x), atol=0.02)
    (shade,) = kinked.patches
    assert (shade.get_x(), shade.get_width()) == (-4.0, 4.0)
    slope = kinked.lines[2].get_ydata()
    assert np.isnan(slope).sum() == 1 and set(slope[~np.isnan(slope)]) == {0.0, 1.0}


def test_the_gallery_names_every_function():
    functions = list(activations.ALL.values())[:10]
    fig = plots.activation_gallery(functions)
    shown = [ax.get_title(loc="left") or ax.get_title() for ax in fig.axes if ax.get_visible()]
    assert shown == [f.name for f in functions]
    assert sum(not ax.get_visible() for ax in fig.axes) == 2


def test_hinges_lie_on_their_lines_and_the_dead_are_counted():
    x = torch.tensor([[0.0, 0.0], [1.0, 1.0], [1.0, 0.0]])
    weight = torch.tensor([[1.0, 1.0, 0.0], [0.5, 0.5, 2.0]])
    bias = torch.tensor([-0.2, -9.0, -0.5])  # the second is never reached, and far away
    near = torch.tensor([-0.2, -1.6, -0.5])  # the second misses all, and shows
    fig = plots.hinges(x, torch.tensor([0, 1, 1]), weight, near, "step 3")
    ax = fig.axes[0]
    assert (ax.get_title(loc="left") or ax.get_title()) == "step 3: 1 of 3 units dead"
    assert [drawn.get_linestyle() for drawn in ax.lines] == ["-", "--", "-"]
    for unit, drawn in enumerate(ax.lines):
        ends = torch.tensor(np.array(drawn.get_data())).float()  # (2, 2)
        at = weight[:, unit] @ ends + near[unit]
        torch.testing.assert_close(at, torch.zeros(2), atol=1e-5, rtol=0)
    assert len(plots.hinges(x, torch.tensor([0, 1, 1]), weight, bias).axes[0].lines) == 2


def test_extremes_fill_what_is_flat():
    flat = torch.zeros(4, 6, dtype=torch.bool)
    flat[1, 2] = flat[3, 5] = True
    fig = plots.extremes({"a": flat, "b": ~flat})
    for ax, picture in zip(fig.axes, (flat, ~flat), strict=True):
        shown = ax.images[0].get_array()
        assert shown.shape == (4, 6) and (~shown.mask == picture.numpy()).all()


def test_deaths_draws_every_look_of_both_layers():
    runs = {"calm": torch.zeros(3, 2), "wild": torch.tensor([[0, 1], [30, 40], [30, 20]])}
    fig = plots.deaths([0, 5, 10], runs)
    for layer, ax in enumerate(fig.axes):
        for label, counts in runs.items():
            assert line(ax, label).get_ydata().tolist() == counts[:, layer].tolist()
            assert line(ax, label).get_xdata().tolist() == [0, 5, 10]


def test_recycled_marks_what_was_chosen():
    curves = {"anew": [0.12, 0.1], "old": [0.15, 0.14]}
    fig = plots.recycled(curves, 0.16, [0.5, 1.0], "old", 0.5)
    ax = fig.axes[0]
    assert line(ax, "anew").get_ydata().tolist() == [0.16, 0.12, 0.1]  # from keeping all
    mark = ax.lines[-1]
    assert (mark.get_xdata()[0], mark.get_ydata()[0]) == (0.5, 0.15)
    title = ax.get_title(loc="left") or ax.get_title()
    assert title == "old, 50% recycled: loss 0.150"


def test_born_counts_the_flat_ones():
    at = torch.linspace(-1, 1, 5)
    outputs = torch.stack([torch.zeros(5), at.relu(), torch.zeros(5)])
    fig = plots.born([1, 10], {2: [0.1, 0.9], 4: [0.0, 0.2]}, 10, 2, at, outputs)
    left, right = fig.axes
    assert [drawn.get_linestyle() for drawn in right.lines] == ["--", "-", "--"]
    assert "2 of 3 flat" in (right.get_title(loc="left") or right.get_title())
    assert [drawn.get_ydata()[-1] for drawn in left.lines[:2]] == [0.9, 0.2]
