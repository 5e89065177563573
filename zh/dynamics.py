"""Deep tanh networks, many side by side, with what their layers do while they train.

    course = side_by_side([Setting(lr=0.1), Setting(lr=1.0, gain=0.5)], x, y, [2, 50, 50, 3],
                          steps=500, looks=[0, 100, 499])
    course.losses          # of every step and run
    course.update          # update over data of every matrix, at each look
    course.scores(x)       # what the trained networks say

Runs are one batch: the first axis of every parameter is the run. Each run has the arithmetic of a
network of its own, and what is measured is what `zh.diagnostics.Recorder` measures (the tests hold
it to both). Runs of one seed get the same draws, times their gains, and the same minibatches.

Sources: layer-wise statistics, Glorot and Bengio 2010; a rate for each layer by the ratio of the
sizes of weights and gradient (LARS), You, Gitman and Ginsburg 2017; Adam, Kingma and Ba 2015.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

METHODS, KINDS = ("sgd", "lars", "adam"), ("normal", "uniform")
SATURATED = 0.97  # as in zh.diagnostics
BINS = 20  # of a histogram of activations, from -1 to 1


@dataclass(frozen=True)
class Setting:
    """How one network starts and is trained.

    lr: a number, or a schedule, step -> rate.
    gain: hidden weights have std gain / sqrt(fan_in). last: the same of the last matrix.
    method: "sgd"; "lars": a matrix moves by lr times a tenth of its own length, whatever its
        gradient (biases as in sgd); "adam", with betas 0.9 and 0.99.
    multiplier: the rate of a layer is lr times this to the power of its distance from the top.
    seed: of the weights and of the minibatches. kind: how weights are drawn, "normal" or "uniform",
        of one std.
    """

    lr: float | Callable[[int], float] = 0.1
    gain: float = 5 / 3
    last: float = 0.1
    method: str = "sgd"
    multiplier: float = 1.0
    seed: int = 0
    kind: str = "normal"

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(f"kind is {self.kind!r}; there are {', '.join(KINDS)}")
        if self.method not in METHODS:
            raise ValueError(f"method is {self.method!r}; there are {', '.join(METHODS)}")

    def rate(self, step: int) -> float:
        """The learning rate of the last layer at a step."""
        return self.lr(step) if callable(self.lr) else self.lr


@dataclass
class Course:
    """What R runs did; L hidden layers, K looks.

    losses (steps, R): of the minibatches; NaN from where a run was no number any more.
    looks: the steps at which the following were measured, on the minibatch of that step.
    std, saturated, grad (K, R, L): of the outputs of tanh: their std, the share beyond 0.97 on
    either side, and the std of the gradient of the loss by them. histogram (K, R, L, BINS): counts
    from -1 to 1. update (K, R, L + 1): update over data of each matrix, in the step that follows.
    moved (R, L + 1): how far each matrix is at the end from its start, over its size there.
    tested (K, R): share of the test examples that are told rightly, before the step; NaN without.
    weights, biases: of the end, (R, fan_in, fan_out) and (R, 1, fan_out) each.
    """

    losses: Tensor
    looks: list[int]
    std: Tensor
    saturated: Tensor
    grad: Tensor
    histogram: Tensor
    update: Tensor
    tested: Tensor
    moved: Tensor
    weights: list[Tensor] = field(repr=False)
    biases: list[Tensor] = field(repr=False)

    @torch.no_grad()
    def scores(self, x: Tensor) -> Tensor:
        """What the networks say of x, (N, inputs) or (R, N, inputs): (R, N, classes)."""
        return _forward(self.weights, self.biases, x)[0]

    def right(self, x: Tensor, y: Tensor) -> Tensor:
        """Share of x whose class y, (N,) or (R, N), is told rightly: (R,)."""
        return _right(self.weights, self.biases, x, y)

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Cross-entropy on x and y: (R,)."""
        return _cross_entropy(self.scores(x), y)


def spirals(n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """n points (n, 2) on three arms of a spiral, with noise, and their arms (n,)."""
    t = torch.rand(n, generator=generator) * 3 * math.pi + 0.5
    arm = torch.randint(3, (n,), generator=generator)
    angle = t + arm * 2 * math.pi / 3
    x = torch.stack([t * angle.cos(), t * angle.sin()], 1) / 6
    return x + 0.08 * torch.randn(n, 2, generator=generator), arm


def side_by_side(settings: Sequence[Setting], x: Tensor, y: Tensor, sizes: Sequence[int],
                 steps: int, *, size: int = 64, looks: Sequence[int] = (),
                 test: tuple[Tensor, Tensor] | None = None) -> Course:
    """Train a tanh network for each setting, and look into its layers at some of the steps.

    x (N, inputs); y (N,), or (R, N) where the runs have labels of their own.
    sizes: inputs, width of each hidden layer, classes. size: examples in a minibatch.
    test: examples and classes to be told at each look.
    A run whose loss or step is no number any more stays as it was before that step.
    """
    if not settings:
        raise ValueError("no settings: give at least one, as [Setting(lr=0.1)]")
    R, depth = len(settings), len(sizes) - 2
    y = y.expand(R, -1)                                                     # (R, N)
    weights, biases, batches = _start(settings, sizes, steps, size, len(x))
    begun = [w.clone() for w in weights]
    P = [p.requires_grad_() for p in weights + biases]
    move = _mover(settings, P, depth)
    told, losses, alive = [], [], torch.ones(R, dtype=torch.bool)
    for step in range(steps):
        ix = batches[:, step]                                               # (R, size)
        scores, hidden = _forward(weights, biases, x[ix])
        loss = _cross_entropy(scores, y.gather(1, ix))                      # (R,)
        looked = step in looks
        grads = torch.autograd.grad(loss.sum(), P + (hidden if looked else []))
        if looked:
            before = [w.detach().clone() for w in weights]
            tested = torch.full((R,), math.nan) if test is None else _right(weights, biases, *test)
        alive &= move(step, loss, grads[:len(P)])
        losses.append(torch.where(alive, loss.detach(), math.nan))
        if looked:
            told.append((*_look(hidden, grads[len(P):], before, weights), tested))
    columns = [torch.stack(c) for c in zip(*told, strict=True)] or [torch.zeros(0)] * 6
    return Course(torch.stack(losses), [s for s in range(steps) if s in looks], *columns,
                  _relative(weights, begun),
                  [w.detach() for w in weights], [b.detach() for b in biases])


def _start(settings, sizes, steps, size, n):
    """Weights (R, fan_in, fan_out), biases (R, 1, fan_out), places of the minibatches."""
    drawn = {}
    for seed, kind in dict.fromkeys((s.seed, s.kind) for s in settings):
        g = torch.Generator().manual_seed(seed)
        batches = torch.randint(n, (steps, size), generator=g)
        drawn[seed, kind] = batches, [
            (torch.randn(a, b, generator=g) if kind == "normal" else
             (2 * torch.rand(a, b, generator=g) - 1) * 3 ** 0.5) / a ** 0.5
            for a, b in zip(sizes, sizes[1:], strict=False)]
    last = len(sizes) - 2
    weights = [torch.stack([drawn[s.seed, s.kind][1][i] * (s.gain if i < last else s.last)
                            for s in settings]) for i in range(last + 1)]
    biases = [torch.zeros(len(settings), 1, b) for b in sizes[1:]]
    return weights, biases, torch.stack([drawn[s.seed, s.kind][0] for s in settings])


def _forward(weights, biases, x):
    """Scores (R, N, classes), and the output of each tanh."""
    hidden, h = [], x.expand(len(weights[0]), -1, -1)
    for w, b in zip(weights[:-1], biases[:-1], strict=True):
        h = torch.tanh(torch.baddbmm(b, h, w))
        hidden.append(h)
    return torch.baddbmm(biases[-1], h, weights[-1]), hidden


@torch.no_grad()
def _right(weights, biases, x, y):
    """Share of examples told rightly: (R,)."""
    return (_forward(weights, biases, x)[0].argmax(2) == y).float().mean(1)


def _cross_entropy(scores: Tensor, y: Tensor) -> Tensor:
    """Mean over the examples: (R, N, classes), (R, N) -> (R,)."""
    y = y.expand(len(scores), -1)
    return F.cross_entropy(scores.transpose(1, 2), y, reduction="none").mean(1)


def _mover(settings, P, depth):
    """move(step, loss, grads) -> (R,) of booleans: which runs were moved."""
    kind = {m: torch.tensor([s.method == m for s in settings])[:, None, None] for m in METHODS}
    power = [depth - i for i in range(depth + 1)] * 2                # matrices, then biases
    factor = [torch.tensor([s.multiplier ** k for s in settings])[:, None, None] for k in power]
    m, v = [torch.zeros_like(p) for p in P], [torch.zeros_like(p) for p in P]

    @torch.no_grad()
    def move(step, loss, grads):
        rate = torch.tensor([s.rate(step) for s in settings])[:, None, None]
        fine = loss.detach().isfinite()
        steps = []
        for j, (p, g) in enumerate(zip(P, grads, strict=True)):
            if kind["lars"].any() and j <= depth:
                g = torch.where(kind["lars"], 0.1 * _norm(p) / (_norm(g) + 1e-12) * g, g)
            if kind["adam"].any():
                m[j].lerp_(g, 0.1)
                v[j].lerp_(g * g, 0.01)
                first, second = m[j] / (1 - 0.9 ** (step + 1)), v[j] / (1 - 0.99 ** (step + 1))
                g = torch.where(kind["adam"], first / (second.sqrt() + 1e-8), g)
            steps.append(rate * factor[j] * g)
            fine &= steps[j].isfinite().all(2).all(1)
        for p, change in zip(P, steps, strict=True):
            p -= torch.where(fine[:, None, None], change, 0.0)
        return fine

    return move


def _norm(p: Tensor) -> Tensor:
    return p.square().sum((1, 2), keepdim=True).sqrt()


@torch.no_grad()
def _relative(weights, before):
    """Length of the change of each matrix over its length before: (R, L + 1)."""
    return torch.stack([(_norm(w - b) / _norm(b)).flatten()
                        for w, b in zip(weights, before, strict=True)], 1)


@torch.no_grad()
def _look(hidden, grads, before, weights):
    """std, saturated, gradient, histogram, update over data: (R, L...) each."""
    R, ends = len(weights[0]), torch.linspace(-1, 1, BINS + 1)
    counts = []
    for h in hidden:
        flat = h.detach().reshape(R, -1)
        place = (torch.bucketize(flat, ends, right=True) - 1).clamp(0, BINS - 1)
        counts.append(torch.zeros(R, BINS).scatter_add_(1, place, torch.ones_like(flat)))
    measured = ([h.std((1, 2), correction=0) for h in hidden],
                [(h.abs() > SATURATED).float().mean((1, 2)) for h in hidden],
                [g.std((1, 2), correction=0) for g in grads], counts)
    return (*(torch.stack(values, 1) for values in measured), _relative(weights, before))
