"""Small ReLU networks, many side by side, and which of their units die.

A unit is dead where no example gives it a pre-activation above 0: it puts out 0 for all of them,
its gradient is exactly 0, and descent leaves it as it is.

    on_moons([Setting(lr=3.0), Setting(lr=3.0, norm="batch")])    # two hidden layers, two moons
    kicked(kick=[4.0] * 8, gap=[0.25] * 8)                        # one layer, a ring with a gap
    born_dead(width=2, depth=10, nets=400, generator=g)           # no training at all

Runs are one batch: the first axis of every parameter is the run.  Each run has the arithmetic of a
network of its own (the tests hold it to one), and the same draws as the others of its seed.

Sources: dying units, Maas et al. 2013; born dead networks, Lu et al. 2020; recycling, Sokar et
al. 2023.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from zh import data

TAU = 2 * math.pi


def dead(z: Tensor) -> Tensor:
    """Units that no example activates: pre-activations (..., examples, units) -> (..., units)."""
    return ~(z > 0).any(-2)


# ---------------------------------------------------------------------------
# Two hidden layers on two moons


@dataclass(frozen=True)
class Setting:
    """How one network is trained, and on what.

    Args:
        lr: the step size of plain descent.
        offset: added to both coordinates of every example.
        norm: "none", "batch" or "layer": what stands between a product and its bias.
        leak: the slope of the activation below 0.
        clip: the longest gradient (all parameters together) that a step may take.
    """

    lr: float = 0.1
    offset: float = 0.0
    norm: str = "none"
    leak: float = 0.0
    clip: float = math.inf

    def __post_init__(self):
        if self.norm not in ("none", "batch", "layer"):
            raise ValueError(f"norm is {self.norm!r}; there are 'none', 'batch' and 'layer'")


@dataclass
class Deaths:
    """What happened, for S settings and K seeds; a layer axis has the two hidden layers.

    dead (S, K, 2): units dead at the end.  killed, revived (S, K, 2): how many went and came
    back, from one look to the next.  history (looks, S, K, 2): dead at each look, the first
    before the first step.  right (S, K):
    share of the examples on the right side.  diverged (S, K): the loss or its gradient was no
    number; such a run is left as it was before that step.  x (S, K, N, 2), y (K, N): the
    examples.  weight (S, K, 2, units), bias (S, K, units): the first layer at the end.
    """

    dead: Tensor
    killed: Tensor
    revived: Tensor
    history: Tensor
    right: Tensor
    diverged: Tensor
    x: Tensor
    y: Tensor
    weight: Tensor
    bias: Tensor


def moons(n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """n examples (n, 2) around the origin and their classes (n,), 0 or 1."""
    x, y = data.moons(n, 0.1, generator)
    return (x - x.mean(0)).float(), y


def on_moons(settings: Sequence[Setting], *, seeds: int = 2, steps: int = 400, units: int = 64,
             examples: int = 200, size: int = 32, every: int = 5) -> Deaths:
    """Train 2 - units - units - 2 once for each setting and seed; look for the dead as they go.

    Weights are normal with variance 2 / fan_in, biases 0; minibatches of `size`; a look at all
    examples after every `every` steps.
    """
    settings = list(settings)
    if not settings:
        raise ValueError("no settings: give at least one, as [Setting(lr=0.1)]")
    starts = [_start(seed, units, examples, size, steps) for seed in range(seeds)]
    parts: dict[int, tuple] = {}
    for norm in dict.fromkeys(s.norm for s in settings):      # one batch for each normalisation
        places = [i for i, s in enumerate(settings) if s.norm == norm]
        found = _moons([settings[i] for i in places], norm, starts, every)
        parts.update(zip(places, zip(*found, strict=True), strict=True))
    columns = [torch.stack(column) for column in zip(*(parts[i] for i in range(len(settings))),
                                                     strict=True)]
    final, killed, revived, history, right, diverged, x, weight, bias = columns
    return Deaths(final, killed, revived, history.movedim(2, 0), right, diverged, x,
                  torch.stack([start[1] for start in starts]), weight, bias)


def _start(seed: int, units: int, examples: int, size: int, steps: int):
    """Examples, weights and minibatches of one seed: the same for every setting."""
    g = torch.Generator().manual_seed(seed)
    x, y = moons(examples, g)
    shapes = (2, units), (units, units), (units, 2)
    weights = [torch.randn(shape, generator=g) * math.sqrt(2 / shape[0]) for shape in shapes]
    return x, y, weights, torch.randint(examples, (steps, size), generator=g)


def _normed(z: Tensor, norm: str) -> Tensor:
    """z (R, N, units) with mean 0 and variance 1 for each unit or for each example."""
    if norm == "none":
        return z
    axis = 1 if norm == "batch" else 2
    var = z.var(axis, unbiased=False, keepdim=True)
    return (z - z.mean(axis, keepdim=True)) / (var + 1e-5).sqrt()


def _forward(P: Sequence[Tensor], x: Tensor, norm: str, leak: Tensor):
    """Scores (R, N, 2), and the pre-activations of the hidden layers, (R, N, units) each."""
    W1, W2, W3, b1, b2, b3 = P
    zs, h = [], x
    for W, b in ((W1, b1), (W2, b2)):
        z = _normed(h @ W, norm) + b
        h = torch.where(z > 0, z, leak * z)
        zs.append(z)
    return h @ W3 + b3, zs


def _moons(settings, norm, starts, every):
    S, K = len(settings), len(starts)
    R = S * K
    column = lambda key: torch.tensor(                        # noqa: E731
        [getattr(s, key) for s in settings for _ in range(K)])[:, None, None]
    lr, leak, clip = column("lr"), column("leak"), column("clip")
    tile = lambda each: torch.stack([each(start) for start in starts] * S)  # noqa: E731
    x, y = tile(lambda s: s[0]) + column("offset"), tile(lambda s: s[1])
    W = [tile(lambda s, i=i: s[2][i]) for i in range(3)]
    P = [*W, *(torch.zeros(R, 1, w.shape[2], dtype=w.dtype) for w in W)]
    P = [p.requires_grad_() for p in P]
    batches = torch.stack([start[3] for start in starts] * S, 1)            # (steps, R, size)

    @torch.no_grad()
    def look():
        return torch.stack([dead(z) for z in _forward(P, x, norm, leak)[1]], 1)   # (R, 2, units)

    before = look()
    counts = [before.sum(-1)]
    killed, revived = torch.zeros(R, 2), torch.zeros(R, 2)
    sound = torch.ones(R, 1, 1, dtype=torch.bool)
    for step, rows in enumerate(batches, 1):
        xb = x.gather(1, rows[..., None].expand(-1, -1, 2))
        scores, _ = _forward(P, xb, norm, leak)
        loss = F.cross_entropy(scores.transpose(1, 2), y.gather(1, rows), reduction="none").mean(1)
        grads = torch.autograd.grad(loss.sum(), P)
        length = sum((g * g).sum((1, 2), keepdim=True) for g in grads).sqrt()
        sound &= length.isfinite() & loss[:, None, None].isfinite()
        scale = lr * (clip / (length + 1e-9)).clamp(max=1)
        with torch.no_grad():
            for p, g in zip(P, grads, strict=True):
                p -= torch.where(sound, scale * g, 0.0)
        if step % every == 0 or step == len(batches):
            now = look()
            killed += (now & ~before).sum(-1)
            revived += (before & ~now).sum(-1)
            counts.append(now.sum(-1))
            before = now
    with torch.no_grad():
        right = (_forward(P, x, norm, leak)[0].argmax(2) == y).float().mean(1)
    fold = lambda t: t.detach().view(S, K, *t.shape[1:])      # noqa: E731
    history = torch.stack(counts, 1)                          # (R, looks, 2)
    return (fold(before.sum(-1)), fold(killed), fold(revived), fold(history), fold(right),
            fold(~sound[:, 0, 0]), fold(x), fold(P[0]), fold(P[3][:, 0]))


# ---------------------------------------------------------------------------
# One hidden layer on a ring with a gap


@dataclass
class Kicked:
    """S networks that were thrown about and then trained, and what they were trained on.

    params: weight (S, 2, units), bias (S, 1, units), out (S, units, 2), out_bias (S, 1, 2).
    dead, born (S, units): dead now; dead already before the first step.  x, y: the examples,
    (S, n, 2) and (S, n).  hidden_x, hidden_y: the sector that was kept from them.  gap (S,): how
    much of the ring that is.
    """

    params: list[Tensor]
    dead: Tensor
    born: Tensor
    x: Tensor
    y: Tensor
    hidden_x: Tensor
    hidden_y: Tensor
    gap: Tensor


def ring(low: Tensor, high: Tensor, n: int, generator: torch.Generator, *, radius: float = 1.0,
         spread: float = 0.15) -> tuple[Tensor, Tensor]:
    """Points (S, n, 2) between the angles low and high (S,), in turns, and their classes (S, n).

    The class changes every eighth of a turn.
    """
    S = len(low)
    turn = low[:, None] + (high - low)[:, None] * torch.rand(S, n, generator=generator)
    r = radius * (1 + spread * torch.randn(S, n, generator=generator))
    x = torch.stack([r * (TAU * turn).cos(), r * (TAU * turn).sin()], -1)
    return x, (turn * 8).floor().long() % 2


def pre(params: Sequence[Tensor], x: Tensor) -> Tensor:
    """Pre-activations (S, n, units) of the hidden layer."""
    return torch.baddbmm(params[1], x, params[0])


def loss_of(params: Sequence[Tensor], x: Tensor, y: Tensor) -> Tensor:
    """Mean cross-entropy of each network on its examples, (S,)."""
    scores = torch.baddbmm(params[3], pre(params, x).relu(), params[2])
    return F.cross_entropy(scores.transpose(1, 2), y, reduction="none").mean(1)


def gradients(params: Sequence[Tensor], x: Tensor, y: Tensor) -> list[Tensor]:
    """Gradients of the sum of `loss_of`, by hand: an autograd graph would cost three times this."""
    W, b, V, c = params
    z = torch.baddbmm(b, x, W)                                # (S, n, units)
    h = z.relu()
    d = torch.softmax(torch.baddbmm(c, h, V), 2)              # (S, n, 2)
    d = (d - F.one_hot(y, 2)) / y.shape[1]
    dz = (d @ V.transpose(1, 2)) * (z > 0)
    return [x.transpose(1, 2) @ dz, dz.sum(1, keepdim=True), h.transpose(1, 2) @ d,
            d.sum(1, keepdim=True)]


def descend(params: Sequence[Tensor], x: Tensor, y: Tensor, lr: float | Tensor, steps: int,
            generator: torch.Generator, *, size: int = 32, frozen: Tensor | None = None,
            each=None) -> list[Tensor]:
    """Plain descent on minibatches, every network at once; the result is new.

    lr: a number, or (S, 1, 1).  frozen (S, units): units whose parameters, in and out, stay.
    each(step, params): called after every step; may change the parameters in place.
    """
    params = [p.clone() for p in params]
    move = [1.0] * 4
    if frozen is not None:
        free = (~frozen)[:, None].float()                     # (S, 1, units)
        move = [free, free, free.transpose(1, 2), 1.0]
    for step in range(1, steps + 1):
        rows = torch.randint(y.shape[1], (len(y), size), generator=generator)
        xb = x.gather(1, rows[..., None].expand(-1, -1, 2))
        for p, g, m in zip(params, gradients(params, xb, y.gather(1, rows)), move, strict=True):
            p -= lr * m * g
        if each is not None:
            each(step, params)
    return params


def fresh(S: int, units: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Incoming weights (S, 2, units) and biases (S, 1, units) of units that know nothing."""
    return (torch.randn(S, 2, units, generator=generator),
            0.5 * torch.randn(S, 1, units, generator=generator))


def kicked(kick: Sequence[float], gap: Sequence[float], *, units: int = 200, kicks: int = 12,
           steps: int = 3000, lr: float = 0.3, n: int = 800,
           generator: torch.Generator) -> Kicked:
    """Networks that take `kicks` steps of size kick[s], and then sane ones.

    gap[s]: the part of the ring (of a whole turn) that network s never sees, at its end.
    """
    gap, kick = torch.tensor(gap), torch.tensor(kick)
    if len(gap) != len(kick):
        raise ValueError(f"{len(kick)} kicks and {len(gap)} gaps: give one of each a network")
    S = len(gap)
    x, y = ring(torch.zeros(S), 1 - gap, n, generator)
    hidden = ring(1 - gap, torch.ones(S), n, generator)
    params = [*fresh(S, units, generator),
              math.sqrt(2 / units) * torch.randn(S, units, 2, generator=generator),
              torch.zeros(S, 1, 2)]
    born = dead(pre(params, x))
    params = descend(params, x, y, kick[:, None, None], kicks, generator)
    params = descend(params, x, y, lr, steps, generator)
    return Kicked(params, dead(pre(params, x)), born, x, y, *hidden, gap)


def fires(params: Sequence[Tensor], units: Tensor, x: Tensor) -> Tensor:
    """How many of these units (S, units) fire at a point, the mean over x (S, n, 2), as a share.

    (S,): 1 if all of them fire everywhere, 0 where none is chosen.
    """
    fired = ((pre(params, x) > 0) & units[:, None]).float().mean(1).sum(1)
    return fired / units.sum(1).clamp(min=1)


def recycle(params: Sequence[Tensor], units: Tensor, generator: torch.Generator, *,
            keep_direction: bool = False) -> list[Tensor]:
    """These units (S, units) start anew: incoming weights drawn again, outgoing ones 0.

    keep_direction: the incoming weights keep their direction, at the length of a fresh unit, and
    only the bias is drawn again.  With outgoing weights of 0 the network computes what it did
    without these units (Sokar et al. 2023).
    """
    W, b, V, c = params
    w, bias = fresh(len(W), W.shape[2], generator)
    if keep_direction:
        w = 1.25 * W / W.norm(dim=1, keepdim=True)            # 1.25: mean length of two normals
    mask = units[:, None]
    return [torch.where(mask, w, W), torch.where(mask, bias, b),
            torch.where(mask.transpose(1, 2), 0.0, V), c]


# ---------------------------------------------------------------------------
# No training at all


def stack(width: int, depth: int, nets: int, x: Tensor, generator: torch.Generator) -> Tensor:
    """Outputs (nets, N, width) of random ReLU layers, He's weights and no biases, for x (N, width).
    """
    h = x.expand(nets, *x.shape)
    for _ in range(depth):
        W = torch.randn(nets, width, width, generator=generator) * math.sqrt(2 / width)
        h = (h @ W).relu()
    return h


def born_dead(width: int, depth: int, nets: int, generator: torch.Generator,
              points: int = 20) -> float:
    """Share of random networks that put out 0 for each of `points` normal examples."""
    x = torch.randn(points, width, generator=generator)
    return float((stack(width, depth, nets, x, generator) == 0).all((1, 2)).float().mean())
