"""Run: python -m pytest tests/unit/test_exercises_batchnorm.py

The exercises of the chapter on batch normalisation: their answers by another way, and the slips.
"""
import math

import pytest
import torch

from zh import ghosts
from zh.exercises import batchnorm as chapter
from zh.exercises import check, get
from zh.layers import BatchNorm1d, LayerNorm, Linear, RMSNorm, fold


@pytest.fixture(autouse=True)
def in_a_notebook(monkeypatch):
    monkeypatch.delenv("ZH_STATIC_BUILD", raising=False)


def test_one_of_four_is_what_the_layer_says():
    norm = BatchNorm1d(1, eps=0.0, dtype=torch.float64)
    with torch.no_grad():
        norm.gain.fill_(2.0)
        norm.bias.fill_(1.0)
        out = norm(torch.tensor([[2.0], [2], [2], [10]], dtype=torch.float64))
    assert out[3].item() == pytest.approx(get("normalise-four").right())


@pytest.mark.parametrize("momentum, target, above", [(0.1, 5, 4.9), (0.01, 1, 0.5), (0.9, 2, 1)])
def test_memory_is_counted(momentum, target, above):
    norm, batch = BatchNorm1d(1, momentum=momentum), torch.full((2, 1), float(target))
    count = 0
    while norm.running_mean.item() <= above:
        norm(batch)
        count += 1
    assert count == chapter.memory(momentum, target, above)


def test_the_same_step_after_scaling():
    """One step with weights times 3 and the rate times 9 is the old step, times 3."""
    g = torch.Generator().manual_seed(0)
    x, d = (torch.randn(16, n, generator=g, dtype=torch.float64) for n in (5, 4))
    W = torch.randn(5, 4, generator=g, dtype=torch.float64)

    def step(weights, lr):
        weights = weights.clone().requires_grad_()
        out = BatchNorm1d(4, eps=0.0, dtype=torch.float64)(x @ weights)
        return weights.detach() - lr * torch.autograd.grad((out * d).sum(), weights)[0]

    torch.testing.assert_close(step(3 * W, 0.1 * get("same-step").right()), 3 * step(W, 0.1))


def test_means_of_layer_norm_are_counted_by_what_can_move_alone():
    x = torch.zeros(32, 8, 64)
    assert x.mean(-1).numel() == get("how-many-means").right()
    torch.testing.assert_close(LayerNorm(64)(x + torch.arange(8.0)[:, None]), torch.zeros(x.shape))


def test_the_outliers_jitter_is_measured():
    g = torch.Generator().manual_seed(0)
    far, near = (ghosts.jitter(400, z, 3000, g).std().item() for z in (2.0, 0.0))
    assert far / near == pytest.approx(get("jitter-of-outlier").right(), rel=0.06)


def test_folding_and_ghosts_against_zh_layers():
    given = next(chapter._fold_inputs())
    linear = Linear(3, 4, generator=torch.Generator(), dtype=torch.float64)
    norm = BatchNorm1d(4, eps=given[-1], dtype=torch.float64).eval()
    with torch.no_grad():
        for mine, value in zip([linear.weight, linear.bias, norm.gain, norm.bias,
                                norm.running_mean, norm.running_var], given[:-1], strict=True):
            mine.copy_(value)
    one = fold(linear, norm)
    torch.testing.assert_close(chapter._fold(*given), torch.cat([one.weight, one.bias[None]]))
    x, k, eps = next(chapter._ghost_inputs())
    norm = BatchNorm1d(3, eps=eps, dtype=torch.float64)
    torch.testing.assert_close(chapter._ghost(x, k, eps), torch.cat([norm(p) for p in x.split(k)]))


def test_rms_backward_against_zh_layers():
    dout, x, gain, eps = next(chapter._rms_inputs())
    norm = RMSNorm(3, eps=eps, dtype=torch.float64)
    with torch.no_grad():
        norm.gain.copy_(gain)
    x = x.clone().requires_grad_()
    theirs = torch.autograd.grad(norm(x), (x, norm.gain), dout)
    for mine, other in zip(chapter._rms(dout, x.detach(), gain, eps), theirs, strict=True):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize("name, answer, words", [
    ("normalise-four", math.sqrt(3), "still to come"),
    ("normalise-four", 1 + math.sqrt(3), "gain is missing"),
    ("normalise-four", 4, "n - 1"),
    ("running-memory", 37, "still a little below"),
    ("running-memory", 2, "momentum of 0.9"),
    ("same-step", 3, "a third"),
    ("how-many-means", 64, "one mean a feature"),
    ("jitter-of-outlier", 3, "Jitter is a spread"),
    ("fold-layers", chapter._fold_std, "by the variance"),
    ("fold-layers", chapter._fold_forgets_bias, "is lost"),
    ("fold-layers", chapter._fold_mean_unscaled, "scaled too"),
    ("fold-layers", chapter._fold_bias_unscaled, "old bias comes before"),
    ("fold-layers", chapter._fold_no_shift, "shift of the normalisation"),
    ("fold-layers", chapter._fold_weight_kept, "weights have to be scaled"),
    ("fold-layers", chapter._fold_no_gain, "gain is missing"),
    ("rms-backward", chapter._rms_direct, "direct path alone"),
    ("rms-backward", chapter._rms_gain_late, "taken out of the sum"),
    ("rms-backward", chapter._rms_centred, "no mean in this layer"),
    ("rms-backward", chapter._rms_batch_axis, "over the features"),
    ("rms-backward", chapter._rms_sum, "a mean, not a sum"),
    ("rms-backward", chapter._rms_gain_kept, "a sum over"),
    ("ghost-batches", chapter._ghost_strided, "Neighbours"),
    ("ghost-batches", chapter._ghost_one, "one batch of all"),
    ("ghost-batches", chapter._ghost_bessel, "n - 1"),
    ("ghost-batches", chapter._ghost_count, "Those are k ghosts"),
])  # fmt: skip
def test_a_slip_is_named(name, answer, words):
    reply = check(name, answer)
    assert not reply and words in reply.text, reply.text


def test_right_answers_by_other_ways():
    def by_layers(x, k, eps):
        norm = torch.nn.BatchNorm1d(x.shape[1], eps=eps, affine=False, dtype=x.dtype)
        return torch.cat([norm(part) for part in x.split(k)])

    assert check("ghost-batches", by_layers)
    assert check("fold-layers", lambda *given: chapter._folded(*given))
    assert check("rms-backward", lambda *given: chapter._rms_by_hand(*given))
