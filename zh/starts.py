"""Networks that differ in nothing but their start, trained side by side.

    tested, losses = names(starts, lrs, steps=4000, at=(0, 100, 4000))   # letters of names
    losses, kept = signs(W, V, steps=4000, keep_at=(0, 4000))            # is x * y above 0?

Runs are one batch: the first axis of every parameter is the run.  All runs of a call see the same
minibatches, and each has the arithmetic of a network of its own (the tests hold it to one).

Sources: a last bias from frequencies, Karpathy 2019; equal units, Goodfellow et al. 2016, 8.4.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from zh import data, init

UNITS = 16  # of the small network that learns signs


def names(starts: Sequence[tuple[float, Tensor]], lrs: Sequence[float], steps: int,
          at: Sequence[int], train: tuple[Tensor, Tensor], dev: tuple[Tensor, Tensor], *,
          hidden: int = 100, seed: int = 0):
    """The network of names (letters' vectors, a tanh layer, scores) from several starts.

    starts: (what to multiply the last weights by, first scores of the 27 letters), a pair a run;
        the scores are log-probabilities (27,), or (27, 27) where they depend on the last letter.
        All runs have the same kind.  They are parameters: training moves them.
    lrs: the learning rate of each run.  train, dev: contexts (N, block) and letters (N,).
    at: the steps before which the runs are tested on `dev`.

    Returns ({step: (losses (R,), scores (R, n, 27))} on `dev`, losses of the minibatches
    (steps + 1, R)).
    """
    runs = len(starts)
    if runs != len(lrs):
        raise ValueError(f"there are {runs} starts and {len(lrs)} learning rates; give one each")
    if len({bias.shape for _, bias in starts}) != 1:
        raise ValueError("the first scores are (27,) for some starts and (27, 27) for others; "
                         "train the two kinds in two calls")
    g = torch.Generator().manual_seed(seed)
    block = train[0].shape[1]
    table = torch.randn(27, 10, generator=g).repeat(runs, 1)  # (R * 27, 10)
    W1 = init.draw("lecun", block * 10, hidden, generator=g, gain=5 / 3).repeat(runs, 1, 1)
    last = torch.randn(hidden, 27, generator=g)
    W2 = torch.stack([scale * last for scale, _ in starts])
    b1, b2 = torch.zeros(runs, 1, hidden), torch.stack([bias.clone() for _, bias in starts])
    shift = 27 * torch.arange(runs).view(runs, 1, 1)
    rate = torch.tensor(list(lrs))
    p = [t.requires_grad_() for t in (table, W1, b1, W2, b2)]
    rates = [rate.repeat_interleave(27)[:, None],
             *(rate.view([runs] + [1] * (t.dim() - 1)) for t in p[1:])]

    def loss(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        vectors = F.embedding(x + shift, p[0]).flatten(2)  # (R, n, block * 10)
        first = p[4][:, x[:, -1]] if p[4].dim() == 3 else p[4][:, None]
        scores = torch.tanh(vectors @ p[1] + p[2]) @ p[3] + first  # (R, n, 27)
        each = F.cross_entropy(scores.flatten(0, 1), y.repeat(runs), reduction="none")
        return each.view(runs, -1).mean(1), scores

    tested, seen = {}, []
    for step in range(steps + 1):
        if step in at:
            with torch.no_grad():
                tested[step] = loss(*dev)
        losses, _ = loss(*data.batch(*train, 32, g))
        for t, r, grad in zip(p, rates, torch.autograd.grad(losses.sum(), p), strict=True):
            t.data -= r * grad
        seen.append(losses.detach())
    return tested, torch.stack(seen)


def plane(count: int = 200, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Points (count, 2) between -1 and 1, and whether the product of their two numbers is above 0.

    The smallest task that no single tanh unit can do.
    """
    x = torch.rand(count, 2, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return x, (x.prod(1) > 0).float()


def signs(W: Tensor, V: Tensor, steps: int, *, lr: float = 0.5, keep_at: Sequence[int] = (),
          dropout: Sequence[int] = (), norm: Sequence[int] = (), decay: Sequence[int] = (),
          seed: int = 1):
    """Sixteen tanh units on the task of `plane`, by plain descent on all points.

    W (R, 2, 16) and V (R, 16): weights in and out, one start a run.  Biases begin at zero.
    dropout, norm, decay: the runs that have dropout (0.3), batch normalisation of the
        pre-activations (without scale and shift), weight decay (0.001).

    Returns (losses (R, steps + 1), {step: units (R, 4, 16)}): of each unit its two weights in, its
    bias and its weight out, before the steps `keep_at`.
    """
    runs, (x, y) = len(W), plane()
    g = torch.Generator().manual_seed(seed)
    target = y.expand(runs, -1)
    rows = [torch.tensor(list(r), dtype=torch.long) for r in (dropout, norm, decay)]
    dropped, normed, decayed = (r if len(r) else None for r in rows)
    p = [W.clone(), torch.zeros(runs, 1, UNITS), V.clone()[:, :, None], torch.zeros(runs, 1, 1)]
    p = [t.requires_grad_() for t in p]
    losses, kept = [], {}
    for step in range(steps + 1):
        if step in keep_at:
            kept[step] = torch.cat([p[0], p[1], p[2].mT], 1).detach().clone()
        z = x @ p[0] + p[1]  # (R, points, 16)
        if normed is not None:
            n = z[normed] - z[normed].mean(1, keepdim=True)
            z = z.index_copy(0, normed, n / (n.var(1, keepdim=True) + 1e-5).sqrt())
        h = torch.tanh(z)
        if dropped is not None:
            mask = torch.rand(len(dropped), len(x), UNITS, generator=g) > 0.3
            h = h.index_copy(0, dropped, h[dropped] * mask / 0.7)
        out = (h @ p[2] + p[3]).squeeze(2)
        loss = F.binary_cross_entropy_with_logits(out, target, reduction="none").mean(1)
        for t, grad in zip(p, torch.autograd.grad(loss.sum(), p), strict=True):
            if decayed is not None:
                t.data[decayed] *= 1 - lr * 1e-3
            t.data -= lr * grad
        losses.append(loss.detach())
    return torch.stack(losses, 1), kept


def distinct(units: Tensor, apart: float = 1e-3) -> int:
    """How many units, (numbers, units), are further than `apart` from every unit before them."""
    d = torch.cdist(units.T, units.T, compute_mode="donot_use_mm_for_euclid_dist")
    return 1 + sum(bool((d[i, :i] > apart).all()) for i in range(1, units.shape[1]))
