"""What the cases of the clinic share: names, two small networks, one loop.

    train, dev = names()                       # lists of names, nothing in both
    model = mlp(seeded(1))                     # three letters -> scores of the next
    losses, recorder = fit(model, batches(X, Y), 300, lr=0.3, generator=seeded(2))

Everything is small enough for a case to be run twice in a second: some thousand parameters, some
hundred steps. Names are the same on every machine, whatever Python carries them.
"""
from __future__ import annotations

import functools
import math
from collections.abc import Callable

import torch
import torch.nn.functional as F

from zh import data
from zh.diagnostics import Recorder
from zh.gpt import GPT, GPTConfig
from zh.layers import Activate, BatchNorm1d, Embedding, Flatten, Layer, Linear, Sequential

BLOCK, DIM, HIDDEN, BATCH = 3, 8, 48, 32
TEXT_BLOCK = 16                                # places that the small GPT reads


def seeded(seed: int) -> torch.Generator:
    """Random numbers of their own."""
    return torch.Generator().manual_seed(seed)


@functools.cache
def names() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names to learn from and names to ask about: 2,000 and 500, none in both."""
    train, dev, _ = data.split(data.names("bundled"))
    return tuple(train[:2000]), tuple(dev[:500])


@functools.cache
def windows(part: str = "train", block: int = BLOCK) -> tuple[torch.Tensor, torch.Tensor]:
    """Contexts (N, block) and the letters that follow (N,), of a part of the names."""
    return data.windows(list(names()[part == "dev"]), block)


@functools.cache
def stream(part: str = "train") -> torch.Tensor:
    """The names of a part in one row of ids, the mark between them: (N,)."""
    return torch.tensor(data.encode("." + ".".join(names()[part == "dev"]) + "."))


def letter_entropy() -> float:
    """The loss of whoever knows how frequent each letter is, and nothing else."""
    _, Y = windows()
    p = torch.bincount(Y, minlength=27).double() / len(Y)
    p = p[p > 0]
    return float(-(p * p.log()).sum())


class Own(Layer):
    """A function as a layer."""

    def __init__(self, function: Callable):
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


def mlp(generator: torch.Generator, *, depth: int = 1, act: str = "tanh", norm: bool = False,
        block: int = BLOCK, hidden: int = HIDDEN, vocab: int = 27,
        weights: Callable | None = None) -> Sequential:
    """Embedding, hidden layers, scores. weights(fan_in, fan_out, generator) -> a matrix."""
    layers: list[Layer] = [Embedding(vocab, DIM, generator=generator), Flatten()]
    fan_in, gain = block * DIM, 5 / 3 if act == "tanh" else 2 ** 0.5
    for _ in range(depth):
        layers.append(Linear(fan_in, hidden, bias=not norm, gain=gain, generator=generator))
        layers += [BatchNorm1d(hidden)] if norm else []
        layers.append(Activate(act))
        fan_in = hidden
    layers.append(Linear(hidden, vocab, gain=0.3, generator=generator))
    if weights is not None:
        for layer in layers:
            if isinstance(layer, Linear):
                layer.weight = weights(*layer.weight.shape, generator).requires_grad_()
    return Sequential(*layers)


def gpt(generator: torch.Generator, layers: int = 1, **settings) -> GPT:
    """A GPT that reads 16 letters of the row of names; 8,000 parameters a layer."""
    config = GPTConfig(**dict(vocab=27, block=TEXT_BLOCK, layers=layers, heads=2, dim=24,
                              inner=48, std=0.15) | settings)
    return GPT(config, generator=generator)


def batches(X: torch.Tensor, Y: torch.Tensor, size: int = BATCH) -> Callable:
    """A function that draws a minibatch: generator -> (x, y)."""
    return lambda g: data.batch(X, Y, size, g)


def places(ids: torch.Tensor, size: int, generator: torch.Generator) -> torch.Tensor:
    """Where `size` pieces of the row begin and go on: (size, TEXT_BLOCK)."""
    start = torch.randint(len(ids) - TEXT_BLOCK - 1, (size, 1), generator=generator)
    return start + torch.arange(TEXT_BLOCK)


def cross_entropy(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The mean over all places, whether there are (B, vocab) or (B, T, vocab) scores."""
    return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), y.reshape(-1))


def take_step(model, optimizer, x, y, loss=cross_entropy):
    """One step as it should be."""
    value = loss(model(x), y)
    optimizer.zero_grad()
    value.backward()
    optimizer.step()
    return value


def fit(model, draw: Callable, steps: int, *, generator: torch.Generator, lr: float = 0.3,
        optimizer=None, step: Callable = take_step, after: Callable | None = None,
        every: int = 20) -> tuple[list[float], Recorder]:
    """Train while a Recorder watches; stops when the loss is no number any more.

    step(model, optimizer, x, y) -> loss. after(number of the step): called behind each.
    optimizer: None for plain gradient descent.
    """
    optimizer = optimizer or torch.optim.SGD(list(model.parameters()), lr)
    losses = []
    with Recorder(model, every=every) as recorder:
        for number in range(steps):
            x, y = draw(generator)
            loss = step(model, optimizer, x, y)
            recorder.step(loss)
            losses.append(loss.item())
            if after is not None:
                after(number)
            if not math.isfinite(losses[-1]):
                break
    return losses, recorder


def inside(recorder: Recorder, layer: str, weight: str) -> dict[str, float]:
    """What a look at a hidden layer shows at the end: the share of its units that differ between
    examples, how large its weights are, and how far a step moves them.
    """
    last = recorder.records[-1]
    told = last.layers[layer].out
    size = last.parameters[weight]
    return {"hidden units that move with the example": told.varying / len(told.same),
            "size of the hidden weights": size.rms,
            "a step over it": size.update_to_data or 0.0}


def adam(model, lr: float = 0.01) -> torch.optim.Optimizer:
    """AdamW without decay, for the GPT."""
    return torch.optim.AdamW(list(model.parameters()), lr=lr, betas=(0.9, 0.99), weight_decay=0.0,
                             fused=True)


def write(model: GPT, begin: str, count: int = 40, seed: int = 3) -> str:
    """What the GPT writes behind a beginning."""
    ids = torch.tensor([data.encode(begin)])
    out = model.generate(ids, count, seeded(seed), cache=False)
    return data.decode(out[0])
