"""Ghost batches: what the noise of batch normalisation does to a small classifier.

A minibatch of 64 gives the gradient, and the statistics of the normalisation come from parts of it,
the ghost batches (Hoffer et al. 2017). So the noise of the statistics can be varied and everything
else left as it is: the task, the start, the minibatches, the number of steps.

The task is small enough to be learnt by heart: 256 examples of 20 normal numbers, three classes
cut by a random linear map, and one label in five drawn at random. Many networks (20-128-128-3,
ReLU), one a seed, are trained side by side: every tensor has the seeds as its first axis.
"""
from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

SIZES, BATCH, LR, MOMENTUM, EPS = (20, 128, 128, 3), 64, 0.1, 0.05, 1e-5
KINDS = ("none", "2", "4", "8", "16", "32", "64", "layer", "dropout")


def task(seed: int, examples: int = 256, unseen: int = 1000):
    """Inputs and labels, seen and unseen: (256, 20), (256,), (1000, 20), (1000,)."""
    g = torch.Generator().manual_seed(seed)
    cut = torch.randn(SIZES[0], SIZES[-1], generator=g)
    x = torch.randn(examples + unseen, SIZES[0], generator=g)
    y = (x @ cut).argmax(1)
    wrong = torch.rand(examples, generator=g) < 0.2
    y[:examples][wrong] = torch.randint(SIZES[-1], (int(wrong.sum()),), generator=g)
    return x[:examples], y[:examples], x[examples:], y[examples:]


def jitter(size: int, z: float, draws: int, generator: torch.Generator) -> torch.Tensor:
    """What batch normalisation makes of one example at z among others from N(0, 1): (draws,).

    In each draw it stands in a batch of `size` with other companions.
    """
    others = torch.randn(draws, size - 1, generator=generator)
    batch = torch.cat([torch.full((draws, 1), float(z)), others], 1)
    return (z - batch.mean(1)) / (batch.var(1, unbiased=False) + EPS).sqrt()


@dataclass
class Found:
    """Curves of shape (looks, seeds), a look every `every` steps; the rest at the end, (seeds,)."""

    steps: list[int]
    train: torch.Tensor          # loss on the examples seen, in evaluation
    unseen: torch.Tensor         # loss on the unseen
    right: torch.Tensor          # share of the unseen that is right
    cooled: torch.Tensor         # loss on the unseen, after dividing the scores by one number


class Net:
    """The networks of all seeds with one kind of normalisation; what `kind` may be: see `train`."""

    def __init__(self, kind: str, seeds: int, bessel: bool = True):
        if kind not in KINDS:
            raise ValueError(f"there is no kind {kind!r}; there are {', '.join(KINDS)}")
        g = torch.Generator().manual_seed(0)
        self.kind, self.bessel, self.noise = kind, bessel, torch.Generator().manual_seed(1)
        self.ghost = int(kind) if kind.isdigit() else None
        self.weights = [
            (torch.randn(seeds, a, b, generator=g) * (2 / a) ** 0.5 * (0.1 if b == 3 else 1)
             ).requires_grad_() for a, b in zip(SIZES, SIZES[1:], strict=False)]
        self.biases = [torch.zeros(seeds, 1, n, requires_grad=True) for n in SIZES[1:]]
        self.gains = [torch.ones(seeds, 1, n, requires_grad=True) for n in SIZES[1:-1]]
        self.mean = [torch.zeros(seeds, 1, n) for n in SIZES[1:-1]]
        self.var = [torch.ones(seeds, 1, n) for n in SIZES[1:-1]]

    def parameters(self):
        normal = self.ghost or self.kind == "layer"
        return self.weights + self.biases + (self.gains if normal else [])

    def normal(self, h, layer, training):
        """Batch normalisation over the ghosts of (S, B, n), or layer normalisation, or nothing."""
        if self.kind == "layer":
            return F.layer_norm(h, h.shape[-1:]) * self.gains[layer]
        if self.ghost is None:
            return h
        if not training:
            return (h - self.mean[layer]) / (self.var[layer] + EPS).sqrt() * self.gains[layer]
        parts = h.unflatten(1, (-1, self.ghost))                    # (S, ghosts, k, n)
        mean = parts.mean(2, keepdim=True)
        var = parts.var(2, keepdim=True, unbiased=False)
        with torch.no_grad():                                       # their mean over the ghosts
            k = self.ghost
            kept = var * k / (k - 1) if self.bessel else var
            self.mean[layer] += MOMENTUM * (mean.mean(1) - self.mean[layer])
            self.var[layer] += MOMENTUM * (kept.mean(1) - self.var[layer])
        return ((parts - mean) / (var + EPS).sqrt()).flatten(1, 2) * self.gains[layer]

    def __call__(self, x, training=False):
        """(S, B, 20) -> (S, B, 3)."""
        h = x
        for layer in range(2):
            h = self.normal(h @ self.weights[layer], layer, training)
            h = torch.relu(h + self.biases[layer])
            if self.kind == "dropout" and training:
                h = h * (torch.rand(h.shape, generator=self.noise) > 0.3) / 0.7
        return h @ self.weights[2] + self.biases[2]


def _loss(scores, y):
    """Mean cross-entropy of each seed: (S, B, 3), (S, B) -> (S,)."""
    return F.cross_entropy(scores.transpose(1, 2), y, reduction="none").mean(1)


def cooled(scores, y):
    """The loss after dividing all scores of a seed by the number that is best for it: (S,).

    The number is chosen on one half of the examples, and the loss is that of the other half. It
    changes how sure the answers are, and no answer.
    """
    half = scores.shape[1] // 2
    heat = torch.logspace(-0.5, 1.5, 81)
    tried = torch.stack([_loss(scores[:, :half] / t, y[:, :half]) for t in heat])   # (81, S)
    best = heat[tried.argmin(0)][:, None, None]
    return _loss(scores[:, half:] / best, y[:, half:])


def train(kind: str, seeds: int, steps: int = 600, every: int = 50, *,
          bessel: bool = True) -> Found:
    """Train one network a seed with this kind of normalisation; see `KINDS`.

    kind: "none"; a number, batch normalisation with ghosts of that size; "layer", layer
    normalisation; "dropout", none, and dropout of 30 %. bessel: the running variance is the
    unbiased one, as in PyTorch; else the biased one, which training divides by.
    """
    x, y, new_x, new_y = (torch.stack(part) for part in zip(*map(task, range(seeds)), strict=True))
    net, g = Net(kind, seeds, bessel), torch.Generator().manual_seed(2)
    looks, params = [], net.parameters()
    for step in range(1, steps + 1):
        rows = torch.randperm(x.shape[1], generator=g)[:BATCH]
        loss = _loss(net(x[:, rows], training=True), y[:, rows]).sum()
        with torch.no_grad():
            for p, grad in zip(params, torch.autograd.grad(loss, params), strict=True):
                p -= LR * grad
            if step % every == 0:
                scores = net(new_x)
                looks.append((_loss(net(x), y), _loss(scores, new_y),
                              (scores.argmax(2) == new_y).float().mean(1)))
    curves = [torch.stack(part) for part in zip(*looks, strict=True)]
    return Found(list(range(every, steps + 1, every)), *curves, cooled(scores, new_y))
