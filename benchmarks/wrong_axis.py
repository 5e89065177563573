"""What batch statistics over the wrong axis cost a WaveNet: three runs a seed.

    python benchmarks/wrong_axis.py [right] [wrong] [few] [again]

The runs of a seed have the same start and the same minibatches. "right" normalises (B, T, C) over
B and T, as `BatchNorm1d` does. "wrong" normalises over B alone, so that each place has statistics
of its own, from fewer values. "few" is the control: the B * T rows are shuffled and cut into T
groups of B, and each group is normalised by its own statistics: as few values as in "wrong", and
every row in the statistics that it is divided by, but no group is a place.

The recipe is the lecture's; nothing in it was chosen on the development set. Recorded as
zh/recorded/wrong_axis.json after each kind, which keeps its own date and commit; a kind that is
there is kept, unless `again` is given. About ten minutes on one core.
"""
from __future__ import annotations

import time

import torch

from zh import data, recorded, training
from zh.layers import BatchNorm1d
from zh.wavenet import WaveNet

KINDS, SEEDS, STEPS = ("right", "wrong", "few"), range(1, 6), 20_000


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
    """As few values as the bug has, but drawn from all places: T shuffled groups of B rows.

    The dice are the layer's own, so that the minibatches stay those of the other kinds.
    """

    def __init__(self, dim: int, dice: torch.Generator):
        super().__init__(dim)
        self.dice = dice

    def forward(self, x):
        if not self.training or x.ndim == 2:
            return super().forward(x)
        rows, n = x.reshape(-1, x.shape[-1]), len(x)
        order = torch.randperm(len(rows), generator=self.dice)
        groups = rows[order].view(-1, n, x.shape[-1])                 # (T, B, C)
        mean, var = groups.mean(1, keepdim=True), groups.var(1, keepdim=True, unbiased=False)
        with torch.no_grad():
            self.running_mean += self.momentum * (mean.mean((0, 1)) - self.running_mean)
            unbiased = var.mean((0, 1)) * n / (n - 1)
            self.running_var += self.momentum * (unbiased - self.running_var)
        normal = ((groups - mean) / torch.sqrt(var + self.eps)).view(rows.shape)
        return self.gain * normal[order.argsort()].view(x.shape) + self.bias


def wavenet(kind: str, seed: int) -> tuple[WaveNet, torch.Generator]:
    """A WaveNet of the chapter's size with this kind of normalisation, and its generator."""
    generator = torch.Generator().manual_seed(seed)
    model = WaveNet(8, 10, 68, generator=generator)
    for i, layer in enumerate(model.layers):
        if isinstance(layer, BatchNorm1d):
            model.layers[i] = {
                "right": BatchNorm1d, "wrong": PositionNorm,
                "few": lambda dim, i=i: FewNorm(
                    dim, torch.Generator().manual_seed(1000 * seed + i))}[kind](len(layer.gain))
    return model, generator


def main() -> None:
    torch.set_num_threads(1)
    wanted, again = recorded.asked("kind", KINDS)
    train, dev, _ = data.split(data.names())
    (X, Y), (Xd, Yd) = data.windows(train, 8), data.windows(dev, 8)
    for kind in wanted:
        result = recorded.load("wrong_axis", {"dev": {}, "made": {}})
        if kind in result["dev"] and not again:
            continue
        losses, start = [], time.perf_counter()
        for seed in SEEDS:
            model, generator = wavenet(kind, seed)
            training.train(model, lambda g: data.batch(X, Y, 32, g), STEPS, generator=generator,
                           lr=training.step_down(0.1, at={3 * STEPS // 4: 0.1}), progress=False)
            losses.append(training.evaluate(model, Xd, Yd))
            print(kind, seed, round(losses[-1], 4), flush=True)
        made = {**result["made"], kind: recorded.made(time.perf_counter() - start)}
        found = {**result["dev"], kind: losses}
        recorded.save("wrong_axis", {
            **recorded.provenance("benchmarks/wrong_axis.py",
                                  sum(one["seconds"] for one in made.values())),
            "command": "python benchmarks/wrong_axis.py", "seeds": list(SEEDS), "steps": STEPS,
            "dev": {name: found[name] for name in KINDS if name in found}, "made": made})


if __name__ == "__main__":
    main()
