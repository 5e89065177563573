"""How large a GPT is, counted by hand: parameters, operations, memory.

    config = GPTConfig()                          # the smallest GPT-2
    parameters(config)["all"]                     # 124439808
    count(config, batch=8, dtype="bf16")          # everything, as nested dicts

All counts are exact for `zh.gpt.GPT` as it runs on a processor: parameters as `numel` gives them,
operations as PyTorch's `FlopCounterMode` counts matrix products (two for each product that is
added), bytes as the tensors have them. The calculator in the page has the same formulas in
JavaScript, `zh/labs/sizes.js`.

Left out: additions of biases, normalisations, softmax and GELU (a few per cent of the operations),
and memory that lives for a moment only, such as the logits and their gradient.

Operations of a transformer: Kaplan et al. 2020. Memory of its activations: Korthikanti et al. 2022.
"""
from __future__ import annotations

from zh.gpt.model import GPTConfig

STATES = {"adamw": 2, "momentum": 1, "sgd": 0}     # numbers that an optimizer keeps a parameter
BYTES = {"float32": 4, "bf16": 2}                  # of a number in the products


def parameters(c: GPTConfig) -> dict[str, int]:
    """Numbers that are learned, by part, and "all" of them."""
    d, inner, bias = c.dim, c.inner or 4 * c.dim, int(c.bias)
    norm = (1 + bias) * d if c.norm else 0
    found = {
        "tokens": c.vocab * d,                             # a row a token
        "places": c.block * d if c.positions == "learned" else 0,
        "attention": c.layers * (4 * d * d + bias * 4 * d),
        "mlp": c.layers * (2 * d * inner + bias * (inner + d)),
        "norms": (2 * c.layers + 1) * norm,
        "head": 0 if c.tie else c.vocab * d,               # tied: as tokens
    }
    return {**found, "all": sum(found.values())}


def operations(c: GPTConfig) -> dict[str, int]:
    """Operations of matrix products a token, reading `block` at once.

    "training" is a pass forward and the way back, twice as much. Attention
    is counted in full, T keys for each of T queries: under a causal mask
    half of these products are of no use.
    """
    d, inner = c.dim, c.inner or 4 * c.dim
    found = {
        "matrices": 2 * c.layers * (4 * d * d + 2 * d * inner),
        "attention": 4 * c.layers * c.block * d,           # q @ k, p @ v
        "head": 2 * c.vocab * d,
    }
    forward = sum(found.values())
    return {**found, "forward": forward, "training": 3 * forward}


def rules(c: GPTConfig) -> dict[str, int]:
    """Rules of thumb for training a token: 6 N, N all parameters or those of the layers."""
    p = parameters(c)
    return {"6N": 6 * p["all"],
            "6N without tables": 6 * (p["all"] - p["tokens"] - p["places"] - p["head"])}


def memory(c: GPTConfig, batch: int, dtype: str = "float32",
           optimizer: str = "adamw") -> dict[str, int]:
    """Bytes that a training step holds, when the forward pass has ended and the way back begins.

    batch: pieces of `block` tokens. dtype: "float32", or "bf16" for products under autocast, with
    parameters, gradients and the residual stream still in float32. Raises ValueError for a model
    whose activations it does not know.
    """
    _known(c, batch, dtype, optimizer)
    count, tensors = parameters(c)["all"], 4 + 12 * c.layers + (0 if c.tie else 1)
    states = STATES[optimizer]
    found = {"parameters": 4 * count, "gradients": 4 * count,
             "optimizer": 4 * states * count + (4 * tensors if optimizer == "adamw" else 0),
             "activations": activations(c, batch, dtype)}
    return {**found, "all": sum(found.values())}


def activations(c: GPTConfig, batch: int, dtype: str = "float32") -> int:
    """Bytes that the forward pass keeps: what `zh.measuring.saved` finds."""
    _known(c, batch, dtype)
    d, b, tokens = c.dim, BYTES[dtype], batch * c.block
    layer = (2 * 4 * d                        # the stream, before each part
             + b * (d + 3 * d + d)            # normalised; q, k, v; gathered
             + b * (d + 4 * d + 4 * d)        # normalised; wide; after GELU
             + 4 * (4 + c.heads))             # mean and spread; sums
    end = 4 * d + b * d + 4 * 2 + 4 * c.vocab          # log-probabilities
    ids = 2 * 8                               # tokens and targets, int64
    copies = 0
    if dtype == "bf16":                       # of each matrix
        copies = b * (12 * c.layers * d * d + c.vocab * d)
    return tokens * (c.layers * layer + end + ids) + copies + 4


def cache(c: GPTConfig, places: int | None = None, dtype: str = "float32") -> int:
    """Bytes of the keys and values of one text of so many places; None: a full context."""
    return 2 * c.layers * (c.block if places is None else places) * c.dim * BYTES[dtype]


def count(c: GPTConfig, batch: int = 1, dtype: str = "float32",
          optimizer: str = "adamw") -> dict[str, dict | int]:
    """All of the above in one: what the calculator in the page shows."""
    one, tokens = operations(c), batch * c.block
    return {"parameters": parameters(c), "operations": one, "rules": rules(c),
            "step": tokens * one["training"], "memory": memory(c, batch, dtype, optimizer),
            "cache": cache(c, dtype=dtype)}


def _known(c: GPTConfig, batch: int, dtype: str, optimizer: str = "adamw") -> None:
    if batch < 1:
        raise ValueError(f"batch is {batch}; it is a number of pieces, 1 or more.")
    if dtype not in BYTES:
        raise ValueError(f"dtype is {dtype!r}; it is one of {', '.join(BYTES)}.")
    if optimizer not in STATES:
        raise ValueError(f"optimizer is {optimizer!r}; it is one of {', '.join(STATES)}.")
    plain = (c.positions == "learned" and c.residual and c.norm and c.bias and not c.dropout
             and c.inner in (None, 4 * c.dim))
    if not plain:
        raise ValueError("memory is counted for a GPT as GPT-2 is: learned positions, residual "
                         "connections, normalisations, biases, no dropout, 4 * dim inside. Take "
                         "zh.measuring.saved for another.")
