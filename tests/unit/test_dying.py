"""Run: python -m pytest tests/unit/test_dying.py

Networks side by side against one network alone, gradients by hand against autograd, and what is
known about dead units against what is counted.
"""
import math

import pytest
import torch
import torch.nn.functional as F

from zh import dying
from zh.dying import Setting


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def alone(setting, start, looks=None):
    """One network in plain torch.nn, as `on_moons` trains it for one setting and seed."""
    x, y, weights, batches = start
    x, units = x + setting.offset, weights[0].shape[1]
    linears = [torch.nn.Linear(*w.shape, bias=False) for w in weights]
    biases = [torch.nn.Parameter(torch.zeros(w.shape[1])) for w in weights]
    with torch.no_grad():
        for linear, w in zip(linears, weights, strict=True):
            linear.weight.copy_(w.T)
    params = [linear.weight for linear in linears] + biases

    def forward(h):
        zs = []
        for linear, bias in zip(linears[:2], biases, strict=False):
            z = linear(h)
            if setting.norm == "batch":
                z = F.batch_norm(z, None, None, training=True)
            if setting.norm == "layer":
                z = F.layer_norm(z, (units,))
            zs.append(z + bias)
            h = F.leaky_relu(zs[-1], setting.leak)
        return linears[2](h) + biases[2], zs

    optimizer = torch.optim.SGD(params, lr=setting.lr)
    for rows in batches:
        optimizer.zero_grad()
        F.cross_entropy(forward(x[rows])[0], y[rows]).backward()
        if setting.clip < math.inf:
            torch.nn.utils.clip_grad_norm_(params, setting.clip)
        optimizer.step()
    scores, zs = forward(x)
    right = (scores.argmax(1) == y).float().mean()
    return [int((z <= 0).all(0).sum()) for z in zs], right, linears[0].weight.T, biases[0]


@pytest.mark.parametrize("setting", [
    Setting(), Setting(lr=1.0, offset=2.0), Setting(lr=0.5, leak=0.1), Setting(lr=2.0, clip=0.5),
    Setting(lr=0.5, norm="batch"), Setting(lr=0.5, norm="layer")])  # fmt: skip
def test_a_run_beside_others_is_a_run_alone(setting):
    found = dying.on_moons([Setting(lr=0.3), setting], seeds=2, steps=12, units=16, examples=40)
    start = dying._start(1, 16, 40, 32, 12)
    counts, right, weight, bias = alone(setting, start)
    torch.testing.assert_close(found.weight[1, 1], weight, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(found.bias[1, 1], bias, rtol=1e-3, atol=1e-4)
    assert found.dead[1, 1].tolist() == counts
    assert found.right[1, 1] == pytest.approx(float(right))


def test_the_counts_add_up():
    found = dying.on_moons([Setting(lr=3.0), Setting(lr=0.1, offset=10.0)], seeds=2, steps=60)
    assert torch.equal(found.history[0] + found.killed - found.revived, found.dead.float())
    assert torch.equal(found.history[-1], found.dead)
    assert len(found.history) == 60 // 5 + 1
    z = found.x @ found.weight + found.bias[:, :, None]
    assert torch.equal(dying.dead(z).sum(-1), found.dead[..., 0])
    assert (found.revived[..., 0] == 0).all()     # inputs stand still: no gradient, no return


def test_a_diverged_run_stands_still_and_is_marked():
    found = dying.on_moons([Setting(lr=1e6, leak=0.5), Setting()], seeds=1, steps=30)
    assert found.diverged[:, 0].tolist() == [True, False]
    assert found.weight.isfinite().all()


def test_moons_are_centred():
    x, y = dying.moons(200, gen())
    assert x.mean(0).abs().max() < 1e-6 and set(y.tolist()) == {0, 1}


@pytest.mark.parametrize("wrong", [dict(settings=[]), dict(settings=[Setting()], norm="group")])
def test_says_what_is_wrong(wrong):
    with pytest.raises(ValueError):
        if "norm" in wrong:
            Setting(norm=wrong["norm"])
        else:
            dying.on_moons(**wrong)
    with pytest.raises(ValueError, match="one of each"):
        dying.kicked([1.0], [0.25, 0.5], generator=gen())


# ------------------------------------------------------------------- the ring


def net(S=3, units=20):
    return dying.kicked([4.0] * S, [0.25] * S, units=units, steps=40, n=100, generator=gen())


def test_gradients_by_hand_are_autograds():
    found = net()
    params = [p.double().requires_grad_() for p in found.params]
    x = found.x.double()
    theirs = torch.autograd.grad(dying.loss_of(params, x, found.y).sum(), params)
    mine = dying.gradients([p.detach() for p in params], x, found.y)
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_the_ring_keeps_its_sector():
    low, high = torch.tensor([0.0, 0.25]), torch.tensor([0.75, 0.5])
    x, y = dying.ring(low, high, 500, gen(), radius=2.0, spread=0.0)
    torch.testing.assert_close(x.norm(dim=-1), torch.full((2, 500), 2.0))
    turn = torch.atan2(x[..., 1], x[..., 0]) / dying.TAU % 1
    assert (turn >= low[:, None] - 1e-5).all() and (turn <= high[:, None] + 1e-5).all()
    assert torch.equal(y, (turn * 8).floor().long() % 2)


def test_dead_units_get_nothing_and_stay():
    found = net()
    assert found.dead.any() and not found.dead.all()
    after = dying.descend(found.params, found.x, found.y, 0.3, 20, gen(5))
    for old, new in zip(found.params[:2], after[:2], strict=True):
        moved = (old != new).any(1)
        assert not (moved & found.dead).any() and (moved & ~found.dead).any()


def test_frozen_units_stay_even_where_they_fire():
    found, frozen = net(), torch.zeros(3, 20, dtype=torch.bool)
    frozen[:, :5] = True
    after = dying.descend(found.params, found.x, found.y, 0.3, 5, gen(5), frozen=frozen)
    for i in (0, 1):
        assert torch.equal(after[i][..., :5], found.params[i][..., :5])
    assert torch.equal(after[2][:, :5], found.params[2][:, :5])
    assert not torch.equal(after[2][:, 5:], found.params[2][:, 5:])


@pytest.mark.parametrize("keep", [False, True])
def test_recycling_changes_no_answer_on_the_examples(keep):
    found = net()
    again = dying.recycle(found.params, found.dead, gen(3), keep_direction=keep)
    torch.testing.assert_close(dying.loss_of(again, found.x, found.y),
                               dying.loss_of(found.params, found.x, found.y))
    old, new = (p[0] / p[0].norm(dim=1, keepdim=True) for p in (found.params, again))
    same = torch.isclose((old * new).sum(1), torch.ones(3, 20), atol=1e-5)
    assert same[~found.dead].all() and bool(same[found.dead].all()) == keep


def test_fires_is_a_share():
    found = net()
    everything = torch.ones_like(found.dead)
    assert (dying.fires(found.params, found.dead, found.x) == 0).all()
    assert (dying.fires(found.params, ~everything, found.x) == 0).all()
    by_hand = (dying.pre(found.params, found.x) > 0).float().mean((1, 2))
    torch.testing.assert_close(dying.fires(found.params, everything, found.x), by_hand)


# ------------------------------------------------------------------- no training


@pytest.mark.parametrize("width, depth", [(1, 3), (2, 4), (3, 8)])
def test_one_example_is_lost_as_coins_say(width, depth):
    nets = 4000
    share, p = dying.born_dead(width, depth, nets, gen(), points=1), 1 - (1 - 0.5**width) ** depth
    assert abs(share - p) < 4 * math.sqrt(p * (1 - p) / nets)


def test_more_examples_are_lost_less_often_and_depth_loses_more():
    few = [dying.born_dead(2, depth, 500, gen(), points=20) for depth in (1, 4, 16)]
    assert few == sorted(few)
    assert few[1] <= dying.born_dead(2, 4, 500, gen(), points=1)
