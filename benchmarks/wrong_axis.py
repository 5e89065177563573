"""What batch statistics over the wrong axis cost a WaveNet: three runs a seed.

    python benchmarks/wrong_axis.py [seeds] [steps]

The runs of a seed have the same start and the same minibatches. The first normalises (B, T, C) over
B and T, as `BatchNorm1d` does; the second over B alone, so that each place has statistics of its
own, from fewer values; the third over B and T again, but from as few values as the second, drawn
at random. Recorded as zh/recorded/wrong_axis.json after each seed. About ten minutes on one core.
"""
from __future__ import annotations

import sys
import time

import torch

from zh import data, recorded, training
from zh.layers import BatchNorm1d
from zh.wavenet import WaveNet


class PositionNorm(BatchNorm1d):
    """The bug: mean and variance over axis 0 alone."""

    def _batch_statistics(self, x):
        mean, var, n = x.mean(0), x.var(0, unbiased=False), len(x)
        with torch.no_grad():                      # (dim,) becomes (T, dim) at the first batch
            self.running_mean = self.running_mean + self.momentum * (mean - self.running_mean)
            unbiased = var * n / (n - 1)
            self.running_var = self.running_var + self.momentum * (unbiased - self.running_var)
        return mean, var


class FewNorm(BatchNorm1d):
    """The right axes, on B of the B * T values, drawn at random."""

    def __init__(self, dim: int):
        super().__init__(dim)
        self.dice = torch.Generator().manual_seed(dim)

    def _batch_statistics(self, x):
        rows = x.reshape(-1, x.shape[-1])
        drawn = torch.randperm(len(rows), generator=self.dice)[:len(x)]
        return super()._batch_statistics(rows[drawn])


def wavenet(norm, seed: int) -> tuple[WaveNet, torch.Generator]:
    """A WaveNet of the chapter's size with this kind of normalisation, and its generator."""
    generator = torch.Generator().manual_seed(seed)
    model = WaveNet(8, 10, 68, generator=generator)
    model.layers = [norm(len(layer.gain)) if isinstance(layer, BatchNorm1d) else layer
                    for layer in model.layers]
    return model, generator


def main(seeds: int = 5, steps: int = 20_000) -> None:
    torch.set_num_threads(1)
    train, dev, _ = data.split(data.names())
    (X, Y), (Xd, Yd) = data.windows(train, 8), data.windows(dev, 8)
    kinds = {"right": BatchNorm1d, "wrong": PositionNorm, "few": FewNorm}
    losses, start = {}, time.perf_counter()
    for seed in range(1, seeds + 1):
        for name, norm in kinds.items():
            model, generator = wavenet(norm, seed)
            training.train(model, lambda g: data.batch(X, Y, 32, g), steps, generator=generator,
                           lr=training.step_down(0.1, at={3 * steps // 4: 0.1}), progress=False)
            losses.setdefault(name, []).append(training.evaluate(model, Xd, Yd))
        print(seed, {name: round(found[-1], 4) for name, found in losses.items()}, flush=True)
        recorded.save("wrong_axis", {
            **recorded.provenance("benchmarks/wrong_axis.py", time.perf_counter() - start),
            "seeds": list(range(1, seed + 1)), "steps": steps, "dev": losses})


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
