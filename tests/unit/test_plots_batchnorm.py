"""Figures of the chapter on batch normalisation: what is drawn is what was measured."""

import pytest
import torch

from zh import plots
from zh.layers import BatchNorm1d, LayerNorm


def line(ax, label):
    return next(drawn for drawn in ax.lines if drawn.get_label() == label)


def title(ax):
    return ax.get_title(loc="left") or ax.get_title()


def test_momenta_and_growing_draw_what_they_are_given():
    fig = plots.momenta([1.0, 0.1, 0.01], {"a": [0.3, 0.1, 0.2], "b": [0.1, 0.0, 0.1]})
    assert line(fig.axes[0], "b").get_ydata().tolist() == [0.1, 0.0, 0.1]
    fig = plots.growing([0, 10], {"5": [1.0, 2.0]}, {"5": [0.1, 0.01]})
    left, right = fig.axes
    assert line(left, "5").get_ydata().tolist() == [1.0, 2.0]
    assert line(right, "5").get_ydata().tolist() == [0.1, 0.01]


def test_jitters_draws_the_formula_beside_the_points():
    fig = plots.jitters([8, 32], {2.0: [0.3, 0.25]})
    formula, points = fig.axes[0].lines
    assert formula.get_ydata() == pytest.approx([(3 / 8) ** 0.5, (3 / 32) ** 0.5])
    assert points.get_ydata().tolist() == [0.3, 0.25]


def test_dependence_fills_what_depends():
    """Batch normalisation: the same unit of all examples; layer normalisation: all units of one."""
    x = torch.randn(3, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    slopes = {norm.__name__: torch.autograd.functional.jacobian(
        norm(2, dtype=torch.float64), x).reshape(6, 6) for norm in (BatchNorm1d, LayerNorm)}
    fig = plots.dependence(slopes, examples=3)
    filled = {title(ax): ax.images[0].get_array().filled(0) for ax in fig.axes}
    same_unit = torch.eye(2).repeat(3, 3)
    same_example = torch.block_diag(*[torch.ones(2, 2)] * 3)
    for name, want in (("BatchNorm1d", same_unit), ("LayerNorm", same_example)):
        assert ((filled[name] == 1) == (want.numpy() == 1)).all(), name


@pytest.mark.parametrize("what", ["loss", "right"])
def test_ghost_runs_puts_the_chosen_in_front(what):
    curves = {kind: {"train": [1.0, low], "unseen": [0.9, low + 0.3], "right": [0.6, 0.7]}
              for kind, low in (("none", 0.1), ("4", 0.3))}
    fig = plots.ghost_runs([50, 100], curves, "4", what)
    ax = fig.axes[0]
    front = max(ax.lines, key=lambda drawn: drawn.get_linewidth())
    assert front.get_ydata()[-1] == (0.7 if what == "right" else 0.6)
    said = [text.get_text() for text in ax.texts]
    assert said == (["0.700"] if what == "right" else ["unseen 0.600", "seen 0.300"])
    assert title(ax) == "4"


def test_explosion_is_relative_to_the_last_layer_and_shows_the_prediction():
    fig = plots.explosion({"a": [8.0, 4.0, 2.0], "b": [1.0, 1.0, 1.0]}, {"a": 4.0})
    ax = fig.axes[0]
    assert line(ax, "a").get_ydata().tolist() == [4.0, 2.0, 1.0]
    dotted = [drawn for drawn in ax.lines if drawn.get_label().startswith("_")]
    assert len(dotted) == 1 and dotted[0].get_ydata().tolist() == [4.0, 2.0, 1.0]
