"""Gradient accumulation: the gradient of a large minibatch from pieces that fit into memory.

    optimizer.zero_grad()
    loss = accumulate(model, pieces)              # [(x, y), ...]: .grad is that of all of them
    optimizer.step()

The loss of a minibatch is a mean over its targets, so each piece counts by the targets it has.
A target of -1 does not count, as in `zh.gpt.GPT.loss`.

Large minibatches from small ones: Goyal et al. 2017.
"""
from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn


def accumulate(model: nn.Module,
               pieces: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> float:
    """Add the gradient of the mean loss over all pieces to `.grad`; the loss.

    pieces: (x, y) of token ids, (B, T) each; B and T may differ.
    """
    count = sum((y != -1).sum().item() for _, y in pieces)
    if not count:
        raise ValueError("no target counts: all are -1, so there is no loss.")
    total = 0.0
    for x, y in pieces:
        logits = model(x).flatten(0, 1)                    # (B * T, vocab)
        loss = F.cross_entropy(logits, y.flatten(), ignore_index=-1,
                               reduction="sum") / count
        loss.backward()                                    # and .grad grows
        total += loss.item()
    return total
