"""A character model that fuses its context by twos: a tree of small layers (WaveNet's shape).

    from zh.wavenet import WaveNet
    model = WaveNet(block=8, dim=10, hidden=68, generator=generator)
    logits = model(X)                      # X (B, 8) int64 -> (B, 27)

`zh.mlp.MLP` lays its whole context end to end and multiplies it by one matrix. Here each layer
joins neighbours only, two and two, so 8 letters meet in three layers and every layer is narrow.

The same tree over a whole name at once is a stack of dilated causal convolutions:
`convolution(model)` shares the layers of `model` and gives the logits of every window of a long
row in one pass, each node of the tree computed once.

Left out: gated units, residual and skip connections (van den Oord et al. 2016), which three
layers do not need. The lecture that this follows: Karpathy, makemore part 5 (2022).
"""
from __future__ import annotations

import torch

from zh.layers import BatchNorm1d, Embedding, FlattenConsecutive, Layer, Linear, Sequential, Tanh


class WaveNet(Sequential):
    """Embedding, then `fuse` neighbours joined at each level until one vector is left, then logits.

    block: letters of context, a power of `fuse`. dim: length of a letter's vector. hidden: units
    of every level. X (B, block) int -> logits (B, vocab). Each level is FlattenConsecutive,
    Linear without bias, BatchNorm1d, Tanh; the last Linear starts small, so that the first loss
    is about log(vocab). Raises ValueError for a block that is no power of fuse or a size below 1,
    TypeError without a generator.
    """

    def __init__(self, block: int = 8, dim: int = 10, hidden: int = 68, *,
                 fuse: int = 2, vocab: int = 27, generator: torch.Generator):
        _sizes(dim, hidden, vocab, generator)
        levels = _levels(block, fuse)
        layers: list[Layer] = [Embedding(vocab, dim, generator=generator)]
        for level in range(levels):
            fan_in = fuse * (hidden if level else dim)
            layers += [FlattenConsecutive(fuse),
                       Linear(fan_in, hidden, bias=False,
                              generator=generator),
                       BatchNorm1d(hidden), Tanh()]
        super().__init__(
            *layers, Linear(hidden, vocab, gain=0.1, generator=generator))
        self.block, self.fuse = block, fuse

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.ndim != 2 or x.shape[1] != self.block:
            raise ValueError(
                f"this WaveNet reads contexts of {self.block} letters, shape (batch, "
                f"{self.block}); it got {tuple(x.shape)}. Make them with data.windows(names, "
                f"block={self.block}).")
        return super().forward(x)


class FuseDilated(Layer):
    """Lay `n` entries that stand `dilation` apart end to end, at every place where all `n` are.

    (B, L, C) -> (B, L - (n - 1) * dilation, C * n). `FlattenConsecutive(n)` starts a group at
    every n-th place; this one at every place. A Linear after it is a convolution with kernel n.
    """

    def __init__(self, n: int, dilation: int):
        if n < 1 or dilation < 1:
            raise ValueError(f"n is {n} and dilation {dilation}; both are 1 or more.")
        self.n, self.dilation = n, dilation

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.ndim != 3:
            raise ValueError(
                f"{self!r} got a tensor of shape {tuple(x.shape)}; it takes "
                "(batch, length, features).")
        left = x.shape[1] - (self.n - 1) * self.dilation
        if left < 1:                            # places that have all n
            raise ValueError(
                f"{self!r} got a tensor of shape {tuple(x.shape)}; it needs "
                f"{(self.n - 1) * self.dilation + 1} places or more. "
                "Pad the front.")
        starts = range(0, self.n * self.dilation, self.dilation)
        return torch.cat([x[:, start:start + left] for start in starts], -1)

    def __repr__(self) -> str:
        return f"FuseDilated({self.n}, dilation={self.dilation})"


def convolution(model: WaveNet) -> Sequential:
    """The layers of `model` over a long row at once.

    (B, L) int -> (B, L - block + 1, vocab); row i of the result is `model`
    on letters i to i + block - 1. The layers are shared with `model`, not
    copied. It is for scoring, in eval mode: in training mode the batch
    statistics would run over other entries than the tree's, and would move.
    Raises ValueError for a model in training mode.
    """
    if any(layer.training for layer in model.layers):
        raise ValueError("this model is in training mode, where a row would be "
                         "normalised otherwise than the tree, and would change "
                         "its running statistics. Call model.eval() first.")
    layers: list[Layer] = []
    dilation = 1
    for layer in model.layers:
        if isinstance(layer, FlattenConsecutive):
            layers.append(FuseDilated(layer.n, dilation))
            dilation *= layer.n
        else:
            layers.append(layer)
    return Sequential(*layers).eval()


def _sizes(dim: int, hidden: int, vocab: int, generator: torch.Generator) -> None:
    """Raise for a layer with nothing in it, and for weights drawn from nobody's generator."""
    for name, size in (("dim", dim), ("hidden", hidden), ("vocab", vocab)):
        if size < 1:
            raise ValueError(f"{name} is {size}; it must be 1 or more.")
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"generator is {generator!r}; pass torch.Generator().manual_seed(1), so "
                        "that the same weights come again.")


def _levels(block: int, fuse: int) -> int:
    """How many times `fuse` must be multiplied to make `block`."""
    if fuse < 2:
        raise ValueError(f"fuse is {fuse}; a level joins 2 neighbours or more.")
    levels, reach = 0, 1
    while reach < block:
        levels, reach = levels + 1, reach * fuse
    if reach != block or levels == 0:
        raise ValueError(f"block is {block} and fuse {fuse}; the block must be a power of fuse: "
                         f"{fuse}, {fuse ** 2}, {fuse ** 3} or more.")
    return levels
