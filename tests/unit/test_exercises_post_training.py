"""Run: python -m pytest tests/unit/test_exercises_post_training.py

The slips that the exercises of the chapter on post-training are likely to meet.
"""
import pytest
import torch
import torch.nn.functional as F

from zh.exercises import check, get
from zh.post_training import policy

NUMBERS = ["how-many-for-three-nats", "preferred-how-often", "worth-of-a-no"]
FUNCTIONS = ["which-targets-count", "leave-one-out", "dpo-from-log-p"]


@pytest.mark.parametrize("name", NUMBERS)
def test_every_mistake_is_another_number(name):
    spec = get(name)
    values = [spec.right(), *(v() if callable(v) else v for v, _ in spec.mistakes)]
    assert len({round(value, 3) for value in values}) == len(values)


@pytest.mark.parametrize("name", NUMBERS + FUNCTIONS)
def test_every_mistake_gets_its_reply(name):
    spec = get(name)
    for value, words in spec.mistakes:
        answer = value() if spec.kind == "number" and callable(value) else value
        reply = check(name, answer)
        assert not reply.ok and words in reply.text, words


def test_others_are_the_groups_advantage_scaled_up():
    def better(rewards):
        n = rewards.shape[1]
        return policy.advantages(rewards, "group") * n / (n - 1)

    assert check("leave-one-out", better)


def test_dpo_by_binary_cross_entropy():
    def loss(pw, pl, rw, rl, beta):
        x = beta * ((pw - rw) - (pl - rl))
        return F.binary_cross_entropy_with_logits(x, torch.ones_like(x))

    assert check("dpo-from-log-p", loss)
