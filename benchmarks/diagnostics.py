"""What a Recorder costs: a training step without one, with one every tenth step, and every step.

    python benchmarks/diagnostics.py

Prints microseconds of processor time a step, on one thread (the fastest of several rounds, in which
the variants take turns), and the extra cost in percent.
"""
from __future__ import annotations

import time
from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import nn

from zh import battery
from zh.diagnostics import Recorder
from zh.layers import BatchNorm1d, Embedding, Flatten, Linear, Sequential, Tanh

ROUNDS, STEPS = 12, 50


def lecture(g: torch.Generator) -> Sequential:
    """The six-layer network of lecture 4 with batchnorm, in zh's layers: 47,000 parameters."""
    layers, fan_in = [Embedding(27, 10, generator=g), Flatten()], 30
    for _ in range(5):
        layers += [Linear(fan_in, 100, bias=False, gain=5 / 3, generator=g), BatchNorm1d(100),
                   Tanh()]
        fan_in = 100
    return Sequential(*layers, Linear(100, 27, gain=0.1, generator=g), BatchNorm1d(27))


def cases() -> dict:
    """{name: (model, x, y)}."""
    g = torch.Generator().manual_seed(0)
    torch.manual_seed(0)

    def ints(high, *shape):
        return torch.randint(high, shape, generator=g)

    wide = [nn.Linear(256, 512), nn.ReLU()]
    for _ in range(4):
        wide += [nn.Linear(512, 512), nn.ReLU()]
    return {
        "lecture 4, zh's layers, batch 32": (lecture(g), ints(27, 32, 3), ints(27, 32)),
        "MLP 6 x 512, batch 64": (nn.Sequential(*wide, nn.Linear(512, 10)),
                                  torch.randn(64, 256, generator=g), ints(10, 64)),
        "transformer, 2 blocks of 64": (battery.Transformer(64, 2, 27, 16), ints(27, 32, 16),
                                        ints(27, 32)),
        "convolutions, 16 channels": (battery.convnet(16), torch.randn(32, 1, 8, 8, generator=g),
                                      ints(4, 32)),
    }


def seconds(model, x, y, every: int | None) -> float:
    """Processor seconds a step of plain SGD, over STEPS steps."""
    parameters = list(model.parameters())
    watched = nullcontext() if every is None else Recorder(model, every=every)
    with watched as recorder:
        start = time.process_time()
        for _ in range(STEPS):
            loss = F.cross_entropy(model(x), y)
            for p in parameters:
                p.grad = None
            loss.backward()
            with torch.no_grad():
                for p in parameters:
                    p -= 0.01 * p.grad
            value = loss.item()                       # most loops look at it anyway
            if recorder is not None:
                recorder.step(value)
        return (time.process_time() - start) / STEPS


def main() -> None:
    torch.set_num_threads(1)
    print(f"{'':34} {'alone':>8} {'every 10th':>11} {'':>6} {'every step':>11}")
    for name, case in cases().items():
        took = {every: [] for every in (None, 10, 1)}
        for every in took:
            seconds(*case, every)                     # warm
        for _ in range(ROUNDS):
            for every, all_ in took.items():
                all_.append(seconds(*case, every))
        alone, tenth, each = (1e6 * min(all_) for all_ in took.values())
        print(f"{name:34} {alone:8.0f} {tenth:11.0f} {100 * (tenth / alone - 1):+5.0f} % "
              f"{each:11.0f}")


if __name__ == "__main__":
    main()
