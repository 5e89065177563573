"""Many networks in one batch: each is a network of its own, measured as a Recorder measures."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from zh.diagnostics import Recorder
from zh.dynamics import BINS, KINDS, METHODS, Setting, side_by_side, spirals

SIZES = [2, 12, 10, 3]


@pytest.fixture(scope="module")
def task():
    return spirals(80, torch.Generator().manual_seed(3))


def alone(setting, sizes, n, steps, size):
    """The network of a setting in torch.nn, and the places of its minibatches."""
    g = torch.Generator().manual_seed(setting.seed)
    batches = torch.randint(n, (steps, size), generator=g)
    layers = []
    for i, (a, b) in enumerate(zip(sizes, sizes[1:], strict=False)):
        layer = nn.Linear(a, b)
        gain = setting.gain if i < len(sizes) - 2 else setting.last
        with torch.no_grad():
            layer.weight.copy_(gain / a ** 0.5 * torch.randn(a, b, generator=g).T)
            layer.bias.zero_()
        layers += [layer, nn.Tanh()]
    return nn.Sequential(*layers[:-1]), batches


def test_a_run_is_a_network_of_its_own_and_measured_as_a_recorder_does(task):
    x, y = task
    settings = [Setting(lr=0.5, gain=3.0, seed=1), Setting(lr=lambda step: 0.1 * (step + 1))]
    course = side_by_side(settings, x, y, SIZES, 6, size=16, looks=[0, 5], test=(x, y))
    for r, setting in enumerate(settings):
        model, batches = alone(setting, SIZES, len(x), 6, 16)
        optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
        right = []
        with Recorder(model, every=1) as recorder:
            for step, ix in enumerate(batches):
                optimizer.param_groups[0]["lr"] = setting.rate(step)
                loss = F.cross_entropy(model(x[ix]), y[ix])
                optimizer.zero_grad()
                loss.backward()
                with torch.no_grad():
                    right.append((model(x).argmax(1) == y).float().mean().item())
                optimizer.step()
                recorder.step(loss)
        np.testing.assert_allclose(course.losses[:, r], recorder.losses, rtol=1e-5)
        for k, step in enumerate(course.looks):
            record = recorder.at(step)
            for i, name in enumerate(("1", "3")):
                told = record.layers[name]
                assert course.std[k, r, i].item() == pytest.approx(told.out.std, rel=1e-4)
                assert course.saturated[k, r, i].item() == pytest.approx(told.out.saturated)
                assert course.grad[k, r, i].item() == pytest.approx(told.grad.std, rel=1e-4)
            for i in range(3):
                expected = record.parameters[f"{2 * i}.weight"].update_to_data
                assert course.update[k, r, i].item() == pytest.approx(expected, rel=1e-3)
            assert course.tested[k, r].item() == pytest.approx(right[step])
        with torch.no_grad():
            torch.testing.assert_close(course.scores(x)[r], model(x), atol=1e-5, rtol=1e-4)
            assert course.loss(x, y)[r].item() == pytest.approx(
                F.cross_entropy(model(x), y).item(), rel=1e-4)


def test_adam_is_torchs(task):
    x, y = task
    setting = Setting(lr=0.01, method="adam")
    course = side_by_side([Setting(), setting], x, y, SIZES, 5, size=16)
    model, batches = alone(setting, SIZES, len(x), 5, 16)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, betas=(0.9, 0.99))
    for ix in batches:
        optimizer.zero_grad()
        F.cross_entropy(model(x[ix]), y[ix]).backward()
        optimizer.step()
    with torch.no_grad():
        torch.testing.assert_close(course.scores(x)[1], model(x), atol=1e-4, rtol=1e-3)


def test_lars_moves_every_matrix_by_the_same_share_and_a_multiplier_by_its_power(task):
    settings = [Setting(lr=0.2, method="lars"), Setting(lr=0.2),
                Setting(lr=0.2, multiplier=0.5)]
    update = side_by_side(settings, *task, SIZES, 1, looks=[0]).update[0]
    torch.testing.assert_close(update[0], torch.full((3,), 0.02), rtol=1e-4, atol=0)
    torch.testing.assert_close(update[2] / update[1], torch.tensor([0.25, 0.5, 1.0]),
                               rtol=1e-3, atol=0)


def test_a_run_that_breaks_stays_where_it_was_and_leaves_the_others_alone(task):
    x, y = task
    wild = Setting(lr=lambda step: math.inf if step == 2 else 0.1)
    both = side_by_side([wild, Setting()], x, y, SIZES, 5, size=16)
    calm = side_by_side([Setting()], x, y, SIZES, 5, size=16)
    torch.testing.assert_close(both.losses[:, 1], calm.losses[:, 0])
    assert both.losses[:2, 0].isfinite().all() and both.losses[2:, 0].isnan().all()
    assert all(p.isfinite().all() for p in both.weights + both.biases)


def test_runs_may_have_labels_of_their_own(task):
    x, y = task
    course = side_by_side([Setting(), Setting()], x, torch.stack([y, y.roll(1)]), SIZES, 3, size=16)
    same = side_by_side([Setting()], x, y.roll(1), SIZES, 3, size=16)
    torch.testing.assert_close(course.losses[:, 1], same.losses[:, 0])
    assert not torch.equal(course.losses[:, 0], course.losses[:, 1])


def test_the_histogram_counts_every_output_and_kinds_have_one_spread(task):
    course = side_by_side([Setting(kind=k, gain=0.5) for k in KINDS], *task,
                          [2, 400, 400, 3], 1, size=20, looks=[0])
    assert course.histogram.shape == (1, 2, 2, BINS)
    assert (course.histogram.sum(3) == 20 * 400).all()
    normal, uniform = course.weights[1]                      # one small step after the start
    for drawn in (normal, uniform):
        assert drawn.std().item() == pytest.approx(0.5 / 20, rel=0.02)
    assert uniform.abs().max() <= 0.5 / 20 * 3 ** 0.5 * 1.01
    assert course.tested.isnan().all()


@pytest.mark.parametrize("wrong, words", [
    (dict(method="newton"), ", ".join(METHODS)), (dict(kind="cauchy"), ", ".join(KINDS))])
def test_a_wrong_setting_names_the_right_ones(wrong, words):
    with pytest.raises(ValueError, match=words):
        Setting(**wrong)


def test_no_settings(task):
    with pytest.raises(ValueError, match="at least one"):
        side_by_side([], *task, SIZES, 1)


def test_the_arms_of_the_spirals_are_a_third_of_a_turn_apart():
    x, arm = spirals(4000, torch.Generator().manual_seed(0))
    assert set(arm.tolist()) == {0, 1, 2} and x.shape == (4000, 2)
    turn = torch.atan2(x[:, 1], x[:, 0]) - 6 * x.norm(dim=1) - arm * 2 * math.pi / 3
    assert torch.cos(turn[x.norm(dim=1) > 0.8]).mean() > 0.7


def test_moved_is_the_whole_way_over_the_size_at_the_start():
    x, y = spirals(64, torch.Generator().manual_seed(0))
    settings = [Setting(lr=0.5), Setting(lr=0.0)]
    course = side_by_side(settings, x, y, [2, 8, 8, 3], 1, looks=[0])
    torch.testing.assert_close(course.moved, course.update[0])      # one step: the same
    assert course.moved.shape == (2, 3) and not course.moved[1].any()
