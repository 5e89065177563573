"""Attention: every place gathers from the places it may look at, as much as it finds them fitting.

The versions are kept in the order in which the chapter builds them, each equal to the one before
where it should be: an average by a loop, by a matrix product, by a masked softmax; one head; heads
as a list; heads in one tensor; and PyTorch's own `scaled_dot_product_attention`, which computes
the same without keeping the weights.

A mask is a tensor of booleans, True where a query may look at a key, that broadcasts to
(B, T, S): T queries, S keys. Masks are joined with `&`.

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
    """Each place gets the mean of itself and all before it: (B, T, C) -> (B, T, C)."""
    out = torch.empty_like(x)
    for b in range(x.shape[0]):
        for t in range(x.shape[1]):
            out[b, t] = x[b, : t + 1].mean(0)              # (t + 1, C) -> (C,)
    return out


def average_matmul(x: torch.Tensor) -> torch.Tensor:
    """The same as one matrix product: row t of the weights has t + 1 equal entries."""
    T = x.shape[1]
    weights = torch.tril(torch.ones(T, T, dtype=x.dtype))
    weights = weights / weights.sum(1, keepdim=True)       # (T, T), rows sum to 1
    return weights @ x                                     # (T, T) @ (B, T, C)


def average_softmax(x: torch.Tensor) -> torch.Tensor:
    """The same from scores: zero where it may look, minus infinity where it may not."""
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


def check_mask(mask: torch.Tensor, B: int, T: int, S: int) -> None:
    """Raise unless `mask` is boolean, broadcasts to (B, T, S), and leaves no query blind."""
    if not isinstance(mask, torch.Tensor) or mask.dtype != torch.bool:
        raise TypeError(f"a mask holds booleans, True where a query may look; this one is "
                        f"{getattr(mask, 'dtype', type(mask).__name__)}. From scores of 0 and "
                        "-inf: mask = scores == 0.")
    shape = (1,) * (3 - mask.ndim) + tuple(mask.shape)
    if mask.ndim > 3 or any(have not in (1, want) for have, want in
                            zip(shape, (B, T, S), strict=True)):
        raise ValueError(f"the mask has the shape {tuple(mask.shape)}; it must broadcast to "
                         f"({B}, {T}, {S}): batch, queries, keys. causal(T) is (T, T), "
                         "padding(lengths, S) is (B, 1, S).")
    if not mask.any(-1).all():
        blind = (~mask.any(-1)).nonzero()[0].tolist()
        raise ValueError(f"the mask lets query {blind[-1]} look at no key at all: a softmax over "
                         "nothing is not a number. Let each query see one place at least.")


# ---------------------------------------------------------------------------
# Attention itself


def attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor,
              mask: torch.Tensor | None = None,
              scale: float | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """What each query gathers, and how much from where.

    q (..., T, d), k (..., S, d), v (..., S, e), mask (..., T, S) of booleans. Returns the mixed
    values (..., T, e) and the weights (..., T, S), whose rows sum to 1. scale: what the products
    are multiplied by; None for 1 / sqrt(d), so that they have about unit variance.
    """
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    scores = q @ k.transpose(-2, -1) * scale               # (..., T, S)
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    weights = scores.softmax(-1)                           # (..., T, S)
    return weights @ v, weights                            # (..., T, e)


class Head(nn.Module):
    """One head of causal self-attention: (B, T, dim) -> (B, T, size). `.weights` (B, T, T) stay."""

    def __init__(self, dim: int, size: int, *, generator: torch.Generator):
        super().__init__()
        self.query = nn.Linear(dim, size, bias=False)      # what I look for
        self.key = nn.Linear(dim, size, bias=False)        # what I have
        self.value = nn.Linear(dim, size, bias=False)      # what I pass on
        draw(self, generator)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.query(x), self.key(x), self.value(x)        # (B, T, size)
        out, weights = attention(q, k, v, causal(x.shape[1]))
        self.weights = weights.detach()                            # (B, T, T)
        return out


class HeadList(nn.Module):
    """Several heads side by side, then a projection: (B, T, dim) -> (B, T, dim)."""

    def __init__(self, dim: int, heads: int, *, generator: torch.Generator):
        super().__init__()
        size = split_size(dim, heads)
        self.heads = nn.ModuleList(Head(dim, size, generator=generator) for _ in range(heads))
        self.project = nn.Linear(dim, dim)
        draw(self.project, generator)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.project(torch.cat([head(x) for head in self.heads], -1))


class MultiHead(nn.Module):
    """All heads in one tensor: self-attention, (B, T, dim) -> (B, T, dim).

    causal: each place sees itself and those before. rope: queries and keys are rotated by their
    position. dropout: share of the weights that training drops. fused: PyTorch's kernel, which
    keeps no weights; without it they stay in `.weights` (B, heads, T, S).
    `forward(x, mask, cache)`: mask broadcasts to (B, T, S), beside the causal one; cache is a
    `Cache` that holds the keys and values of the places before x.
    """

    def __init__(self, dim: int, heads: int, *, generator: torch.Generator, causal: bool = True,
                 bias: bool = True, dropout: float = 0.0, rope: bool = False, fused: bool = True):
        super().__init__()
        size = split_size(dim, heads)
        if rope and size % 2:
            raise ValueError(f"heads of size {size}: rotation works on pairs, so the size of a "
                             "head must be even.")
        self.heads, self.causal, self.dropout = heads, causal, dropout
        self.rope, self.fused = rope, fused
        self.qkv = nn.Linear(dim, 3 * dim, bias=bias)
        self.project = nn.Linear(dim, dim, bias=bias)
        draw(self, generator)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None,
                cache: Cache | None = None) -> torch.Tensor:
        q, k, v = (split_heads(part, self.heads)           # (B, heads, T, size)
                   for part in self.qkv(x).chunk(3, -1))
        before = 0 if cache is None else cache.length
        if self.rope:
            places = torch.arange(before, before + x.shape[1])
            q, k = rotate(q, places), rotate(k, places)
        if cache is not None:
            k, v = cache.add(k, v)                         # (B, heads, S, size)
        out = self.mix(q, k, v, mask)
        return self.project(merge_heads(out))              # (B, T, dim)

    def mix(self, q, k, v, mask):
        """Attention under the layer's masks, (B, heads, T, size), fused or by hand."""
        T, S = q.shape[2], k.shape[2]
        if mask is not None:
            check_mask(mask, len(q), T, S)
        simple = mask is None and T == S                   # the kernel knows this mask
        if self.causal and T > 1 and not (self.fused and simple):
            mask = causal(T, S) if mask is None else mask & causal(T, S)
        if mask is not None and mask.ndim == 3:
            mask = mask[:, None]                           # (B, 1, T, S), for every head
        drop = self.dropout if self.training else 0.0
        if self.fused:
            return F.scaled_dot_product_attention(
                q, k, v, mask, drop, is_causal=self.causal and simple and T > 1)
        out, weights = attention(q, k, v, mask)
        self.weights = weights.detach()
        return F.dropout(weights, drop) @ v if drop else out


class CrossAttention(nn.Module):
    """Queries from x, keys and values from a source: (B, T, dim), (B, S, dim) -> (B, T, dim).

    mask broadcasts to (B, T, S): `padding(lengths of the source, S)`. fused, `.weights`: as
    in MultiHead.
    """

    def __init__(self, dim: int, heads: int, *, generator: torch.Generator, bias: bool = True,
                 dropout: float = 0.0, fused: bool = True):
        super().__init__()
        split_size(dim, heads)
        self.heads, self.causal, self.dropout, self.fused = heads, False, dropout, fused
        self.query = nn.Linear(dim, dim, bias=bias)
        self.key_value = nn.Linear(dim, 2 * dim, bias=bias)
        self.project = nn.Linear(dim, dim, bias=bias)
        draw(self, generator)

    def forward(self, x: torch.Tensor, source: torch.Tensor,
                mask: torch.Tensor | None = None) -> torch.Tensor:
        q = split_heads(self.query(x), self.heads)         # (B, heads, T, size)
        k, v = (split_heads(part, self.heads)              # (B, heads, S, size)
                for part in self.key_value(source).chunk(2, -1))
        return self.project(merge_heads(self.mix(q, k, v, mask)))

    mix = MultiHead.mix


def split_size(dim: int, heads: int) -> int:
    """The size of a head; ValueError where the heads do not share `dim` evenly."""
    if heads < 1 or dim % heads:
        raise ValueError(f"dim is {dim} and heads {heads}: the heads share the dim, so it must be "
                         "a multiple of their number.")
    return dim // heads


def split_heads(x: torch.Tensor, heads: int) -> torch.Tensor:
    """(B, T, dim) -> (B, heads, T, size): the head becomes an axis that products run over."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def merge_heads(x: torch.Tensor) -> torch.Tensor:
    """(B, heads, T, size) -> (B, T, dim): what each head found, end to end."""
    return x.transpose(1, 2).flatten(2)


# ---------------------------------------------------------------------------
# What has been computed before


class Cache:
    """Keys and values of the places that were read, for one attention layer.

    Room for `block` places; `.length` are filled.
    """

    def __init__(self, block: int):
        self.block, self.length, self.k, self.v = block, 0, None, None

    def add(self, k: torch.Tensor, v: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Append k, v (B, heads, T, size); returns all of them, (B, heads, length, size)."""
        B, heads, T, size = k.shape
        if self.length + T > self.block:
            raise ValueError(f"the cache has {self.length} places and {T} are added; it has room "
                             f"for {self.block}. Start a new one with the places to keep.")
        if self.k is None:
            self.k, self.v = (k.new_empty(B, heads, self.block, size) for _ in range(2))
        self.k[:, :, self.length:self.length + T] = k
        self.v[:, :, self.length:self.length + T] = v
        self.length += T
        return self.k[:, :, :self.length], self.v[:, :, :self.length]


# ---------------------------------------------------------------------------
# Positions by rotation


def rotate(x: torch.Tensor, places: torch.Tensor, base: float = 10_000.0) -> torch.Tensor:
    """Turn each pair of features by an angle that grows with the place: (..., T, d), d even.

    Pair i of place p turns by p * base ** (-2 i / d). The product of a rotated query and a
    rotated key depends on how far apart they are, not on where. Su et al. 2021.
    """
    d = x.shape[-1]
    if d % 2:
        raise ValueError(f"the last axis has {d} features; rotation needs pairs, an even number.")
    speed = base ** (-torch.arange(0, d, 2, dtype=torch.float64) / d)      # (d / 2,)
    angle = places.double()[:, None] * speed                               # (T, d / 2)
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    a, b = x[..., 0::2], x[..., 1::2]                                      # (..., T, d / 2)
    return torch.stack([a * cos - b * sin, a * sin + b * cos], -1).flatten(-2)


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
