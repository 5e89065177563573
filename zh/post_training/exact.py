"""A toy in which nothing has to be estimated: two tokens, answers of two tokens, four answers.

    toy = Toy(torch.tensor([0.3, -0.2, 0.5, 0.1, -0.4, 0.2]))
    toy.log_p()                                     # (4,): of aa, ab, ba, bb
    best = tilted(toy.log_p(), reward, beta=0.5)    # the best policy, in closed form

It is autoregressive, as a GPT is: one pair of scores for the first token, one pair for the second
after each first. Every expectation is a sum of four terms, so that an estimate from draws, a loss,
an optimum can be compared with what it should be.
"""
from __future__ import annotations

import torch
from torch import nn

ANSWERS = ("aa", "ab", "ba", "bb")


class Toy(nn.Module):
    """A policy over four answers: scores (6,), two for the first token, then two after each."""

    def __init__(self, scores: torch.Tensor):
        super().__init__()
        if scores.shape != (6,):
            raise ValueError(f"the toy has 6 scores, not {tuple(scores.shape)}.")
        self.scores = nn.Parameter(scores.clone().double())

    def log_p(self) -> torch.Tensor:
        """Log-probability of each answer: (4,)."""
        first = self.scores[:2].log_softmax(0)                    # (2,)
        second = self.scores[2:].view(2, 2).log_softmax(1)        # (first, second)
        return (first[:, None] + second).flatten()

    def gradient(self, value: torch.Tensor) -> torch.Tensor:
        """The gradient of a number by the scores: (6,)."""
        return torch.autograd.grad(value, self.scores, retain_graph=True)[0]


def kl(log_p: torch.Tensor, log_q: torch.Tensor) -> torch.Tensor:
    """KL(p || q) in nats, over the last axis."""
    return (log_p.exp() * (log_p - log_q)).sum(-1)


def objective(log_p: torch.Tensor, reference: torch.Tensor, reward: torch.Tensor,
              beta: float) -> torch.Tensor:
    """Expected reward less beta times the KL from the reference."""
    return (log_p.exp() * reward).sum(-1) - beta * kl(log_p, reference)


def tilted(reference: torch.Tensor, reward: torch.Tensor,
           beta: float) -> torch.Tensor:
    """The policy that makes the most of `objective`: its log-probabilities."""
    if not beta > 0:
        raise ValueError(f"beta is {beta}; without a penalty the best policy "
                         "is one answer.")
    return (reference + reward / beta).log_softmax(-1)
