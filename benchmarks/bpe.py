"""Byte pair encoding of one megabyte, 500 merges: `learn`, the textbook loop, and Hugging Face's.

    python benchmarks/bpe.py [merges]

One million bytes: the bundled text, and then the source of Python's standard library, module after
module. Twice: cut into pieces by GPT-4's pattern, and whole, as in the first half of the lecture.
All learn from the same bytes, and the merges must be equal. Hugging Face's trainer (Rust, here
with one thread) is told to cut with the same pattern; whole text is not for it: it keeps a piece
as one list and closes each gap.

The textbook loop is the one that the chapter shows. It counts with `collections.Counter`, which is
faster than a dict filled by hand.

Prints the processor's seconds and the ratios of this run; the times of `learn` and of Hugging Face
are medians of three. A run without arguments is recorded in `zh/recorded/bpe.json`. About
ten minutes on one core, nearly all of it the textbook's.
"""
from __future__ import annotations

import os

os.environ["RAYON_NUM_THREADS"] = "1"               # Hugging Face's trainer, before it starts
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import json  # noqa: E402
import statistics  # noqa: E402
import sys  # noqa: E402
import sysconfig  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402

from zh import data, recorded, tokenizers  # noqa: E402

SIZE = 1_000_000


def megabyte() -> str:
    """A million bytes of English and Python, ASCII only."""
    text = data.text("bundled")
    for file in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")):
        if len(text) >= SIZE:
            break
        text += file.read_text("utf-8", errors="ignore").encode("ascii", "ignore").decode()
    return text[:SIZE]


def timed(run, times=1):
    """The median of the processor's seconds, and what the last run gave."""
    took = []
    for _ in range(times):
        start = time.process_time()
        found = run()
        took.append(time.process_time() - start)
    return statistics.median(took), found


def hugging_face(text: str, merges: int) -> list[tuple[bytes, bytes]]:
    """The merges of Hugging Face's tokenizers, as bytes."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(tokenizers.PATTERNS["gpt4"]), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.train_from_iterator([text], trainers.BpeTrainer(
        vocab_size=256 + merges, min_frequency=2, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    pairs = json.loads(tokenizer.to_str())["model"]["merges"]
    return [tuple(map(tokenizers.bytes_of, pair)) for pair in pairs]


def main() -> None:
    merges = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    began = time.perf_counter()
    text = megabyte()
    print(f"{len(text.encode()):,} bytes, {merges} merges, one thread")
    rows = {}
    for pattern in ("gpt4", None):
        def train(pattern=pattern):
            return tokenizers.BPETokenizer.train(text, 256 + merges, pattern=pattern)

        def textbook(pattern=pattern):
            regex = tokenizers._compile(pattern)
            pieces = [piece.encode() for piece in tokenizers._cut(regex, text)]
            return tokenizers.learn_textbook(pieces, merges)

        train()                                     # the pattern is compiled once
        ours, made = timed(train, 3)
        peer, same = (timed(lambda: hugging_face(text, merges), 3) if pattern
                      else (None, None))
        if same is not None and same != [(made.vocab[a], made.vocab[b]) for a, b in made.merges]:
            sys.exit("Hugging Face has other merges")
        slow, learned = timed(textbook)
        if learned != made.merges:
            sys.exit("the textbook loop has other merges")
        rows[pattern or "whole"] = row = {"zh": ours, "textbook": slow, "ratio": slow / ours}
        print(f"{'cut by ' + pattern if pattern else 'whole':12}  textbook {slow:8.2f} s   "
              f"zh {ours:6.2f} s   ratio {slow / ours:.0f}", flush=True)
        if peer:
            row |= {"hugging_face": peer, "to_hugging_face": ours / peer}
            print(f"{'':12}  Hugging Face {peer:.2f} s, zh takes {ours / peer:.2f} times as long; "
                  "the merges are equal")
    if len(sys.argv) == 1:
        recorded.save("bpe", dict(
            recorded.provenance("benchmarks/bpe.py", time.perf_counter() - began),
            code=recorded.code(tokenizers), bytes=len(text.encode()), merges=merges, rows=rows))


if __name__ == "__main__":
    main()
