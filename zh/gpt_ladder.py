"""The ladder of the lecture on GPT: from a table of pairs to a small transformer, rung by rung.

    from zh import gpt_ladder, recorded
    found = recorded.load("gpt_ladder")["rungs"]              # {corpus: [row]}
    for step in gpt_ladder.steps(found["bundled"]):
        print(step)

`benchmarks/gpt_ladder.py` climbs it and records what came out; the tests climb it again with short
runs. Every rung reads 8 characters, learns from 32 pieces a step, and is judged on the last tenth
of the text, all of it. The recipe (one learning rate, no schedule) and PyTorch's own start of the
weights are the lecture's, so that the losses can stand beside its own.

A rung has a spread over seeds. The seeds of one rung are trained side by side, as one more axis of
every tensor (`torch.func.vmap`): the arithmetic of each is that of a run alone, at a fraction of
the cost. Chance of a second kind, which text happens to be held back, is seen in the losses of
twenty stretches of it.

Left out: a tuned rate for each rung, dropout, other texts than one split by position.
The order of the rungs: Karpathy's lecture (2023), which takes the residual connections, the
projection and the wider feed-forward layer as one step; here they are two.
"""
from __future__ import annotations

import copy
import hashlib
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from zh import data, ladder, training
from zh.attention import Head, HeadList, MultiHead
from zh.gpt import GPT, GPTConfig
from zh.gpt.fit import draw_blocks, evaluate, optimizer
from zh.ngrams import NGram
from zh.tokenizers import CharTokenizer

DIM, HEADS, BLOCK, BATCH, LR = 32, 4, 8, 32, 1e-3
STEPS, SHORT, LOOKS = 5000, 200, (1000, 2000, 3000, 4000, 5000)
STRETCHES = 20                  # of the text held back, each with a loss of its own


# ---------------------------------------------------------------------------
# The parts


class Bigram(nn.Module):
    """A table: row i has the scores of what follows token i. (B, T) -> (B, T, vocab)."""

    def __init__(self, vocab: int):
        super().__init__()
        self.table = nn.Embedding(vocab, vocab)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.table(ids)


class Rungs(nn.Module):
    """Tokens and places, then `parts`, then scores: (B, T) -> (B, T, vocab)."""

    def __init__(self, vocab: int, *parts: nn.Module):
        super().__init__()
        self.tokens = nn.Embedding(vocab, DIM)
        self.places = nn.Embedding(BLOCK, DIM)
        self.parts = nn.Sequential(*parts)
        self.head = nn.Linear(DIM, vocab)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.tokens(ids) + self.places.weight[:ids.shape[1]]      # (B, T, DIM)
        return self.head(self.parts(x))


class Add(nn.Module):
    """A residual connection around a part, with layer normalisation in front of it or without."""

    def __init__(self, part: nn.Module, norm: bool = False):
        super().__init__()
        self.norm = nn.LayerNorm(DIM) if norm else nn.Identity()
        self.part = part

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.part(self.norm(x))


def heads(generator: torch.Generator, project: bool = False) -> nn.Module:
    """Four heads of 8 side by side, with a projection behind them or without."""
    made = HeadList(DIM, HEADS, generator=generator)
    if not project:
        made.project = nn.Identity()
    return made


def feed(wide: int = 1) -> nn.Module:
    """Each place by itself: one layer and ReLU, or (wide > 1) up, ReLU, and down again."""
    if wide == 1:
        return nn.Sequential(nn.Linear(DIM, DIM), nn.ReLU())
    return nn.Sequential(nn.Linear(DIM, wide * DIM), nn.ReLU(), nn.Linear(wide * DIM, DIM))


def blocks(generator: torch.Generator, *, project: bool, wide: int, norm: bool) -> list[nn.Module]:
    """Three times heads and feed-forward, each with a residual connection."""
    return [part for _ in range(3) for part in
            (Add(heads(generator, project), norm), Add(feed(wide), norm))]


# ---------------------------------------------------------------------------
# The rungs


class Rung(NamedTuple):
    """One model of the ladder."""

    name: str
    make: Callable              # (vocab, generator) -> model
    lecture: float | None = None    # its loss on tinyshakespeare, a run of the lecture's code
    lr: float = LR


RUNGS = (
    Rung("bigram", lambda V, g: Bigram(V), 2.488, lr=1e-2),
    Rung("token and place", lambda V, g: Rungs(V), 2.488),
    Rung("one head of 32", lambda V, g: Rungs(V, Head(DIM, DIM, generator=g)), 2.410),
    Rung("four heads of 8", lambda V, g: Rungs(V, heads(g)), 2.270),
    Rung("+ feed-forward", lambda V, g: Rungs(V, heads(g), feed()), 2.243),
    Rung("three of them", lambda V, g: Rungs(
        V, *(part for _ in range(3) for part in (heads(g), feed()))), 2.352),
    Rung("+ residual", lambda V, g: Rungs(V, *blocks(g, project=False, wide=1, norm=False))),
    Rung("+ projection, wider", lambda V, g: Rungs(
        V, *blocks(g, project=True, wide=4, norm=False)), 2.075),
    Rung("+ layer norm", lambda V, g: Rungs(
        V, *blocks(g, project=True, wide=4, norm=True), nn.LayerNorm(DIM)), 2.070),
)


def deep(count: int, residual: bool) -> Callable:
    """`count` times heads and feed-forward, with residual connections or without."""
    def make(V, g):
        parts = [part for _ in range(count) for part in (heads(g), feed())]
        return Rungs(V, *(Add(part) if residual else part for part in parts))
    return make


def unplaced(V: int, g: torch.Generator) -> nn.Module:
    """The highest rung without the vectors for places."""
    model = RUNGS[-1].make(V, g)
    with torch.no_grad():
        model.places.weight.zero_()
    model.places.weight.requires_grad_(False)
    return model


def turned(V: int, g: torch.Generator) -> nn.Module:
    """The highest rung with rotated queries and keys in place of vectors for places."""
    model = unplaced(V, g)
    for part in model.parts:
        if isinstance(part, Add) and isinstance(part.part, HeadList):
            part.part = MultiHead(DIM, HEADS, rope=True, fused=False, generator=g)
    return model


OTHERS = (                      # beside the ladder
    *(Rung(f"{count} of them{', residual' if residual else ''}", deep(count, residual))
      for count in (2, 6) for residual in (False, True)),
    Rung("heads, 6 feed-forward", lambda V, g: Rungs(V, heads(g), *(feed() for _ in range(6)))),
    Rung("no places", unplaced),
    Rung("rotated", turned),
)


def start(rung: Rung, vocab: int, seed: int) -> nn.Module:
    """The model of a rung with weights as PyTorch would draw them, from a generator of its own."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):      # what PyTorch draws by itself is thrown away
        model = rung.make(vocab, generator)
    with torch.no_grad():
        for part in model.modules():
            if isinstance(part, nn.Embedding) and part.weight.requires_grad:
                part.weight.normal_(generator=generator)
            elif isinstance(part, nn.Linear):
                bound = part.in_features ** -0.5
                for p in part.parameters():
                    p.uniform_(-bound, bound, generator=generator)
    return model


# ---------------------------------------------------------------------------
# Climbing


def distinct(text: str) -> str:
    """The text with each paragraph once, where it stands first."""
    return "\n\n".join(dict.fromkeys(text.split("\n\n")))


def corpus(name: str = "bundled"):
    """(train, val, tokenizer) of a text of `zh.data`: ids (N,), cut at nine tenths.

    Of the bundled text each paragraph once: about a fifth of it stands there twice, and what is
    held back would otherwise stand in what is learned from.
    """
    text = data.text(name)
    text = distinct(text) if name == "bundled" else text
    tokenizer = CharTokenizer.train(text)
    ids = torch.tensor(tokenizer.encode(text))
    cut = len(ids) * 9 // 10
    return ids[:cut], ids[cut:], tokenizer


def about(name: str = "bundled") -> dict:
    """What the runs on a text are made from; the digest changes when a character does."""
    train, val, tokenizer = corpus(name)
    digest = hashlib.sha256(bytes(torch.cat([train, val]).tolist()))
    return {"characters": len(train) + len(val), "held back": len(val),
            "vocabulary": tokenizer.vocab_size, "digest": digest.hexdigest()[:12]}


def climb(rung: Rung, train: torch.Tensor, val: torch.Tensor, vocab: int, seeds: list[int],
          steps: int = STEPS) -> dict:
    """Train a rung once for each seed, side by side; losses are in nats a character.

    Returns {"params", "val": [loss of each seed], "looks": {step: [loss of each seed]},
    "stretches": [loss of each stretch of val, mean over the seeds], "seconds"}.
    """
    began = time.process_time()
    models = [start(rung, vocab, seed) for seed in seeds]
    dice = [torch.Generator().manual_seed(1000 + seed) for seed in seeds]
    draw, shell = draw_blocks(train, BLOCK, BATCH), copy.deepcopy(models[0])
    stacked, _ = torch.func.stack_module_state(models)                    # (seeds, ...)
    run = torch.func.vmap(lambda weights, x: torch.func.functional_call(shell, weights, (x,)))
    learned = [p for p in stacked.values() if p.requires_grad]
    optimizer = torch.optim.AdamW(learned, lr=rung.lr, fused=True)
    looks = {}
    for step in range(1, steps + 1):
        x, y = (torch.stack(part) for part in zip(*map(draw, dice), strict=True))  # (seeds, B, T)
        logits = run(stacked, x)                                          # (seeds, B, T, vocab)
        loss = F.cross_entropy(logits.flatten(0, 2), y.flatten())
        optimizer.zero_grad()
        (loss * len(seeds)).backward()                                    # the sum of their losses
        optimizer.step()
        if step in LOOKS and step < steps:
            looks[str(step)] = judge(run, stacked, val).mean(1).tolist()
    losses = judge(run, stacked, val)                                     # (seeds, pieces)
    return {"params": sum(p[0].numel() for p in learned), "val": losses.mean(1).tolist(),
            "looks": looks, "stretches": [part.mean().item() for part in
                                          losses.mean(0).tensor_split(STRETCHES)],
            "seconds": round(time.process_time() - began, 1)}


@torch.no_grad()
def judge(run: Callable, stacked: dict, val: torch.Tensor, batch: int = 1024) -> torch.Tensor:
    """The loss of every piece of `val`, for every seed: (seeds, pieces) float64."""
    seeds = len(next(iter(stacked.values())))
    pieces = (len(val) - 1) // BLOCK
    x, y = (val[i:i + pieces * BLOCK].view(pieces, BLOCK) for i in (0, 1))
    found = []
    for a, b in zip(x.split(batch), y.split(batch), strict=True):
        logits = run(stacked, a.expand(seeds, *a.shape)).double()         # (seeds, B, T, vocab)
        each = F.cross_entropy(logits.flatten(0, 2), b.expand(seeds, *b.shape).flatten(),
                               reduction="none")
        found.append(each.view(seeds, -1, BLOCK).mean(2))                 # (seeds, B)
    return torch.cat(found, 1)


def counted(train: torch.Tensor, val: torch.Tensor, vocab: int) -> dict:
    """Counting with back-off, asked as the rungs are: by what stands before it in the same piece.

    The t-th character of a piece is told by counts of t in a row before it. One k for all lengths,
    chosen on the last tenth of `train`. Returns {"k", "val": [loss]}.
    """
    def loss(k, learn, judged):
        learned = [learn.unfold(0, n, 1) for n in range(2, BLOCK + 2)]    # n in a row, (N, n)
        pieces = (len(judged) - 1) // BLOCK
        asked = judged[:pieces * BLOCK + 1].unfold(0, BLOCK + 1, BLOCK)   # (pieces, BLOCK + 1)
        return statistics.fmean(
            NGram(n, k, backoff=True, vocab=vocab).fit(rows[:, :-1], rows[:, -1])
            .nll(asked[:, :n - 1], asked[:, n - 1]) for n, rows in enumerate(learned, 2))

    cut = len(train) * 9 // 10
    k = min((0.01, 0.02, 0.04, 0.08), key=lambda k: loss(k, train[:cut], train[cut:]))
    return {"k": k, "val": [loss(k, train, val)]}


# ---------------------------------------------------------------------------
# The chapter's own GPT

OWN = dict(block=64, layers=4, heads=4, dim=64, positions="rope", std=0.1)
OWN_RECIPE = dict(steps=800, batch=6, lr=5e-3, warmup=60)
VARIANTS = {                    # name: what is changed
    "as it is": {},
    "learned places": dict(positions="learned"),
    "no places": dict(positions=None),
    "std 0.02": dict(std=0.02),
    "6 times as long": dict(steps=4800),
    "20 times as long": dict(steps=16000),
}


def own(train: torch.Tensor, val: torch.Tensor, vocab: int, seed: int, steps: int | None = None,
        **changes) -> dict:
    """The chapter's run from a seed, with some of its settings changed; positions=None for none.

    Returns {"val", "train": mean of the last 100 steps, "params", "seconds"}.
    """
    began, r = time.process_time(), {**OWN_RECIPE, **({"steps": steps} if steps else {})}
    sizes = {**OWN, **changes}
    placed = sizes["positions"] is not None
    generator = torch.Generator().manual_seed(seed)
    model = GPT(GPTConfig(vocab, **{**sizes, "positions": sizes["positions"] or "learned"}),
                generator=generator)
    if not placed:
        with torch.no_grad():
            model.places.weight.zero_()
        model.places.weight.requires_grad_(False)
    history = training.train(
        model, draw_blocks(train, sizes["block"], r["batch"]), r["steps"], generator=generator,
        optimizer=optimizer(model, r["lr"]), progress=False,
        lr=training.cosine(r["lr"], r["steps"], min(r["warmup"], r["steps"] // 3)))
    return {"val": evaluate(model, val, sizes["block"]),
            "train": statistics.fmean(history.losses[-100:]),
            "params": sum(p.numel() for p in model.parameters() if p.requires_grad),
            "seconds": round(time.process_time() - began, 1)}


# ---------------------------------------------------------------------------
# What the record says


def steps(rows: list[dict]) -> list[ladder.Step]:
    """A `zh.ladder.Step` for each rung and the one below it: other seeds as the only chance."""
    return [ladder.Step(a["name"], b["name"], *ladder.compare(a["val"], b["val"]))
            for a, b in zip(rows, rows[1:], strict=False)]


def over_text(below: dict, above: dict) -> ladder.Gain:
    """The gain of one rung over another with its error over the stretches of text, as pairs."""
    return ladder.compare(below["stretches"], above["stretches"], paired=True)


def mean(row: dict) -> float:
    """The mean loss of a row's seeds."""
    return statistics.fmean(row["val"])
