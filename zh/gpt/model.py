"""GPT: a decoder-only transformer, as small or as large as its configuration says.

    config = GPTConfig(vocab=96, block=64, layers=4, heads=4, dim=64)
    model = GPT(config, generator=torch.Generator().manual_seed(1))
    logits = model(ids)                           # ids (B, T) int64 -> (B, T, vocab)
    ids = model.generate(ids, 100, generator)     # (B, T) -> (B, T + 100)

Tokens and their places become vectors; blocks of attention and of a two-layer network add to them;
a last normalisation and a matrix turn them into scores for the next token. Normalisation stands
before each part (pre-norm), so that the sum of all parts runs through untouched.

Left out: devices, mixed precision, grouped queries, mixtures of experts.
The transformer: Vaswani et al. 2017. This form of it: Radford et al. 2019 (GPT-2).
"""
from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from zh import sampling
from zh.attention import Cache, MultiHead, draw, split_size
from zh.training import evaluating


@dataclass
class GPTConfig:
    """The sizes of a GPT. The defaults are those of the smallest GPT-2, 124 million parameters."""

    vocab: int = 50257        # tokens that there are
    block: int = 1024         # places it can read at once
    layers: int = 12
    heads: int = 12
    dim: int = 768            # numbers a place
    dropout: float = 0.0
    bias: bool = True         # of linear layers and normalisations
    tie: bool = True          # one matrix for reading tokens and for scoring them
    positions: str = "learned"    # or "rope"
    residual: bool = True     # False: a part replaces what came in, instead of adding to it
    norm: bool = True         # False: no layer normalisation
    eps: float = 1e-5         # of layer normalisation
    inner: int | None = None  # numbers a place inside the two-layer network; None: 4 * dim
    std: float = 0.02         # spread of the weights at the start

    def __post_init__(self):
        for name in ("vocab", "block", "layers", "heads", "dim", "inner"):
            value = getattr(self, name)
            if name == "inner" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} is {value!r}; it must be a whole number, 1 or more.")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; it is a share, from 0 up to 1.")
        if not 0 < self.eps < 1:
            raise ValueError(f"eps is {self.eps}; it is a small number above 0, such as 1e-5.")
        if not 0 < self.std < float("inf"):
            raise ValueError(f"std is {self.std}; it is the spread of the first weights, above 0.")
        if self.positions not in ("learned", "rope"):
            raise ValueError(f"positions is {self.positions!r}; it is \"learned\" or \"rope\".")
        split_size(self.dim, self.heads)


class Block(nn.Module):
    """One layer: places talk to each other, then each thinks for itself."""

    def __init__(self, config: GPTConfig, generator: torch.Generator):
        super().__init__()
        c = config
        self.residual = c.residual
        self.ln1, self.ln2 = norm(c), norm(c)
        self.attention = MultiHead(
            c.dim, c.heads, bias=c.bias, dropout=c.dropout,
            rope=c.positions == "rope", generator=generator)
        inner = c.inner or 4 * c.dim
        self.up = nn.Linear(c.dim, inner, bias=c.bias)
        self.down = nn.Linear(inner, c.dim, bias=c.bias)
        self.drop = nn.Dropout(c.dropout) if c.dropout else nn.Identity()

    def forward(self, x: torch.Tensor,
                cache: Cache | None = None) -> torch.Tensor:
        x = self.add(x, self.attention(self.ln1(x), cache=cache))
        return self.add(x, self.mlp(self.ln2(x)))          # (B, T, dim)

    def mlp(self, x: torch.Tensor) -> torch.Tensor:
        """Each place by itself: wide, bent, narrow."""
        return self.down(F.gelu(self.up(x), approximate="tanh"))

    def add(self, x: torch.Tensor, part: torch.Tensor) -> torch.Tensor:
        """The residual connection: the stream, plus what a part says."""
        return x + self.drop(part) if self.residual else self.drop(part)


def norm(config: GPTConfig) -> nn.Module:
    """Layer normalisation of a place's numbers, or nothing."""
    if not config.norm:
        return nn.Identity()
    return nn.LayerNorm(config.dim, eps=config.eps, bias=config.bias)


class GPT(nn.Module):
    """Token ids (B, T) -> scores of the next token at every place, (B, T, vocab).

    Weights start from N(0, std**2); those that write into the residual stream are divided by the
    square root of their number, so that the stream does not grow with depth. Raises ValueError
    for more places than `config.block`, IndexError for an id outside the vocabulary.
    """

    def __init__(self, config: GPTConfig, *, generator: torch.Generator):
        super().__init__()
        c = self.config = config
        self.tokens = nn.Embedding(c.vocab, c.dim)
        self.places = (nn.Embedding(c.block, c.dim)
                       if c.positions == "learned" else None)
        self.drop = nn.Dropout(c.dropout) if c.dropout else nn.Identity()
        self.blocks = nn.ModuleList(
            Block(c, generator) for _ in range(c.layers))
        self.norm = norm(c)
        self.head = nn.Linear(c.dim, c.vocab, bias=False)
        draw(self, generator, std=c.std)
        with torch.no_grad():
            for block in self.blocks:
                for last in (block.attention.project, block.down):
                    last.weight /= (2 * c.layers) ** 0.5
        if c.tie:
            self.head.weight = self.tokens.weight

    def forward(self, ids: torch.Tensor,
                caches: list[Cache] | None = None) -> torch.Tensor:
        before = caches[0].length if caches else 0
        self.check(ids, before)
        x = self.tokens(ids)                               # (B, T, dim)
        if self.places is not None:                        # (T, dim)
            x = x + self.places.weight[before:before + ids.shape[1]]
        x = self.drop(x)
        for number, block in enumerate(self.blocks):
            x = block(x, caches[number] if caches else None)
        return self.head(self.norm(x))                     # (B, T, vocab)

    def check(self, ids: torch.Tensor, before: int = 0) -> None:
        """Raise where `ids`, behind `before` places that were read, are not what it reads."""
        c = self.config
        if not isinstance(ids, torch.Tensor) or ids.dtype not in (torch.int64, torch.int32):
            raise TypeError(f"token ids are a tensor of int64, not "
                            f"{getattr(ids, 'dtype', type(ids).__name__)}: "
                            "torch.tensor([tokenizer.encode(text)]).")
        if ids.ndim != 2 or not ids.numel():
            raise ValueError(f"token ids have the shape (B, T), one token at least; here it is "
                             f"{tuple(ids.shape)}. One text: torch.tensor([ids]).")
        if before + ids.shape[1] > c.block:
            raise ValueError(f"{before + ids.shape[1]} places, and this GPT reads {c.block} at "
                             f"most: give it the last {c.block}, ids[:, -{c.block}:].")
        if torch.compiler.is_compiling():                             # it cannot look at values
            return
        if int(ids.min()) < 0 or int(ids.max()) >= c.vocab:
            raise IndexError(f"token ids go from {int(ids.min())} to {int(ids.max())}; this GPT "
                             f"knows 0 to {c.vocab - 1}. Is the tokenizer the one it was "
                             "trained with?")

    def loss(self, ids: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy over all places, in nats; -1: does not count."""
        return F.cross_entropy(self(ids).flatten(0, 1), targets.flatten(),
                               ignore_index=-1)

    # -----------------------------------------------------------------------
    # Writing

    def stream(self, ids: torch.Tensor, generator: torch.Generator, *,
               temperature: float = 1.0, top_k: int | None = None,
               top_p: float | None = None,
               cache: bool = True) -> Iterator[torch.Tensor]:
        """The tokens that follow `ids` (B, T), a column (B,) at a time.

        Settings: `zh.sampling.probabilities`. Of n tokens the model reads
        those from `window(n, block)` on: all while they fit, then the last
        half block at least, with the first of them at place 0. cache: keep
        keys and values instead of computing them again.
        """
        self.check(last(ids, self.config.block))
        was_training, device = self.training, self.tokens.weight.device
        caches, start = None, -1
        try:
            while True:
                if was_training:
                    self.eval()
                here = window(ids.shape[1], self.config.block)
                if not cache:
                    fresh = ids[:, here:]
                elif here != start:                # the window has moved
                    caches = [Cache(self.config.block) for _ in self.blocks]
                    fresh = ids[:, here:]
                else:
                    fresh = ids[:, -1:]            # the others are cached
                start = here
                with torch.inference_mode():
                    logits = self(fresh.to(device), caches)[:, -1].cpu()  # (B, V)
                if was_training:                   # as whoever asked had it
                    self.train()
                drawn = sampling.sample_logits(
                    logits, generator, temperature, top_k, top_p)
                ids = torch.cat([ids, drawn[:, None]], 1)
                yield drawn
        finally:
            if was_training:
                self.train()

    def generate(self, ids: torch.Tensor, count: int, generator: torch.Generator, *,
                 stop: int | None = None, **settings) -> torch.Tensor:
        """`ids` (B, T) with `count` more tokens: (B, T + count).

        stop: a token that ends a text. What follows it in its row is the stop token again, and when
        every row has ended no more is drawn. settings: as in `stream`.
        """
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise ValueError(f"count is {count!r}; it is a whole number of tokens, 0 or more.")
        if stop is not None and not 0 <= stop < self.config.vocab:
            raise ValueError(f"stop is {stop!r}; tokens go from 0 to {self.config.vocab - 1}.")
        self.check(last(ids, self.config.block))
        ended = torch.zeros(len(ids), dtype=torch.bool)
        new = []
        with evaluating(self):
            for drawn in self.stream(ids, generator, **settings) if count else ():
                if stop is not None:
                    drawn = drawn.masked_fill(ended, stop)
                    ended |= drawn == stop
                new.append(drawn)
                if len(new) == count or ended.all():
                    break
        return torch.cat([ids, torch.stack(new, 1)], 1) if new else ids

    # -----------------------------------------------------------------------
    # Checkpoints of others

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike, **settings) -> GPT:
        """The GPT-2 that a folder of Hugging Face's transformers holds: `zh.gpt.pretrained`."""
        from zh.gpt import pretrained
        return pretrained.load(folder, **settings)

    def save_pretrained(self, folder: str | os.PathLike) -> None:
        """Write it as a GPT-2 that transformers loads: `zh.gpt.pretrained`."""
        from zh.gpt import pretrained
        pretrained.save(self, folder)


def last(ids, block: int):
    """The last `block` tokens of ids (B, T), where they are that."""
    return ids[:, -block:] if isinstance(ids, torch.Tensor) and ids.ndim == 2 else ids


def window(n: int, block: int) -> int:
    """Where a model that reads `block` places begins in a text of n tokens.

    At the start while all fits. Then the window jumps by half a block at a
    time: what stays in it is read once more, and its new keys and values serve
    the next half block.
    """
    hop = max(1, block // 2)
    return 0 if n <= block else -(-(n - block) // hop) * hop
