"""Attention: every place gathers from the places it may look at, as much as it finds them fitting.

The versions are kept in the order in which the chapter builds them, each equal to the one before
where it should be: an average by a loop, by a matrix product, by a masked softmax; one head; heads
as a list; heads in one tensor; and PyTorch's own `scaled_dot_product_attention`, which computes
the same without keeping the weights. `OneLayer` is the smallest model of text around them.

A mask is a tensor of booleans, True where a query may look at a key, that broadcasts to
(B, T, S): T queries, S keys. Masks are joined with `&`. (`torch.nn.MultiheadAttention` has it the
other way round: there True is where a query may not look.)

From here on layers are modules of `torch.nn`: the ones it needs were built by hand in `zh.layers`.
Left out: sparse, linear and grouped-query attention.

Attention: Bahdanau et al. 2015; queries, keys, values and heads: Vaswani et al. 2017; rotated
positions: Su et al. 2021. The order of the versions follows Karpathy's lecture (2023).
"""
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

# ---------------------------------------------------------------------------
# A plain average of what came before, three times


def average_loop(x: torch.Tensor) -> torch.Tensor:
    """Each place gets the mean of itself and all before: (B, T, C), twice."""
    out = torch.empty_like(x)
    for b in range(x.shape[0]):
        for t in range(x.shape[1]):
            out[b, t] = x[b, : t + 1].mean(0)              # (t + 1, C) -> (C,)
    return out


def average_matmul(x: torch.Tensor) -> torch.Tensor:
    """As one matrix product: row t of the weights has t + 1 equal entries."""
    T = x.shape[1]
    weights = torch.tril(torch.ones(T, T, dtype=x.dtype))
    weights = weights / weights.sum(1, keepdim=True)       # (T, T)
    return weights @ x                                     # (T, T) @ (B, T, C)


def average_softmax(x: torch.Tensor) -> torch.Tensor:
    """From scores: zero where it may look, minus infinity where not."""
    T = x.shape[1]
    scores = torch.zeros(T, T, dtype=x.dtype)
    scores = scores.masked_fill(~causal(T), -torch.inf)
    return scores.softmax(-1) @ x                          # (T, T) @ (B, T, C)


# ---------------------------------------------------------------------------
# Masks: True where a query may look


def causal(T: int, S: int | None = None) -> torch.Tensor:
    """(T, S): the T queries are the last of S places, each may look at itself and before."""
    S = T if S is None else S
    if not 0 < T <= S:
        raise ValueError(f"{T} queries among {S} places: the queries are the last places, so "
                         "there is one at least and not more of them than places.")
    return torch.ones(T, S, dtype=torch.bool).tril(S - T)


def padding(lengths: torch.Tensor, S: int) -> torch.Tensor:
    """(B, 1, S): example b has `lengths[b]` real places in front, the rest is padding.

    Serves self-attention and cross-attention, where the lengths are those of the source.
    """
    lengths = torch.as_tensor(lengths)
    if lengths.ndim != 1 or lengths.is_floating_point() or lengths.dtype == torch.bool:
        raise TypeError(f"lengths are whole numbers, one an example, shape (B,); here they are "
                        f"{lengths.dtype} of shape {tuple(lengths.shape)}.")
    if len(lengths) and (int(lengths.min()) < 1 or int(lengths.max()) > S):
        raise ValueError(f"lengths go from {int(lengths.min())} to {int(lengths.max())}; with "
                         f"{S} places they lie between 1 and {S}.")
    return (torch.arange(S) < lengths[:, None])[:, None]   # (B, 1, S)


def check_mask(mask: torch.Tensor, shape: tuple[int, ...]) -> None:
    """Raise unless `mask` is boolean, broadcasts to `shape`, and lets every query see a key.

    shape: that of the scores, (..., T, S). TypeError where it holds no booleans, else ValueError.
    """
    if not isinstance(mask, torch.Tensor) or mask.dtype != torch.bool:
        raise TypeError(f"a mask holds booleans, True where a query may look; this one is "
                        f"{getattr(mask, 'dtype', type(mask).__name__)}. From scores of 0 and "
                        "-inf: mask = scores == 0. From ones and zeros: mask == 1.")
    have, shape = tuple(mask.shape), tuple(shape)
    if len(have) > len(shape) or any(a not in (1, b) for a, b in
                                     zip(have[::-1], shape[::-1], strict=False)):
        raise ValueError(f"the mask has the shape {have}; it must broadcast to {shape}, the last "
                         "two of which are queries and keys. causal(T) is (T, T), "
                         "padding(lengths, S) is (B, 1, S).")
    if not mask.any(-1).all():
        blind = (~mask.any(-1)).nonzero()[0].tolist()
        raise ValueError(f"query {blind[-1] if blind else 0} may look at no key at all, under all "
                         "its masks together: a softmax over nothing is not a number. Let each "
                         "query see one place at least.")


# ---------------------------------------------------------------------------
# Attention itself


def attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor,
              mask: torch.Tensor | None = None,
              scale: float | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """What each query gathers, and how much from where.

    q (..., T, d), k (..., S, d), v (..., S, e), mask (..., T, S) of booleans.
    Returns the mixed values (..., T, e) and the weights (..., T, S), whose
    rows sum to 1. scale: what the products are multiplied by; None for
    1 / sqrt(d), so that they have about unit variance. Raises as `check_mask`.
    """
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    scores = q @ k.transpose(-2, -1) * scale               # (..., T, S)
    if mask is not None:
        check_mask(mask, scores.shape)
        scores = scores.masked_fill(~mask, -torch.inf)
    weights = scores.softmax(-1)                           # (..., T, S)
    return weights @ v, weights                            # (..., T, e)


class Head(nn.Module):
    """One head of causal self-attention: (B, T, dim) -> (B, T, size).

    Its weights stay in `.weights`, (B, T, T).
    """

    def __init__(self, dim: int, size: int, *, generator: torch.Generator):
        super().__init__()
        self.query = nn.Linear(dim, size, bias=False)      # what I look for
        self.key = nn.Linear(dim, size, bias=False)        # what I have
        self.value = nn.Linear(dim, size, bias=False)      # what I pass on
        draw(self, generator)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        check_input(x, self.query.in_features)
        q, k, v = self.query(x), self.key(x), self.value(x)    # (B, T, size)
        out, weights = attention(q, k, v, causal(x.shape[1]))
        self.weights = weights.detach()                        # (B, T, T)
        return out


class HeadList(nn.Module):
    """Several heads side by side, then a projection: (B, T, dim), twice."""

    def __init__(self, dim: int, heads: int, *, generator: torch.Generator):
        super().__init__()
        size = split_size(dim, heads)
        self.heads = nn.ModuleList(
            Head(dim, size, generator=generator) for _ in range(heads))
        self.project = nn.Linear(dim, dim)
        draw(self.project, generator)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.project(torch.cat([head(x) for head in self.heads], -1))


class MultiHead(nn.Module):
    """All heads in one tensor: self-attention, (B, T, dim) -> (B, T, dim).

    causal: each place sees itself and those before. rope: queries and keys are rotated by their
    position. scale: as in `attention`. dropout: share of the weights that training drops. fused:
    PyTorch's kernel, which keeps no weights; without it they stay in `.weights` (B, heads, T, S).
    `forward(x, mask, cache)`: mask broadcasts to (B, T, S), beside the causal one; cache is a
    `Cache` that holds the keys and values of the places before x.
    """

    def __init__(self, dim: int, heads: int, *, generator: torch.Generator, causal: bool = True,
                 bias: bool = True, dropout: float = 0.0, rope: bool = False,
                 scale: float | None = None, fused: bool = True):
        super().__init__()
        size = split_size(dim, heads)
        if rope and size % 2:
            raise ValueError(f"heads of size {size}: rotation works on pairs, so the size of a "
                             "head must be even.")
        self.heads, self.causal, self.dropout = heads, causal, dropout
        self.rope, self.scale, self.fused = rope, scale, fused
        self.qkv = nn.Linear(dim, 3 * dim, bias=bias)
        self.project = nn.Linear(dim, dim, bias=bias)
        draw(self, generator)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None,
                cache: Cache | None = None) -> torch.Tensor:
        check_input(x, self.qkv.in_features)
        q, k, v = (split_heads(part, self.heads)           # (B, heads, T, size)
                   for part in self.qkv(x).chunk(3, -1))
        before = 0 if cache is None else cache.length
        if self.rope:
            places = torch.arange(before, before + x.shape[1], device=x.device)
            q, k = rotate(torch.stack([q, k]), places)     # both at once
        if cache is not None:
            k, v = cache.add(k, v)                         # (B, heads, S, size)
        out = self.mix(q, k, v, mask)
        return self.project(merge_heads(out))              # (B, T, dim)

    def mix(self, q, k, v, mask):
        """Attention under the layer's masks: (B, heads, T, size)."""
        B, T, S = len(q), q.shape[2], k.shape[2]
        drop = self.dropout if self.training else 0.0
        kernel_masks = self.fused and self.causal and mask is None and T == S
        if mask is not None:
            check_mask(mask, (B, T, S))
        if self.causal and T > 1 and not kernel_masks:
            earlier = causal(T, S).to(q.device)
            mask = earlier if mask is None else mask & earlier
            check_mask(mask, (B, T, S))
        if mask is not None:
            mask = mask.expand(B, T, S)[:, None]           # the same for every head
        if self.fused:
            return F.scaled_dot_product_attention(
                q, k, v, mask, drop, is_causal=kernel_masks, scale=self.scale)
        out, weights = attention(q, k, v, mask, self.scale)
        self.weights = weights.detach()                    # (B, heads, T, S)
        return F.dropout(weights, drop) @ v if drop else out


def stack(heads: HeadList) -> MultiHead:
    """The same layer with all heads in one tensor: the rows of the heads' matrices, end to end."""
    first = heads.heads[0].query
    layer = MultiHead(first.in_features, len(heads.heads), generator=torch.Generator())
    with torch.no_grad():
        layer.qkv.weight.copy_(torch.cat([getattr(head, part).weight
                                          for part in ("query", "key", "value")
                                          for head in heads.heads]))
    layer.project.load_state_dict(heads.project.state_dict())
    return layer.to(first.weight.dtype)


class CrossAttention(nn.Module):
    """Queries from x, keys and values from a source: (B, T, dim), (B, S, dim) -> (B, T, dim).

    mask broadcasts to (B, T, S): `padding(lengths of the source, S)`. fused, `.weights`: as
    in MultiHead.
    """

    def __init__(self, dim: int, heads: int, *, generator: torch.Generator, bias: bool = True,
                 dropout: float = 0.0, fused: bool = True):
        super().__init__()
        split_size(dim, heads)
        self.heads, self.causal, self.dropout = heads, False, dropout
        self.scale, self.fused = None, fused
        self.query = nn.Linear(dim, dim, bias=bias)
        self.key_value = nn.Linear(dim, 2 * dim, bias=bias)
        self.project = nn.Linear(dim, dim, bias=bias)
        draw(self, generator)

    def forward(self, x: torch.Tensor, source: torch.Tensor,
                mask: torch.Tensor | None = None) -> torch.Tensor:
        check_input(x, self.query.in_features)
        check_input(source, self.query.in_features, "the source")
        if len(x) != len(source):
            raise ValueError(
                f"{len(x)} examples ask and {len(source)} sources answer: each "
                "example has a source of its own, so the batches are equal.")
        q = split_heads(self.query(x), self.heads)         # (B, heads, T, size)
        k, v = (split_heads(part, self.heads)              # (B, heads, S, size)
                for part in self.key_value(source).chunk(2, -1))
        return self.project(merge_heads(self.mix(q, k, v, mask)))

    mix = MultiHead.mix


def check_input(x: torch.Tensor, dim: int, name: str = "x") -> None:
    """ValueError unless x is (B, T, dim)."""
    if x.ndim != 3 or x.shape[-1] != dim:
        raise ValueError(f"{name} has the shape {tuple(x.shape)}; this layer takes (B, T, {dim}): "
                         "batch, places, features. One sequence alone: x[None].")


def split_size(dim: int, heads: int) -> int:
    """The size of a head; ValueError where the heads do not share `dim` evenly."""
    if heads < 1 or dim % heads:
        raise ValueError(f"dim is {dim} and heads {heads}: the heads share the dim, so it must be "
                         "a multiple of their number.")
    return dim // heads


def split_heads(x: torch.Tensor, heads: int) -> torch.Tensor:
    """(B, T, dim) -> (B, heads, T, size): products treat the head as batch."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def merge_heads(x: torch.Tensor) -> torch.Tensor:
    """(B, heads, T, size) -> (B, T, dim): what each head found, end to end."""
    return x.transpose(1, 2).flatten(2)


# ---------------------------------------------------------------------------
# Reading what heads look at


def by_distance(weights: torch.Tensor, most: int) -> torch.Tensor:
    """Mean weight on the key 0, 1, ..., most - 1 places back: (B, heads, T, T) -> (heads, most).

    Only queries count that have so many places before them.
    """
    rows = weights[:, :, most - 1:]                        # (B, heads, T - most + 1, T)
    return torch.stack([rows.diagonal(most - 1 - back, -2, -1).mean((0, 2))
                        for back in range(most)], -1)


def share_on(weights: torch.Tensor,
             chosen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean weight on the chosen keys, and what their places get anyway.

    weights (B, heads, T, S), chosen (B, T, S) of booleans; (heads,) each. The
    second is the control: the mean weight of the same pairs of places over
    all examples, whatever stands there.
    """
    count = chosen.sum()
    found = (weights * chosen[:, None]).sum((0, 2, 3)) / count
    usual = (weights.mean(0) * chosen.sum(0)).sum((1, 2)) / count
    return found, usual


# ---------------------------------------------------------------------------
# What has been computed before


class Cache:
    """Keys and values of the places that were read, for one attention layer.

    Room for `block` places; `.length` are filled.
    """

    def __init__(self, block: int):
        self.block, self.length, self.k, self.v = block, 0, None, None

    def add(self, k: torch.Tensor,
            v: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Append k, v (B, heads, T, size); returns (B, heads, length, size)."""
        B, heads, T, size = k.shape
        start, end = self.length, self.length + T
        if end > self.block:
            raise ValueError(
                f"the cache has {start} places and {T} are added; it has room "
                f"for {self.block}. Start a new one with the places to keep.")
        if self.k is None:
            self.k, self.v = (k.new_empty(B, heads, self.block, size)
                              for _ in range(2))
        self.k[:, :, start:end], self.v[:, :, start:end] = k, v
        self.length = end
        return self.k[:, :, :end], self.v[:, :, :end]


# ---------------------------------------------------------------------------
# Positions by rotation


def rotate(x: torch.Tensor, places: torch.Tensor,
           base: float = 10_000.0) -> torch.Tensor:
    """Turn each pair of features by an angle that grows with the place.

    x (..., T, d) with d even, places (T,). Pair i of place p turns by
    p * base ** (-2 i / d). The product of a rotated query and a rotated key
    depends on how far apart they are, not on where. Su et al. 2021.
    """
    d = x.shape[-1]
    if d % 2:
        raise ValueError(f"the last axis has {d} features; rotation needs "
                         "pairs, an even number.")
    pairs = torch.arange(0, d, 2, dtype=torch.float64,
                         device=x.device)                  # (d / 2,)
    angle = places.double()[:, None] * base ** (-pairs / d)    # (T, d / 2)
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    a, b = x.unflatten(-1, (-1, 2)).unbind(-1)             # (..., T, d / 2)
    return torch.stack([a * cos - b * sin, a * sin + b * cos], -1).flatten(-2)


# ---------------------------------------------------------------------------
# The smallest model around a layer of attention


class OneLayer(nn.Module):
    """Token ids (B, T) -> scores of the next token at every place, (B, T, vocab).

    heads: of the layer; 0 for no attention, where each place sees its own token alone.
    positions: "learned" adds a vector for the place, "rope" rotates, None leaves the order out.
    options: go to MultiHead. ValueError for more places than `block`.
    """

    def __init__(self, vocab: int, block: int, dim: int, heads: int, *,
                 generator: torch.Generator,
                 positions: str | None = "learned", **options):
        super().__init__()
        if positions not in (None, "learned", "rope"):
            raise ValueError(f"positions is {positions!r}; it is 'learned', "
                             "'rope' or None.")
        self.block = block
        self.tokens = nn.Embedding(vocab, dim)
        self.places = nn.Embedding(block, dim) if positions == "learned" else None
        self.attention = MultiHead(
            dim, heads, rope=positions == "rope", generator=generator,
            **options) if heads else None
        self.scores = nn.Linear(dim, vocab)
        draw(self, generator)

    def forward(self, ids: torch.Tensor,
                mask: torch.Tensor | None = None) -> torch.Tensor:
        T = ids.shape[1]
        if T > self.block:
            raise ValueError(
                f"{T} places, and this model reads {self.block} at most: give "
                f"it the last {self.block}, ids[:, -{self.block}:].")
        x = self.tokens(ids)                               # (B, T, dim)
        if self.places is not None:
            x = x + self.places.weight[:T]                 # (T, dim)
        if self.attention is not None:
            x = self.attention(x, mask)                    # (B, T, dim)
        return self.scores(x)                              # (B, T, vocab)

    def loss(self, ids: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy over all places, in nats."""
        return F.cross_entropy(self(ids).flatten(0, 1), targets.flatten())


# ---------------------------------------------------------------------------


def draw(module: nn.Module, generator: torch.Generator, std: float | None = None) -> None:
    """Start every weight of `module` from N(0, std**2) and every bias from zero, in place.

    std: None for 1 / sqrt(fan_in) in a Linear and 1 in an Embedding, as in `zh.layers`.
    """
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"generator is {generator!r}; pass torch.Generator().manual_seed(1), so "
                        "that the same weights come again.")
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, nn.Linear | nn.Embedding):
                own = part.in_features ** -0.5 if isinstance(part, nn.Linear) else 1.0
                part.weight.normal_(0.0, own if std is None else std, generator=generator)
                if getattr(part, "bias", None) is not None:
                    part.bias.zero_()
