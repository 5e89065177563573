"""Recipes: all that one long run of a GPT depends on, beside its text and its seed.

    run = train(NANOGPT, ids, ids_held_back, seed=1)      # a model, and what it reached

`NANOGPT` is the setting that nanoGPT names for a laptop without a GPU (Karpathy 2022); `OURS` is
one that reaches less loss in no more time. Both are short enough to repeat: `short` of a recipe.
"""
from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace

import torch
import torch.nn.functional as F

from zh import data, training
from zh.gpt.fit import draw_blocks, evaluate, optimizer
from zh.gpt.model import GPT, GPTConfig
from zh.tokenizers import CharTokenizer

SHORT = 30                                         # steps of a run for a test


@dataclass(frozen=True)
class Recipe:
    """Sizes, steps and rates of a run."""

    name: str
    model: dict = field(default_factory=dict)      # of GPTConfig, without vocab
    batch: int = 12
    steps: int = 2000
    lr: float = 1e-3
    floor: float = 1e-4                            # where the rate ends
    warmup: int = 100
    decay: float = 0.1
    betas: tuple[float, float] = (0.9, 0.99)
    clip: float | None = 1.0                       # the longest gradient


NANOGPT = Recipe("nanogpt", dict(block=64, layers=4, heads=4, dim=128, bias=False))
OURS = replace(NANOGPT, name="ours", batch=8, steps=2850, lr=4e-3, floor=1e-5)
RECIPES = (NANOGPT, OURS)


def short(recipe: Recipe, steps: int = SHORT) -> Recipe:
    """A recipe of few steps, for a test: the same sizes and rates, a warm-up that is over soon."""
    return replace(recipe, steps=steps, warmup=steps // 3)


def said(recipe: Recipe) -> dict:
    """A recipe as JSON has it."""
    return json.loads(json.dumps(asdict(recipe)))


def cut(text: str) -> tuple[torch.Tensor, torch.Tensor, int]:
    """A text in characters: nine tenths to learn from, the rest held back, and how many differ."""
    tokenizer = CharTokenizer.train(text)
    ids = torch.tensor(tokenizer.encode(text))
    n = int(0.9 * len(ids))                        # as the lecture does
    return ids[:n], ids[n:], tokenizer.vocab_size


def names_text() -> str:
    """The book's names, one a line, in no order."""
    return "\n".join(sum(data.split(data.names("bundled")), [])) + "\n"


def train(recipe: Recipe, ids: torch.Tensor, held: torch.Tensor, seed: int, vocab: int,
          progress: bool | None = None, callbacks: tuple[Callable, ...] = ()) -> dict:
    """Run a recipe on ids (N,); a dict with the model, its losses on `held` (M,), and the times.

    "val": over all of `held`; "val_drawn": as nanoGPT estimates it, from random pieces; "seconds":
    of the training alone, by the clock; "cpu": of the processor.
    """
    r, g = recipe, torch.Generator().manual_seed(seed)
    model = GPT(GPTConfig(vocab=vocab, **r.model), generator=g)
    steps = training.cosine(r.lr, r.steps, r.warmup, r.floor)
    wall, cpu = time.perf_counter(), time.process_time()
    history = training.train(
        model, draw_blocks(ids, model.config.block, r.batch), r.steps, lr=steps, generator=g,
        optimizer=optimizer(model, r.lr, decay=r.decay, betas=r.betas, clip=r.clip),
        progress=progress, callbacks=callbacks)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return dict(
        model=model, history=history, seconds=wall, cpu=cpu,
        train=sum(history.losses[-100:]) / len(history.losses[-100:]),
        val=evaluate(model, held, model.config.block),
        val_drawn=drawn_loss(model, held, r.batch, torch.Generator().manual_seed(seed)),
        parameters=sum(p.numel() for p in model.parameters()))


def drawn_loss(model: GPT, ids: torch.Tensor, batch: int, generator: torch.Generator,
               batches: int = 20) -> float:
    """The mean loss of random batches, as nanoGPT estimates it (20 of them on a CPU)."""
    draw, total = draw_blocks(ids, model.config.block, batch), 0.0
    with training.evaluating(model):
        for _ in range(batches):
            x, y = draw(generator)
            total += F.cross_entropy(model(x).flatten(0, 1), y.flatten()).item()
    return total / batches
