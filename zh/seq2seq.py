"""From one row of tokens to another: an encoder, a decoder, and how an answer is written.

    model = EncoderDecoder(Seq2SeqConfig(vocab=40), generator=torch.Generator().manual_seed(1))
    loss = model.loss(source, target)        # (B, S), (B, T): START, the signs, END
    answer = greedy(model, source)           # (B, n): the signs, END
    answers, scores = beam(model, source, width=4)     # (B, 4, n), (B, 4)

The encoder reads the source, every place looking both ways. The decoder writes the target from
left to right: each place looks back at the target so far (self-attention) and at all that the
encoder made of the source (cross-attention: queries from here, keys and values from there).
`DecoderOnly` does the same task with one stack, the source standing in front of the target.

Rows of different lengths are filled up behind with PAD, and masks keep it from being looked at.
Left out: dropout, a cache for the decoder, length penalties, devices.

Sequence to sequence: Sutskever et al. 2014; attention over a source: Bahdanau et al. 2015; the
transformer: Vaswani et al. 2017, here with the normalisation in front of each part.
"""
from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from zh.attention import CrossAttention, MultiHead, draw, padding, split_size
from zh.gpt import GPT, GPTConfig


@dataclass
class Seq2SeqConfig:
    """The sizes of an encoder and a decoder that share one vocabulary."""

    vocab: int            # tokens that there are, of source and target together
    source: int = 28      # places that a source can have
    target: int = 12      # places that the decoder can read: START and what was written
    encoder: int = 1      # layers of the encoder
    decoder: int = 1      # layers of the decoder
    heads: int = 2
    dim: int = 32         # numbers a place
    pad: int = 0          # fills a row up
    start: int = 1        # begins a target
    end: int = 2          # ends it

    def __post_init__(self):
        for name in ("vocab", "source", "target", "encoder", "decoder", "heads", "dim"):
            whole_number(name, getattr(self, name))
        special = self.pad, self.start, self.end
        if len(set(special)) < 3 or not all(0 <= token < self.vocab for token in special):
            raise ValueError(f"pad, start and end are {special}; they are three different tokens "
                             f"of the {self.vocab} that there are.")
        split_size(self.dim, self.heads)


# ---------------------------------------------------------------------------
# The parts


class FeedForward(nn.Module):
    """Each place by itself: wide, bent, narrow. (..., dim) -> (..., dim)."""

    def __init__(self, dim: int):
        super().__init__()
        self.up, self.down = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.down(F.gelu(self.up(x), approximate="tanh"))


class EncoderBlock(nn.Module):
    """Places of the source look both ways: (B, S, dim) -> the same."""

    def __init__(self, c: Seq2SeqConfig, generator: torch.Generator):
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(c.dim), nn.LayerNorm(c.dim)
        self.attention = MultiHead(
            c.dim, c.heads, causal=False, generator=generator)
        self.mlp = FeedForward(c.dim)

    def forward(self, x, mask):
        x = x + self.attention(self.ln1(x), mask)         # mask (B, 1, S)
        return x + self.mlp(self.ln2(x))


class DecoderBlock(nn.Module):
    """Places of the target look back and across: (B, T, dim) -> the same."""

    def __init__(self, c: Seq2SeqConfig, generator: torch.Generator):
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(c.dim), nn.LayerNorm(c.dim)
        self.ln3 = nn.LayerNorm(c.dim)
        self.attention = MultiHead(c.dim, c.heads, generator=generator)
        self.cross = CrossAttention(c.dim, c.heads, generator=generator)
        self.mlp = FeedForward(c.dim)

    def forward(self, x, memory, mask):
        x = x + self.attention(self.ln1(x))               # causal
        x = x + self.cross(self.ln2(x), memory, mask)     # memory (B, S, dim)
        return x + self.mlp(self.ln3(x))


# ---------------------------------------------------------------------------
# The whole


class EncoderDecoder(nn.Module):
    """Sources (B, S) and targets so far (B, T) -> scores of the next sign, (B, T, vocab)."""

    def __init__(self, config: Seq2SeqConfig, *, generator: torch.Generator):
        super().__init__()
        c = self.config = config
        self.tokens = nn.Embedding(c.vocab, c.dim)        # of both sides
        self.source_places = nn.Embedding(c.source, c.dim)
        self.target_places = nn.Embedding(c.target, c.dim)
        self.encoder = nn.ModuleList(
            EncoderBlock(c, generator) for _ in range(c.encoder))
        self.decoder = nn.ModuleList(
            DecoderBlock(c, generator) for _ in range(c.decoder))
        self.norm_memory, self.norm = nn.LayerNorm(c.dim), nn.LayerNorm(c.dim)
        self.head = nn.Linear(c.dim, c.vocab, bias=False)
        start(self, generator)

    def read(self, source: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The memory of sources (B, S), (B, S, dim), and its mask (B, 1, S)."""
        lengths = check_source(source, self.config)
        S = source.shape[1]
        mask = padding(lengths, S)                        # (B, 1, S)
        x = self.tokens(source) + self.source_places.weight[:S]
        for block in self.encoder:
            x = block(x, mask)                            # (B, S, dim)
        return self.norm_memory(x), mask

    def write(self, target: torch.Tensor, memory: torch.Tensor,
              mask: torch.Tensor) -> torch.Tensor:
        """Scores of what follows each place of (B, T): (B, T, vocab)."""
        check_target(target, len(memory), self.config)
        x = self.tokens(target) + self.target_places.weight[:target.shape[1]]
        for block in self.decoder:
            x = block(x, memory, mask)                    # (B, T, dim)
        return self.head(self.norm(x))

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return self.write(target, *self.read(source))

    def loss(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy in nats a sign, told the right signs so far.

        target (B, T): START, the signs, END, and PAD, which does not count.
        """
        told, answers = shifted(target)                   # (B, T - 1) each
        scores = self(source, told)                       # (B, T - 1, vocab)
        return F.cross_entropy(scores.flatten(0, 1), answers.flatten(),
                               ignore_index=self.config.pad)


class OneVector(EncoderDecoder):
    """Without attention over the source: the memory is one vector, a mean.

    Before attention the decoder got one vector of fixed size as well, the
    last state of a recurrent network (Sutskever et al. 2014).
    """

    def read(self, source: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        memory, mask = super().read(source)
        real = mask.transpose(1, 2).to(memory.dtype)      # (B, S, 1)
        mean = (memory * real).sum(1, True) / real.sum(1, True)
        return mean, mask[:, :, :1]                       # one place for all


class DecoderOnly(nn.Module):
    """The same task for one stack: a GPT that reads the source and goes on with the target.

    Has the methods of `EncoderDecoder`. layers: of the one stack, in place of `config.encoder` and
    `config.decoder`. everything: count the loss of the source's signs as well.
    """

    def __init__(self, config: Seq2SeqConfig, layers: int, *, everything: bool = False,
                 generator: torch.Generator):
        super().__init__()
        c, self.everything = config, everything
        self.config = c
        self.gpt = GPT(GPTConfig(
            vocab=c.vocab, block=c.source + c.target, layers=layers, heads=c.heads,
            dim=c.dim, tie=False), generator=generator)
        start(self.gpt, generator)

    def join(self, source: torch.Tensor,
             target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Rows (B, S + T), target behind source, and its places (B, T)."""
        lengths = check_source(source, self.config)
        check_target(target, len(source), self.config)
        at = lengths[:, None] + torch.arange(target.shape[1])      # (B, T)
        rows = F.pad(source, (0, target.shape[1]), value=self.config.pad)
        return rows.scatter(1, at, target), at

    def read(self, source: torch.Tensor) -> tuple[torch.Tensor]:
        return (source,)

    def write(self, target: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
        """Scores of what follows each place of the target (B, T): (B, T, vocab)."""
        rows, at = self.join(source, target)
        scores = self.gpt(rows)                                    # (B, S + T, vocab)
        return scores.gather(1, at[..., None].expand(-1, -1, scores.shape[-1]))

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return self.write(target, source)

    def loss(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy in nats a sign: of the target, or of everything."""
        told, answers = shifted(target)                        # (B, T - 1) each
        rows, at = self.join(source, told)
        follows = F.pad(rows[:, 1:], (0, 1), value=self.config.pad)
        follows = follows.scatter(1, at, answers)              # of each place
        if not self.everything:
            before = torch.arange(rows.shape[1]) < at[:, :1]
            follows = follows.masked_fill(before, self.config.pad)
        return F.cross_entropy(self.gpt(rows).flatten(0, 1), follows.flatten(),
                               ignore_index=self.config.pad)


def shifted(target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What the decoder is told and what it has to answer, one place apart."""
    if target.ndim != 2 or target.shape[1] < 2:
        raise ValueError(
            f"targets have the shape (B, T), START and a sign at least; here "
            f"it is {tuple(target.shape)}. One row: target[None].")
    return target[:, :-1], target[:, 1:]


def start(model: nn.Module, generator: torch.Generator) -> None:
    """Weights from N(0, 1 / fan_in), of embeddings and of the head smaller ones.

    So what a block adds is larger than what it is added to, and the first loss is about ln(vocab).
    """
    draw(model, generator)
    draw(model.head, generator, std=0.02)
    for part in model.modules():
        if isinstance(part, nn.Embedding):
            draw(part, generator, std=0.3)


# ---------------------------------------------------------------------------
# Writing an answer


@torch.no_grad()
def greedy(model: nn.Module, source: torch.Tensor,
           most: int | None = None) -> torch.Tensor:
    """The likeliest sign, then the likeliest after it: (B, S) -> (B, n).

    END is in it and PAD behind. An answer that has not ended after `most`
    signs (None: as many as the model can read) is cut.
    """
    c, reading = model.config, model.read(source)
    written = torch.full((len(source), 1), c.start)
    ended = torch.zeros(len(source), dtype=torch.bool)
    for _ in range(limit(most, c)):
        best = next_log_p(model, written, reading).argmax(-1)       # (B,)
        best = best.masked_fill(ended, c.pad)
        written = torch.cat([written, best[:, None]], 1)
        ended |= best == c.end
        if ended.all():
            break
    return written[:, 1:]


@torch.no_grad()
def beam(model: nn.Module, source: torch.Tensor, width: int,
         most: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """The likeliest answers, of which `width` beginnings are kept at a time.

    (B, S) -> answers (B, width, n), as in `greedy`, and the logarithms of
    their probabilities (B, width), best first; -inf where there are fewer.
    """
    whole_number("width", width)
    c, B = model.config, len(source)
    reading = [x.repeat_interleave(width, 0) for x in model.read(source)]
    written = torch.full((B * width, 1), c.start)
    score = torch.full((B, width), -torch.inf)
    score[:, 0] = 0.0                              # one beginning
    for _ in range(limit(most, c)):
        log_p = next_log_p(model, written, reading)      # (B * width, vocab)
        ended = (written == c.end).any(1)
        log_p[ended] = -torch.inf
        log_p[ended, c.pad] = 0.0                  # what has ended stays so
        total = score.view(-1, 1) + log_p          # of each with each sign
        score, best = total.view(B, -1).topk(width)      # (B, width)
        rows = best // c.vocab + width * torch.arange(B)[:, None]
        signs = best.view(-1, 1) % c.vocab
        written = torch.cat([written[rows.view(-1)], signs], 1)
        if (written == c.end).any(1).all():
            break
    return written[:, 1:].view(B, width, -1), score


def next_log_p(model: nn.Module, written: torch.Tensor,
               reading: tuple) -> torch.Tensor:
    """Log-probabilities of the next sign, (B, vocab); never PAD or START."""
    log_p = model.write(written, *reading)[:, -1].log_softmax(-1)
    log_p[:, [model.config.pad, model.config.start]] = -torch.inf
    return log_p


@torch.no_grad()
def log_probability(model: nn.Module, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Of each target (B, T), START in front, the logarithm of its probability: (B,)."""
    told, answers = shifted(target)
    log_p = model(source, told).log_softmax(-1)                    # (B, T - 1, vocab)
    each = log_p.gather(-1, answers[..., None])[..., 0]            # (B, T - 1)
    return each.masked_fill(answers == model.config.pad, 0.0).sum(1)


@torch.no_grad()
def maps(model: EncoderDecoder, source: torch.Tensor, target: torch.Tensor) -> list[torch.Tensor]:
    """The weights of cross-attention, (B, heads, T, S) for each layer of the decoder."""
    layers = [block.cross for block in model.decoder]
    fused = [layer.fused for layer in layers]
    try:
        for layer in layers:
            layer.fused = False                        # PyTorch's kernel keeps no weights
        model(source, target)
        return [layer.weights for layer in layers]
    finally:
        for layer, was in zip(layers, fused, strict=True):
            layer.fused = was


@torch.no_grad()
def effects(model: nn.Module, source: torch.Tensor, told: torch.Tensor,
            other: torch.Tensor) -> torch.Tensor:
    """How far a changed sign of the source moves each sign of the answer.

    (B, S), (B, T) -> (B, T, S): half the sum of what the probabilities move
    by, 0 to 1, when the sign at place s becomes other[sign]; other (vocab,).
    """
    before = model(source, told).softmax(-1)                   # (B, T, vocab)
    moved = []
    for s in range(source.shape[1]):
        changed = source.clone()
        changed[:, s] = other[changed[:, s]]
        after = model(changed, told).softmax(-1)
        moved.append((after - before).abs().sum(-1) / 2)       # (B, T)
    return torch.stack(moved, -1)


# ---------------------------------------------------------------------------
# What is refused


def whole_number(name: str, value: int) -> None:
    """ValueError unless `value` is a whole number, 1 or more."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} is {value!r}; it must be a whole number, 1 or more.")


def limit(most: int | None, c: Seq2SeqConfig) -> int:
    """How many signs are written at most."""
    if most is None:
        return c.target
    whole_number("most", most)
    if most > c.target:
        raise ValueError(f"most is {most}; this model can write {c.target} signs: "
                         f"Seq2SeqConfig(target={most}) makes room for more.")
    return most


def check_ids(name: str, ids: torch.Tensor, room: int, c: Seq2SeqConfig) -> None:
    """Raise unless `ids` are token ids (B, `room` at most) of the vocabulary."""
    if not isinstance(ids, torch.Tensor) or ids.dtype not in (torch.int64, torch.int32):
        raise TypeError(f"a {name} is a tensor of token ids, int64, not "
                        f"{getattr(ids, 'dtype', type(ids).__name__)}.")
    if ids.ndim != 2 or not ids.numel():
        raise ValueError(f"{name}s have the shape (B, length), one row and one token at least; "
                         f"here it is {tuple(ids.shape)}. One row: {name}[None].")
    if ids.shape[1] > room:
        raise ValueError(f"a {name} of {ids.shape[1]} places, and this model has room for {room}: "
                         f"shorten it, or make the model with Seq2SeqConfig({name}="
                         f"{ids.shape[1]}).")
    if int(ids.min()) < 0 or int(ids.max()) >= c.vocab:
        raise IndexError(f"the {name} has tokens from {int(ids.min())} to {int(ids.max())}; this "
                         f"model knows 0 to {c.vocab - 1}.")


def check_source(source: torch.Tensor, c: Seq2SeqConfig) -> torch.Tensor:
    """The lengths (B,) of sources (B, S) that are filled up behind; raise for anything else."""
    check_ids("source", source, c.source, c)
    real = source != c.pad                                         # (B, S)
    lengths = real.sum(1)
    if not lengths.all():
        raise ValueError(f"source {int((lengths == 0).nonzero()[0])} is empty: it holds nothing "
                         "but PAD. A source has one sign at least.")
    if not torch.equal(real, torch.arange(source.shape[1]) < lengths[:, None]):
        raise ValueError("a source has PAD before its last sign: rows are filled up behind.")
    return lengths


def check_target(target: torch.Tensor, rows: int, c: Seq2SeqConfig) -> None:
    """Raise unless `target` (B, T) fits the model and the number of sources."""
    check_ids("target", target, c.target, c)
    if len(target) != rows:
        raise ValueError(f"{rows} sources and {len(target)} targets: one target a source.")
