"""Requests of another kind that a program can check: "3+5>" asks for a sum, "8." answers it.

    ids = rows([(3, 5), (9, 4)])           # (2, T): "3+5>8.", "9+4>13.", marks behind the end
    asked([(3, 5)])                        # (1, 4): the requests alone, for `write` and `improve`
    adds_up(ids)                           # (B,): whether each answer is the sum, 1 or 0
    share_right(model, [(3, 5), (9, 4)])   # how often it will be, without drawing any

The tokens and all else are those of `requests`: finetuning and policy gradient do not know which
kind of request they are given.

Left out: numbers of more than a digit.
"""
from __future__ import annotations

from collections.abc import Sequence

import torch

from zh.gpt import GPT
from zh.post_training.requests import CHARACTERS, answers, lines, log_p

WIDTH = 7                        # "9+9>18." with its end
PAIRS = [(a, b) for a in range(10) for b in range(10)]


def split(sizes: Sequence[int], generator: torch.Generator) -> list[list[tuple[int, int]]]:
    """All 100 pairs in parts: so many of the 55 sums each, 3 + 5 and 5 + 3 in the same part."""
    sums = [pair for pair in PAIRS if pair[0] <= pair[1]]
    if sum(sizes) != len(sums):
        raise ValueError(f"the parts have {sum(sizes)} sums together; there are {len(sums)}.")
    mixed = [sums[i] for i in torch.randperm(len(sums), generator=generator).tolist()]
    parts, start = [], 0
    for size in sizes:
        chosen = mixed[start:start + size]
        parts.append([*chosen, *((b, a) for a, b in chosen if a != b)])
        start += size
    return parts


def rows(pairs: Sequence[tuple[int, int]]) -> torch.Tensor:
    """Requests with their right answers: ids (B, WIDTH)."""
    return lines([f"{a}+{b}>{a + b}" for a, b in pairs], WIDTH)


def asked(pairs: Sequence[tuple[int, int]]) -> torch.Tensor:
    """The requests alone: ids (B, 4)."""
    return lines([f"{a}+{b}>" for a, b in pairs], 4)


def adds_up(ids: torch.Tensor) -> torch.Tensor:
    """Whether each answer is the sum that was asked for: (B,) of 0 and 1."""
    first, second = ([int(CHARACTERS[i]) for i in ids[:, place].tolist()] for place in (0, 2))
    sums = [str(a + b) for a, b in zip(first, second, strict=True)]
    return torch.tensor([float(said == wanted)
                         for said, wanted in zip(answers(ids), sums, strict=True)])


@torch.no_grad()
def share_right(model: GPT, pairs: Sequence[tuple[int, int]]) -> float:
    """The mean probability of the right answer: what `adds_up` would give of endless draws."""
    return log_p(model, rows(pairs)).sum(1).exp().mean().item()
