"""The exercises of the chapter on post-training. References: `zh.post_training`, closed forms."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from zh.exercises import Exercise
from zh.exercises._inputs import normal
from zh.post_training.flattery import posterior
from zh.post_training.requests import counts, rows

# ---------------------------------------------------------------- the mask


def _targets(ids):
    return ids[:, 1:].masked_fill(~counts(ids), -1)


def _targets_filled(ids):
    """The slip: the filling counts."""
    out = ids[:, 1:].clone()
    out[:, 0] = -1
    return out


def _targets_endless(ids):
    """The slip: the mark that ends the answer does not count either."""
    out = _targets(ids)
    return out.masked_fill(out == 0, -1)


def _targets_asked(ids):
    """The slip: the sign of the request counts."""
    out = _targets(ids)
    out[:, 0] = ids[:, 1]
    return out


def _targets_late(ids):
    """The slip: the first letter of the answer is hidden too."""
    out = _targets(ids)
    out[:, 1] = -1
    return out


def _targets_unshifted(ids):
    """The slip: each place asks for itself."""
    return ids[:, :-1].masked_fill(~counts(ids), -1)


# ---------------------------------------------------------------- the baseline of the others


def _others(rewards):
    found = torch.empty_like(rewards)
    for i, row in enumerate(rewards):
        for j in range(len(row)):
            rest = torch.cat([row[:j], row[j + 1:]])
            found[i, j] = row[j] - rest.mean()
    return found


def _others_and_own(rewards):
    return rewards - rewards.mean(1, keepdim=True)


def _others_of_all(rewards):
    n = rewards.numel()
    return rewards - (rewards.sum() - rewards) / (n - 1)


def _others_wrong_axis(rewards):
    return _others(rewards.T).T if len(rewards) > 1 else rewards


def _others_divided(rewards):
    """The slip: the sum of the others over all of them."""
    n = rewards.shape[1]
    return rewards - (rewards.sum(1, keepdim=True) - rewards) / n


# ---------------------------------------------------------------- DPO


def _dpo(policy_w, policy_l, ref_w, ref_l, beta, sign=1.0, use_ref=1.0):
    apart = (policy_w - policy_l) - use_ref * (ref_w - ref_l)
    return -F.logsigmoid(sign * beta * apart).mean()


def _dpo_backwards(*given):
    return _dpo(*given, sign=-1.0)


def _dpo_without_reference(*given):
    return _dpo(*given, use_ref=0.0)


def _dpo_reference_added(*given):
    return _dpo(*given, use_ref=-1.0)


def _dpo_without_beta(policy_w, policy_l, ref_w, ref_l, beta):
    return _dpo(policy_w, policy_l, ref_w, ref_l, 1.0)


def _dpo_divided(policy_w, policy_l, ref_w, ref_l, beta):
    return _dpo(policy_w, policy_l, ref_w, ref_l, 1 / beta)


def _dpo_summed(policy_w, policy_l, ref_w, ref_l, beta):
    return len(policy_w) * _dpo(policy_w, policy_l, ref_w, ref_l, beta)


def _dpo_inputs():
    for seed, (n, beta) in enumerate([(5, 0.1), (3, 0.5), (8, 2.0)]):
        yield (*(2 * normal(n, seed=10 * seed + i) for i in range(4)), beta)


EXERCISES = [
    Exercise(
        "how-many-for-three-nats",
        "Three nats by drawing",
        minutes=5,
        kind="number",
        answer=lambda: max(n for n in range(1, 200) if math.log(n) - (n - 1) / n <= 3),
        mistakes=[
            (20, "That is where log n reaches 3. Something comes off the logarithm: the winner is "
                 "one of the n, and may be any of them."),
            (54, "The bound of 54 is just above 3: (n - 1) / n is a little less than 1."),
            (15, "In nats the logarithm is the natural one."),
            (8, "In nats the logarithm is the natural one, and something comes off it."),
        ],
        because="Every further nat costs nearly three times as many answers, for each request "
                "anew. That is why one trains a policy to go far.",
    ),
    Exercise(
        "preferred-how-often",
        "Points into probabilities",
        minutes=3,
        kind="number",
        answer=lambda: 1 / (1 + math.exp(-1.5)),
        tolerance=2e-3,
        mistakes=[
            (lambda: 1 / (1 + math.exp(1.5)), "That is the probability of the second."),
            (lambda: 1.7 / 1.9, "That is the share of the points. Rewards of this model may be "
                                "negative; the difference goes through a sigmoid."),
            (lambda: 1 / (1 + math.exp(-1.7)), "The other answer's points count too: the "
                                               "difference."),
            (lambda: math.exp(1.5), "Those are the odds. A probability is asked."),
        ],
        because="Only the difference counts: 101.7 and 100.2 would give the same.",
    ),
    Exercise(
        "small-beta",
        "No penalty left",
        minutes=2,
        kind="choice",
        choices=["The reference", "All on the answer with the largest reward",
                 "Even over all answers", "Proportional to the reward"],
        answer="All on the answer with the largest reward",
        why={
            "The reference": "That is the other end: a penalty without bound.",
            "Even over all answers": "The reward, divided by beta, becomes ever more important, "
                                     "not less.",
            "Proportional to the reward": "The reward stands in an exponent, and is divided by "
                                          "something ever smaller.",
        },
        because="Which answer that is depends on the reward alone, so that the reward had better "
                "be right there.",
    ),
    Exercise(
        "which-targets-count",
        "Which targets count?",
        minutes=15,
        kind="function",
        answer=_targets,
        inputs=lambda: [(rows(["martin", "ada"]),), (rows(["bo"]),),
                        (rows(["abcdefghijk", "z", "lou"], "qzo"),)],
        mistakes=[
            (_targets_filled, "The filling behind the end counts: the first mark is a target, the "
                              "marks behind it are none."),
            (_targets_endless, "The mark that ends an answer is missing: how is the model to learn "
                               "to stop?"),
            (_targets_asked, "The sign > is part of the request: it is given."),
            (_targets_late, "The first letter of the answer has no target. It is asked where the > "
                            "is read."),
            (_targets_unshifted, "The target of a place is the token that follows it."),
        ],
        because="As many targets as the answer has letters, and one more.",
    ),
    Exercise(
        "leave-one-out",
        "The others as baseline",
        minutes=10,
        kind="function",
        answer=_others,
        inputs=lambda: [(normal(3, 4, seed=1),), (normal(1, 2, seed=2),), (normal(5, 8, seed=3),)],
        mistakes=[
            (_others_and_own, "That takes the mean of all of the group off, its own reward "
                              "included."),
            (_others_of_all, "The others are those of the same request, not of the whole batch."),
            (_others_wrong_axis, "Rows are requests, and the answers to one request stand side by "
                                 "side."),
            (_others_divided, "The others are one fewer than the group."),
        ],
        because="A baseline in which the answer has no part leaves the mean of the gradient alone.",
    ),
    Exercise(
        "dpo-from-log-p",
        "The loss of DPO",
        minutes=10,
        kind="function",
        answer=_dpo,
        inputs=lambda: list(_dpo_inputs()),
        tolerance=1e-6,
        mistakes=[
            (_dpo_backwards, "The sign is wrong: this makes the losers likelier."),
            (_dpo_without_reference, "The reference is missing: the implied reward is beta times "
                                     "the logarithm of policy over reference."),
            (_dpo_reference_added, "The reference is added where it is to be taken off."),
            (_dpo_without_beta, "Beta is missing."),
            (_dpo_divided, "Beta multiplies the log-ratio; solving for the reward brought it up."),
            (_dpo_summed, "The mean over the pairs is asked, not the sum."),
        ],
        because="At the start the policy is the reference, and the loss is log 2.",
    ),
    Exercise(
        "worth-of-a-no",
        "The yes-man says no",
        minutes=5,
        kind="number",
        answer=lambda: posterior(0.3, 0.05, 0.10),
        tolerance=4e-3,
        mistakes=[
            (lambda: posterior(0.3, 0.95, 0.90), "That is after a yes."),
            (0.3, "A no is twice as frequent where you are wrong: it does say something."),
            (lambda: 1 - posterior(0.3, 0.05, 0.10), "That is the probability of being wrong."),
            (lambda: posterior(0.5, 0.05, 0.10), "The prior is 0.3, not a half."),
        ],
        because="The rare answer is the one that carries information.",
    ),
]
