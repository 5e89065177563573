"""A reward model: from which of two answers a rater prefers to a number for each answer.

    first, second = write(...), write(...)               # two answers to each request, (N, T) each
    better = prefer(taste(first), taste(second), generator)     # (N,) True where the first won
    model = fit(policy, first, second, better, generator=g)     # the same GPT, one number on top
    model(first)                                                # (N,)

The rater of Bradley and Terry (1952) prefers the first with probability sigmoid(r(first) -
r(second)). Fitting r is logistic regression on the difference; r itself is known up to a constant.
From the finetuned model and comparisons: Ziegler et al. 2019, Stiennon et al. 2020.

Left out: more than two answers at once, ties, raters who differ.
"""
from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import nn

from zh import training
from zh.gpt import GPT, optimizer
from zh.post_training.requests import GIVEN, counts


def prefer(first: torch.Tensor, second: torch.Tensor,
           generator: torch.Generator) -> torch.Tensor:
    """Whether a rater with these rewards prefers the first: (N,), drawn."""
    p = torch.sigmoid(first - second)                      # (N,)
    return torch.rand(p.shape, generator=generator) < p


def bradley_terry_loss(first: torch.Tensor, second: torch.Tensor,
                       better: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of "the first is better" (N,), from rewards (N,) each."""
    won = torch.where(better, first - second, second - first)
    return -F.logsigmoid(won).mean()


class RewardModel(nn.Module):
    """A copy of a GPT that gives a number in place of the next token: ids (B, T) -> (B,).

    The number is read where the answer ends: at the last token that counts.
    """

    def __init__(self, model: GPT):
        super().__init__()
        self.body = copy.deepcopy(model)
        self.score = nn.Linear(model.config.dim, 1)
        nn.init.zeros_(self.score.weight)
        nn.init.zeros_(self.score.bias)
        self.body.head = nn.Identity()                     # the stream, not scores of tokens

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        stream = self.body(ids[:, :-1])                    # (B, T - 1, dim)
        last = counts(ids).sum(1) + GIVEN - 2              # where the last letter is read
        chosen = stream[torch.arange(len(ids)), last]      # (B, dim)
        return self.score(chosen)[:, 0]


def fit(body: GPT, first: torch.Tensor, second: torch.Tensor, better: torch.Tensor, *,
        generator: torch.Generator, steps: int = 75, lr: float = 3e-3, batch: int = 32,
        callbacks=()) -> RewardModel:
    """A reward model that starts as a copy of `body`, from answers (N, T) each, better (N,)."""
    model = RewardModel(body)

    def draw(g):
        rows = torch.randint(len(better), (batch,), generator=g)
        return rows, rows

    def loss(model, rows, _):
        both = model(torch.cat([first[rows], second[rows]]))           # (2 * batch,)
        return bradley_terry_loss(*both.chunk(2), better[rows])

    training.train(model, draw, steps, generator=generator, loss=loss, callbacks=callbacks,
                   optimizer=optimizer(model, lr), progress=False,
                   lr=training.cosine(lr, steps, warmup=min(10, steps - 1)))
    return model.eval()


def accuracy(first: torch.Tensor, second: torch.Tensor, better: torch.Tensor) -> float:
    """Share of the comparisons in which the higher reward (N,) won."""
    return ((first > second) == better).float().mean().item()
