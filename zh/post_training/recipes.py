"""The models of the chapter on post-training: one trained on names, and one taught to answer.

    base = pretrain(names, generator)          # continues names
    tuned = finetune(base, names, generator)   # answers requests

Small enough to be trained while a page is built: two layers of 32 numbers a place.
"""
from __future__ import annotations

import copy
from collections.abc import Sequence

import torch

from zh import data, training
from zh.gpt import GPT, GPTConfig, draw_blocks, optimizer
from zh.post_training.requests import BLOCK, VOCAB, counts, log_p

SIZES = dict(vocab=VOCAB, block=BLOCK, layers=2, heads=4, dim=32, inner=64, std=0.1)


def pretrain(names: Sequence[str], generator: torch.Generator, steps: int = 200) -> GPT:
    """A GPT of names: it reads them one after the other, a mark between two."""
    ids = torch.tensor(data.encode("." + ".".join(names) + "."))
    model = GPT(GPTConfig(**SIZES), generator=generator)
    training.train(model, draw_blocks(ids, BLOCK, 64), steps, generator=generator,
                   optimizer=optimizer(model, 1e-2), progress=False,
                   lr=training.cosine(1e-2, steps, warmup=min(30, steps - 1)))
    return model.eval()


def masked_loss(model: GPT, ids: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy over the letters of the answers, and their end."""
    return -log_p(model, ids).sum() / counts(ids).sum()


def finetune(base: GPT, ids: torch.Tensor, generator: torch.Generator, steps: int = 250,
             lr: float = 1e-2, loss=masked_loss) -> GPT:
    """A copy of a GPT, trained on requests with their answers, ids (N, T) of `rows`."""
    model = copy.deepcopy(base)

    def draw(g):
        chosen = ids[torch.randint(len(ids), (64,), generator=g)]
        return chosen, chosen

    training.train(model, draw, steps, generator=generator, optimizer=optimizer(model, lr),
                   progress=False, lr=training.cosine(lr, steps, warmup=min(20, steps - 1)),
                   loss=lambda model, x, _: loss(model, x))
    return model.eval()
