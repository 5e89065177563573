"""Run: python -m pytest tests/unit/test_exercises_tokenization.py

The slips that the exercises of the chapter on tokenization are likely to meet.
"""

import pytest

from zh import tokenizers
from zh.exercises import check, get
from zh.exercises import tokenization as chapter

FUNCTIONS = ["merge-a-pair", "encode-by-rank", "text-in-a-stream", "merges-from-tokens"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_known_slip_is_wrong_and_told_apart(name):
    spec = get(name)
    said = [str(check(name, slip)) for slip, _ in spec.mistakes]
    assert [text[2:] for text in said] == [words for _, words in spec.mistakes]
    assert len(set(said)) == len(said) and check(name, spec.answer)


def test_other_ways_are_right_too():
    """The ways of the solutions, and a loop over the merges in their order."""

    def merge(ids, pair, new):
        out = []
        for token in ids:
            if out and (out[-1], token) == pair:
                out[-1] = new
            else:
                out.append(token)
        return out

    def encode(data, merges):
        ids = list(data)
        for i, pair in enumerate(merges):
            ids = merge(ids, pair, 256 + i)
        return ids

    def recover(vocab):
        merges = []
        for token in vocab[256:]:
            merges.append(tuple(encode(token, merges)))
        return merges

    assert check("merge-a-pair", merge)
    assert check("encode-by-rank", encode)
    assert check("merges-from-tokens", recover)


@pytest.mark.parametrize("name, answer, words", [
    ("bytes-of-a-text", 14, "number of characters"),
    ("bytes-of-a-text", 30, "UTF-16"),
    ("which-pair", "o and w", "rule for ties"),
    ("which-pair", "w and e", "no third"),
    ("tokens-by-hand", 5, "number of bytes"),
    ("tokens-by-hand", 3, "One more merge"),
    ("bits-per-byte", 4.62, "bits a token"),
    ("bits-per-byte", 0.78, "nats a byte"),
    ("merge-a-pair", chapter._merge_from_right, "on the left"),
    ("encode-by-rank", chapter._encode_longest, "longest token"),
    ("encode-by-rank", lambda data, merges: list(data), "Right on"),
    ("text-in-a-stream", lambda tokens: b"".join(tokens).decode(), "returns a str"),
    ("text-in-a-stream", chapter._stream_late, "Letters wait"),
])  # fmt: skip
def test_a_slip_is_named(slip, name, answer, words):
    slip(name, answer, words)


def test_the_first_merge_is_what_the_choice_says():
    (pair,) = tokenizers.learn([b"low", b" lower", b" lowest"], 1)
    assert check("which-pair", " and ".join(map(chr, pair)))
