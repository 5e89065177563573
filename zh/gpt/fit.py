"""What training a GPT needs beside `zh.training.train`: its optimizer, its batches, its loss.

    history = training.train(model, draw_blocks(ids, block=64, batch=16), 1000, generator=g,
                             optimizer=optimizer(model, 3e-3), lr=training.cosine(3e-3, 1000))
    evaluate(model, ids_held_back, block=64)

Weight decay apart from the gradient: Loshchilov and Hutter 2019.
"""
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from zh.training import evaluating


def optimizer(model: nn.Module, lr: float, *, decay: float = 0.1,
              betas: tuple[float, float] = (0.9, 0.99),
              clip: float | None = None) -> torch.optim.AdamW:
    """AdamW that shrinks matrices only: no biases, no gains (Loshchilov and Hutter 2019).

    clip: the gradient of a step, all parameters in one row, is made no longer than this.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [{"params": [p for p in parameters if p.ndim >= 2], "weight_decay": decay},
              {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0}]
    adamw = torch.optim.AdamW(groups, lr=lr, betas=betas, fused=True)

    def shorten(*_) -> None:
        torch.nn.utils.clip_grad_norm_(parameters, clip)

    if clip is not None:
        adamw.register_step_pre_hook(shorten)                 # it runs before each step
    return adamw


def draw_blocks(ids: torch.Tensor, block: int, batch: int):
    """A function for `training.train`: generator -> (x, y), both (batch, block).

    Pieces of `block` tokens from random places of `ids` (N,), and the tokens that follow each.
    """
    if ids.ndim != 1 or len(ids) <= block:
        raise ValueError(f"the text has {ids.numel()} tokens; pieces of {block} with the token "
                         f"that follows need {block + 1} at least. Take a longer text or a "
                         "smaller block.")
    steps = torch.arange(block)

    def draw_one(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        start = torch.randint(len(ids) - block, (batch, 1), generator=generator)
        return ids[start + steps], ids[start + steps + 1]             # (batch, block)

    return draw_one


def evaluate(model: nn.Module, ids: torch.Tensor, block: int, batch: int = 64,
             at_most: int | None = None) -> float:
    """Mean loss, in nats a token, over all of `ids` (N,) in pieces of `block`, without overlap.

    at_most: take so many pieces at most, spread evenly over the text.
    """
    pieces = (len(ids) - 1) // block
    if pieces < 1:
        raise ValueError(f"the text has {len(ids)} tokens; one piece needs {block + 1}.")
    x = ids[:pieces * block].view(pieces, block)
    y = ids[1:pieces * block + 1].view(pieces, block)
    if at_most is not None and at_most < pieces:
        some = torch.arange(at_most) * pieces // at_most
        x, y = x[some], y[some]
    total, device = 0.0, next(model.parameters()).device
    with evaluating(model):
        for a, b in zip(x.split(batch), y.split(batch), strict=True):
            logits = model(a.to(device)).flatten(0, 1).double()
            total += F.cross_entropy(logits, b.flatten().to(device), reduction="sum").item()
    return total / y.numel()
