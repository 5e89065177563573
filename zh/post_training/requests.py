"""Requests and answers: "n>" asks for a name that ends in n, and "martin." answers it.

    vocabulary: the letters of zh.data.ALPHABET, whose "." ends an answer, the sign ">", and digits
    ids = rows(["martin", "ada"])            # (2, T): "n>martin.", "a>ada.", marks behind the end
    ids = write(model, asked, generator)     # asked (B,) letters -> (B, T), drawn from the model
    log_p(model, ids)                        # (B, T - 1): of each token of the answers, 0 elsewhere

A row is `[what is asked, >, the answer, the mark, marks ...]`. Only the answer, with its end,
counts: the request is given, and what stands behind the end is filling. `sums` has requests of
another kind.

Left out: conversations of several turns.
"""
from __future__ import annotations

from collections.abc import Sequence

import torch

from zh import data
from zh.attention import Cache
from zh.gpt import GPT

CHARACTERS = data.ALPHABET + ">" + "0123456789+"
VOCAB = len(CHARACTERS)          # 39
SIGN = CHARACTERS.index(">")     # 27, the last token of every request
GIVEN = 2                        # tokens of a request for a name
LONGEST = 12                     # tokens of an answer, its end included
BLOCK = GIVEN + LONGEST - 1      # places that a model must read: the last token is only a target


def encode(text: str) -> list[int]:
    """The ids of a text."""
    return [CHARACTERS.index(c) for c in text]


def lines(texts: Sequence[str], width: int) -> torch.Tensor:
    """Texts as ids (B, width), each followed by marks."""
    found = torch.zeros(len(texts), width, dtype=torch.int64)
    for row, text in enumerate(texts):
        found[row, :len(text)] = torch.tensor(encode(text))
    return found


def rows(names: Sequence[str], asked: Sequence[str] | None = None) -> torch.Tensor:
    """Requests with these names as answers: ids (B, GIVEN + LONGEST).

    asked: the letter of each request; None for the last letter of each name, so that the answer is
    what was asked. Raises ValueError for a name that is empty or too long.
    """
    asked = [name[-1:] for name in names] if asked is None else list(asked)
    if len(asked) != len(names):
        raise ValueError(f"{len(names)} names and {len(asked)} letters: one letter for each name.")
    for name in names:
        if not 0 < len(name) < LONGEST:
            raise ValueError(f"{name!r} has {len(name)} letters; an answer has 1 to {LONGEST - 1}, "
                             "and its end. Leave longer names out.")
    return lines([f"{letter}>{name}" for letter, name in zip(asked, names, strict=True)],
                 GIVEN + LONGEST)


def requests(letters: Sequence[str] | torch.Tensor) -> torch.Tensor:
    """The letters that are asked for, "ann" or their ids (B,), as ids (B, GIVEN)."""
    if not isinstance(letters, torch.Tensor):
        letters = torch.tensor(data.encode("".join(letters)))
    return torch.stack([letters, torch.full_like(letters, SIGN)], 1)


def counts(ids: torch.Tensor) -> torch.Tensor:
    """Which targets ids[:, 1:] belong to an answer: booleans (B, T - 1).

    What stands behind the sign, and the mark that ends it; not the
    request, not what follows the end.
    """
    sign, end = (ids == SIGN).int(), (ids == 0).int()
    behind = sign.cumsum(1) - sign                     # signs before a place
    ended = end.cumsum(1) - end                        # marks before a place
    return ((behind > 0) & (ended == 0))[:, 1:]


def answers(ids: torch.Tensor) -> list[str]:
    """The answers (B,) as text, without their end."""
    texts = ("".join(CHARACTERS[i] for i in row) for row in ids.tolist())
    return [text.partition(">")[2].partition(".")[0] for text in texts]


def obeys(ids: torch.Tensor) -> torch.Tensor:
    """Whether each answer has ended, and ends in the letter that was asked for: (B,) of 0 and 1."""
    ended = (ids[:, GIVEN:] == 0).any(1)
    last = GIVEN + (ids[:, GIVEN:] == 0).int().argmax(1) - 1        # the place of the last letter
    letter = ids.gather(1, last[:, None])[:, 0]
    return (ended & (last >= GIVEN) & (letter == ids[:, 0])).float()


def log_p(model: GPT, ids: torch.Tensor) -> torch.Tensor:
    """Log-probability of each token of the answers, else 0: (B, T - 1)."""
    scores = model(ids[:, :-1]).log_softmax(-1)        # (B, T - 1, V)
    chosen = scores.gather(2, ids[:, 1:, None])[:, :, 0]   # what follows
    return chosen.masked_fill(~counts(ids), 0)


def write(model: GPT, asked: torch.Tensor, generator: torch.Generator,
          temperature: float = 1.0) -> torch.Tensor:
    """Draw an answer to each request: ids (B, given), or letters (B,) -> ids (B, BLOCK + 1).

    An answer that has not ended there is cut. As `GPT.generate`, with fewer checks: finetuning by
    reward calls it at every step.
    """
    ids = requests(asked) if asked.ndim == 1 else asked
    caches = [Cache(BLOCK) for _ in model.blocks]
    fresh, going = ids, torch.ones(len(ids), dtype=torch.bool)
    with torch.inference_mode():
        for _ in range(BLOCK + 1 - ids.shape[1]):
            p = (model(fresh, caches)[:, -1] / temperature).softmax(-1)      # (B, V)
            u = torch.rand(len(ids), 1, generator=generator)
            drawn = (p.cumsum(1) < u).sum(1).clamp(max=VOCAB - 1)            # zh.sampling's way
            drawn = drawn.masked_fill(~going, 0)
            going = going & (drawn != 0)
            fresh = drawn[:, None]
            ids = torch.cat([ids, fresh], 1)
            if not going.any():
                break
    # a tensor of its own: those of inference mode cannot be learned from
    return torch.nn.functional.pad(ids, (0, BLOCK + 1 - ids.shape[1])).clone()
