"""Finetuning with another learning rate for the early layers: where it helps, and where it harms.

    nets = Nets(seeds=4, generator=g)
    nets.pretrain(steps=400)
    nets.finetune("head", [0, 0.1, 1, 3, 10])     # accuracy (multipliers, seeds)

Networks of three layers learn to tell four classes that depend on six directions of the input. Then
a hundred examples of another task come. "head": the same directions, other classes; what the first
layers found is still right, and the last layer starts anew. "input": the same classes, the input
turned; what the last layers found is still right. The first two layers (head) or the first (input)
learn at `multiplier` times the rate.

All nets train side by side: the first axis of every parameter is the net. Adam, Kingma and Ba 2015.
"""
from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F

INPUTS, FEATURES, CLASSES, WIDTH = 20, 6, 4, 48
KINDS = ("head", "input")


class Nets:
    """As many networks and tasks as there are seeds; parameters (seeds, fan_in, fan_out)."""

    def __init__(self, seeds: int, generator: torch.Generator):
        g = self.generator = generator
        self.features = torch.randn(seeds, INPUTS, FEATURES, generator=g) / INPUTS ** 0.5
        self.classes = torch.randn(seeds, FEATURES, CLASSES, generator=g)
        self.others = torch.randn(seeds, FEATURES, CLASSES, generator=g)
        self.turned = torch.linalg.qr(torch.randn(seeds, INPUTS, INPUTS, generator=g))[0]
        self.weights = []
        for fan_in, fan_out in ((INPUTS, WIDTH), (WIDTH, WIDTH), (WIDTH, CLASSES)):
            self.weights += fresh(seeds, fan_in, fan_out, g)

    def examples(self, kind: str | None, n: int) -> tuple[torch.Tensor, torch.Tensor]:
        """x (seeds, n, INPUTS), y (seeds, n) of the first task (None) or of a later one."""
        x = torch.randn(len(self.features), n, INPUTS, generator=self.generator)
        found = torch.tanh(1.5 * (x @ self.features))              # (seeds, n, FEATURES)
        y = (found @ (self.others if kind == "head" else self.classes)).argmax(2)
        return (x @ self.turned if kind == "input" else x), y

    def pretrain(self, steps: int = 300, lr: float = 5e-3) -> None:
        """The first task, new examples at every step."""
        adam(self.weights, lambda: self.examples(None, 128), steps, [lr] * 6)

    def finetune(self, kind: str, multipliers: Sequence[float], *, examples: int = 100,
                 steps: int = 150, lr: float = 2e-3, tests: int = 500) -> torch.Tensor:
        """Share of new examples told rightly after finetuning: (multipliers, seeds)."""
        if kind not in KINDS:
            raise ValueError(f"kind is {kind!r}; there are {', '.join(KINDS)}.")
        seeds, m = len(self.features), len(multipliers)
        train, test = self.examples(kind, examples), self.examples(kind, tests)
        weights = [w.detach().repeat(m, 1, 1) for w in self.weights]
        if kind == "head":
            weights[4:] = [w.repeat(m, 1, 1) for w in fresh(seeds, WIDTH, CLASSES, self.generator)]
        early = lr * torch.tensor(multipliers, dtype=torch.float32).repeat_interleave(seeds)
        early = early[:, None, None]
        middle = early if kind == "head" else lr
        repeated = [part.repeat(m, *[1] * (part.ndim - 1)) for part in train]
        adam(weights, lambda: repeated, steps, [early, early, middle, middle, lr, lr])
        x, y = (part.repeat(m, *[1] * (part.ndim - 1)) for part in test)
        with torch.no_grad():
            right = scores(weights, x).argmax(2) == y
        return right.float().mean(1).view(m, seeds)


def fresh(seeds: int, fan_in: int, fan_out: int, g: torch.Generator) -> list[torch.Tensor]:
    """A layer at its start: weights uniform to 1 / sqrt(fan_in), biases zero."""
    weight = torch.rand(seeds, fan_in, fan_out, generator=g) * 2 - 1
    return [weight / fan_in ** 0.5, torch.zeros(seeds, 1, fan_out)]


def scores(weights: list[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """x (nets, n, INPUTS) -> (nets, n, CLASSES): two layers of tanh and one without."""
    for i in (0, 2):
        x = torch.tanh(torch.baddbmm(weights[i + 1], x, weights[i]))
    return torch.baddbmm(weights[5], x, weights[4])


def adam(weights: list[torch.Tensor], draw, steps: int, rates: list, betas=(0.9, 0.999)) -> None:
    """Adam on all nets at once; a rate is a number or one for each net (nets, 1, 1)."""
    for w in weights:
        w.requires_grad_()
    mean, square = ([torch.zeros_like(w) for w in weights] for _ in range(2))
    for step in range(1, steps + 1):
        x, y = draw()
        losses = F.cross_entropy(scores(weights, x).flatten(0, 1), y.flatten(), reduction="sum")
        gradients = torch.autograd.grad(losses / y.shape[1], weights)
        with torch.no_grad():
            for w, g, m, v, rate in zip(weights, gradients, mean, square, rates, strict=True):
                m.lerp_(g, 1 - betas[0])
                v.mul_(betas[1]).addcmul_(g, g, value=1 - betas[1])
                size = (v / (1 - betas[1] ** step)).sqrt_().add_(1e-8)
                w -= m * (rate / (1 - betas[0] ** step)) / size
    for w in weights:
        w.requires_grad_(False)


def layer_gradients(gain: float, depth: int = 5, width: int = 100, batch: int = 256,
                    seed: int = 0) -> tuple[list[float], list[float]]:
    """Spread of the gradient by each layer's output, and by each layer's weights, first to last.

    A deep tanh network at its start, weights N(0, gain^2 / width).
    """
    g = torch.Generator().manual_seed(seed)
    weights = [(torch.randn(width, width, generator=g) * gain / width ** 0.5).requires_grad_()
               for _ in range(depth)]
    last = torch.randn(width, 28, generator=g) * 0.1 / width ** 0.5
    x, y = torch.randn(batch, width, generator=g), torch.randint(28, (batch,), generator=g)
    outs = []
    for w in weights:
        x = torch.tanh(x @ w)
        x.retain_grad()
        outs.append(x)
    F.cross_entropy(x @ last, y).backward()
    return [h.grad.std().item() for h in outs], [w.grad.std().item() for w in weights]
