"""The taste of a rater, as a program: what a reward model is to learn, and what it is judged by.

`taste(ids)` weighs four things: the answer ends as asked (2 points); vowels and consonants take
turns (up to 4); it has about six letters (0.7 less for each letter off); no letter comes back (2
less for each that does). Nobody sees the program in the game: a rater only compares two answers. It
plays the part of people, as the "gold" reward does in Gao, Schulman and Hilton 2023.
"""
from __future__ import annotations

import torch

from zh.post_training.requests import CHARACTERS, GIVEN, VOCAB, counts, obeys

VOWEL = torch.tensor([c in "aeiouy" for c in CHARACTERS])
TURNS, ASKED, OFF, AGAIN = 4.0, 2.0, 0.7, 2.0


def parts(ids: torch.Tensor) -> dict[str, torch.Tensor]:
    """What the taste weighs, (B,) each: asked, turns (a share), off (letters), again (letters)."""
    answer = ids[:, GIVEN:]                                        # (B, LONGEST)
    letter = counts(ids)[:, GIVEN - 1:] & (answer != 0)
    length = letter.sum(1).float()
    vowel = VOWEL[answer]
    turn = ((vowel[:, 1:] != vowel[:, :-1]) & letter[:, 1:]).sum(1)
    kinds = torch.zeros(len(ids), VOCAB).scatter_(1, answer.masked_fill(~letter, 0), 1.0)
    return {"asked": obeys(ids), "turns": turn / (length - 1).clamp(min=1),
            "off": (length - 6).abs(), "again": length - kinds[:, 1:].sum(1)}


def taste(ids: torch.Tensor) -> torch.Tensor:
    """How much the rater likes each answer: (B,)."""
    part = parts(ids)
    return (ASKED * part["asked"] + TURNS * part["turns"]
            - OFF * part["off"] - AGAIN * part["again"])
