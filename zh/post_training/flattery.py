"""Raters who like to be agreed with, and what best-of-n makes of a reward learnt from them.

A reply has a truth, an agreement with whoever asks, and a style, drawn independently from N(0, 1).
A rater compares two replies by `truth + bias * agreement`. Bradley and Terry's reward is fitted to
the comparisons, and of n replies the one with the highest reward is given. `posterior` is Bayes'
rule: what a "yes" says, from somebody who says yes in any case.

That preference data reward agreement: Sharma et al. 2024.
"""
from __future__ import annotations

import torch

from zh.post_training.reward import prefer


def fitted(bias: float, generator: torch.Generator, pairs: int = 5000) -> torch.Tensor:
    """Weights (3,) on truth, agreement and style, learnt from comparisons by Newton's method."""
    first, second = (torch.randn(pairs, 3, generator=generator, dtype=torch.float64)
                     for _ in range(2))
    weigh = torch.tensor([1.0, bias, 0.0], dtype=torch.float64)
    better = prefer(first @ weigh, second @ weigh, generator)
    sign = torch.where(better, 1.0, -1.0)[:, None]
    apart = sign * (first - second)                               # (pairs, 3)
    found = torch.zeros(3, dtype=torch.float64)
    for _ in range(8):
        p = torch.sigmoid(-(apart @ found))                       # of the comparison as it was not
        slope = (apart * p[:, None]).sum(0)
        curve = (apart * (p * (1 - p))[:, None]).T @ apart
        found = found + torch.linalg.solve(curve, slope)
    return found


def best_reply(weights: torch.Tensor, n: int, generator: torch.Generator,
               times: int = 2000) -> tuple[float, float]:
    """Mean truth and mean agreement of the best of n replies."""
    replies = torch.randn(times, n, 3, generator=generator, dtype=torch.float64)
    best = (replies @ weights).argmax(1)                          # (times,)
    truth, agreement, _ = replies[torch.arange(times), best].mean(0).tolist()
    return truth, agreement


def posterior(prior: float, yes_if_right: float, yes_if_wrong: float) -> float:
    """Probability of being right, after a yes."""
    for name, p in (("prior", prior), ("yes_if_right", yes_if_right),
                    ("yes_if_wrong", yes_if_wrong)):
        if not 0 <= p <= 1:
            raise ValueError(f"{name} is {p}; it is a probability.")
    right, wrong = prior * yes_if_right, (1 - prior) * yes_if_wrong
    if right + wrong == 0:
        raise ValueError("nobody says yes here: there is nothing to conclude from.")
    return right / (right + wrong)


