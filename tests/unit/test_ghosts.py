"""Ghost batches: what they compute, against torch.nn, and what the recorded runs say."""

import pytest
import torch

from zh import ghosts, recorded


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("size", [2, 4, 64])
def test_each_ghost_is_a_torch_batch(size):
    net = ghosts.Net(str(size), seeds=2)
    h = torch.randn(2, 64, 128, generator=gen()) * 3 + 1
    out = net.normal(h, 0, True)
    twin = torch.nn.BatchNorm1d(128, momentum=None)          # the plain mean of what it saw
    for seed in range(2):
        twin.reset_running_stats()
        parts = torch.cat([twin(part) for part in h[seed].split(size)])
        torch.testing.assert_close(out[seed], parts, rtol=1e-3, atol=1e-4)
        step = ghosts.MOMENTUM
        torch.testing.assert_close(net.mean[0][seed, 0], step * twin.running_mean)
        torch.testing.assert_close(net.var[0][seed, 0], 1 - step + step * twin.running_var)


def test_in_use_the_batch_does_not_matter():
    net = ghosts.Net("4", seeds=1)
    x = torch.randn(1, 8, 20, generator=gen())
    net(x, training=True)
    torch.testing.assert_close(net(x)[:, :1], net(x[:, :1]))
    assert not torch.allclose(net(x, training=True)[:, :1], net(x)[:, :1])


def test_layer_normalisation_is_torchs():
    net = ghosts.Net("layer", seeds=1)
    h = torch.randn(1, 5, 128, generator=gen())
    torch.testing.assert_close(net.normal(h, 0, True), torch.nn.LayerNorm(128)(h))


def test_kinds_share_the_task_and_the_start():
    first, again = ghosts.task(3), ghosts.task(3)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    x, y, new_x, new_y = first
    assert x.shape == (256, 20) and new_x.shape == (1000, 20) and set(y.tolist()) == {0, 1, 2}
    none, four = ghosts.Net("none", seeds=2), ghosts.Net("4", seeds=2)
    assert all(torch.equal(a, b) for a, b in zip(none.weights, four.weights, strict=True))
    with pytest.raises(ValueError, match="no kind 'three'"):
        ghosts.Net("three", seeds=1)


def test_jitter_is_the_formula_in_large_batches_and_bounded_in_small():
    for z in (0.0, 2.0):
        spread = ghosts.jitter(256, z, 4000, gen(1)).std().item()
        assert spread == pytest.approx(((1 + z * z / 2) / 256) ** 0.5, rel=0.08)
    assert ghosts.jitter(4, 50.0, 200, gen()).max() <= 3 ** 0.5
    assert torch.allclose(ghosts.jitter(2, 1.0, 50, gen()).abs(), torch.ones(50), atol=1e-2)


def test_cooling_takes_away_doubt_and_its_lack_alone():
    scores = torch.randn(2, 400, 3, generator=gen())
    y = torch.distributions.Categorical(logits=scores).sample()
    best = ghosts.cooled(scores, y)                      # they are as sure as they should be
    torch.testing.assert_close(ghosts.cooled(8 * scores, y), best, rtol=0.02, atol=0.02)
    assert (ghosts._loss(8 * scores, y) > best + 0.5).all()


def test_training_learns_and_repeats():
    runs = [ghosts.train("16", seeds=2, steps=40, every=20) for _ in range(2)]
    assert torch.equal(runs[0].unseen, runs[1].unseen)
    assert runs[0].steps == [20, 40] and runs[0].train.shape == (2, 2)
    assert (runs[0].train[-1] < 0.9).all() and (runs[0].right[-1] > 0.5).all()


def test_the_record_holds_all_kinds_and_is_by_this_code():
    runs = recorded.load("ghosts")
    assert set(runs["kinds"]) == {*ghosts.KINDS, "4, biased"}
    for kind in runs["kinds"].values():
        lowest = kind["curves"]["unseen"].index(min(kind["curves"]["unseen"]))
        assert kind["stopped"]["steps"] == runs["steps"][lowest] and kind["early"]["steps"] == 200
        for run in (kind["early"], kind["stopped"]):          # shorter runs repeat the long one
            look = runs["steps"].index(run["steps"])
            for name in ("train", "unseen", "right"):
                mean = sum(run[name]) / runs["seeds"]
                assert mean == pytest.approx(kind["curves"][name][look], abs=1e-3)
        assert all(len(kind[name]) == runs["seeds"] for name in ("unseen", "right", "cooled"))
        assert len(kind["curves"]["unseen"]) == len(runs["steps"])
    assert runs["code"] == recorded.code(ghosts), "record it anew: benchmarks/ghosts.py"
