"""Runs side by side are runs of their own: held to networks written out in torch."""

import pytest
import torch
import torch.nn.functional as F

from zh import init, starts


def generator(seed):
    return torch.Generator().manual_seed(seed)


def contexts(n, seed):
    g = generator(seed)
    return torch.randint(27, (n, 3), generator=g), torch.randint(27, (n,), generator=g)


@pytest.mark.parametrize("kind", ["letters", "pairs"])
def test_each_network_of_names_is_one_of_its_own(kind):
    train, dev, steps = contexts(200, 1), contexts(50, 2), 4
    shape = (27,) if kind == "letters" else (27, 27)
    given = [(s, torch.randn(shape, generator=generator(k))) for k, s in enumerate((0, 0.1, 1))]
    before = [bias.clone() for _, bias in given]
    tested, losses = starts.names(given, [0.1, 0.3, 0.1], steps, (0, steps), train, dev, hidden=12)
    assert losses.shape == (steps + 1, 3) and tested[0][1].shape == (3, 50, 27)
    assert all(torch.equal(a, b) for a, (_, b) in zip(before, given, strict=True))

    for run, ((scale, bias), lr) in enumerate(zip(given, (0.1, 0.3, 0.1), strict=True)):
        g = generator(0)
        C = torch.randn(27, 10, generator=g)
        W1 = init.draw("lecun", 30, 12, generator=g, gain=5 / 3)
        p = [C, W1, torch.zeros(12), scale * torch.randn(12, 27, generator=g), bias.clone()]
        p = [t.requires_grad_() for t in p]

        def loss(x, y, p=p):
            first = p[4][x[:, 2]] if kind == "pairs" else p[4]
            return F.cross_entropy(torch.tanh(p[0][x].flatten(1) @ p[1] + p[2]) @ p[3] + first, y)

        for step in range(steps + 1):
            if step in tested:
                assert tested[step][0][run].item() == pytest.approx(loss(*dev).item(), abs=1e-5)
            rows = torch.randint(200, (32,), generator=g)
            value = loss(train[0][rows], train[1][rows])
            assert losses[step, run].item() == pytest.approx(value.item(), abs=1e-5)
            for t, grad in zip(p, torch.autograd.grad(value, p), strict=True):
                t.data -= lr * grad


@pytest.mark.parametrize("kind", ["plain", "norm", "decay"])
def test_each_small_network_is_one_of_its_own(kind):
    g = generator(0)
    W, V = torch.randn(3, 2, 16, generator=g), torch.randn(3, 16, generator=g)
    flags = {} if kind == "plain" else {kind: [1]}
    losses, kept = starts.signs(W, V, 5, keep_at=(0, 5), dropout=[2], **flags)
    assert losses.shape == (3, 6) and kept[5].shape == (3, 4, 16)
    assert torch.equal(kept[0][:, :2], W) and torch.equal(kept[0][:, 3], V)

    x, y = starts.plane()
    p = [t.clone().requires_grad_() for t in (W[1], torch.zeros(16), V[1], torch.zeros(()))]
    for step in range(6):
        if step == 5:
            units = torch.cat([p[0], p[1][None], p[2][None]]).detach()
            torch.testing.assert_close(kept[5][1], units, atol=1e-5, rtol=1e-4)
        z = x @ p[0] + p[1]
        if kind == "norm":
            unbiased = len(x) / (len(x) - 1)
            z = (z - z.mean(0)) / (z.var(0, unbiased=False) * unbiased + 1e-5).sqrt()
        value = F.binary_cross_entropy_with_logits(torch.tanh(z) @ p[2] + p[3], y)
        assert losses[1, step].item() == pytest.approx(value.item(), abs=1e-5)
        for t, grad in zip(p, torch.autograd.grad(value, p), strict=True):
            t.data = t.data * (1 - 0.5e-3 if kind == "decay" else 1) - 0.5 * grad


def test_dropout_is_of_its_run_alone_and_tells_equal_units_apart():
    W, V = torch.full((2, 2, 16), 0.5), torch.full((2, 16), 0.5)
    _, kept = starts.signs(W, V, 20, keep_at=(20,), dropout=[1])
    assert [starts.distinct(units) for units in kept[20]] == [1, 16]


def test_the_task_is_one_that_a_line_cannot_do():
    x, y = starts.plane(2000)
    assert x.abs().max() <= 1 and torch.equal(y, ((x[:, 0] > 0) == (x[:, 1] > 0)).float())
    with_one = torch.cat([x, torch.ones(2000, 1)], 1)
    line = with_one @ torch.linalg.lstsq(with_one, y[:, None]).solution
    assert (line - y.mean()).abs().max() < 0.15, "no slope is worth having"


def test_units_are_counted_by_the_distance_between_them():
    units = torch.tensor([[0.0, 0.0, 1.0, 1.0005], [0.0, 0.0, 2.0, 2.0]])
    assert starts.distinct(units) == 2
    assert starts.distinct(units, apart=1e-4) == 3


def test_refused():
    bias, train = torch.zeros(27), contexts(10, 0)
    with pytest.raises(ValueError, match="2 starts and 1 learning rates"):
        starts.names([(1, bias), (0, bias)], [0.1], 1, (), train, train)
    with pytest.raises(ValueError, match="two kinds in two calls"):
        starts.names([(1, bias), (0, torch.zeros(27, 27))], [0.1] * 2, 1, (), train, train)
