"""Drawing the next token: an own sampler, temperature, top-k and top-p.

    from zh import sampling
    p = sampling.probabilities(logits, temperature=0.8, top_k=10)   # (..., V) float64
    i = sampling.sample(p, generator)                               # (...) int64
    sampling.names(model, 10, generator)                            # ten whole names

Why not `torch.multinomial`: what it draws from one seed changed between versions (the
names that the 2022 lectures print cannot be had from torch 2.x), so a sample on a page
would depend on the reader's install.  Here a draw is one number u = `torch.rand` in
float64 and the first index at which the running sum of the probabilities passes u: the
inverse of the cumulative distribution (as `sample_discrete` in A. Karpathy's ngram, 2024).
All that it asks of torch is that `torch.rand` keeps its stream.

Left out: beam search (zh.seq2seq) and penalties for repetition.
Top-k: Fan, Lewis and Dauphin, 2018.  Top-p: Holtzman et al., 2020.
"""

import torch

from zh import data

TOLERANCE = 1e-4  # how far from 1 a row of probabilities may sum: float32 and 50,000 tokens


def sample(probs, generator):
    """Draw one index from each row of probabilities.

    probs (..., V): at least 0, each row sums to 1.  Returns int64 of shape (...).
    An index whose probability is 0 is never drawn.  Raises ValueError where a row is not
    a distribution; what is left of rounding is divided out.
    """
    probs = torch.as_tensor(probs).double()  # (..., V)
    if probs.ndim == 0 or probs.shape[-1] == 0:
        raise ValueError(f"probs has a last axis of tokens, not the shape {tuple(probs.shape)}")
    if not torch.isfinite(probs).all() or (probs < 0).any():
        raise ValueError(
            f"probabilities are finite and at least 0; here the smallest is "
            f"{probs.min().item():.4g} and the largest {probs.max().item():.4g}. "
            "Are these logits? Then take probabilities(logits) first"
        )
    cumulative = probs.cumsum(-1)  # (..., V)
    total = cumulative[..., -1:]  # (..., 1)
    if ((total - 1).abs() > TOLERANCE).any():
        worst = total.flatten()[(total - 1).abs().argmax()].item()
        raise ValueError(
            f"each row of probabilities sums to 1, and one here sums to {worst:.6g}. Counts are "
            "divided by counts.sum(-1, keepdim=True); logits go through probabilities(logits)"
        )
    u = torch.rand(total.shape, generator=generator, dtype=torch.float64)  # (..., 1) in [0, 1)
    # below `total` even where u * total rounds up to it, so that the last index is in range
    u = torch.minimum(u * total, torch.nextafter(total, torch.zeros_like(total)))
    return (cumulative <= u).sum(-1)  # (...)


def probabilities(logits, temperature=1.0, top_k=None, top_p=None):
    """Softmax of logits (..., V), changed in this order; float64 (..., V).

    temperature: the logits are divided by it.  1 leaves them; below 1 sharpens, above 1
        flattens; 0 is greedy: all on the largest logit (the first of equals).
    top_k: keep the k most probable tokens (of equals, the first); k >= V keeps all.
    top_p: keep the fewest tokens, most probable first, whose probabilities reach p,
        0 < p <= 1.  At least one is kept.
    What is not kept gets 0, and the rest is made to sum to 1 again.

    Raises ValueError for a setting out of range, for a logit that is NaN or +inf, and for
    a row in which every logit is -inf.
    """
    logits = torch.as_tensor(logits).double()  # (..., V)
    _check(logits, temperature, top_k, top_p)
    vocabulary = logits.shape[-1]
    logits = logits - logits.max(-1, keepdim=True).values  # the largest is 0: exp is safe
    if temperature == 0:
        return torch.nn.functional.one_hot(_first_max(logits), vocabulary).double()
    p = (logits / temperature).softmax(-1)  # (..., V)
    if top_k is not None or top_p is not None:
        ranked, order = p.sort(dim=-1, descending=True, stable=True)  # both (..., V)
        if top_k is not None:
            ranked[..., top_k:] = 0
            ranked = ranked / ranked.sum(-1, keepdim=True)
        if top_p is not None and top_p < 1:
            before = ranked.cumsum(-1) - ranked  # what more probable tokens have
            ranked = ranked.where(before < top_p, 0)
            ranked = ranked / ranked.sum(-1, keepdim=True)
        p = torch.zeros_like(p).scatter(-1, order, ranked)  # back in the tokens' order
    return p


def sample_logits(logits, generator, temperature=1.0, top_k=None, top_p=None):
    """`sample(probabilities(logits, ...), generator)`: logits (..., V) -> int64 (...)."""
    return sample(probabilities(logits, temperature, top_k, top_p), generator)


@torch.no_grad()
def names(model, count, generator, temperature=1.0, max_length=40):
    """Names from a model of letters, drawn side by side: a list of `count` strings.

    model: gives logits (B, 27) for contexts (B, model.block) of indices in data.ALPHABET.  It is
        put into eval mode while it samples, where it has one, and back.
    temperature: as in `probabilities`.
    max_length: a name that has not ended after so many letters, 1 or more, is cut there.

    Every name starts from `model.block` marks and ends where the mark is drawn; a model may
    draw it first, and the name is then "".  Raises ValueError where the logits do not fit, and
    for a count or a length that is none.
    """
    for what, value, least in (("count", count, 0), ("max_length", max_length, 1)):
        try:
            fits = not isinstance(value, bool) and int(value) == value and value >= least
        except (TypeError, ValueError, OverflowError):
            fits = False
        if not fits:
            raise ValueError(f"{what} is a whole number, {least} or more, not {value!r}")
    count, max_length = int(count), int(max_length)
    was_training = getattr(model, "training", False)
    if was_training:
        model.eval()
    try:
        context = torch.zeros(count, max(model.block, 1), dtype=torch.int64)  # (B, T)
        drawn, rows = [""] * count, torch.arange(count)  # the names still going on
        for _ in range(max_length + 1):
            if len(rows) == 0:
                break
            logits = model(context)  # (B, 27)
            if logits.ndim != 2 or logits.shape[1] != len(data.ALPHABET):
                raise ValueError(
                    f"the model gives logits of shape {tuple(logits.shape)} for {len(context)} "
                    f"contexts: ({len(context)}, {len(data.ALPHABET)}) is expected"
                )
            letters = sample_logits(logits, generator, temperature)  # (B,)
            going = letters != 0
            rows, letters = rows[going], letters[going]
            for row, letter in zip(rows.tolist(), letters.tolist(), strict=True):
                drawn[row] += data.ALPHABET[letter]
            context = torch.cat([context[going, 1:], letters[:, None]], 1)
        return [name[:max_length] for name in drawn]
    finally:
        if was_training:
            model.train()


def _first_max(logits):
    """The first index of the largest value; argmax does not promise which of equals."""
    return (logits == logits.max(-1, keepdim=True).values).int().cumsum(-1).eq(0).sum(-1)


def _check(logits, temperature, top_k, top_p):
    if logits.ndim == 0 or logits.shape[-1] == 0:
        raise ValueError(f"logits has a last axis of tokens, not the shape {tuple(logits.shape)}")
    if logits.isnan().any():
        raise ValueError("a logit is NaN: look for the first NaN in the model's layers")
    if (logits == torch.inf).any():
        raise ValueError("a logit is +inf: only -inf, for a token that is ruled out, has a meaning")
    if (logits == -torch.inf).all(-1).any():
        raise ValueError("every logit of a row is -inf: no token is left to draw")
    if not 0 <= temperature < torch.inf:
        raise ValueError(
            f"temperature is 0 (greedy) or a finite number above it, not {temperature}"
        )
    if top_k is not None and (isinstance(top_k, bool) or int(top_k) != top_k or top_k < 1):
        raise ValueError(f"top_k is a whole number of tokens, 1 or more, or None, not {top_k}")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p is a share above 0 and at most 1, or None, not {top_p}")
