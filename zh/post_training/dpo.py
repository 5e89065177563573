"""Direct preference optimisation: comparisons straight into the policy (Rafailov et al. 2023).

    dpo_loss(log_p(policy, winners).sum(1), log_p(policy, losers).sum(1),
             log_p(reference, winners).sum(1), log_p(reference, losers).sum(1), beta=0.1)
    policy = prefer_directly(reference, winners, losers, steps=60, beta=0.1, generator=g)

The policy that makes the most of a reward less beta times its KL from the reference is
softmax(log reference + reward / beta). Solved for the reward, up to a constant of the request:
beta * log(policy / reference). That in the place of the reward in the loss of Bradley and Terry is
this loss: no reward model, nothing drawn from the policy.

Left out: labels that may be wrong (a smoothed loss), the many variants.
"""
from __future__ import annotations

import copy

import torch
import torch.nn.functional as F

from zh.gpt import GPT
from zh.post_training.requests import log_p


def dpo_loss(winner: torch.Tensor, loser: torch.Tensor,
             ref_winner: torch.Tensor, ref_loser: torch.Tensor,
             beta: float) -> torch.Tensor:
    """Mean over pairs, from log-probabilities of whole answers, (N,) each."""
    r_winner = beta * (winner - ref_winner)      # implied by the policy
    r_loser = beta * (loser - ref_loser)
    return -F.logsigmoid(r_winner - r_loser).mean()


def prefer_directly(reference: GPT, winners: torch.Tensor, losers: torch.Tensor, *, steps: int,
                    beta: float, generator: torch.Generator, lr: float = 1e-3,
                    batch: int = 32) -> GPT:
    """A copy of the reference, trained on pairs of answers (N, T) to one request each."""
    if winners.shape != losers.shape:
        raise ValueError(f"winners {tuple(winners.shape)} and losers {tuple(losers.shape)}: one "
                         "loser for each winner.")
    if not beta > 0:
        raise ValueError(f"beta is {beta}; it must be above 0: it divides the reward.")
    policy = copy.deepcopy(reference)
    optimizer = torch.optim.Adam(policy.parameters(), lr=lr, betas=(0.9, 0.95), fused=True)
    with torch.no_grad():                                              # (N,), once
        before = [log_p(reference, ids).sum(1) for ids in (winners, losers)]
    for _ in range(steps):
        rows = torch.randint(len(winners), (batch,), generator=generator)
        both = torch.cat([winners[rows], losers[rows]])
        winner, loser = log_p(policy, both).sum(1).chunk(2)            # (batch,) each
        loss = dpo_loss(winner, loser, before[0][rows], before[1][rows], beta)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return policy
