"""Policy gradient: raise the probability of answers that did better than expected.

    policy = copy.deepcopy(reference)
    course = improve(policy, reference, reward, steps=60, beta=0.1, generator=g)

A step draws a group of answers to each of a few requests, asks the reward of each, and follows the
gradient of the mean of `advantage * log p(answer)`: an estimate of the gradient of the expected
reward (Williams 1992, REINFORCE). What is subtracted from the reward, the baseline, changes the
estimate's spread and not its mean. `beta` keeps the policy near the reference: each answer pays
beta for every nat by which it became likelier (Ziegler et al. 2019).

Kinds of advantage:  "none", the reward itself;  "mean", less the mean of the batch;  "group", less
the mean of its group;  "scaled", that over the group's spread (Shao et al. 2024, GRPO).

Left out: several updates a batch, with the ratio of new to old probability and its clipping (PPO,
Schulman et al. 2017); a learnt baseline.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from zh import data
from zh.gpt import GPT
from zh.post_training.requests import counts, log_p, write

KINDS = ("none", "mean", "group", "scaled")
LETTERS = torch.tensor(data.encode(data.ALPHABET[1:]))       # one request for each


def advantages(rewards: torch.Tensor, kind: str = "group") -> torch.Tensor:
    """How much better than expected: rewards (requests, answers) -> same."""
    if kind == "none":
        return rewards
    if kind == "mean":
        return rewards - rewards.mean()
    better = rewards - rewards.mean(1, keepdim=True)           # of its group
    if kind == "scaled":
        return better / (rewards.std(1, keepdim=True) + 1e-4)
    if kind != "group":
        raise ValueError(f"kind is {kind!r}; there are {', '.join(KINDS)}.")
    return better


def policy_loss(log_ps: torch.Tensor, advantage: torch.Tensor) -> torch.Tensor:
    """Its gradient estimates that of the expected reward, times -1.

    log_ps (B, T): of each token, with gradient; advantage (B,), without.
    """
    return -(advantage * log_ps.sum(1)).mean()


def kl_estimates(log_ps: torch.Tensor, ref_log_ps: torch.Tensor):
    """k1, k2, k3 of KL(policy || reference), one a draw from the policy."""
    log_ratio = ref_log_ps - log_ps                # log(reference / policy)
    k1 = -log_ratio
    k2 = log_ratio ** 2 / 2
    k3 = log_ratio.exp() - 1 - log_ratio
    return k1, k2, k3


def penalised(reward: torch.Tensor, log_ps: torch.Tensor,
              ref_log_ps: torch.Tensor, beta: float) -> torch.Tensor:
    """The reward (B,) less beta times log(policy / reference) of the answer."""
    return reward - beta * (log_ps - ref_log_ps).sum(1)


@dataclass
class Course:
    """What a run did, one number a step: mean reward, KL from the reference in nats an answer."""

    rewards: list[float] = field(default_factory=list)
    kls: list[float] = field(default_factory=list)
    watched: list[dict] = field(default_factory=list)


def improve(policy: GPT, reference: GPT, reward: Callable, *, steps: int,
            beta: float, generator: torch.Generator, lr: float = 3e-3,
            requests: int = 8, group: int = 8, kind: str = "group",
            asked: torch.Tensor = LETTERS,
            watch: Callable | None = None) -> Course:
    """Move `policy` towards what `reward(ids) -> (B,)` rewards.

    The reference stays as it is. asked: the requests as `write` takes
    them, drawn evenly.
    watch(step, policy, ids): whatever it returns, unless that is None, is
    kept in `Course.watched`. Raises ValueError where beta is below 0 or a
    reward is not finite.
    """
    check(beta)
    optimizer = torch.optim.Adam(policy.parameters(), lr, betas=(0.9, 0.95),
                                 fused=True)
    course = Course()
    for step in range(steps):
        rows = torch.randint(len(asked), (requests,), generator=generator)
        ids = write(policy, asked[rows].repeat_interleave(group, 0),
                    generator)                                 # (B, T)
        with torch.no_grad():
            scores = reward(ids)                               # (B,)
        check(beta, scores, step)
        ids = ids[:, :2 + counts(ids).nonzero()[:, 1].max()]   # what is used
        log_ps = log_p(policy, ids)                            # (B, T - 1)
        with torch.no_grad():
            before = log_p(reference, ids)
        paid = penalised(scores, log_ps.detach(), before, beta)
        better = advantages(paid.view(requests, group), kind)
        loss = policy_loss(log_ps, better.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        course.rewards.append(scores.mean().item())
        course.kls.append((log_ps - before).sum(1).mean().item())
        seen = watch(step, policy, ids) if watch else None
        if seen is not None:
            course.watched.append(seen)
    return course


def check(beta: float, scores: torch.Tensor | None = None, step: int = 0) -> None:
    """Raise ValueError for a beta that is no penalty, or rewards that are no numbers."""
    if beta < 0:
        raise ValueError(f"beta is {beta}; it is 0 or more. A negative one pays for going away.")
    if scores is not None and not scores.isfinite().all():
        raise ValueError(f"step {step}: a reward is {scores[~scores.isfinite()][0]}; it must be a "
                         "finite number for every answer.")


@torch.no_grad()
def measure(policy: GPT, reference: GPT, ids: torch.Tensor) -> dict[str, float]:
    """Of answers (B, T) that the policy drew: KL from the reference and entropy, nats an answer."""
    own, before = log_p(policy, ids), log_p(reference, ids)
    return {"kl": (own - before).sum(1).mean().item(), "entropy": -own.sum(1).mean().item(),
            "length": counts(ids).sum(1).float().mean().item() - 1}
